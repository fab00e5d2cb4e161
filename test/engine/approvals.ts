/** What every engine must keep about approvals. Each implementation runs this suite in its own test file. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { approve, breakGlass } from "../../src/domain/Approval.ts"
import { resume } from "../../src/domain/Dispatch.ts"
import { EngineReader } from "../../src/engine/Engine.ts"
import { type TaskId } from "../../src/domain/Task.ts"
import { type EngineLayer, testOn } from "./suite.ts"
import { applied, commandOf, heavyKind, nextId, submitted } from "./tasks.ts"

export const approvalConformance = (name: string, layer: EngineLayer) => {
  const test = testOn(layer)
  const kind = heavyKind()
  const on = <const O extends "approve" | "resume" | "break_glass">(op: O, id: TaskId) => commandOf({ op, task: id, reason: "because" }, { actor: "cli:bob" })
  const approved = (id: TaskId) => applied(id, (task, now) => approve(task, on("approve", id), kind, now))
  const resumed = (id: TaskId) => applied(id, (task, now) => resume(task, on("resume", id), kind, now))
  const asked = (payload: { readonly n: number }) => Effect.gen(function*() {
    const id = nextId()
    yield* submitted(kind, { id, payload })
    return id
  })

  describe(`${name} with approvals`, () => {
    test("keeps what people let go last of each kind, from its first enqueue on", () =>
      Effect.gen(function*() {
        const { get, lastApproved } = yield* EngineReader
        const one = yield* asked({ n: 1 })
        assert.isUndefined(yield* lastApproved(kind.name))
        yield* approved(one)
        assert.isUndefined(yield* lastApproved(kind.name))
        yield* resumed(one)
        const first = yield* lastApproved(kind.name)
        const task = yield* get(one)
        assert.deepStrictEqual(
          { task: first?.task, kindVersion: first?.kindVersion, payloadSha256: first?.payloadSha256, by: first?.by, self: first?.self, broken: first?.broken },
          { task: one, kindVersion: kind.version, payloadSha256: task?.payloadSha256, by: ["cli:bob"], self: false, broken: false }
        )
        const two = yield* asked({ n: 2 })
        yield* applied(two, (found, now) => breakGlass(found, on("break_glass", two), kind, now))
        yield* resumed(two)
        const second = yield* lastApproved(kind.name)
        assert.deepStrictEqual({ task: second?.task, by: second?.by, broken: second?.broken }, { task: two, by: ["cli:bob"], broken: true })
        assert.isUndefined(yield* lastApproved("another"))
      }))

    test("keeps nothing of tasks that need nobody", () =>
      Effect.gen(function*() {
        const { lastApproved } = yield* EngineReader
        const free = heavyKind({ needsApproval: false })
        yield* submitted(free)
        assert.isUndefined(yield* lastApproved(free.name))
      }))
  })
}
