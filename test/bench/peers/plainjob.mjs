/** plainjob: a queue in one SQLite file, through better-sqlite3 in the caller's thread. */
import { join } from "node:path"
import { better, defineQueue, defineWorker } from "plainjob"
import { callers, perSecond, tally } from "./measuring.mjs"
import { opened, synchronousOf } from "./sqlite.mjs"

export const name = "plainjob"

const silent = { debug: () => undefined, info: () => undefined, warn: console.error, error: console.error }

export const setup = async ({ dir }) => {
  const database = opened(join(dir, "plainjob.db"))
  if (database === null) return null
  const queue = defineQueue({ connection: better(database), logger: silent })
  return {
    note: `SQLite WAL, synchronous=${synchronousOf(database)} (its own choice: a power cut can take the last commits), poll 10 ms`,
    process: (count, inFlight) =>
      perSecond(count, async () => {
        const finished = tally(count)
        const workers = Array.from({ length: inFlight }, () =>
          defineWorker("trivial", async () => undefined, { queue, logger: silent, pollIntervall: 10, onCompleted: () => finished.one() })
        )
        await callers(count, inFlight, (n) => queue.add("trivial", { n }))
        // A worker never leaves its loop while there is work, so all of them are started before the first is waited for.
        const loops = workers.map((worker) => worker.start())
        await finished.all
        await Promise.all(workers.map((worker) => worker.stop()))
        await Promise.all(loops)
      }),
    bulk: (count) => perSecond(count, async () => queue.addMany("waiting", Array.from({ length: count }, (_, n) => ({ n })))),
    close: async () => queue.close()
  }
}
