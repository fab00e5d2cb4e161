import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import type { Json } from "../../src/domain/Canonical.ts"
import { Ask } from "../../src/domain/Command.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { endStep, signalWait, suspend } from "../../src/domain/Checkpoint.ts"
import { reclaim, settle } from "../../src/domain/Execution.ts"
import { fork } from "../../src/domain/Fork.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import { cancel, reconcile } from "../../src/domain/Recovery.ts"
import type { Step, StepDraft } from "../../src/domain/Step.ts"
import type { Task } from "../../src/domain/Task.ts"
import { commandOf, draftOf, failedOutcome, heavyKind, kindOf, nextId, succeeded } from "../engine/tasks.ts"
import { answerOf, dangerous, held, inTheMiddleOf, nextEpoch, now, refusalOf, requested, running, stepsAfter, taskAfter, typesOf } from "./runs.ts"

interface Past {
  readonly task: Task
  readonly steps: ReadonlyArray<Step>
}

const forks = ({ steps, task }: Past, step: number, more: { readonly payload?: Json; readonly kind?: Kind | undefined; readonly key?: string } = {}) => {
  const command = commandOf({ op: "fork" as const, task: task.id, reason: "again", step, ...("payload" in more ? { payload: more.payload } : {}) }, { actor: "cli:bob", key: more.key ?? null })
  return fork(task, steps, command, "kind" in more ? more.kind : kindOf(), nextId(), now)
}
const why = (decision: Decision<unknown>) =>
  Either.isLeft(decision.answer) && decision.answer.left._tag === "ForkRefused" ? [decision.answer.left.why, decision.answer.left.step, decision.answer.left.max] : [refusalOf(decision)]
const afterwards = ({ steps }: Past, decision: Decision<unknown>): Past => ({ task: taskAfter(decision), steps: stepsAfter(steps, decision) })
const settled = (past: Past, outcome: Parameters<typeof settle>[2]): Past => afterwards(past, settle(past.task, held(past.task), outcome, now, 0))
/** All of these steps ended well, in order; what is left open comes behind. */
const withEnded = (drafts: ReadonlyArray<StepDraft>, open: ReadonlyArray<StepDraft> = []): Past => {
  let past = inTheMiddleOf([...drafts, ...open])
  for (const { name, number } of drafts) past = afterwards(past, endStep(past.task, held(past.task), { number, name }, { _tag: "Succeeded", result: number }, now))
  return past
}
const finished = (): Past => settled(withEnded([draftOf(1), dangerous(2), draftOf(3)]), succeeded)

describe("a fork", () => {
  it("takes over the steps before the cut, the dangerous ones too, marked as copied, under keys of its own", () => {
    const past = finished()
    const decision = forks(past, 3)
    const born = taskAfter(decision)
    assert.deepStrictEqual(past.task.state, "SUCCEEDED")
    assert.deepInclude(born, { state: "QUEUED", steps: 2, attempt: 0, generation: 0, budget: 3, dispatchKey: born.id, forkedFrom: { task: past.task.id, step: 3 }, parent: null })
    assert.deepStrictEqual(stepsAfter([], decision).map(({ copiedFrom, dispatchKey, effect, number, result, state, task }) => ({ copiedFrom, dispatchKey, effect, number, result, state, task })), [
      { copiedFrom: past.task.id, dispatchKey: `${born.id}:1`, effect: "idempotent", number: 1, result: "1", state: "succeeded", task: born.id },
      { copiedFrom: past.task.id, dispatchKey: `${born.id}:2`, effect: "dangerous", number: 2, result: "2", state: "succeeded", task: born.id }
    ])
  })

  it("says in the log where it comes from and who asked for it, and leaves its origin as it was", () => {
    const past = finished()
    const decision = forks(past, 2)
    assert.deepStrictEqual(decision.events.map(({ payload, type }) => [type, payload["by"]]), [["task.requested", "fork"], ["task.approved", "release"], ["task.queued", "resume"]])
    assert.deepInclude(decision.events[0]?.payload, { from: null, forked_from: past.task.id, from_step: 2 })
    assert.deepInclude(decision.events[0]?.payload["command"], { op: "fork", reason: "again" })
    assert.deepStrictEqual([decision.events[0]?.actor, taskAfter(decision).requester], ["cli:bob", "cli:bob"])
    assert.deepStrictEqual(decision.tasks.map(({ id }) => id === past.task.id), [false])
  })

  it("of a fork names the task that did each step", () => {
    const past = finished()
    const first = forks(past, 3)
    const born = { task: taskAfter(first), steps: stepsAfter([], first) }
    const second = forks(born, 2)
    assert.deepStrictEqual(stepsAfter([], second).map(({ copiedFrom }) => copiedFrom), [past.task.id])
    assert.deepStrictEqual(taskAfter(second).forkedFrom, { task: born.task.id, step: 2 })
  })

  it("takes the payload of its origin, or the one that it is given", () => {
    assert.strictEqual(taskAfter(forks(finished(), 1)).payload, "{}")
    const edited = taskAfter(forks(finished(), 1, { payload: { amount: 2 } }))
    assert.strictEqual(edited.payload, "{\"amount\":2}")
    assert.notStrictEqual(edited.payloadSha256, finished().task.payloadSha256)
  })

  it("never takes over an approval: its holds are those of its kind as it is declared now", () => {
    const kind = heavyKind({ version: "v2" })
    const decision = forks(finished(), 3, { kind })
    assert.deepInclude(taskAfter(decision), { state: "REQUESTED", holds: ["approval"], held: true, kindVersion: "v2", steps: 2 })
    assert.deepStrictEqual([typesOf(decision), decision.messages.map(({ topic }) => topic), decision.steps.length], [["task.requested"], ["approval_needed"], 2])
    assert.deepStrictEqual(answerOf(decision).holds, ["approval"])
  })

  it("takes over neither signals nor what its origin waits for", () => {
    const past = withEnded([draftOf(1)])
    const parked = afterwards(past, suspend({ ...past.task, signals: [{ name: "other", payload: "1", actor: "a", atMs: 0 }] }, held(past.task), { untilMs: null, waits: [signalWait("go")] }, [], [], now))
    assert.strictEqual(parked.task.waits.length, 1)
    assert.deepInclude(taskAfter(forks(parked, 1)), { signals: [], waits: [], availableAtMs: now.wallMs })
  })

  it("begins at step 1 up to the highest that began, and nowhere else", () => {
    assert.strictEqual(Schema.is(Ask)({ op: "fork", task: "t", reason: "x", step: 0 }), false)
    assert.strictEqual(Schema.is(Ask)({ op: "fork", task: "t", reason: "x", step: 1.5 }), false)
    assert.strictEqual(Schema.is(Ask)({ op: "fork", task: "t", reason: "x", step: 1 }), true)
    assert.deepStrictEqual([why(forks(finished(), 1)), why(forks(finished(), 3))], [["granted"], ["granted"]])
    assert.deepStrictEqual(forks(finished(), 1).steps, [])
    assert.deepStrictEqual(why(forks(finished(), 4)), ["beyond", 4, 3])
    assert.deepStrictEqual(why(forks({ task: requested(), steps: [] }, 1)), ["no_steps", 1, 0])
  })

  it("is refused while its origin runs, on the record and with nothing stored", () => {
    const decision = forks(withEnded([draftOf(1)]), 1)
    assert.deepStrictEqual(why(decision), ["running", 1, 1])
    assert.deepStrictEqual([typesOf(decision), decision.tasks, decision.steps], [["command.refused"], [], []])
    assert.strictEqual(refusalOf(forks({ task: running(kindOf()), steps: [] }, 1)), "ForkRefused")
  })

  it("is refused when its kind is declared no more", () => {
    assert.strictEqual(refusalOf(forks(finished(), 1, { kind: undefined })), "KindGone")
  })

  it("is refused at and behind a step of which nobody knows whether it happened, and not before it", () => {
    const past = settled(withEnded([draftOf(1)], [dangerous(2), draftOf(3)]), { _tag: "Unknown", code: "killed", error: "" })
    assert.deepStrictEqual([why(forks(past, 1)), why(forks(past, 2)), why(forks(past, 3))], [["granted"], ["unknown", 2, 3], ["unknown", 2, 3]])
  })

  it("is refused at the lowest of several such steps, whichever is asked about first", () => {
    const past = settled(inTheMiddleOf([dangerous(3), dangerous(2), draftOf(1)]), { _tag: "Unknown", code: "killed", error: "" })
    assert.strictEqual(past.task.unknown?.step, 3)
    assert.deepStrictEqual(why(forks(past, 2)), ["unknown", 2, 3])
  })

  it("is refused at a dangerous step that its run has yet to ask about", () => {
    const open = withEnded([draftOf(1)], [dangerous(2, true)])
    const past = afterwards(open, reclaim(open.task, { _tag: "Gone", error: "" }, "w", nextEpoch(), 0))
    assert.strictEqual(past.task.state, "QUEUED")
    assert.deepStrictEqual([why(forks(past, 1)), why(forks(past, 2))], [["granted"], ["unknown", 2, 2]])
  })

  it("is granted at such a step as soon as it is reconciled", () => {
    const past = settled(withEnded([draftOf(1)], [dangerous(2)]), { _tag: "Unknown", code: "killed", error: "" })
    const known = afterwards(past, reconcile(past.task, commandOf({ op: "reconcile", task: "t", reason: "looked", outcome: "failed" }), now))
    assert.deepStrictEqual(why(forks(known, 2)), ["granted"])
  })

  it("is refused behind a step that has not ended, and granted at it", () => {
    const open = withEnded([draftOf(1)], [draftOf(2), draftOf(3)])
    const past = afterwards(open, reclaim(open.task, { _tag: "Gone", error: "" }, "w", nextEpoch(), 0))
    assert.deepStrictEqual([why(forks(past, 2)), why(forks(past, 3))], [["granted"], ["not_ended", 2, 3]])
  })

  it("takes over that a step failed", () => {
    const past = settled(inTheMiddleOf([draftOf(1), draftOf(2)]), { ...failedOutcome, final: true })
    assert.deepStrictEqual(stepsAfter([], forks(past, 2)).map(({ code, state }) => [state, code]), [["failed", "exit_nonzero"]])
  })

  it("takes over no step that tried in vain to undo another", () => {
    const undo = (number: number) => draftOf(number, { scope: "undo", index: number - 3, name: `undo ${number}` })
    const past = settled(withEnded([draftOf(1), draftOf(2), undo(3), undo(4)]), { ...failedOutcome, final: true })
    assert.deepStrictEqual(stepsAfter([], forks(past, 4)).map(({ number }) => number), [1, 2])
  })

  it("builds on no step that undid another, and on none that was undone", () => {
    const past = withEnded([draftOf(1), draftOf(2)])
    const asked = taskAfter(cancel(past.task, commandOf({ op: "cancel", task: "t", reason: "no", compensate: true }), now))
    const undo = draftOf(3, { scope: "undo", index: 0, name: "undo step 2" })
    const begun = { task: asked, steps: [...past.steps, ...inTheMiddleOf([undo]).steps] }
    const undone = endStep(asked, held(asked), { number: 3, name: undo.name }, { _tag: "Succeeded", result: null }, now, [
      { _tag: "End", task: asked.id, number: 2, state: "cleared", result: null, code: "undone", error: null, endedAtMs: now.wallMs }
    ])
    const compensated = settled({ task: { ...taskAfter(undone), steps: 3 }, steps: stepsAfter(begun.steps, undone) }, { _tag: "Stopped", compensated: true })
    assert.strictEqual(compensated.task.failure?.code, "compensated")
    assert.deepStrictEqual(why(forks(compensated, 3)), ["not_ended", 2, 3])
    assert.deepStrictEqual(stepsAfter([], forks(compensated, 2)).map(({ number }) => number), [1])
  })
})
