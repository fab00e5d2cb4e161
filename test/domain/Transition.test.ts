import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { type TaskIn } from "../../src/domain/Task.ts"
import { isTerminal, type TaskState, taskStates } from "../../src/domain/TaskState.ts"
import { isLegal, move, origin, transitions } from "../../src/domain/Transition.ts"

/** The table of product.md, "The state machine", written down a second time on purpose. */
const law: ReadonlyArray<readonly [from: string, to: string]> = [
  ["REQUESTED", "APPROVED"],
  ["REQUESTED", "CANCELED"],
  ["APPROVED", "CANCELED"],
  ["REQUESTED", "EXPIRED"],
  ["APPROVED", "EXPIRED"],
  ["APPROVED", "QUEUED"],
  ["APPROVED", "REQUESTED"],
  ["QUEUED", "REQUESTED"],
  ["QUEUED", "CANCELED"],
  ["QUEUED", "RUNNING"],
  ["QUEUED", "EXPIRED"],
  ["RUNNING", "SUCCEEDED"],
  ["RUNNING", "FAILED"],
  ["RUNNING", "QUEUED"],
  ["RUNNING", "CANCELED"],
  ["RUNNING", "EXPIRED"],
  ["CANCELED", "QUEUED"],
  ["FAILED", "QUEUED"],
  ["CANCELED", "REQUESTED"],
  ["FAILED", "REQUESTED"],
  ["EXPIRED", "REQUESTED"]
]

const rowOf = (from: TaskState): Readonly<Record<string, ReadonlyArray<string>>> => transitions[from]
const triggers = [...new Set(taskStates.flatMap((from) => Object.values(rowOf(from)).flat()))]

describe("the state machine of a task", () => {
  it("has exactly the pairs of the law", () => {
    const pairs = taskStates.flatMap((from) => Object.keys(rowOf(from)).map((to) => `${from} ${to}`))
    assert.deepStrictEqual(pairs.sort(), law.map((pair) => pair.join(" ")).sort())
  })

  it("leaves a terminal state only by recovery, and SUCCEEDED not at all", () => {
    for (const from of taskStates.filter((state) => isTerminal[state])) {
      for (const by of Object.values(rowOf(from)).flat()) assert.strictEqual(by, "recover")
    }
    assert.deepStrictEqual(transitions.SUCCEEDED, {})
  })

  it("reaches every state from the first one", () => {
    const reached = new Set<string>([origin.state])
    for (const state of reached) taskStates.filter((from) => from === state).forEach((from) => Object.keys(rowOf(from)).forEach((to) => reached.add(to)))
    assert.deepStrictEqual([...reached].sort(), [...taskStates].sort())
  })

  it.prop(
    "says of any triple whether it is in the table",
    [fc.constantFrom(...taskStates), fc.constantFrom(...taskStates), fc.constantFrom(...triggers, "nonsense")],
    ([from, to, by]) => {
      assert.strictEqual(isLegal(from, to, by), rowOf(from)[to]?.includes(by) ?? false)
    }
  )

  it("does not compile an illegal move", () => {
    const check = (
      succeeded: TaskIn<"SUCCEEDED">,
      queued: TaskIn<"QUEUED">,
      running: TaskIn<"RUNNING">,
      either: TaskIn<"QUEUED"> | TaskIn<"SUCCEEDED">,
      waiting: TaskIn<"REQUESTED" | "APPROVED">
    ) => [
      move(queued, "RUNNING", "claim"),
      move(waiting, "CANCELED", "cancel"),
      // @ts-expect-error a task that succeeded is never run again in place
      move(succeeded, "RUNNING", "claim"),
      // @ts-expect-error a queued task does not succeed without running
      move(queued, "SUCCEEDED", "settle"),
      // @ts-expect-error the trigger is not in this cell
      move(running, "SUCCEEDED", "cancel"),
      // @ts-expect-error one member of the union may not go there
      move(either, "RUNNING", "claim"),
      // @ts-expect-error only the requested one is released
      move(waiting, "APPROVED", "release")
    ]
    assert.isFunction(check)
  })
})
