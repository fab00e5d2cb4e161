/** What an operator sees of chats on the command line, and how an update that was given up comes back: with the shipped program. */
import { userInfo } from "node:os"
import Database from "better-sqlite3"
import { describe, it } from "vitest"
import { person, type Phones, phones } from "../telegram/phones.ts"
import { light } from "./Opsgate.ts"

const ada = 101
const kinds = { note: light(["true"]) }
const cli = (roles: ReadonlyArray<string>) => ({ identities: [`cli:${userInfo().username}`], roles })

/** What nobody does: writes to the file of a server that is down. */
const meddle = ({ home }: Phones, sql: string): void => {
  const db = new Database(home.file)
  db.exec(sql)
  db.close()
}

const world = async (atTheEnd: (act: () => void) => void, roles: ReadonlyArray<string> = ["operator"]) => {
  const all = await phones(atTheEnd, { kinds, people: { ada: person(ada) }, settings: {} })
  const config = JSON.parse(all.home.read("opsgate.config.json"))
  all.home.write("opsgate.config.json", JSON.stringify({ ...config, people: { ...config.people, op: cli(roles) } }))
  return all
}

/** A server that has received one command, and whose bot has given it up: it is down. */
const givenUp = async (all: Phones): Promise<number> => {
  const server = await all.serve()
  const { update } = await all.type(ada, "/newtask note hidden words")
  await all.sees(ada, "note")
  server.signal("SIGTERM")
  await server.ended
  // As it stands after its last try: nothing of it was stored.
  meddle(all, "DELETE FROM idempotency; DELETE FROM delivery; DELETE FROM card; UPDATE inbox SET state = 'dead', tries = 12, error = 'a bug in the bot'")
  return update
}

describe("opsgate telegram", () => {
  it("says what waits on its way in and out, with the server up and down, and nothing of what was said", async ({ expect, onTestFinished }) => {
    const all = await world(onTestFinished)
    expect(await all.home.run(["telegram", "status"])).toMatchObject({ code: 1 })
    const update = await givenUp(all)
    const status = await all.home.run(["telegram", "status"])
    expect(status).toMatchObject({ code: 0, stderr: "" })
    expect(status.stdout).toContain("0 not worked off; 1 given up; next update")
    const { stdout } = await all.home.run(["telegram", "status", "--json"])
    expect(JSON.parse(stdout)).toMatchObject({ bots: [{ bot: "4242424242", pending: 0, dead: 1, oldest_pending_ms: null, offset: update + 1 }], buried: [] })
    const dead = await all.home.run(["telegram", "dead"])
    expect(dead.stdout).toMatch(new RegExp(`^${update} of chat 101, received 20.*Z, 12 tries: a bug in the bot\n$`))
    expect(status.stdout + dead.stdout).not.toContain("hidden")
    expect(JSON.parse((await all.home.run(["telegram", "dead", "--json"])).stdout)).toEqual([expect.objectContaining({ update, chat: "101", tries: 12 })])
    const summary = JSON.parse((await all.home.run(["ops-summary", "--json"])).stdout)
    expect(summary).toMatchObject({ status: "healthy", notices: [{ code: "chat_dead", observed: 1, next: "opsgate telegram dead" }] })
    // A copy is read as well.
    await all.home.run(["backup", all.home.path("copy.db")])
    expect((await all.home.run(["telegram", "dead", "--db", all.home.path("copy.db")])).stdout).toBe(dead.stdout)
  })

  it("informs of an outbox that is stuck for ten minutes", async ({ expect, onTestFinished }) => {
    const all = await world(onTestFinished)
    await givenUp(all)
    meddle(all, `UPDATE inbox SET state = 'done'; INSERT INTO delivery (chat, ref, body, state, tries, not_before_ms, at_ms) VALUES ('101', 'late', '{}', 'waits', 0, 0, ${Date.now() - 660_000})`)
    const { notices, status } = JSON.parse((await all.home.run(["ops-summary", "--json"])).stdout)
    expect([status, notices]).toEqual(["healthy", [expect.objectContaining({ code: "chat_outbox_stuck", threshold: 600_000, next: "opsgate telegram status" })]])
    expect((await all.home.run(["telegram", "status"])).stdout).toMatch(/outbox: 1 not sent, oldest 6[67]\d s/)
  })

  it.each(["up", "down"])("replays what was given up, once and on record, with the server %s", async (how) => {
    const { expect, onTestFinished } = await import("vitest")
    const all = await world(onTestFinished)
    const update = await givenUp(all)
    const before = all.home.tasks().length
    if (how === "up") await all.serve()
    const replay = (...more: ReadonlyArray<string>) => all.home.run(["telegram", "replay", String(update), ...more])
    expect(await replay()).toMatchObject({ code: 2, stderr: expect.stringContaining("reason") })
    expect((await all.home.run(["telegram", "replay", "12", "--reason", "x"]))).toMatchObject({ code: 4, stderr: "opsgate: no update 12 was given up; opsgate telegram dead lists those that were\n" })
    expect((await all.home.run(["telegram", "replay", "x", "--reason", "x"])).code).toBe(2)
    expect(JSON.parse((await replay("--reason", "x", "--plan", "--json")).stdout)).toMatchObject({ legal: true, changes: true, events: { "chat.replayed": 1 } })
    expect((await all.home.run(["telegram", "dead"])).stdout).toContain(String(update))
    const once = await replay("--reason", "the bug is mended", "--key", "k")
    expect(once).toMatchObject({ code: 0, stdout: `update ${update} of chat 101 waits to be worked off again\n` })
    expect((await replay("--reason", "the bug is mended", "--key", "k")).stdout).toBe(once.stdout)
    expect((await replay("--reason", "again")).code).toBe(4)
    const events = all.home.events("chat.replayed").map(({ payload }) => JSON.parse(payload ?? "{}"))
    expect(events).toEqual([{ bot: "4242424242", update, chat: "101", tries: 12, command: { op: "chat_replay", channel: "cli", key: "k", reason: "the bug is mended" } }])
    if (how === "down") await all.serve()
    // It was worked off: what it asks for is there a second time, since all that was known of it was taken away.
    await all.sees(ada, "note", { after: 2 })
    expect(all.home.tasks()).toHaveLength(before + 1)
    expect((await all.home.run(["telegram", "status"])).stdout).toContain("0 given up")
  })

  it("lets nobody replay who is no operator, and puts that on record", async ({ expect, onTestFinished }) => {
    const all = await world(onTestFinished, ["requester"])
    const update = await givenUp(all)
    expect(await all.home.run(["telegram", "replay", String(update), "--reason", "x"])).toMatchObject({ code: 3 })
    expect(all.home.events("command.denied")).toHaveLength(1)
    expect(all.home.query("SELECT state FROM inbox")).toEqual([{ state: "dead" }])
  })
})
