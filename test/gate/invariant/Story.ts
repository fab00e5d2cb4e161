/** Short histories, written the way they are told: drafts of events become a chained log, the rest is filled in. */
import { canonical, sha256 } from "../../../gate/invariant/Canonical.ts"
import { hashOf } from "../../../gate/invariant/chainIntact.ts"
import type { Burst, ChatCall, ChatCommand, ChatHistory, DeclaredKind, Effect, Fault, Journal, LogEvent, Request, RunHistory, ScenarioHistory } from "../../../gate/History.ts"
import type { Measurement } from "../../../gate/Verdict.ts"

type Payload = Readonly<Record<string, unknown>>

export interface Draft {
  readonly type: string
  readonly task: string | null
  readonly payload: Payload | null
  readonly at: number
  readonly actor?: string
  /** Without it, all events of a task have one of their own. */
  readonly trace?: string | null
}

export const event = (type: string, task: string | null, payload: Payload = {}, at = 1_000_000): Draft => ({ type, task, payload, at })

/** Who did it. */
export const by = (actor: string, draft: Draft): Draft => ({ ...draft, actor })

/** Gives drafts their places in one chain. */
export const chain = (drafts: ReadonlyArray<Draft>, stream = "store"): ReadonlyArray<LogEvent> => {
  const events: Array<LogEvent> = []
  for (const { actor = "system:runtime", at, payload, task, trace = task === null ? null : sha256(task).slice(0, 32), type } of drafts) {
    const prev = events.at(-1)?.hash ?? "0".repeat(64)
    const header = { v: 1, stream, seq: events.length + 1, at, type, task, trace, actor, payload_sha256: sha256(canonical(payload)), prev }
    events.push({ ...header, payload, hash: hashOf(header) })
  }
  return events
}

export const requested = (task: string, over: Payload = {}) =>
  event("task.requested", task, { from: null, by: "submit", kind: "exec", class: "heavy", dispatch_key: task, holds: [], key: `key-${task}`, command: { op: "submit", channel: "cli", key: `key-${task}`, reason: null }, ...over })
export const approved = (task: string) => event("task.approved", task, { from: "REQUESTED", by: "release" })
export const queued = (task: string, over: Payload = {}) => event("task.queued", task, { from: "APPROVED", by: "resume", available_at_ms: 0, ...over })
export const running = (task: string, turn = 1, over: Payload = {}) =>
  event("task.running", task, { from: "QUEUED", by: "claim", attempt: turn, generation: turn, epoch: 1, worker: "w", ...over })
/** A process begins. */
export const epoch = (number: number, over: Payload = {}) => event("epoch.started", null, { epoch: number, why: "boot", mono_ms: 0, ...over })
export const intent = (task: string, turn = 1, over: Payload = {}) =>
  event("effect.intent", task, { step: 1, effect: "dangerous", attempt: turn, generation: turn, dispatch_key: task, mono_ms: 0, start_before_mono_ms: 10_000, ...over })
export const succeeded = (task: string, turn = 1, over: Payload = {}) =>
  event("task.succeeded", task, { from: "RUNNING", by: "settle", attempt: turn, generation: turn, result: {}, ...over })
export const queuedAgain = (task: string, by: string, turn = 1, over: Payload = {}) =>
  event("task.queued", task, { from: "RUNNING", by, attempt: turn, generation: turn, available_at_ms: 0, code: by === "lease_lost" ? by : "x", error: "", ...over })
export const unknownOutcome = (task: string, turn = 1) => event("task.outcome_unknown", task, { attempt: turn, generation: turn, code: "supervisor_gone" })

/** From nothing to the queue. */
export const asked = (task: string, over: Payload = {}) => [requested(task, over), approved(task), queued(task)]
/** The same, of a task about which somebody else had to be asked. */
export const askedAbout = (task: string) => [
  by("cli:ada", requested(task, { holds: ["approval"] })),
  by("cli:bob", event("approval.given", task, { digest: "d", self: false })),
  event("hold.released", task, { hold: "approval" }),
  approved(task),
  queued(task)
]
/** A whole life without trouble. */
export const lived = (task: string, over: Payload = {}) => [...asked(task, over), running(task), intent(task), succeeded(task)]

const line = (phase: Effect["phase"]) => (task: string, turn = 1, over: Partial<Effect> = {}): Effect =>
  ({ phase, task, dispatch_key: task, attempt: turn, generation: turn, pid: 4000 + turn, mono_ms: 5_000, ...over })
export const started = line("start")
export const done = line("done")

export const request = (task: string, over: Partial<Request> = {}): Request =>
  ({ key: `key-${task}`, kind: "exec", class: "heavy", task, expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 }, ...over })

export const fault = (id: string, hit: ReadonlyArray<string>, over: Partial<Fault> = {}): Fault =>
  ({ id, class: "sigkill", must_hit: "running", at: 1_000_000, seed: 1, hit, witness: { kind: "exit", detail: "SIGKILL" }, ...over })

/** The key of the command of an update. */
export const keyOf = (update: number) => `telegram:1:${update}`

export const commanded = (update: number, over: Partial<ChatCommand> = {}): ChatCommand =>
  ({ update, key: keyOf(update), chat: 101, person: "ada", op: "submit", task: null, expect: "once", ...over })

/** An event that is the effect of the command of an update. */
export const because = (update: number, draft: Draft, op = "submit"): Draft =>
  ({ actor: "ada", ...draft, payload: { ...draft.payload, command: { op, channel: "telegram", key: keyOf(update), reason: null } } })

export const call = (seq: number, over: Partial<ChatCall> = {}): ChatCall =>
  ({ seq, at: 1_000_000 + seq * 1000, took_ms: 100, method: "sendMessage", chat: 101, text: "x", updates: [], faults: [], status: 200, answered: true, ...over })
export const polled = (seq: number, over: Partial<ChatCall> = {}): ChatCall => call(seq, { method: "getUpdates", chat: null, text: null, ...over })
/** A poll that a fault struck. */
export const struck = (seq: number, over: Partial<ChatCall> = {}): ChatCall => polled(seq, { faults: ["error"], status: 500, ...over })

export const burst = (id: string, calls: ReadonlyArray<number>, over: Partial<Burst> = {}): Burst => ({ id, kind: "500", at: 1_000_000, struck: calls, keys: [], ...over })

export const chatting = (over: Partial<ChatHistory>): ChatHistory => ({ commands: [], bursts: [], calls: [], violations: [], ...over })

/** A kind as the configuration has it. */
export const kindOf = (over: Partial<DeclaredKind> = {}): DeclaredKind =>
  ({ attempts: 3, base_ms: 1000, cap_ms: 60_000, approval_ttl_ms: 1_000_000, fails: false, ...over })

interface Told {
  readonly id?: string
  readonly events?: ReadonlyArray<Draft>
  readonly effects?: ReadonlyArray<Effect>
  readonly journal?: Partial<Journal>
  readonly scenario?: Partial<Journal["scenario"]>
}

export const scenario = ({ effects = [], events = [], id = "one", journal = {}, scenario: declared = {} }: Told): ScenarioHistory => ({
  id,
  events: chain(events, `store-${id}`),
  effects,
  journal: {
    v: 1,
    scenario: {
      v: 1,
      id,
      title: id,
      hypothesis: "nothing is lost",
      traffic_class: "fault",
      seed: 1,
      workload: { script: "restart", tasks: 1, heavy_ppm: 1_000_000, concurrency: 1 },
      faults: [],
      limits: { wall_ms: 1000, lease_ms: 1000, summaries: 0 },
      ...declared
    },
    seed: 1,
    started_at: 0,
    ended_at: 2_000_000,
    status: "completed",
    note: null,
    requests: [],
    replays: [],
    faults: [],
    summaries: [],
    restarts: [],
    kinds: { exec: kindOf() },
    ...journal
  }
})

export const run = (...scenarios: ReadonlyArray<ScenarioHistory>): RunHistory => ({ scenarios })

/** One scenario, told. */
export const history = (told: Told): RunHistory => run(scenario(told))

/** `good/total`, the shortest form of a measurement. */
export const score = (measured: Measurement): string => (measured._tag === "Missing" ? `missing: ${measured.why}` : `${measured.good}/${measured.total}`)

/** The sentences of a measurement. */
export const offenders = (measured: Measurement): ReadonlyArray<string> => (measured._tag === "Missing" ? [] : measured.offenders)
