/** A window of production, end to end: a server at work, the built gate that reads its file, and a stranger who verifies the bundle. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, it, onTestFinished } from "vitest"
import { type Ended, opsgate, start, until } from "../../edge/cli/Opsgate.ts"

const repository = fileURLToPath(new URL("../../..", import.meta.url))

/** The gate in a folder of its own: it lays the public half of a new key beside the pinned ones. */
const gateIn = (atTheEnd: (act: () => void) => void) => {
  const root = mkdtempSync(join(tmpdir(), "opsgate-window-"))
  atTheEnd(() => rmSync(root, { recursive: true, force: true }))
  for (const part of ["dist", "scorecards"]) cpSync(join(repository, part), join(root, part), { recursive: true })
  // A whole package, only smaller: the gate packs what it ships.
  for (const file of ["README.md", "LICENSE"]) cpSync(join(repository, file), join(root, file))
  writeFileSync(join(root, "package.json"), JSON.stringify({ ...JSON.parse(readFileSync(join(repository, "package.json"), "utf8")), files: ["dist", "scorecards"] }))
  mkdirSync(join(root, "evidence", "keys"), { recursive: true })
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"))
  const card = JSON.parse(readFileSync(join(root, "scorecards", "v1.2-kpi.json"), "utf8"))
  const uptime = card.checks.find(({ id }: { readonly id: string }) => id === "uptime")
  // A window of seconds: slices of a tenth of one, all of which have to be good.
  const small = { ...card, name: "small", checks: [{ ...uptime, rule: "census", n_min: 5, parameters: { slice_ms: 100, beats_missed_max: 2 }, threshold_ppm: undefined, acceptance: undefined }, ...card.checks.filter(({ id }: { readonly id: string }) => id === "human-intervention" || id === "approve-to-resume")] }
  writeFileSync(join(root, "scorecards", "small.json"), JSON.stringify(small))
  const run = (cwd: string, ...words: ReadonlyArray<string>): Promise<Ended> => start(process.execPath, [join(root, "dist", "opsgate.js"), ...words], { cwd, mayTakeMs: 60_000, env: { HOME: root, TZ: "Europe/Warsaw" } }).ended
  return { root, run, small: join(root, "scorecards", "small.json"), key: join(root, "gate.key") }
}

const kinds = { quick: { class: "light", exec: { argv: ["/bin/true"] } }, asked: { class: "light", approval: "required", exec: { argv: ["/bin/true"] } }, broken: { class: "light", retry: { attempts: 1, base_ms: 1, cap_ms: 1 }, exec: { argv: ["/bin/false"] } } }

const ends: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED"])

describe("opsgate gate --window", { timeout: 180_000 }, () => {
  it("judges a server at work, and its backup; whoever has the bundle comes to the same", async ({ expect }) => {
    const home = opsgate(onTestFinished, kinds, { approvals: { self: true }, lease_ms: 4000 })
    const { key, root, run, small } = gateIn(onTestFinished)
    await home.serve()
    const readyAt = Date.now()
    // The window is of whole seconds: it begins within the first one that the server was there.
    await until("the second in which the window begins", () => Date.now() - readyAt > 1000)
    const ids = await Promise.all(["quick", "asked", "broken"].map((kind) => home.submit(kind)))
    const [, asked = "", broken = ""] = ids
    for (const op of ["approve", "resume"]) expect(await home.run(["task", op, asked])).toMatchObject({ code: 0 })
    await until("the failure", () => home.task(broken)?.state === "FAILED")
    expect(await home.run(["task", "dismiss", broken, "--reason", "it was a try"])).toMatchObject({ code: 0 })
    await until("every task to end", () => home.tasks().every(({ state }) => ends.has(state)))
    const untilMs = Date.now()
    const seconds = Math.floor((untilMs - readyAt) / 1000)
    const words = ["gate", "--window", `${seconds}s`, "--until", new Date(untilMs).toISOString(), "--scorecard", small, "--key", key, "--json"]

    const judged = await run(home.folder, ...words, "--out", join(root, "one"))
    expect(judged, judged.stderr).toMatchObject({ code: 1 })
    const { result, window } = JSON.parse(judged.stdout)
    const lines = new Map(result.lines.map((line: { readonly id: string }) => [line.id, line]))
    expect(lines.get("uptime")).toMatchObject({ verdict: "PASS", good: seconds * 10, traffic: ["operator, production, 1 scenario"] })
    expect(lines.get("approve-to-resume")).toMatchObject({ verdict: "INSUFFICIENT", censored: 1, total: 0 })
    expect(lines.get("human-intervention")).toMatchObject({ verdict: "FAIL", good: 2, total: 3, figures: { interventions: 1 } })
    expect(result).toMatchObject({ decision: "NO-GO", use: true })
    expect(readdirSync(join(root, "one", "scenarios"))).toEqual(["window.json"])
    expect(window).toMatchObject({ start_ms: untilMs - seconds * 1000, end_ms: untilMs })
    expect(JSON.parse(readFileSync(join(root, "one", "scenarios", "window.json"), "utf8"))).toMatchObject({ world: "production", started_at: window.start_ms, ended_at: untilMs, window: { zone: "Europe/Warsaw", pruned: 0 } })
    expect(await run(home.folder, "verify", join(root, "one"))).toMatchObject({ code: 1, stdout: expect.stringMatching(/^NO-GO {2}run .*, profile window/) })

    // The same window, of a backup and by the name of the file: the same counts.
    const copy = join(root, "copy", "opsgate.db")
    mkdirSync(dirname(copy))
    expect(await home.run(["backup", copy])).toMatchObject({ code: 0 })
    const again = await run(root, ...words, "--db", copy, "--out", join(root, "two"))
    expect(again, again.stderr).toMatchObject({ code: 1 })
    const counts = ({ lines: all }: { readonly lines: ReadonlyArray<Record<string, unknown>> }) => all.map(({ bad, excluded, good, id, total, verdict }) => ({ bad, excluded, good, id, total, verdict }))
    expect(counts(JSON.parse(again.stdout).result)).toEqual(counts(result))

    // A log that was changed behind the signature.
    const log = join(root, "two", "events", "window.jsonl")
    writeFileSync(log, readFileSync(log, "utf8").replace("\"op\":\"dismiss\"", "\"op\":\"approve\""))
    expect(await run(root, "verify", join(root, "two"))).toMatchObject({ code: 1, stderr: expect.stringContaining("events/window.jsonl was changed") })
  })

  it("refuses in one sentence what it cannot judge, and writes nothing", async ({ expect }) => {
    const home = opsgate(onTestFinished, kinds)
    const { key, root, run } = gateIn(onTestFinished)
    const refused = async (...words: ReadonlyArray<string>) => {
      const { code, stderr, stdout } = await run(home.folder, "gate", ...words, "--key", key, "--out", join(root, "out"))
      return { code, stdout, sentence: stderr.trim().split("\n") }
    }
    const saying = (sentence: string) => ({ code: 254, stdout: "", sentence: [expect.stringContaining(sentence)] })
    expect(await refused("--window", "1d")).toEqual(saying("opsgate.db does not exist"))
    expect(await home.run(["task", "submit", "quick"])).toMatchObject({ code: 0 })
    writeFileSync(join(root, "empty.db"), "")
    expect(await refused("--window", "1d")).toEqual(saying("the window of 1d is longer than the log, which begins at 20"))
    expect(await refused("--window", "1d", "--db", join(root, "nowhere.db"))).toEqual(saying("nowhere.db does not exist"))
    expect(await refused("--window", "1d", "--db", join(root, "empty.db"))).toEqual(saying("empty.db is empty"))
    expect(await refused("--window", "1d", "--db", join(root, "package.json"))).toEqual(saying("is not an opsgate database"))
    expect(await refused("--window", "soon")).toEqual(saying("--window wants a whole number"))
    expect(await refused("--window", "1d", "--db", "a", "--config", "b")).toEqual(saying("one of them is enough"))
    expect(await refused("--window", "1d", "--profile", "quick")).toEqual(saying("Unknown option '--profile'"))
    expect(await refused("--until", "2026-11-20T18:00:00Z")).toEqual(saying("Unknown option '--until'"))
    expect(await refused("--window", "1s", "--scorecard", join(root, "scorecards", "quick.json"))).toEqual(saying("scorecard quick does not say how a window is counted"))
    expect(readdirSync(root).toSorted()).toEqual(["LICENSE", "README.md", "dist", "empty.db", "evidence", "node_modules", "package.json", "scorecards"])
    expect(readdirSync(join(root, "evidence", "keys"))).toEqual([])
  })
})
