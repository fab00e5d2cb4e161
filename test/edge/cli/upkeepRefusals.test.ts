/** What bulk commands, queues and reasons meet that does not go as it should: it is said, and nothing hangs. */
import { copyFileSync, existsSync } from "node:fs"
import Sqlite from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { type AtTheEnd, type Home, light, opsgate, until } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 60_000 })

const kinds = { bad: light(["/bin/false"], { retry: { attempts: 1 } }), beat: light(["/bin/true"]) }

/** Tasks that have failed, and no server. */
const failed = async (home: Home, asks: ReadonlyArray<ReadonlyArray<string>>): Promise<ReadonlyArray<string>> => {
  const server = await home.serve()
  const ids: Array<string> = []
  for (const ask of asks) {
    const { stdout } = await home.run(["task", "submit", "bad", ...ask, "--json"])
    const { task }: { readonly task: string } = JSON.parse(stdout)
    await home.untilTask(task, "FAILED")
    ids.push(task)
  }
  server.signal("SIGTERM")
  await server.ended
  return ids
}

const changed = (home: Home, sql: string): void => {
  const db = new Sqlite(home.file)
  db.exec(sql)
  db.close()
}

const items = (home: Home) => home.query<{ task: string; outcome: string | null; code: string | null }>("SELECT task, outcome, code FROM bulk_item ORDER BY number")
const refusalsIn = (home: Home) => home.events("command.refused").map(({ payload }): { readonly bulk: string; readonly refusal: { readonly _tag: string } } => JSON.parse(payload ?? "{}"))

describe.concurrent("a bulk command", () => {
  it.for([true, false])("refuses the task whose unique key is held by another, and ends, with the server up: %s", async (up, { expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const [first = "", second = "", third = ""] = await failed(home, [["--unique", "k"], ["--unique", "k"], []])
    // Whatever is brought back stays where it is.
    expect((await home.run(["queue", "pause", "light", "--reason", "a look"])).code).toBe(0)
    if (up) await home.serve()
    const { code, stdout } = await home.run(["redrive", "--kind", "bad", "--reason", "again", "--json"])
    expect([code, JSON.parse(stdout)]).toMatchObject([8, { state: "ended", matched: 3, done: 2, refused: 1, pending: 0 }])
    expect(items(home)).toEqual([{ task: first, outcome: "done", code: null }, { task: second, outcome: "refused", code: "UniqueTaken" }, { task: third, outcome: "done", code: null }])
    expect(home.task(second)?.state).toBe("FAILED")
  })

  it("gives up a task that the store takes no change of, and goes on with the others", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const [stuck = "", broken = "", good = ""] = await failed(home, [[], [], []])
    changed(home, `CREATE TRIGGER stuck BEFORE UPDATE ON task WHEN old.id = '${stuck}' BEGIN SELECT RAISE(ABORT, 'no'); END;
      UPDATE task SET progress = '{' WHERE id = '${broken}'`)
    // One at a time: the first one would be in the way of all others for ever.
    const { code, stderr, stdout } = await home.run(["bulk", "recover", "--kind", "bad", "--rate", "10/s", "--reason", "again", "--json"])
    expect([code, JSON.parse(stdout)]).toMatchObject([8, { state: "ended", matched: 3, done: 1, refused: 2, pending: 0 }])
    expect(items(home)).toEqual([{ task: stuck, outcome: "refused", code: "ItemNotStored" }, { task: broken, outcome: "refused", code: "ItemNotStored" }, { task: good, outcome: "done", code: null }])
    const { bulk }: { readonly bulk: string } = JSON.parse(stdout)
    expect(refusalsIn(home)).toMatchObject([stuck, broken].map((task) => ({ bulk, refusal: { _tag: "ItemNotStored", task } })))
    expect(stderr).toContain(`no change of task ${stuck} can be stored`)
  })

  it("refuses a task that is gone", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const [gone = ""] = await failed(home, [[]])
    const plan = await home.run(["bulk", "recover", "--kind", "bad", "--reason", "again", "--no-wait", "--json"])
    expect(plan.code).toBe(0)
    changed(home, `PRAGMA foreign_keys = OFF; DELETE FROM task WHERE id = '${gone}'`)
    await home.serve()
    await until("the end", () => home.events("bulk.ended").length === 1)
    expect(items(home)).toEqual([{ task: gone, outcome: "refused", code: "TaskNotFound" }])
  })
})

/** A file that is behind its watermark: an old copy of it. */
const behind = async (atTheEnd: AtTheEnd): Promise<Home> => {
  const home = opsgate(atTheEnd, kinds, { retention: { succeeded: "1 second" } })
  await failed(home, [[]])
  await home.run(["bulk", "recover", "--kind", "bad", "--reason", "again"])
  await failed(home, [[]])
  copyFileSync(home.file, `${home.file}.old`)
  await failed(home, [[]])
  expectNoLog(home)
  copyFileSync(`${home.file}.old`, home.file)
  return home
}

// What lies in the log would belong to another file.
const expectNoLog = (home: Home): void => {
  if (existsSync(`${home.file}-wal`)) throw new Error("the server has left its log")
}

describe.concurrent("a verb that only reads", () => {
  it("says that the file is behind its watermark", async ({ expect, onTestFinished }) => {
    const home = await behind(onTestFinished)
    const [{ bulk } = { bulk: "" }] = home.query<{ bulk: string }>("SELECT id AS bulk FROM bulk")
    for (const words of [
      ["dead"],
      ["bulk", "list"],
      ["bulk", "show", bulk],
      ["bulk", "cancel", "--kind", "bad", "--dry-run"],
      ["redrive", "--all", "--dry-run"],
      ["prune", "--dry-run"]
    ]) {
      const { stderr } = await home.run([...words, "--json"])
      expect.soft(stderr, words.join(" ")).toMatch(/^opsgate: .*is behind its watermark: \d+ acknowledged events are missing/)
    }
  })
})

describe.concurrent("the words about queues and schedules", () => {
  it("say what is wrong with a name, and what needs a reason", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    for (const verb of ["pause", "resume"]) {
      const named = await home.run(["queue", verb, "Q 2", "--reason", "x"])
      expect.soft([named.code, named.stdout]).toEqual([2, ""])
      expect.soft(named.stderr).toMatch(/^[^\n]*a queue is named by 1 to 64 small letters[^\n]*\n/)
    }
    await home.submit("beat")
    for (const verb of ["pause", "resume"]) {
      expect.soft(await home.run(["queue", verb, "light"])).toMatchObject({ code: 2, stderr: `opsgate: queue ${verb} needs a reason\n` })
    }
    expect.soft(await home.run(["schedule", "pause", "nightly"])).toMatchObject({ code: 2, stderr: "opsgate: schedule pause needs a reason\n" })
    expect.soft(await home.run(["schedule", "run", "a\nb"])).toMatchObject({ code: 4, stderr: "opsgate: there is no schedule a\\u{a}b\n" })
  })

  it("show a reason in one line, whatever is in it", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { schedules: { nightly: { kind: "beat", cron: "30 2 * * *" } } })
    const server = await home.serve()
    await until("the schedule", () => home.events("schedule.declared").length === 1)
    server.signal("SIGTERM")
    await server.ended
    const reason = "a look\nqueue other is open"
    const task = await home.submit("beat")
    for (const words of [["queue", "pause", "light"], ["schedule", "pause", "nightly"], ["bulk", "cancel", "--task", task]]) {
      expect((await home.run([...words, "--reason", reason])).code).toBe(0)
    }
    const [{ bulk } = { bulk: "" }] = home.query<{ bulk: string }>("SELECT id AS bulk FROM bulk")
    for (const words of [["queues"], ["schedules"], ["bulk", "show", bulk]]) {
      const { stdout } = await home.run(words)
      expect.soft(stdout, words.join(" ")).toContain("a look\\u{a}queue other is open")
      expect.soft(stdout, words.join(" ")).not.toMatch(/^queue other/m)
    }
  })
})
