/** The worker and a store that takes no changes. */
import Database from "better-sqlite3"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { describe, expect, it, vi } from "vitest"
import { Engine, EngineReader, Storage, type StorageTrouble } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { type Handler, Handlers } from "../../src/runtime/Handler.ts"
import * as Runs from "../../src/runtime/Runs.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { ledger, light, opsgate, until } from "../edge/cli/Opsgate.ts"
import { kindOf, submitted } from "../engine/tasks.ts"

vi.setConfig({ testTimeout: 60_000 })

const kind = kindOf()
const done: Handler = {
  kind,
  run: () => Effect.succeed({ _tag: "Succeeded", result: null }),
  find: () => Effect.succeed({ _tag: "NotBegun" }),
  watch: () => Effect.never
}

describe("a worker", () => {
  it("claims nothing while the store is in trouble, and goes on when that is over", async () => {
    let trouble: StorageTrouble | null = { why: "full", sinceMs: 0, failures: 1 }
    let looks = 0
    const storage = Layer.succeed(Storage, { file: "", trouble: () => {
      looks += 1
      return trouble
    }, over: () => null })
    const layer = Layer.mergeAll(MemoryEngine.layer().pipe(Layer.provideMerge(Live.instants)), Runs.layer, Layer.succeed(Handlers, new Map([[kind.name, done]])), storage)
    await Effect.runPromise(Effect.gen(function*() {
      const stop = yield* Deferred.make<void>()
      yield* submitted(kind)
      const runtime = yield* Effect.fork(Runtime.run({ slots: 2, leaseMs: 60_000, stopGraceMs: 1000, name: "w", pid: 1 }, stop))
      yield* Effect.promise(() => until("some looks", () => looks >= 3))
      const reader = yield* EngineReader
      const states = Effect.map(reader.list({ limit: 10 }), (tasks) => tasks.map(({ state }) => state))
      expect(yield* states).toEqual(["QUEUED"])
      trouble = null
      yield* states.pipe(Effect.repeat({ until: ([state]) => state === "SUCCEEDED" }), Effect.timeoutFail({ duration: "10 seconds", onTimeout: () => new Error("it was not run") }))
      yield* Deferred.succeed(stop, undefined)
      yield* Fiber.join(runtime)
      return yield* Engine
    }).pipe(Effect.provide(layer)))
  })
})

describe("an intent that cannot be stored", () => {
  it("starts nothing, costs no attempt, and is stored when it can be", async ({ onTestFinished }) => {
    const home = opsgate(onTestFinished, { once: light(["/bin/sh", "-c", "echo start >> ledger"], { retry: { attempts: 1 } }) })
    await home.serve()
    const db = new Database(home.file, { timeout: 5000 })
    onTestFinished(() => void db.close())
    db.exec("CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.type = 'effect.intent' BEGIN SELECT RAISE(ABORT, 'no'); END")
    const id = await home.submit("once")
    await home.untilTask(id, "RUNNING")
    // Heartbeats go on meanwhile: the lease stays in force.
    const renewed = () => home.query<{ until: number }>("SELECT lease_until_ms AS until FROM epoch")[0]?.until ?? 0
    const first = renewed()
    await until("a heartbeat", () => renewed() > first)
    expect(ledger(home)).toEqual([])
    db.exec("DROP TRIGGER refuse")
    await home.untilTask(id, "SUCCEEDED")
    expect(ledger(home)).toEqual(["start"])
    expect(home.task(id)).toMatchObject({ attempt: 1, generation: 1, failure: null })
  })
})
