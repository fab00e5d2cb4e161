/**
 * `/ops` inside the process: the summary of `Opsgate.open`, on files with 10,000 to 1,000,000 tasks and five events a task. Beside it a naive
 * scan, which counts the rows of tasks by state and the events of the last day by type.
 *
 * `npm run bench ops [tasks] [events a task]`. The files are filled by SQL with copies of one task: in a mix of all states, and all queued.
 * Rows have the right shape and size, counters are counted anew, and the hashes of the events do not chain.
 */
import { statSync } from "node:fs"
import Database from "better-sqlite3"
import { Opsgate, Schema, Task } from "../../dist/index.js"
import { inFolder, line, quantile, secondsSince } from "./measure.mjs"

const [, , , tasksText = "1000000", perTaskText = "5"] = process.argv
const most = Number(tasksText)
const perTask = Number(perTaskText)
const rounds = 5
const perRound = 101
const wantedMs = 10

const noop = Task.defineAsync("noop", { payload: Schema.Struct({ text: Schema.String }) }, async () => null)

const mixes = {
  mixed: ["REQUESTED", "APPROVED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"],
  queued: ["QUEUED"]
}

/** The file is opened once to be made, and once to be measured: these leases are in force then. */
const servedEpoch = 2

/** What the columns of a task in a state are, and its progress. */
const standing = (state, base, atMs) => {
  const { budget, kindVersion } = base
  const progress = { state, kindVersion, budget, availableAtMs: atMs, updatedAtMs: atMs, queuedAtMs: atMs }
  const blocked = state === "REQUESTED" || (state === "RUNNING" && atMs % 2 === 0)
  if (state === "REQUESTED") Object.assign(progress, { held: true, holds: ["approval"] })
  if (state === "RUNNING") Object.assign(progress, blocked ? { unknown: { step: 1, code: "supervisor_gone", attempt: 1, generation: 1, sinceMs: atMs } } : { attempt: 1, generation: 1, startedAtMs: atMs, lease: { epoch: servedEpoch, worker: "w" } })
  const ended = state === "SUCCEEDED" || state === "CANCELED" || state === "EXPIRED"
  return { progress, blocked: blocked ? atMs : null, epoch: progress.lease === undefined ? null : servedEpoch, leased: progress.lease === undefined ? null : atMs, ended: ended ? atMs : null, dead: state === "FAILED" ? atMs : null }
}

const insertTask = `INSERT INTO task (id, state, available_at_ms, epoch, spec, progress, lane, ended_at_ms, dead_since_ms, blocked_since_ms, leased_since_ms)
  SELECT ?, ?, ?, ?, spec, ?, lane, ?, ?, ?, ? FROM task WHERE id = ?`

/** Every counter anew, as the engine would have counted. */
const recount = `
  DELETE FROM counter;
  INSERT INTO counter SELECT 'state.' || state, COUNT(*) FROM task GROUP BY state;
  INSERT INTO counter SELECT 'leased', COUNT(*) FROM task WHERE epoch IS NOT NULL;
  INSERT INTO counter SELECT 'dead', COUNT(*) FROM task WHERE dead_since_ms IS NOT NULL;
  INSERT INTO counter SELECT 'blocked', COUNT(*) FROM task WHERE blocked_since_ms IS NOT NULL;
  INSERT INTO counter SELECT 'blocked.approval', COUNT(*) FROM task WHERE blocked_since_ms IS NOT NULL AND state = 'REQUESTED';
  INSERT INTO counter SELECT 'blocked.outcome_unknown', COUNT(*) FROM task WHERE blocked_since_ms IS NOT NULL AND state = 'RUNNING';
  INSERT INTO counter SELECT 'running', COUNT(*) FROM task WHERE state = 'RUNNING' AND blocked_since_ms IS NULL;
  INSERT INTO counter SELECT 'queued', COUNT(*) FROM task WHERE state = 'QUEUED' AND blocked_since_ms IS NULL;`

const tallied = ["failed", "replay", "conflict", "in_progress", "dispatch_keys", "telegram_keys", "dispatch_timeouts", "fenced", "recovered"]

/** Copies the one task of the file, with events, until there are `count`; a day's minutes have every tally. */
const fill = (file, count, states) => {
  const db = new Database(file)
  for (const pragma of ["journal_mode = WAL", "synchronous = OFF", "cache_size = -200000", "wal_autocheckpoint = 20000"]) db.pragma(pragma)
  const task = db.prepare("SELECT id, progress FROM task").get()
  const event = db.prepare("SELECT * FROM event WHERE type = 'task.queued' ORDER BY seq LIMIT 1").get()
  const base = JSON.parse(task.progress)
  let seq = db.prepare("SELECT MAX(seq) AS seq FROM event").get().seq
  const startMs = Date.now() - 86_400_000
  const putTask = db.prepare(insertTask)
  const putEvent = db.prepare("INSERT INTO event (seq, v, at, type, task, trace, actor, payload, payload_sha256, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
  for (let from = 0; from < count; from += 20_000) {
    db.transaction(() => {
      for (let index = from; index < Math.min(count, from + 20_000); index++) {
        const id = `00${String(index).padStart(24, "0")}`
        const state = states[index % states.length]
        const atMs = startMs + Math.floor((index / count) * 86_000_000)
        const { blocked, dead, ended, epoch, leased, progress } = standing(state, base, atMs)
        putTask.run(id, state, atMs, epoch, JSON.stringify(progress), ended, dead, blocked, leased, task.id)
        for (let n = 0; n < perTask; n++) putEvent.run(++seq, event.v, atMs, event.type, id, event.trace, event.actor, event.payload, event.payload_sha256, event.hash)
      }
    })()
  }
  const putTally = db.prepare("INSERT OR REPLACE INTO tally (minute_ms, name, value) VALUES (?, ?, ?)")
  db.transaction(() => {
    const minute = startMs - (startMs % 60_000)
    for (let at = minute; at < minute + 86_400_000; at += 60_000) for (const name of tallied) putTally.run(at, name, 3)
  })()
  db.exec(recount)
  db.pragma("wal_checkpoint(TRUNCATE)")
  db.close()
}

const naive = (file) => {
  const db = new Database(file, { readonly: true })
  const startedAt = process.hrtime.bigint()
  db.prepare("SELECT state, COUNT(*) FROM task GROUP BY state").all()
  db.prepare("SELECT type, COUNT(*) FROM event WHERE at >= ? GROUP BY type").all(Date.now() - 86_400_000)
  const ms = secondsSince(startedAt) * 1000
  db.close()
  return ms
}

const open = (file) => Opsgate.open({ file, tasks: [noop], workers: 0 })

const measured = (count, mix) =>
  inFolder(async (file) => {
    const first = await open(file)
    await first.submit(noop, { text: "p".repeat(200) })
    await first.close()
    fill(file, count, mixes[mix])
    const opsgate = await open(file)
    try {
      const warm = performance.now() + 500
      while (performance.now() < warm) await opsgate.summary()
      const all = []
      let last
      for (let round = 0; round < rounds; round++) {
        const took = []
        for (let turn = 0; turn < perRound; turn++) {
          const startedAt = process.hrtime.bigint()
          last = await opsgate.summary()
          took.push(secondsSince(startedAt) * 1000)
        }
        all.push(took)
      }
      // What else the machine does shows in the worst; the quietest round is what the summary costs.
      const quietest = (q) => Math.min(...all.map((took) => quantile(took, q)))
      const { blocked, queued, running } = last.tasks
      const expected = mix === "queued" ? queued === count + 1 && blocked === 0 : blocked + queued + running >= Math.floor(count / 8) * 3
      if (!expected) throw new Error(`the summary counts ${JSON.stringify(last.tasks)} of ${count} tasks`)
      return { p50: quantile(all.flat(), 0.5), p90: quietest(0.9), p99: quietest(0.99), naive: naive(file), bytes: statSync(file).size }
    } finally {
      await opsgate.close()
    }
  })

/** Prints the figures; answers whether they reach what is wanted. */
export const opsBench = async () => {
  const sizes = [...new Set([10_000, 100_000, most])].filter((size) => size <= most)
  const reached = []
  for (const mix of Object.keys(mixes)) {
    const p50s = []
    for (const size of sizes) {
      const { bytes, naive: scanMs, p50, p90, p99 } = await measured(size, mix)
      p50s.push(p50)
      const label = `${size.toLocaleString("en-US")} tasks (${mix}), ${(size * perTask).toLocaleString("en-US")} events, ${Math.round(bytes / 1e6)} MB`
      reached.push(line(label, `p50 ${p50.toFixed(2)} ms; in the quietest of ${rounds} rounds p90 ${p90.toFixed(2)} ms, wanted < ${wantedMs} ms, p99 ${p99.toFixed(2)} ms; a naive scan ${scanMs.toFixed(0)} ms`, p90 < wantedMs))
    }
    const ratio = p50s.at(-1) / p50s[0]
    reached.push(line(`flat from ${sizes[0].toLocaleString("en-US")} up (${mix})`, `${ratio.toFixed(2)} times as long at the most, wanted < 2`, ratio < 2))
  }
  return reached.every(Boolean)
}
