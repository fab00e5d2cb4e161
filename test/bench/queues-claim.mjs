/** Opens a file, claims so many of its queued tasks, 50 in flight, and prints the rate and its memory. A process of its own, so that its memory is its own. */
import { Effect, Layer } from "effect"
import { Dispatch, Engine, Live, SqliteEngine } from "../../dist/index.js"
import { kind } from "./kind.mjs"

const [file, countText, policyText = "{}"] = process.argv.slice(2)
const count = Number(countText)
const flight = 50
const { heavyMax, kinds, queues = {} } = JSON.parse(policyText)
const policy = {
  ...(heavyMax === undefined ? {} : { heavyMax }),
  ...(kinds === undefined ? {} : { kinds: new Set(kinds) }),
  queues: new Map(Object.entries(queues).map(([name, limits]) => [name, { concurrency: null, perKey: 1, rate: null, paused: false, ...limits }]))
}

const main = Effect.gen(function*() {
  const engine = yield* Engine
  yield* engine.openEpoch(3_600_000, (now) => ({ type: "epoch.started", task: null, trace: null, actor: "system:runtime", payload: { epoch: now.epoch } }))
  const rule = (task, now) => Dispatch.claim(task, "bench", kind, now)
  const tenants = {}
  const one = Effect.map(engine.claim({ limit: 1, policy, rule }), (claimed) => {
    for (const { task } of claimed) tenants[task.tenant] = (tenants[task.tenant] ?? 0) + 1
    return claimed.length
  })
  // The first claim reads what is known of the queues.
  const opened = process.hrtime.bigint()
  let claimed = yield* one
  const firstMs = Number(process.hrtime.bigint() - opened) / 1e6
  const startedAt = process.hrtime.bigint()
  let left = count
  const client = Effect.suspend(() => (left-- > 0 ? Effect.map(one, (some) => void (claimed += some)) : Effect.void)).pipe(Effect.repeat({ until: () => left <= 0 }))
  yield* Effect.all(Array.from({ length: flight }, () => client), { concurrency: "unbounded", discard: true })
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  const nextAt = process.hrtime.bigint()
  yield* engine.nextClaim(policy)
  const nextMs = Number(process.hrtime.bigint() - nextAt) / 1e6
  console.log(JSON.stringify({ claimed, perSecond: count / seconds, firstMs, nextMs, rssMb: process.memoryUsage().rss / 1e6, tenants }))
})
await Effect.runPromise(main.pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-bench" }).pipe(Layer.provide(Live.layer)))))
