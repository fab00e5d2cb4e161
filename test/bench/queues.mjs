/**
 * Queues: the rate of claims with 1,000 and with 1,000,000 tasks queued, plain and with everything in the way that a claim has to pass
 * over; the delay of a light task behind 10,000 heavy ones; the shares of three tenants.
 */
import { execFileSync } from "node:child_process"
import { copyFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { Effect, Layer, Logger, Schema } from "effect"
import { Engine, Ids, Live, Opsgate, Request, SqliteEngine, Task } from "../../dist/index.js"
import { kind } from "./kind.mjs"
import { format, inFolder, line, median, quantile, secondsSince } from "./measure.mjs"

const many = Number(process.env.BENCH_QUEUED ?? 1_000_000)
const few = 1000
const claims = 900
const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const trace = "0123456789abcdef0123456789abcdef"

const submit = (engine, place, index) => {
  const command = { ask: { op: "submit", kind: kind.name, payload: { n: 1 }, reason: null, ...place }, actor: "cli:bench", channel: "cli", key: null, trace }
  const id = Ids.taskIdFrom(Date.now() - 1000 + index, [0.5, 0.5])
  return engine.commit({ tasks: [], key: null, rule: (_found, now) => Request.submit(command, kind, id, now) })
}

/**
 * A file with so many tasks in each of the places. One of each is asked for as always; the others are copies of its row, since only the
 * rows matter to a claim.
 */
const filled = async (file, places) => {
  const asked = Effect.gen(function*() {
    const engine = yield* Engine
    return yield* Effect.forEach(places, ({ place }, index) => submit(engine, place, index))
  })
  const answers = await Effect.runPromise(asked.pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-bench" }).pipe(Layer.provide(Live.layer)))))
  const db = new Database(file)
  db.pragma("synchronous = OFF")
  const columns = "state, available_at_ms, expires_at_ms, epoch, parent, forked_from, spec, progress, lane"
  const copy = db.prepare(`
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO task (id, ${columns}, concurrency_key)
    SELECT substr(task.id, 1, 10) || printf('%016d', n.i), ${columns}, CASE WHEN ? THEN printf('key %d', n.i) ELSE concurrency_key END FROM n, task WHERE task.id = ?`)
  places.forEach(({ count, ownKeys = false }, index) => count > 1 && copy.run(count - 1, ownKeys ? 1 : 0, answers[index].task))
  db.pragma("wal_checkpoint(TRUNCATE)")
  db.close()
}

const program = fileURLToPath(new URL("./queues-claim.mjs", import.meta.url))
const claimIn = (file, policy) => JSON.parse(execFileSync(process.execPath, [program, file, String(claims), JSON.stringify(policy)], { encoding: "utf8" }))

/** Claims from a large and from a small file in turns. */
const compared = (label, large, small, policy = {}) =>
  inFolder((file) =>
    inFolder(async (smallFile) => {
      await filled(file, large)
      await filled(`${smallFile}.full`, small)
      const pairs = []
      for (let round = 0; round < rounds; round++) {
        copyFileSync(`${smallFile}.full`, `${smallFile}-${round}`)
        pairs.push({ small: claimIn(`${smallFile}-${round}`, policy), large: claimIn(file, policy) })
      }
      const ratio = median(pairs.map((pair) => pair.large.perSecond / pair.small.perSecond))
      const rss = Math.max(...pairs.map((pair) => pair.large.rssMb))
      const all = pairs.every((pair) => pair.large.claimed === claims + 1 && pair.small.claimed === claims + 1)
      return line(
        label,
        `${format(median(pairs.map((pair) => pair.large.perSecond)))} against ${format(median(pairs.map((pair) => pair.small.perSecond)))} with ${few.toLocaleString("en-US")}, ratio ${ratio.toFixed(2)}, ` +
          `${Math.round(rss)} MB, first claim ${median(pairs.map((pair) => pair.large.firstMs)).toFixed(0)} ms, next instant ${median(pairs.map((pair) => pair.large.nextMs)).toFixed(1)} ms; wanted ≥ 0.8, < 300 MB`,
        ratio >= 0.8 && rss < 300 && all
      )
    }))

const tenants = (count, each) => Array.from({ length: count }, (_, index) => ({ place: { tenant: `t${index}` }, count: each }))

const opened = (options) => Layer.provide(Opsgate.layer(options), Logger.remove(Logger.defaultLogger))

/** Seconds from the request of a light task to its start, while 10,000 heavy ones wait. */
const behindHeavy = (count) =>
  inFolder((file) => {
    let begun = () => undefined
    const payload = Schema.Struct({})
    const heavy = Task.define("bench.heavy", { payload, class: "heavy", approval: "none" }, () => Effect.sleep("100 millis"))
    const light = Task.define("bench.light", { payload }, () => Effect.sync(() => begun()))
    const main = Effect.gen(function*() {
      const opsgate = yield* Opsgate.Opsgate
      yield* opsgate.submitAll(heavy, Array.from({ length: 10_000 }, () => ({ payload: {} })))
      const seconds = []
      for (let n = 0; n < count; n++) {
        const startedAt = process.hrtime.bigint()
        const started = new Promise((resolve) => (begun = () => resolve(secondsSince(startedAt))))
        const { task } = yield* opsgate.submit(light, {})
        seconds.push(yield* Effect.promise(() => started))
        yield* opsgate.ended(task)
      }
      return seconds
    })
    return Effect.runPromise(main.pipe(Effect.provide(opened({ file, tasks: [heavy, light], workers: 4, stopGrace: "1 second" }))))
  })

const shares = () =>
  inFolder(async (file) => {
    await filled(file, [{ place: { tenant: "a" }, count: 5000 }, { place: { tenant: "b" }, count: 1000 }, { place: { tenant: "c" }, count: 500 }])
    const { tenants: counts } = claimIn(file, {})
    const each = (claims + 1) / 3
    const text = Object.entries(counts).map(([tenant, count]) => `${tenant} ${count}`).join(", ")
    return line("shares of three tenants with 5,000, 1,000 and 500 queued", `${text}; wanted ±10 %`, Object.values(counts).length === 3 && Object.values(counts).every((count) => Math.abs(count - each) <= each / 10))
  })

/** Prints the figures; answers whether they reach what is wanted. */
export const queuesBench = async () => {
  const figures = [
    await compared("plain", [{ place: {}, count: many }], [{ place: {}, count: few }]),
    await compared("1,000 tenants", tenants(1000, many / 1000), tenants(1000, 1)),
    await compared("behind a full key", [{ place: { concurrency_key: "x" }, count: many }, { place: { concurrency_key: "y" }, count: few * rounds, ownKeys: true }], [{ place: { concurrency_key: "y" }, count: few, ownKeys: true }]),
    await compared("beside a paused queue", [{ place: { tenant: "default" }, count: few * rounds }, { place: { queue: "paused" }, count: many }], [{ place: { tenant: "default" }, count: few }, { place: { queue: "paused" }, count: few }], { queues: { paused: { paused: true } } })
  ]
  const delays = await behindHeavy(300)
  figures.push(line("a light task behind 10,000 heavy ones", `p50 ${(quantile(delays, 0.5) * 1000).toFixed(1)} ms, p95 ${(quantile(delays, 0.95) * 1000).toFixed(1)} ms; wanted p95 < 1 s`, quantile(delays, 0.95) < 1))
  figures.push(await shares())
  return figures.every(Boolean)
}
