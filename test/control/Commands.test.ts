import { Effect, Layer } from "effect"
import { ownerRoles } from "../../src/domain/Authorization.ts"
import { describe, expect, it } from "vitest"
import { type CommandFailed, handle } from "../../src/control/Commands.ts"
import { Kinds } from "../../src/control/Kinds.ts"
import type { TaskAsk as Ask } from "../../src/domain/Command.ts"
import type { Answer } from "../../src/domain/Decision.ts"
import { type Kind, KindUnknown, PayloadRefused } from "../../src/domain/Kind.ts"
import { Engine, EngineReader, type Instants } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { heavyKind, kindOf, movable } from "../engine/tasks.ts"

type World = Engine | EngineReader | Instants | Kinds

const kindsOf = (...declared: ReadonlyArray<Kind>) =>
  Layer.succeed(Kinds, {
    get: (name) => declared.find((kind) => kind.name === name),
    check: (name, payload) => {
      const kind = declared.find((one) => one.name === name)
      if (kind === undefined) return new KindUnknown({ kind: name, known: declared.map((one) => one.name) })
      return payload === "misfit" ? new PayloadRefused({ kind: name, issue: "must be object" }) : Effect.succeed(kind)
    }
  })

const run = <A, E>(body: Effect.Effect<A, E, World>, kinds = kindsOf(kindOf(), heavyKind())): Promise<A> => {
  const { layer } = movable()
  return Effect.runPromise(body.pipe(Effect.provide(MemoryEngine.layer()), Effect.provide(layer), Effect.provide(kinds)))
}

const asks = (ask: Ask, { actor = "cli:ada", key = null }: { readonly actor?: string; readonly key?: string | null } = {}) =>
  handle({ ask, actor, roles: ownerRoles, key, channel: "cli" })
const submits = (kind: string, options = {}) => asks({ op: "submit", kind, payload: {}, reason: null }, options)
const on = (op: "approve" | "reject" | "resume" | "cancel" | "recover", task: string, reason: string | null = null): Ask => ({ op, task, reason })

const refusalOf = <R>(effect: Effect.Effect<Answer, CommandFailed, R>) => Effect.map(Effect.flip(effect), ({ _tag }) => _tag)
const typesOf = Effect.flatMap(EngineReader, (reader) => Effect.map(reader.events(0, 1000), (events) => events.map(({ type }) => type)))

describe("a command", () => {
  it("for an unknown kind, or with a payload that does not fit, stores nothing but the refusal", () =>
    run(Effect.gen(function*() {
      expect(yield* refusalOf(submits("nonsense"))).toBe("KindUnknown")
      expect(yield* refusalOf(asks({ op: "submit", kind: "report", payload: "misfit", reason: null }))).toBe("PayloadRefused")
      expect(yield* typesOf).toEqual(["command.refused", "command.refused"])
    })))

  it("for a task that is not there stores nothing but the refusal, whatever the text is", () =>
    run(Effect.gen(function*() {
      for (const text of ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "ZZZZ", "abc", "../x", "%", "____", "ILOU"]) {
        expect(yield* refusalOf(asks(on("resume", text)))).toBe("TaskNotFound")
      }
      expect(new Set(yield* typesOf)).toEqual(new Set(["command.refused"]))
    })))

  it.each(["reject", "cancel", "recover"] as const)("to %s needs a reason that says something", (op) =>
    run(Effect.gen(function*() {
      const { task } = yield* submits("deploy")
      for (const reason of [null, "", " \n\t\u00a0\u200b\u3164\u2800"]) expect(yield* refusalOf(asks(on(op, task, reason)))).toBe("ReasonMissing")
      expect((yield* typesOf).slice(1)).toEqual(["command.refused", "command.refused", "command.refused"])
    })))

  it("to reconcile needs a reason too", () =>
    run(Effect.gen(function*() {
      const { task } = yield* submits("deploy")
      expect(yield* refusalOf(asks({ op: "reconcile", task, reason: null, outcome: "failed" }))).toBe("ReasonMissing")
    })))

  it("is refused on the record: who asked, for what, and why not", () =>
    run(Effect.gen(function*() {
      const { task } = yield* submits("deploy")
      yield* refusalOf(asks(on("resume", task), { actor: "cli:eve" }))
      const last = (yield* Effect.flatMap(EngineReader, (reader) => reader.events(0, 100))).at(-1)
      expect(last).toMatchObject({ type: "command.refused", actor: "cli:eve", task })
      expect(JSON.parse(last?.payload ?? "")).toMatchObject({ refusal: { _tag: "HoldsOpen" }, state: "REQUESTED", command: { op: "resume", channel: "cli" } })
    })))

  it("whose task's kind is not declared any more cannot be approved as it was", () =>
    run(Effect.gen(function*() {
      const { task } = yield* submits("deploy")
      yield* asks(on("approve", task), { actor: "cli:bob" })
      const gone = asks(on("resume", task)).pipe(Effect.provide(kindsOf()))
      expect(yield* refusalOf(gone)).toBe("ApprovalVoid")
    })))

  it("finds its task by the end of the id, in either case", () =>
    run(Effect.gen(function*() {
      const { task } = yield* submits("deploy")
      yield* asks(on("approve", task), { actor: "cli:bob" })
      for (const text of [task.slice(-4), task.slice(-6).toLowerCase(), task.slice(-10), task.toLowerCase()]) {
        expect((yield* asks(on("resume", text))).task).toBe(task)
      }
    })))

  it("with a key is the same command however its task is named", () =>
    run(Effect.gen(function*() {
      const { task } = yield* submits("deploy")
      const first = yield* asks(on("approve", task), { actor: "cli:bob", key: "k" })
      expect(yield* asks(on("approve", task.slice(-6)), { actor: "cli:bob", key: "k" })).toEqual(first)
      expect((yield* typesOf).filter((type) => type === "hold.released")).toHaveLength(1)
      expect((yield* typesOf).at(-1)).toBe("idempotency.replayed")
    })))

  it("goes the whole way of a heavy task: asked, approved by another, resumed, canceled", () =>
    run(Effect.gen(function*() {
      const { task } = yield* submits("deploy")
      expect(yield* refusalOf(asks(on("approve", task)))).toBe("SelfApproval")
      const states = [
        (yield* asks(on("approve", task), { actor: "cli:bob" })).state,
        (yield* asks(on("resume", task))).state,
        (yield* asks(on("resume", task))).state,
        (yield* asks(on("cancel", task, "enough"))).state
      ]
      expect(states).toEqual(["APPROVED", "QUEUED", "QUEUED", "CANCELED"])
    })))
})
