/**
 * What becomes of the steps of a run under a command: which outcomes are taken over, what would be done again, and of what it has to be
 * asked first whether it happened. It says what `Steps.ts` of the runtime does when it comes to a recorded step.
 */
import { Schema } from "effect"
import type { Decision } from "./Decision.ts"
import { EffectClass } from "./EffectClass.ts"
import { undoScope } from "./Execution.ts"
import { changed, type Step, type StepChange } from "./Step.ts"
import type { Task } from "./Task.ts"

/**
 * - `reused`: its outcome is known and taken over.
 * - `again`: it would be done, again or for the first time anew.
 * - `probed`: its probe is asked first whether it happened.
 * - `unknown`: nobody knows whether it happened, so a person is asked.
 * - `waits`: it goes on waiting for what it waits for.
 * - `finishes`: the run is in its middle, and it may end first.
 * - `cut_off`: the run is in its middle, and it is ended there.
 */
export const fates = ["reused", "again", "probed", "unknown", "waits", "finishes", "cut_off"] as const
export type Fate = (typeof fates)[number]

export const StepPlan = Schema.Struct({
  task: Schema.String,
  step: Schema.Int,
  name: Schema.String,
  effect: EffectClass,
  fate: Schema.Literal(...fates)
})
export type StepPlan = typeof StepPlan.Type

const planned = ({ effect, name, number, task }: Step, fate: Fate): StepPlan => ({ task, step: number, name, effect, fate })

/** The fates of the steps of `task`, by number; none where the command is not about its run. `steps` are those that are recorded. */
export const fatesOf = (task: Task | undefined, steps: ReadonlyArray<Step>, { steps: changes, tasks }: Pick<Decision<unknown>, "steps" | "tasks">): ReadonlyArray<StepPlan> => {
  if (task === undefined) return []
  // Those that undid others stand for themselves.
  const own = steps.filter(({ scope }) => !scope.startsWith(undoScope))
  const fork = tasks.find(({ forkedFrom, id }) => id !== task.id && forkedFrom?.task === task.id)
  if (fork !== undefined) return ofFork(own, fork, changes)
  const after = tasks.find(({ id }) => id === task.id)
  if (after === undefined) return []
  if (after.state === "RUNNING") return after.cancel === null || after.cancel === task.cancel ? [] : inTheMiddle(after, own)
  const goesOn = after.state !== task.state && (after.state === "QUEUED" || after.state === "APPROVED" || after.state === "REQUESTED")
  // A run that was asked to end begins nothing.
  if (!goesOn || after.cancel !== null) return []
  return stepsAfter(own, task, changes).map((step, _, all) => planned(step, ofNextRun(step, after, all)))
}

const stepsAfter = (steps: ReadonlyArray<Step>, task: Task, changes: ReadonlyArray<StepChange>): ReadonlyArray<Step> =>
  steps.map((step) =>
    changes.reduce((known: Step, change) => {
      const [of, number] = change._tag === "Put" ? [change.step.task, change.step.number] : [change.task, change.number]
      return of === task.id && number === known.number ? changed(known, change) ?? known : known
    }, step))

// Other keys are handed to outside systems, so that what is done anew is done whatever became of it before.
const ofFork = (steps: ReadonlyArray<Step>, fork: Task, changes: ReadonlyArray<StepChange>): ReadonlyArray<StepPlan> => {
  const taken = new Set(changes.flatMap((change) => (change._tag === "Put" && change.step.task === fork.id ? [change.step.number] : [])))
  return steps.map((step) => planned(step, taken.has(step.number) ? "reused" : "again"))
}

const inTheMiddle = (after: Task, steps: ReadonlyArray<Step>): ReadonlyArray<StepPlan> => {
  const isCommand = (number: number) => steps.find((step) => step.number === number)?.sort === "exec"
  return after.intents.map(({ effect, name, step }) => ({
    task: after.id,
    step,
    name,
    effect,
    fate: after.cancel?.kill === true || isCommand(step) ? "cut_off" : "finishes"
  }))
}

const ofNextRun = (step: Step, after: Task, all: ReadonlyArray<Step>): Fate => {
  // A command that is the whole of its task is started anew with every run.
  if (step.sort === "exec" && step.dispatchKey === after.dispatchKey) return "again"
  switch (step.state) {
    case "succeeded":
      return "reused"
    case "waiting":
      return "waits"
    case "cleared":
      return "again"
    case "failed":
      return step.copiedFrom !== null || step.attempt > after.attempt || isBuiltOn(step.scope, step.index, all) ? "reused" : "again"
    case "open":
      return step.effect !== "dangerous" ? "again" : step.answers ? "probed" : "unknown"
  }
}

// A failure that the code went on from stands. A branch is built on by what stands behind all branches.
const isBuiltOn = (scope: string, index: number, all: ReadonlyArray<Step>): boolean => {
  const behind = all.some((step) => (step.scope === scope && step.index > index) || isInBranch(step.scope, scope, index))
  if (behind) return true
  const [, parent = "", place] = /^(.*\/)?(\d+)\.\d+\/$/.exec(scope) ?? []
  return place !== undefined && isBuiltOn(parent, Number(place), all)
}

// Whether a scope is a branch that opens behind the place, however deep.
const isInBranch = (scope: string, parent: string, index: number): boolean => {
  const [, place] = scope.startsWith(parent) ? /^(\d+)\.\d+\//.exec(scope.slice(parent.length)) ?? [] : []
  return place !== undefined && Number(place) > index
}
