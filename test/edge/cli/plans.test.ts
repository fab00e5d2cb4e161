/** `--plan` and `--if-plan` as an operator meets them: the shipped program, with the server up and down. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { connect } from "node:net"
import type { Command } from "commander"
import Sqlite from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { addGovernanceVerbs } from "../../../src/edge/cli/GovernanceVerbs.ts"
import { make, type Verbs } from "../../../src/edge/cli/Program.ts"
import { addScheduleVerbs } from "../../../src/edge/cli/ScheduleVerbs.ts"
import { addUpkeepVerbs } from "../../../src/edge/cli/UpkeepVerbs.ts"
import type { Plan } from "../../../src/domain/Plan.ts"
import { type Home, light, opsgate, until } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 240_000 })

const kinds = { deploy: { class: "heavy", exec: { argv: ["/bin/true"] } }, bad: light(["/bin/false"], { retry: { attempts: 1 } }), good: light(["/bin/true"]) }
const settings = { schedules: { pulse: { kind: "good", every: "1h" } } }

const plans = async (home: Home, args: ReadonlyArray<string>): Promise<Plan> => {
  const ended = await home.run([...args, "--plan", "--json"])
  try {
    return JSON.parse(ended.stdout)
  } catch {
    throw new Error(`${args.join(" ")}: ${ended.code} ${ended.stderr}`)
  }
}

/** How many events are not by the server itself, which begins its epoch and its schedules when it likes. */
const said = (home: Home): number => home.events().filter(({ type }) => !/^(schedule|epoch|clock|retention)\./.test(type)).length

const contents = (home: Home) => ["", "-wal"].map((end) => (existsSync(`${home.file}${end}`) ? createHash("sha256").update(readFileSync(`${home.file}${end}`)).digest("hex") : null))

const verbs: Verbs = { run: () => Promise.resolve(), readPayload: () => null, readJson: () => null, readFile: () => null }

const leaves = (command: Command, path: ReadonlyArray<string> = []): ReadonlyArray<readonly [string, Command]> =>
  command.commands.flatMap((sub) => {
    const name = [...path, sub.name()]
    const below = leaves(sub, name)
    return sub.commands.length > 0 && sub.name() !== "dead" ? below : [[name.join(" "), sub] as const, ...below]
  })

describe("the command line", () => {
  it("has --plan and --if-plan on every verb that changes something", ({ expect }) => {
    const program = addGovernanceVerbs(addScheduleVerbs(addUpkeepVerbs(make(verbs, "0", () => undefined), verbs, () => Promise.resolve()), verbs), verbs, () => Promise.resolve())
    const has = (command: Command, long: string) => command.options.some((option) => option.long === long)
    // Whatever changes something takes a reason or a key; to accept a loss is no command but another beginning of the file.
    const changing = leaves(program).filter(([name, command]) => (has(command, "--reason") || has(command, "--key") || name === "prune") && name !== "accept-loss")
    expect(changing.length).toBeGreaterThan(20)
    expect(changing.filter(([, command]) => !has(command, "--plan") || !has(command, "--if-plan")).map(([name]) => name)).toEqual([])
  })
})

describe.concurrent("a plan", () => {
  it.for([false, true])("says what a command would do and does nothing, and ties the command to it, with the server up: %s", async (up, { expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, settings)
    const first = await plans(home, ["task", "submit", "deploy"])
    expect([first.tasks[0]?.to, existsSync(home.file)]).toEqual(["REQUESTED", false])
    const id = await home.submit("deploy")
    if (up) await home.serve()
    const before = said(home)
    const words = await home.run(["task", "cancel", id, "--plan"])
    expect([words.code, words.stderr]).toEqual([0, ""])
    expect(words.stdout).toMatch(new RegExp(`^plan: task ${id} \\([a-z0-9]{6}\\) REQUESTED -> CANCELED; 1 message; nothing runs again; needs --reason; hash [0-9a-f]{16}\\n$`))
    const refused = await home.run(["task", "resume", id, "--plan"])
    expect([refused.code, refused.stdout]).toEqual([6, expect.stringMatching(/^plan: refused \(HoldsOpen\): the task waits for approval; next: /)])
    expect((await home.run(["task", "cancel", "ZZZZ", "--plan"])).code).toBe(4)
    expect((await home.run(["task", "submit", "nonsense", "--plan"])).code).toBe(4)
    for (const args of [["queue", "pause", "heavy"], ["bulk", "cancel", "--kind", "deploy"], ["prune"], ["release"], ["dead", "dismiss", id], ["bulk", "stop", id], ["redrive", "--all"], ["schedule", "run", "pulse"]]) {
      expect.soft([args, (await home.run([...args, "--plan"])).stdout]).toEqual([args, expect.stringMatching(/plan: |^$/)])
    }
    expect(said(home)).toBe(before)
    const { plan } = await plans(home, ["task", "cancel", id])
    expect(words.stdout).toContain(plan.slice(0, 16))
    const other = await plans(home, ["task", "kill", id])
    const stale = await home.run(["task", "cancel", id, "--reason", "x", "--if-plan", other.plan])
    expect([stale.code, stale.stdout, stale.stderr]).toEqual([5, "", "opsgate: something that matters has changed since the plan, so nothing was done; look again with --plan\n"])
    expect([home.task(id)?.state, said(home), home.events("command.refused").length]).toEqual(["REQUESTED", before + 1, 1])
    const done = await home.run(["task", "cancel", id, "--reason", "x", "--if-plan", plan.slice(0, 16)])
    expect([done.code, home.task(id)?.state]).toEqual([0, "CANCELED"])
  })

  it("is the same from the server and from the file, and is made while another process writes", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, settings)
    const id = await home.submit("deploy")
    await home.submit("deploy")
    const asked = [["task", "cancel", id], ["task", "fork", id, "--step", "1"], ["queue", "pause", "heavy"], ["bulk", "reject", "--kind", "deploy"], ["task", "submit", "deploy", "{\"n\":1}"]]
    const db = new Sqlite(home.file)
    onTestFinished(() => void db.close())
    db.exec("BEGIN IMMEDIATE")
    const bytes = contents(home)
    const fromFile: Array<Plan> = []
    for (const args of asked) fromFile.push(await plans(home, args))
    expect(contents(home)).toEqual(bytes)
    db.exec("ROLLBACK")
    db.close()
    await home.serve()
    for (const [index, args] of asked.entries()) expect.soft([args, await plans(home, args)]).toEqual([args, fromFile[index]])
  })

  it("ties bulk commands, queues, schedules, pruning and a release too", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, settings)
    await home.submit("deploy")
    for (const up of [false, true]) {
      if (up) {
        await home.serve()
        await until("the schedule", () => home.events("schedule.declared").length > 0)
      }
      const bulk = ["bulk", "reject", "--kind", "deploy"]
      const { plan } = await plans(home, bulk)
      const late = await home.submit("deploy")
      expect((await home.run([...bulk, "--reason", "x", "--if-plan", plan])).code).toBe(5)
      expect(home.task(late)?.state).toBe("REQUESTED")
      const now = await plans(home, bulk)
      expect((await home.run([...bulk, "--reason", "x", "--if-plan", now.plan])).code).toBe(0)
      expect(home.task(late)?.state).toBe("CANCELED")
      for (const args of [["queue", up ? "resume" : "pause", "heavy", "--reason", "x"], ["prune"], ["release", "--reason", "x"], ...(up ? [["schedule", "pause", "pulse", "--reason", "x"]] : [])]) {
        const planned = await plans(home, args)
        expect.soft([args, (await home.run([...args, "--if-plan", "0".repeat(64)])).code]).toEqual([args, 5])
        expect.soft([args, (await home.run([...args, "--if-plan", planned.plan])).code]).toEqual([args, 0])
      }
    }
  })

  it("is refused in words when it is asked for wrongly, and a strange line on the socket changes nothing", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const id = await home.submit("deploy")
    for (const args of [["--if-plan", "nonsense"], ["--if-plan", "ABCDEF0123456789"], ["--if-plan", "0123"], ["--plan", "--if-plan", "0".repeat(64)]]) {
      const ended = await home.run(["task", "cancel", id, "--reason", "x", ...args])
      expect.soft([args, ended.code, ended.stdout]).toEqual([args, 2, ""])
    }
    await home.serve()
    const ask = { op: "cancel", task: id, reason: "x" }
    const say = (line: unknown): Promise<string> =>
      new Promise((resolve) => {
        let text = ""
        const socket = connect(home.socket, () => socket.write(`${JSON.stringify(line)}\n`))
        socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk)).on("close", () => resolve(text))
      })
    for (const more of [{ plan: false }, { plan: "yes" }, { if_plan: "x" }, { plan: true, if_plan: "0".repeat(64) }, { Plan: true }]) {
      expect.soft([more, JSON.parse(await say({ v: 1, ask, key: null, ...more }))]).toMatchObject([more, { refused: { tag: "AskMalformed" } }])
    }
    expect(home.task(id)?.state).toBe("REQUESTED")
  })

  it("needs a file that is up to date, and says so", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const id = await home.submit("deploy")
    const db = new Sqlite(home.file)
    db.pragma("user_version = 1")
    db.pragma("wal_checkpoint(TRUNCATE)")
    db.close()
    const ended = await home.run(["task", "cancel", id, "--plan"])
    expect([ended.code, ended.stdout, ended.stderr]).toEqual([1, "", expect.stringMatching(/was written last by an older opsgate/)])
    const missing = await home.run(["task", "cancel", id, "--plan", "--config", "other/opsgate.config.json"])
    expect([missing.code, missing.stdout]).toEqual([2, ""])
  })
})
