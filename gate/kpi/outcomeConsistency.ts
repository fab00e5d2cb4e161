/**
 * The same work gives the same outcome. What is compared is the state it ended in, the code of its failure, its result and what it did: how
 * often each of its effects was done, by the ledger. Members of the result that are different every time (a digest of what was
 * printed, when ids are printed) are named by the scorecard (`volatile`). All runs must agree, and agree on what was expected: five times the same failure is consistent, and bad.
 *
 * Unit: a spec with as many runs as the scorecard asks for (`reruns`), of which the first ones count. A spec is what requests call
 * so; in production, where nobody says what to expect, a kind in one version with one payload, run to an end in the span.
 */
import type { Effect, LogEvent } from "../History.ts"
import { canonical, sha256 } from "../invariant/Canonical.ts"
import { groupedBy } from "../invariant/Ledger.ts"
import { wordsIn } from "../invariant/Settings.ts"
import { enteredBy, isTerminal } from "../invariant/StateMachine.ts"
import type { Measure } from "../Verdict.ts"
import { asTest, isIn, memberOf, overSpans, type Span, type Tally, textIn } from "./Window.ts"

interface Run {
  readonly spec: string
  readonly task: string
  readonly events: ReadonlyArray<LogEvent>
  readonly expected: ReadonlyArray<string>
}

export const outcomeConsistency: Measure = (history, parameters = {}) => {
  const volatile = wordsIn(parameters, "volatile")
  const count = (span: Span, { reruns }: { readonly reruns: number }, tally: Tally) => {
    const production = span.journal.world === "production"
    const ledger = history.scenarios.find(({ id }) => id === span.id)?.effects ?? null
    if (ledger === null && !production) return tally.missing(`${span.id}: the effect ledger is missing`)
    const effects = groupedBy(ledger ?? [], ({ task }) => task)
    for (const [spec, all] of groupedBy(production ? usesIn(span, tally) : requestedIn(span), (run) => run.spec)) {
      const runs = all.slice(0, reruns)
      const problem = problemOf(runs, runs.map(({ events, task }) => signature(events, effects.get(task) ?? [], volatile)))
      if (runs.length < reruns) tally.excluded("it was run less often")
      else if (problem === null) tally.good()
      else if (span.journal.status === "aborted" && runs.some(({ events }) => !isTerminal(lastStateOf(events)))) tally.missing(`${span.id}, spec ${spec}: the scenario was aborted before all of its runs ended`)
      else tally.bad(`${span.id}, spec ${spec}: ${problem}`)
    }
  }
  return overSpans(history, parameters, { needs: ["reruns"], count, figures: () => ({}) })
}

// A run that the log does not have has an outcome too: none.
const requestedIn = ({ events, journal, tasks }: Span): ReadonlyArray<Run> =>
  journal.requests.flatMap(({ expect, key, spec, task }) => {
    const id = task ?? events.find((event) => event.type === "task.requested" && event.payload?.["key"] === key)?.task ?? key
    return spec === undefined ? [] : [{ spec, task: id, events: tasks.get(id)?.events ?? [], expected: expect.states }]
  })

const usesIn = (span: Span, tally: Tally): ReadonlyArray<Run> =>
  [...span.tasks.values()].flatMap(({ events, id, isTest }) => {
    const [asked] = events
    const ended = events.findLast(({ type }) => enteredBy(type) !== undefined)
    if (asked === undefined || ended === undefined || !isTerminal(enteredBy(ended.type) ?? null) || !isIn(span, ended.at)) return []
    if (isTest) {
      tally.excluded(asTest)
      return []
    }
    return [{ spec: ["kind", "kind_version", "payload_sha256"].map((name) => textIn(asked, name) ?? "").join(" "), task: id, events, expected: ["SUCCEEDED"] }]
  })

const lastStateOf = (events: ReadonlyArray<LogEvent>) => enteredBy(events.findLast(({ type }) => enteredBy(type) !== undefined)?.type ?? "") ?? null

const stateOf = (events: ReadonlyArray<LogEvent>): string => {
  const last = events.findLast(({ type }) => enteredBy(type) !== undefined || type === "task.outcome_unknown")
  return last === undefined ? "not there" : (enteredBy(last.type) ?? "OUTCOME_UNKNOWN")
}

const signature = (events: ReadonlyArray<LogEvent>, effects: ReadonlyArray<Effect>, volatile: ReadonlySet<string>): string => {
  const end = events.findLast(({ type }) => enteredBy(type) !== undefined)
  const result = end?.payload?.["result"] ?? null
  const outputs = typeof result === "object" && result !== null ? Object.fromEntries(Object.entries(result).filter(([name]) => !volatile.has(name))) : result
  const own = events[0] === undefined ? "" : (textIn(events[0], "dispatch_key") ?? "")
  // Keys are drawn for each task; what is left without them tells which step it was.
  const done = effects.filter(({ phase }) => phase === "done").map(({ dispatch_key }) => (dispatch_key.startsWith(own) ? dispatch_key.slice(own.length) : dispatch_key)).sort()
  return sha256(canonical({ state: stateOf(events), code: memberOf(end?.payload, "code") ?? null, outputs, done }))
}

const problemOf = (runs: ReadonlyArray<Run>, signatures: ReadonlyArray<string>): string | null => {
  const outcomes = new Set(signatures).size
  if (outcomes > 1) return `${runs.length} runs have ${outcomes} outcomes: ${runs.map(({ events }) => stateOf(events)).join(", ")}`
  const wrong = runs.find(({ events, expected }) => !expected.includes(stateOf(events)))
  return wrong === undefined ? null : `all ended ${stateOf(wrong.events)}, expected ${wrong.expected.join(" or ")}`
}
