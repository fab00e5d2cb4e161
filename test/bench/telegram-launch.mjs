/**
 * What `bot.launch()` of telegraf loses: 300 updates, a SIGKILL about every second, and one update in twenty that fails the
 * first time. Beside it, on the same load, a poller that acknowledges only what it has stored. Against the strict fake of the Bot API.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/telegram-fake.js", import.meta.url))
const bot = fileURLToPath(new URL("./telegram-launch-bot.mjs", import.meta.url))
const token = "4242424242:AAbench-token_of_a_bot_that_is_none"
const firstId = 1000

const modes = { plain: "bot.launch(), no catch", caught: "bot.launch(), catch swallows", inbox: "stored, then acknowledged" }

/** mulberry32: the same seed kills at the same instants and fails the same updates. */
const chance = (seed) => () => {
  seed = (seed + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

const startFake = async () => {
  const child = spawn(process.execPath, [program, "--token", token, "--first-update-id", String(firstId), "--with-parent"], { stdio: ["pipe", "pipe", "inherit"] })
  const [text] = await once(createInterface({ input: child.stdout }), "line")
  const { port } = JSON.parse(text)
  const root = `http://127.0.0.1:${port}/`
  const sim = async (path, body) => {
    const response = await fetch(`${root}_sim/${path}`, body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    const answer = await response.json()
    if (!response.ok) throw new Error(answer.error)
    return answer
  }
  return { root, sim, stop: () => child.kill() }
}

/** Starts the bot again whenever it ends, until it is told to stop. */
const keepRunning = (args) => {
  let stopped = false
  let child = null
  const counts = { killed: 0, ended: 0 }
  const run = async () => {
    while (!stopped) {
      child = spawn(process.execPath, [bot, ...args], { stdio: "ignore" })
      const [, signal] = await once(child, "exit")
      if (stopped) return
      if (signal === "SIGKILL") counts.killed++
      else counts.ended++
    }
  }
  const done = run()
  return {
    counts,
    kill: () => child.kill("SIGKILL"),
    stop: async () => {
      stopped = true
      child.kill("SIGKILL")
      await done
    }
  }
}

const effectsIn = (dir) => (existsSync(join(dir, "effects")) ? readFileSync(join(dir, "effects"), "utf8").split("\n").filter((line) => line !== "") : [])

/** Until all is confirmed and nothing happens any more. */
const settle = async (fake, dir) => {
  const { met } = await fake.sim("wait", { drained: true, timeout_ms: 60_000 })
  if (!met) throw new Error("the bot did not come to an end")
  for (let before = -1, now = effectsIn(dir).length; now !== before; now = effectsIn(dir).length) {
    before = now
    await sleep(2000)
  }
}

/** One load on one way to receive: how many updates had no effect, and how many more than one. */
export const crashLoad = async (mode, { seed, updates, kills }) => {
  const draw = chance(seed)
  const dir = mkdtempSync(join(tmpdir(), "opsgate-launch-"))
  const fake = await startFake()
  try {
    await fake.sim("users", { id: 1, first_name: "Ada" })
    const ids = Array.from({ length: updates }, (_, n) => firstId + n)
    const failing = ids.filter(() => draw() < 0.05)
    const runner = keepRunning([mode, dir, fake.root, token, JSON.stringify(failing)])
    const rounds = kills + 1
    for (let round = 0; round < rounds; round++) {
      const texts = ids.slice(Math.floor((updates * round) / rounds), Math.floor((updates * (round + 1)) / rounds))
      // Some of a round is there at once, the rest drips in while the bot works.
      await fake.sim("wait", { polled: true, timeout_ms: 5000 })
      for (let at = 0; at < texts.length; at += 4) {
        await fake.sim("send", texts.slice(at, at + 4).map((id) => ({ user: 1, text: `update ${id}` })))
        await sleep(draw() * 60)
      }
      if (round < kills) runner.kill()
    }
    await settle(fake, dir)
    await runner.stop()
    const count = new Map()
    for (const id of effectsIn(dir)) count.set(Number(id), (count.get(Number(id)) ?? 0) + 1)
    const { length: sent } = await fake.sim("updates")
    return { mode, seed, sent, failing: failing.length, lost: ids.filter((id) => !count.has(id)).length, repeated: [...count.values()].filter((times) => times > 1).length, ...runner.counts }
  } finally {
    fake.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** True when telegraf's own loop lost some and the stored inbox lost and repeated none. */
export const launchBench = async ({ seeds = [1, 2, 3], updates = 300, kills = 12 } = {}) => {
  const results = []
  for (const seed of seeds) {
    for (const mode of Object.keys(modes)) {
      const result = await crashLoad(mode, { seed, updates, kills })
      results.push(result)
      console.log(`seed ${seed}  ${modes[mode].padEnd(30)} ${result.sent} updates: lost ${result.lost}, executed more than once ${result.repeated}  (${result.killed} kills, ${result.ended} ends of its own)`)
    }
  }
  const of = (name) => results.filter(({ mode }) => mode === name)
  const lost = (name) => of(name).reduce((sum, result) => sum + result.lost, 0)
  return lost("plain") > 0 && lost("caught") > 0 && of("inbox").every((result) => result.lost === 0 && result.repeated === 0)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (await launchBench({ seeds: process.argv.slice(2).map(Number).concat(process.argv.length > 2 ? [] : [1, 2, 3]) })) ? 0 : 1
