/**
 * `opsgate ops-summary --json` as a whole process, start included, on a file with 100,000 tasks; beside it the start of node
 * itself, which nothing can beat. The file is filled through the shipped bundle's engine.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Layer } from "effect"
import { Engine, Idempotency, Ids, Live, Request, SqliteEngine } from "../../dist/index.js"
import { kind } from "./kind.mjs"

const tasks = Number(process.env.BENCH_TASKS ?? 100_000)
const runs = Number(process.env.BENCH_RUNS ?? 21)
const wantedMs = 200


const fill = (engine, index) => {
  const command = { ask: { op: "submit", kind: kind.name, payload: { n: index }, reason: null }, actor: "cli:bench", channel: "cli", key: `${index}`, trace: "0123456789abcdef0123456789abcdef" }
  const id = Ids.taskIdFrom(Date.now(), [index / 1e7, Math.random()])
  return engine.commit({ tasks: [], key: command.key, rule: ({ stored }, now) => Idempotency.oncePerKey(command, stored, () => Request.submit(command, kind, id, now)) })
}

const wallMs = (...words) => {
  const startedAt = process.hrtime.bigint()
  const { status, stdout } = spawnSync(process.execPath, words)
  if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}`)
  return { ms: Number(process.hrtime.bigint() - startedAt) / 1e6, stdout }
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

export const summaryBench = async () => {
  const dir = mkdtempSync(join(tmpdir(), "opsgate-bench-"))
  try {
    const file = join(dir, "opsgate.db")
    const filled = Effect.flatMap(Engine, (engine) => Effect.forEach(Array.from({ length: tasks }, (_, index) => index), (index) => fill(engine, index), { concurrency: 500, discard: true }))
    await Effect.runPromise(filled.pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-bench" }).pipe(Layer.provide(Live.layer)))))
    const program = fileURLToPath(new URL("../../dist/opsgate.js", import.meta.url))
    const { stdout } = wallMs(program, "ops-summary", "--json", "--db", file)
    const queued = JSON.parse(stdout.toString()).tasks.queued
    if (queued !== tasks) throw new Error(`ops-summary counts ${queued} queued tasks, ${tasks} are there`)
    const summaries = []
    const bare = []
    for (let run = 0; run < runs; run++) {
      summaries.push(wallMs(program, "ops-summary", "--json", "--db", file).ms)
      bare.push(wallMs("-e", "0").ms)
    }
    const wall = median(summaries)
    console.log(`ops-summary on ${tasks.toLocaleString("en-US")} tasks: ${wall.toFixed(0)} ms (${Math.min(...summaries).toFixed(0)}–${Math.max(...summaries).toFixed(0)}) of wall clock, node alone ${median(bare).toFixed(0)} ms, wanted < ${wantedMs} ms`)
    return wall < wantedMs
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
