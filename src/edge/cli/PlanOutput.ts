/** What people read of a plan. Nothing from outside is printed raw. */
import type { Plan, TaskPlan } from "../../domain/Plan.ts"
import type { StepPlan } from "../../domain/PlanSteps.ts"
import { oneLine } from "../../domain/Redaction.ts"
import { shortId } from "../../domain/TaskState.ts"
import { exitCode, exitCodeOf } from "./ExitCode.ts"
import type { Print } from "./Program.ts"

/** The digits of a hash that are shown to people; `--if-plan` takes as many. */
export const shown = 16

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`
const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((total, count) => total + count, 0)
const listed = (counts: Readonly<Record<string, number>>): string => Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ")

const taskText = ({ changes, from, holds, holds_released, kind, task, to }: TaskPlan): string => {
  const what = task === null ? `a new ${oneLine(kind)}` : `task ${task} (${shortId(task)})`
  const way = from === null ? `-> ${to}` : from === to ? `stays ${to}` : `${from} -> ${to}`
  const more = [
    holds.length > 0 && to === "REQUESTED" ? `waits for ${holds.join(", ")}` : "",
    holds_released.length > 0 ? `${holds_released.join(", ")} released` : "",
    from === to && changes.length > 0 ? `changes ${changes.join(", ")}` : ""
  ].filter((text) => text !== "")
  return `${what} ${way}${more.length > 0 ? ` (${more.join("; ")})` : ""}`
}

const fateWords = {
  reused: "taken over",
  again: "runs again",
  probed: "its probe is asked first whether it happened",
  unknown: "may have happened: a person is asked",
  waits: "goes on waiting",
  finishes: "may end first",
  cut_off: "is ended in its middle"
} as const satisfies Record<StepPlan["fate"], string>

const stepText = ({ effect, fate, name, step }: StepPlan): string => `step ${step} ${oneLine(name)} (${effect}): ${fateWords[fate]}`

/** What is done again, in few words: that nothing is stands there too. */
const againText = ({ steps_total }: Plan): string => {
  const risky = (steps_total["again"] ?? 0) + (steps_total["probed"] ?? 0) + (steps_total["unknown"] ?? 0)
  const reused = steps_total["reused"] ?? 0
  return `${reused > 0 ? `${plural(reused, "step")} taken over, ` : ""}${risky === 0 ? "nothing runs again" : `${plural(risky, "step")} to run again`}`
}

const scheduleText = ({ from, name, runs, ticks, to }: NonNullable<Plan["schedule"]>): string =>
  `schedule ${oneLine(name)} ${from === to ? `stays ${to}` : `${from} -> ${to}`}, ${plural(runs, "run")}${sum(ticks) > 0 ? `, ticks: ${listed(ticks)}` : ""}`

const whatText = (plan: Plan): ReadonlyArray<string> => {
  const { approvals_voided, bulk, changes, existing, messages, queue, releases, replay, schedule, steps_total, tasks, tasks_total, undoes } = plan
  if (replay) return ["the answer that is stored under the key is given again, and nothing is done"]
  const one = tasks_total === 1 ? tasks.map(taskText) : tasks_total > 1 ? [plural(tasks_total, "task")] : []
  const words = [
    ...one,
    ...(existing === null ? [] : [`task ${existing} is there already`]),
    ...(queue === null ? [] : [`queue ${queue.name} ${queue.from ?? "as configured"} -> ${queue.to}`]),
    ...(schedule === null ? [] : [scheduleText(schedule)]),
    ...(bulk === null ? [] : [bulk.to === "running" ? `${bulk.verb} ${plural(bulk.matched, "task")}` : `${bulk.verb} of ${plural(bulk.matched, "task")} ${bulk.to}`]),
    ...(releases ? ["work begins again"] : []),
    ...(approvals_voided.length > 0 ? [`${plural(approvals_voided.length, "approval")} void`] : []),
    ...(undoes ? ["what was done is undone first"] : []),
    ...(sum(messages) > 0 ? [plural(sum(messages), "message")] : []),
    ...(tasks_total > 0 || sum(steps_total) > 0 ? [againText(plan)] : [])
  ]
  return changes ? words : [...words, "nothing changes"]
}

/** Prints a plan; answers the code that the command itself would exit with. */
export const printPlan = (print: Print, plan: Plan): number => {
  print.result(plan, () => planText(plan))
  return plan.refusal === null ? exitCode.ok : exitCodeOf(plan.refusal.code)
}

/** One line, and below it the tasks and steps that it counts. */
export const planText = (plan: Plan): string => {
  const { bulk, needs_reason, refusal, steps, steps_total, tasks, tasks_total } = plan
  const refused = refusal === null ? [] : [`refused (${refusal.code}): ${oneLine(refusal.text)}`, ...(refusal.next.length > 0 ? [`next: ${refusal.next.join(", ")}`] : [])]
  const side = refusal !== null && !plan.changes ? [] : whatText(plan)
  const head = [...refused, ...side, ...(needs_reason ? ["needs --reason"] : []), `hash ${plan.plan.slice(0, shown)}`].join("; ")
  const told = steps.filter(({ fate }) => fate !== "reused")
  return [
    `plan: ${head}`,
    ...(tasks_total > 1 ? tasks.map((task) => `  ${taskText(task)}`) : []),
    ...(tasks_total > tasks.length ? ["  …"] : []),
    ...(bulk === null ? [] : [...bulk.first.map((id) => `  ${id} (${shortId(id)})`), ...(bulk.matched > bulk.first.length && bulk.first.length > 0 ? ["  …"] : [])]),
    ...told.map((step) => `  ${stepText(step)}`),
    ...(sum(steps_total) - (steps_total["reused"] ?? 0) > told.length ? ["  …"] : [])
  ].join("\n")
}
