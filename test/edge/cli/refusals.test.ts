import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { type Home, light, opsgate } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 4, testTimeout: 60_000 })

const kinds = {
  report: light(["/bin/true"], { payload: { type: "object", additionalProperties: false, properties: { n: { type: "integer" } } } }),
  say: light(["/bin/echo", "{{text}}"]),
  pair: light(["/bin/echo", "{{a}}{{b}}", "{{a}}{{a}}x"]),
  deploy: { class: "heavy", exec: { argv: ["/bin/true"] } }
}

const nobody = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

/** Every refusal of the command line: the words, what stderr must hold, the exit code. Nothing is printed on stdout. */
const refusals: ReadonlyArray<readonly [string, ReadonlyArray<string>, RegExp, number]> = [
  ["an unknown verb, with a suggestion", ["evnets"], /Did you mean events\?/, 2],
  ["an unknown verb of task, with a suggestion", ["task", "sbumit"], /Did you mean submit\?/, 2],
  ["no verb", [], /Usage: opsgate/, 2],
  ["a gate that is not the first word", ["--json", "gate"], /the word gate comes first/, 254],
  ["a verify that is not the first word", ["--json", "verify", "bundle", "--strict"], /the word verify comes first/, 254],
  ["an unknown option", ["task", "list", "--colour"], /unknown option '--colour'/, 2],
  ["a limit that is no number", ["task", "list", "--limit", "many"], /a whole number/, 2],
  ["a state that is none", ["task", "list", "--state", "SLEEPING"], /Allowed choices/, 2],
  ["a reconcile without an outcome", ["task", "reconcile", nobody, "--reason", "seen"], /--outcome/, 2],
  ["an unknown kind", ["task", "submit", "nonsense"], /there is no task kind "nonsense"; declared are: report, say, pair, deploy/, 4],
  ["a payload that does not fit", ["task", "submit", "report", "{\"n\":\"one\"}"], /the payload does not fit the kind report: n must be integer/, 2],
  ["a payload with a member too many", ["task", "submit", "report", "{\"m\":1}"], /additional properties \("m"\)/, 2],
  ["a payload that is no JSON", ["task", "submit", "report", "{n:1}"], /the payload is not JSON/, 2],
  ["a payload with a number that JSON cannot hold", ["task", "submit", "report", "{\"n\":1e400}"], /a number that is too large/, 2],
  ["a payload that is nested too deep", ["task", "submit", "report", `${"[".repeat(40_000)}${"]".repeat(40_000)}`], /nested deeper than 100 levels/, 2],
  ["a payload from two places", ["task", "submit", "report", "{}", "--payload-file", "x"], /not from both/, 2],
  ["a payload file that is not there", ["task", "submit", "report", "--payload-file", "nowhere.json"], /nowhere.json cannot be read/, 2],
  ["a database for a verb that writes", ["task", "submit", "report", "--db", "x.db"], /unknown option '--db'/, 2],
  ["an empty key", ["task", "submit", "report", "--key", ""], /an idempotency key is not empty/, 2],
  ["a placeholder without its member", ["task", "submit", "say", "{}"], /text must be a text, a number or a boolean/, 2],
  ["a placeholder that would be read as an option", ["task", "submit", "say", "{\"text\":\"--help\"}"], /text must not begin with a dash/, 2],
  ["a placeholder that would be read as an option behind one that is empty", ["task", "submit", "pair", "{\"a\":\"\",\"b\":\"-rf\"}"], /b must not begin with a dash/, 2],
  ["a placeholder with a NUL", ["task", "submit", "say", "{\"text\":\"a\\u0000b\"}"], /must not contain a NUL/, 2],
  ["an unknown id", ["task", "show", nobody], /there is no task/, 4],
  ["an unknown id of a command", ["task", "cancel", nobody, "--reason", "x"], /there is no task/, 4],
  ["the end of an id that nobody has", ["task", "show", "ZZZZ"], /there is no task/, 4],
  ["a text that is no id", ["task", "show", "../../etc/passwd"], /there is no task/, 4],
  ["an empty id", ["task", "cancel", "", "--reason", "x"], /task/, 2],
  ["an id that is far too long", ["task", "cancel", "A".repeat(65), "--reason", "x"], /task/, 2],
  ["a reason that is too long", ["task", "submit", "report", "--reason", "x".repeat(2001)], /reason/, 2],
  ["a reason that is as long as an argument can be", ["task", "submit", "report", "--reason", "x".repeat(131_000)], /reason/, 2],
  ["a key that is too long", ["task", "submit", "report", "--key", "k".repeat(256)], /key/, 2],
  ["a configuration that is not there", ["task", "submit", "report", "--config", "missing.json"], /does not exist/, 2],
  ["a database that is not there", ["task", "list", "--db", "missing.db"], /missing.db does not exist/, 1]
]

const withTask = async (home: Home): Promise<string> => home.submit("deploy")

describe.concurrent("the command line", () => {
  it("refuses in words on stderr, with the exit code of the refusal, and prints nothing on stdout", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await withTask(home)
    for (const [what, args, words, code] of refusals) {
      const ended = await home.run(args)
      expect.soft({ what, code: ended.code, stdout: ended.stdout }).toEqual({ what, code, stdout: "" })
      expect.soft(ended.stderr, what).toMatch(words)
      expect.soft(ended.stderr, what).not.toMatch(/internal error|\n\s+at /)
    }
  })

  it("answers commands that the task's state does not allow with conflict, waiting and not authorised", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const id = await withTask(home)
    const table: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp, number]> = [
      [["task", "resume", id], /waits for approval/, 6],
      [["task", "approve", id], /may not decide/, 3],
      [["task", "recover", id, "--reason", "x"], /a task that is REQUESTED cannot be asked to recover; possible now: approve, reject, cancel/, 5],
      [["task", "reconcile", id, "--outcome", "failed", "--reason", "x"], /cannot be asked to reconcile/, 5],
      [["task", "cancel", id], /cancel needs a reason/, 2],
      [["task", "cancel", id, "--reason", "  "], /cancel needs a reason/, 2],
      [["task", "submit", "deploy", "{}", "--key", "k"], /^$/, 0],
      [["task", "submit", "deploy", "{\"n\":1}", "--key", "k"], /the idempotency key was used before, with another request/, 5]
    ]
    for (const [args, words, code] of table) {
      const ended = await home.run(args)
      expect.soft({ args, code: ended.code }).toEqual({ args, code })
      expect.soft(ended.stderr).toMatch(words)
    }
    expect(home.task(id)?.state).toBe("REQUESTED")
  })

  it("prints JSON alone on stdout, whether --json stands before or after the verb", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await withTask(home)
    for (const args of [["--json", "task", "list"], ["task", "--json", "list"], ["task", "list", "--json"]]) {
      const { code, stderr, stdout } = await home.run(args)
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(JSON.parse(stdout)).toMatchObject([{ kind: "deploy", state: "REQUESTED" }])
      expect(stdout.trimEnd()).not.toContain("\n")
    }
    const refused = await home.run(["task", "show", nobody, "--json"])
    expect(refused).toMatchObject({ code: 4, stdout: "" })
  })

  it("leaves nothing behind when the first submit is refused", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    expect((await home.run(["task", "submit", "nonsense"])).code).toBe(4)
    expect((await home.run(["task", "cancel", nobody, "--reason", "x"])).code).toBe(1)
    expect(readdirSync(home.folder).sort()).toEqual(["alive", "opsgate.config.json"])
  })

  it("names the candidates when the end of an id fits several tasks", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const id = await withTask(home)
    const twin = `${id.slice(0, 10)}${id[10] === "A" ? "B" : "A"}${id.slice(11)}`
    const db = new Database(home.file)
    db.prepare("INSERT INTO task (id, state, available_at_ms, expires_at_ms, epoch, parent, forked_from, spec, progress) SELECT ?, state, available_at_ms, expires_at_ms, epoch, parent, forked_from, spec, progress FROM task WHERE id = ?").run(twin, id)
    db.close()
    const { code, stderr, stdout } = await home.run(["task", "show", id.slice(-4)])
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(id)
    expect(stderr).toContain(twin)
    expect((await home.run(["task", "show", id.slice(-4).toLowerCase()])).code).toBe(2)
  })
})

describe.concurrent("a configuration", () => {
  const broken: ReadonlyArray<readonly [string, string, RegExp]> = [
    ["is not JSON", "{\"v\":1,", /is not JSON/],
    ["is no object", "[]", /must be object/],
    ["has no version", "{}", /required property 'v'/],
    ["has an unknown member", "{\"v\":1,\"wrokers\":4}", /\("wrokers"\)/],
    ["has an unknown member deep inside", "{\"v\":1,\"kinds\":{\"a\":{\"class\":\"light\",\"exec\":{\"argv\":[\"x\"],\"shell\":true}}}}", /kinds\.a\.exec .*\("shell"\)/],
    ["has a setting out of range", "{\"v\":1,\"workers\":100000}", /workers must be <= 256/],
    ["has a kind with a payload schema that is none", "{\"v\":1,\"kinds\":{\"a\":{\"class\":\"light\",\"payload\":{\"type\":\"strnig\"},\"exec\":{\"argv\":[\"x\"]}}}}", /kinds\.a: /],
    ["uses a placeholder that no payload can fill", "{\"v\":1,\"kinds\":{\"a\":{\"class\":\"light\",\"payload\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"}}},\"exec\":{\"argv\":[\"echo\",\"{{nam}}\"]}}}}", /\{\{nam\}\}/],
    ["has a kind whose name could be mistaken for an option", "{\"v\":1,\"kinds\":{\"-a\":{\"class\":\"light\",\"exec\":{\"argv\":[\"x\"]}}}}", /-a|pattern|property name/]
  ]
  it.each(broken)("that %s is refused as usage, by a submit and by the server, and nothing is started", async (_what, text, words) => {
    const ends: Array<() => void> = []
    const home = opsgate((act) => void ends.push(act), kinds)
    try {
      home.write("opsgate.config.json", text)
      for (const args of [["task", "submit", "a"], ["serve"]]) {
        const { code, stderr, stdout } = await home.run(args)
        expectRefused({ code, stdout })
        if (!words.test(stderr)) throw new Error(`${args.join(" ")} said: ${stderr}`)
      }
      if (readdirSync(home.folder).includes(".opsgate")) throw new Error("a data folder was made")
    } finally {
      ends.forEach((act) => act())
    }
  })
})

const expectRefused = (ended: { readonly code: number | null; readonly stdout: string }): void => {
  if (ended.code !== 2 || ended.stdout !== "") throw new Error(`it was not refused: ${JSON.stringify(ended)}`)
}

describe.concurrent("a database", () => {
  const files: ReadonlyArray<readonly [string, (file: string) => void, RegExp]> = [
    ["that is none", (file) => writeFileSync(file, "this is not a database, but it is more than a hundred bytes long, so that it could have a header".repeat(2)), /is not an opsgate database/],
    ["that is shorter than a header", (file) => writeFileSync(file, "SQLite format 3\u0000"), /is not an opsgate database/],
    ["of another program", (file) => {
      const db = new Database(file)
      db.exec("CREATE TABLE song (title TEXT)")
      db.close()
    }, /is a SQLite database of another program/],
    ["of a newer version", (file) => {
      const db = new Database(file)
      db.pragma(`application_id = ${0x4f505347}`)
      db.pragma("user_version = 99")
      db.exec("CREATE TABLE store (id TEXT)")
      db.close()
    }, /was written by a newer opsgate \(schema 99, this one knows up to \d+\)/],
    ["that is a folder", (file) => mkdirSync(file), /is not an opsgate database/]
  ]
  for (const [what, make, words] of files) {
    it(`${what} is refused by every verb, and left as it is, without a file beside it`, async ({ expect, onTestFinished }) => {
      const home = opsgate(onTestFinished, kinds)
      mkdirSync(home.dataDir)
      make(home.file)
      const bytes = () => (statSync(home.file).isFile() ? readFileSync(home.file).toString("base64") : "a folder")
      const before = bytes()
      for (const args of [["task", "submit", "report"], ["task", "list"], ["events"], ["ops-summary"], ["serve"], ["task", "cancel", nobody, "--reason", "x"]]) {
        const { code, stderr, stdout } = await home.run(args)
        expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" })
        expect(stderr).toMatch(words)
      }
      expect(bytes()).toBe(before)
      expect(readdirSync(home.dataDir)).toEqual(["opsgate.db"])
    })
  }

  it("that is an empty file is made, like one that is not there", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    mkdirSync(home.dataDir)
    writeFileSync(home.file, "")
    expect(await home.run(["task", "list"])).toMatchObject({ code: 1, stdout: "" })
    await home.submit("report")
    expect(home.tasks()).toHaveLength(1)
  })
})

/** Sends bytes to the server's socket and answers what comes back until the end. */
const exchange = (path: string, text: string): Promise<string> =>
  new Promise((resolve) => {
    let reply = ""
    const socket = connect(path, () => void socket.write(text))
    socket.setEncoding("utf8").on("data", (chunk: string) => (reply += chunk))
    socket.on("error", () => undefined)
    socket.on("close", () => resolve(reply))
  })

describe.concurrent("the command socket", () => {
  it("refuses what is no command and a line that is too long, on record and in a sentence, and lets nobody else in", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    await home.serve()
    expect(statSync(home.socket).mode & 0o777).toBe(0o600)
    const ask = (reason: string) => `${JSON.stringify({ v: 1, ask: { op: "submit", kind: "report", payload: {}, reason }, key: null })}\n`
    for (const line of ["nonsense\n", "{}\n", "\n", ask("x".repeat(1_000_000)), ask("x").replace("\"key\"", "\"actor\":\"cli:root\",\"key\"")]) {
      expect(await exchange(home.socket, line)).toContain("\"tag\":\"AskMalformed\"")
    }
    expect(await exchange(home.socket, ask("x".repeat(1_000_000)))).toContain("a reason has at most 2000 characters")
    expect(await exchange(home.socket, ask("\u001b[2J"))).toContain("no control characters")
    expect(await exchange(home.socket, "x".repeat(1_200_000))).toContain("the command is longer than 1048576 bytes")
    const stored = home.events().filter(({ type }) => type === "command.refused").map(({ payload }) => payload ?? "")
    expect([stored.length, Math.max(...stored.map(({ length }) => length)) < 300, stored.some((text) => /xx|u001b/.test(text))]).toEqual([8, true, false])
    const deep = (levels: number) => ask("x").replace("{}", `${"[".repeat(levels)}${"]".repeat(levels)}`)
    expect(await exchange(home.socket, deep(400_000))).toBe("")
    expect(await exchange(home.socket, deep(101))).toContain("nested deeper than 100 levels")
    expect(home.tasks()).toEqual([])
    expect(await exchange(home.socket, ask("x"))).toContain("\"ok\"")
  })

  it("takes the largest payload that is allowed, and refuses a larger one as usage, with the server up and down", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { big: light(["/bin/true"]) }, { workers: 0 })
    const payload = (bytes: number, text: string) => JSON.stringify({ text: text.repeat(Math.floor((bytes - 11) / Buffer.byteLength(text))) })
    home.write("most.json", payload(1_000_000, "x"))
    home.write("more.json", payload(1_000_200, "x"))
    home.write("wide.json", payload(1_900_000, "ü"))
    const outcomes = async () => {
      const codes: Array<number | null> = []
      for (const name of ["most", "more", "wide"]) codes.push((await home.run(["task", "submit", "big", "--payload-file", `${name}.json`])).code)
      return codes
    }
    const down = await outcomes()
    await home.serve()
    expect({ down, up: await outcomes() }).toEqual({ down: [0, 2, 2], up: [0, 2, 2] })
    expect(home.tasks()).toHaveLength(2)
  })

  it("is refused to a server whose path would be cut, since it would be another folder's as well", async ({ expect, onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "opsgate-cli-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const long = join(folder, "l".repeat(110))
    const [one, two] = ["one", "two"].map((name) => {
      mkdirSync(join(long, name), { recursive: true })
      return opsgate(onTestFinished, kinds, { workers: 0 }, join(long, name))
    })
    expect(await one?.run(["serve"])).toMatchObject({ code: 1, stderr: expect.stringContaining("not longer than 107 bytes") })
    // A server of whoever owns the cut path must not hear what is meant for another.
    let heard = 0
    const stranger = createServer((socket) => {
      heard += 1
      socket.destroy()
    })
    await new Promise<void>((resolve) => stranger.listen(two?.socket, resolve))
    await two?.submit("report")
    stranger.close()
    expect({ heard, stored: two?.tasks().length }).toEqual({ heard: 0, stored: 1 })
  })

  it("survives a server that was killed: the next command decides itself, the next server takes the socket over", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    const server = await home.serve()
    server.signal("SIGKILL")
    await server.ended
    expect(statSync(home.socket).isSocket()).toBe(true)
    await home.submit("report")
    await home.serve()
    await home.submit("report")
    expect(home.tasks()).toHaveLength(2)
  })
})

describe.concurrent("a terminal", () => {
  const nasty = "\u001b[31mred\u001b]0;title\u0007\u009b2J\u202egnp.exe\u200b\u0008"
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/

  it("gets no control character raw: not from a payload, a reason, a key, a verb, nor from what a command printed", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, {
      noisy: light(["/bin/sh", "-c", "cat >&2; printf '\\033[2J\\233\\302\\2332J' >&2; exit 3"], { retry: { attempts: 1 } })
    })
    const submitted = await home.run(["task", "submit", "noisy", JSON.stringify({ text: nasty }), "--json"])
    const refused = await home.run(["task", "submit", "noisy", "{}", "--reason", nasty])
    expect([refused.code, refused.stderr, refused.stdout]).toEqual([2, "opsgate: the words of a command hold no control characters and none that turn the direction of a line\n", ""])
    const { task }: { readonly task: string } = JSON.parse(submitted.stdout)
    await home.serve()
    await home.untilTask(task, "FAILED")
    for (const args of [["task", "show", task], ["task", "list"], ["events"], ["task", "show", task, "--json"], ["task", "list", "--json"], ["ops-summary"]]) {
      const { code, stderr, stdout } = await home.run(args)
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: "" })
      expect.soft(stdout, args.join(" ")).not.toMatch(raw)
    }
    for (const args of [[nasty], ["task", nasty], ["task", "show", nasty], ["task", "submit", nasty], ["task", "list", `--${nasty}`], ["task", "submit", "noisy", "--payload-file", nasty], ["task", "list", "--db", nasty], ["task", "submit", "noisy", "--config", nasty]]) {
      const { code, stderr, stdout } = await home.run(args)
      expect.soft(code, JSON.stringify(args)).not.toBe(0)
      expect.soft(stderr + stdout, JSON.stringify(args)).not.toMatch(raw)
    }
    expect(home.read(join(".opsgate", "runs", task, "1-1", "stderr.log"))).toContain("\u001b[2J")
  })
})

describe.concurrent("a folder", () => {
  it("that cannot be made is refused, in words", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    writeFileSync(home.path("file"), "")
    home.write("opsgate.config.json", JSON.stringify({ v: 1, data_dir: "file/inside", kinds }))
    const { code, stderr, stdout } = await home.run(["task", "submit", "report"])
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toMatch(/the store cannot make the data folder/)
  })
})
