/** A server that is killed while people type, on the real program: each command has one effect, and its answer arrives. */
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { light, program } from "../cli/Opsgate.ts"
import { person, type Phones, phones } from "./phones.ts"

const ada = 101
const kinds = { note: light(["true"]) }
const people = { ada: person(ada), ...Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`p${n}`, person(200 + n)])) }

/** A module that is loaded before the server, and kills it at a statement, before it is carried out, or at a call of the Bot API, before a byte of it is written. */
const killedAt = ({ call = "", count = 1, sql = "" }: { readonly call?: string; readonly count?: number; readonly sql?: string }): ReadonlyArray<string> => {
  const source = `
import http from "node:http"
import { createRequire, syncBuiltinESMExports } from "node:module"
let left = ${count}
const passes = () => { if (--left === 0) process.kill(process.pid, "SIGKILL") }
const wrap = (object, name, isIt) => {
  const real = object[name]
  object[name] = function (...args) {
    if (isIt(...args)) passes()
    return real.apply(this, args)
  }
}
const { prototype } = createRequire(${JSON.stringify(program)})("better-sqlite3")
const prepare = prototype.prepare
prototype.prepare = function (sql) {
  const statement = prepare.call(this, sql)
  if (${JSON.stringify(sql)} !== "" && sql.startsWith(${JSON.stringify(sql)})) wrap(statement, "run", () => true)
  return statement
}
const request = http.request
http.request = (...args) => {
  const made = request(...args)
  if (${JSON.stringify(call)} !== "" && made.path.endsWith("/" + ${JSON.stringify(call)})) wrap(made, "end", () => true)
  return made
}
syncBuiltinESMExports()
`
  return ["--import", `data:text/javascript,${encodeURIComponent(source)}`]
}

const prompts = ({ home }: Phones): ReadonlyArray<string> =>
  home.query<{ readonly spec: string }>("SELECT spec FROM task ORDER BY id").map(({ spec }) => JSON.parse(JSON.parse(spec).payload).prompt)
const count = ({ home }: Phones, from: string): number => home.query<{ readonly n: number }>(`SELECT COUNT(*) AS n FROM ${from}`)[0]?.n ?? -1

/** The cards of the bot in a chat, by the ids of their tasks. */
const cardsIn = async (all: Phones, chat: number): Promise<ReadonlyArray<string>> =>
  (await all.see(chat)).flatMap((message) => (message.by_bot && message.text?.includes("  note\n") === true ? [all.shortIn(message)] : []))

describe("a command in a chat", () => {
  it.each([
    ["that was received, and its server killed before it was decided", { sql: "INSERT INTO task" }, { pending: 1, waits: 0, tasks: 0 }],
    ["that was decided, and its server killed before that was marked", { sql: "UPDATE inbox SET state = 'done'" }, { pending: 1, waits: 0, tasks: 1 }],
    ["that was answered, and its server killed before the answer was sent", { call: "sendMessage" }, { pending: 0, waits: 1, tasks: 1 }]
  ] as const)("%s has one effect, and its answer arrives once", async (_what, at, standing) => {
    const all = await phones(onTestFinished, { kinds, people })
    await all.type(ada, "/newtask note once")
    const dead = all.home.launch(["serve"], { node: killedAt(at) })
    expect((await dead.ended).signal).toBe("SIGKILL")
    expect({ pending: count(all, "inbox WHERE state = 'pending'"), waits: count(all, "delivery WHERE state = 'waits'"), tasks: count(all, "task") }).toEqual(standing)
    expect(await all.see(ada)).toHaveLength(1)
    await all.serve()
    const card = await all.sees(ada, "\ndone\n")
    expect(prompts(all)).toEqual(["once"])
    expect(await cardsIn(all, ada)).toEqual([all.shortIn(card)])
    expect(count(all, "event WHERE type = 'task.requested'")).toBe(1)
  })

  it("whose answer was sent, and its server killed before it knew, has one effect, and the repeat shows the same task", async () => {
    const all = await phones(onTestFinished, { kinds, people })
    await all.fake.sim("faults", { queue: [{ kind: "reset_after", method: "sendMessage", times: 1 }] })
    await all.type(ada, "/newtask note sent")
    const dead = all.home.launch(["serve"], { node: killedAt({ call: "sendMessage", count: 2 }) })
    expect((await dead.ended).signal).toBe("SIGKILL")
    const [before = ""] = await cardsIn(all, ada)
    await all.serve()
    const { message_id: after } = (await all.see(ada)).find(({ by_bot }) => by_bot) ?? { message_id: 0 }
    await all.sees(ada, "\ndone\n", { after })
    expect(prompts(all)).toEqual(["sent"])
    expect(await cardsIn(all, ada)).toEqual([before, before])
  })

  it("has one effect and gets its answer when the server is killed at 20 random instants", async () => {
    const all = await phones(onTestFinished, { kinds, people })
    const chats = Array.from({ length: 8 }, (_, n) => 200 + n)
    // A generator of its own (Lehmer, "Minimal standard", Park and Miller 1988), so that the instants of a run can be had again.
    let state = 4711
    const drawn = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below
    const asked: Array<string> = []
    const found = { received: 0, unsent: 0 }
    for (let round = 0; round < 20; round++) {
      const typed = [...new Set([drawn(8), drawn(8)])].map((n) => [200 + n, `r${round}c${200 + n}`] as const)
      const write = () => all.fake.sim("send", typed.map(([chat, prompt]) => ({ user: chat, chat, text: `/newtask note ${prompt}` })))
      // Every second server starts on a backlog.
      const isBacklog = round % 2 === 0
      if (isBacklog) await write()
      const server = await all.home.serve()
      if (!isBacklog) {
        await all.fake.sim("wait", { polled: true })
        await write()
      }
      asked.push(...typed.map(([, prompt]) => prompt))
      await sleep(drawn(120))
      server.signal("SIGKILL")
      expect((await server.ended).signal).toBe("SIGKILL")
      found.received += count(all, "inbox WHERE state = 'pending'")
      found.unsent += count(all, "delivery WHERE state = 'waits'")
    }
    await all.serve({ mayTakeMs: 120_000 })
    await all.fake.sim("wait", { drained: true })
    for (const chat of chats) {
      const mine = asked.filter((prompt) => prompt.endsWith(`c${chat}`))
      await vi.waitFor(() => expect(prompts(all).filter((prompt) => prompt.endsWith(`c${chat}`))).toEqual(mine), { timeout: 60_000, interval: 100 })
    }
    expect(prompts(all).toSorted()).toEqual(asked.toSorted())
    // What a random instant is there to hit was hit.
    expect(found.received).toBeGreaterThan(0)
    expect(found.unsent).toBeGreaterThan(0)
    const tasks = all.home.query<{ readonly id: string; readonly spec: string }>("SELECT id, spec FROM task ORDER BY id")
    for (const chat of chats) {
      const mine = tasks.filter(({ spec }) => JSON.parse(JSON.parse(spec).payload).prompt.endsWith(`c${chat}`)).map(({ id }) => id.slice(-6).toLowerCase())
      await vi.waitFor(async () => expect([...new Set(await cardsIn(all, chat))].toSorted()).toEqual(mine.toSorted()), { timeout: 60_000, interval: 200 })
    }
    expect(await all.fake.sim("violations")).toEqual([])
  }, 300_000)

  it("that arrives late after an outage is asked about again, and done when the button says so", async () => {
    const all = await phones(onTestFinished, { kinds, people })
    await all.kill(await all.serve())
    await all.type(ada, "/newtask note stale", { age_s: 600 })
    await all.type(ada, "/newtask note fresh", { age_s: 10 })
    await all.serve()
    const late = await all.sees(ada, "reached me late, so nothing was done")
    await all.sees(ada, "  note\n")
    expect(prompts(all)).toEqual(["fresh"])
    await all.press(ada, late, "Do it now")
    await vi.waitFor(() => expect(prompts(all)).toEqual(["fresh", "stale"]), { timeout: 20_000 })
    expect(await all.press(ada, late, "Do it now")).toMatch(/^already pressed/)
    expect(prompts(all)).toEqual(["fresh", "stale"])
  })
})
