/**
 * Time: what 10,000 parked sleepers and 1,000 schedules cost while none is due, in a process of its own that found them in the file; and
 * how long 10,000 sleepers that are due at one instant take until all of them run.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { Opsgate, Schema, Task } from "../../dist/index.js"
import { inFolder, line } from "./measure.mjs"

const run = promisify(execFile)
const self = fileURLToPath(import.meta.url)
const sleepers = Number(process.env.BENCH_SLEEPERS ?? 10_000)
const planned = Number(process.env.BENCH_SCHEDULES ?? 1000)
const idleSeconds = Number(process.env.BENCH_IDLE_S ?? 30)

const zones = ["America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
// Half a year away, whenever the bench is run.
const month = ((new Date().getUTCMonth() + 6) % 12) + 1
const schedules = Array.from({ length: planned }, (_, index) => ({ name: `s${index}`, kind: "beat", cron: `${index % 60} ${index % 24} ${(index % 28) + 1} ${month} *`, zone: zones[index % zones.length] }))
const beat = Task.defineAsync("beat", { payload: Schema.Struct({}) }, async () => null)

const parked = Task.defineAsync("parked", { payload: Schema.Struct({}) }, (ctx) => ctx.sleep("nap", "30 days"))

/** Submits in portions, since each waits for its sync. */
const submitAll = async (ops, task, payloads) => {
  for (let from = 0; from < payloads.length; from += 1000) await ops.submitAll(task, payloads.slice(from, from + 1000).map((payload) => ({ payload })))
}

const untilParked = async (ops, count, dueAfterMs) => {
  for (;;) {
    const tasks = await ops.list({ state: "QUEUED", limit: count })
    if (tasks.length === count && tasks.every(({ availableAtMs, steps }) => steps > 0 && availableAtMs > dueAfterMs)) return
    await sleep(200)
  }
}

const fill = async (file) => {
  const ops = await Opsgate.open({ file, tasks: [beat, parked], workers: 256, schedules })
  await submitAll(ops, parked, Array.from({ length: sleepers }, () => ({})))
  await untilParked(ops, sleepers, Date.now() + 86_400_000)
  await ops.close()
}

/** Opens what is in the file and does nothing; prints what that costs. */
const idle = async (file) => {
  const ops = await Opsgate.open({ file, tasks: [beat, parked], workers: 256, schedules })
  // What was made at the start is collected some ten seconds later, once.
  await sleep(15_000)
  const before = process.cpuUsage()
  const startedAt = performance.now()
  await sleep(idleSeconds * 1000)
  const { system, user } = process.cpuUsage(before)
  const share = (system + user) / 1000 / (performance.now() - startedAt)
  const rss = process.memoryUsage().rss
  const stored = (await ops.schedules()).filter(({ dueMs }) => dueMs !== null).length
  await ops.close()
  console.log(JSON.stringify({ share, rss, stored }))
}

/** All sleepers are due at one instant; prints how long it took until the last of them ran. */
const due = async (file) => {
  let running = 0
  let lastAt = 0
  let cpuMs = 0
  let open = () => undefined
  const gate = new Promise((resolve) => (open = resolve))
  const waking = Task.defineAsync("waking", { payload: Schema.Struct({ at: Schema.Int }) }, async (ctx) => {
    await ctx.sleep("nap", `${Math.max(0, ctx.payload.at - Date.now())} millis`)
    running += 1
    lastAt = Date.now()
    if (running === sleepers) cpuMs = cpuSince()
    await gate
  })
  const instant = Date.now() + 45_000
  const ops = await Opsgate.open({ file, tasks: [waking, beat], workers: sleepers, schedules: [{ name: "pulse", kind: "beat", every: "1 second", overlap: "allow" }] })
  await submitAll(ops, waking, Array.from({ length: sleepers }, () => ({ at: instant })))
  await untilParked(ops, sleepers, instant - 1000)
  let begun = process.cpuUsage()
  setTimeout(() => void (begun = process.cpuUsage()), instant - Date.now())
  const cpuSince = () => {
    const { system, user } = process.cpuUsage(begun)
    return (system + user) / 1000
  }
  if (Date.now() > instant) throw new Error("the sleepers were not parked in time")
  while (running < sleepers && Date.now() < instant + 120_000) await sleep(20)
  open()
  const { counts } = (await ops.schedules())[0]
  await ops.close()
  console.log(JSON.stringify({ running, ms: lastAt - instant, cpuMs, counts }))
}

const child = async (what, file) => JSON.parse((await run(process.execPath, [self, what, file], { timeout: 400_000 })).stdout.trim().split("\n").at(-1))

/** Prints the figures; answers whether they reach what is wanted. */
export const timeBench = async () => {
  const reached = []
  await inFolder(async (file) => {
    await run(process.execPath, [self, "fill", file], { timeout: 400_000 })
    const { rss, share, stored } = await child("idle", file)
    const label = `${sleepers} sleepers, ${stored} schedules, none due, ${idleSeconds} s`
    reached.push(stored === planned)
    reached.push(line(label, `${(share * 100).toFixed(2)} % of a core; wanted < 0.5 %`, share < 0.005))
    reached.push(line(label, `${Math.round(rss / 1e6)} MB; wanted < 200 MB`, rss < 200e6))
  })
  await inFolder(async (file) => {
    const { counts, cpuMs, ms, running } = await child("due", file)
    reached.push(line(`${running} sleepers due at one instant`, `all running after ${(ms / 1000).toFixed(2)} s, ${(cpuMs / 1000).toFixed(2)} s of a processor; wanted < 5 s`, running === sleepers && ms < 5000))
    reached.push(line("  a schedule of one second beside them", `${counts.started} ticks on time, ${counts.late} late, ${counts.skipped} skipped, ${counts.missed} missed`, counts.skipped + counts.missed === 0))
  })
  return reached.every(Boolean)
}

const [, script, what, file] = process.argv
if (script === self) await { fill, idle, due }[what](file)
