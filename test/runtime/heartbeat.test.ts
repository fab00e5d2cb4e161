/** Signs of life: of commands, as their supervisor sees them, and of code, with a clock that is moved. */
import { spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { Task } from "#opsgate"
import { talliesOf } from "../../src/domain/Census.ts"
import type { Held } from "../../src/domain/Lease.ts"
import type { Task as Stored } from "../../src/domain/Task.ts"
import { Engine, Instants } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import type { Exec } from "../../src/runtime/Exec.ts"
import { type AnyTask } from "../../src/runtime/TaskDefinition.ts"
import * as WorkflowHandler from "../../src/runtime/WorkflowHandler.ts"
import { heavy, ledger, light, opsgate, until } from "../edge/cli/Opsgate.ts"
import { claimed, epochOpened, movable, submitted } from "../engine/tasks.ts"

const quarterMs = 250
const heartbeatMs = 4 * quarterMs

/** Timers that ring when the test says so. */
const timers = () => {
  let nowMs = 0
  const set = new Set<{ readonly atMs: number; readonly ring: () => void }>()
  return {
    after: (delayMs: number, ring: () => void) => {
      const one = { atMs: nowMs + delayMs, ring }
      set.add(one)
      return () => void set.delete(one)
    },
    armed: () => set.size,
    pass: (ms: number) => {
      const untilMs = nowMs + ms
      for (;;) {
        const next = [...set].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
        if (next === undefined) break
        set.delete(next)
        nowMs = next.atMs
        next.ring()
      }
      nowMs = untilMs
    }
  }
}

const turns = Effect.promise(() => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))))
const never = new Promise<never>(() => undefined)
const noExec: Exec["Type"] = {
  prepare: () => Effect.die("no commands here"),
  inspect: () => Effect.die("no commands here"),
  awaitEnd: () => Effect.never,
  abort: () => Effect.void,
  endSurvivors: () => Effect.succeed(0),
  tail: () => Effect.succeed("")
}

type Run = ReturnType<typeof timers> & { readonly setWall: (byMs: number) => void; readonly outcome: () => Effect.Effect<object | null> }

/** Claims a task of this kind and runs it with timers of the test. */
const running = (task: AnyTask, body: (run: Run) => Effect.Effect<void>, stall: { on: boolean } = { on: false }) => {
  const clocks = movable()
  const alarms = timers()
  return Effect.gen(function*() {
    yield* epochOpened()
    yield* submitted(task.kind, { payload: "" })
    const [one] = yield* claimed(1, task.kind.version)
    if (one === undefined) return yield* Effect.dieMessage("nothing to claim")
    const engine = yield* Engine
    const slow = { ...engine, commit: <A>(change: Parameters<typeof engine.commit<A>>[0]) => Effect.zipRight(Effect.suspend(() => (stall.on ? Effect.never : Effect.void)), engine.commit(change)) }
    const services: WorkflowHandler.Services = {
      engine: slow,
      flush: { soon: (act) => void setImmediate(act), later: () => undefined },
      alarms,
      bodies: new Map(),
      exec: noExec,
      chance: () => 0.5,
      wallMs: () => clocks.clocks.wallMs,
      kindOf: () => Effect.die("no children here"),
      filesDir: "/nowhere"
    }
    const handler = WorkflowHandler.make(services, task)
    const asked = { requested: Effect.never, listen: () => undefined, onLost: () => undefined, stopping: () => false }
    const { held, task: found }: { readonly held: Held; readonly task: Stored } = one
    let ended: object | null = null
    // As the worker does: a stop interrupts the fiber, which stores the outcome before it gives way.
    const fiber = yield* Effect.fork(Effect.uninterruptible(Effect.map(handler.run({ task: found, held, steps: [], begin: () => Effect.die("not for code"), asked, late: () => undefined }), (outcome) => {
      ended = outcome
    })))
    yield* turns
    yield* body({ ...alarms, setWall: (byMs) => void (clocks.clocks.wallMs += byMs), outcome: () => Effect.map(turns, () => ended) })
    yield* Fiber.interruptFork(fiber)
  }).pipe(Effect.provide(MemoryEngine.layer().pipe(Layer.provideMerge(Layer.succeed(Instants, { wallMs: () => clocks.clocks.wallMs, monoMs: () => clocks.clocks.monoMs })))))
}

const text = { payload: Schema.String }
const read = { effect: "read" } as const
const silent = { ...text, timeouts: { heartbeat: heartbeatMs } }

describe("a run in code", () => {
  it.live("that gives no sign of life is a failed attempt, not before its time and a quarter later at most", () =>
    running(Task.defineAsync("silent", silent, (ctx) => ctx.step("hang", read, () => never)), ({ outcome, pass }) =>
      Effect.gen(function*() {
        pass(heartbeatMs - 1)
        assert.isNull(yield* outcome())
        pass(1 + quarterMs)
        assert.deepEqual(yield* outcome(), { _tag: "Failed", code: "heartbeat_timeout", error: "it gave no sign of life for 1000 ms; it was in step 1 \"hang\"" })
      })))

  it.live("goes on as long as it says so, by heartbeat, progress and steps, and its last word is told when they end", () => {
    let say: (note?: string) => void = () => undefined
    let tell: (note: string) => Promise<void> = async () => undefined
    let next: () => void = () => undefined
    const task = Task.defineAsync("alive", silent, async (ctx) => {
      say = ctx.heartbeat
      tell = ctx.progress
      await ctx.step("first", read, () => new Promise<void>((resolve) => {
        next = resolve
      }))
      await never
    })
    return running(task, ({ outcome, pass }) =>
      Effect.gen(function*() {
        for (let count = 0; count < 20; count++) {
          pass(heartbeatMs - 1)
          say(`page ${count}`)
        }
        pass(heartbeatMs - 1)
        yield* Effect.promise(() => tell("half"))
        pass(heartbeatMs - 1)
        next()
        yield* turns
        pass(heartbeatMs - 1)
        assert.isNull(yield* outcome())
        pass(1 + quarterMs)
        assert.deepEqual(yield* outcome(), {
          _tag: "Failed",
          code: "heartbeat_timeout",
          error: "it gave no sign of life for 1000 ms; its last word was \"page 19\"; it was in no step: does it await something that never ends?"
        })
      }))
  })

  it.live("in the middle of a dangerous step has an unknown outcome", () =>
    running(Task.defineAsync("danger", silent, (ctx) => ctx.step("pay", { effect: "dangerous", timeout: "1 hour", atMostOnce: true }, () => never)), ({ outcome, pass }) =>
      Effect.gen(function*() {
        pass(heartbeatMs + quarterMs)
        const ended = yield* outcome()
        assert.deepInclude(ended, { _tag: "Unknown", code: "heartbeat_timeout" })
      })))

  it.live("that is parked, or waits for the store, owes no sign", () => {
    const stall = { on: false }
    return running(Task.defineAsync("slow", { ...silent }, async (ctx) => {
      stall.on = true
      await ctx.step("kept", read, () => 1)
    }), ({ outcome, pass }) =>
      Effect.gen(function*() {
        pass(heartbeatMs * 10)
        assert.isNull(yield* outcome())
      }), stall).pipe(
        Effect.zipRight(running(Task.defineAsync("parked", silent, (ctx) => ctx.sleep("night", "8 hours")), ({ armed, outcome, pass }) =>
          Effect.gen(function*() {
            yield* turns
            assert.strictEqual(armed(), 0)
            pass(heartbeatMs * 10)
            assert.isNull(yield* outcome())
          })))
      )
  })

  it.live("without such a limit has one timer, and may be silent", () =>
    running(Task.defineAsync("plain", text, () => never), ({ armed, outcome, pass }) =>
      Effect.gen(function*() {
        assert.strictEqual(armed(), 1)
        pass(3_599_999)
        assert.isNull(yield* outcome())
      })))

  it.live("is ended by its start to close after that time, wherever the wall clock is set meanwhile", () =>
    running(Task.defineAsync("jumps", { ...text, timeouts: { startToClose: "1 minute", heartbeat: "50 seconds" } }, () => never), ({ outcome, pass, setWall }) =>
      Effect.gen(function*() {
        setWall(86_400_000)
        pass(25_000)
        assert.isNull(yield* outcome())
        setWall(-2 * 86_400_000)
        pass(24_999)
        assert.isNull(yield* outcome())
        pass(10_001)
        assert.deepInclude(yield* outcome(), { _tag: "Failed", code: "heartbeat_timeout" })
      })).pipe(Effect.zipRight(
        running(Task.defineAsync("leaps", { ...text, timeouts: { startToClose: "1 minute" } }, () => never), ({ outcome, pass, setWall }) =>
          Effect.gen(function*() {
            setWall(86_400_000)
            pass(59_999)
            assert.isNull(yield* outcome())
            setWall(-2 * 86_400_000)
            pass(1)
            assert.deepInclude(yield* outcome(), { _tag: "Failed", code: "start_to_close_timeout" })
          })))))

  it.live("is ended when the whole task has had its time, schedule to close, also in its first attempt", () =>
    running(Task.defineAsync("close", { ...text, timeouts: { scheduleToClose: "10 seconds" } }, () => never), ({ outcome, pass }) =>
      Effect.gen(function*() {
        pass(9999)
        assert.isNull(yield* outcome())
        pass(10)
        assert.deepInclude(yield* outcome(), { _tag: "Failed", code: "schedule_to_close_timeout" })
      })))
})

it("a heartbeat timeout is not a dispatch timeout: that is schedule to start, or start to close", () => {
  const counted = (code: string) => {
    const names: Array<string> = []
    talliesOf({ type: "task.queued", task: "t", trace: null, actor: "a", payload: { code } }, (name) => void names.push(name))
    return names
  }
  assert.deepEqual(["heartbeat_timeout", "schedule_to_close_timeout", "start_to_close_timeout", "schedule_to_start_timeout"].map(counted), [[], [], ["dispatch_timeouts"], ["dispatch_timeouts"]])
})

describe("a command", () => {
  const sh = (script: string) => ["/bin/sh", "-c", script]
  const loop = (act: string) => sh(`n=0; while [ -e alive ] && [ $n -lt 12 ]; do ${act}; n=$((n+1)); sleep 0.1; done; while [ -e alive ] && [ -e hang ]; do sleep 0.05; done; echo done >> ledger`)

  it.each([["on stdout", "echo tick"], ["on stderr", "echo tick >&2"], ["in its file", "touch \"$OPSGATE_HEARTBEAT_FILE\""]])("goes on while it gives signs %s, and is ended when they stop", async (_, act) => {
    const ends: Array<() => void> = []
    try {
      const home = opsgate((end) => void ends.push(end), { tick: light(loop(act), { heartbeat_ms: 800, retry: { attempts: 1 } }, { kill_grace_ms: 200 }) })
      await home.serve()
      const well = await home.submit("tick")
      // The signs alone take longer than the limit.
      await home.untilTask(well, "SUCCEEDED")
      home.write("hang", "")
      const hangs = await home.submit("tick")
      const ended = await home.untilTask(hangs, "FAILED")
      assert.deepInclude(ended.failure, { code: "heartbeat_timeout" })
      assert.deepEqual(ledger(home), ["done"])
    } finally {
      ends.forEach((end) => end())
    }
  })

  it("that is dangerous has an unknown outcome when its signs stop", async ({ onTestFinished }) => {
    const home = opsgate(onTestFinished, { deploy: heavy(sh("while [ -e alive ]; do sleep 0.05; done"), { heartbeat_ms: 200 }, { kill_grace_ms: 200 }) })
    await home.serve()
    const id = await home.submit("deploy")
    const task = await home.untilTask(id, ({ unknown }) => unknown !== null)
    assert.deepInclude(task.unknown, { code: "heartbeat_timeout" })
  })

  it("is judged although its server is gone, and whoever adopts it learns how that ended", async ({ onTestFinished }) => {
    const home = opsgate(onTestFinished, { hang: light(sh("echo $$ > pid; while [ -e alive ]; do sleep 0.05; done"), { heartbeat_ms: 1500, retry: { attempts: 1 } }, { kill_grace_ms: 200 }) })
    const server = await home.serve()
    const id = await home.submit("hang")
    await until("the command", () => home.read("pid") !== "")
    server.signal("SIGKILL")
    await server.ended
    await home.serve()
    const ended = await home.untilTask(id, "FAILED")
    assert.deepInclude(ended.failure, { code: "heartbeat_timeout" })
    assert.strictEqual(ended.attempt, 1)
  })

  it("is not ended for the time in which its supervisor was stopped", async ({ onTestFinished }) => {
    const home = opsgate(onTestFinished, { tick: light(sh("while [ -e alive ] && [ ! -e release ]; do echo tick; sleep 0.05; done; echo done >> ledger"), { heartbeat_ms: 600, retry: { attempts: 1 } }) })
    await home.serve()
    const id = await home.submit("tick")
    const running = await home.untilTask(id, ({ intents }) => (intents[0]?.supervisor ?? null) !== null)
    const pid = running.intents[0]?.supervisor?.pid ?? 0
    await until("output", () => home.tasks().length === 1)
    process.kill(pid, "SIGSTOP")
    // Longer than its limit, by the clock of the machine.
    await new Promise<void>((resolve) => spawn("sleep", ["1.2"]).once("close", () => resolve()))
    process.kill(pid, "SIGCONT")
    await new Promise<void>((resolve) => spawn("sleep", ["0.4"]).once("close", () => resolve()))
    home.write("release", "")
    assert.strictEqual((await home.untilTask(id, ({ state }) => state === "SUCCEEDED" || state === "FAILED")).state, "SUCCEEDED")
  })
})
