import { mkdirSync, readFileSync, symlinkSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, it, vi } from "vitest"
import { heavy, type Home, light, opsgate, until } from "./Opsgate.ts"
import { found, payload, schema, secrets, words } from "./Planted.ts"

vi.setConfig({ testTimeout: 600_000 })

const root = fileURLToPath(new URL("../../../", import.meta.url))

const module = `
import { Schema } from "effect"
import { Sensitive, Task } from "opsgate"
const anything = Sensitive(Schema.Struct({ word: Schema.String }))
const open = Schema.Struct({ all: Schema.Unknown, marked: anything, redacted: Schema.Redacted(Schema.String) })
const child = Task.defineAsync("answering", { payload: open, result: Schema.Struct({ codeword: Sensitive(Schema.String), all: Schema.Unknown }) },
  async (ctx) => ({ codeword: ctx.payload.all.codeword, all: { ...ctx.payload.all, codeword: null, vault: null } }))
const telling = Task.defineAsync("telling", { payload: open, retry: { attempts: 2, base: "10 millis", cap: "10 millis" } }, async (ctx) => {
  const { all, marked } = ctx.payload
  await ctx.progress(JSON.stringify({ ...all, vault: null, codeword: null }) + marked.word, 100)
  await ctx.step("kept", { effect: "idempotent", output: Schema.Struct({ codeword: Sensitive(Schema.String), all: Schema.Unknown }) }, () => ({ codeword: all.codeword, all: { ...all, codeword: null, vault: null } }))
  await ctx.child("answer", answering, ctx.payload)
  await ctx.waitFor("word")
  await ctx.step("fails", { effect: "idempotent" }, () => { throw new Error(JSON.stringify({ ...all, vault: null, codeword: null }) + " " + marked.word) }).catch(() => undefined)
  throw new Error("told " + marked.word + " " + ${JSON.stringify(words.join("\n"))})
})
const answering = child
export const tasks = [telling, child]
`

/** The verbs that can show something of a task, or of what people have said, and how each is asked to show all that it can. */
const showing = (id: Readonly<Record<string, string>>, home: Home): Readonly<Record<string, ReadonlyArray<ReadonlyArray<string>>>> => {
  const said = ["--reason", words.join(" | ")]
  const one = id["telling"] ?? ""
  const each = (verb: string, more: ReadonlyArray<string> = []) => [["task", verb, one, ...more]]
  return {
    "task show": Object.values(id).map((task) => ["task", "show", task]),
    "task steps": each("steps"),
    "task list": [["task", "list"]],
    trace: [["trace", one], ["trace", id["gone"] ?? ""]],
    events: [["events"]],
    logs: [["logs"]],
    queues: [["queues"]],
    "ops-summary": [["ops-summary"]],
    dead: [["dead"]],
    schedules: [["schedules"]],
    "schedule ticks": [["schedule", "ticks", "nightly"]],
    "schedule preview": [["schedule", "preview", "nightly"]],
    "bulk list": [["bulk", "list"]],
    "bulk show": [["bulk", "show", id["bulk"] ?? ""]],
    doctor: [["doctor"]],
    backup: [["backup", home.path("copy.db")]],
    "task submit": [["task", "submit", "echo", JSON.stringify({ ...payload, codeword: 7 }), ...said], ["task", "submit", "telling", JSON.stringify({ all: payload, marked: { word: { not: words } }, redacted: "x" }), ...said]],
    ...Object.fromEntries(["approve", "reject", "resume", "cancel", "kill", "recover", "dismiss"].map((verb) => [`task ${verb}`, each(verb, said)])),
    "task card": Object.values(id).map((task) => ["task", "card", task]),
    "task plan": [["task", "plan", id["held"] ?? "", ...["scope", "risks", "test-plan", "rollback-plan", "approval-impact"].flatMap((part) => [`--${part}`, words.join(" | ")]), ...said]],
    "task review": [["task", "review", id["held"] ?? "", "fail", "--code", "other", ...said]],
    "task break-glass": [["task", "break-glass", id["held"] ?? "", ...said]],
    whoami: [["whoami"]],
    "policy explain": [["policy", "explain", "echo", JSON.stringify(payload)], ["policy", "explain", "echo", JSON.stringify({ ...payload, codeword: 7 })]],
    "policy check": [["policy", "check", words.join(" ").slice(0, 200)]],
    "task reconcile": each("reconcile", ["--outcome", "succeeded", "--evidence", words.join(" | "), "--result", JSON.stringify(payload), ...said]),
    "task signal": each("signal", ["more", JSON.stringify(payload), ...said]),
    "task fork": each("fork", ["--step", "1", "--payload", JSON.stringify(payload), ...said]),
    "queue pause": [["queue", "pause", "side", ...said]],
    "queue resume": [["queue", "resume", "side", ...said]],
    "schedule pause": [["schedule", "pause", "nightly", ...said]],
    "schedule resume": [["schedule", "resume", "nightly", ...said]],
    "schedule run": [["schedule", "run", "nightly", ...said]],
    "schedule backfill": [["schedule", "backfill", "nightly", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", ...said]],
    "bulk cancel": [["bulk", "cancel", "--kind", "echo", ...said]],
    "bulk resume": [["bulk", "resume", "--kind", "held", ...said]],
    "bulk recover": [["bulk", "recover", "--kind", "echo", ...said]],
    "bulk reject": [["bulk", "reject", "--kind", "held", ...said]],
    "bulk stop": [["bulk", "stop", id["bulk"] ?? "", ...said]],
    "dead dismiss": each("dismiss", said).map(([, ...more]) => ["dead", ...more]),
    redrive: [["redrive", "--kind", "echo", ...said]],
    prune: [["prune", "--dry-run"]],
    why: Object.values(id).map((task) => ["why", task]),
    "audit list": [["audit", "list"], ["audit", "list", "--json"]],
    "audit export": [["audit", "export"]],
    "audit keys": [["audit", "keys"]],
    "telegram status": [["telegram", "status"]],
    "telegram dead": [["telegram", "dead"]],
    "telegram replay": [["telegram", "replay", "7", ...said]],
    release: [["release", ...said]],
    "accept-loss": [["accept-loss", ...said]],
    restore: [["restore", home.path("copy.db"), "--to", home.path("again.db")]]
  }
}

/** The verbs that show nothing of a task, and why. */
const silent: Readonly<Record<string, string>> = {
  serve: "its words are looked at here, by its standard error and its log",
  gate: "a program of its own, which runs tasks of its own",
  verify: "reads a bundle of the gate",
  evidence: "reads bundles of the gate",
  keys: "makes and shows the keys of the gate",
  "audit verify": "reads what audit export wrote, and says whether it fits",
  "telegram simulate": "a stand-in for Telegram, which knows no database",
  "policy matrix": "prints what stands in the program"
}

/** Every verb of the program, as its help lists them. */
const verbsOf = async (home: Home, group: ReadonlyArray<string> = []): Promise<ReadonlyArray<string>> => {
  const { stdout } = await home.run([...group, "--help"])
  const listed = [...(stdout.split("Commands:\n")[1] ?? "").matchAll(/^ {2}([a-z][a-z-]*)/gm)].flatMap(([, name]) => (name === undefined || name === "help" ? [] : [name]))
  const inner = group.length > 0 ? [] : await Promise.all(listed.filter((name) => name !== "gate" && name !== "verify").map(async (name) => [name, await verbsOf(home, [name])] as const))
  const groups = new Map(inner.filter(([, names]) => names.length > 0))
  // A group with verbs of its own can be a verb as well, as `dead` is.
  return listed.flatMap((name) => [...(groups.has(name) && name !== "dead" ? [] : [[...group, name].join(" ")]), ...(groups.get(name) ?? [])])
}

/** What is looked at in both forms; a command answers alike in both. */
const lookedAt = ["task show", "task card", "task steps", "task list", "trace", "logs", "dead", "schedules", "bulk list", "bulk show"]
const looks = (verb: string, all: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> => all.flatMap((args) => (lookedAt.includes(verb) ? [args, [...args, "--json"]] : [args]))

const project = (atTheEnd: (act: () => void) => void): Home => {
  const kinds = {
    echo: light(["/bin/sh", "-c", "cat >&2; exit 3"], { payload: schema, retry: { attempts: 2, base_ms: 10, cap_ms: 10 } }),
    held: heavy(["/bin/true"], { payload: schema, approval: "required" }),
    gone: heavy(["/bin/sh", "-c", "cat >&2; kill -9 $$"], { payload: schema })
  }
  const schedules = { nightly: { kind: "echo", cron: "0 3 * * *", zone: "UTC", payload } }
  const home = opsgate(atTheEnd, kinds, { workflows: ["tasks.mjs"], schedules, approvals: { self: true } })
  mkdirSync(home.path("node_modules"))
  symlinkSync(root, home.path("node_modules/opsgate"))
  symlinkSync(`${root}node_modules/effect`, home.path("node_modules/effect"))
  home.write("tasks.mjs", module)
  return home
}

const planted = async (home: Home): Promise<Readonly<Record<string, string>>> => {
  const all = { all: payload, marked: { word: secrets["member that the JSON Schema marks"] }, redacted: secrets["object that the JSON Schema marks"] }
  const id = { echo: await home.submit("echo", payload), held: await home.submit("held", payload), gone: await home.submit("gone", payload), telling: await home.submit("telling", all), answering: await home.submit("answering", all) }
  await home.untilTask(id.echo, "FAILED")
  await home.untilTask(id.answering, "SUCCEEDED")
  await home.untilTask(id.gone, (task) => task.unknown !== null)
  await home.run(["task", "signal", id.telling, "other", JSON.stringify(payload)])
  await home.run(["task", "signal", id.telling, "word", JSON.stringify(payload)])
  await home.untilTask(id.telling, "FAILED")
  const { stdout } = await home.run(["bulk", "recover", "--kind", "echo", "--reason", words.join(" | "), "--json"])
  return { ...id, bulk: String(JSON.parse(stdout).bulk) }
}

describe("a secret", () => {
  it("is seen on no surface, whatever its shape: of thirty planted ones none, on every verb that there is", { timeout: 600_000 }, async ({ expect, onTestFinished }) => {
    const home = project(onTestFinished)
    const server = await home.serve()
    expect(Object.keys(secrets).length).toBeGreaterThanOrEqual(20)
    const id = await planted(home)
    const { bulk: _, ...tasks } = id
    const surfaces = showing(tasks, home)
    const all = { ...surfaces, ...Object.fromEntries(Object.entries(showing(id, home)).filter(([verb]) => verb.startsWith("bulk"))) }

    // A verb that is new has to be put into one of the two lists.
    expect([...Object.keys(all), ...Object.keys(silent)].toSorted()).toEqual((await verbsOf(home)).toSorted())

    // They are there: their owner can look at them.
    const raw = await home.run(["task", "show", id["echo"] ?? "", "--raw"])
    expect(found(raw.stdout.replaceAll("\\n", "\n")).length).toBeGreaterThanOrEqual(28)

    const first = ["task show", "task steps", "dead"]
    const last = ["task list", "trace", "events", "logs", "bulk list"]
    const order = [...first, ...Object.keys(all).filter((verb) => !first.includes(verb) && !last.includes(verb)), ...last]
    for (const verb of order) {
      for (const args of looks(verb, all[verb] ?? [])) {
        const { stderr, stdout } = await home.run(args)
        expect.soft({ args: args.slice(0, 3), seen: found(stdout + stderr) }).toEqual({ args: args.slice(0, 3), seen: [] })
        expect.soft(stdout + stderr, args.slice(0, 3).join(" ")).not.toMatch(/internal error/)
      }
    }
    server.signal("SIGTERM")
    const ended = await server.ended
    expect(found(ended.stderr + ended.stdout)).toEqual([])
    const log = await until("the log", () => readFileSync(`${home.file}.log`, "utf8"))
    expect(found(log)).toEqual([])
    expect(log).toMatch(/\[redacted:[0-9a-f]{6}\]|\[redacted\]/)

    // What is stored beside payloads and results, which have to run.
    const stored = [
      ...home.query<object>("SELECT payload, actor, type FROM event"),
      ...home.query<object>("SELECT topic, text FROM outbox"),
      ...home.query<object>("SELECT error, code FROM attempt"),
      ...home.query<object>("SELECT error, code, name FROM step"),
      ...home.query<object>("SELECT reason FROM queue"),
      ...home.query<object>("SELECT record FROM bulk"),
      ...home.query<object>("SELECT answer FROM idempotency WHERE op <> 'submit'")
    ]
    expect(stored.length).toBeGreaterThan(50)
    expect(found(JSON.stringify(stored))).toEqual([])
    expect(found(stored.map((row) => Object.values(row).join("\n")).join("\n"))).toEqual([])
  })
})
