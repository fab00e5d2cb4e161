/** The smoke test of the bot, as its page has it: each step of the table, with the simulator and the shipped program. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { expect, it, onTestFinished } from "vitest"
import { program, start, type Started, until } from "../edge/cli/Opsgate.ts"

const docs = fileURLToPath(new URL("../../docs/", import.meta.url))
const numbers = { Ada: 1001, Grace: 1002, Mallory: 1003 } as const
const ops = -4001

const unquoted = (cell: string): string => cell.replaceAll("`", "").trim()
const rows = readFileSync(join(docs, "TELEGRAM_SMOKETEST.md"), "utf8").split("\n").flatMap((line) => {
  const [, step, where = "", does = "", sees = ""] = /^\| (\d+) \|([^|]*)\|([^|]*)\|([^|]*)\|$/.exec(line) ?? []
  return step === undefined ? [] : [{ step: Number(step), where: where.trim(), does: unquoted(does), sees: unquoted(sees) }]
})

const world = async () => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-smoke-"))
  cpSync(join(docs, "examples/telegram/opsgate.config.json"), join(folder, "opsgate.config.json"))
  const simulator = spawn(process.execPath, [program, "telegram", "simulate", "--json", "--token-file", "simulator-token"], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] })
  const servers: Array<Started> = []
  onTestFinished(() => {
    simulator.kill("SIGKILL")
    servers.forEach((server) => server.signal("SIGKILL"))
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  const [line] = (await once(createInterface({ input: simulator.stdout }), "line")) as [string]
  const { api_root: root } = JSON.parse(line) as { readonly api_root: string }
  // Any port that is free, so that tests can run beside each other.
  const settings = readFileSync(join(folder, "opsgate.config.json"), "utf8").replace("http://127.0.0.1:8082/", root).replace("../../../src/", "./")
  start("tee", ["opsgate.config.json"], { cwd: folder, input: settings })
  const sim = async (path: string, body?: object): Promise<any> => {
    const response = await fetch(`${root}_sim/${path}`, body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    const answer: any = await response.json()
    if (!response.ok) throw new Error(answer.error)
    return answer
  }
  const serve = async () => {
    const server = start(process.execPath, [program, "serve"], { cwd: folder, mayTakeMs: 120_000 })
    servers.push(server)
    await until("a server that is ready", () => server.stderr().includes("the runtime is ready"))
    await sim("wait", { polled: true })
    return server
  }
  const run = async (...args: ReadonlyArray<string>) => (await start(process.execPath, [program, ...args], { cwd: folder }).ended)
  return { folder, run, serve, sim }
}

it("does what its page says, step by step", async () => {
  const { folder, run, serve, sim } = await world()
  let server = await serve()
  let id = ""
  let card: any = null
  expect(rows.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))

  const see = async (chat: number, after: number, words: string): Promise<void> => {
    const all = () => sim(`messages?chat=${chat}`)
    const { found, met } = await sim("wait", { messages: { chat, by_bot: true, after, contains: words }, timeout_ms: 20_000 })
    if (met !== true) throw new Error(`${words} is not seen, but ${JSON.stringify((await all()).map(({ text }: any) => text))}`)
    const message = (await all()).find(({ message_id }: any) => message_id === found.at(-1).message_id)
    const [short] = /^[0-9a-z]{6}(?= {2})/.exec(message?.text ?? "") ?? []
    if (short !== undefined) [id, card] = [short, message]
  }

  for (const { does, sees, step, where } of rows) {
    const [who = "", place = ""] = where.split(", ")
    const user = Object.entries(numbers).find(([name]) => name === who)?.[1]
    const chat = place === "in Ops" ? ops : user ?? 0
    const words = sees.replaceAll("<id>", id)
    const before = user === undefined ? 0 : Math.max(0, ...(await sim(`messages?chat=${chat}`)).map(({ message_id }: any) => message_id))
    if (does.startsWith("kill")) {
      server.signal("SIGKILL")
      await server.ended
    } else if (does === "opsgate serve") server = await serve()
    else if (does.startsWith("presses ")) {
      const button = does.slice("presses ".length)
      await sim("wait", { messages: { chat, button, after: card.message_id - 1 } })
      // The buttons of a card that was looked at are new ones a moment later.
      const { buttons } = (await sim(`messages?chat=${chat}`)).find(({ message_id }: any) => message_id === card.message_id)
      const { query } = await sim("press", { user, chat, message: card.message_id, data: buttons.flat().find(({ text }: any) => text === button).callback_data })
      const answered = await sim("wait", { query })
      if (!String(answered.found.text).includes(words)) await see(chat, card.message_id - 1, words)
      else expect(answered.found.text, `step ${step}`).toContain(words)
      if (sees === "not done") {
        const used = JSON.stringify(buttons)
        for (let now = buttons; JSON.stringify(now) === used; await sim("wait", { revision: (await sim("state")).revision, timeout_ms: 200 })) now = (await sim(`messages?chat=${chat}`)).find(({ message_id }: any) => message_id === card.message_id).buttons
      }
    } else if (does !== "") await sim("send", { user, chat, text: does.replaceAll("<id>", id) })
    if (sees === "nothing") {
      if (who === "Mallory") expect((await sim(`messages?chat=${chat}`)).filter(({ by_bot: byBot }: any) => byBot)).toEqual([])
    } else if (sees !== "" && !does.startsWith("presses ")) await see(chat, does.startsWith("/reject") ? 0 : before, words)
  }

  expect(readFileSync(join(folder, ".opsgate/released.txt"), "utf8")).toBe("1.2.0\n")
  const denied = await run("events", "--type", "chat.denied")
  expect(denied.stdout).toContain("telegram:1003")
  expect(denied.stdout).not.toContain("/ops")
  expect((await run("telegram", "status")).stdout).toMatch(/0 not worked off; 0 given up/)
  expect((await run("audit", "list")).code).toBe(3)
  const token = readFileSync(join(folder, "simulator-token"), "utf8").trim()
  expect((await start("grep", ["-rF", token, ".opsgate"], { cwd: folder }).ended).stdout).toBe("")
}, 180_000)
