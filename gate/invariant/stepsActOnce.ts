/**
 * What a project's code does to the world outside is done once in each task, wherever its process died; or a second time comes to the same:
 * something is replaced, only looked at, or carries the dispatch key of its step, by which the other side can tell a repeat. A body that was
 * declared dangerous begins once. What is done between steps is done again in every replay. Counted by a witness in the process, not by the log.
 *
 * Unit: a step, and a place between steps at which something was done. A step that the log has and whose body nobody saw is missing.
 */
import type { Act, OwnStep } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { groupedBy } from "./Ledger.ts"
import { overFolds } from "./Units.ts"

export const stepsActOnce: Measure = (history) =>
  overFolds(history, ({ id, journal: { own } }, log, units) => {
    if (own === undefined) return
    const places = groupedBy(own.acts, ({ place }) => place)
    const declared = new Map(own.steps.map((step) => [step.place, step]))
    for (const [place, acts] of places) {
      const problem = problemOf(acts, declared.get(place))
      if (problem === null) units.good()
      else units.bad(`${id}: ${nameOf(own.kind, place)} ${problem}`)
    }
    const unseen = [...log.tasks.values()].flatMap(({ intents }) => intents).find(({ code, name }) => code && name !== null && !places.has(`step "${name}"`))
    if (unseen !== undefined) units.missing(`${id}: nobody saw the body of step "${unseen.name}" begin`)
  })

const nameOf = (kind: string, place: string): string => (place.startsWith("step ") || place === "its command" ? `${place} of ${kind}` : `the code of ${kind} ${place}`)

const twiceIsTwice: ReadonlySet<string> = new Set(["append", "request", "program"])

const problemOf = (acts: ReadonlyArray<Act>, step: OwnStep | undefined): string | null => {
  const isDangerous = step?.effect === "dangerous"
  for (const ofTask of groupedBy(acts, ({ task }) => task).values()) {
    const passes = new Set(ofTask.map(({ pass }) => pass)).size
    if (isDangerous && passes > 1) return `would run twice: it is dangerous, and began ${passes} times in one task`
    const again = [...groupedBy(ofTask.filter(({ keyed, sort }) => twiceIsTwice.has(sort) && !keyed), ({ n, what }) => `${n} ${what}`).values()].find((same) => same.length > 1)
    const what = again?.[0]?.what
    if (again !== undefined && typeof what === "string") return step === undefined ? `is no step, and ${what} again in every replay: ${again.length} times in one task` : `would run twice: it is declared ${step.effect}, and ${what} without its dispatch key, ${again.length} times in one task`
  }
  return null
}
