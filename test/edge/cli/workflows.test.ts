import { mkdirSync, symlinkSync } from "node:fs"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"
import { describe, it, vi } from "vitest"
import { type AtTheEnd, type Home, ledger, light, opsgate, type Stored, until } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 4, testTimeout: 60_000 })

const root = fileURLToPath(new URL("../../../", import.meta.url))

const head = `
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { Schema } from "effect"
import { StepFailed, Task } from "opsgate"

const anything = { payload: Schema.Struct({ n: Schema.Int }) }
const say = (line) => appendFileSync("ledger", line + "\\n")
/** Says that it has begun, and ends when the file \`release\` is there. */
const slow = async (line) => {
  say(line)
  while (existsSync("alive") && !existsSync("release")) await setTimeout(10)
  return line
}
`

/** A project outside of the house that has installed the built package, with one module of tasks. */
const project = (atTheEnd: AtTheEnd, code: string, kinds: object = {}, settings: object = {}): Home => {
  const home = opsgate(atTheEnd, kinds, { workflows: ["tasks.mjs"], ...settings })
  mkdirSync(home.path("node_modules"))
  symlinkSync(root, home.path("node_modules/opsgate"))
  symlinkSync(`${root}node_modules/effect`, home.path("node_modules/effect"))
  home.write("tasks.mjs", head + code)
  return home
}

const isUnknown = (task: Stored): boolean => task.unknown !== null

interface Shown {
  readonly state: string
  readonly result: unknown
  readonly waits: { readonly for: ReadonlyArray<string>; readonly until: number | null; readonly since: number; readonly steps: ReadonlyArray<unknown> } | null
  readonly failure: { readonly code: string; readonly error: string } | null
}

const shown = async (home: Home, id: string): Promise<Shown> => JSON.parse((await home.run(["task", "show", id, "--json"])).stdout)
const stepsOf = async (home: Home, id: string): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> => JSON.parse((await home.run(["task", "steps", id, "--json"])).stdout)

/** The task that a verb answered with. */
const idIn = (stdout: string): string => {
  const answer: { readonly task: string } = JSON.parse(stdout)
  return answer.task
}

/** Until its run is parked, for a signal or a child. */
const untilWaits = async (home: Home, id: string): Promise<void> => {
  const waits = () => home.query<{ waits: string | null }>(`SELECT json_extract(progress, '$.waits') AS waits FROM task WHERE id = '${id}'`)
  await until(`${id} to wait`, () => waits().some(({ waits }) => waits !== null && waits !== "[]"))
}

const modules: ReadonlyArray<readonly [string, string, string | null, string]> = [
  ["that is not there", "none.mjs", null, "none.mjs does not exist"],
  ["that is TypeScript", "tasks.ts", "export const tasks = []", "tasks.ts is TypeScript; name the .mjs or .js file that it is compiled to"],
  ["that is no module", "tasks.json", "[]", "tasks.json is no module; name a .mjs or .js file"],
  ["that is not JavaScript", "bad.mjs", "const a = }", "bad.mjs cannot be imported: Unexpected token '}' (run it with node to see where)"],
  ["that throws", "bad.mjs", "throw new Error('first line\\nsecond')", "bad.mjs cannot be imported: first line (run it with node to see where)"],
  ["that imports what is not there", "bad.mjs", "import 'nowhere'", "bad.mjs cannot be imported: Cannot find package 'nowhere' imported from "],
  ["that exports no tasks", "bad.mjs", "export const task = 1", "bad.mjs exports no list of tasks; write `export const tasks = [...]`"],
  ["that exports something else", "bad.mjs", "import { tasks as all } from './tasks.mjs'\nexport const tasks = [...all, { kind: {} }]", "bad.mjs exports something else than a task as tasks[1]; make it with Task.define or Task.defineAsync"],
  ["that names a kind of the configuration", "tasks.mjs", `${head}export const tasks = [Task.defineAsync("command", anything, async () => 1)]`, "the kind command is declared twice"],
  ["that names a kind of another module", "bad.mjs", "export { tasks } from './tasks.mjs'", "the kind one is declared twice"],
  ["that gives a task a name that does not fit", "bad.mjs", `${head}export const tasks = [Task.defineAsync("No Name", anything, async () => 1)]`, "bad.mjs cannot be imported: a kind is named by "]
]

describe.concurrent("a module of workflows", () => {
  const one = "export const tasks = [Task.defineAsync(\"one\", anything, async () => 1)]"

  it.for(modules)("%s is refused, in one sentence", async ([, name, text, sentence], { expect, onTestFinished }) => {
    const home = project(onTestFinished, one, { command: light(["/bin/true"]) }, { workflows: name === "tasks.mjs" ? [name] : ["tasks.mjs", name] })
    if (text !== null) home.write(name, text)
    const { code, stderr, stdout } = await home.run(["task", "submit", "one", "{\"n\":1}"])
    expect({ code, stdout, lines: stderr.split("\n").length }).toEqual({ code: 2, stdout: "", lines: 2 })
    expect(stderr).toContain(`opsgate: ${home.path("opsgate.config.json")}: workflows: ${sentence}`)
    expect(await home.run(["serve"])).toEqual({ code, signal: null, stderr, stdout })
  })

  it("that never loads is refused after a while", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, "await new Promise((resolve) => globalThis.setTimeout(resolve, 60_000))\nexport const tasks = []")
    expect(await home.run(["task", "submit", "one"])).toMatchObject({ code: 2, stderr: expect.stringContaining("tasks.mjs did not load within 10 seconds") })
  })

  it("keeps no verb from ending, whatever it has opened", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, `setInterval(() => 1, 1000)\n${one}`.replace("setInterval", "globalThis.setInterval"))
    expect(await home.run(["task", "submit", "one", "{\"n\":1}"])).toMatchObject({ code: 0, stdout: expect.stringContaining("QUEUED") })
  })

  for (const up of [false, true]) {
    it(`checks payloads with the server ${up ? "up" : "down"}`, async ({ expect, onTestFinished }) => {
      const home = project(onTestFinished, one)
      if (up) await home.serve()
      for (const payload of ["{}", "{\"n\":\"1\"}", "{\"n\":1,\"m\":1}"]) {
        expect(await home.run(["task", "submit", "one", payload])).toMatchObject({ code: 2, stderr: expect.stringContaining("the payload does not fit the kind one: ") })
      }
      expect((await home.run(["task", "submit", "one", "{\"n\":1}"])).code).toBe(0)
    })
  }

  it("shares the server with kinds that are commands, and its rule about self-approval", async ({ expect, onTestFinished }) => {
    const code = "export const tasks = [Task.defineAsync(\"careful\", { ...anything, class: \"heavy\" }, async () => 1)]"
    for (const self of [true, false]) {
      const home = project(onTestFinished, code, { command: light(["/bin/true"]) }, { approvals: { self } })
      await home.serve()
      expect((await home.run(["task", "submit", "command", "--wait", "15"])).code).toBe(0)
      const id = await home.submit("careful", { n: 1 })
      expect((await home.run(["task", "approve", id])).code).toBe(self ? 0 : 3)
      expect((await home.run(["task", "resume", id, "--wait", "15"])).code).toBe(self ? 0 : 6)
    }
  })
})

describe.concurrent("a run", () => {
  const waits = `
const waits = Task.defineAsync("waits", anything, async (ctx) => {
  const n = await ctx.step("look", { effect: "read" }, async () => { say("look"); return ctx.payload.n })
  const word = await ctx.waitFor("go", { timeout: "1 hour" })
  await ctx.step("tell", { effect: "idempotent" }, async () => say("tell " + word.text + " " + n))
  return word
})
export const tasks = [waits]`

  it("that waits says for what and since when, and takes the signal over a restart", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, waits)
    const server = await home.serve()
    const id = await home.submit("waits", { n: 7 })
    await untilWaits(home, id)
    server.signal("SIGKILL")
    await server.ended
    const parked = await shown(home, id)
    expect(parked).toMatchObject({ state: "QUEUED", waits: { for: ["signal:go"], steps: [{ number: 2, name: "go" }] } })
    expect((parked.waits?.until ?? 0) - (parked.waits?.since ?? 0)).toBeGreaterThan(3_590_000)
    expect((await home.run(["task", "show", id])).stdout).toMatch(/^waits for signal go, until \S+Z at the latest, since \S+Z \(step 2 "go"\)$/m)
    expect((await home.run(["task", "signal", id, "go", "{\"text\":\"now\"}"])).code).toBe(0)
    expect(await shown(home, id)).toMatchObject({ waits: null, signals: [{ name: "go", payload: { text: "now" } }] })
    await home.serve()
    await home.untilTask(id, "SUCCEEDED")
    expect(await shown(home, id)).toMatchObject({ result: { text: "now" }, waits: null, signals: [] })
    expect(ledger(home)).toEqual(["look", "tell now 7"])
    expect(await home.run(["task", "signal", id, "go"])).toMatchObject({ code: 5 })
  })

  it("has a table of its steps", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, waits)
    await home.serve()
    const id = await home.submit("waits", { n: 7 })
    await untilWaits(home, id)
    const { stdout } = await home.run(["task", "steps", id.slice(-6)])
    const when = "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z"
    expect(stdout).toMatch(new RegExp([
      "^STEP +NAME +SORT +EFFECT +STATE +ATTEMPT +STARTED +ENDED +ERROR",
      `1 +look +code +read +succeeded +1 +${when} +${when}`,
      `2 +go +signal +read +waiting +1 +${when} +-\\n$`
    ].join("\\n")))
    expect((await home.run(["task", "show", id])).stdout).toContain(stdout.trimEnd())
    expect(await stepsOf(home, id)).toMatchObject([
      { number: 1, name: "look", sort: "code", effect: "read", state: "succeeded", result: 7, dispatch_key: `${id}:1`, error: null },
      { number: 2, name: "go", sort: "signal", state: "waiting", ended_at: null }
    ])
    expect(await home.run(["task", "steps", "ZZZZZZ"])).toMatchObject({ code: 4 })
  })

  it("is shown without a control character of what it threw", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, `
export const tasks = [Task.defineAsync("red", { ...anything, retry: { attempts: 1 } }, (ctx) =>
  ctx.step("paint", { effect: "read" }, async () => { throw new Error("\\u001b[31mred\\u009b1m\\u202e") }))]`)
    await home.serve()
    const id = await home.submit("red", { n: 1 })
    await home.untilTask(id, "FAILED")
    for (const args of [["task", "steps", id], ["task", "show", id], ["task", "steps", id, "--json"], ["task", "show", id, "--json"]]) {
      const { stdout } = await home.run(args)
      expect(stdout).toContain("[31mred")
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    }
  })

  const pays = `
const pays = Task.defineAsync("pays", anything, async (ctx) => {
  const paid = await ctx.step("pay", { effect: "dangerous", timeout: "1 minute", atMostOnce: true }, ({ dispatchKey }) => slow("pay " + dispatchKey))
  const told = await ctx.step("tell", { effect: "idempotent" }, async () => { say("tell " + ctx.payload.n); return paid })
  return told
})
const asks = Task.defineAsync("asks", anything, (ctx) => ctx.step("pay", {
  effect: "dangerous",
  timeout: "1 minute",
  probe: async ({ dispatchKey }) => readFileSync("ledger", "utf8").includes(dispatchKey) ? { happened: true, result: "found" } : { happened: false }
}, ({ dispatchKey }) => slow("pay " + dispatchKey)))
export const tasks = [pays, asks]`

  /** A run in the middle of its dangerous step. */
  const paying = async (home: Home, kind: string) => {
    const server = await home.serve()
    const id = await home.submit(kind, { n: 1 })
    await until("the step", () => ledger(home).length === 1)
    return { server, id }
  }

  const crashed = async (home: Home, kind: string): Promise<string> => {
    const { id, server } = await paying(home, kind)
    server.signal("SIGKILL")
    await server.ended
    await home.serve()
    return id
  }

  it("that was killed in a dangerous step asks its probe, and pays once", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, pays)
    const id = await crashed(home, "asks")
    await home.untilTask(id, "SUCCEEDED")
    expect(await shown(home, id)).toMatchObject({ result: "found" })
    expect(ledger(home)).toEqual([`pay ${id}:1`])
  })

  it("that was killed in a step that nobody can ask about goes on with what a person found", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, pays)
    const id = await crashed(home, "pays")
    await home.untilTask(id, isUnknown)
    expect((await home.run(["task", "show", id])).stdout).toMatch(/^unknown +since \S+Z: step 1 may or may not have happened \(/m)
    expect(await home.run(["task", "fork", id, "--step", "1", "--reason", "x"])).toMatchObject({ code: 5, stderr: expect.stringContaining("reconcile") })
    const words = ["task", "reconcile", id, "--outcome", "succeeded", "--reason", "looked"]
    expect((await home.run([...words, "--evidence", "statement 7", "--result", "{\"receipt\":7}"])).code).toBe(0)
    await home.untilTask(id, "SUCCEEDED")
    expect(await shown(home, id)).toMatchObject({ result: { receipt: 7 } })
    expect(ledger(home)).toEqual([`pay ${id}:1`, "tell 1"])
    expect(home.events().some(({ payload }) => payload?.includes("statement 7"))).toBe(true)
  })

  it("that is killed by command in a dangerous step has an unknown outcome", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, pays)
    const { id } = await paying(home, "pays")
    expect(await home.run(["task", "kill", id])).toMatchObject({ code: 2 })
    expect((await home.run(["task", "kill", id, "--reason", "enough"])).code).toBe(0)
    expect(await home.untilTask(id, isUnknown)).toMatchObject({ unknown: { code: "killed" }, cancel: { kill: true } })
  })

  it("is forked with another payload, and each knows of the other", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, pays)
    home.write("release", "")
    await home.serve()
    const id = await home.submit("pays", { n: 1 })
    await home.untilTask(id, "SUCCEEDED")
    expect(await home.run(["task", "fork", id, "--step", "3", "--reason", "x"])).toMatchObject({ code: 5, stderr: expect.stringContaining("there is no step 3; the highest that began is 2") })
    const { code, stdout } = await home.run(["task", "fork", id, "--step", "2", "--payload", "{\"n\":2}", "--reason", "again", "--json"])
    expect(code).toBe(0)
    const fork = idIn(stdout)
    await home.untilTask(fork, "SUCCEEDED")
    expect(ledger(home)).toEqual([`pay ${id}:1`, "tell 1", "tell 2"])
    expect(await shown(home, id)).toMatchObject({ forked_from: null, forks: [{ task: fork, state: "SUCCEEDED", step: 2 }] })
    expect(await shown(home, fork)).toMatchObject({ forked_from: { task: id, step: 2 }, forks: [] })
    expect(await stepsOf(home, fork)).toMatchObject([{ number: 1, copied_from: id }, { number: 2, copied_from: null }])
    expect((await home.run(["task", "show", fork])).stdout).toContain(`forked from ${id} (${id.slice(-6).toLowerCase()}), at step 2\n`)
    expect((await home.run(["task", "show", id])).stdout).toMatch(new RegExp(`^fork +${fork} .* pays SUCCEEDED, step 2$`, "m"))
  })

  it("knows its children, and they know it", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, `
const child = Task.defineAsync("child", anything, (ctx) => ctx.waitFor("go"))
const parent = Task.defineAsync("parent", anything, (ctx) => ctx.child("ask", child, { n: 2 }))
export const tasks = [child, parent]`)
    await home.serve()
    const id = await home.submit("parent", { n: 1 })
    const { id: childId } = await until("the child", () => home.query<{ id: string }>("SELECT id FROM task WHERE parent IS NOT NULL")[0])
    await untilWaits(home, childId)
    await untilWaits(home, id)
    expect(await shown(home, id)).toMatchObject({ children: [{ task: childId, kind: "child", step: 1 }], waits: { for: [`child:${childId}`], until: null } })
    expect(await shown(home, childId)).toMatchObject({ parent: { task: id, step: 1 } })
    expect((await home.run(["task", "show", id])).stdout).toContain(`waits for task ${childId.slice(-6).toLowerCase()}, since `)
    expect((await home.run(["task", "signal", childId, "go", "3"])).code).toBe(0)
    await home.untilTask(id, "SUCCEEDED")
    expect(await shown(home, id)).toMatchObject({ result: 3 })
  })

  it("undoes what it has done when it is canceled with --compensate", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, `
export const tasks = [Task.defineAsync("books", anything, async (ctx) => {
  await ctx.step("book", { effect: "idempotent", compensate: async (what) => say("undo " + what) }, async () => { say("book"); return "seat" })
  await ctx.waitFor("go")
})]`)
    await home.serve()
    for (const compensate of [false, true]) {
      const id = await home.submit("books", { n: 1 })
      await untilWaits(home, id)
      expect((await home.run(["task", "cancel", id, "--reason", "enough", ...(compensate ? ["--compensate"] : [])])).code).toBe(0)
      await home.untilTask(id, "CANCELED")
      expect(ledger(home)).toEqual(compensate ? ["book", "book", "undo seat"] : ["book"])
    }
  })
})

describe.concurrent("the words of a verb", () => {
  const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
    [["signal", "ABCDEF", "no good"], "a signal is named by 1 to 64 letters"],
    [["signal", "ABCDEF", "go", "{"], "the payload is not JSON"],
    [["signal", "ABCDEF", "go", "1e999"], "the payload holds a number that is too large"],
    [["fork", "ABCDEF", "--reason", "x"], "required option '--step <n>' not specified"],
    [["fork", "ABCDEF", "--reason", "x", "--step", "0"], "a whole number from 1 "],
    [["reconcile", "ABCDEF", "--reason", "x", "--outcome", "retry", "--result", "1"], "--result goes with --outcome succeeded only"],
    [["reconcile", "ABCDEF", "--reason", "x", "--outcome", "succeeded", "--result", "{"], "the result is not JSON"],
    [["reconcile", "ABCDEF", "--reason", "x", "--outcome", "succeeded", "--evidence", "x".repeat(2001)], "evidence has at most 2000 characters"]
  ]
  it.for(wrong)("%s are refused where they do not fit", async ([words, sentence], { expect, onTestFinished }) => {
    const home = opsgate(onTestFinished)
    expect(await home.run(["task", ...words])).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(sentence) })
  })

  it("are looked at by the server too, whoever sends them", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished)
    await home.serve()
    const exchange = (ask: object, json: string): Promise<string> =>
      new Promise((resolve) => {
        let reply = ""
        const line = JSON.stringify({ v: 1, ask: { task: "ABCDEF", reason: "x", ...ask }, key: null }).replace("\"here\"", json)
        const socket = connect(home.socket, () => void socket.write(`${line}\n`))
        socket.setEncoding("utf8").on("data", (chunk: string) => (reply += chunk)).on("close", () => resolve(reply))
      })
    const asks = [{ op: "signal", name: "go", payload: "here" }, { op: "fork", step: 1, payload: "here" }, { op: "reconcile", outcome: "succeeded", result: "here" }]
    for (const ask of asks) {
      expect(await exchange(ask, `${"[".repeat(101)}${"]".repeat(101)}`)).toContain("nested deeper than 100 levels")
      expect(await exchange(ask, "1e400")).toMatch(/"tag":"AskMalformed"/)
      expect(await exchange(ask, "1")).toContain("\"tag\":\"TaskNotFound\"")
    }
    expect(await exchange({ op: "signal", name: "no good", payload: 1 }, "")).toContain("\"tag\":\"AskMalformed\"")
  })
})
