import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"
import { describe, it, vi } from "vitest"
import { type Home, light, opsgate } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 2, testTimeout: 120_000 })

const kinds = { report: light(["/bin/true"]), env: light(["/bin/sh", "-c", "echo $OPSGATE_DISPATCH_KEY >> keys; exit 1"], { retry: { attempts: 3, base_ms: 1 } }) }

const exchange = (path: string, text: string): Promise<string> =>
  new Promise((resolve) => {
    let reply = ""
    const socket = connect(path, () => void socket.write(text))
    socket.setEncoding("utf8").on("data", (chunk: string) => (reply += chunk))
    socket.on("error", () => undefined)
    socket.on("close", () => resolve(reply))
  })

const lineOf = (payload: object, key: string) => `${JSON.stringify({ v: 1, ask: { op: "submit", kind: "report", payload, reason: null }, key })}\n`

const reads = (home: Home) => home.events("audit.read").map(({ payload, task }) => ({ task, what: JSON.parse(payload ?? "{}").what, text: payload }))

describe.concurrent("opsgate audit", () => {
  for (const up of [true, false]) {
    it(`puts a look on record before it is taken, without the data, with the server ${up ? "up" : "down"}`, async ({ expect, onTestFinished }) => {
      const home = opsgate(onTestFinished, kinds, { workers: 0 })
      const id = await home.submit("report", { password: "hunter2-in-a-payload" })
      if (up) await home.serve()
      expect((await home.run(["task", "show", id])).stdout).not.toContain("hunter2")
      expect(reads(home)).toEqual([])
      expect((await home.run(["task", "show", id.slice(-6), "--raw"])).stdout).toContain("hunter2")
      expect((await home.run(["audit", "list", "--task", id])).code).toBe(0)
      expect((await home.run(["audit", "export", "--out", "log.jsonl"])).code).toBe(0)
      expect((await home.run(["audit", "keys"])).code).toBe(0)
      expect(reads(home).map(({ task, what }) => [what, task])).toEqual([["payload", id], ["audit", id], ["audit", null], ["keys", null]])
      expect(reads(home).some(({ text }) => (text ?? "").includes("hunter2"))).toBe(false)
    })
  }

  it("shows nothing sensitive that cannot be put on record, and says what else may be looked at", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    const id = await home.submit("report", { text: "payload" })
    copyFileSync(home.file, home.path("copy.db"))
    writeFileSync(home.path("opsgate.config.json"), "{\"v\":1,\"kinds\":7}")
    const refused = await home.run(["task", "show", id, "--raw"])
    expect([refused.code === 0, refused.stdout, refused.stderr]).toEqual([false, "", expect.stringContaining("cannot be put on record, and nothing is shown. A copy may be looked at: --db <file>")])
    const copy = await home.run(["task", "show", id, "--raw", "--db", "copy.db"])
    expect([copy.code, copy.stderr.includes("not on record"), copy.stdout.includes("payload")]).toEqual([0, true, true])
    expect(reads(home)).toEqual([])
    // The configured file is the configured file, whatever it is called.
    const itself = await home.run(["task", "show", id, "--raw", "--db", home.file])
    expect([itself.code === 0, itself.stdout]).toEqual([false, ""])
  })

  it("exports what verify accepts, with no server and no configuration, and refuses what was changed, cut or replaced", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    for (let number = 0; number < 2; number++) await home.submit("report", { number })
    const first = await home.run(["audit", "export", "--out", "one.jsonl", "--json"])
    const head: string = JSON.parse(first.stdout).head
    await home.submit("report", { number: 6 })
    const piped = await home.run(["audit", "export"])
    home.write("elsewhere/two.jsonl", piped.stdout)
    const cwd = home.path("elsewhere")
    const verify = (...args: ReadonlyArray<string>) => home.run(["audit", "verify", ...args], { cwd })
    expect((await verify("two.jsonl")).code).toBe(0)
    expect(await verify("two.jsonl", "--head", head)).toMatchObject({ code: 0, stdout: expect.stringContaining("is that of event ") })
    expect((await verify("two.jsonl", "--head", "a".repeat(64))).code).toBe(1)
    home.write("elsewhere/bad.jsonl", piped.stdout.replace("\"report\"", "\"rep0rt\""))
    const bad = await verify("bad.jsonl", "--json")
    expect([bad.code, JSON.parse(bad.stdout).ok, bad.stderr.trimEnd().split("\n").length]).toEqual([1, false, 1])
    expect(await verify("nowhere.jsonl")).toMatchObject({ code: 2, stdout: "" })
    expect((await verify("two.jsonl", "--head", "abc")).code).toBe(2)
    writeFileSync(home.path("elsewhere/latin.jsonl"), Buffer.from([0xff, 0xfe, 10]))
    expect((await verify("latin.jsonl")).stderr).toContain("is not UTF-8")
    const again = await home.run(["audit", "export", "--out", "one.jsonl"])
    expect([again.code, readFileSync(home.path("one.jsonl"), "utf8").includes(head)]).toEqual([5, true])
    expect((await home.run(["audit", "export", "--out", "one.jsonl", "--force", "--after", "2"])).code).toBe(0)
    expect((await verify("../one.jsonl")).stdout).toMatch(/verified: \d+ events of db-[0-9a-f]+, 3 to /)
  })

  it("is checked by hand with the commands of docs/audit.md", async ({ expect, onTestFinished }) => {
    const script = /```sh\n(#!\/bin\/bash[\s\S]*?)```/.exec(readFileSync(fileURLToPath(new URL("../../../docs/audit.md", import.meta.url)), "utf8"))?.[1] ?? ""
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    for (let number = 0; number < 3; number++) await home.submit("report", { text: "ünï \"quoted\" \\", number })
    await home.run(["task", "cancel", "ZZZZ", "--reason", "naïve \"reason\" \\ with a tab\tand a line\nfeed"])
    await home.run(["audit", "export", "--out", "audit.jsonl"])
    home.write("check.sh", script)
    chmodSync(home.path("check.sh"), 0o700)
    const check = (file: string) => spawnSync("bash", [home.path("check.sh"), file], { cwd: home.folder, encoding: "utf8" })
    expect(execFileSync("bash", ["-n", home.path("check.sh")], { encoding: "utf8" })).toBe("")
    expect(check("audit.jsonl")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+ events, head [0-9a-f]{64}\n$/), stderr: "" })
    const text = readFileSync(home.path("audit.jsonl"), "utf8")
    home.write("payload.jsonl", text.replace("\"report\"", "\"rep0rt\""))
    home.write("header.jsonl", text.replace("\"type\":\"task.queued\"", "\"type\":\"task.failed\""))
    home.write("gap.jsonl", text.split("\n").filter((_, index) => index !== 2).join("\n"))
    expect([check("payload.jsonl").status, check("header.jsonl").status, check("gap.jsonl").status]).toEqual([1, 1, 1])
  })
})

describe.concurrent("a request with a key, through the socket,", () => {
  it("that comes many times at once makes one task: the others are told that it is being decided, or get its answer", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    await home.serve()
    const replies = await Promise.all(Array.from({ length: 30 }, () => exchange(home.socket, lineOf({ n: 1 }, "one"))))
    const granted = replies.filter((reply) => reply.includes("\"ok\""))
    const passing = replies.filter((reply) => reply.includes("still being decided"))
    expect([granted.length + passing.length, new Set(granted).size, home.tasks().length]).toEqual([30, 1, 1])
    expect(home.events("idempotency.in_progress")).toHaveLength(passing.length)
    expect(home.events("idempotency.replayed")).toHaveLength(granted.length - 1)
    expect((await exchange(home.socket, lineOf({ n: 2 }, "one")))).toContain("used before, with another request")
    const { code } = await home.run(["task", "submit", "report", "{\"n\":1}", "--key", "one"])
    expect(code).toBe(0)
  })
})

describe.concurrent("the dispatch key of a task", () => {
  it("duplicate dispatch request becomes no-op: it is the same for every attempt, and a repeated resume starts nothing", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    // Asked before anybody runs it, so that it is still queued when it is asked again.
    const id = await home.submit("env")
    expect((await home.run(["task", "resume", id])).stdout).toContain("unchanged")
    await home.serve()
    await home.untilTask(id, "FAILED")
    const keys = readFileSync(home.path("keys"), "utf8").trim().split("\n")
    expect([keys.length, new Set(keys)]).toEqual([3, new Set([id])])
  })
})
