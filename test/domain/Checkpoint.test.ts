import { assert, describe, it } from "@effect/vitest"
import { childWait, endStep, progress, signalWait, spawn, type StepEnd, suspend, takeChild, takeSignal, type Wait } from "../../src/domain/Checkpoint.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { claim } from "../../src/domain/Dispatch.ts"
import { begin, settle } from "../../src/domain/Execution.ts"
import type { Held } from "../../src/domain/Lease.ts"
import type { Now } from "../../src/domain/Now.ts"
import { cancel } from "../../src/domain/Recovery.ts"
import { expire } from "../../src/domain/Request.ts"
import { signal } from "../../src/domain/Signal.ts"
import type { Task } from "../../src/domain/Task.ts"
import { neverMs } from "../../src/domain/Timeout.ts"
import { commandOf, draftOf, heavyKind, kindOf, nextId, succeeded } from "../engine/tasks.ts"
import { answerOf, ask, claimedAt, dangerous, ended, held, inTheMiddleOf, lateWrites, later, now, refusalOf, running, stepsAfter, taskAfter, typesOf, kindFor } from "./runs.ts"

const done: StepEnd = { _tag: "Succeeded", result: { paid: 1 } }
const noWait: Wait = { untilMs: null, waits: [] }
const step1 = { number: 1, name: "step 1" }
const signalled = (task: Task, name = "go", payload = "word"): Task =>
  taskAfter(signal(task, commandOf({ op: "signal", task: "t", reason: null, name, payload }), now))
const parkedFor = (task: Task, wait: Wait, children: ReadonlyArray<Task | undefined> = []): Task =>
  taskAfter(suspend(task, held(task), wait, children, [], now))
const asked = (task: Task): Task => taskAfter(cancel(task, commandOf(ask("cancel")), now))

type Write = (task: Task, held: Held, at: Now) => Decision<unknown>
/** Whatever a run writes of its steps, and the word that names it when it is refused. */
const writes: Record<string, readonly [named: string, write: Write]> = {
  begin: ["intent", (task, by, at) => begin(task, by, draftOf(1), at)],
  endStep: ["checkpoint", (task, by, at) => endStep(task, by, step1, done, at)],
  suspend: ["suspend", (task, by, at) => suspend(task, by, noWait, [], [], at)],
  takeSignal: ["signal", (task, by, at) => takeSignal(task, by, draftOf(1), "go", null, [], at)],
  takeChild: ["child", (task, by, at) => takeChild(task, by, draftOf(1), ended(succeeded), [], at)],
  spawn: ["spawn", (task, by, at) => spawn(task, by, draftOf(1), { id: nextId(), kind: kindOf(), payload: {} }, [], at)],
  progress: ["progress", (task, by) => progress(task, by, { percent: 1, note: "" })]
}
const isFenced = (decision: Decision<unknown>, named: string) => {
  assert.strictEqual(refusalOf(decision), "LeaseLost")
  assert.deepStrictEqual([decision.tasks, decision.steps, decision.attempts, decision.messages, decision.remember], [[], [], [], [], null])
  assert.deepStrictEqual(decision.events.map(({ payload, type }) => [type, payload["write"]]), [["write.fenced", named]])
}

describe("a write of a run", () => {
  for (const [name, [named, write]] of Object.entries(writes)) {
    it(`(${name}) is refused under another generation, another epoch, or without a lease, and leaves nothing but its event`, () => {
      const { task } = inTheMiddleOf([draftOf(1)])
      const withSignal = signalled(task)
      assert.strictEqual(refusalOf(write(withSignal, held(withSignal), now)), "granted")
      for (const [, late, by] of lateWrites(withSignal)) isFenced(write(late, by, now), named)
    })
  }

  it("that begins something is refused when the lease has run out, though nobody else holds the task", () => {
    const task = signalled(running(kindOf()))
    for (const name of ["begin", "takeSignal", "takeChild", "spawn"] as const) {
      const [named, write] = writes[name] ?? ["", () => progress(task, held(task), { percent: null, note: "" })]
      isFenced(write(task, held(task), later(30_000)), named)
      isFenced(write(task, held(task), later(0, { epoch: 2 })), named)
    }
  })

  it("that begins something starts nothing once the task was asked to end, and says whether to undo", () => {
    const task = asked(signalled(running(kindOf())))
    const undo = taskAfter(cancel(task, commandOf({ op: "cancel", task: "t", reason: "", compensate: true }), now))
    for (const [compensate, one] of [[false, task], [true, undo]] as const) {
      const begun = begin(one, held(one), draftOf(1), now)
      assert.deepInclude(answerOf(begun), { step: null, compensate })
      assert.deepStrictEqual([begun.tasks, begun.steps, begun.events], [[], [], []])
      for (const name of ["takeSignal", "takeChild", "spawn"] as const) {
        const decision = writes[name]?.[1](one, held(one), now)
        assert.deepStrictEqual(decision?.answer._tag === "Right" ? decision.answer.right : null, { _tag: "Stopped", compensate })
        assert.deepStrictEqual([decision?.tasks, decision?.steps, decision?.events], [[], [], []])
      }
    }
  })

  it("that undoes a step begins though the task was asked to end", () => {
    const task = asked(running(kindOf()))
    assert.strictEqual(answerOf(begin(task, held(task), draftOf(2, { scope: "undo" }), now)).step?.number, 2)
  })
})

describe("a step", () => {
  it("that begins is stored with its intent, under the attempt and generation of the run", () => {
    const task = running(kindOf())
    const draft = draftOf(1, { effect: "dangerous", answers: true, drawn: "[7]" })
    const decision = begin(task, held(task), draft, now)
    assert.deepInclude(stepsAfter([], decision)[0], { ...draft, task: task.id, state: "open", attempt: 1, generation: 1, startedAtMs: now.wallMs, endedAtMs: null })
    assert.deepInclude(taskAfter(decision), { steps: 1 })
    assert.deepInclude(taskAfter(decision).intents[0], { step: 1, name: "step 1", effect: "dangerous", answers: true, generation: 1 })
    assert.deepStrictEqual(decision.events.map(({ payload, type }) => [type, payload["step"], payload["name"], payload["dispatch_key"], payload["generation"]]), [
      ["effect.intent", 1, "step 1", "key:1", 1]
    ])
  })

  it("that begins again replaces its own intent, leaves those beside it, and keeps the highest number", () => {
    const { task } = inTheMiddleOf([draftOf(1), draftOf(2)])
    const again = taskAfter(begin(task, held(task), draftOf(1), later(5)))
    assert.deepStrictEqual(again.intents.map(({ atMs, step }) => [step, atMs]), [[2, now.wallMs], [1, now.wallMs + 5]])
    assert.strictEqual(again.steps, 2)
  })

  it("that ends takes its intent away and no other, and keeps what came out", () => {
    const { steps, task } = inTheMiddleOf([draftOf(1), dangerous(2)])
    const decision = endStep(task, held(task), step1, done, later(7))
    assert.deepStrictEqual(taskAfter(decision).intents.map(({ step }) => step), [2])
    assert.deepInclude(stepsAfter(steps, decision)[0], { number: 1, state: "succeeded", result: "{\"paid\":1}", code: null, endedAtMs: now.wallMs + 7 })
    assert.deepInclude(stepsAfter(steps, decision)[1], { number: 2, state: "open" })
    assert.deepInclude(decision.events[0]?.payload, { step: 1, name: "step 1", attempt: 1, generation: 1 })
    assert.deepStrictEqual(typesOf(decision), ["step.succeeded"])
  })

  it("that failed or did not happen is kept as that", () => {
    const { steps, task } = inTheMiddleOf([draftOf(1)])
    const failed = endStep(task, held(task), step1, { _tag: "Failed", code: "declined", error: "no money" }, now)
    assert.deepInclude(stepsAfter(steps, failed)[0], { state: "failed", result: null, code: "declined", error: "no money" })
    const cleared = endStep(task, held(task), step1, { _tag: "Cleared", code: "did_not_happen" }, now)
    assert.deepInclude(stepsAfter(steps, cleared)[0], { state: "cleared", result: null, code: "did_not_happen" })
    assert.deepStrictEqual([typesOf(failed), typesOf(cleared), taskAfter(cleared).intents], [["step.failed"], ["step.settled"], []])
  })

  it("stores earlier changes of other steps along, before its own", () => {
    const { steps, task } = inTheMiddleOf([draftOf(1)])
    const [open] = steps
    if (open === undefined) throw new Error("no step")
    const more = [{ _tag: "Put", step: { ...open, number: 9, name: "sleep" } }] as const
    assert.deepStrictEqual(endStep(task, held(task), step1, done, now, more).steps.map((change) => (change._tag === "Put" ? change.step.number : change.number)), [9, 1])
    assert.deepStrictEqual(begin(task, held(task), draftOf(2), now, more).steps.map((change) => (change._tag === "Put" ? change.step.number : change.number)), [9, 2])
  })

  it("leaves a word of how far the run is in the log, and changes nothing", () => {
    const task = running(kindOf())
    const decision = progress(task, held(task), { percent: 40, note: "two of five" })
    assert.deepStrictEqual(decision.events.map(({ payload, type }) => ({ type, payload })), [{ type: "run.progress", payload: { attempt: 1, generation: 1, percent: 40, note: "two of five" } }])
    assert.deepStrictEqual([decision.tasks, decision.steps], [[], []])
  })
})

describe("a run that is parked", () => {
  it("waits without lease and costs no attempt, however often", () => {
    let task = running(kindOf())
    for (const _ of [1, 2, 3, 4, 5]) {
      const parked = parkedFor(task, { untilMs: now.wallMs + 10, waits: [] })
      assert.deepInclude(parked, { state: "QUEUED", attempt: 0, budget: 3, losses: 0, lease: null, availableAtMs: now.wallMs + 10, failure: null })
      assert.deepStrictEqual(claim(parked, "w", kindFor(parked), later(9)).tasks, [])
      task = claimedAt(parked, later(10))
      assert.deepInclude(task, { state: "RUNNING", attempt: 1, budget: 2 })
    }
    assert.strictEqual(task.generation, 6)
  })

  it("says so in the log, with the generation of its writer and what it waits for", () => {
    const task = running(kindOf())
    const decision = suspend(task, held(task), { untilMs: null, waits: [signalWait("go")] }, [], [], now)
    assert.deepStrictEqual(decision.events.map(({ payload, type }) => ({ type, payload })), [
      { type: "task.queued", payload: { from: "RUNNING", by: "suspend", attempt: 1, generation: 1, available_at_ms: null, waits: ["signal:go"], code: "suspended", error: null } }
    ])
  })

  it("for no time is not due until what it waits for comes", () => {
    const parked = parkedFor(running(kindOf()), { untilMs: null, waits: [signalWait("go")] })
    assert.deepInclude(parked, { availableAtMs: neverMs, waits: ["signal:go"], expiresAtMs: null })
    assert.strictEqual(signalled(parked).availableAtMs, now.wallMs)
  })

  it("is due at once when the signal came in the meantime, or the child ended, or is gone, or it was asked to end", () => {
    const task = running(kindOf())
    const child = ended(succeeded)
    const waits = { untilMs: null, waits: [signalWait("go"), childWait(child.id)] }
    assert.deepInclude(parkedFor(signalled(task), waits), { availableAtMs: now.wallMs, waits: [] })
    assert.deepInclude(parkedFor(task, waits, [child]), { availableAtMs: now.wallMs, waits: [] })
    assert.deepInclude(parkedFor(task, waits, [undefined]), { availableAtMs: now.wallMs, waits: [] })
    assert.deepInclude(parkedFor(asked(task), waits), { availableAtMs: now.wallMs, waits: [] })
    assert.deepInclude(parkedFor(signalled(task, "other"), waits, [running(kindOf())]), { availableAtMs: neverMs, waits: waits.waits })
  })

  it("stores the steps that wait, and counts them", () => {
    const { steps: [open], task } = inTheMiddleOf([draftOf(1)])
    if (open === undefined) throw new Error("no step")
    const step = { ...open, number: 4, name: "sleep", sort: "sleep", state: "waiting", wakeAtMs: now.wallMs + 10 } as const
    const decision = suspend(task, held(task), { untilMs: now.wallMs + 10, waits: [] }, [], [{ _tag: "Put", step }], now)
    assert.strictEqual(taskAfter(decision).steps, 4)
    assert.deepStrictEqual(stepsAfter([], decision), [step])
  })

  it("never leaves a dangerous step in its middle behind, unless a later run can ask what became of it", () => {
    const { task } = inTheMiddleOf([dangerous(1)])
    isFenced(suspend(task, held(task), noWait, [], [], now), "suspend")
    const probed = inTheMiddleOf([dangerous(1, true)]).task
    assert.deepStrictEqual(parkedFor(probed, noWait).intents, probed.intents)
  })

  describe("has limits:", () => {
    const limits = { startToCloseMs: 60_000, scheduleToStartMs: 100, scheduleToCloseMs: 1000, approvalTtlMs: 3_600_000 }
    const task = () => running(kindOf({ limits }))
    const waits = [signalWait("go")]

    it("the time to start counts from the instant it is due", () => {
      const parked = parkedFor(task(), { untilMs: now.wallMs + 500, waits: [] })
      assert.strictEqual(parked.expiresAtMs, now.wallMs + 600)
      assert.strictEqual(expire(parked, later(599)).tasks.length, 0)
      assert.strictEqual(taskAfter(expire(parked, later(600))).state, "EXPIRED")
    })

    it("the time to start counts from the signal or the end of the child that wakes it", () => {
      const parked = parkedFor(task(), { untilMs: null, waits })
      const woken = taskAfter(signal(parked, commandOf({ op: "signal", task: "t", reason: null, name: "go", payload: 1 }), later(300)))
      assert.deepInclude(woken, { availableAtMs: now.wallMs + 300, expiresAtMs: now.wallMs + 400 })
    })

    it("a wait without a time ends with the time to close, and nothing stays of what it waited for", () => {
      const parked = parkedFor(task(), { untilMs: null, waits })
      assert.strictEqual(parked.expiresAtMs, now.wallMs + 1000)
      const decision = expire(parked, later(1000))
      assert.deepInclude(taskAfter(decision), { state: "EXPIRED", waits: [], expiresAtMs: null })
      assert.strictEqual(decision.events[0]?.payload["code"], "schedule_to_close_timeout")
    })

    it("a failure after it is past the time to close, all the same", () => {
      const back = claimedAt(parkedFor(task(), { untilMs: now.wallMs + 10, waits: [] }), later(10))
      assert.strictEqual(taskAfter(settle(back, held(back), { _tag: "Failed", code: "x", error: "" }, later(1000), 0)).state, "EXPIRED")
    })
  })
})

describe("a step that waits for a signal", () => {
  const take = (task: Task, wakeAtMs: number | null = null, at = now) => takeSignal(task, held(task), draftOf(1, { sort: "signal" }), "go", wakeAtMs, [], at)

  it("takes the oldest of its name, and no other", () => {
    const task = signalled(signalled(signalled(running(kindOf()), "other", "a"), "go", "b"), "go", "c")
    const decision = take(task)
    assert.deepStrictEqual(answerOf(decision), { _tag: "Ended", end: { _tag: "Succeeded", result: "b" } })
    assert.deepStrictEqual(taskAfter(decision).signals.map(({ payload }) => payload), ["\"a\"", "\"c\""])
    assert.deepInclude(stepsAfter([], decision)[0], { number: 1, sort: "signal", state: "succeeded", result: "\"b\"" })
    assert.deepStrictEqual([typesOf(decision), taskAfter(decision).steps], [["step.succeeded"], 1])
  })

  it("goes on waiting while there is none, and changes nothing", () => {
    const decision = take(signalled(running(kindOf()), "other"), now.wallMs + 1)
    assert.deepStrictEqual([answerOf(decision), decision.tasks, decision.steps, decision.events], [{ _tag: "Waits" }, [], [], []])
  })

  it("fails when none came in time, and prefers one that came", () => {
    const decision = take(running(kindOf()), now.wallMs + 5, later(5))
    assert.deepInclude(stepsAfter([], decision)[0], { state: "failed", code: "signal_timeout" })
    assert.deepInclude(answerOf(take(signalled(running(kindOf())), now.wallMs, later(5))), { _tag: "Ended" })
    assert.strictEqual(stepsAfter([], take(signalled(running(kindOf())), now.wallMs, later(5)))[0]?.state, "succeeded")
  })
})

describe("a child", () => {
  const wanted = (kind = kindOf()) => ({ id: nextId(), kind, payload: { n: 1 } })
  const draft = draftOf(1, { sort: "child", name: "report" })

  it("is a task of its own, asked for by a step of its parent that waits for it", () => {
    const parent = running(kindOf())
    const child = wanted()
    const decision = spawn(parent, held(parent), draft, child, [], now)
    const [after, born] = decision.tasks
    assert.deepInclude(after, { id: parent.id, steps: 1, intents: [] })
    assert.deepInclude(born, { id: child.id, state: "QUEUED", parent: { task: parent.id, step: 1 }, requester: parent.requester, trace: parent.trace, payload: "{\"n\":1}", key: null })
    assert.deepInclude(stepsAfter([], decision)[0], { state: "waiting", child: child.id, sort: "child" })
    assert.deepStrictEqual(decision.events.map(({ payload, type }) => [type, payload["by"]]), [["task.requested", "child"], ["task.approved", "release"], ["task.queued", "resume"]])
    assert.deepInclude(decision.events[0]?.payload, { from: null, parent: parent.id, parent_step: 1 })
  })

  it("of a kind that needs people waits for them like any other task", () => {
    const parent = running(kindOf())
    const decision = spawn(parent, held(parent), draft, wanted(heavyKind()), [], now)
    assert.deepInclude(decision.tasks[1], { state: "REQUESTED", holds: ["approval"], held: true })
    assert.deepStrictEqual([typesOf(decision), decision.messages.map(({ topic }) => topic)], [["task.requested"], ["approval_needed"]])
  })

  it("that ended gives its parent's step what came out of it, or how it ended", () => {
    const parent = running(kindOf())
    const take = (child: Task | undefined) => takeChild(parent, held(parent), draft, child, [], now)
    assert.deepStrictEqual(answerOf(take(ended(succeeded))), { _tag: "Ended", end: { _tag: "Succeeded", result: { exit_code: 0 } } })
    const failed = take(ended({ _tag: "Failed", code: "exit_nonzero", error: "exit 1" }))
    assert.deepInclude(stepsAfter([], failed)[0], { state: "failed", code: "child_failed" })
    assert.include(stepsAfter([], failed)[0]?.error ?? "", "exit 1")
    assert.deepInclude(stepsAfter([], take(undefined))[0], { state: "failed", code: "child_gone" })
  })

  it("that has not ended leaves its parent's step waiting", () => {
    const parent = running(kindOf())
    const decision = takeChild(parent, held(parent), draft, running(kindOf()), [], now)
    assert.deepStrictEqual([answerOf(decision), decision.tasks, decision.steps, decision.events], [{ _tag: "Waits" }, [], [], []])
  })
})
