/** What the bot is set up with: its token, and settings that can hardly be meant. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either, Redacted } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { redact } from "../../../src/domain/Redaction.ts"
import { doubtsOf, settingsOf, type TelegramEntry, tokenOf } from "../../../src/TelegramSettings.ts"

const entry: TelegramEntry = { api_root: "http://127.0.0.1:1/", chats: [-5], notify: [-5, 101], stale_after_ms: 1000, commands_per_minute: 20, approve: "all" }
const people = new Map([["telegram:101", { name: "ada", roles: ["operator"], service: false }]])

describe("a token", () => {
  const read = (text: string) => {
    const folder = mkdtempSync(join(tmpdir(), "opsgate-token-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, "token"), text)
    return Effect.runSync(Effect.either(tokenOf(settingsOf({ ...entry, token_file: "token" }, folder))))
  }

  // Telegram's have 35 characters behind the colon today, and promises nothing.
  it.each([30, 35, 46, 100])("of %i characters is taken, and kept out of every text by its shape", (length) => {
    const token = `4242424242:${"aB3-_".repeat(20).slice(0, length)}`
    const found = read(`${token}\n`)
    expect(Either.isRight(found) && Redacted.value(found.right)).toBe(token)
    expect(redact(`it said bot${token}/getMe`)).not.toContain(token.slice(11))
  })

  it.each([["too short", `4242424242:${"a".repeat(29)}`], ["too long", `4242424242:${"a".repeat(101)}`], ["without its number", "a".repeat(40)], ["with a blank", `4242424242:${"a".repeat(20)} ${"a".repeat(20)}`], ["empty", ""]])("that is %s is refused without being shown", (_what, text) => {
    const found = read(text)
    expect(Either.isLeft(found) && found.left.message).toBe("telegram: what the file holds is not a bot token")
  })
})

describe("settings that can hardly be meant", () => {
  const doubts = (change: Partial<TelegramEntry>, who: Parameters<typeof doubtsOf>[1] = people) => doubtsOf(settingsOf({ ...entry, ...change }, "/"), who)

  it("are none where groups are negative and somebody is known", () => {
    expect(doubts({})).toEqual([])
  })

  it("are each told in a sentence", () => {
    expect(doubts({ chats: [5, -5] })).toEqual(["telegram.chats names 5: numbers of groups are negative, and private chats need not be named"])
    expect(doubts({ chats: [] })).toEqual(["telegram.notify names -5, which telegram.chats does not: the group is written to, and nobody is answered there"])
    for (const who of [null, new Map(), new Map([["cli:ada", { name: "ada", roles: [], service: false }]])]) {
      expect(doubts({}, who)).toEqual(["nobody of people has an identity telegram:<number>, so the bot answers nobody"])
    }
  })
})
