/**
 * A span of use: what the measures of people and of uptime look at. Of a window of production it is that window, of a scenario that was
 * played the time in which it was. Only the log is needed: nobody keeps a ledger of effects beside a product in use.
 */
import { DateTime, Option } from "effect"
import type { Journal, LogEvent, RunHistory, WindowRules } from "../History.ts"
import { type Measurement, offendersMax, type Parameters } from "../Verdict.ts"

export interface TaskStory {
  readonly id: string
  readonly kind: string
  /** Marked as a test, by its kind or by who asked. */
  readonly isTest: boolean
  /** Its events before the end of the span, oldest first; those before its start are there too. */
  readonly events: ReadonlyArray<LogEvent>
}

export interface Span {
  readonly id: string
  readonly fromMs: number
  /** Not in the span any more. */
  readonly toMs: number
  /** Whose days count, an IANA name. */
  readonly zone: string
  readonly rules: WindowRules
  readonly journal: Journal
  /** All before its end, oldest first. */
  readonly events: ReadonlyArray<LogEvent>
  readonly tasks: ReadonlyMap<string, TaskStory>
}

export interface Tally {
  readonly good: (count?: number) => void
  /** Bad units, told in one sentence. */
  readonly bad: (sentence: string, count?: number) => void
  readonly excluded: (reason: string, count?: number) => void
  /** The deadline of a unit lies behind the end of the span. */
  readonly censored: () => void
  /** Evidence is not there; the first reason is kept. */
  readonly missing: (why: string) => void
}

/** A clock that was set back by more than this makes instants of the log mean two things. */
const backMaxMs = 1000

export interface Spans<Limit extends string> {
  /** Names of the parameters, whole numbers all, without which it cannot be counted. */
  readonly needs: ReadonlyArray<Limit>
  readonly count: (span: Span, limits: Readonly<Record<Limit, number>>, tally: Tally) => void
  /** To be read beside, once all is counted. */
  readonly figures: () => Readonly<Record<string, number>>
}

/** Counts over every span. */
export const overSpans = <Limit extends string = never>(history: RunHistory, parameters: Parameters, { count, figures, needs }: Spans<Limit>): Measurement => {
  const { measurement, tally } = tallying()
  const limits = limitsIn(parameters, needs)
  if (history.rules === undefined) tally.missing("the scorecard does not say how a span of use is counted")
  else if (limits === null) tally.missing(`the scorecard does not say ${needs.filter((name) => !Number.isSafeInteger(parameters[name])).join(", ")}`)
  else for (const scenario of history.scenarios) {
    const { events, id, journal } = scenario
    if (journal === null) tally.missing(`${id}: the journal is missing`)
    else if (events === null) tally.missing(`${id}: the event log is missing`)
    else {
      const { back, span } = seenOf(id, journal, events, history.rules)
      if (back === null) count(span, limits, tally)
      else tally.missing(`${id}: the clock was set back before event ${back}, so the instants around it mean nothing`)
    }
  }
  return measurement(figures)
}

const limitsIn = <Limit extends string>(parameters: Parameters, needs: ReadonlyArray<Limit>): Readonly<Record<Limit, number>> | null => {
  const isWhole = (limits: Parameters): limits is Readonly<Record<Limit, number>> => needs.every((name) => Number.isSafeInteger(limits[name]))
  return isWhole(parameters) ? parameters : null
}

const tallying = () => {
  let [good, bad, censored] = [0, 0, 0]
  let why: string | null = null
  const excluded: Record<string, number> = {}
  const offenders: Array<string> = []
  const tally: Tally = {
    good: (count = 1) => {
      good += count
    },
    bad: (sentence, count = 1) => {
      bad += count
      if (offenders.length < offendersMax) offenders.push(sentence)
    },
    excluded: (reason, count = 1) => {
      excluded[reason] = (excluded[reason] ?? 0) + count
    },
    censored: () => {
      censored += 1
    },
    missing: (reason) => {
      why ??= reason
    }
  }
  const measurement = (figures: () => Readonly<Record<string, number>>): Measurement =>
    why === null ? { _tag: "Counted", good, total: good + bad, excluded, censored, offenders, figures: figures() } : { _tag: "Missing", why }
  return { tally, measurement }
}

interface Seen {
  readonly known: string
  readonly journal: Journal
  readonly span: Span
  readonly back: number | null
}

// Six measures look at the same span, and the self-test lets each look a hundred times.
const seen = new WeakMap<ReadonlyArray<LogEvent>, Seen>()

const seenOf = (id: string, journal: Journal, events: ReadonlyArray<LogEvent>, rules: WindowRules): Seen => {
  const known = `${id} ${JSON.stringify(rules)}`
  const before = seen.get(events)
  if (before !== undefined && before.known === known && before.journal === journal) return before
  const span = spanOf(id, journal, events, rules)
  const made = { known, journal, span, back: setBack(span) }
  seen.set(events, made)
  return made
}

const spanOf = (id: string, journal: Journal, all: ReadonlyArray<LogEvent>, rules: WindowRules): Span => {
  const events = all.filter(({ at }) => at < journal.ended_at)
  const zone = rules.zone ?? journal.window?.zone ?? "UTC"
  return { id, fromMs: journal.started_at, toMs: journal.ended_at, zone, rules, journal, events, tasks: storiesIn(events, rules) }
}

const storiesIn = (events: ReadonlyArray<LogEvent>, rules: WindowRules): ReadonlyMap<string, TaskStory> => {
  const stories = new Map<string, TaskStory & { readonly events: Array<LogEvent> }>()
  for (const event of events) {
    if (event.task === null) continue
    const known = stories.get(event.task)
    if (known !== undefined) known.events.push(event)
    else {
      const kind = textIn(event, "kind") ?? ""
      stories.set(event.task, { id: event.task, kind, isTest: isTestKind(kind, rules) || rules.tests.actors.includes(event.actor), events: [event] })
    }
  }
  return stories
}

const isTestKind = (kind: string, { tests }: WindowRules): boolean =>
  tests.kinds.some((name) => (name.endsWith("*") ? kind.startsWith(name.slice(0, -1)) : kind === name))

// By its events, and by what the product says of its clock.
const setBack = ({ events, fromMs }: Span): number | null => {
  const at = events.findIndex((event, index) => {
    const before = events[index - 1]
    if (event.at < fromMs && (before === undefined || before.at < fromMs)) return false
    const by = event.type === "clock.stepped" ? event.payload?.["by_ms"] : 0
    return (before !== undefined && event.at < before.at - backMaxMs) || (typeof by === "number" && by < -backMaxMs)
  })
  return events[at]?.seq ?? null
}

export const textIn = ({ payload }: LogEvent, name: string): string | null => {
  const value = payload?.[name]
  return typeof value === "string" ? value : null
}

export const memberOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined

export const wholeIn = (payload: unknown, name: string): number | null => {
  const value = memberOf(payload, name)
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null
}

/** Unix milliseconds of an instant in ISO 8601; NaN of anything else, which is before and after nothing. */
export const instantOf = (iso: string): number => Option.match(DateTime.make(iso), { onNone: () => NaN, onSome: DateTime.toEpochMillis })

/** What was asked, if this event is the first of a command. */
export const opOf = ({ payload }: LogEvent): string | null => {
  const command = payload?.["command"]
  return typeof command === "object" && command !== null && "op" in command && typeof command.op === "string" ? command.op : null
}

/** The op of a person's command; programs that embed the product, and those that the rules name, are no people. */
export const personsOp = (event: LogEvent, { machines }: WindowRules): string | null =>
  /^(system|code):/.test(event.actor) || machines.includes(event.actor) ? null : opOf(event)

/** Whether a command did what it asks for: it was not refused, withdrawn or answered from what was stored. */
export const hadEffect = ({ type }: LogEvent): boolean => !/^(command\.|idempotency\.|audit\.)/.test(type)

export const isIn = ({ fromMs, toMs }: Span, at: number): boolean => at >= fromMs && at < toMs

/** The nearest rank: the smallest value that so many per cent of all do not exceed; 0 of none. */
export const rank = (percent: number, values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.ceil((percent * sorted.length) / 100) - 1] ?? 0
}

/** The same as a figure. Of nothing there is none. */
export const ranked = (name: string, percent: number, values: ReadonlyArray<number>): Readonly<Record<string, number>> =>
  values.length === 0 ? {} : { [name]: rank(percent, values) }

/** Left out by every measure of use. */
export const asTest = "marked as a test"
