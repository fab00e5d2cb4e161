/**
 * Tasks through the public API and the worker loop, as an embedding program uses them: synchronous=FULL, hash chain, all events, an
 * idempotency key each. The raw limit is what the very same run asked of SQLite, replayed in the same run.
 */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect, Layer, Logger, Schema } from "effect"
import { Opsgate, Task } from "../../dist/index.js"
import { format, inFolder, line, median, quantile, rawCommits, recorded, replayed, secondsSince } from "./measure.mjs"

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const payload = Schema.Struct({ n: Schema.Number })

const stepped = (steps) =>
  Task.define(`bench.${steps}`, { payload }, (ctx) =>
    Effect.gen(function*() {
      for (let step = 1; step <= steps; step++) yield* ctx.step(`step ${step}`, { effect: "idempotent" }, () => Effect.succeed(step))
      return ctx.payload.n
    }))

/** `count` tasks, `flight` at a time, each asked for with a key and waited for. Answers the seconds it took. */
export const lives = (steps, count, flight) =>
  inFolder((file) => {
    const task = stepped(steps)
    const client = (index) =>
      Effect.gen(function*() {
        const opsgate = yield* Opsgate.Opsgate
        for (let n = index; n < count; n += flight) {
          const { task: id } = yield* opsgate.submit(task, { n }, { key: `${n}` })
          const result = yield* opsgate.result(task, id)
          if (result !== n) return yield* Effect.dieMessage(`task ${n} answered ${result}`)
        }
      })
    const all = Effect.gen(function*() {
      const startedAt = process.hrtime.bigint()
      yield* Effect.all(Array.from({ length: flight }, (_, index) => client(index)), { concurrency: "unbounded", discard: true })
      return secondsSince(startedAt)
    })
    return Effect.runPromise(all.pipe(Effect.provide(opened({ file, tasks: [task], workers: flight }))))
  })

const opened = (options) => Layer.provide(Opsgate.layer(options), Logger.remove(Logger.defaultLogger))

export const bulk = (count) =>
  inFolder((file) => {
    const task = stepped(0)
    const all = Effect.gen(function*() {
      const opsgate = yield* Opsgate.Opsgate
      const wanted = Array.from({ length: count }, (_, n) => ({ payload: { n }, key: `${n}` }))
      const startedAt = process.hrtime.bigint()
      const answers = yield* opsgate.submitAll(task, wanted)
      const seconds = secondsSince(startedAt)
      if (answers.length !== count || answers.some(({ _tag }) => _tag !== "Right")) return yield* Effect.dieMessage("not all were stored")
      return seconds
    })
    // No worker takes part.
    return Effect.runPromise(all.pipe(Effect.provide(opened({ file, tasks: [task], workers: 0 }))))
  })

/**
 * Seconds from the request until the function of the task begins, one after the other on an idle system. The first ones, while the
 * machine code is made, do not count.
 */
const starts = (count, warmUp = 200) =>
  inFolder((file) => {
    let begun = () => undefined
    const task = Task.define("bench.start", { payload }, () => Effect.sync(() => begun()))
    const all = Effect.gen(function*() {
      const opsgate = yield* Opsgate.Opsgate
      const seconds = []
      for (let n = -warmUp; n < count; n++) {
        const startedAt = process.hrtime.bigint()
        const started = new Promise((resolve) => (begun = () => resolve(secondsSince(startedAt))))
        const { task: id } = yield* opsgate.submit(task, { n })
        const took = yield* Effect.promise(() => started)
        if (n >= 0) seconds.push(took)
        yield* opsgate.ended(id)
        yield* Effect.sleep("5 millis")
      }
      return seconds
    })
    return Effect.runPromise(all.pipe(Effect.provide(opened({ file, tasks: [task], workers: 4 }))))
  })

const compared = async (label, count, flight, wantedRatio, wantedPerSecond) => {
  const calls = await recorded(() => lives(0, count, flight))
  const pairs = []
  for (let round = 0; round < rounds; round++) {
    const perSecond = count / (await lives(0, count, flight))
    pairs.push({ perSecond, raw: count / (await replayed(calls)) })
  }
  const perSecond = median(pairs.map((pair) => pair.perSecond))
  const ratio = median(pairs.map((pair) => pair.perSecond / pair.raw))
  const raw = median(pairs.map((pair) => pair.raw))
  return line(
    label,
    `${format(perSecond)}, raw ${format(raw)}, ratio ${ratio.toFixed(2)}; wanted ≥ ${wantedRatio} and ≥ ${format(wantedPerSecond)}`,
    ratio >= wantedRatio && perSecond >= wantedPerSecond
  )
}

/** Runs the program of the crash bench until it says that all tasks run; answers it and the seconds since it was started. */
const untilRunning = (file, count, mode) => {
  const startedAt = process.hrtime.bigint()
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL("crash-program.mjs", import.meta.url)), file, String(count), mode], { stdio: ["ignore", "pipe", "inherit"] })
  return new Promise((resolve, reject) => {
    child.on("exit", (code, signal) => reject(new Error(`the program ended with ${code ?? signal}`)))
    createInterface({ input: child.stdout }).on("line", (text) => text === "running" && resolve({ child, seconds: secondsSince(startedAt) }))
  })
}

const killed = (child) =>
  new Promise((resolve) => {
    child.removeAllListeners("exit")
    child.on("exit", resolve)
    child.kill("SIGKILL")
  })

export const recovery = (count) =>
  inFolder(async (file) => {
    const first = await untilRunning(file, count, "fresh")
    await killed(first.child)
    const second = await untilRunning(file, count, "again")
    await killed(second.child)
    return second.seconds
  })

/** Prints the figures; answers whether they reach what is wanted. */
export const runtimeBench = async () => {
  const many = await compared("a trivial task, 50 in flight", 20_000, 50, 0.35, 6000)
  const single = 2000 / (await lives(0, 2000, 1))
  line("the same, one at a time", format(single), null)
  const perSecond = median(await eachRound(async () => 50_000 / (await bulk(50_000))))
  const inBulk = line("enqueue in bulk, 50,000", `${format(perSecond)}; wanted ≥ 30,000/s`, perSecond >= 30_000)
  const delays = await starts(500)
  const commits = await rawCommits(1000)
  const pairs = Array.from({ length: 500 }, (_, index) => commits[2 * index] + commits[2 * index + 1])
  const [p50, p99, raw99] = [quantile(delays, 0.5), quantile(delays, 0.99), quantile(pairs, 0.99)].map((seconds) => seconds * 1000)
  const idle = line(
    "request to running, idle",
    `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, raw two commits p99 ${raw99.toFixed(2)} ms; wanted p50 < 2 ms, p99 ≤ 2 × raw`,
    p50 < 2 && p99 <= 2 * raw99
  )
  const seconds = await recovery(10_000)
  const crash = line("10,000 running, SIGKILL, all running again", `${seconds.toFixed(2)} s after the start of the next process; wanted < 5 s`, seconds < 5)
  return [many, inBulk, idle, crash].every(Boolean)
}

const eachRound = async (measure) => {
  const figures = []
  for (let round = 0; round < rounds; round++) figures.push(await measure())
  return figures
}
