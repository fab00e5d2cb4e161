/** What is told of a project's own steps beside the checks: nothing here decides. */
import { unknownIn } from "./Unknown.ts"
import type { Journal } from "../History.ts"
import type { Result } from "../scorecard/Scorecard.ts"
import type { ClockFinding } from "./Schedules.ts"

interface PlayedKind {
  readonly journal: Journal
  readonly eventsText: string | null
}

/** By kind, how often it was killed, and one sentence for each step that its author has to know something about. */
export const findingsOf = (played: ReadonlyArray<PlayedKind>, result: Result, clocks: ReadonlyArray<ClockFinding>): ReadonlyArray<string> => [
  ...result.lines.filter(({ id }) => id === "steps-act-once" || id === "kinds-judged").flatMap(({ offenders, reason, verdict }) => (offenders.length > 0 ? offenders : verdict === "PASS" ? [] : [reason])),
  ...played.flatMap(({ eventsText, journal }) => ofKind(journal, eventsText ?? "", result)),
  ...clocks.map(({ schedule, what }) => `schedule ${schedule}: ${what}`)
]

const ofKind = ({ faults, note, own, points = [] }: Journal, events: string, { lines }: Result): ReadonlyArray<string> => {
  if (own === undefined) return []
  const isTold = (place: string) => lines.some(({ offenders }) => offenders.some((offender) => offender.startsWith(`own-${own.kind}: ${place} of `)))
  const killed = new Set(faults.filter(({ hit }) => hit.length > 0).map(({ point }) => point)).size
  const parked = unknownIn(events)
  return [
    `${own.kind}: killed at ${killed} of ${points.length} points of its run${note === null ? "" : `; not to its end: ${note}`}`,
    ...own.steps.flatMap(({ effect, place, probe, timeout }) => [
      ...(effect === "dangerous" && !probe ? [`  ${place} of ${own.kind} is dangerous and has no probe: a run that dies in it waits for a person as outcome_unknown (${parked.get(place) ?? 0} did here)`] : []),
      ...(timeout ? [] : [`  ${place} of ${own.kind} has no timeout: one that hangs holds its worker until the attempt is over`]),
      ...(effect !== "dangerous" && !isTold(place) && beganAgain(own.acts.filter((act) => act.place === place)) ? [`  ${place} of ${own.kind} is ${effect} and began again after a kill, as it may; nothing that was seen of it came twice`] : [])
    ])
  ]
}

const beganAgain = (acts: ReadonlyArray<{ readonly task: string; readonly pass: string }>): boolean => {
  const passes = new Map<string, Set<string>>()
  for (const { pass, task } of acts) passes.set(task, (passes.get(task) ?? new Set()).add(pass))
  return [...passes.values()].some(({ size }) => size > 1)
}
