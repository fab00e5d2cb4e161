import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ReasonDetail } from "../../src/control/OpsReasons.ts"
import { type Surroundings, whyOf, type WhyReason, whyText } from "../../src/control/Why.ts"
import { whyTask } from "../../src/control/WhyLook.ts"
import { childWait, signalWait } from "../../src/domain/Checkpoint.ts"
import { claim } from "../../src/domain/Dispatch.ts"
import { begin, settle } from "../../src/domain/Execution.ts"
import { dismiss } from "../../src/domain/DeadLetter.ts"
import { noLimits, type QueueLimits } from "../../src/domain/Queue.ts"
import { cancel, kill } from "../../src/domain/Recovery.ts"
import { reject } from "../../src/domain/Request.ts"
import type { Step } from "../../src/domain/Step.ts"
import type { Task } from "../../src/domain/Task.ts"
import { shortId, taskStates } from "../../src/domain/TaskState.ts"
import { neverMs } from "../../src/domain/Timeout.ts"
import type { Contention } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { approved, ask, begun, dangerous, held, inState, now, queued, requested, running, taskAfter, unknown } from "../domain/runs.ts"
import { applied, claimed, claimedOne, commandOf, draftOf, epochOpened, failedOutcome, kindOf, movable, nextId, settled, submitted, succeeded } from "../engine/tasks.ts"
import { EngineReader } from "../../src/engine/Engine.ts"
import { TaskId } from "../../src/domain/Task.ts"

const nowMs = now.wallMs
const idle: Contention = { running: 0, runningHeavy: 0, runningAll: 0, underKey: 0, holders: [], starts: [], state: null }
const calm: Surroundings = {
  nowMs,
  epoch: { epoch: 1, leaseUntilMonoMs: 1, leaseUntilMs: nowMs + 10_000 },
  heldSinceMs: null,
  contention: idle,
  limits: { workers: 4, queues: new Map() },
  steps: [],
  children: [],
  storage: []
}
const codes = (reasons: ReadonlyArray<WhyReason>) => reasons.map(({ code }) => code)
const under = (limits: Partial<QueueLimits>, workers = 4): Surroundings["limits"] => ({ workers, queues: new Map([["light", { ...noLimits, ...limits }]]) })
const light = () => requested(kindOf())
const step = (task: Task, change: Partial<Step>): Step => ({
  ...draftOf(1),
  task: task.id,
  state: "waiting",
  attempt: 1,
  generation: 1,
  result: null,
  code: null,
  error: null,
  wakeAtMs: null,
  child: null,
  copiedFrom: null,
  startedAtMs: nowMs - 5,
  endedAtMs: null,
  ...change
})
const parked = (waits: ReadonlyArray<string>, atMs = neverMs): Task => ({ ...light(), waits, availableAtMs: atMs })

describe("why a task does not get on", () => {
  it("names each open hold, who may release it, how many are missing, and until when", () => {
    const task = requested()
    const [reason, ...rest] = whyOf(task, calm)
    assert.deepStrictEqual(rest, [])
    assert.deepInclude(reason, { code: "hold_approval", since: "2027-01-15T08:00:00.000Z", until: "2027-01-15T09:00:00.000Z", next: `opsgate task approve ${shortId(task.id)}` })
    assert.include(reason?.text, "0 of 1 approval given")
    assert.include(reason?.text, `not ${task.requester}`)
    if (task.governance === null) return assert.fail("heavy work has a governance")
    const demanding: Task = { ...task, holds: ["plan", "review", "approval", "policy"], governance: { ...task.governance, demand: { ...task.governance.demand, approvals: 2 }, denied: { rule: "paths", why: "no production" } } }
    const all = whyOf(demanding, calm)
    assert.deepStrictEqual(codes(all), ["hold_plan", "hold_review", "hold_approval", "hold_policy"])
    assert.include(all[2]?.text, "0 of 2 approvals given")
    assert.include(all[3]?.text, "paths, no production")
    all.forEach(({ next }) => assert.match(next ?? "", new RegExp(`^opsgate task (plan|review|approve|cancel) ${shortId(task.id)}`)))
  })

  it("says that an approved task waits for its resume", () => {
    const task = approved()
    assert.deepInclude(whyOf(task, calm)[0], { code: "not_resumed", until: "2027-01-15T09:00:00.000Z", next: `opsgate task resume ${shortId(task.id)}` })
  })

  const waits: ReadonlyArray<readonly [string, Surroundings, Partial<WhyReason>]> = [
    ["no server", { ...calm, epoch: null }, { code: "not_served", next: "opsgate serve" }],
    ["a server whose lease has run out", { ...calm, epoch: { epoch: 1, leaseUntilMonoMs: 1, leaseUntilMs: nowMs } }, { code: "not_served", since: "2027-01-15T08:00:00.000Z" }],
    ["a paused queue", { ...calm, contention: { ...idle, state: { queue: "light", paused: true, sinceMs: nowMs - 1000, actor: "cli:bob", reason: "bounces" } } }, { code: "queue_paused", since: "2027-01-15T07:59:59.000Z", text: "cli:bob paused the queue light: bounces", next: "opsgate queue resume light --reason \"<why>\"" }],
    ["a queue that the configuration pauses", { ...calm, limits: under({ paused: true }) }, { code: "queue_paused", text: "the configuration pauses the queue light" }],
    ["a full queue", { ...calm, limits: under({ concurrency: 2 }), contention: { ...idle, running: 2, holders: [TaskId.make("01M7YQ6NZ20FPPQ4H3D42NXP7D")] } }, { code: "queue_full", tasks: ["01M7YQ6NZ20FPPQ4H3D42NXP7D"], next: "opsgate why 2nxp7d" }],
    ["a rate", { ...calm, limits: under({ rate: { count: 1, perMs: 5000 } }), contention: { ...idle, starts: [nowMs - 1000] } }, { code: "rate_limited", until: "2027-01-15T08:00:04.000Z" }],
    ["workers that are all busy", { ...calm, contention: { ...idle, runningAll: 4 } }, { code: "slots_full", text: "all 4 worker slots are taken" }],
    ["a kind that is not declared any more", { ...calm, limits: { workers: 4, queues: new Map(), kinds: new Set(["other"]) } }, { code: "kind_gone" }],
    ["nothing", calm, { code: "its_turn" }],
    ["nothing that is known without a configuration", { ...calm, limits: null, contention: { ...idle, runningAll: 99 } }, { code: "its_turn" }]
  ]
  it.each(waits)("of a due task: %s", (_what, around, wanted) => {
    const found = whyOf(light(), around)
    assert.deepStrictEqual(codes(found), [wanted.code ?? ""])
    assert.deepInclude(found[0], wanted)
  })

  it("of a due task: its key is taken, by this task; heavy work has its slots", () => {
    const keyed: Task = { ...light(), concurrencyKey: "db" }
    const holder = nextId()
    assert.deepInclude(whyOf(keyed, { ...calm, contention: { ...idle, underKey: 1, holders: [holder] } })[0], { code: "key_full", tasks: [holder], next: `opsgate why ${shortId(holder)}` })
    assert.deepInclude(whyOf(queued(), { ...calm, contention: { ...idle, runningHeavy: 3, runningAll: 3 } })[0], { code: "heavy_full" })
  })

  it("of a task that is not due: it was asked for later, or waits for its next attempt after that error", () => {
    assert.deepInclude(whyOf({ ...light(), availableAtMs: nowMs + 1000 }, calm)[0], { code: "delayed", until: "2027-01-15T08:00:01.000Z" })
    const retried = taskAfter(settle(running(kindOf()), held(running(kindOf())), failedOutcome, now, 0.5))
    assert.deepInclude(whyOf(retried, calm)[0], { code: "retry_later", text: "its last run ended with exit_nonzero: exit 1; 2 attempts left" })
  })

  it("of a parked run: it sleeps, waits for a signal, or for a child and what that waits for", () => {
    const sleeper = parked([], nowMs + 7)
    assert.deepInclude(whyOf(sleeper, { ...calm, steps: [step(sleeper, { sort: "sleep", name: "nap", wakeAtMs: nowMs + 7 })] })[0], { code: "sleeps", until: "2027-01-15T08:00:00.007Z" })
    const listener = parked([signalWait("go")])
    assert.deepInclude(whyOf(listener, { ...calm, steps: [step(listener, { sort: "signal", name: "go" })] })[0], { code: "waits_signal", until: null, next: `opsgate task signal ${shortId(listener.id)} go <payload>` })
    const child = requested()
    const parent = parked([childWait(child.id)])
    const [reason] = whyOf(parent, { ...calm, steps: [step(parent, { sort: "child", name: "deploy", child: child.id })], children: [{ task: child, around: { ...calm, contention: null } }] })
    assert.deepInclude(reason, { code: "waits_child", tasks: [child.id], next: `opsgate why ${shortId(child.id)}` })
    assert.deepStrictEqual(reason?.why?.map(({ reasons, state, task }) => [task, state, codes(reasons)]), [[child.id, "REQUESTED", ["hold_approval"]]])
    assert.include(whyText(parent, reason === undefined ? [] : [reason]), `\n    ${child.id} REQUESTED\n      hold_approval: `)
  })

  it("of a running task: who holds the lease, which step runs until when at the latest, and that its end was asked for", () => {
    const task = begun()
    const [lease, open, ...rest] = whyOf(task, calm)
    assert.deepInclude(lease, { code: "runs", until: "2027-01-15T08:00:10.000Z" })
    assert.deepInclude(open, { code: "step_runs", until: "2027-01-15T08:01:00.000Z", next: `opsgate task kill ${shortId(task.id)} --reason "<why>"` })
    assert.deepStrictEqual(rest, [])
    const canceling = taskAfter(cancel(task, commandOf(ask("cancel")), now))
    assert.deepStrictEqual(codes(whyOf(canceling, calm)), ["cancel_pending", "runs", "step_runs"])
    assert.isNull(whyOf(taskAfter(kill(task, commandOf(ask("kill")), now)), calm)[0]?.next)
    for (const epoch of [null, { epoch: 1, leaseUntilMonoMs: 1, leaseUntilMs: nowMs }, { epoch: 2, leaseUntilMonoMs: 1, leaseUntilMs: nowMs + 9 }]) {
      assert.deepInclude(whyOf(task, { ...calm, epoch })[0], { code: "lease_stale", next: "opsgate serve" })
    }
  })

  it("of an unknown outcome: nothing but a word of somebody who looked", () => {
    const task = unknown()
    assert.deepStrictEqual(whyOf(task, calm).map(({ code, next }) => [code, next]), [["outcome_unknown", `opsgate task reconcile ${shortId(task.id)} --outcome <succeeded|failed|retry> --reason "<why>"`]])
  })

  it("of a task that has ended: how, and what may be done", () => {
    const failed = inState.FAILED()
    assert.deepInclude(whyOf(failed, calm)[0], { code: "ended_failed", next: `opsgate task recover ${shortId(failed.id)} --reason "<why>"` })
    assert.include(whyOf(failed, calm)[0]?.text, "dead letter")
    assert.include(whyOf(taskAfter(dismiss(failed, commandOf(ask("dismiss")), now)), calm)[0]?.text, "cli:ada dismissed it: because")
    assert.match(whyOf(inState.SUCCEEDED(), calm)[0]?.next ?? "", /^opsgate task fork /)
    assert.match(whyOf({ ...failed, prunedAtMs: 1 }, calm)[0]?.next ?? "", /^opsgate task submit /)
    assert.deepStrictEqual(codes(whyOf(taskAfter(reject(requested(), commandOf(ask("reject")), now)), calm)), ["ended_canceled"])
  })

  it("names the deadlines of what waits and runs", () => {
    const hurried = queued()
    const toStart: Task = { ...hurried, limits: { ...hurried.limits, scheduleToStartMs: 1000 }, expiresAtMs: nowMs + 1000 }
    assert.deepInclude(whyOf(toStart, calm).at(-1), { code: "deadline", until: "2027-01-15T08:00:01.000Z", text: "it expires unless it has started by then (schedule-to-start)" })
    const toClose: Task = { ...running(kindOf()), queuedAtMs: nowMs, limits: { ...kindOf().limits, scheduleToCloseMs: 5000 } }
    assert.deepInclude(whyOf(toClose, calm).at(-1), { code: "deadline", until: "2027-01-15T08:00:05.000Z" })
  })

  it("says first what keeps the whole file: its storage, a restore", () => {
    const full: ReasonDetail = { code: "storage_full", threshold: 0, observed: 1, since: "2027-01-15T07:00:00.000Z", next: "df -h /d" }
    const over: ReasonDetail = { ...full, code: "storage_io", ended: "2027-01-15T07:59:59.000Z" }
    assert.deepStrictEqual(codes(whyOf(light(), { ...calm, storage: [full, over], heldSinceMs: nowMs - 1 })), ["storage_full", "restore_hold", "its_turn"])
    assert.deepStrictEqual(codes(whyOf(inState.SUCCEEDED(), { ...calm, storage: [full] })), ["ended_succeeded"])
  })

  it("has an answer for a task in every state, with a command to type that fits one line", () => {
    for (const state of taskStates) {
      const reasons = whyOf(inState[state](), calm)
      assert.isAbove(reasons.length, 0, state)
      reasons.forEach(({ next }) => assert.match(next ?? "opsgate", /^opsgate/))
    }
    const hostile: Task = { ...inState.FAILED(), failure: { code: "x", error: "a\nb\u001b[31m" } }
    const text = whyText(hostile, whyOf(hostile, calm))
    assert.notInclude(text, "\u001b")
    assert.lengthOf(text.split("\n"), 4)
  })

  it("of a dangerous step in a task that was claimed: the effect class is told", () => {
    const task = running(kindOf())
    const open = taskAfter(begin(task, held(task), dangerous(1, true), now))
    assert.include(whyOf(open, calm).at(-1)?.text, "dangerous")
    assert.deepStrictEqual(codes(whyOf(taskAfter(claim(light(), "w", kindOf(), now)), calm)), ["runs"])
  })
})

describe("the look around a task", () => {
  it.effect("finds what runs beside it in the store, and says nothing of who has ended", () => {
    const world = movable()
    const test = Effect.gen(function*() {
      const reader = yield* EngineReader
      const outside = { limits: { workers: 1, queues: new Map() }, storage: [] }
      const of = (id: string) => Effect.flatMap(reader.get(TaskId.make(id)), (task) => (task === undefined ? Effect.dieMessage("no task") : whyTask(task, outside)))
      yield* epochOpened()
      const first = yield* submitted(kindOf())
      const second = yield* submitted(kindOf())
      assert.deepStrictEqual(codes((yield* of(second.task)).reasons), ["its_turn"])
      const { held: hold } = yield* claimedOne
      assert.deepStrictEqual(codes((yield* of(second.task)).reasons), ["slots_full"])
      assert.deepStrictEqual(codes((yield* of(first.task)).reasons), ["runs"])
      yield* settled(TaskId.make(first.task), hold, succeeded)
      assert.deepStrictEqual(codes((yield* of(second.task)).reasons), ["its_turn"])
      assert.deepStrictEqual(codes((yield* of(first.task)).reasons), ["ended_succeeded"])
      yield* world.pass(60_000)
      assert.deepStrictEqual(codes((yield* of(second.task)).reasons), ["not_served"])
      assert.lengthOf(yield* claimed(1), 0)
      yield* applied(TaskId.make(second.task), (task, at) => cancel(task, commandOf(ask("cancel")), at))
      assert.deepStrictEqual(codes((yield* of(second.task)).reasons), ["ended_canceled"])
    })
    return test.pipe(Effect.provide(MemoryEngine.layer()), Effect.provide(world.layer))
  })
})
