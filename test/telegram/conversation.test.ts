/** The real server and the fake of the service, over HTTP: from words to the end of a task, by text alone and by buttons alone. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startFake, type StartedFake, token } from "./startFake.ts"

const program = fileURLToPath(new URL("../../dist/opsgate.js", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "opsgate-conversation-"))
let fake: StartedFake
let server: ChildProcess

const [ada, bob, eve] = [101, 102, 666]

beforeAll(async () => {
  fake = await startFake()
  for (const [id, first_name] of [[ada, "Ada"], [bob, "Bob"], [eve, "Eve"]]) await fake.sim("users", { id, first_name })
  writeFileSync(join(folder, "opsgate.config.json"), JSON.stringify({
    v: 1,
    people: {
      ada: { identities: [`telegram:${ada}`], roles: ["requester", "operator"] },
      bob: { identities: [`telegram:${bob}`], roles: ["approver", "operator"] }
    },
    telegram: { api_root: fake.root.replace(/\/$/, ""), notify: [bob] },
    kinds: Object.fromEntries(["deploy", "release"].map((kind) => [kind, { class: "heavy", risk: "none", payload: true, timeout_ms: 20_000, exec: { argv: ["true"] } }]))
  }))
  // He is told of what needs him once he has spoken to the bot.
  await fake.sim("send", { user: bob, text: "/start" })
  server = spawn(process.execPath, [program, "serve"], { cwd: folder, env: { ...process.env, OPSGATE_TELEGRAM_TOKEN: token }, stdio: ["ignore", "ignore", "inherit"] })
})
afterAll(async () => {
  if (server.exitCode === null) {
    server.kill("SIGTERM")
    await once(server, "exit")
  }
  await fake.stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Message {
  readonly message_id: number
  readonly text: string
  readonly by_bot: boolean
}

const said = async (user: number): Promise<ReadonlyArray<Message>> => (await fake.sim<ReadonlyArray<Message>>(`messages?chat=${user}`)).filter(({ by_bot }) => by_bot)
const write = (user: number, text: string) => fake.sim("send", { user, text })
/** The latest message of the bot to somebody that says this. */
const until = async (user: number, words: string): Promise<Message> => {
  const { met } = await fake.sim<{ readonly met: boolean }>("wait", { messages: { chat: user, contains: words, by_bot: true }, timeout_ms: 30_000 })
  const found = (await said(user)).findLast(({ text }) => text.includes(words))
  if (!met || found === undefined) throw new Error(`the bot never said ${words} to ${user}: ${JSON.stringify((await said(user)).map(({ text }) => text))}`)
  return found
}

describe("a task over the service", () => {
  it("goes from /newtask to done by text alone", async () => {
    await write(ada, "/newtask deploy ship it")
    const id = (await until(ada, "waits for approval")).text.slice(0, 6)
    await write(bob, `/approve ${id} go`)
    await until(bob, "approved: deploy")
    await write(bob, `/resume ${id}`)
    await until(ada, "done")
  })

  it("goes there by buttons alone", async () => {
    await write(ada, "/newtask release *again* <b>")
    // He is shown a card of his own, since he is told of what needs him.
    const his = await until(bob, "release\nwaits for approval")
    await fake.sim("press", { user: bob, message: his.message_id, button: "✅ Approve" })
    await until(bob, "release\napproved, waits for its resume")
    await fake.sim("press", { user: bob, message: his.message_id, button: "▶️ Resume" })
    expect((await until(bob, "release\ndone")).text).toContain("approved 1 of 1 by bob")
    await until(ada, "release\ndone")
    expect(await fake.sim("violations")).toEqual([])
  })

  it("is nothing that a stranger gets an answer about", async () => {
    await write(eve, "/newtask deploy evil")
    await write(ada, "/board")
    await until(ada, "dead letter")
    expect(await said(eve)).toEqual([])
  })
})
