/**
 * Incidents, and how long they lasted: from the instant of a fault to the instant at which all that it struck was well again, told by the
 * log and by the record of the chat service. Each injected fault is an incident of its own, since its cause is known. Probes from
 * outside are not kept in the evidence and nobody could count them again, so what is read instead are signs of life of what was struck.
 */
import type { ChatCall, Fault, LogEvent, Request } from "../History.ts"
import { groupedBy } from "../invariant/Ledger.ts"
import { endWords } from "../invariant/reportsArrive.ts"
import { enteredBy, isTerminal } from "../invariant/StateMachine.ts"
import { serviceTimes, type Units, type Whole } from "../invariant/Units.ts"
import { eventsByKey } from "./Answers.ts"

export interface Incident {
  readonly scenario: string
  readonly fault: string
  readonly sort: string
  /** Of one that was not over: up to the end of what was seen. */
  readonly lastedMs: number
  /** What was not well again; null when all was. */
  readonly open: string | null
}

interface Found {
  readonly incidents: ReadonlyArray<Incident>
  /** Reasons for which a fault is none. */
  readonly leftOut: ReadonlyArray<string>
}

// Two measures ask for the incidents of the same scenario, and the self-test lets each ask a hundred times.
const known = new WeakMap<ReadonlyArray<LogEvent>, Found & Pick<Whole, "id" | "journal"> & { readonly probes: number }>()

/** The incidents of a scenario, in the order of its journal. Polls are well again from the first of `probes` good ones in a row. */
export const incidentsOf = (whole: Whole, probes: number, units: Units): ReadonlyArray<Incident> => {
  const { events, id, journal } = whole
  const before = known.get(events)
  const isKnown = before !== undefined && before.id === id && before.journal === journal && before.probes === probes
  const found = isKnown ? before : { ...searched(whole, probes), id, journal, probes }
  known.set(events, found)
  found.leftOut.forEach((reason) => units.excluded(reason))
  return found.incidents
}

/** Rare, and no outage: what has to become of each is said, and judged by `promisesKept`. */
const promised: ReadonlySet<Fault["class"]> = new Set(["clock", "read_only", "second_server", "sigterm", "sigterm_twice", "wal_damage"])

const whyNone = ({ class: sort, hit, witness }: Fault): string | null => {
  if (sort === "replay") return "a replay interrupts nothing"
  if (promised.has(sort)) return "it is rare, and its outcome is promised: promises-kept"
  return hit.length === 0 || witness === null ? "it missed what it had to hit" : null
}

const searched = (whole: Whole, probes: number): Found => {
  const { id, journal } = whole
  const signs = signsIn(whole, probes)
  const leftOut: Array<string> = []
  const incidents = journal.faults.flatMap((fault): ReadonlyArray<Incident> => {
    const isNone = whyNone(fault)
    if (isNone !== null) {
      leftOut.push(isNone)
      return []
    }
    const ends = [...new Set(fault.hit)].map((struck) => ({ struck, at: signs(fault, struck) }))
    const open = ends.find(({ at }) => at === null)?.struck ?? null
    const from = ofService.has(fault.must_hit) ? serviceTimes(fault).at : fault.at
    const last = ends.reduce((latest, { at }) => Math.max(latest, at ?? journal.ended_at), from)
    return [{ scenario: id, fault: fault.id, sort: fault.class, lastedMs: last - from, open }]
  })
  return { incidents, leftOut }
}

/** What tells that these are well again has the clock of the chat service. */
const ofService: ReadonlySet<Fault["must_hit"]> = new Set(["poll", "report"])

type Sign = (fault: Fault, struck: string) => number | null

// When what was struck was well again; null: never, as far as anybody saw.
const signsIn = ({ events, journal }: Whole, probes: number): Sign => {
  const byTask = groupedBy(events.filter(({ task }) => task !== null), ({ task }) => task ?? "")
  const byKey = eventsByKey(events)
  const requests = new Map(journal.requests.map((request) => [request.task ?? byKey.get(request.key)?.[0]?.task ?? null, request]))
  const calls = journal.chat?.calls ?? []
  const pollSign = pollSigns(calls, probes)
  const stepOf = stepsIn(events, journal.faults)
  return (fault, struck) => {
    const step = stepOf(fault)
    if (step !== undefined) {
      // What comes after it in the log is told by the clock that it set.
      const life = step === null ? undefined : (byTask.get(struck) ?? []).find((event) => event.seq > step.seq && isLife(event, requests.get(struck)))
      return step === null || life === undefined ? null : fault.at + life.at - step.at
    }
    const since = fault.until ?? fault.at
    switch (fault.must_hit) {
      case "poll":
        return pollSign(struck)
      case "update":
        return firstAfter(fault.at, byKey.get(struck) ?? [], () => true)
      case "report":
        return reportSign(struck, serviceTimes(fault).at, byTask.get(struck) ?? [], calls)
      case "stored":
        return firstAfter(since, events, ({ type }) => type === "epoch.started")
      default:
        return firstAfter(fault.at, byTask.get(struck) ?? [], (event) => isLife(event, requests.get(struck)))
    }
  }
}

// Steps of a clock of this machine are noticed one after the other. Undefined: the fault is none; null: nobody noticed it.
const stepsIn = (events: ReadonlyArray<LogEvent>, faults: ReadonlyArray<Fault>) => {
  const sets = faults.filter(({ by_ms }) => by_ms !== undefined)
  const steps = events.filter(({ type }) => type === "clock.stepped")
  return (fault: Fault): LogEvent | null | undefined => (fault.by_ms === undefined ? undefined : steps[sets.indexOf(fault)] ?? null)
}

const firstAfter = (at: number, events: ReadonlyArray<LogEvent>, fits: (event: LogEvent) => boolean): number | null => events.find((event) => event.at > at && fits(event))?.at ?? null

const goesOn: ReadonlySet<string> = new Set(["task.running", "effect.adopted", "step.succeeded", "step.failed", "step.settled", "run.progress"])

// It runs anew, gets on, or came to an end that was expected.
const isLife = ({ type }: LogEvent, request: Request | undefined): boolean => {
  if (goesOn.has(type)) return true
  const state = type === "task.outcome_unknown" ? "OUTCOME_UNKNOWN" : enteredBy(type)
  if (state === undefined || (state !== "OUTCOME_UNKNOWN" && !isTerminal(state))) return false
  return request === undefined ? state !== "OUTCOME_UNKNOWN" : request.expect.states.includes(state)
}

const endOf = ({ at, took_ms }: ChatCall): number => at + Math.ceil(took_ms ?? 0)

// One look from the back: a soak has thousands of polls, and hundreds of faults ask about them.
const pollSigns = (calls: ReadonlyArray<ChatCall>, probes: number): ((struck: string) => number | null) => {
  const polls = calls.filter(({ method }) => method === "getUpdates")
  const wellFrom: Array<ChatCall | undefined> = []
  let inARow = 0
  for (let index = polls.length - 1; index >= 0; index--) {
    const poll = polls[index]
    inARow = poll !== undefined && isGood(poll) ? inARow + 1 : 0
    wellFrom[index] = inARow >= probes ? poll : wellFrom[index + 1]
  }
  return (struck) => {
    const seq = Number(/^getUpdates (\d+)$/.exec(struck)?.[1] ?? Number.NaN)
    const first = wellFrom[polls.findIndex((call) => call.seq > seq)]
    return first === undefined ? null : endOf(first)
  }
}

const isGood = ({ answered, faults, status }: ChatCall): boolean => status === 200 && answered && faults.length === 0

// The message that tells how the task ended, in whatever chat.
const reportSign = (task: string, at: number, events: ReadonlyArray<LogEvent>, calls: ReadonlyArray<ChatCall>): number | null => {
  const state = events.map(({ type }) => enteredBy(type)).findLast((one) => one !== undefined)
  const word = endWords[state ?? ""]
  const short = `${task.slice(-6).toLowerCase()} `
  const told = calls.find((call) => call.at >= at && call.status === 200 && call.text?.startsWith(short) === true && word !== undefined && (call.text.split("\n")[1] ?? "").startsWith(word))
  return told === undefined ? null : endOf(told)
}
