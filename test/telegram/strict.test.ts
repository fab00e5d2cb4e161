import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { startFake, type StartedFake, token } from "./startFake.ts"

let fake: StartedFake

beforeAll(async () => {
  fake = await startFake()
})
afterAll(() => fake.stop())
beforeEach(async () => {
  await fake.sim("reset", { seed: 7, first_update_id: 5000 })
  await fake.sim("users", { id: 1, first_name: "Ada" })
  await fake.sim("users", { id: 2, first_name: "Grace" })
  await fake.sim("send", { user: 1, text: "/start" })
  await fake.sim("limits", { enabled: false })
})

const refused = async (method: string, params: unknown): Promise<string> => {
  const { description, ok, status } = await fake.call(method, params)
  expect(ok).toBe(false)
  return `${status} ${description}`
}

const send = (text: string, more: object = {}) => fake.call("sendMessage", { chat_id: 1, text, ...more })

const keyboard = (...buttons: ReadonlyArray<object>) => ({ inline_keyboard: [buttons] })

describe("a request", () => {
  it("with another token is 401, also when it is longer or shorter", async () => {
    for (const wrong of [`${token}x`, token.slice(0, -1), `${token.slice(0, -1)}X`, ""]) {
      const response = await fetch(`${fake.root}bot${wrong}/getMe`)
      expect([response.status, await response.json()]).toEqual([401, { ok: false, error_code: 401, description: "Unauthorized" }])
    }
  })

  it("of an unknown method is 404", async () => {
    expect(await refused("sendMesage", {})).toBe("404 Not Found: method not found")
  })

  it("is taken as JSON, as a form, as multipart and as a query, and method names in any case", async () => {
    const url = `${fake.root}bot${token}/sendMessage`
    const form = new FormData()
    form.set("chat_id", "1")
    form.set("text", "multipart ä")
    const replies = await Promise.all([
      fetch(url, { method: "POST", headers: { "content-type": "application/json; charset=utf-8" }, body: JSON.stringify({ chat_id: 1, text: "json ä" }) }),
      fetch(url, { method: "POST", body: new URLSearchParams({ chat_id: "1", text: "form ä" }) }),
      fetch(url, { method: "POST", body: form }),
      fetch(`${url.replace("sendMessage", "SENDMESSAGE")}?chat_id=1&text=query%20%C3%A4`)
    ])
    const texts = await Promise.all(replies.map(async (reply) => ((await reply.json()) as any).result?.text))
    expect(texts).toEqual(["json ä", "form ä", "multipart ä", "query ä"])
  })

  it("that cannot be read is 400, and kept as it came", async () => {
    const response = await fetch(`${fake.root}bot${token}/sendMessage`, { method: "POST", headers: { "content-type": "application/json" }, body: "{\"chat_id\":" })
    expect([response.status, ((await response.json()) as any).description]).toEqual([400, "Bad Request: can't parse JSON object"])
    const [call] = await fake.sim("record")
    expect(call).toMatchObject({ method: "sendMessage", raw: "{\"chat_id\":", status: 400 })
  })

  it("is kept whole in the record, with its unknown parameters, which are not refused", async () => {
    await send("one", { colour: "red", parse_mode: "" })
    const [call] = await fake.sim("record?method=sendMessage")
    expect(call).toMatchObject({
      http: "POST",
      params: { chat_id: 1, text: "one", colour: "red", parse_mode: "" },
      unknown: ["colour"],
      status: 200,
      answered: true,
      answer: { ok: true, result: { text: "one" } }
    })
  })
})

describe("a text", () => {
  it.each([
    ["", "400 Bad Request: message text is empty"],
    [" \n\t ", "400 Bad Request: message text is empty"],
    ["x".repeat(4097), "400 Bad Request: message is too long"],
    // 2,049 characters of two units each.
    ["😀".repeat(2049), "400 Bad Request: message is too long"],
    ["half \ud83d", "400 Bad Request: strings must be encoded in UTF-8"],
    ["\ude00 half", "400 Bad Request: strings must be encoded in UTF-8"]
  ])("is refused: %#", async (text, words) => {
    expect(await refused("sendMessage", { chat_id: 1, text })).toBe(words)
  })

  it("may have 4,096 UTF-16 units, counted after its entities", async () => {
    expect((await send("x".repeat(4096))).ok).toBe(true)
    expect((await send("😀".repeat(2048))).ok).toBe(true)
    const bold = await send(`<b>${"x".repeat(4096)}</b>`, { parse_mode: "HTML" })
    expect(bold.result.entities).toEqual([{ type: "bold", offset: 0, length: 4096 }])
    expect((await send(`<b>${"x".repeat(4097)}</b>`, { parse_mode: "HTML" })).description).toBe("Bad Request: message is too long")
  })

  it.each([["\na", "a"], [" a", "a"], ["a ", "a"], ["a\n", "a"], ["a\tb", "a b"], ["a\u0000b", "a b"], ["a\u001fb", "a b"], ["a\rb", "ab"], ["a\u2028b", "ab"], ["a\u202eb", "ab"], ["a\n b", "a\n b"], ["a\u200bb", "a\u200bb"]])("%j is stored as %j", async (given, stored) => {
    expect((await send(given)).result.text).toBe(stored)
  })

  it("loses white space at its ends, carriage returns and turns of direction, and its entities move along", async () => {
    const { result } = await send("\n a\tb\r\u202ec  ", { entities: [{ type: "bold", offset: 2, length: 6 }, { type: "italic", offset: 8, length: 2 }] })
    expect([result.text, result.entities]).toEqual(["a bc", [{ type: "bold", offset: 0, length: 4 }]])
  })

  it("keeps right-to-left script, emoji, joiners and every reserved character when no parse mode is asked for", async () => {
    const text = "_*[]()~`>#+-=|{}.!\\ <b>&amp;</b> שלום مرحبا 👩‍👩‍👧 a\u200bb"
    expect((await send(text)).result.text).toBe(text)
  })

  it("has its commands and mentions marked by the server, except in code", async () => {
    const { result } = await send("/ops@opsgate_bot and @somebody, not a/b or `/x`", { entities: [{ type: "code", offset: 43, length: 4 }] })
    expect(result.entities.map(({ length, offset, type }: any) => [type, offset, length])).toEqual([["bot_command", 0, 16], ["mention", 21, 9], ["code", 43, 4]])
  })
})

describe("an entity", () => {
  it.each([
    [{ type: "bold", offset: 0, length: 6 }, "entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 5"],
    [{ type: "bold", offset: 2, length: 1 }, "entity begins in a middle of a UTF-16 symbol at UTF-16 offset 2"],
    [{ type: "bold", offset: 0, length: 2 }, "entity ends in a middle of a UTF-16 symbol at UTF-16 offset 2"],
    [{ type: "bold", offset: -1, length: 2 }, "can't parse MessageEntity: Field \"offset\" must be a non-negative whole number"],
    [{ type: "bold", offset: 0, length: 0 }, "can't parse MessageEntity: Field \"length\" must be a positive whole number"],
    [{ type: "fat", offset: 0, length: 1 }, "can't parse MessageEntity: Unsupported type specified"],
    [{ type: "text_link", offset: 0, length: 1 }, "can't parse MessageEntity: Can't find field \"url\""],
    [{ offset: 0, length: 1 }, "can't parse MessageEntity: Can't find field \"type\""]
  ])("%j is refused", async (entity, words) => {
    expect(await refused("sendMessage", { chat_id: 1, text: "a😀bc", entities: [entity] })).toBe(`400 Bad Request: ${words}`)
  })
})

describe("MarkdownV2", () => {
  const markdown = (text: string) => send(text, { parse_mode: "MarkdownV2" })

  it.each([..."]>#+-=|{}.!"])("refuses %s that is not escaped", async (character) => {
    expect((await markdown(`a ${character} b`)).description).toBe(`Bad Request: can't parse entities: Character '${character}' is reserved and must be escaped with the preceding '\\'`)
  })

  it.each([
    ["a *b", "Can't find end of Bold entity at byte offset 2"],
    ["ä _b", "Can't find end of Italic entity at byte offset 3"],
    ["a ~b", "Can't find end of Strikethrough entity at byte offset 2"],
    ["a `b", "Can't find end of Code entity at byte offset 2"],
    ["a ```b", "Can't find end of Pre entity at byte offset 2"],
    ["a __b_", "Can't find end of Italic entity at byte offset 5"],
    ["a ||b", "Can't find end of Spoiler entity at byte offset 2"],
    ["a [b", "Can't find end of TextUrl entity at byte offset 2"],
    ["[a](http://b.c", "Can't find end of a URL at byte offset 4"],
    ["a (b)", "Character '(' is reserved and must be escaped with the preceding '\\'"],
    ["![a](x)", "Custom emoji URL must have an emoji identifier"]
  ])("refuses %j", async (text, words) => {
    expect((await markdown(text)).description).toBe(`Bad Request: can't parse entities: ${words}`)
  })

  it("takes every reserved character behind a backslash", async () => {
    expect((await markdown([..."_*[]()~`>#+-=|{}.!\\"].map((character) => `\\${character}`).join(""))).result).toMatchObject({ text: "_*[]()~`>#+-=|{}.!\\" })
  })

  it("reads what it is for", async () => {
    const { result } = await markdown("*b _i_* __u__ ~s~ ||h|| `c.` [l\\.](https://a.b/\\)x)\n```js\nlet x = 1.5\n```\n>q1\n>q2\nend")
    expect(result.text).toBe("b i u s h c. l.\nlet x = 1.5\n\nq1\nq2\nend")
    expect(result.entities).toEqual([
      { type: "bold", offset: 0, length: 3 },
      { type: "italic", offset: 2, length: 1 },
      { type: "underline", offset: 4, length: 1 },
      { type: "strikethrough", offset: 6, length: 1 },
      { type: "spoiler", offset: 8, length: 1 },
      { type: "code", offset: 10, length: 2 },
      { type: "text_link", offset: 13, length: 2, url: "https://a.b/)x" },
      { type: "pre", offset: 16, length: 12, language: "js" },
      { type: "blockquote", offset: 29, length: 5 }
    ])
  })
})

describe("HTML", () => {
  const html = (text: string) => send(text, { parse_mode: "HTML" })

  it.each([
    ["a < b", "Unsupported start tag \"\" at byte offset 2"],
    ["ä <x>", "Unsupported start tag \"x\" at byte offset 3"],
    ["<b>a", "Can't find end tag corresponding to start tag \"b\""],
    ["a</b>", "Unexpected end tag at byte offset 1"],
    ["<b><i>a</b></i>", "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\""],
    ["<b", "Unclosed start tag at byte offset 0"],
    ["<a href='x", "Unclosed start tag at byte offset 0"],
    ["<b>a</b", "Unclosed end tag at byte offset 4"],
    ["<span>a</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"],
    ["a<br>b", "Unsupported start tag \"br\" at byte offset 1"]
  ])("refuses %j", async (text, words) => {
    expect((await html(text)).description).toBe(`Bad Request: can't parse entities: ${words}`)
  })

  it("reads what it is for, and leaves entities of the web that it does not know", async () => {
    const { result } = await html("<b>b <i>i</i></b> &lt;&amp;&gt;&quot;&#65;&#x42;&nbsp; <a href=\"https://a.b/?x=1&amp;y=2\">l</a> <pre><code class=\"language-js\">c</code></pre> > &")
    expect(result.text).toBe("b i <&>\"AB&nbsp; l c > &")
    expect(result.entities).toMatchObject([{ type: "bold", offset: 0, length: 3 }, { type: "italic" }, { type: "text_link", url: "https://a.b/?x=1&y=2" }, { type: "pre", language: "js" }])
  })

  it("is the only other parse mode", async () => {
    expect((await send("*a*", { parse_mode: "Markdown" })).description).toBe("Bad Request: unsupported parse_mode")
  })
})

describe("buttons", () => {
  it.each([
    [keyboard({ text: "ok", callback_data: "" }), "BUTTON_DATA_INVALID"],
    [keyboard({ text: "ok", callback_data: "x".repeat(65) }), "BUTTON_DATA_INVALID"],
    // 33 characters, 66 bytes.
    [keyboard({ text: "ok", callback_data: "ä".repeat(33) }), "BUTTON_DATA_INVALID"],
    [keyboard({ text: "", callback_data: "x" }), "can't parse inline keyboard button: Button text must be non-empty"],
    [keyboard({ text: "ok" }), "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"],
    [keyboard({ text: "ok", url: "https://a.b", callback_data: "x" }), "can't parse inline keyboard button: exactly one action is wanted, and there are url and callback_data"],
    [keyboard({ text: "ok", url: "http://localhost:1/" }), "inline keyboard button URL 'http://localhost:1/' is invalid: Wrong HTTP URL"],
    [keyboard({ text: "ok", callback_data: "x", style: "loud" }), "can't parse inline keyboard button: Field \"style\" must be danger, success or primary"],
    [keyboard({ text: "ok", callback_data: "x", color: "red" }), "can't parse inline keyboard button: unknown field color"],
    [{ inline_keyboard: [Array.from({ length: 9 }, () => ({ text: "x", callback_data: "x" }))] }, "REPLY_MARKUP_TOO_LONG"],
    [{ inline_keyboard: [{ text: "x" }] }, "can't parse inline keyboard: expected an Array of Arrays of buttons"],
    [{ buttons: [] }, "can't parse reply markup: unknown kind of keyboard"],
    ["{", "can't parse reply_markup JSON object"],
    [keyboard({ text: "half \ud83d", callback_data: "x" }), "strings must be encoded in UTF-8"],
    [JSON.stringify(keyboard({ text: "half \ud83d", callback_data: "x" })), "strings must be encoded in UTF-8"],
    [[1], "object expected as reply markup"]
  ])("are refused: %#", async (reply_markup, words) => {
    expect(await refused("sendMessage", { chat_id: 1, text: "x", reply_markup })).toBe(`400 Bad Request: ${words}`)
  })

  it("may carry 64 bytes, an address with a dot, and come as JSON text", async () => {
    const markup = keyboard({ text: "ok", callback_data: "ä".repeat(32), style: "success" }, { text: "go", url: "http://127.0.0.1:80/" })
    expect((await send("x", { reply_markup: JSON.stringify(markup) })).result.reply_markup).toEqual(markup)
  })

  it("that were pressed can be answered once, within 15 seconds, with 200 characters at most", async () => {
    const { result: { message_id } } = await send("x", { reply_markup: keyboard({ text: "ok", callback_data: "yes" }) })
    const press = () => fake.sim("press", { user: 1, message: message_id, button: "ok" })
    const { query } = await press()
    expect(await refused("answerCallbackQuery", { callback_query_id: query, text: "x".repeat(201) })).toBe("400 Bad Request: MESSAGE_TOO_LONG")
    expect((await fake.call("answerCallbackQuery", { callback_query_id: query, text: "x".repeat(200) })).result).toBe(true)
    const late = "400 Bad Request: query is too old and response timeout expired or query ID is invalid"
    expect(await refused("answerCallbackQuery", { callback_query_id: query })).toBe(late)
    expect(await refused("answerCallbackQuery", { callback_query_id: "1" })).toBe(late)
    const { query: second } = await press()
    await fake.sim("clock", { advance_ms: 15_001 })
    expect(await refused("answerCallbackQuery", { callback_query_id: second })).toBe(late)
  })

  it("cannot be pressed where there are none, except by a client that was tampered with", async () => {
    const { result: { message_id } } = await send("x", { reply_markup: keyboard({ text: "ok", callback_data: "yes" }, { text: "go", url: "https://a.b" }) })
    await expect(fake.sim("press", { user: 1, message: message_id, button: "no" })).rejects.toThrow("DATA_INVALID: the message has no such button")
    await expect(fake.sim("press", { user: 1, message: message_id, button: "go" })).rejects.toThrow("DATA_INVALID: the button asks nothing of the bot")
    await expect(fake.sim("press", { user: 1, message: 99, button: "ok" })).rejects.toThrow("MESSAGE_ID_INVALID")
    await expect(fake.sim("press", { user: 2, chat: 1, message: message_id, button: "ok" })).rejects.toThrow("the user is not a member of the chat")
    await fake.result("editMessageReplyMarkup", { chat_id: 1, message_id })
    await expect(fake.sim("press", { user: 1, message: message_id, button: "ok" })).rejects.toThrow("DATA_INVALID: the message has no such button")
    await fake.sim("press", { user: 1, message: message_id, data: "forged", forged: true })
    await fake.sim("press", { user: 1, message: 77, data: "gone", inaccessible: true })
    const updates = await fake.result("getUpdates")
    expect(updates.slice(-2).map(({ callback_query: { data, message } }: any) => [data, message.message_id, message.date === 0])).toEqual([["forged", message_id, false], ["gone", 77, true]])
  })
})

describe("an edit", () => {
  it("of nothing new, of nothing there, of another's, of too much is refused", async () => {
    const reply_markup = keyboard({ text: "ok", callback_data: "x" })
    const { result: { message_id } } = await send("x", { reply_markup })
    const edit = { chat_id: 1, message_id }
    const same = "400 Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"
    expect(await refused("editMessageText", { ...edit, text: " x ", reply_markup })).toBe(same)
    expect(await refused("editMessageReplyMarkup", { ...edit, reply_markup })).toBe(same)
    expect(await refused("editMessageText", { ...edit, message_id: 99, text: "y" })).toBe("400 Bad Request: message to edit not found")
    expect(await refused("editMessageText", { ...edit, message_id: 1, text: "y" })).toBe("400 Bad Request: message can't be edited")
    expect(await refused("editMessageText", { chat_id: 1, text: "y" })).toBe("400 Bad Request: message identifier is not specified")
    expect(await refused("editMessageText", { ...edit, text: "y".repeat(4097) })).toBe("400 Bad Request: MESSAGE_TOO_LONG")
    expect(await refused("editMessageText", { ...edit, text: "y", reply_markup: { keyboard: [["a"]] } })).toBe("400 Bad Request: inline keyboard expected")
    expect(await refused("deleteMessage", { chat_id: 1, message_id: 99 })).toBe("400 Bad Request: message to delete not found")
  })

  it("without buttons takes them away", async () => {
    const { result: { message_id } } = await send("x", { reply_markup: keyboard({ text: "ok", callback_data: "x" }) })
    const edited = await fake.result("editMessageText", { chat_id: 1, message_id, text: "x" })
    expect(edited.reply_markup).toBeUndefined()
    expect((await fake.sim("messages?chat=1")).at(-1)).toMatchObject({ text: "x", buttons: [], by_bot: true, edit_date: expect.any(Number) })
  })

  it("of a message that was deleted, or is older than what may be deleted, is refused", async () => {
    const { result: { message_id } } = await send("x")
    expect(await fake.result("deleteMessage", { chat_id: 1, message_id })).toBe(true)
    expect(await refused("editMessageText", { chat_id: 1, message_id, text: "y" })).toBe("400 Bad Request: message to edit not found")
    const { result: old } = await send("x")
    await fake.sim("clock", { advance_ms: 49 * 3_600_000 })
    expect(await refused("deleteMessage", { chat_id: 1, message_id: old.message_id })).toBe("400 Bad Request: message can't be deleted for everyone")
  })
})

describe("a chat", () => {
  it("that is none, was never begun, blocks, or threw the bot out, is refused in its words", async () => {
    expect(await refused("sendMessage", { chat_id: 99, text: "x" })).toBe("400 Bad Request: chat not found")
    expect(await refused("sendMessage", { text: "x" })).toBe("400 Bad Request: chat_id is empty")
    expect(await refused("sendMessage", { chat_id: 2, text: "x" })).toBe("403 Forbidden: bot can't initiate conversation with a user")
    await fake.sim("block", { user: 1 })
    expect(await refused("sendMessage", { chat_id: 1, text: "x" })).toBe("403 Forbidden: bot was blocked by the user")
    await fake.sim("send", { user: 1, text: "back" })
    expect((await send("x")).ok).toBe(true)
    const { id } = await fake.sim("chats", { type: "supergroup", members: [1] })
    await fake.sim("kick", { chat: id })
    expect(await refused("sendMessage", { chat_id: id, text: "x" })).toBe("403 Forbidden: bot was kicked from the supergroup chat")
  })

  it("that became a supergroup says which", async () => {
    const { id } = await fake.sim("chats", { type: "group", members: [1] })
    const { id: to } = await fake.sim("migrate", { chat: id })
    const { description, parameters } = await fake.call("sendMessage", { chat_id: id, text: "x" })
    expect([description, parameters]).toEqual(["Bad Request: group chat was upgraded to a supergroup chat", { migrate_to_chat_id: to }])
    expect((await fake.call("sendMessage", { chat_id: to, text: "x" })).ok).toBe(true)
    const updates = await fake.result("getUpdates")
    expect(updates.slice(-2).map(({ message }: any) => [message.migrate_to_chat_id, message.migrate_from_chat_id])).toEqual([[to, undefined], [undefined, id]])
  })

  it("has no message to answer that is not there, unless that may be", async () => {
    expect(await refused("sendMessage", { chat_id: 1, text: "x", reply_parameters: { message_id: 99 } })).toBe("400 Bad Request: message to be replied not found")
    expect((await send("x", { reply_parameters: { message_id: 99, allow_sending_without_reply: true } })).ok).toBe(true)
    expect((await send("x", { reply_to_message_id: 1 })).result.reply_to_message.text).toBe("/start")
  })
})

describe("commands", () => {
  const set = (commands: unknown, more: object = {}) => fake.call("setMyCommands", { commands, ...more })

  it.each([
    [[{ command: "Ops", description: "x" }], "BOT_COMMAND_INVALID"],
    [[{ command: "x".repeat(33), description: "x" }], "BOT_COMMAND_INVALID"],
    [[{ command: "ops", description: "" }], "BOT_COMMAND_DESCRIPTION_INVALID"],
    [[{ command: "ops", description: "x".repeat(257) }], "BOT_COMMAND_DESCRIPTION_INVALID"],
    [Array.from({ length: 101 }, (_, n) => ({ command: `c${n}`, description: "x" })), "BOT_COMMANDS_TOO_MUCH"],
    [{}, "can't parse commands: expected an Array of BotCommand"]
  ])("are refused: %#", async (commands, words) => {
    expect((await set(commands)).description).toBe(`Bad Request: ${words}`)
  })

  it("are seen by scope: the narrowest counts", async () => {
    await fake.sim("send", { user: 2, text: "hello" })
    const { id } = await fake.sim("chats", { type: "group", members: [1, 2] })
    const one = (command: string) => [{ command, description: "x" }]
    await set(one("all"))
    await set(one("mine"), { scope: { type: "chat", chat_id: 1 } })
    await set(one("member"), { scope: { type: "chat_member", chat_id: id, user_id: 1 } })
    const seen = async (chat: number, user: number) => (await fake.sim(`commands?chat=${chat}&user=${user}`)).map(({ command }: any) => command)
    expect([await seen(1, 1), await seen(2, 2), await seen(id, 1), await seen(id, 2)]).toEqual([["mine"], ["all"], ["member"], ["all"]])
    expect(await fake.result("getMyCommands", { scope: { type: "chat", chat_id: 1 } })).toEqual(one("mine"))
    await fake.result("deleteMyCommands", { scope: { type: "chat", chat_id: 1 } })
    expect(await seen(1, 1)).toEqual(["all"])
    expect((await set(one("x"), { scope: { type: "chat", chat_id: 99 } })).description).toBe("Bad Request: chat not found")
    expect((await set(one("x"), { scope: { type: "everybody" } })).description).toBe("Bad Request: can't parse BotCommandScope: Unsupported type specified")
  })
})

describe("a document", () => {
  const upload = async (bytes: Uint8Array, more: Record<string, string> = {}) => {
    const form = new FormData()
    form.set("chat_id", "1")
    for (const [name, value] of Object.entries(more)) form.set(name, value)
    form.set("document", new Blob([bytes]), "report ä.txt")
    const response = await fetch(`${fake.root}bot${token}/sendDocument`, { method: "POST", body: form })
    return (await response.json()) as any
  }

  it("arrives byte by byte, for people and for the bot, and can be sent again by its id", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 7) % 256)
    const { result } = await upload(bytes, { caption: "<b>c</b>", parse_mode: "HTML" })
    expect(result).toMatchObject({ caption: "c", caption_entities: [{ type: "bold" }], document: { file_name: "report ä.txt", file_size: 70_000 } })
    const { file_path } = await fake.result("getFile", { file_id: result.document.file_id })
    const asBot = await fetch(`${fake.root}file/bot${token}/${file_path}`)
    expect(Buffer.from(await asBot.arrayBuffer()).equals(Buffer.from(bytes))).toBe(true)
    const asPerson = await fetch(`${fake.simRoot}file?id=${result.document.file_id}`)
    expect(Buffer.from(await asPerson.arrayBuffer()).equals(Buffer.from(bytes))).toBe(true)
    expect(asPerson.headers.get("content-disposition")).toBe("attachment; filename*=UTF-8''report%20%C3%A4.txt")
    expect((await fake.call("sendDocument", { chat_id: 1, document: result.document.file_id })).ok).toBe(true)
  })

  it("that is empty, missing, unknown, or has too long a caption is refused", async () => {
    expect((await upload(new Uint8Array())).description).toBe("Bad Request: file must be non-empty")
    expect((await upload(Uint8Array.of(1), { caption: "x".repeat(1025) })).description).toBe("Bad Request: message caption is too long")
    expect(await refused("sendDocument", { chat_id: 1 })).toBe("400 Bad Request: there is no document in the request")
    expect(await refused("sendDocument", { chat_id: 1, document: "BQACnone" })).toBe("400 Bad Request: wrong file identifier/HTTP URL specified")
    expect(await refused("getFile", { file_id: "BQACnone" })).toBe("400 Bad Request: invalid file_id")
    expect(await refused("sendChatAction", { chat_id: 1, action: "dancing" })).toBe("400 Bad Request: wrong parameter action in request")
  })
})
