import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { type AtTheEnd, heavy, type Home, ledger, light, opsgate, until, waiting } from "../edge/cli/Opsgate.ts"
import { applicationId, migrations } from "../../src/engine/sqlite/Migrations.ts"
import type { LogEvent, Sample } from "../../gate/History.ts"
import { chainIntact } from "../../gate/invariant/chainIntact.ts"
import { legalTransitions } from "../../gate/invariant/legalTransitions.ts"
import { singleOwner } from "../../gate/invariant/singleOwner.ts"
import { summariesAgree } from "../../gate/invariant/summariesAgree.ts"
import { writesFenced } from "../../gate/invariant/writesFenced.ts"
import { read } from "../../src/engine/sqlite/Watermark.ts"
import { offenders, run, scenario, score } from "../gate/invariant/Story.ts"
import { scribble } from "../disk.ts"
import { headIn, mark } from "./mark.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 120_000 })

const kinds = {
  report: light(["/bin/true"]),
  slow: light(waiting),
  deploy: heavy(waiting),
  publish: heavy(["/bin/sh", "-c", "echo publish >> ledger"]),
  ask: { ...heavy(["/bin/true"]), approval: "required", approval_ttl_ms: 1 },
  other: light(["/bin/true"], { schedule_to_start_ms: 1 })
}

/** Another folder with the same configuration, as on another machine. */
const elsewhere = (atTheEnd: AtTheEnd): Home => opsgate(atTheEnd, kinds, { workers: 4 })

const release = (home: Home) => home.run(["release", "--reason", "looked at all of it"])
const seqOf = (home: Home, type: string): number => home.events(type).at(-1)?.seq ?? 0
/** The runs that began by themselves: not those that the restore holds. */
const runsIn = (home: Home) => home.events("task.running").filter(({ payload }) => !(payload ?? "").includes("\"worker\":\"restore\""))

describe.concurrent("a restore elsewhere", () => {
  it("voids leases, parks what may have happened since, and starts nothing before it is released", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 2 })
    const server = await home.serve()
    const [deploying, working] = [await home.submit("deploy"), await home.submit("slow")]
    await until("both commands at work", () => ledger(home).length === 2)
    const [waitsDangerous, waitsHarmless] = [await home.submit("publish"), await home.submit("report")]
    const copy = home.path("copy.db")
    expect((await home.run(["backup", copy])).code).toBe(0)
    const { head }: { readonly head: { readonly seq: number; readonly hash: string } } = JSON.parse(home.read("copy.db.json"))
    // The world goes on: all that ran or waited comes to its end.
    home.write("release", "")
    for (const id of [deploying, working, waitsDangerous, waitsHarmless]) await home.untilTask(id, "SUCCEEDED")
    server.signal("SIGKILL")

    const there = elsewhere(onTestFinished)
    const restored = await there.run(["restore", copy, "--json"])
    expect(restored).toMatchObject({ code: 0, stderr: "" })
    expect(JSON.parse(restored.stdout)).toMatchObject({ head, held: true, set_aside: null, tasks: { requeued: 1, parked: 2, asks_anew: 0, canceled: 0 } })
    expect(there.tasks().map(({ id, lease, state, unknown }) => [id, state, lease, unknown?.code])).toEqual([
      [deploying, "RUNNING", null, "restored"],
      [working, "QUEUED", null, undefined],
      [waitsDangerous, "RUNNING", null, "restored"],
      [waitsHarmless, "QUEUED", null, undefined]
    ])
    const [first] = there.events("store.restored")
    expect(first).toMatchObject({ seq: head.seq + 1 })
    expect(JSON.parse(first?.payload ?? "")).toMatchObject({ backup_head_seq: head.seq, backup_head_hash: head.hash })

    // Held: nothing begins and nothing expires, whatever is due. What people ask for is answered.
    await there.serve()
    const late = await there.submit("report")
    const doomed = await there.submit("report")
    expect((await there.run(["task", "cancel", doomed, "--reason", "not wanted"])).code).toBe(0)
    const summary = await there.run(["ops-summary", "--check", "--json"])
    expect(summary.code).toBe(7)
    expect(JSON.parse(summary.stdout)).toMatchObject({ reasons: ["restore_hold"], reason_details: [{ next: "opsgate release --reason \"<why>\"" }] })
    expect((await there.run(["release"]))).toMatchObject({ code: 2, stderr: expect.stringContaining("needs a reason") })

    there.write("release", "")
    expect((await release(there)).code).toBe(0)
    for (const id of [working, waitsHarmless, late]) await there.untilTask(id, "SUCCEEDED")
    const from = seqOf(there, "store.released")
    expect(runsIn(there).filter(({ seq }) => seq > head.seq && seq < from)).toEqual([])

    // Neither dangerous one runs again; a person's word ends it.
    expect((await there.run(["task", "reconcile", waitsDangerous, "--outcome", "succeeded", "--reason", "it is published"])).code).toBe(0)
    expect((await there.run(["task", "reconcile", deploying, "--outcome", "retry", "--reason", "it was not"])).code).toBe(0)
    for (const id of [waitsDangerous, deploying]) await there.untilTask(id, "SUCCEEDED")
    expect(ledger(there)).toEqual(["start", "done", "start", "done"])
    expect(there.task(deploying)?.generation).toBeGreaterThan(1_000_000)
    expect(await there.run(["doctor", "--json"])).toMatchObject({ code: 0, stdout: expect.stringContaining("\"findings\":[]") })
    // The gate has nothing to say against such a log, nor against what ops-summary made of it.
    const printed: ReadonlyArray<Sample> = [{ at: Date.now(), summary: JSON.parse(summary.stdout) }, { at: Date.now(), summary: JSON.parse((await there.run(["ops-summary", "--json"])).stdout) }]
    const log = await there.run(["events"])
    const events = log.stdout.trim().split("\n").map((line): LogEvent => JSON.parse(line))
    const judged = run({ ...scenario({ journal: { summaries: printed } }), events })
    for (const measure of [chainIntact, legalTransitions, singleOwner, writesFenced, summariesAgree]) {
      expect({ measure, found: offenders(measure(judged)), score: score(measure(judged)) }).toEqual({ measure, found: [], score: expect.stringMatching(/^([1-9]\d*)\/\1$/) })
    }
  })

  it("holds its timers too: what was to expire does so when it is released, and not before", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const [asked, other] = [await home.submit("ask"), await home.submit("other")]
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    const there = elsewhere(onTestFinished)
    expect((await there.run(["restore", home.path("copy.db")])).code).toBe(0)
    await there.serve()
    const canceled = await there.submit("report")
    expect((await there.run(["task", "cancel", canceled, "--reason", "not wanted"])).code).toBe(0)
    expect(there.tasks().map(({ state }) => state)).toEqual(["REQUESTED", "QUEUED", "CANCELED"])
    expect((await release(there)).code).toBe(0)
    await there.untilTask(asked, "EXPIRED")
    await there.untilTask(other, ({ state }) => state === "EXPIRED" || state === "SUCCEEDED")
    expect(there.events("task.expired").every(({ seq }) => seq > seqOf(there, "store.released"))).toBe(true)
  })

  it("with the lost file at hand parks exactly what began after the backup", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    const [began, waits] = [await home.submit("publish"), await home.submit("publish")]
    const copy = home.path("copy.db")
    expect((await home.run(["backup", copy])).code).toBe(0)
    // One worker, and it is killed in the middle of the second.
    home.write("opsgate.config.json", JSON.stringify({ v: 1, lease_ms: 1000, workers: 1, kinds: { ...kinds, publish: heavy(["/bin/sh", "-c", "echo publish >> ledger"]) } }))
    const server = await home.serve()
    await home.untilTask(began, "SUCCEEDED")
    await home.untilTask(waits, "SUCCEEDED")
    server.signal("SIGKILL")
    await server.ended
    const db = new Database(home.file, { readonly: true })
    const lost = db.prepare<[], { n: number }>("SELECT COUNT(*) AS n FROM event").get()?.n ?? 0
    db.close()

    const there = elsewhere(onTestFinished)
    const { code, stdout } = await there.run(["restore", copy, "--old", home.file, "--json"])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ tasks: { parked: 2 }, events_lost: lost - (JSON.parse(home.read("copy.db.json")).head.seq) })
    expect(there.tasks().map(({ id, unknown }) => [id, unknown?.code])).toEqual([[began, "restored"], [waits, "restored"]])

    // The same log, cut where only the first had begun: the second is known not to have run, and runs.
    const second = elsewhere(onTestFinished)
    mkdirSync(join(second.folder, "old"))
    const old = join(second.folder, "old", "opsgate.db")
    expect((await home.run(["backup", old])).code).toBe(0)
    const cut = new Database(old)
    cut.prepare("DELETE FROM event WHERE seq >= (SELECT MIN(seq) FROM event WHERE type = 'task.running' AND task = ?)").run(waits)
    cut.close()
    expect((await second.run(["restore", copy, "--old", old])).code).toBe(0)
    expect(second.tasks().map(({ id, state, unknown }) => [id, state, unknown?.code])).toEqual([[began, "RUNNING", "restored"], [waits, "QUEUED", undefined]])
    await second.serve()
    expect((await release(second)).code).toBe(0)
    await second.untilTask(waits, "SUCCEEDED")
    expect(ledger(second)).toEqual(["publish"])

    // A log that ends before what was acknowledged, or was changed, tells nothing.
    const third = elsewhere(onTestFinished)
    mark(old, { ...headIn(home), seq: 1e6 })
    expect(await third.run(["restore", copy, "--old", old])).toMatchObject({ code: 1, stderr: expect.stringContaining("1000000 was acknowledged") })
    expect(existsSync(third.file)).toBe(false)
  })
})

describe.concurrent("a restore", () => {
  it("refuses a backup that is damaged, was exchanged or has no sidecar, and makes nothing", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    const sidecar = home.read("copy.db.json")
    const restore = () => home.run(["restore", "copy.db", "--to", "there/opsgate.db"])
    const refusals: ReadonlyArray<readonly [() => void, RegExp]> = [
      [() => writeFileSync(home.path("copy.db.json"), "{}"), /has no sidecar/],
      [() => writeFileSync(home.path("copy.db.json"), sidecar.replace(/"seq": \d+/, "\"seq\": 2")), /ends at event 3; its sidecar says 2/],
      [() => writeFileSync(home.path("copy.db.json"), sidecar.replace("\"tasks\": 1", "\"tasks\": 2")), /another number of tasks/],
      [() => {
        writeFileSync(home.path("copy.db.json"), sidecar)
        scribble(home.path("copy.db"), 5000, "x")
      }, /its digest is not the one/],
      [() => scribble(home.path("copy.db"), 0, "y"), /is not an opsgate database/]
    ]
    for (const [damage, sentence] of refusals) {
      damage()
      const { code, stderr, stdout } = await restore()
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      expect(stderr).toMatch(sentence)
      expect(stderr.trim().split("\n")).toHaveLength(1)
    }
    expect(existsSync(home.path("there/opsgate.db"))).toBe(false)
    expect(await home.run(["restore", "nothing.db"])).toMatchObject({ code: 1, stderr: expect.stringContaining("does not exist") })
  })

  it("in place does not take the folder of a run from after the backup for that of its own", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { count: light(["/bin/sh", "-c", "echo run >> ledger; [ ! -e slow ] || while [ -e alive ] && [ ! -e release ]; do sleep 0.02; done"]) })
    const id = await home.submit("count")
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    const server = await home.serve()
    await home.untilTask(id, "SUCCEEDED")
    server.signal("SIGTERM")
    await server.ended
    home.write("slow", "")
    expect((await home.run(["restore", "copy.db", "--force"])).code).toBe(0)
    expect((await release(home)).code).toBe(0)
    await home.serve()
    await until("the second run at work", () => ledger(home).length === 2)
    // The exit record of the first run lies in its folder; this one has not ended.
    expect(home.task(id)).toMatchObject({ state: "RUNNING", attempt: 1, generation: 1_000_001 })
    home.write("release", "")
    await home.untilTask(id, "SUCCEEDED")
    expect(readdirSync(join(home.dataDir, "runs", id)).sort()).toEqual(["1-1", "1-1000001"])
  })

  it("from a backup of an older version brings the file up to date", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    mkdirSync(home.dataDir)
    const db = new Database(home.file)
    db.exec(`${migrations[0]}; INSERT INTO store VALUES ('db-old', 1); PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1; PRAGMA journal_mode = WAL`)
    db.close()
    expect((await home.run(["ops-summary"])).code).toBe(0)
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    expect((await home.run(["restore", "copy.db", "--to", "there/opsgate.db"])).code).toBe(0)
    expect((await home.run(["ops-summary", "--db", "there/opsgate.db", "--json"])).stdout).toContain("restore_hold")
    expect((await home.run(["release", "--db", "there/opsgate.db", "--reason", "nothing in it", "--json"])).stdout).toContain("\"moved\":true")
  })

  it("of a file that exists sets it aside and deletes nothing, and waits for no server to be overthrown", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    await home.submit("report")
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    const after = await home.submit("report")
    const server = await home.serve()
    expect(await home.run(["restore", "copy.db", "--force"])).toMatchObject({ code: 5, stderr: expect.stringContaining("another opsgate process holds") })
    server.signal("SIGTERM")
    await server.ended
    const lost = read(home.file)
    expect(lost).toEqual(headIn(home))
    expect(await home.run(["restore", "copy.db"])).toMatchObject({ code: 5, stderr: expect.stringContaining("--force sets it aside") })
    expect(home.task(after)?.id).toBe(after)
    const { code, stdout } = await home.run(["restore", "copy.db", "--force", "--json"])
    expect(code).toBe(0)
    const report: { readonly set_aside: string; readonly events_lost: number } = JSON.parse(stdout)
    expect(report.events_lost).toBe((lost?.seq ?? 0) - 3)
    expect(home.task(after)).toBeUndefined()
    const shown = await home.run(["task", "show", after, "--db", report.set_aside, "--json"])
    expect(shown.code).toBe(0)
    expect(readdirSync(home.dataDir).filter((name) => name.includes(".part"))).toEqual([])
    // Each file has its own watermark: the start is not refused, and the old file can be put back.
    expect(read(report.set_aside)).toEqual(lost)
    expect(read(home.file)).toEqual(headIn(home))
    // It can be restored again, and is released once for each time.
    copyFileSync(home.path("copy.db"), home.path("second.db"))
    copyFileSync(home.path("copy.db.json"), home.path("second.db.json"))
    expect((await home.run(["release", "--reason", "looked", "--json"])).stdout).toContain("\"moved\":true")
    expect((await home.run(["release", "--reason", "looked", "--json"])).stdout).toContain("\"moved\":false")
  })
})
