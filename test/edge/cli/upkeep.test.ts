/** Bulk commands, the dead letter and retention as an operator meets them: the shipped program, real processes, SIGKILL. */
import { mkdirSync, readFileSync, symlinkSync } from "node:fs"
import { fileURLToPath } from "node:url"
import Sqlite from "better-sqlite3"
import { Effect, Layer } from "effect"
import { describe, it, vi } from "vitest"
import * as Live from "../../../src/engine/Live.ts"
import * as SqliteEngine from "../../../src/engine/SqliteEngine.ts"
import { heavyKind, submitted } from "../../engine/tasks.ts"
import { type Home, light, opsgate, until } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 120_000 })

const root = fileURLToPath(new URL("../../../", import.meta.url))

const kinds = { deploy: { class: "heavy", exec: { argv: ["/bin/true"] } }, bad: light(["/bin/false"], { retry: { attempts: 1 } }), good: light(["/bin/true"]) }

interface Answer {
  readonly bulk: string
  readonly state: string
  readonly matched: number
  readonly done: number
  readonly refused: number
}

const answerIn = (stdout: string): Answer => JSON.parse(stdout)

/** Requests that wait for approval, stored without a process for each. */
const requests = async (home: Home, count: number): Promise<void> => {
  mkdirSync(home.dataDir, { recursive: true })
  const layer = SqliteEngine.layer({ file: home.file, streamId: "db-test" }).pipe(Layer.provide(Live.layer))
  await Effect.runPromise(Effect.forEach(Array.from({ length: count }), () => submitted(heavyKind()), { concurrency: "unbounded", discard: true }).pipe(Effect.provide(layer)))
}

const outcomes = (home: Home) => home.query<{ outcome: string | null; count: number }>("SELECT outcome, COUNT(*) AS count FROM bulk_item GROUP BY outcome")
const countOf = (home: Home, outcome: string | null): number => outcomes(home).find((row) => row.outcome === outcome)?.count ?? 0
const notices = (home: Home) => home.query<{ task: string; count: number }>("SELECT task, COUNT(*) AS count FROM outbox WHERE topic = 'dead_letter' GROUP BY task")
const entries = (home: Home) => home.query<{ task: string; count: number }>("SELECT task, COUNT(*) AS count FROM event WHERE type = 'task.failed' GROUP BY task")

describe.concurrent("a bulk command", () => {
  it("that is killed goes on where it was, does each task once, and leaves alone what came later", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await requests(home, 200)
    const server = await home.serve()
    const asked = await home.run(["bulk", "reject", "--kind", "deploy", "--rate", "50/s", "--reason", "frozen", "--no-wait", "--json"])
    expect([asked.code, answerIn(asked.stdout)]).toMatchObject([0, { state: "running", matched: 200 }])
    const late = await home.submit("deploy")
    await until("some of it", () => countOf(home, "done") >= 20)
    server.signal("SIGKILL")
    await server.ended
    const before = countOf(home, "done")
    expect(before).toBeLessThan(200)
    await home.serve()
    await until("the end", () => home.events("bulk.ended").length > 0)
    expect(outcomes(home)).toEqual([{ outcome: "done", count: 200 }])
    expect(home.task(late)?.state).toBe("REQUESTED")
    const ends = home.events("task.canceled")
    expect([ends.length, new Set(ends.map(({ task }) => task)).size]).toEqual([200, 200])
    const { bulk } = answerIn(asked.stdout)
    const facts = ends.map(({ payload }): { readonly bulk: string; readonly command: { readonly bulk: string; readonly reason: string } } => JSON.parse(payload ?? ""))
    expect(facts.filter((one) => one.bulk === bulk && one.command.bulk === bulk && one.command.reason === "frozen").length).toBe(200)
    expect(JSON.parse(home.events("bulk.ended")[0]?.payload ?? "")).toMatchObject({ bulk, state: "ended", done: 200, skipped: 0, refused: 0, left: 0 })
  })

  it("is carried out without a server too, and stopped with one", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await requests(home, 40)
    const [first, second] = home.tasks()
    const named = await home.run(["bulk", "reject", "--task", first?.id.toLowerCase() ?? "", "--task", second?.id ?? "", "--reason", "two", "--json"])
    expect([named.code, answerIn(named.stdout)]).toMatchObject([0, { state: "ended", matched: 2, done: 2 }])
    await home.serve()
    const slow = answerIn((await home.run(["bulk", "cancel", "--kind", "deploy", "--rate", "1/s", "--reason", "slowly", "--no-wait", "--json"])).stdout)
    expect(slow.matched).toBe(38)
    const stopped = await home.run(["bulk", "stop", slow.bulk, "--reason", "enough", "--json"])
    expect([stopped.code, answerIn(stopped.stdout).state]).toEqual([0, "stopped"])
    const left = countOf(home, null)
    expect(left).toBeGreaterThan(0)
    const shown = await home.run(["bulk", "show", slow.bulk])
    expect([shown.code, shown.stdout.includes(`left alone ${left}`)]).toEqual([0, true])
  })

  it("says how many tasks fit, and refuses what is no bulk command", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await requests(home, 12)
    const plan = await home.run(["bulk", "reject", "--kind", "deploy", "--dry-run", "--json"])
    expect([plan.code, JSON.parse(plan.stdout)]).toMatchObject([0, { dry_run: true, matched: 12 }])
    expect(JSON.parse(plan.stdout).first.length).toBe(10)
    const said = async (...args: ReadonlyArray<string>) => {
      const { code, stderr } = await home.run(["bulk", ...args])
      return `${code} ${stderr.split("\n")[0] ?? ""}`
    }
    expect(await said("reject", "--kind", "nothing", "--reason", "x")).toBe("1 opsgate: no task fits the filter, so there is nothing to reject")
    expect(await said("reject", "--kind", "nothing", "--dry-run")).toBe("1 opsgate: no task fits the filter, so there is nothing to reject")
    expect(await said("reject", "--kind", "deploy")).toBe("2 opsgate: bulk reject needs a reason")
    expect(await said("reject", "--reason", "x")).toBe("2 opsgate: a bulk command needs a filter: --state, --kind, --code, --older or --task")
    expect(await said("approve", "--kind", "deploy", "--reason", "x")).toBe("2 opsgate: there is no bulk approval: people approve one by one, with opsgate task approve <task>")
    expect(await said("stop", "nobody", "--reason", "x")).toBe("4 opsgate: there is no bulk command \"nobody\"")
    expect(await said("reject", "--older", "soon", "--reason", "x")).toMatch(/^2 /)
    expect(home.events().slice(12).map(({ type }) => type)).toEqual(["command.refused", "command.refused", "command.refused"])
  })

  it("of which only a part could be done exits with 8, one of which nothing could with 1", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const mine = await home.submit("deploy")
    await requests(home, 1)
    // What is asked of a state is not asked of what the state refuses: one of these has no steps to go back to.
    const db = new Sqlite(home.file)
    db.prepare("UPDATE task SET state = 'CANCELED', progress = json_set(progress, '$.state', 'CANCELED', '$.failure', json('{\"code\":\"compensated\",\"error\":\"\"}')) WHERE id <> ?").run(mine)
    db.prepare("UPDATE task SET state = 'CANCELED', progress = json_set(progress, '$.state', 'CANCELED') WHERE id = ?").run(mine)
    db.close()
    const part = await home.run(["bulk", "recover", "--kind", "deploy", "--reason", "again", "--json"])
    expect([part.code, answerIn(part.stdout)]).toMatchObject([8, { matched: 2, done: 1, refused: 1 }])
    const none = await home.run(["bulk", "recover", "--state", "CANCELED", "--reason", "again", "--json"])
    expect([none.code, answerIn(none.stdout)]).toMatchObject([1, { matched: 1, done: 0, refused: 1 }])
  })
})

const poison = `
import { Schema } from "effect"
import { Task } from "opsgate"
export const tasks = [Task.defineAsync("poison", { payload: Schema.Struct({}) }, async () => {
  process.kill(process.pid, "SIGKILL")
  await new Promise(() => undefined)
})]
`

describe.concurrent("the dead letter", () => {
  it("gets a poison task at its cap, with one notice, however often the server is killed then", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, {}, { workflows: ["tasks.mjs"] })
    mkdirSync(home.path("node_modules"))
    symlinkSync(root, home.path("node_modules/opsgate"))
    symlinkSync(`${root}node_modules/effect`, home.path("node_modules/effect"))
    home.write("tasks.mjs", poison)
    const task = await home.submit("poison")
    // Eight of its ten losses, without the pauses that follow them.
    const db = new Sqlite(home.file)
    db.prepare("UPDATE task SET progress = json_set(progress, '$.losses', 8)").run()
    db.close()
    const config = readFileSync(home.path("opsgate.config.json"), "utf8")
    for (const losses of [9, 10]) {
      const server = home.launch(["serve"])
      expect((await server.ended).signal).toBe("SIGKILL")
      expect([losses, home.task(task)?.state]).toEqual([losses, "RUNNING"])
      if (losses === 10) break
      // Taken back by a server that claims nothing: the pause before the next claim need not be waited for.
      home.write("opsgate.config.json", JSON.stringify({ ...JSON.parse(config), workers: 0 }))
      const rescuer = home.launch(["serve"])
      onTestFinished(() => rescuer.signal("SIGKILL"))
      await home.untilTask(task, "QUEUED")
      rescuer.signal("SIGTERM")
      await rescuer.ended
      home.write("opsgate.config.json", config)
      const next = new Sqlite(home.file)
      next.prepare("UPDATE task SET available_at_ms = 0, progress = json_set(progress, '$.availableAtMs', 0) WHERE state = 'QUEUED'").run()
      next.close()
    }
    for (let start = 0; start < 3; start++) {
      const server = home.launch(["serve"])
      onTestFinished(() => server.signal("SIGKILL"))
      await home.untilTask(task, "FAILED")
      server.signal("SIGKILL")
      await server.ended
    }
    expect(home.task(task)?.failure?.code).toBe("recovery_attempts_exceeded")
    expect([entries(home), notices(home)]).toEqual([[{ task, count: 1 }], [{ task, count: 1 }]])
    const dead = await home.run(["dead", "--json"])
    expect(JSON.parse(dead.stdout)).toMatchObject([{ id: task, kind: "poison", code: "recovery_attempts_exceeded" }])
  })

  it("has one notice for each entry, also of tasks that end while the server is killed", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    for (let index = 0; index < 4; index++) await home.submit("bad")
    for (let round = 0; round < 4; round++) {
      const [server, seen] = [await home.serve(), entries(home).length]
      await until("an entry", () => entries(home).length > seen || entries(home).length === 4)
      server.signal("SIGKILL")
      await server.ended
    }
    await home.serve()
    await until("all of them", () => entries(home).length === 4)
    const redriven = await home.run(["redrive", "--kind", "bad", "--reason", "once more", "--json"])
    expect([redriven.code, answerIn(redriven.stdout)]).toMatchObject([0, { matched: 4, done: 4 }])
    await until("their second end", () => entries(home).every(({ count }) => count === 2))
    expect(notices(home)).toEqual(entries(home))
    const [{ id } = { id: "" }] = home.tasks()
    expect((await home.run(["dead", "dismiss", id, "--reason", "known"])).code).toBe(0)
    expect(JSON.parse((await home.run(["dead", "--json"])).stdout).length).toBe(3)
    expect(JSON.parse((await home.run(["ops-summary", "--json"])).stdout).dead_letter).toMatchObject({ tasks: 3 })
    expect((await home.run(["redrive", "--kind", "other", "--reason", "x"])).code).toBe(1)
    expect((await home.run(["redrive", "--reason", "x"])).code).toBe(2)
  })
})

describe.concurrent("retention", () => {
  it("gives up what is old on demand, with the server up and down, and says so where it is shown", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { retention: { succeeded: "1 second" } })
    const task = await home.submit("good", { text: "in the payload" })
    const server = await home.serve()
    const old = (id: string) => home.untilTask(id, ({ state }) => state === "SUCCEEDED" && home.query<{ old: number }>(`SELECT updated + 1000 < unixepoch('subsec') * 1000 AS old FROM (SELECT json_extract(progress, '$.updatedAtMs') AS updated FROM task WHERE id = '${id}')`)[0]?.old === 1)
    await old(task)
    expect(JSON.parse((await home.run(["prune", "--dry-run", "--json"])).stdout)).toEqual({ dry_run: true, tasks: { SUCCEEDED: 1, CANCELED: 0, EXPIRED: 0, FAILED: 0 } })
    const up = await home.run(["prune", "--json"])
    expect([up.code, JSON.parse(up.stdout)]).toMatchObject([0, { tasks: 1, keys: 0 }])
    const shown = await home.run(["task", "show", task])
    expect([shown.stdout.includes("pruned    at "), shown.stdout.includes("in the payload")]).toEqual([true, false])
    expect((await home.run(["events"])).stdout).not.toContain("in the payload")
    expect((await home.run(["events", "--type", "task.succeeded"])).stdout).toContain("\"payload\":null")
    const second = await home.submit("good")
    await old(second)
    server.signal("SIGTERM")
    await server.ended
    const down = await home.run(["prune", "--json"])
    expect([down.code, JSON.parse(down.stdout)]).toMatchObject([0, { tasks: 1 }])
    expect((await home.run(["prune", "--rebuild"])).code).toBe(0)
    expect(home.events("retention.ended").length).toBe(2)
  })

  it("is refused where keys would go too early, or where it is no time", async ({ expect, onTestFinished }) => {
    for (const [retention, sentence] of [[{ keys: "1 hour" }, "retention.keys must be 24 hours or longer"], [{ succeeded: "soon" }, "retention.succeeded must match pattern"]] as const) {
      const home = opsgate(onTestFinished, kinds, { retention })
      const { code, stderr } = await home.run(["task", "submit", "good"])
      expect([code, stderr.includes(sentence)]).toEqual([2, true])
    }
  })
})
