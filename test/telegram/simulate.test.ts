import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface, type Interface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it } from "vitest"
import { fakeProgram, startFake, token } from "./startFake.ts"

const opsgate = fileURLToPath(new URL("../../dist/opsgate.js", import.meta.url))
const dir = mkdtempSync(join(tmpdir(), "opsgate-simulate-"))
const children: Array<ChildProcess> = []
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL")
  rmSync(dir, { recursive: true })
})

const simulate = (...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [opsgate, "telegram", "simulate", ...args], { stdio: "pipe" })
  children.push(child)
  return child
}

/** The next line that fits; what comes before it is passed over. */
const lineWith = (lines: Interface, text: string): Promise<string> =>
  new Promise((resolve) => {
    const look = (line: string): void => {
      if (!line.includes(text)) return
      lines.off("line", look)
      resolve(line)
    }
    lines.on("line", look)
  })

const ended = async (child: ChildProcess): Promise<{ readonly code: number | null; readonly said: string }> => {
  let said = ""
  child.stderr?.on("data", (chunk: Buffer) => void (said += chunk.toString()))
  const [code] = (await once(child, "close")) as [number | null]
  return { code, said }
}

describe("opsgate telegram simulate", () => {
  it("says where it is, with a token that works and a file that holds it, and takes both along when it ends", async () => {
    const child = simulate("--json")
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string]
    const told = JSON.parse(line)
    expect(told.settings).toEqual({ telegram: { api_root: told.api_root, token_file: told.token_file } })
    expect(readFileSync(told.token_file, "utf8").trim()).toBe(told.token)
    expect(statSync(told.token_file).mode & 0o777).toBe(0o600)
    const me = await fetch(new URL(`./bot${told.token}/getMe`, told.api_root))
    expect(((await me.json()) as any).result.is_bot).toBe(true)
    expect((await fetch(told.page)).headers.get("content-type")).toBe("text/html; charset=utf-8")
    const { chats, users } = (await (await fetch(`${told.api_root}_sim/state`)).json()) as any
    expect([users.map(({ id }: any) => id), chats.map(({ id }: any) => id)]).toEqual([[1001, 1002, 1003], [1001, 1002, 1003, -4001]])
    child.kill("SIGTERM")
    expect((await ended(child)).code).toBe(0)
    expect(existsSync(told.token_file)).toBe(false)
  })

  it("is a chat in the terminal with --no-serve, with buttons by number and nothing raw", async () => {
    const child = simulate("--no-serve", "--json")
    const lines = createInterface({ input: child.stdout })
    const [line] = (await once(lines, "line")) as [string]
    const { api_root, token: given } = JSON.parse(line)
    expect((await fetch(api_root)).status).toBe(404)
    const call = async (method: string, params: object) =>
      ((await (await fetch(`${api_root}bot${given}/${method}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(params) })).json()) as any).result
    const poll = call("getUpdates", { timeout: 50 })
    child.stdin.write(":as 1002\n/ops now\n")
    expect((await poll)[0].message).toMatchObject({ from: { id: 1002 }, text: "/ops now" })
    const [reply, second] = [lineWith(lines, "#2"), lineWith(lines, "[2]")]
    const buttons = { inline_keyboard: [[{ text: "yes", callback_data: "y" }, { text: "no\u009b31m", callback_data: "n" }]] }
    await call("sendMessage", { chat_id: 1002, text: "well\u202e \u009b31mred 👩‍👧", reply_markup: buttons })
    expect(await reply).toBe("1002 #2: well \\u{9b}31mred 👩‍👧")
    expect(await second).toBe("  [2] no\\u{9b}31m")
    const pressed = call("getUpdates", { offset: (await poll)[0].update_id + 1, timeout: 50 })
    child.stdin.write(":press 2 2\n")
    const { callback_query } = (await pressed)[0]
    expect(callback_query).toMatchObject({ data: "n", from: { id: 1002 } })
    const answered = lineWith(lines, "(answer")
    await call("answerCallbackQuery", { callback_query_id: callback_query.id, text: "good" })
    expect(await answered).toBe("(answer: good)")
    const refusals = lineWith(lines, "(")
    child.stdin.write(":press 2 9\n")
    expect(await refusals).toBe("(Bad Request: DATA_INVALID: the message has no such button)")
    child.stdin.write(":quit\n")
    expect((await ended(child)).code).toBe(0)
  })

  it("keeps the token in a file that is named, and refuses one that holds none", async () => {
    const file = join(dir, "token")
    const tokens: Array<string> = []
    for (let n = 0; n < 2; n++) {
      const child = simulate("--json", "--token-file", file)
      const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string]
      tokens.push(JSON.parse(line).token)
      child.kill("SIGTERM")
      await ended(child)
    }
    expect(tokens[1]).toBe(tokens[0])
    writeFileSync(file, "nothing\n")
    expect(await ended(simulate("--token-file", file))).toEqual({ code: 2, said: `opsgate: ${file} holds no token of a bot\n` })
  })

  it("answers words that make no sense with one sentence and 2, and a port that is taken with 1", async () => {
    expect(await ended(simulate("--port", "x"))).toEqual({ code: 2, said: "opsgate: --port wants a whole number from 0 to 65535\n" })
    expect((await ended(simulate("--frob"))).code).toBe(2)
    const fake = await startFake()
    const { code, said } = await ended(simulate("--port", String(fake.port)))
    expect([code, said.split("\n").length]).toEqual([1, 2])
    expect(said).toContain("EADDRINUSE")
    await fake.stop()
  })
})

describe("the fake as a process", () => {
  it("ends on SIGTERM with 0, and with its parent when that is asked for", async () => {
    const fake = await startFake()
    expect(await fake.stop()).toBe(0)
    const orphan = spawn(process.execPath, [fakeProgram, "--token", token, "--with-parent"], { stdio: ["pipe", "pipe", "inherit"] })
    children.push(orphan)
    await once(createInterface({ input: orphan.stdout }), "line")
    orphan.stdin.end()
    expect((await once(orphan, "exit"))[0]).toBe(0)
  })
})
