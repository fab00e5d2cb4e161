import { assert, describe, it } from "@effect/vitest"
import { signalWait, suspend } from "../../src/domain/Checkpoint.ts"
import { claim } from "../../src/domain/Dispatch.ts"
import { expire } from "../../src/domain/Request.ts"
import { reconcile } from "../../src/domain/Recovery.ts"
import { afterRestore, type BegunSince, type KindFacts, release, restoredFrom } from "../../src/domain/Restore.ts"
import { generationLeap, type Restored } from "../../src/domain/Restored.ts"
import type { Step } from "../../src/domain/Step.ts"
import type { Task } from "../../src/domain/Task.ts"
import { commandOf, draftOf, kindOf } from "../engine/tasks.ts"
import { answerOf, approved, begun, claimedAt, dangerous, ended, held, inState, inTheMiddleOf, later, nextEpoch, now, queued, refusalOf, requested, running, stepsAfter, taskAfter, typesOf, kindFor } from "./runs.ts"

const restored: Restored = { number: 1, atMs: now.wallMs + 60_000, actor: "cli:ada", backupSeq: 9, backupHash: "0".repeat(64), generationFloor: generationLeap, releasedAtMs: null }
const at = { ...nextEpoch(), restored }
const command: KindFacts = { mayBeDangerous: true, oneStep: true }
const code: KindFacts = { mayBeDangerous: true, oneStep: false }
const harmless: KindFacts = { mayBeDangerous: false, oneStep: true }
const decided = (task: Task, kind: KindFacts, since: BegunSince | null = null, steps: ReadonlyArray<Step> = []) => afterRestore(task, steps, kind, since, at)
const fate = (...words: Parameters<typeof decided>): string => answerOf(decided(...words))
const reconciled = (task: Task, outcome: "succeeded" | "failed" | "retry") => reconcile(task, commandOf({ op: "reconcile", task: "t", reason: "looked", outcome }), at)
const origin = { file: "b.db", seq: 9, hash: "0".repeat(64), madeAtMs: 1, generationMax: 3, knownSeq: 12, oldLog: false }
const sleeping = (waits: ReadonlyArray<string>, untilMs: number | null): Task => {
  const { task } = inTheMiddleOf([])
  return taskAfter(suspend(task, held(task), { untilMs, waits }, [], [], now))
}

describe("a task of a restored file", () => {
  const fates: ReadonlyArray<readonly [string, () => string, string]> = [
    ["that runs a command that may not run twice is parked", () => fate(begun(), command), "parked"],
    ["that was claimed and had not begun it is parked, since it may have begun later", () => fate(running(), command), "parked"],
    ["that was due and is dangerous is parked", () => fate(queued(), command), "parked"],
    ["that runs code is parked, since nobody knows its next step", () => fate(running(kindOf()), code), "parked"],
    ["that waits for a word is parked, since the word may have come", () => fate(sleeping([signalWait("go")], null), code), "parked"],
    ["that sleeps until later has not run since", () => fate(sleeping([], at.wallMs + 1), code), "kept"],
    ["that was to wake before the restore is parked", () => fate(sleeping([], at.wallMs), code), "parked"],
    ["that runs a harmless command is taken back", () => fate(running(kindOf()), harmless), "requeued"],
    ["that was due and is harmless stays in the queue", () => fate(queued(kindOf()), harmless), "kept"],
    ["that was approved asks anew, since it may have run", () => fate(approved(), command), "asks_anew"],
    ["that waits for people waits on", () => fate(requested(), command), "kept"],
    ["that has ended has ended", () => ["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"].map((state) => fate((inState[state as "FAILED"])(), command)).join(), "kept,kept,kept,kept"]
  ]
  it.each(fates)("%s", (_what, found, wanted) => assert.strictEqual(found(), wanted))

  it("that is parked has no lease, cannot be claimed, and says since when and why on record and to people", () => {
    const decision = decided(begun(), command)
    const after = taskAfter(decision)
    assert.deepInclude(after, { state: "RUNNING", lease: null })
    assert.deepInclude(after.unknown, { step: 1, code: "restored", sinceMs: at.wallMs })
    assert.deepStrictEqual(typesOf(decision), ["task.outcome_unknown"])
    assert.deepStrictEqual(decision.messages.map(({ topic }) => topic), ["outcome_unknown"])
  })

  it("that was due is parked under a generation that no run after the backup can have had, and spends no attempt", () => {
    const decision = decided(queued(), command)
    assert.deepStrictEqual(typesOf(decision), ["task.running", "task.outcome_unknown"])
    assert.strictEqual(taskAfter(decision).generation, generationLeap + 1)
    assert.strictEqual(taskAfter(decision).budget, queued().budget)
  })

  it("that is a command is settled by a person's word for its one step, and not run", () => {
    const decision = decided(queued(), command)
    const settled = reconciled(taskAfter(decision), "succeeded")
    assert.strictEqual(taskAfter(settled).state, "QUEUED")
    assert.deepInclude(stepsAfter(stepsAfter([], decision), settled)[0], { number: 1, name: "exec", state: "succeeded" })
  })

  it("whose command had its word before the backup is not asked about again", () => {
    const done: Step = { ...stepsAfter([], decided(queued(), command))[0]!, state: "succeeded" }
    assert.strictEqual(fate(queued(), command, null, [done]), "kept")
  })

  it("that is code asks for its open step, and then for whatever came behind it", () => {
    const { task } = inTheMiddleOf([draftOf(1), dangerous(2)])
    const parked = taskAfter(decided(task, code))
    assert.strictEqual(parked.unknown?.step, 2)
    const next = taskAfter(reconciled(parked, "succeeded"))
    assert.deepInclude(next, { state: "RUNNING", lease: null })
    assert.strictEqual(next.unknown?.step, 3)
    assert.strictEqual(refusalOf(reconciled(next, "succeeded")), "StepNotRecorded")
    assert.strictEqual(taskAfter(reconciled(next, "retry")).state, "QUEUED")
    assert.strictEqual(taskAfter(reconciled(next, "failed")).state, "FAILED")
  })

  it("with the log of the lost file is parked for exactly the steps that began", () => {
    const { steps, task } = inTheMiddleOf([dangerous(1), draftOf(2), dangerous(3)])
    const began = steps.filter(({ number }) => number === 3).map((step): Step => ({ ...step, state: "succeeded", result: "7", endedAtMs: 1 }))
    const decision = decided(queued(kindOf()), code, began)
    assert.deepInclude(stepsAfter([], decision)[0], { number: 3, state: "open", result: null, name: "step 3" })
    assert.deepInclude(taskAfter(decision), { steps: 3 })
    assert.strictEqual(taskAfter(decision).unknown?.step, 3)
    assert.strictEqual(taskAfter(reconciled(taskAfter(decision), "succeeded")).state, "QUEUED")
    assert.strictEqual(fate(queued(kindOf()), code, []), "kept")
    assert.strictEqual(fate(running(), command, []), "requeued")
    assert.strictEqual(fate(task, code, []), "parked")
    assert.strictEqual(fate(approved(), command, []), "kept")
    assert.strictEqual(fate(approved(), command, began), "canceled")
    assert.strictEqual(fate(requested(), command, began), "canceled")
  })

  it("never moves by itself while the file is held, and is claimed under a higher generation once it is released", () => {
    const harmlessOne = queued(kindOf())
    assert.isNull(answerOf(claim(harmlessOne, "w", kindFor(harmlessOne), at)))
    assert.isFalse(answerOf(expire(requested(), { ...at, wallMs: at.wallMs + 1e9 })))
    const released = { ...at, restored: { ...restored, releasedAtMs: at.wallMs } }
    assert.strictEqual(claimedAt(harmlessOne, released).generation, generationLeap + 1)
    assert.strictEqual(claimedAt({ ...harmlessOne, createdAtMs: restored.atMs + 1 }, released).generation, 1)
    assert.strictEqual(ended({ _tag: "Succeeded", result: 1 }).state, "SUCCEEDED")
  })
})

describe("a restore", () => {
  it("names its backup on record, holds the file, and leaps over all generations", () => {
    const decision = restoredFrom(origin, "cli:ada", later(5))
    assert.deepInclude(answerOf(decision), { number: 1, releasedAtMs: null, backupSeq: 9, generationFloor: 3 + generationLeap })
    assert.deepInclude(decision.events[0], { type: "store.restored", actor: "cli:ada" })
    assert.deepInclude(decision.events[0]?.payload, { backup_head_seq: 9, backup_head_hash: "0".repeat(64), known_head_seq: 12 })
    assert.deepInclude(answerOf(restoredFrom(origin, "cli:ada", at)), { number: 2, generationFloor: 2 * generationLeap })
  })

  const asks = (reason: string | null) => ({ ask: { op: "release" as const, reason }, actor: "cli:ada", channel: "cli" as const, key: null, trace: "0".repeat(32) })

  it("is released once, with a reason, on record", () => {
    const decision = release(asks("looked at all of it"), at)
    assert.deepStrictEqual(answerOf(decision), { held: false, moved: true })
    assert.deepInclude(decision.restored, { number: 1, releasedAtMs: at.wallMs })
    assert.deepInclude(decision.events[0]?.payload, { reason: "looked at all of it" })
    const again = release(asks("again"), { ...at, restored: decision.restored })
    assert.deepStrictEqual([answerOf(again), again.restored, typesOf(again)], [{ held: false, moved: false }, null, ["command.accepted"]])
  })

  it("is not released without a reason, and that is on record", () => {
    for (const reason of [null, "  "]) {
      const decision = release(asks(reason), at)
      assert.deepStrictEqual([refusalOf(decision), decision.restored, typesOf(decision)], ["ReasonMissing", null, ["command.refused"]])
    }
  })
})

