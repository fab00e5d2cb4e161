/**
 * Tasks that came to their end without a person stepping in.
 *
 * Unit: a task that ended in the span and stayed ended. Bad: somebody recovered, forked, killed, reconciled or dismissed it, broke its
 * glass, cancelled it after a failure, or resumed it after it had run. Not counted: what the policy asks people for (yes, plan, review,
 * resume of what was approved), signals that a run waits for, and commands that came to nothing. Dismissals go beyond the published definition: a
 * failed task that somebody has to give up took a person just as well. Yeses are shown beside.
 */
import type { LogEvent, WindowRules } from "../History.ts"
import { enteredBy, isTerminal, type State } from "../invariant/StateMachine.ts"
import type { Measure } from "../Verdict.ts"
import { asTest, hadEffect, isIn, overSpans, personsOp, type Span, type Tally, type TaskStory, textIn } from "./Window.ts"

export const humanIntervention: Measure = (history, parameters = {}) => {
  let [approvals, interventions] = [0, 0]
  const count = (span: Span, _limits: object, tally: Tally) => {
    const forks = forksIn(span.tasks.values(), span.rules)
    for (const story of span.tasks.values()) {
      const { endedAt, interfered, yeses } = followed(story, span.rules)
      if (endedAt === null || !isIn(span, endedAt)) continue
      if (story.isTest) {
        tally.excluded(asTest)
        continue
      }
      approvals += yeses
      const found = [...interfered, ...(forks.get(story.id) ?? [])]
      interventions += found.length
      const [first] = found
      if (first === undefined) tally.good()
      else tally.bad(`${span.id}, task ${story.id}: ${first.actor} had to ${personsOp(first, span.rules) ?? "step in"} (seq ${first.seq})`)
    }
  }
  return overSpans(history, parameters, { needs: [], count, figures: () => ({ "approvals": approvals, "interventions": interventions }) })
}

interface Followed {
  /** When it entered the terminal state in which it is at the end of the span; null when it is in none. */
  readonly endedAt: number | null
  readonly interfered: ReadonlyArray<LogEvent>
  readonly yeses: number
}

const always: ReadonlySet<string> = new Set(["recover", "kill", "reconcile", "dismiss", "break_glass"])

const followed = ({ events }: TaskStory, rules: WindowRules): Followed => {
  const interfered: Array<LogEvent> = []
  let state: State | null = null
  let [endedAt, hasRun, hasFailed, yeses]: [number | null, boolean, boolean, number] = [null, false, false, 0]
  for (const event of events) {
    const op = personsOp(event, rules)
    // A yes that is not the last one is `command.accepted` in older words, and a yes all the same.
    if (op === "approve" && event.type !== "command.refused" && !event.type.startsWith("idempotency.")) yeses += 1
    if (op !== null && hadEffect(event) && (always.has(op) || (op === "cancel" && hasFailed) || (op === "resume" && hasRun))) interfered.push(event)
    const to = enteredBy(event.type)
    if (to !== undefined) {
      state = to
      endedAt = isTerminal(to) ? event.at : null
    }
    hasRun ||= event.type === "task.running"
    hasFailed ||= isFailure(event)
  }
  return { endedAt: state !== null && isTerminal(state) ? endedAt : null, interfered, yeses }
}

const isFailure = (event: LogEvent): boolean =>
  event.type === "task.failed" || event.type === "task.outcome_unknown" || (event.type === "task.queued" && ["retry", "lease_lost"].includes(textIn(event, "by") ?? ""))

/** Forks that people made of tasks that had ended badly, by the task that was forked. */
const forksIn = (stories: Iterable<TaskStory>, rules: WindowRules): ReadonlyMap<string, ReadonlyArray<LogEvent>> => {
  const all = [...stories]
  const byId = new Map(all.map((story) => [story.id, story]))
  const forks = new Map<string, Array<LogEvent>>()
  for (const { events: [first] } of all) {
    if (first === undefined || personsOp(first, rules) !== "fork") continue
    const from = byId.get(textIn(first, "forked_from") ?? "")
    const last = from?.events.filter(({ at, type }) => at <= first.at && enteredBy(type) !== undefined).at(-1)?.type
    if (from === undefined || (last !== "task.failed" && last !== "task.canceled" && last !== "task.expired")) continue
    forks.set(from.id, [...(forks.get(from.id) ?? []), first])
  }
  return forks
}
