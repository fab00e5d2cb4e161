import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import type { Json } from "../../src/domain/Canonical.ts"
import { signalWait, suspend, takeSignal } from "../../src/domain/Checkpoint.ts"
import { Ask } from "../../src/domain/Command.ts"
import { settle } from "../../src/domain/Execution.ts"
import { signal, signalLengthMax, signalsMax } from "../../src/domain/Signal.ts"
import type { Task } from "../../src/domain/Task.ts"
import { isTerminal, taskStates } from "../../src/domain/TaskState.ts"
import { neverMs } from "../../src/domain/Timeout.ts"
import { commandOf, draftOf, kindOf } from "../engine/tasks.ts"
import { answerOf, claimedAt, dangerous, held, inState, inTheMiddleOf, now, queued, refusalOf, running, taskAfter, typesOf } from "./runs.ts"

const sends = (task: Task, name = "go", payload: Json = null) => signal(task, commandOf({ op: "signal", task: "t", reason: null, name, payload }), now)
const parked = (waits: ReadonlyArray<string>): Task => {
  const task = running(kindOf())
  return taskAfter(suspend(task, held(task), { untilMs: null, waits }, [], [], now))
}

describe("a signal", () => {
  for (const state of taskStates.filter((state) => !isTerminal[state])) {
    it(`to a task that is ${state} is kept with who sent it, and moves it nowhere`, () => {
      const decision = sends(inState[state](), "go", { n: 1 })
      assert.deepInclude(taskAfter(decision), { state, signals: [{ name: "go", payload: "{\"n\":1}", actor: "cli:ada", atMs: now.wallMs }] })
      assert.deepStrictEqual(typesOf(decision), ["signal.received"])
      assert.deepInclude(decision.events[0]?.payload, { name: "go", wakes: false })
      assert.notProperty(decision.events[0]?.payload, "payload")
    })
  }

  it("to a task whose outcome is unknown is kept", () => {
    const { task } = inTheMiddleOf([dangerous(1)])
    const unknown = taskAfter(settle(task, held(task), { _tag: "Unknown", code: "killed", error: "" }, now, 0))
    assert.deepInclude(taskAfter(sends(unknown)), { unknown: unknown.unknown, lease: null })
  })

  it("wakes only a run that waits for its name", () => {
    const waiting = parked([signalWait("go"), signalWait("stop")])
    const other = sends(waiting, "gone")
    assert.deepInclude(taskAfter(other), { availableAtMs: neverMs, waits: waiting.waits })
    assert.strictEqual(other.events[0]?.payload["wakes"], false)
    const woken = sends(waiting, "stop")
    assert.deepInclude(taskAfter(woken), { state: "QUEUED", availableAtMs: now.wallMs, waits: [], attempt: 0 })
    assert.strictEqual(woken.events[0]?.payload["wakes"], true)
    assert.deepInclude(taskAfter(sends({ ...queued(kindOf()), availableAtMs: neverMs })), { availableAtMs: neverMs })
    const asksAnew: Task = { ...waiting, state: "REQUESTED" }
    assert.deepInclude(taskAfter(sends(asksAnew)), { waits: waiting.waits, availableAtMs: neverMs })
  })

  it("is taken once, in the order in which those of its name came", () => {
    let task = claimedAt(taskAfter(sends(taskAfter(sends(parked([signalWait("go")]), "go", 1)), "go", 2)), now)
    for (const expected of [1, 2]) {
      const decision = takeSignal(task, held(task), draftOf(expected), "go", null, [], now)
      assert.deepStrictEqual(answerOf(decision), { _tag: "Ended", end: { _tag: "Succeeded", result: expected } })
      task = taskAfter(decision)
    }
    assert.deepStrictEqual(answerOf(takeSignal(task, held(task), draftOf(3), "go", null, [], now)), { _tag: "Waits" })
  })

  it("that is too long, or one too many, is refused on the record and not kept", () => {
    const task = running(kindOf())
    assert.strictEqual(refusalOf(sends(task, "go", "x".repeat(signalLengthMax - 2))), "granted")
    const long = sends(task, "go", "x".repeat(signalLengthMax - 1))
    const full = { ...task, signals: Array.from({ length: signalsMax - 1 }, () => ({ name: "go", payload: "1", actor: "a", atMs: 0 })) }
    const many = sends(taskAfter(sends(full)), "go")
    for (const [decision, why] of [[long, "too_long"], [many, "too_many"]] as const) {
      assert.deepInclude(Either.getOrThrow(Either.flip(decision.answer)), { _tag: "SignalRefused", why })
      assert.deepStrictEqual([decision.tasks, typesOf(decision)], [[], ["command.refused"]])
    }
  })

  it("has a name of 1 to 64 letters, digits, dots, underscores and dashes", () => {
    const named = (name: string) => Schema.is(Ask)({ op: "signal", task: "t", reason: null, name, payload: null })
    assert.deepStrictEqual(["go", "a.b_c-9", "x".repeat(64)].map(named), [true, true, true])
    assert.deepStrictEqual(["", "x".repeat(65), "-go", "a b", "a:b", "ü", "a\n"].map(named), [false, false, false, false, false, false, false])
  })
})
