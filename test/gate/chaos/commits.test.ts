/**
 * What counts the commits of a process counts all of them: held against the counter that SQLite itself keeps (`iChange` of the header of
 * the wal-index, sqlite.org/walformat.html).
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import Database from "better-sqlite3"
import { Effect } from "effect"
import { afterAll, assert, describe, it } from "vitest"
import { killAtEveryCommit, pointsOf } from "../../../gate/chaos/Commits.ts"
import type { Stage } from "../../../gate/chaos/Stage.ts"
import { voyageEffects, voyageKind, voyageModule, writeVoyage } from "../../../gate/chaos/Voyage.ts"
import { prepare } from "../../../gate/chaos/Workload.ts"
import type { Scenario } from "../../../gate/History.ts"
import { program } from "../../edge/cli/Opsgate.ts"

const dir = mkdtempSync(join(tmpdir(), "opsgate-commits-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const scenario: Scenario = {
  v: 1, id: "commits", title: "T", hypothesis: "H", traffic_class: "fault", seed: 1,
  workload: { script: "commits", tasks: 1, heavy_ppm: 1_000_000, concurrency: 2 },
  faults: [], limits: { wall_ms: 60_000, lease_ms: 600_000, summaries: 0 }
}
const stage: Stage = {
  workspace: { dir, program, chatService: "", env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}` } },
  scenario, chance: () => 0, requests: [], replays: [], faults: [], summaries: [], restarts: [], operations: [], encounters: [], points: [], trials: [],
  chat: { commands: [], bursts: [], calls: [], violations: [] }
}

/** How many transactions the file has seen, as the index of the write-ahead log counts them. */
const transactions = (): number => readFileSync(join(dir, ".opsgate", "opsgate.db-shm")).readUInt32LE(8)

describe("the commits of a process", { timeout: 60_000 }, () => {
  it("are counted, all of them, and the process dies at the one that was asked for", async () => {
    const counts: Array<number> = []
    prepare(dir, scenario, { workflows: [voyageModule] })
    writeVoyage(stage.workspace)
    await Effect.runPromise(Effect.scoped(killAtEveryCommit(stage, {
      errand: (n) => {
        counts.push(transactions())
        return { key: `commits:${n}`, kind: voyageKind, class: "heavy", payload: { n }, expect: { states: ["SUCCEEDED"], done_min: voyageEffects, done_max: voyageEffects } }
      },
      reconcile: null,
      before: [],
      patienceMs: 30_000,
      only: (point) => point === "7 before_commit"
    })))
    assert.match(readFileSync(join(dir, "commits.jsonl"), "utf8"), /"orders":"7 before_commit","number":7,"point":"before_commit"/)
    assert.deepStrictEqual(stage.points, pointsOf(15))
    assert.deepStrictEqual(stage.faults.map(({ hit, point }) => [point, hit.length]), [["7 before_commit", 1]])
    const [first, second] = stage.requests.map(({ task }) => task)
    const db = new Database(join(dir, ".opsgate", "opsgate.db"), { readonly: true })
    const seqs = db.prepare("SELECT seq FROM event WHERE task = ? ORDER BY seq").pluck()
    const events = { first: seqs.all(first).map(Number), second: seqs.all(second).map(Number) }
    db.close()
    // A heartbeat may have come between, which is no commit of the run.
    const [before = 0, after = 0] = counts
    assert.include([stage.points.length / 3, stage.points.length / 3 + 1], after - before)
    // Killed before the commit of the outcome of its second step, it did it again in the next process, and no other.
    assert.isAbove(events.second.length, events.first.length)
  })
})
