/** When the write-ahead log is copied into the file: in a quiet moment, never in the middle of work. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Sqlite from "better-sqlite3"
import { Effect, Layer } from "effect"
import { expect, it, onTestFinished } from "vitest"
import { Engine, Flush } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { kindOf, submitted } from "./tasks.ts"

/** How many tasks the file holds without its log. */
const inFileAlone = (file: string): number => {
  const copy = `${file}.copy`
  copyFileSync(file, copy)
  const db = new Sqlite(copy)
  try {
    return Number(db.prepare("SELECT count(*) FROM task").pluck().get())
  } finally {
    db.close()
    rmSync(copy)
  }
}

it("is copied into the file once nothing was written for a moment, and not before", async () => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-checkpoint-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, "opsgate.db")
  // The quiet moments come when the test says so.
  let planned: Array<() => void> = []
  const moments = Layer.succeed(Flush, { soon: (run) => void setImmediate(run), later: (_delayMs, run) => void planned.push(run) })
  const moment = () => {
    const now = planned
    planned = []
    now.forEach((run) => run())
  }
  const layer = SqliteEngine.layer({ file, streamId: "db-test" }).pipe(Layer.provide(Layer.mergeAll(Live.instants, Live.fatal, moments)))
  await Effect.runPromise(Effect.provide(Effect.gen(function*() {
    yield* Engine
    yield* Effect.replicateEffect(submitted(kindOf()), 15)
    expect(planned).toHaveLength(0)
    yield* submitted(kindOf())
    expect(planned).toHaveLength(1)
    // Something was written since: that was no quiet moment, and the next one is waited for.
    yield* submitted(kindOf())
    moment()
    expect([inFileAlone(file), planned.length]).toEqual([0, 1])
    moment()
    expect([inFileAlone(file), planned.length]).toEqual([17, 0])
    yield* submitted(kindOf())
    expect(planned).toHaveLength(0)
  }), layer))
})
