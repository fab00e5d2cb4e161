import { assert, describe, it } from "@effect/vitest"
import { endStep, signalWait, suspend } from "../../src/domain/Checkpoint.ts"
import type { Json } from "../../src/domain/Canonical.ts"
import { handBack } from "../../src/domain/Dispatch.ts"
import { begin, type Finding, type Outcome, reclaim, settle } from "../../src/domain/Execution.ts"
import { cancel, kill, reconcile, recover } from "../../src/domain/Recovery.ts"
import { expire } from "../../src/domain/Request.ts"
import { isBlocked, type Task } from "../../src/domain/Task.ts"
import { commandOf, draftOf, failedOutcome, kindOf, succeeded } from "../engine/tasks.ts"
import { answerOf, ask, claimedAt, dangerous, held, inTheMiddleOf, later, nextEpoch, now, refusalOf, running, stepsAfter, taskAfter, typesOf, kindFor } from "./runs.ts"

const gone: Finding = { _tag: "Gone", error: "no record" }
const stopped: Outcome = { _tag: "Stopped", compensated: false }
const killed: Outcome = { _tag: "Unknown", code: "killed", error: "" }
const settles = (task: Task, outcome: Outcome, at = now): Task => taskAfter(settle(task, held(task), outcome, at, 0))
const reclaims = (task: Task, finding: Finding): Task => taskAfter(reclaim(task, finding, "w2", nextEpoch(), 0))
const reconciles = (task: Task, outcome: "succeeded" | "failed" | "retry", more: { readonly evidence?: string; readonly result?: Json } = {}) =>
  reconcile(task, commandOf({ op: "reconcile", task: "t", reason: "looked", outcome, ...more }), now)
const cancels = (task: Task, compensate = false, reason = "because"): Task => taskAfter(cancel(task, commandOf({ op: "cancel", task: "t", reason, compensate }), now))
const kills = (task: Task): Task => taskAfter(kill(task, commandOf(ask("kill")), now))
const recovers = (task: Task) => recover(task, commandOf(ask("recover")), kindFor(task), now)
const limited = (limits: Partial<ReturnType<typeof kindOf>["limits"]>) => kindOf({ limits: { ...kindOf().limits, ...limits } })
/** A run that is parked with one step behind it. */
const parked = (kind = kindOf()): Task => {
  const { task } = inTheMiddleOf([draftOf(1)], kind)
  const after = taskAfter(endStep(task, held(task), { number: 1, name: "step 1" }, { _tag: "Succeeded", result: 1 }, now))
  return taskAfter(suspend(after, held(after), { untilMs: null, waits: [signalWait("go")] }, [], [], now))
}

describe("an unknown outcome", () => {
  it("names the dangerous step that nobody can ask about, and keeps all that is open", () => {
    const { task } = inTheMiddleOf([draftOf(1), dangerous(2, true), dangerous(3)])
    for (const after of [settles(task, killed), reclaims(task, gone)]) {
      assert.deepInclude(after, { state: "RUNNING", lease: null, intents: task.intents })
      assert.strictEqual(after.unknown?.step, 3)
      assert.isTrue(isBlocked(after))
    }
  })

  it("of two dangerous steps is reconciled one after the other", () => {
    const { steps, task } = inTheMiddleOf([dangerous(1), dangerous(2)])
    const first = reconciles(settles(task, killed), "succeeded", { result: { id: 7 }, evidence: "invoice 7" })
    assert.deepStrictEqual(typesOf(first), ["step.settled"])
    assert.deepInclude(first.events[0]?.payload, { step: 1, generation: 1, outcome: "succeeded", reason: "looked", evidence: "invoice 7" })
    assert.deepInclude(stepsAfter(steps, first)[0], { state: "succeeded", result: "{\"id\":7}", code: "reconciled" })
    assert.deepInclude(taskAfter(first), { state: "RUNNING", lease: null })
    assert.strictEqual(taskAfter(first).unknown?.step, 2)
    const second = reconciles(taskAfter(first), "retry")
    assert.deepInclude(taskAfter(second), { state: "QUEUED", unknown: null, intents: [] })
    assert.deepInclude(stepsAfter(steps, second)[1], { state: "cleared", result: null })
  })

  it("of which one step failed is not forgotten with the others: the task fails when the last has its word", () => {
    const { task } = inTheMiddleOf([dangerous(1), dangerous(2)])
    const first = taskAfter(reconciles(settles(task, killed), "failed"))
    assert.deepInclude(first, { state: "RUNNING", lease: null })
    assert.strictEqual(first.unknown?.step, 2)
    const last = reconciles(first, "succeeded")
    assert.deepInclude(taskAfter(last), { state: "FAILED", unknown: null, failure: { code: "reconciled_failed", error: "looked" } })
    assert.deepStrictEqual(last.steps.map((change) => (change._tag === "End" ? change.state : "")), ["succeeded"])
  })

  it("leaves a run at least one attempt after its word", () => {
    const { task } = inTheMiddleOf([dangerous(1)], kindOf({ retry: { attemptsMax: 1, baseMs: 0, capMs: 0 } }))
    assert.strictEqual(taskAfter(reconciles(settles(task, killed), "retry")).budget, 1)
  })

  it("is not moved by time, nor by anything but reconcile, and remembers a cancel and a kill", () => {
    const task = settles(inTheMiddleOf([dangerous(1)], limited({ scheduleToCloseMs: 1000 })).task, killed)
    assert.deepStrictEqual([expire(task, later(5000)).tasks, task.expiresAtMs], [[], null])
    assert.deepInclude(kills(cancels(task)), { state: "RUNNING", unknown: task.unknown })
    assert.deepInclude(kills(cancels(task)).cancel, { kill: true })
    for (const outcome of [succeeded, failedOutcome, stopped]) assert.strictEqual(refusalOf(settle(task, { generation: 1, epoch: 1 }, outcome, now, 0)), "LeaseLost")
  })

  it("with a pending cancel ends the task when nothing happened, and goes on to the boundary when it did", () => {
    const task = cancels(settles(inTheMiddleOf([dangerous(1)]).task, killed))
    assert.deepInclude(taskAfter(reconciles(task, "retry")), { state: "CANCELED", cancel: null, unknown: null })
    assert.deepInclude(taskAfter(reconciles(task, "succeeded")), { state: "QUEUED", cancel: task.cancel })
    assert.deepInclude(taskAfter(reconciles(cancels(task, true), "retry")), { state: "QUEUED" })
  })

  it("is what a run leaves that was stopped, or is told to be stopped, in the middle of a dangerous step", () => {
    for (const answers of [false, true]) {
      const task = cancels(inTheMiddleOf([dangerous(1, answers)]).task)
      const after = settle(task, held(task), stopped, now, 0)
      assert.deepInclude(taskAfter(after), { state: "RUNNING", cancel: task.cancel, intents: task.intents })
      assert.deepStrictEqual([typesOf(after), after.steps], [["task.outcome_unknown"], []])
    }
  })
})

describe("a dangerous step that a later run can ask about", () => {
  const lost = (kind = kindOf()) => {
    const { steps, task } = inTheMiddleOf([draftOf(1), dangerous(2, true)], kind)
    return { task, steps, after: reclaims(task, gone) }
  }

  it("is taken back to the queue in the hands of its run, and of nothing else that was open", () => {
    const { after } = lost()
    assert.deepStrictEqual([after.state, after.unknown, after.intents.map(({ step }) => step)], ["QUEUED", null, [2]])
  })

  it("is not ended by time, nor by a cancel, before somebody has asked", () => {
    const { after } = lost(limited({ scheduleToStartMs: 10, scheduleToCloseMs: 1000 }))
    assert.strictEqual(after.expiresAtMs, null)
    assert.deepStrictEqual(expire({ ...after, expiresAtMs: 0 }, later(5000)).tasks, [])
    for (const asked of [cancels(after), kills(after)]) {
      assert.deepInclude(asked, { state: "QUEUED", expiresAtMs: null, intents: after.intents })
      assert.isNotNull(asked.cancel)
    }
  })

  it("is not ended by a further loss, though a cancel is pending", () => {
    const { task } = lost()
    assert.strictEqual(reclaims(cancels(task), gone).state, "QUEUED")
    assert.strictEqual(reclaims(cancels(inTheMiddleOf([draftOf(1)]).task), gone).state, "CANCELED")
  })

  it("is not ended by the word about another step", () => {
    const { task } = inTheMiddleOf([dangerous(1), dangerous(2, true)])
    const after = taskAfter(reconciles(cancels(settles(task, killed)), "retry"))
    assert.deepStrictEqual([after.state, after.intents.map(({ step }) => step)], ["QUEUED", [2]])
  })

  it("stays open when its run fails, is handed back or is parked", () => {
    const { steps, task } = lost()
    const failed = settle(task, held(task), failedOutcome, now, 0)
    assert.deepStrictEqual(stepsAfter(steps, failed).map(({ state }) => state), ["failed", "open"])
    assert.deepStrictEqual([taskAfter(failed).state, taskAfter(failed).intents.map(({ step }) => step)], ["QUEUED", [2]])
    const again = claimedAt(lost().after, nextEpoch(70_000))
    assert.deepStrictEqual(taskAfter(handBack(again, held(again), nextEpoch(70_000))).intents.map(({ step }) => step), [2])
    const timed = { ...again, limits: { ...again.limits, scheduleToCloseMs: 1000 } }
    const parkedAgain = taskAfter(suspend(timed, held(timed), { untilMs: null, waits: [] }, [], [], nextEpoch(70_000)))
    assert.deepStrictEqual([parkedAgain.intents.map(({ step }) => step), parkedAgain.expiresAtMs], [[2], null])
  })

  it("lets go of the task when it has ended", () => {
    const again = claimedAt(lost().after, nextEpoch(70_000))
    const after = taskAfter(endStep(again, held(again), { number: 2, name: "step 2" }, { _tag: "Cleared", code: "did_not_happen" }, nextEpoch(70_000)))
    assert.deepStrictEqual(after.intents, [])
    assert.strictEqual(settles(cancels(after), stopped, nextEpoch(70_000)).state, "CANCELED")
  })
})

describe("a request to end", () => {
  it("ends a parked run at once, and nothing stays of what it waited for", () => {
    assert.deepInclude(cancels(parked()), { state: "CANCELED", waits: [], expiresAtMs: null, cancel: null })
    assert.deepInclude(kills(parked()), { state: "CANCELED", waits: [], expiresAtMs: null, cancel: null })
  })

  it("with compensation wakes a parked run instead, and time does not end it before", () => {
    const asked = cancels(parked(limited({ scheduleToCloseMs: 1000 })), true)
    assert.deepInclude(asked, { state: "QUEUED", availableAtMs: now.wallMs, waits: [], expiresAtMs: null })
    const task = claimedAt(asked, later(2000, { leaseUntilMonoMs: Infinity }))
    assert.deepInclude(answerOf(begin(task, held(task), draftOf(2), later(2000, { leaseUntilMonoMs: Infinity }))), { step: null, compensate: true })
  })

  it("with compensation of a run that did nothing yet just ends it", () => {
    const task = running(kindOf())
    const queued = taskAfter(handBack(task, held(task), now))
    assert.strictEqual(cancels(queued, true).state, "CANCELED")
  })

  it("can be followed by one that asks for more, never for less, and keeps its name and instant", () => {
    const first = cancels(running(kindOf()), false, "first")
    const second = taskAfter(kill(first, commandOf(ask("kill", "second"), { actor: "cli:bob" }), later(5)))
    assert.deepStrictEqual(second.cancel, { actor: "cli:ada", reason: "first", atMs: now.wallMs, kill: true, compensate: false })
    assert.deepInclude(cancels(second, true).cancel, { kill: true, compensate: true })
    const less = cancel(second, commandOf(ask("cancel")), later(9))
    assert.deepStrictEqual([less.tasks, typesOf(less), answerOf(less).moved], [[], ["command.accepted"], false])
  })

  it("keeps its name in the log and in its refusal", () => {
    assert.deepInclude(kill(parked(), commandOf(ask("kill")), now).events[0]?.payload["command"], { op: "kill" })
    const refused = kill(settles(running(kindOf()), succeeded), commandOf(ask("kill")), now)
    assert.deepInclude(refused.events[0]?.payload["refusal"], { wanted: "kill" })
  })

  it("stands behind an unknown outcome and a success, and before time and a retry", () => {
    const kind = limited({ scheduleToCloseMs: 1000 })
    const open = cancels(inTheMiddleOf([dangerous(1)], kind).task)
    assert.isNotNull(settles(open, killed, later(1000)).unknown)
    const task = cancels(running(kind))
    assert.deepInclude(settles(task, succeeded, later(1000)), { state: "SUCCEEDED", cancel: null })
    assert.deepInclude(settles(task, failedOutcome, later(1000)), { state: "CANCELED", cancel: null })
    assert.deepInclude(settles(task, failedOutcome), { state: "CANCELED" })
    assert.deepInclude(settles(running(kind), failedOutcome, later(1000)), { state: "EXPIRED" })
    assert.deepInclude(settles(running(kind), failedOutcome), { state: "QUEUED" })
  })

  it("with compensation is tried again while attempts are left, however late it is", () => {
    const task = cancels(running(limited({ scheduleToCloseMs: 1000 })), true)
    assert.deepInclude(settles(task, failedOutcome, later(1000)), { state: "QUEUED", cancel: task.cancel, expiresAtMs: null })
    assert.strictEqual(settles(cancels(running(kindOf()), true), { _tag: "NotStarted", code: "x", error: "" }).state, "QUEUED")
  })
})

describe("a task that was compensated", () => {
  const compensated = (): Task => settles(cancels(inTheMiddleOf([draftOf(1)]).task, true, "wrong order"), { _tag: "Stopped", compensated: true })

  it("is canceled, says that its steps were undone, and is not recovered", () => {
    assert.deepInclude(compensated(), { state: "CANCELED", cancel: null, failure: { code: "compensated", error: "wrong order" } })
    assert.strictEqual(refusalOf(recovers(compensated())), "TransitionRefused")
  })

  it("in part, and failed in the middle of it, goes on with that when it is recovered, and never forward", () => {
    const task = cancels(running(kindOf()), true)
    const failed = settles(task, { ...failedOutcome, final: true })
    assert.deepInclude(failed, { state: "FAILED", cancel: task.cancel })
    const again = claimedAt(taskAfter(recovers(failed)), now)
    assert.deepInclude(answerOf(begin(again, held(again), draftOf(1), now)), { step: null, compensate: true })
  })

  it("not at all, since it was only canceled, is recovered without its cancel", () => {
    const canceled = settles(cancels(running(kindOf())), stopped)
    assert.deepInclude(taskAfter(recovers(canceled)), { state: "QUEUED", cancel: null, budget: 3, failure: null })
  })
})
