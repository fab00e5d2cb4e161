/** pg-boss on Postgres: `fetch` and `complete` by hand, because its `work()` looks for jobs twice a second at most. */
import PgBoss from "pg-boss"
import { callers, perSecond, slices } from "./measuring.mjs"
import { startPostgres } from "./postgres.mjs"

export const name = "pg-boss"

/** More connections than this only compete for two cores. */
const poolSize = 8

export const setup = async ({ dir }) => {
  const postgres = await startPostgres({ dir })
  if (postgres === null) return null
  const boss = new PgBoss({ ...postgres.connection, max: poolSize, schedule: false, supervise: false })
  boss.on("error", (error) => console.error(error.message))
  await boss.start()

  // Each measurement has a queue, which is a table, of its own: a fetch slows down with what was finished before.
  let queues = 0
  const fresh = async () => {
    const queue = `trivial-${++queues}`
    await boss.createQueue(queue)
    return queue
  }
  const drain = async (queue, count, { batchSize, loops }, enqueueing) => {
    let left = count
    const loop = async () => {
      while (left > 0) {
        const jobs = await boss.fetch(queue, { batchSize })
        if (jobs.length === 0) continue
        await boss.complete(queue, jobs.map((job) => job.id))
        left -= jobs.length
      }
    }
    // A failing producer ends the loops, which would wait for its jobs for ever.
    enqueueing.catch(() => {
      left = 0
    })
    await Promise.all([enqueueing, ...Array.from({ length: loops }, loop)])
  }
  const inBulk = async (queue, count) => {
    for (const slice of slices(count, 1000)) await boss.insert(slice.map((n) => ({ name: queue, data: { n } })))
  }
  return {
    note: `${postgres.durability}; fetch and complete in batches of up to 100, a backlog in two loops of 500`,
    process: async (count, inFlight) => {
      const queue = await fresh()
      return perSecond(count, () => drain(queue, count, { batchSize: inFlight === 1 ? 1 : Math.max(inFlight, 100), loops: 1 }, callers(count, inFlight, (n) => boss.send(queue, { n }))))
    },
    backlog: async (count, inFlight) => {
      const queue = await fresh()
      const sizes = inFlight === 1 ? { batchSize: 1, loops: 1 } : { batchSize: 500, loops: 2 }
      return perSecond(count, async () => {
        await inBulk(queue, count)
        await drain(queue, count, sizes, Promise.resolve())
      })
    },
    bulk: async (count) => {
      const queue = await fresh()
      return perSecond(count, () => inBulk(queue, count))
    },
    close: async () => {
      await boss.stop({ graceful: false, wait: true })
      await postgres.close()
    }
  }
}
