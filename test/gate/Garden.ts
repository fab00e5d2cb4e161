/**
 * A small run in which everything occurs that the oracles watch, rightly: approvals, steps, a child, a fork, ticks, a death, a rescue, a late
 * write, a chat, and a scenario without faults. One thing of it is broken at a time.
 */
import { type Effect, type Journal, type LogEvent, type OwnHistory, type RunHistory, type ScenarioHistory, type Trial, type TrialKind, trialKinds } from "../../gate/History.ts"
import { Recount } from "../../gate/invariant/Recount.ts"
import {
  asked, askedAbout, because, burst, call, chain, chatting, commanded, done, type Draft, epoch, event, fault, intent, keyOf, lived, polled, queued, approved, queuedAgain, request, requested, running, scenario,
  started, struck, succeeded
} from "./invariant/Story.ts"

type Facts = Readonly<Record<string, unknown>>

export const command = (op: string, key: string | null, reason: string | null = null) => ({ command: { op, channel: "cli", key, reason } })

/** The intent of a step in code, under an attempt and a generation. */
export const begins = (task: string, step: number, over: Facts = {}): Draft =>
  intent(task, 1, { step, name: `step ${step}`, effect: "idempotent", dispatch_key: `${task}:${step}`, pid: null, ...over })
export const ends = (task: string, step: number, how = "succeeded", over: Facts = {}): Draft =>
  event(`step.${how}`, task, { step, name: `step ${step}`, attempt: 1, generation: 1, ...over })

const second = { attempt: 1, generation: 2 }

const workflow: ReadonlyArray<Draft> = [
  ...asked("w1"), running("w1"), begins("w1", 1), ends("w1", 1), begins("w1", 2), ends("w1", 2, "failed"), begins("w1", 2), ends("w1", 2),
  requested("c1", { by: "child", parent: "w1", parent_step: 3, key: null, command: null }), approved("c1"), queued("c1"),
  queuedAgain("w1", "suspend", 1, { available_at_ms: null, waits: ["child:c1"] }),
  running("c1"), intent("c1"), succeeded("c1"), event("child.ended", "w1", { child: "c1", state: "SUCCEEDED", available_at_ms: 1_000_000 }),
  running("w1", 2, second), ends("w1", 3, "succeeded", second), begins("w1", 4, { ...second, effect: "dangerous" }), ends("w1", 4, "succeeded", second), succeeded("w1", 2, second)
]

const fork: ReadonlyArray<Draft> = [
  requested("f1", { by: "fork", forked_from: "w1", from_step: 2, key: "fork-1", ...command("fork", "fork-1", "again") }), approved("f1"), queued("f1"),
  running("f1", 1, { epoch: 2 }), begins("f1", 2), ends("f1", 2), succeeded("f1")
]

const death: ReadonlyArray<Draft> = [
  ...asked("d1"), ...[1, 2].flatMap((turn) => [running("d1", turn), queuedAgain("d1", "retry", turn)]), running("d1", 3),
  event("task.failed", "d1", { from: "RUNNING", by: "settle", attempt: 3, generation: 3, code: "x", error: "" })
]

const tick = (task: string, at: number): ReadonlyArray<Draft> => [
  requested(task, { by: "schedule", schedule: "s", tick_ms: at, tick_by: "tick", key: `schedule:s:${at}`, command: null }), approved(task), queued(task), running(task), intent(task), succeeded(task)
]

export const tickAt = 1_001_000

export const work: ReadonlyArray<Draft> = [
  epoch(1, { slots: 9, heavy_slots: 9, queues: {} }),
  event("schedule.declared", null, { schedule: "s", version: 1, every_ms: 1000, next_ms: tickAt, late_after_ms: 0, jitter_ms: 0 }),
  ...askedAbout("t1"), running("t1"), ...workflow, ...death, ...tick("k1", tickAt),
  event("schedule.skipped", null, { schedule: "s", version: 1, from_ms: tickAt + 1000, to_ms: tickAt + 1000, count: 1, reason: "overlap" }),
  ...tick("k2", tickAt + 2000),
  epoch(2, { why: "lease_expired", mono_ms: 20_000 }), event("write.fenced", "t1", { write: "intent", generation: 1, current_generation: 1 }),
  queuedAgain("t1", "lease_lost"), running("t1", 2, { epoch: 2 }), intent("t1", 2, { mono_ms: 20_000, start_before_mono_ms: 30_000 }), succeeded("t1", 2), ...fork
]

const step = (task: string, number: number, over: Partial<Effect> = {}): ReadonlyArray<Effect> =>
  [started(task, 1, { dispatch_key: `${task}:${number}`, ...over }), done(task, 1, { dispatch_key: `${task}:${number}`, ...over })]

const ledger: ReadonlyArray<Effect> = [
  ...step("w1", 1), started("w1", 1, { dispatch_key: "w1:2" }), ...step("w1", 2), started("c1"), done("c1"), ...step("w1", 4, { generation: 2 }),
  ...["k1", "k2"].flatMap((task) => [started(task), done(task)]), started("t1", 2), done("t1", 2), ...step("f1", 2)
]

const replay = { key: "key-w1", op: "submit", same_payload: true, exit: 0, task: "w1", first_task: "w1" }

/** What `ops-summary` printed after the last event, as the log alone gives it. */
const summaryOf = (drafts: ReadonlyArray<Draft>) => {
  const summary: Record<string, unknown> = { as_of_seq: drafts.length, since_ms: 0, status: "healthy" }
  for (const [path, count] of Object.entries(new Recount(chain(drafts)).at(drafts.length, 0))) {
    const names = path.split(".")
    let at: Record<string, unknown> = summary
    for (const name of names.slice(0, -1)) at = nested(at, name)
    at[names.at(-1) ?? ""] = count
  }
  nested(summary, "leases")["stale"] = 0
  return summary
}

const nested = (at: Record<string, unknown>, name: string): Record<string, unknown> => {
  const known = at[name]
  const inner: Record<string, unknown> = typeof known === "object" && known !== null ? { ...known } : {}
  at[name] = inner
  return inner
}

/** A trial in which all was as promised. */
export const trial = (kind: TrialKind, over: Partial<Trial> = {}): Trial => ({
  id: `${kind}/1`, kind, sort: "once", digest: "a".repeat(64), witness: { kind: "record", detail: "it struck" }, looks: [{ what: "the server", promised: ["goes on"], seen: "goes on" }], ...over
})

const trials: ReadonlyArray<Trial> = [
  ...trialKinds.map((kind) => trial(kind, kind === "power_loss" ? { log: { acknowledged: 0, found: null } } : {})),
  trial("power_loss", { id: "lie/1", digest: "b".repeat(64), log: { acknowledged: 5, found: null }, lie: true })
]

const row = { id: "d1", state: "FAILED", lease: null }

const bed = (): ScenarioHistory => scenario({
  id: "work",
  events: work,
  effects: ledger,
  scenario: { faults: [{ class: "sigstop", must_hit: "running", count: 1 }] },
  journal: {
    requests: [request("t1"), request("w1", { expect: { states: ["SUCCEEDED"], done_min: 3, done_max: 3 } }), request("d1", { expect: { states: ["FAILED"], done_min: 0, done_max: 0 } })],
    faults: [fault("work/1", ["t1"], { class: "sigstop", at: 998_000, until: 1_000_000 }), fault("work/2", ["t1"], { class: "second_server" })],
    encounters: [{ fault: "work/2", asked: "serve", pid: 99, from: 1_000_000, to: 1_005_000, code: 5, signal: null, said: "opsgate: another opsgate process holds the file" }],
    replays: [replay],
    summaries: [{ at: 2_000_000, summary: summaryOf(work) }],
    restarts: [{ before: [row], after: [row] }],
    trials,
    operations: [
      { op: "submit", key: "key-w1", task: "w1", invoked: 0, answered: 2, answer: "QUEUED" },
      { op: "read", key: null, task: "w1", invoked: 3, answered: 4, answer: "RUNNING" },
      { op: "read", key: null, task: "w1", invoked: 5, answered: 6, answer: "SUCCEEDED" }
    ]
  }
})

const reported = (text: string) => `chat-1  exec\n${text}\n\n· 0123abcd`

const talk = (): ScenarioHistory => scenario({
  id: "talk",
  events: [epoch(1), because(7, requested("chat-1", { key: keyOf(7) })), ...lived("chat-1").slice(1)],
  effects: [started("chat-1"), done("chat-1")],
  scenario: { faults: [{ class: "send_fault", must_hit: "report", count: 1 }] },
  journal: {
    requests: [request("chat-1", { key: keyOf(7), task: null })],
    faults: [fault("talk/1", ["chat-1"], { class: "send_fault", must_hit: "report", witness: { kind: "record", detail: "sendMessage 3: lost" } })],
    chat: chatting({
      commands: [commanded(7)],
      bursts: [burst("talk/burst-1", [1])],
      calls: [struck(1), polled(2), call(3, { text: reported("running"), answered: false, faults: ["lost"] }), call(4, { text: reported("done") })]
    })
  }
})

/** Of a project whose step was seen to do once what it does. */
export const own: OwnHistory = {
  kind: "sell",
  kinds: [{ kind: "sell", unjudged: null }],
  steps: [{ place: 'step "charge"', effect: "idempotent", timeout: true, probe: false }],
  acts: [{ task: "q1", place: 'step "charge"', step: true, pass: "1", n: 0, what: "appends to bank.txt", sort: "append", keyed: false }]
}

const quiet = (): ScenarioHistory => scenario({ id: "quiet", events: [epoch(1), ...lived("q1")], effects: [started("q1"), done("q1")], journal: { requests: [request("q1")], own } })

export type Bed = "work" | "talk" | "quiet"

/** What is done to one scenario. */
export interface Change {
  readonly bed?: Bed
  readonly log?: (drafts: ReadonlyArray<Draft>) => ReadonlyArray<Draft>
  /** Changes events that are chained already. */
  readonly forge?: (events: ReadonlyArray<LogEvent>) => ReadonlyArray<LogEvent>
  readonly ledger?: (effects: ReadonlyArray<Effect>) => ReadonlyArray<Effect>
  readonly journal?: (journal: Journal) => Partial<Journal>
}

export const garden = ({ bed: name = "work", forge = (events) => events, journal, ledger: effects, log }: Change = {}): RunHistory => ({
  scenarios: [bed(), quiet(), talk()].map((one): ScenarioHistory => {
    if (one.id !== name || one.journal === null || one.events === null || one.effects === null) return one
    return {
      ...one,
      events: forge(log === undefined ? one.events : chain(log(one.events), `store-${one.id}`)),
      effects: effects === undefined ? one.effects : effects(one.effects),
      journal: journal === undefined ? one.journal : { ...one.journal, ...journal(one.journal) }
    }
  })
})
