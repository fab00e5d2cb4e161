/**
 * `node test/bench/peers/main.mjs <peer> <what> [count] [inFlight] [steps]`: one figure of one peer as a line of JSON.
 * Exits with 0; with 1 when the measurement failed, with 2 when it was asked wrongly, with 3 when the peer cannot run here
 * or does not have what was asked for.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { atEnd, endAll } from "./ending.mjs"

const peers = ["bullmq", "dbos", "graphile-worker", "openworkflow", "pg-boss", "plainjob"]
const ways = {
  process: (peer, { count, inFlight }) => peer.process(count, inFlight),
  backlog: (peer, { count, inFlight }) => peer.backlog(count, inFlight),
  workflow: (peer, { count, inFlight, steps }) => peer.workflow(steps, count, inFlight),
  bulk: (peer, { count }) => peer.bulk(count)
}

const measure = async (peerName, what, sizes) => {
  const dir = mkdtempSync(join(tmpdir(), "opsgate-peer-"))
  atEnd(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  const { name, setup } = await import(`./${peerName}.mjs`).catch((error) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error
    console.error(`${error.message.split(" imported")[0]}: run npm ci --prefix test/bench/peers`)
    return { name: peerName, setup: () => null }
  })
  const peer = await setup({ dir })
  if (peer === null) return 3
  try {
    if (peer[what] === undefined) {
      console.error(`${name} has no ${what}`)
      return 3
    }
    const perSecond = await ways[what](peer, sizes)
    const steps = what === "workflow" ? { steps: sizes.steps } : {}
    console.log(JSON.stringify({ peer: name, what, count: sizes.count, in_flight: sizes.inFlight, ...steps, per_second: Math.round(perSecond * 10) / 10, note: peer.note }))
    return 0
  } finally {
    await peer.close()
  }
}

const [peerName, what, count = "5000", inFlight = "50", steps = "1"] = process.argv.slice(2)
const sizes = { count: Number(count), inFlight: Number(inFlight), steps: Number(steps) }
if (!peers.includes(peerName) || ways[what] === undefined || !(sizes.count >= 1 && sizes.inFlight >= 1 && sizes.steps >= 0 && Object.values(sizes).every(Number.isInteger))) {
  console.error(`usage: main.mjs <${peers.join("|")}> <${Object.keys(ways).join("|")}> [count] [inFlight] [steps]`)
  process.exitCode = 2
} else {
  try {
    process.exitCode = await measure(peerName, what, sizes)
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  } finally {
    await endAll()
  }
}
