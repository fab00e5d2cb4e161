/**
 * A program with limits on its queues: at every start it asks for the same work again under the same keys, and runs until it is killed.
 * `queues.test.ts` recounts from its log.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { Opsgate, Schema, Task } from "../../dist/index.js"

const payload = Schema.Struct({ n: Schema.Number })
const work = Task.defineAsync("test.work", { payload }, () => sleep(3))

const ops = await Opsgate.open({
  file: process.argv[2],
  tasks: [work],
  workers: 6,
  lease: "10 seconds",
  queues: { limited: { concurrency: 2 }, paced: { rate: { count: 3, per: "700 millis" } }, halted: { paused: true } }
})
const wanted = (count, name, place) => Array.from({ length: count }, (_, n) => ({ payload: { n }, key: `${name} ${n}`, ...place(n) }))
await ops.submitAll(work, [
  ...wanted(60, "limited", () => ({ queue: "limited" })),
  ...wanted(60, "keyed", (n) => ({ queue: "keyed", concurrencyKey: `k${n % 2}` })),
  ...wanted(12, "paced", () => ({ queue: "paced" })),
  ...wanted(100, "a", () => ({ queue: "shared", tenant: "a" })),
  ...wanted(60, "b", () => ({ queue: "shared", tenant: "b" })),
  ...wanted(60, "c", () => ({ queue: "shared", tenant: "c" }))
])
// Without an idempotency key: only the unique key stands between them.
await Promise.all([1, 2, 3].map((n) => ops.submit(work, { n }, { queue: "halted", unique: { key: "one", scope: "active" } })))
