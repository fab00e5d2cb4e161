/** graphile-worker on Postgres: jobs are locked in batches into a local queue and completed in batches. */
import { EventEmitter } from "node:events"
import { Logger, makeWorkerUtils, run } from "graphile-worker"
import { callers, pause, perSecond, slices, tally } from "./measuring.mjs"
import { poolOf, startPostgres } from "./postgres.mjs"

export const name = "graphile-worker"

const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message)
})

export const setup = async ({ dir }) => {
  const postgres = await startPostgres({ dir })
  if (postgres === null) return null
  const pool = poolOf(postgres, 8)
  const utils = await makeWorkerUtils({ pgPool: pool, logger })
  await utils.migrate()

  /** A job is gone from the table once its end is stored, which happens some time behind the task's own end. */
  const empty = async () => {
    for (;;) {
      const { rows } = await pool.query("select exists (select from graphile_worker._private_jobs) as left")
      if (!rows[0].left) return
      await pause(1)
    }
  }
  const working = async (count, inFlight, enqueue) => {
    const finished = tally(count)
    const runner = await run({
      pgPool: pool,
      noHandleSignals: true,
      taskList: { trivial: () => finished.one() },
      events: new EventEmitter(),
      preset: {
        worker: {
          logger,
          concurrentJobs: inFlight,
          pollInterval: 100,
          // One at a time stays one at a time; from two on, the batches that its manual recommends for short jobs.
          localQueue: { size: inFlight === 1 ? -1 : Math.max(inFlight, 500) },
          completeJobBatchDelay: inFlight === 1 ? -1 : 0
        }
      }
    })
    try {
      return await perSecond(count, async () => {
        await enqueue()
        await finished.all
        await empty()
      })
    } finally {
      await runner.stop()
    }
  }
  const inBulk = async (task, count) => {
    for (const slice of slices(count, 1000)) await utils.addJobs(slice.map((n) => ({ identifier: task, payload: { n } })))
  }
  return {
    note: `${postgres.durability}; local queue, completion in batches from two in flight on`,
    process: (count, inFlight) => working(count, inFlight, () => callers(count, inFlight, (n) => utils.addJob("trivial", { n }))),
    backlog: (count, inFlight) => working(count, inFlight, () => inBulk("trivial", count)),
    bulk: async (count) => {
      const rate = await perSecond(count, () => inBulk("waiting", count))
      // Nobody works on these, and every later search for a job would pass by them.
      await pool.query("truncate graphile_worker._private_jobs")
      return rate
    },
    close: async () => {
      await utils.release()
      await pool.end()
      await postgres.close()
    }
  }
}
