/**
 * The life of a trivial task through the engine (request with an idempotency key, claim, settle; all events, hash chain,
 * synchronous=FULL), 50 in flight, as a ratio to the raw limit: the statements that the engine itself issued, recorded
 * and replayed on better-sqlite3 in the same run. The engine is the shipped bundle's.
 */
import { Effect, Layer } from "effect"
import { Dispatch, Engine, Execution, Idempotency, Ids, Live, Request, SqliteEngine } from "../../dist/index.js"
import { kind } from "./kind.mjs"
import { format, inFolder, median, recorded, replayed } from "./measure.mjs"

const inFlight = Number(process.env.BENCH_IN_FLIGHT ?? 50)
const lives = Number(process.env.BENCH_LIVES ?? 20_000)
const rounds = Number(process.env.BENCH_ROUNDS ?? 5)

const trace = "0123456789abcdef0123456789abcdef"
let drawn = 0

const submit = (engine, key) => {
  const command = { ask: { op: "submit", kind: kind.name, payload: { n: 1 }, reason: null }, actor: "cli:bench", roles: ["operator"], channel: "cli", key, trace }
  const id = Ids.taskIdFrom(Date.now(), [(drawn++ % 1e6) / 1e6, Math.random()])
  return engine.commit({ tasks: [], key, rule: ({ stored }, now) => Idempotency.oncePerKey(command, stored, () => Request.submit(command, kind, id, now)) })
}
const settle = (engine, { held, task }) =>
  engine.commit({ tasks: [task.id], key: null, rule: ({ tasks: [current] }, now) => Execution.settle(current, held, { _tag: "Succeeded", result: { exit_code: 0 } }, now, 0) })

const live = (count, flight) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    yield* engine.openEpoch(3_600_000, (now) => ({ type: "epoch.started", task: null, trace: null, actor: "system:runtime", payload: { epoch: now.epoch } }))
    const startedAt = process.hrtime.bigint()
    // As many clients as there are tasks in flight, each with one life after the other.
    const client = (index) =>
      Effect.gen(function*() {
        for (let done = index; done < count; done += flight) {
          yield* submit(engine, `${done}`)
          const [one] = yield* engine.claim({ limit: 1, rule: (task, now) => Dispatch.claim(task, "bench", kind, now) })
          if (one === undefined) return yield* Effect.dieMessage("there was nothing to claim")
          yield* settle(engine, one)
        }
      })
    yield* Effect.all(Array.from({ length: flight }, (_, index) => client(index)), { concurrency: "unbounded", discard: true })
    return Number(process.hrtime.bigint() - startedAt) / 1e9
  })

export const throughEngine = (count, flight) =>
  inFolder((file) => Effect.runPromise(live(count, flight).pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-bench" }).pipe(Layer.provide(Live.layer))))))

const compare = async (label, count, flight, wanted) => {
  const calls = await recorded(() => throughEngine(count, flight))
  await throughEngine(Math.min(count, 2000), flight)
  const pairs = []
  for (let round = 0; round < rounds; round++) {
    const engine = count / (await throughEngine(count, flight))
    const raw = count / (await replayed(calls))
    pairs.push({ engine, raw, ratio: engine / raw })
  }
  const ratio = median(pairs.map((pair) => pair.ratio))
  console.log(
    `${label}: engine ${format(median(pairs.map((pair) => pair.engine)))}, raw ${format(median(pairs.map((pair) => pair.raw)))}, ` +
      `ratio ${ratio.toFixed(2)} (${Math.min(...pairs.map((pair) => pair.ratio)).toFixed(2)}–${Math.max(...pairs.map((pair) => pair.ratio)).toFixed(2)} in ${rounds} rounds), wanted ≥ ${wanted}`
  )
  return ratio >= wanted
}

/** Prints the figures; answers whether they reach what is wanted. */
export const engineBench = async () => {
  const batched = await compare(`${inFlight} in flight, ${lives} lives`, lives, inFlight, 0.5)
  const single = await compare(`one at a time, ${Math.floor(lives / 10)} lives`, Math.floor(lives / 10), 1, 0.65)
  return batched && single
}
