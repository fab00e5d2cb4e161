/** BullMQ on a Redis that syncs its append-only file with every write, where a `redis-server` is on the PATH. */
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Queue, Worker } from "bullmq"
import { Redis } from "ioredis"
import { atEnd } from "./ending.mjs"
import { callers, perSecond, slices, tally } from "./measuring.mjs"
import { child, end, executable, ready } from "./server.mjs"

export const name = "bullmq"

const startRedis = async (dir) => {
  const file = executable("redis-server")
  if (file === undefined) {
    console.error("no Redis: there is no redis-server on the PATH")
    return null
  }
  const folder = join(dir, "redis")
  mkdirSync(folder)
  const path = join(folder, "redis.sock")
  const server = child(file, ["--port", "0", "--unixsocket", path, "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no"])
  const close = atEnd(() => end(server, ["SIGTERM", "SIGKILL"]).then(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })))
  const client = () => new Redis({ path, maxRetriesPerRequest: null })
  try {
    const version = await ready(server, async () => {
      const redis = new Redis({ path, lazyConnect: true, retryStrategy: () => null })
      redis.on("error", () => undefined)
      try {
        await redis.connect()
        return /redis_version:(\S+)/.exec(await redis.info("server"))[1]
      } finally {
        redis.disconnect()
      }
    })
    return { client, version, close }
  } catch (error) {
    await close()
    console.error(`no Redis: ${error.message}`)
    return null
  }
}

export const setup = async ({ dir }) => {
  const redis = await startRedis(dir)
  if (redis === null) return null
  const producing = redis.client()
  const working = redis.client()
  const queue = new Queue("trivial", { connection: producing })
  const waiting = new Queue("waiting", { connection: producing })

  const processing = async (count, inFlight, enqueue) => {
    const finished = tally(count)
    const worker = new Worker("trivial", async () => undefined, { connection: working, concurrency: inFlight })
    worker.on("completed", () => finished.one())
    worker.on("error", (error) => console.error(error))
    await worker.waitUntilReady()
    try {
      return await perSecond(count, async () => {
        await enqueue()
        await finished.all
      })
    } finally {
      await worker.close()
    }
  }
  const inBulk = async (into, count) => {
    for (const slice of slices(count, 1000)) await into.addBulk(slice.map((n) => ({ name: "trivial", data: { n } })))
  }
  return {
    note: `Redis ${redis.version}, appendonly, appendfsync=always`,
    process: (count, inFlight) => processing(count, inFlight, () => callers(count, inFlight, (n) => queue.add("trivial", { n }))),
    backlog: (count, inFlight) => processing(count, inFlight, () => inBulk(queue, count)),
    bulk: async (count) => {
      const rate = await perSecond(count, () => inBulk(waiting, count))
      await waiting.obliterate({ force: true })
      return rate
    },
    close: async () => {
      await queue.close()
      await waiting.close()
      producing.disconnect()
      working.disconnect()
      await redis.close()
    }
  }
}
