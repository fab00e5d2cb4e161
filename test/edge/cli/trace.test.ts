import { existsSync, mkdirSync, symlinkSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, it, vi } from "vitest"
import type { TraceNode } from "../../../src/control/TracePath.ts"
import type { Trace } from "../../../src/control/TraceTree.ts"
import { spanOf } from "../../../src/domain/Ids.ts"
import { segmentMax } from "../../../src/LogFiles.ts"
import { type Home, light, opsgate, until } from "./Opsgate.ts"

vi.setConfig({ testTimeout: 120_000 })

const root = fileURLToPath(new URL("../../../", import.meta.url))

const module = `
import { existsSync, writeFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { Schema } from "effect"
import { Task } from "opsgate"
const leaf = Task.defineAsync("leaf", { payload: Schema.Struct({}) }, async (ctx) => ctx.step("told", { effect: "idempotent" }, () => ctx.trace))
const flow = Task.defineAsync("flow", { payload: Schema.Struct({}), class: "heavy", retry: { attempts: 3, base: "10 millis", cap: "20 millis" } }, async (ctx) => {
  await ctx.step("slow", { effect: "idempotent" }, async () => {
    writeFileSync("begun", "")
    while (existsSync("alive") && !existsSync("release")) await setTimeout(10)
  })
  await ctx.sleep("nap", "200 millis")
  const below = await ctx.child("below", leaf, {})
  if (!existsSync("threw")) {
    writeFileSync("threw", "")
    throw new Error("once")
  }
  const span = await ctx.step("span", { effect: "idempotent" }, (step) => step.traceparent)
  await ctx.exec("env", { argv: ["/bin/sh", "-c", "printf %s $TRACEPARENT > spans"], cwd: process.cwd(), effect: "idempotent", timeout: "10 seconds" })
  return { below, span }
})
export const tasks = [flow, leaf]
`

const project = (atTheEnd: (act: () => void) => void, kinds: object = {}): Home => {
  const home = opsgate(atTheEnd, kinds, { workflows: ["tasks.mjs"], approvals: { self: true } })
  mkdirSync(home.path("node_modules"))
  symlinkSync(root, home.path("node_modules/opsgate"))
  symlinkSync(`${root}node_modules/effect`, home.path("node_modules/effect"))
  home.write("tasks.mjs", module)
  return home
}

const ok = async (home: Home, args: ReadonlyArray<string>): Promise<string> => {
  const { code, stderr, stdout } = await home.run(args)
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`)
  return stdout
}

const traceOf = async (home: Home, of: string, more: ReadonlyArray<string> = []): Promise<Trace> => JSON.parse(await ok(home, ["trace", of, "--json", ...more]))

const nodes = (node: TraceNode): ReadonlyArray<TraceNode> => [node, ...node.children.flatMap(nodes)]

interface Row {
  readonly seq: number
  readonly type: string
  readonly task: string | null
  readonly trace: string | null
}

const rowsOf = (home: Home): ReadonlyArray<Row> => home.query<Row>("SELECT seq, type, task, trace FROM event ORDER BY seq")

interface Logged {
  readonly v: number
  readonly at: number
  readonly level: string
  readonly message: string
  readonly task?: string
  readonly trace?: string
  readonly code?: string
  readonly event?: string
}

const logged = async (home: Home, more: ReadonlyArray<string> = []): Promise<ReadonlyArray<Logged>> =>
  (await ok(home, ["logs", "--json", ...more])).split("\n").flatMap((line): ReadonlyArray<Logged> => (line === "" ? [] : [JSON.parse(line)]))

describe("seed CP-006", () => {
  it("\"a single task can be traced end-to-end by `task_id`/trace id\": through an approval, a resume, SIGKILL, a restart, a retry, a durable sleep, a child and a fork, to the last message, with the server up and down, and on a backup", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished)
    const first = await home.serve()
    const id = await home.submit("flow")
    await ok(home, ["task", "approve", id])
    await ok(home, ["task", "resume", id])
    await until("a step in its middle", () => existsSync(home.path("begun")) && rowsOf(home).some(({ type }) => type === "effect.intent"))
    first.signal("SIGKILL")
    await first.ended
    home.write("release", "")
    const second = await home.serve()
    await home.untilTask(id, "SUCCEEDED")
    const fork = JSON.parse(await ok(home, ["task", "fork", id, "--step", "2", "--reason", "again", "--json"])).task

    const up = await traceOf(home, id)
    second.signal("SIGTERM")
    await second.ended
    const tree = await traceOf(home, id)
    expect(tree.trace).toBe(up.trace)
    expect(tree.missing).toEqual([])

    // One trace for everything but the fork, which somebody else may have asked for, and which is in the tree all the same.
    const child = rowsOf(home).find(({ task, type }) => type === "task.requested" && task !== id && task !== fork)?.task ?? ""
    const mine = rowsOf(home).filter(({ task }) => task === id || task === child)
    expect(new Set(mine.map(({ trace }) => trace))).toEqual(new Set([tree.trace]))
    expect(tree.trace).toMatch(/^[0-9a-f]{32}$/)

    // No event is left out, and none has two places.
    const all = nodes(tree.root)
    const placed = all.flatMap(({ events }) => events).toSorted((a, b) => a - b)
    expect(placed).toEqual(rowsOf(home).filter(({ task }) => task !== null).map(({ seq }) => seq))
    expect(new Set(placed).size).toBe(placed.length)

    const kinds = all.filter(({ task }) => task === id).map(({ kind, name, status }) => `${kind} ${name} ${status}`)
    expect(kinds).toEqual(expect.arrayContaining([
      "task flow SUCCEEDED",
      "hold approval released",
      "wait nap succeeded",
      "wait below succeeded",
      "step span succeeded",
      "message approval_needed null",
      "message task_ended null"
    ]))
    const runs = all.filter(({ kind, task }) => kind === "run" && task === id).map(({ status }) => status)
    expect(runs).toEqual(["lost", "parked", "parked", "failed, to be retried", "succeeded"])
    expect(all.find(({ kind, task }) => kind === "task" && task === child)).toBeDefined()
    const wait = all.find(({ kind, name }) => kind === "wait" && name === "below")
    expect(wait?.children.map(({ kind, task }) => `${kind} ${task}`)).toEqual([`task ${child}`])
    expect(all.filter(({ kind, name }) => kind === "command" && name === "fork").flatMap(({ children }) => children.map(({ task }) => task))).toEqual([fork])
    expect(tree.root).toMatchObject({ kind: "command", name: "submit", actor: expect.stringMatching(/^cli:/), detail: { channel: "cli" } })
    for (const node of all) if (node.at !== null && node.ended_at !== null) expect(node.duration_ms).toBe(node.ended_at - node.at)

    // By the trace id the same; by its child too, from the same root; and on a copy of the file.
    expect(await traceOf(home, tree.trace)).toEqual({ ...tree, asked: null })
    expect((await traceOf(home, child)).root).toEqual(tree.root)
    await ok(home, ["backup", home.path("copy.db")])
    expect((await traceOf(home, id, ["--db", home.path("copy.db")])).root).toEqual(tree.root)

    // What the work was told.
    const shown = JSON.parse(await ok(home, ["task", "show", id, "--json"]))
    const steps: ReadonlyArray<{ readonly name: string; readonly number: number }> = shown.steps
    const spanAt = (name: string) => spanOf(id, steps.find((step) => step.name === name)?.number ?? 0)
    expect(shown.result).toMatchObject({ below: tree.trace, span: `00-${tree.trace}-${spanAt("span")}-01` })
    expect(home.read("spans")).toBe(`00-${tree.trace}-${spanAt("env")}-01`)
    expect(all.filter(({ kind, name }) => kind === "step" && name === "env").map(({ span }) => span)).toEqual([spanAt("env")])

    const text = await ok(home, ["trace", id])
    expect(text).toMatch(/^trace [0-9a-f]{32} {2}from .*\nsubmit by cli:.*\n└─ task /)

    // The log tells the same story, under the same trace, but for what was said in the instant before the SIGKILL.
    const records = await logged(home, ["--task", id])
    expect(records.map(({ message }) => message)).toEqual(expect.arrayContaining(["task.requested by submit", "hold.released", "task.queued by lease_lost", "task.queued by retry", "task.succeeded by settle"]))
    expect(new Set(records.map(({ trace }) => trace))).toEqual(new Set([tree.trace]))
    expect(await logged(home, ["--trace", tree.trace])).toEqual(expect.arrayContaining([...records]))
  })

  it("\"retries, timeouts, and suppressions appear as structured events\", and as records of the log", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, {
      failing: light(["/bin/false"], { retry: { attempts: 2, base_ms: 10, cap_ms: 10 } }),
      slow: light(["/bin/sleep", "60"], { timeout_ms: 100, retry: { attempts: 1 } }),
      fine: light(["/bin/true"])
    })
    const server = await home.serve()
    const failing = await home.submit("failing")
    const slow = await home.submit("slow")
    await ok(home, ["task", "submit", "fine", "{}", "--key", "k"])
    await ok(home, ["task", "submit", "fine", "{}", "--key", "k"])
    expect((await home.run(["task", "submit", "failing", "{}", "--key", "k"])).code).toBe(5)
    await home.untilTask(failing, "FAILED")
    await home.untilTask(slow, "FAILED")
    server.signal("SIGTERM")
    await server.ended
    const wanted = [
      ["warn", "task.queued", failing, "exit_nonzero"],
      ["error", "task.failed", failing, "exit_nonzero"],
      ["error", "task.failed", slow, "start_to_close_timeout"],
      ["info", "idempotency.replayed", undefined, undefined],
      ["warn", "idempotency.conflict", undefined, "idempotency_payload_mismatch"]
    ] as const
    const records = await logged(home)
    for (const [level, event, task, code] of wanted) {
      expect.soft(records, event).toContainEqual(expect.objectContaining({ v: 1, level, event, ...(task === undefined ? {} : { task }), ...(code === undefined ? {} : { code }) }))
      expect.soft(home.events(event).filter(({ task: about }) => task === undefined || about === task), event).not.toEqual([])
    }
    // What is ordinary is not told: a light task that goes well leaves no record.
    const fine = home.tasks().find(({ state }) => state === "SUCCEEDED")
    expect(records.filter(({ event, task }) => task === fine?.id && event !== "idempotency.replayed")).toEqual([])
    expect((await logged(home, ["--level", "error"])).map(({ level }) => level)).toEqual(["error", "error"])
    expect((await home.run(["logs", "--level", "loud"])).code).toBe(2)
    expect((await home.run(["logs", "--trace", "0".repeat(32)])).code).toBe(2)
  })

  it("\"latest 500 records are queryable locally\", with the server up and down", async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished, { fine: light(["/bin/true"]) })
    const none = await home.run(["logs"])
    expect([none.code, none.stdout]).toEqual([0, ""])
    const server = await home.serve()
    const older = Array.from({ length: segmentMax }, (_, index) => JSON.stringify({ v: 1, at: index, level: "info", message: `record ${index}` }))
    server.signal("SIGTERM")
    await server.ended
    home.write(".opsgate/opsgate.db.log", `${older.join("\n")}\n`)
    const again = await home.serve()
    const during = await until("the records of the server that runs", () => home.read(".opsgate/opsgate.db.log").includes("the runtime is ready") && home.read(".opsgate/opsgate.db.log.1") !== "")
    expect(during).toBe(true)
    const up = await logged(home)
    expect(up.length).toBe(500)
    expect(up.at(-1)?.message).toBe("the runtime is ready")
    again.signal("SIGTERM")
    await again.ended
    const down = await logged(home)
    expect(down.length).toBe(500)
    expect(down[0]?.message).toMatch(/^record [1-9]/)
    expect(await logged(home, ["--limit", "3"])).toEqual(down.slice(-3))
  })
})
