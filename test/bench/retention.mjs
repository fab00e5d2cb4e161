/**
 * Pruning while work goes on: a file with many finished tasks, 1,000 tasks a second through the engine (request, claim, settle), and
 * the runtime's own pruning pass beside them. Asked is the p99 of a commit, with and without the pass, and the size of the file.
 *
 * `npm run bench retention [tasks] [seconds] [rounds]`. The finished tasks are copies of one that was run, made by SQL: their events have the
 * right shape and size, and hashes that do not chain. The load is an open loop: a commit that is late makes no later one wait.
 */
import { statSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import Database from "better-sqlite3"
import { Effect, Fiber, Layer } from "effect"
import { Dispatch, Engine, EngineReader, Execution, Idempotency, Ids, Live, Pruning, Request, retentionByDefault, SqliteEngine } from "../../dist/index.js"
import { kind } from "./kind.mjs"
import { format, inFolder, line, median, quantile, secondsSince } from "./measure.mjs"

const [, , , countText = "200000", secondsText = "5", roundsText = "4"] = process.argv
const count = Number(countText)
const seconds = Number(secondsText)
const rounds = Number(roundsText)
const perSecond = 1000

const trace = "0123456789abcdef0123456789abcdef"
const payload = { report: "p".repeat(300) }
const result = { exit_code: 0, text: "r".repeat(300) }
let drawn = 0

const submit = (engine) => {
  const command = { ask: { op: "submit", kind: kind.name, payload, reason: null }, actor: "cli:bench", roles: ["operator"], channel: "cli", key: `k${drawn}`, trace }
  const id = Ids.taskIdFrom(Date.now(), [(drawn++ % 1e6) / 1e6, Math.random()])
  return engine.commit({ tasks: [], key: command.key, rule: ({ stored }, now) => Idempotency.oncePerKey(command, stored, () => Request.submit(command, kind, id, now)) })
}
const claim = (engine) => engine.claim({ limit: 1, rule: (task, now) => Dispatch.claim(task, "bench", kind, now) })
const settle = (engine, { held, task }) =>
  engine.commit({ tasks: [task.id], key: null, rule: ({ tasks: [current] }, now) => Execution.settle(current, held, { _tag: "Succeeded", result }, now, 0) })

const opened = (file) => SqliteEngine.layer({ file, streamId: "db-bench" }).pipe(Layer.provideMerge(Live.layer))
const openEpoch = (engine) =>
  engine.openEpoch(3_600_000, (now) => ({ type: "epoch.started", task: null, trace: null, actor: "system:runtime", payload: { epoch: now.epoch } }))

const oneLife = Effect.gen(function*() {
  const engine = yield* Engine
  yield* openEpoch(engine)
  yield* submit(engine)
  const [one] = yield* claim(engine)
  yield* settle(engine, one)
})

/** Copies the one task of the file, with its events, until there are `count` more, all of them old. */
const copies = (file) => {
  const db = new Database(file)
  for (const pragma of ["journal_mode = WAL", "synchronous = OFF", "cache_size = -200000"]) db.pragma(pragma)
  const task = db.prepare("SELECT id, progress FROM task").get()
  const events = db.prepare("SELECT v, at, type, trace, actor, payload, payload_sha256, hash FROM event WHERE task IS NOT NULL ORDER BY seq").all()
  const progress = { ...JSON.parse(task.progress), updatedAtMs: Date.now() - 40 * 86_400_000 }
  let seq = db.prepare("SELECT MAX(seq) AS seq FROM event").get().seq
  const insertTask = db.prepare("INSERT INTO task (id, state, available_at_ms, expires_at_ms, epoch, parent, forked_from, spec, progress, lane, ended_at_ms) SELECT ?, 'SUCCEEDED', 0, NULL, NULL, NULL, NULL, spec, ?, lane, ? FROM task WHERE id = ?")
  const insertEvent = db.prepare("INSERT INTO event (seq, v, at, type, task, trace, actor, payload, payload_sha256, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
  const chunk = 20_000
  for (let from = 0; from < count; from += chunk) {
    db.transaction(() => {
      for (let index = from; index < Math.min(count, from + chunk); index++) {
        const id = `00${String(index).padStart(24, "0")}`
        const updatedAtMs = progress.updatedAtMs + index
        insertTask.run(id, JSON.stringify({ ...progress, updatedAtMs }), updatedAtMs, task.id)
        for (const event of events) insertEvent.run(++seq, event.v, event.at, event.type, id, event.trace, event.actor, event.payload, event.payload_sha256, event.hash)
      }
    })()
  }
  db.prepare("UPDATE counter SET value = value + ? WHERE name = 'state.SUCCEEDED'").run(count)
  db.pragma("wal_checkpoint(TRUNCATE)")
  db.close()
}

/** Lives at a steady pace until `done()`; answers how long each commit took, in ms. */
const load = async (engine, done) => {
  const took = []
  let lives = 0
  const timed = async (effect) => {
    const startedAt = process.hrtime.bigint()
    const answer = await Effect.runPromise(effect)
    took.push(secondsSince(startedAt) * 1000)
    return answer
  }
  const life = async () => {
    await timed(submit(engine))
    const [one] = await timed(claim(engine))
    if (one !== undefined) await timed(settle(engine, one))
    lives += 1
  }
  const startedAt = process.hrtime.bigint()
  const begun = []
  while (!done()) {
    for (let due = Math.floor(secondsSince(startedAt) * perSecond) - begun.length; due > 0; due--) begun.push(life())
    await sleep(1)
  }
  await Promise.all(begun)
  return { took, lives, perSecond: lives / secondsSince(startedAt) }
}

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`

/** Prints the figures; answers whether they reach what is wanted. */
export const retentionBench = () =>
  inFolder(async (file) => {
    await Effect.runPromise(Effect.provide(oneLife, opened(file)))
    const madeAt = process.hrtime.bigint()
    copies(file)
    const before = statSync(file).size
    line("made", `${count.toLocaleString("en-US")} finished tasks in ${secondsSince(madeAt).toFixed(0)} s, ${megabytes(before)}`, null)
    const reached = await Effect.runPromise(Effect.gen(function*() {
      const engine = yield* Engine
      const context = yield* Effect.context()
      yield* openEpoch(engine)
      // Code is compiled and pages are read before anything is measured.
      yield* Effect.promise(async () => {
        const until = performance.now() + 3000
        return load(engine, () => performance.now() >= until)
      })
      yield* engine.checkpoint
      const begun = statSync(file).size
      const first = yield* Effect.promise(async () => {
        const until = performance.now() + 3000
        return load(engine, () => performance.now() >= until)
      })
      yield* engine.checkpoint
      const perLife = (statSync(file).size - begun) / first.lives
      // The two take turns, so that what else the machine does meets both alike. A pass that is interrupted begins anew with the oldest.
      const sides = { alone: [], beside: [] }
      let lives = first.lives
      const slice = async (side) => {
        const until = performance.now() + seconds * 1000
        const pass = side === "beside" ? Effect.runFork(Effect.provide(Pruning.prunePass(retentionByDefault), context)) : null
        const loaded = await load(engine, () => performance.now() >= until)
        if (pass !== null) await Effect.runPromise(Fiber.interrupt(pass))
        lives += loaded.lives
        sides[side].push(loaded)
      }
      for (let round = 0; round < rounds; round++) for (const side of ["alone", "beside"]) yield* Effect.promise(() => slice(side))
      const prunedBeside = count - (yield* (yield* EngineReader).prunable("SUCCEEDED", Date.now() - 7 * 86_400_000))
      const startedAt = process.hrtime.bigint()
      yield* Pruning.prunePass(retentionByDefault)
      const restIn = secondsSince(startedAt)
      yield* Pruning.shrinkFile
      yield* engine.checkpoint
      const storage = yield* (yield* EngineReader).storage
      const after = statSync(file).size
      const left = yield* (yield* EngineReader).prunable("SUCCEEDED", Date.now() - 7 * 86_400_000)
      // What the load added stays: the file is compared as it would be without it.
      const net = after - perLife * lives - (begun - before)
      const p99s = (side) => sides[side].map(({ took }) => quantile(took, 0.99))
      const all = (side) => sides[side].flatMap(({ took }) => took)
      const told = (side) =>
        `p50 ${quantile(all(side), 0.5).toFixed(2)} ms, p99 ${p99s(side).map((ms) => ms.toFixed(1)).join(", ")} ms in ${rounds} rounds, ${format(median(sides[side].map(({ perSecond }) => perSecond)))}`
      const ratio = median(p99s("beside").map((ms, round) => ms / p99s("alone")[round]))
      line("commits without pruning", told("alone"), null)
      line("commits beside pruning", told("beside"), null)
      line("pruned beside them", `${format(prunedBeside / (rounds * seconds))}; without load the rest in ${restIn.toFixed(0)} s, ${format((count - prunedBeside) / restIn)}`, null)
      return [
        line("left to prune", `${left}`, left === 0),
        line("p99 of a commit", `${ratio.toFixed(2)} of that without (median of ${rounds} rounds), wanted < 2`, ratio < 2),
        line("file", `${megabytes(before)} before, ${megabytes(net)} after (${megabytes(after)} with the ${lives.toLocaleString("en-US")} that ran meanwhile; ${megabytes(storage.freeBytes)} of it free)`, net < before)
      ].every(Boolean)
    }).pipe(Effect.provide(opened(file))))
    return reached
  })
