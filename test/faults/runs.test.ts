/** Folders of runs that cannot be made: no run is to blame, so none is counted, and work goes on when there is room. */
import { symlinkSync, mkdirSync } from "node:fs"
import { describe, it, vi } from "vitest"
import { light, opsgate, until } from "../edge/cli/Opsgate.ts"
import { disk, remount } from "../disk.ts"
import { inForce, noMount, opsOf, skipLoudly } from "./Faults.ts"

vi.setConfig({ testTimeout: 60_000 })

describe("a disk of runs without room for another folder", () => {
  it("costs no task an attempt, is told in /ops, and is over by itself", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(8000, onTestFinished)
    if (folder === undefined) return skipLoudly(skip, noMount)
    const home = opsgate(onTestFinished, { report: light(["/bin/true"], { retry: { attempts: 1 } }) }, { workers: 2 })
    mkdirSync(home.dataDir, { recursive: true, mode: 0o700 })
    symlinkSync(folder, home.path(".opsgate/runs"))
    const submitted = await Promise.all(Array.from({ length: 6 }, () => home.submit("report")))
    remount(folder, "nr_inodes=2")
    await home.serve()
    const handedBack = () => home.events("task.queued").filter(({ payload }) => payload?.includes("storage_full") === true).length
    // More than one look, since the first two are handed back at once.
    await until("runs that are handed back", () => handedBack() >= 2)
    const ops = await opsOf(home)
    expect(ops).toMatchObject({ code: 7, status: "degraded" })
    expect(ops.reason_details.find(({ code }) => code === "storage_full")?.next).toMatch(/^df -h .*; df -i \//)
    remount(folder, "nr_inodes=10000")
    for (const task of submitted) await home.untilTask(task, "SUCCEEDED")
    expect(home.query("SELECT id FROM task WHERE json_extract(progress, '$.losses') > 0")).toEqual([])
    expect(home.query<{ payload: string }>("SELECT payload FROM event").filter(({ payload }) => payload.includes("lease_lost"))).toEqual([])
    expect(inForce(await opsOf(home))).not.toContain("storage_full")
  })
})
