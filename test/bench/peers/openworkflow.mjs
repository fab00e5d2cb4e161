/** OpenWorkflow with its SQLite backend: workflows with checkpointed steps, claimed one by one by a polling worker. */
import Module from "node:module"
import { join } from "node:path"
import Database from "better-sqlite3"
import { OpenWorkflow } from "openworkflow"
import { BackendSqlite } from "openworkflow/sqlite"
import { callers, perSecond, tally } from "./measuring.mjs"
import { opened, synchronousOf } from "./sqlite.mjs"

export const name = "openworkflow"

/** node:sqlite syncs every commit; better-sqlite3 is built to leave that out in WAL mode. */
class DatabaseSync extends Database {
  constructor(file) {
    super(file)
    this.pragma("synchronous = FULL")
  }
}

const nodeSqlite = () => process.getBuiltinModule?.("node:sqlite") !== undefined

/** The backend wants node:sqlite, which Node has from 22.5. Before that, better-sqlite3 answers the three methods that it uses. */
const withSqlite = (use) => {
  const load = Module._load
  Module._load = (request, ...rest) => (request === "node:sqlite" ? { DatabaseSync } : load(request, ...rest))
  try {
    return use()
  } finally {
    Module._load = load
  }
}

export const setup = async ({ dir }) => {
  const file = join(dir, "openworkflow.db")
  const native = nodeSqlite()
  const first = native ? undefined : opened(file)
  if (first === null) return null
  first?.close()
  const backend = native ? BackendSqlite.connect(file) : withSqlite(() => BackendSqlite.connect(file))
  const ow = new OpenWorkflow({ backend })
  const trivial = ow.defineWorkflow({ name: "trivial" }, async ({ input, step }) => {
    for (let n = 1; n <= input.steps; n++) await step.run({ name: `step-${n}` }, () => n)
  })
  // A handle learns of the end by a poll each second; the backend's own answer is the instant at which the end is stored.
  const ends = new Map()
  const complete = backend.completeWorkflowRun.bind(backend)
  backend.completeWorkflowRun = async (params) => {
    const run = await complete(params)
    ends.get(params.workflowRunId)?.()
    ends.delete(params.workflowRunId)
    return run
  }
  const workflow = (steps, count, inFlight) =>
    perSecond(count, async () => {
      const finished = tally(count)
      const worker = ow.newWorker({ concurrency: inFlight })
      let asking = true
      // The worker's own loop sleeps 50 ms or more whenever all slots are taken (13/s one at a time); its round, asked for
      // again at once, is the fastest that it can be.
      const rounds = async () => {
        while (asking) if ((await worker.tick()) === 0) await new Promise(setImmediate)
      }
      const work = callers(count, inFlight, async () => {
        const { workflowRun } = await trivial.run({ steps })
        await new Promise((resolve) => ends.set(workflowRun.id, resolve))
        finished.one()
      })
      const answer = Promise.race([work, finished.all]).finally(() => {
        asking = false
      })
      await Promise.all([answer, rounds()])
      await worker.stop()
    })
  return {
    note: `SQLite WAL, synchronous=${synchronousOf(backend.db)} (${native ? "node:sqlite" : "better-sqlite3 for node:sqlite"}); the worker's rounds without its pauses`,
    process: (count, inFlight) => workflow(0, count, inFlight),
    workflow,
    close: () => backend.stop()
  }
}
