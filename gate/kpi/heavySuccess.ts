/**
 * Heavy tasks that ran came to a good end in time: SUCCEEDED, with an exit code of zero where there is one, and their effect done as often
 * as it should be. When an end is due, the request says (`due_at`); for tasks that were asked for otherwise, the scorecard
 * (`end_within_ms` after the first run).
 *
 * Unit: a heavy task that reached RUNNING and whose end was due in the span. How many of them succeeded at the first attempt is shown beside.
 */
import type { Effect, LogEvent, Request } from "../History.ts"
import { groupedBy } from "../invariant/Ledger.ts"
import { enteredBy, isTerminal } from "../invariant/StateMachine.ts"
import type { Measure } from "../Verdict.ts"
import { asTest, isIn, memberOf, overSpans, type Span, type Tally, textIn, wholeIn } from "./Window.ts"

export const heavySuccess: Measure = (history, parameters = {}) => {
  let firstAttempts = 0
  const count = (span: Span, { end_within_ms }: { readonly end_within_ms: number }, tally: Tally) => {
    const ledger = history.scenarios.find(({ id }) => id === span.id)?.effects ?? null
    if (ledger === null && span.journal.requests.length > 0) return tally.missing(`${span.id}: the effect ledger is missing`)
    const done = groupedBy((ledger ?? []).filter(({ phase }) => phase === "done"), ({ task }) => task)
    const requests = requestsOf(span)
    for (const { events, id, isTest } of span.tasks.values()) {
      const [asked] = events
      const begun = events.find(({ type }) => type === "task.running")
      if (asked === undefined || textIn(asked, "class") !== "heavy" || begun === undefined) continue
      const request = requests.get(id) ?? requests.get(textIn(asked, "key") ?? "")
      const due = request?.due_at ?? begun.at + end_within_ms
      if (due < span.fromMs) continue
      if (isTest) tally.excluded(asTest)
      else if (request !== undefined && !request.expect.states.includes("SUCCEEDED")) tally.excluded("it was made to end otherwise")
      else if (wasCalledOff(events)) tally.excluded("somebody canceled it before it failed once")
      else if (!isIn(span, due)) tally.censored()
      else {
        const problem = problemOf(events, due, request, done.get(id) ?? [])
        if (problem === null && events.some((event) => event.type === "task.succeeded" && wholeIn(event.payload, "attempt") === 1)) firstAttempts += 1
        if (problem === null) tally.good()
        else tally.bad(`${span.id}, task ${id}: ${problem}`)
      }
    }
  }
  return overSpans(history, parameters, { needs: ["end_within_ms"], count, figures: () => ({ "at the first attempt": firstAttempts }) })
}

// Under the task that was answered, or the key when none was.
const requestsOf = ({ journal }: Span): ReadonlyMap<string, Request> => new Map(journal.requests.map((request) => [request.task ?? request.key, request]))

const failures: ReadonlySet<string> = new Set(["task.failed", "step.failed", "task.outcome_unknown"])
const isFailure = (event: LogEvent): boolean => failures.has(event.type) || (event.type === "task.queued" && ["retry", "lease_lost"].includes(textIn(event, "by") ?? ""))

const wasCalledOff = (own: ReadonlyArray<LogEvent>): boolean => {
  const asked = own.findIndex(({ type }) => type === "task.cancel_requested" || type === "task.canceled")
  const last = own.findLast(({ type }) => enteredBy(type) !== undefined)?.type
  return last === "task.canceled" && !own.slice(0, asked).some(isFailure)
}

const problemOf = (own: ReadonlyArray<LogEvent>, due: number, request: Request | undefined, done: ReadonlyArray<Effect>): string | null => {
  const last = own.findLast(({ at, type }) => at <= due && enteredBy(type) !== undefined)
  const state = enteredBy(last?.type ?? "") ?? null
  if (state !== "SUCCEEDED") return isTerminal(state) ? `it ended ${state}` : `it was ${state ?? "not there"} when its end was due`
  const exit = memberOf(last?.payload?.["result"], "exit_code") ?? 0
  if (exit !== 0) return `it ended SUCCEEDED with exit code ${JSON.stringify(exit)}`
  const right = request === undefined || (request.expect.done_min <= done.length && done.length <= request.expect.done_max)
  return right ? null : `its effect is done ${done.length} times, expected ${request.expect.done_min} to ${request.expect.done_max}`
}
