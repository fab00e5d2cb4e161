import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import type { LogEvent } from "../../gate/History.ts"
import { chainIntact } from "../../gate/invariant/chainIntact.ts"
import { light, opsgate, until } from "../edge/cli/Opsgate.ts"
import { run, scenario, score } from "../gate/invariant/Story.ts"
import { disk, remount } from "../disk.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 60_000 })

const kinds = { report: light(["/bin/true"]), big: light(["/bin/true"]) }
const logOf = (text: string): ReadonlyArray<LogEvent> => text.split("\n").filter((line) => line !== "").map((line): LogEvent => JSON.parse(line))
const verdictOn = (events: ReadonlyArray<LogEvent>): string => score(chainIntact(run({ ...scenario({}), events })))
const leftIn = (folder: string): ReadonlyArray<string> => readdirSync(folder).filter((name) => name.includes("copy"))

describe.concurrent("a backup", () => {
  it("that is made while 1,000 changes a second are stored is the file as it was at one commit, and takes no change away", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    mkdirSync(home.dataDir)
    const writer = spawn(process.execPath, [fileURLToPath(new URL("./writer.mjs", import.meta.url)), home.file], { stdio: ["pipe", "pipe", "inherit"] })
    onTestFinished(() => void writer.kill("SIGKILL"))
    let said = ""
    writer.stdout.setEncoding("utf8").on("data", (chunk: string) => (said += chunk))
    await until("a writer at work", () => said.includes("ready\n"))
    said = ""
    writer.stdin.write("?")
    const before = Number(await until("a count", () => said.includes("\n") && said))
    const copies = ["copy-1.db", "copy-2.db"]
    for (const name of copies) expect(await home.run(["backup", name])).toMatchObject({ code: 0, stderr: "" })
    said = ""
    writer.stdin.end()
    await once(writer, "close")
    const end: { readonly sent: number; readonly acknowledged: number; readonly failed: number } = JSON.parse(said)
    expect(end.failed).toBe(0)
    expect(home.query("SELECT COUNT(*) AS n FROM task")).toEqual([{ n: end.acknowledged }])
    for (const name of copies) {
      const log = logOf((await home.run(["events", "--db", name])).stdout)
      const sidecar: { readonly head: object; readonly counts: { readonly tasks: number } } = JSON.parse(home.read(`${name}.json`))
      expect(verdictOn(log)).toBe(`${log.length}/${log.length}`)
      expect(sidecar.head).toEqual({ seq: log.length, hash: log.at(-1)?.hash })
      expect(sidecar.counts.tasks).toBeGreaterThanOrEqual(before)
      expect(sidecar.counts.tasks).toBeLessThan(end.acknowledged)
      // Every change is whole in it: three events are the request of one task.
      expect(log.length).toBe(sidecar.counts.tasks * 3)
    }
  })

  it("is one file that can be read where nothing can be written, and that others cannot read", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(4096, onTestFinished)
    if (folder === undefined) return skip("a read-only disk can be mounted by root only")
    const home = opsgate(onTestFinished, kinds)
    const id = await home.submit("report")
    await home.serve()
    const copy = join(folder, "copy.db")
    const { code, stdout } = await home.run(["backup", copy, "--json"])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ v: 1, file: copy, bytes: statSync(copy).size })
    expect(statSync(copy).mode & 0o777).toBe(0o600)
    expect([...readFileSync(copy).subarray(18, 20)]).toEqual([1, 1])
    remount(folder, "ro")
    expect(leftIn(folder)).toEqual(["copy.db", "copy.db.json"])
    const shown = await home.run(["task", "show", id, "--db", copy])
    expect(shown).toMatchObject({ code: 0, stderr: "" })
    expect((await home.run(["doctor", "--db", copy, "--json"])).stdout).not.toContain("journal_mode")
  })

  it("replaces nothing unless it is told to, and never the database", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    const first = home.read("copy.db.json")
    await home.submit("report")
    expect(await home.run(["backup", "copy.db"])).toMatchObject({ code: 5, stdout: "", stderr: expect.stringContaining("exists") })
    expect(home.read("copy.db.json")).toBe(first)
    expect((await home.run(["backup", "copy.db", "--force"])).code).toBe(0)
    expect(home.read("copy.db.json")).not.toBe(first)
    expect((await home.run(["backup", home.file, "--force"]))).toMatchObject({ code: 1, stderr: expect.stringContaining("is the database itself") })
    expect((await home.run(["backup", "nowhere/copy.db"]))).toMatchObject({ code: 1, stderr: expect.stringContaining("no such folder") })
    expect((await home.run(["task", "list"])).code).toBe(0)
  })

  it("of a file whose log was changed is refused, and nothing is left", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    const db = new Database(home.file)
    db.exec("UPDATE event SET actor = 'cli:mallory' WHERE seq = 2")
    db.close()
    expect(await home.run(["backup", "copy.db"])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("its event log is broken at event 2") })
    expect(readdirSync(home.folder).filter((name) => name.includes("copy"))).toEqual([])
  })

  it("that finds no room leaves nothing, whether that is seen before or in the middle", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(1600, onTestFinished)
    if (folder === undefined) return skip("a disk to fill can be mounted by root only")
    const home = opsgate(onTestFinished, kinds)
    home.write("payload.json", JSON.stringify({ text: "x".repeat(90_000) }))
    for (let n = 0; n < 6; n++) expect((await home.run(["task", "submit", "big", "--payload-file", "payload.json"])).code).toBe(0)
    writeFileSync(join(folder, "ballast"), "x".repeat(200_000))
    const early = await home.run(["backup", join(folder, "copy.db")])
    expect(early).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/it needs \d+ bytes, and the disk has \d+/) })
    expect(leftIn(folder)).toEqual([])
    // A disk that fills up while the copy is made: what was free a moment ago is promised by a look that lies.
    const lies = "import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module'; fs.statfsSync = () => ({ bavail: 1e9, bsize: 4096 }); syncBuiltinESMExports()"
    writeFileSync(join(folder, "ballast"), "x".repeat(1_300_000))
    const late = await home.run(["backup", join(folder, "copy.db")], { node: ["--import", `data:text/javascript,${encodeURIComponent(lies)}`] })
    expect(late).toMatchObject({ code: 1, stdout: "", stderr: "opsgate: the store cannot write the backup: the disk is full\n" })
    expect(readdirSync(folder)).toEqual(["ballast"])
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
  })

  it("that is stopped in the middle says so, and leaves nothing", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    const db = new Database(home.file)
    db.exec("CREATE TABLE ballast (x); INSERT INTO ballast VALUES (zeroblob(100000000))")
    db.close()
    const stopped = home.launch(["backup", "copy.db"])
    await until("a backup in its middle", () => existsSync(home.path(`.copy.db.${stopped.pid}.part`)))
    stopped.signal("SIGINT")
    expect(await stopped.ended).toMatchObject({ code: 130, stdout: "", stderr: expect.stringContaining("the backup was stopped") })
    expect(leftIn(home.folder)).toEqual([])
  })

  it("that was killed leaves nothing that the next one does not clear away", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    const dead = home.launch(["--version"])
    await dead.ended
    for (const end of ["", "-journal"]) writeFileSync(home.path(`.copy.db.${dead.pid}.part${end}`), "half")
    writeFileSync(home.path(`.copy.db.${process.pid}.part`), "somebody else's")
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    expect(readdirSync(home.folder).filter((name) => name.includes("copy")).sort()).toEqual([`.copy.db.${process.pid}.part`, "copy.db", "copy.db.json"])
    expect(existsSync(home.file)).toBe(true)
  })
})
