/**
 * Conservation of jobs, from the log alone: requested = rejected + succeeded + failed + canceled + expired + in flight. Every task was
 * requested once, and by what the log says that it entered and left it is in exactly one state; else one was lost or made on the way.
 *
 * Unit: a task that the log knows.
 */
import type { Measure } from "../Verdict.ts"
import type { Fold } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const conservation: Measure = (history) =>
  overFolds(history, ({ id }, log, units) => {
    const places = placesOf(log)
    for (const task of log.tasks.values()) {
      const held = places.get(task.id) ?? []
      if (task.requested !== 1) units.bad(`${id}, task ${task.id}: the log has it requested ${task.requested} times`)
      else if (held.length !== 1) units.bad(`${id}, task ${task.id}: by what it entered and left it is ${held.length === 0 ? "nowhere" : held.join(" and ")}`)
      else units.good()
    }
  })

/** Per task, where it is by the claims of its events alone: every state as often as it was entered and not left; `minus` where it was left more often. */
export const placesOf = ({ moves }: Fold): ReadonlyMap<string, ReadonlyArray<string>> => {
  const counts = new Map<string, Map<string, number>>()
  for (const { from, task, to } of moves) {
    const own = counts.get(task) ?? new Map<string, number>()
    counts.set(task, own)
    own.set(to, (own.get(to) ?? 0) + 1)
    if (from !== "(new)") own.set(from, (own.get(from) ?? 0) - 1)
  }
  return new Map([...counts].map(([task, own]) => [task, [...own].flatMap(([state, times]) => Array.from({ length: Math.abs(times) }, () => (times < 0 ? `minus ${state}` : state)))]))
}
