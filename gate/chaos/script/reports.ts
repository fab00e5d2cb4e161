/** Tasks end while the chat service takes no reports of it: it fails, loses answers, asks for pauses, hangs, is away. */
import { Clock, Effect, type Scope } from "effect"
import { callsOf, type Chats, ends, type Heard, madeBy, openChats, requesters, shortOf } from "../Chats.ts"
import type { ChatCall } from "../../History.ts"
import { between } from "../Seed.ts"
import { live, record, type Stage, type StageFailed, until } from "../Stage.ts"

const workMs = [50, 400] as const
const outageMs = 4000
const hangMs = 1500
/** How long a wave may take until its tasks have ended, and until every report is there when all is well again, in milliseconds. */
const waveMs = 40_000
const reportsMs = 90_000

const failures = [
  { name: "500", rule: { kind: "error", code: 500 } },
  { name: "reset after the effect", rule: { kind: "reset_after" } },
  { name: "429", rule: { kind: "error", code: 429, retry_after: 2 } },
  { name: "outage", rule: null },
  { name: "502", rule: { kind: "error", code: 502 } },
  { name: "half an answer after the effect", rule: { kind: "truncated" } },
  { name: "hang", rule: { kind: "hang", ms: hangMs } },
  { name: "garbage after the effect", rule: { kind: "garbage" } },
  { name: "reset before the effect", rule: { kind: "reset_before" } },
  { name: "503", rule: { kind: "error", code: 503 } }
] as const

/** Heavy ones run without a person here: what is tried is their report. */
const kinds = [{ kind: "heavy.node", class: "heavy" }, { kind: "light.sh", class: "light" }, { kind: "heavy.git", class: "heavy" }] as const

const sends: ReadonlyArray<string> = ["sendMessage", "editMessageText"]

export const reports = (stage: Stage): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { scenario } = stage
    const chats = yield* openChats(stage)
    yield* live(stage)
    yield* chats.service.order("POST", "wait", { polled: true, timeout_ms: 20_000 })
    const waves = Math.ceil(scenario.workload.tasks / requesters.length)
    for (let n = 0; n < waves; n++) yield* wave(stage, chats, n)
    // What does not arrive is judged, not waited for.
    yield* Effect.ignore(until("every report", Effect.map(callsOf(chats.service), (calls) => (allReported(stage, calls) ? true : null)), 500, reportsMs))
  })

/** A task of everybody, asked for when all is well; it ends when nothing can be sent. */
const wave = (stage: Stage, chats: Chats, n: number): Effect.Effect<void, StageFailed> =>
  Effect.gen(function*() {
    const failure = failures[n % failures.length] ?? failures[0]
    const seq = (yield* callsOf(chats.service)).at(-1)?.seq ?? 0
    const at = yield* Clock.currentTimeMillis
    const { rule } = failure
    if (rule !== null) yield* chats.service.order("POST", "faults", { rules: sends.map((method) => ({ ...rule, method })) })
    const keys = yield* Effect.forEach(requesters, (person, index) => {
      const wanted = kinds[(n + index) % kinds.length] ?? kinds[0]
      return chats.ask(person, { ...wanted, payload: { n: stage.requests.length, ms: between(stage.chance, workMs[0], workMs[1]) } })
    })
    if (rule === null) {
      yield* until("the tasks to be asked for", Effect.map(chats.listen, (heard) => (keys.every((key) => madeBy(heard, key) !== null) ? true : null)), 50, waveMs)
      yield* chats.service.order("POST", "outage", { ms: outageMs })
    }
    const heard = yield* until("the tasks of a wave to end", Effect.map(chats.listen, (all) => (endedOf(all, keys).length === keys.length ? all : null)), 100, waveMs)
    if (rule !== null) yield* until("a report to fail", Effect.map(callsOf(chats.service, `?after=${seq}`), (calls) => (failed(calls).length > 0 ? true : null)), 50, waveMs)
    yield* chats.service.order("DELETE", "faults")
    const struck = failed(yield* callsOf(chats.service, `?after=${seq}`))
    const away = rule === null ? `connections were refused for ${outageMs} ms` : null
    // An outage leaves no call on record; the calls that it ended do.
    const reset = rule === null ? (yield* callsOf(chats.service)).filter(({ answered, at: begun, took_ms }) => !answered && took_ms !== null && begun + took_ms >= at) : struck
    yield* record(stage, {
      class: "send_fault",
      must_hit: "report",
      at,
      hit: endedOf(heard, keys),
      witness: reset.length === 0 ? null : { kind: "record", detail: [...(away === null ? [] : [away]), ...reset.slice(0, 10).map((call) => `${call.method} ${call.seq}: ${call.faults.join("+") || "reset"}, status ${call.status ?? "none"}`)].join("; ") }
    })
  })

const failed = (calls: ReadonlyArray<ChatCall>): ReadonlyArray<ChatCall> => calls.filter(({ faults, method }) => faults.length > 0 && sends.includes(method))

const endedOf = (heard: ReadonlyArray<Heard>, keys: ReadonlyArray<string>): ReadonlyArray<string> => {
  const ended = new Set(heard.filter(({ type }) => ends.has(type)).map(({ task }) => task))
  return keys.flatMap((key) => {
    const task = madeBy(heard, key)
    return task !== null && ended.has(task) ? [task] : []
  })
}

/** Whether everybody sees the end of his tasks; how it ended is for the measure. */
const allReported = ({ chat, faults }: Stage, calls: ReadonlyArray<ChatCall>): boolean => {
  const told = calls.filter(({ answered, status, text }) => status === 200 && answered && /^\S+ {2}.*\n(done|failed|canceled|expired)/.test(text ?? ""))
  return faults.flatMap(({ hit }) => hit).every((task) => told.some(({ text }) => text?.startsWith(shortOf(task)) === true)) && chat.commands.length > 0
}
