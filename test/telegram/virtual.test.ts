/** The fake within a process: the same as the one over HTTP, on a clock that it is given. */
import { execFile } from "node:child_process"
import { getEventListeners } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Telegram, TelegramError } from "telegraf"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { makeVirtualFake as Make, Outcome, VirtualFake } from "./fake/Virtual.ts"
import { startFake, type StartedFake, token } from "./startFake.ts"

const { makeVirtualFake } = (await import(fileURLToPath(new URL("../../dist/telegram-world.js", import.meta.url)))) as { readonly makeVirtualFake: typeof Make }

/** Everything that is due within microtasks happens; a timer of the machine does not. */
const microtasks = async (): Promise<void> => {
  for (let n = 0; n < 100; n++) await Promise.resolve()
}

const makeTimers = () => {
  let now = Date.UTC(2031, 0, 1)
  let timers: Array<{ readonly at: number; readonly run: () => void }> = []
  const pass = async (ms: number): Promise<void> => {
    const end = now + ms
    for (;;) {
      await microtasks()
      const [next] = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      timers = timers.filter((other) => other !== next)
      now = next.at
      next.run()
    }
    now = end
  }
  const later = (delayMs: number, run: () => void) => {
    const timer = { at: now + delayMs, run }
    timers.push(timer)
    return () => {
      timers = timers.filter((other) => other !== timer)
    }
  }
  return { nowMs: () => now, later, pass, left: () => timers.length }
}

const open = new AbortController().signal
let timers: ReturnType<typeof makeTimers>
let fake: VirtualFake

beforeEach(() => {
  timers = makeTimers()
  fake = makeVirtualFake({ token, username: "opsgate_bot", seed: 7, nowMs: timers.nowMs, later: timers.later })
  for (const [id, first_name] of [[1, "Ada"], [2, "Grace"]]) fake.people.user({ id, first_name })
})

/** A call, and what became of it as soon as something did. */
const ask = (method: string, params: object = {}, signal = open) => {
  const seen: { outcome: any; atMs: number | null } = { outcome: undefined, atMs: null }
  void fake.call(method, { ...params }, signal).then((outcome) => {
    seen.outcome = outcome
    seen.atMs = timers.nowMs()
  })
  return seen
}

/** As `ask`, of a call that nothing waits in. */
const now = async (method: string, params: object = {}): Promise<any> => {
  const seen = ask(method, params)
  await microtasks()
  if (seen.outcome === undefined) throw new Error(`${method} is not answered yet`)
  return seen.outcome
}

const ids = ({ json }: any): ReadonlyArray<number> => json.result.map(({ update_id }: any) => update_id)
const write = (text: string): number => fake.people.send({ user: 1, text }).update_id ?? 0
const said = (chat: number): ReadonlyArray<unknown> => fake.messages(chat).filter(({ by_bot }) => by_bot).map(({ text }) => text)

describe("a long poll", () => {
  it("is woken by a message, at its instant", async () => {
    const from = timers.nowMs()
    const poll = ask("getUpdates", { timeout: 50 })
    await timers.pass(12_345)
    expect([poll.outcome, fake.isPolled()]).toEqual([undefined, true])
    const id = write("a")
    await microtasks()
    expect([ids(poll.outcome), (poll.atMs ?? 0) - from]).toEqual([[id], 12_345])
    expect(fake.record().at(-1)).toMatchObject({ method: "getUpdates", answered: true, took_ms: 12_345 })
    expect(timers.left()).toBe(0)
  })

  it("ends empty after its timeout, of 50 s at most", async () => {
    const from = timers.nowMs()
    const poll = ask("getUpdates", { timeout: 3600 })
    await timers.pass(60_000)
    expect([poll.outcome, (poll.atMs ?? 0) - from]).toEqual([{ status: 200, json: { ok: true, result: [] } }, 50_000])
  })

  it("that is given up leaves its updates to the next one", async () => {
    const ended = new AbortController()
    const poll = ask("getUpdates", { timeout: 50 }, ended.signal)
    await microtasks()
    ended.abort()
    await microtasks()
    expect([poll.outcome, fake.isPolled(), timers.left()]).toEqual([{ failed: "timeout" }, false, 0])
    expect(fake.record().at(-1)).toMatchObject({ method: "getUpdates", answered: false })
    const id = write("a")
    expect(ids(await now("getUpdates"))).toEqual([id])
  })

  it("of a process that is gone is never answered, and its updates wait for the next process", async () => {
    const poll = ask("getUpdates", { timeout: 50 })
    await microtasks()
    fake.hangUp()
    const id = write("a")
    await timers.pass(60_000)
    expect([poll.outcome, fake.isPolled()]).toEqual([undefined, false])
    expect(fake.updates()).toEqual([{ update_id: id, deliveries: 0, confirmed: false }])
    expect(ids(await now("getUpdates"))).toEqual([id])
  })

  it("is ended by a second one with 409", async () => {
    const first = ask("getUpdates", { timeout: 50 })
    await microtasks()
    const second = ask("getUpdates", { timeout: 50 })
    await microtasks()
    expect([first.outcome.status, second.outcome]).toEqual([409, undefined])
  })
})

describe("a signal", () => {
  it("that serves many calls is left by each when it is over", async () => {
    const ended = new AbortController()
    const poll = ask("getUpdates", { timeout: 50 }, ended.signal)
    await fake.call("getMe", {}, ended.signal)
    expect(getEventListeners(ended.signal, "abort").length).toBe(1)
    write("a")
    await microtasks()
    expect([ids(poll.outcome).length, getEventListeners(ended.signal, "abort").length]).toEqual([1, 0])
  })
})

describe("updates", () => {
  it("come again and again until a higher offset is asked for", async () => {
    const all = [write("a"), write("b"), write("c")]
    expect(ids(await now("getUpdates"))).toEqual(all)
    expect(ids(await now("getUpdates", { offset: all[1] }))).toEqual(all.slice(1))
    expect(fake.pendingUpdates().map(({ update_id }) => update_id)).toEqual(all.slice(1))
    expect(fake.updates().map(({ confirmed, deliveries }) => [confirmed, deliveries])).toEqual([[true, 1], [false, 2], [false, 2]])
  })
})

describe("the limits", () => {
  it("go by the clock that is given", async () => {
    write("/start")
    const send = async () => (await now("sendMessage", { chat_id: 1, text: "x" })).status
    expect([await send(), await send(), await send(), await send()]).toEqual([200, 200, 200, 429])
    await timers.pass(800)
    expect(await send()).toBe(429)
    await timers.pass(200)
    expect(await send()).toBe(200)
    expect(fake.violations().map(({ early, retry_after }) => [early, retry_after])).toEqual([[false, 1], [true, 1]])
  })
})

describe("a fault", () => {
  const next = (...queue: ReadonlyArray<object>) => fake.faults.script({ queue })
  beforeEach(() => void write("/start"))

  it.each([
    ["reset_before", { failed: "reset" }, []],
    ["reset_after", { failed: "reset" }, ["a"]],
    ["garbage", { failed: "garbage" }, ["a"]],
    ["truncated", { failed: "truncated" }, ["a"]]
  ])("of %s is told at once, and has its effect or none", async (kind, outcome, effect) => {
    next({ kind })
    expect([await now("sendMessage", { chat_id: 1, text: "a" }), said(1)]).toEqual([outcome, effect])
    expect(fake.record().at(-1)).toMatchObject({ faults: [kind], answered: false })
    expect(fake.faults.state()["struck"]).toEqual({ [kind]: 1 })
  })

  it.each([[500, { ok: false, error_code: 500, description: "Internal Server Error" }], [502, expect.stringMatching(/^<html>/)]])("of an error %d is an answer without effect", async (code, json) => {
    next({ kind: "error", code })
    expect([await now("sendMessage", { chat_id: 1, text: "a" }), said(1)]).toEqual([{ status: code, json }, []])
  })

  it.each([["hang", { failed: "hang" }, []], ["slow", expect.objectContaining({ status: 200 }), ["a"]], ["latency", expect.objectContaining({ status: 200 }), ["a"]]])("of %s takes its time on the clock that is given", async (kind, outcome, effect) => {
    const from = timers.nowMs()
    next({ kind, ms: 3_600_000 })
    const call = ask("sendMessage", { chat_id: 1, text: "a" })
    await timers.pass(3_599_999)
    expect(call.outcome).toBeUndefined()
    await timers.pass(1)
    await microtasks()
    expect([call.outcome, (call.atMs ?? 0) - from, said(1)]).toEqual([outcome, 3_600_000, effect])
  })

  it.each(["hang", "slow"])("of %s is over when who asked gives up", async (kind) => {
    next({ kind, ms: 3_600_000 })
    const ended = new AbortController()
    const call = ask("getUpdates", {}, ended.signal)
    await timers.pass(1000)
    ended.abort()
    await microtasks()
    expect([call.outcome, timers.left()]).toEqual([{ failed: "timeout" }, 0])
  })

  it("of an outage ends what is there, and refuses until it is over", async () => {
    const poll = ask("getUpdates", { timeout: 50, offset: fake.pendingUpdates()[0]!.update_id + 1 })
    await microtasks()
    fake.outage(5000)
    await microtasks()
    expect([poll.outcome, await now("getMe")]).toEqual([{ failed: "reset" }, { failed: "refused" }])
    await timers.pass(5000)
    expect((await now("getMe")).status).toBe(200)
  })

  it("is not had by who gave up before the call: nothing was asked", async () => {
    expect(await fake.call("getMe", {}, AbortSignal.abort())).toEqual({ failed: "timeout" })
    expect(fake.record()).toEqual([])
  })
})

describe("an answer", () => {
  it("is a copy: what is done to it is not done to the service", async () => {
    write("/start")
    const { json } = await now("sendMessage", { chat_id: 1, text: "a" })
    json.result.text = "b"
    expect([said(1), (fake.record().at(-1) as any).answer.result.text]).toEqual([["a"], "a"])
  })

  it("leaves its chat, record and outbox to who looks for what is new", async () => {
    write("/start")
    const { json: { result: { message_id } } } = await now("sendMessage", { chat_id: 1, text: "a" })
    await now("editMessageText", { chat_id: 1, message_id, text: "b" })
    await now("deleteMessage", { chat_id: 1, message_id })
    expect(fake.outbox().map(({ kind, message, seq }) => [seq, kind, message.text])).toEqual([[1, "sent", "a"], [2, "edited", "b"], [3, "deleted", "b"]])
    for (const text of ["c", "d", "e"]) write(text)
    expect([fake.messages(1, 2), fake.messages(1, 99)].map((some) => some.map(({ text }) => text))).toEqual([["d", "e"], ["/start", "c", "d", "e"]])
    expect([fake.outbox(2).length, fake.outbox(3), fake.record(1).map(({ seq }) => seq)]).toEqual([1, [], [2, 3]])
    fake.order("record/clear", {})
    await now("getMe")
    expect([fake.record(2), fake.record(3)].map((calls) => calls.map(({ seq }) => seq))).toEqual([[4], [4]])
  })

  it("of a file that is given by its path is none: the client is at fault", async () => {
    await expect(fake.call("sendDocument", { chat_id: 1, document: { source: "/etc/hostname" } }, open)).rejects.toThrow("document: a file is given as { source: Buffer, filename }")
  })
})

describe("a webhook", () => {
  it("gets its updates by what is given for that, again until it takes them", async () => {
    const got: Array<unknown> = []
    let status = 500
    fake = makeVirtualFake({
      token,
      username: "opsgate_bot",
      seed: 7,
      nowMs: timers.nowMs,
      later: timers.later,
      post: async ({ url }, { update_id }) => {
        got.push([url, update_id, timers.nowMs()])
        return { status, body: {} }
      }
    })
    fake.people.user({ id: 1 })
    await now("setWebhook", { url: "http://127.0.0.1:1/hook" })
    const from = timers.nowMs()
    const id = write("a")
    await timers.pass(999)
    status = 200
    await timers.pass(60_000)
    expect([got, fake.updates()]).toEqual([[from, from + 1000].map((at) => ["http://127.0.0.1:1/hook", id, at]), [{ update_id: id, deliveries: 2, confirmed: true }]])
  })
})

describe("two runs of one conversation", () => {
  const run = async (env: object) => {
    const program = fileURLToPath(new URL("virtual-conversation.mjs", import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [program], { env: { ...process.env, ...env }, maxBuffer: 2 ** 26 })
    return JSON.parse(stdout) as ReadonlyArray<{ readonly text: string; readonly calls: number; readonly struck: Readonly<Record<string, number>> }>
  }

  it("have the same record, byte for byte, in one process and in two; another seed has another", async () => {
    const [first, again, other] = await run({ TZ: "Asia/Kathmandu", LC_ALL: "de_DE.UTF-8" })
    const [elsewhere] = await run({ TZ: "America/St_Johns", LC_ALL: "C" })
    expect(first!.calls).toBeGreaterThan(150)
    expect(Object.keys(first!.struck).sort()).toEqual(["duplicate", "error", "garbage", "hang", "latency", "reorder", "reset_after", "reset_before", "slow", "truncated"])
    expect(again!.text === first!.text).toBe(true)
    expect(elsewhere!.text === first!.text).toBe(true)
    expect(other!.text === first!.text).toBe(false)
  })
})

describe("a conversation", () => {
  type Step =
    | { readonly sim: readonly [name: string, body: object] }
    | { readonly call: readonly [method: string, params: object]; readonly byFetch?: boolean }
    | { readonly passMs: number }

  const button = (text: string) => ({ reply_markup: { inline_keyboard: [[{ text, callback_data: `v1:${text}` }]] } })
  const steps: ReadonlyArray<Step> = [
    { sim: ["users", { id: 3, first_name: "Eve", username: "eve" }] },
    { sim: ["chats", { type: "group", id: -7, title: "Ops", members: [1, 3] }] },
    { sim: ["send", { user: 1, text: "/newtask deploy" }] },
    { sim: ["send", { user: 3, chat: -7, text: "/ops@opsgate_bot" }] },
    { sim: ["send", { user: 3, chat: -7, text: "not for the bot" }] },
    { call: ["getMe", {}] },
    { call: ["getUpdates", { offset: 0, limit: 100, timeout: 0, allowed_updates: ["message", "edited_message", "callback_query"] }] },
    { call: ["getUpdates", { offset: 5001, timeout: 0 }] },
    { sim: ["send", { user: 1, kind: "edited", message: 1, text: "/newtask release" }] },
    { sim: ["send", { user: 1, kind: "forwarded", text: "from elsewhere" }] },
    { call: ["sendMessage", { chat_id: 1, text: "a *b* ä🎉", entities: [{ type: "bold", offset: 2, length: 3 }], reply_parameters: { message_id: 1, allow_sending_without_reply: true }, link_preview_options: { is_disabled: true }, ...button("yes") }] },
    { sim: ["press", { user: 1, message: 3, button: "yes" }] },
    { sim: ["press", { user: 1, message: 3, data: "v1:other", forged: true }] },
    { call: ["getUpdates", { offset: 5002 }] },
    { call: ["answerCallbackQuery", { callback_query_id: "1" }] },
    { call: ["editMessageText", { chat_id: 1, message_id: 3, text: "changed" }] },
    { call: ["editMessageText", { chat_id: 1, message_id: 3, text: "changed" }] },
    { passMs: 5000 },
    { call: ["editMessageText", { chat_id: 1, message_id: 3, text: "changed" }] },
    { passMs: 5000 },
    { call: ["sendMessage", { chat_id: 1, text: "" }] },
    { call: ["sendMessage", { chat_id: 1, text: null, nonsense: [1, { a: null }] }] },
    { call: ["sendMessage", { chat_id: 1, text: "<b>x", parse_mode: "HTML" }] },
    { call: ["sendMessage", { chat_id: 99, text: "x" }] },
    { call: ["sendMessage", { chat_id: 2, text: "x" }] },
    { call: ["noSuchMethod", { a: 1 }] },
    { call: ["sendMessage", { chat_id: 1, text: "half a pair \ud83c" }] },
    { call: ["sendMessage", { chat_id: 1, text: true }] },
    { call: ["sendDocument", { chat_id: 1, document: { source: Buffer.from("ä\n"), filename: "out ä.txt" }, caption: "c \ud83c", caption_entities: [{ type: "bold", offset: 0, length: 1 }], disable_notification: true, reply_parameters: { message_id: 1 }, message_thread_id: null, ...button("file") }] },
    { call: ["sendDocument", { chat_id: 1, document: { source: Buffer.from("x"), filename: "a\"b\\.txt" } }] },
    { call: ["sendDocument", { chat_id: 1, document: { source: Buffer.from("no name") } }] },
    { call: ["sendDocument", { chat_id: 1, document: { source: Buffer.from("") }, caption: "empty" }] },
    { call: ["sendDocument", { chat_id: 1, document: "no such file" }] },
    { call: ["setMyCommands", { commands: [{ command: "ops", description: "is it healthy?" }], scope: { type: "chat", chat_id: 1 } }] },
    { call: ["sendChatAction", { chat_id: 1, action: "typing" }] },
    { passMs: 5000 },
    // The client beneath telegraf does not notice that an answer ended too early: it waits until it gives up. The one of node does.
    ...["reset_before", "reset_after", "garbage", "truncated"].flatMap((kind): ReadonlyArray<Step> => [{ sim: ["faults", { queue: [{ kind, method: "sendMessage" }] }] }, { call: ["sendMessage", { chat_id: 1, text: kind }], byFetch: kind === "truncated" }, { passMs: 3000 }]),
    ...[400, 401, 403, 404, 409, 500, 502].flatMap((code): ReadonlyArray<Step> => [{ sim: ["faults", { queue: [{ kind: "error", code }] }] }, { call: ["getMe", {}] }]),
    { sim: ["faults", { queue: [{ kind: "error", code: 429, retry_after: 7, method: "sendMessage" }, { kind: "duplicate" }, { kind: "reorder" }] }] },
    { call: ["sendMessage", { chat_id: 1, text: "flooded" }] },
    { call: ["sendMessage", { chat_id: 1, text: "early" }] },
    { call: ["getUpdates", { offset: 5003 }] },
    { call: ["getUpdates", { offset: 5003 }] },
    { passMs: 8000 },
    ...Array.from({ length: 5 }, (_, n): Step => ({ call: ["sendMessage", { chat_id: 1, text: `burst ${n}` }] })),
    { sim: ["block", { user: 1 }] },
    { call: ["sendMessage", { chat_id: 1, text: "blocked" }] },
    { sim: ["migrate", { chat: -7 }] },
    { call: ["sendMessage", { chat_id: -7, text: "moved" }] },
    { call: ["deleteMessage", { chat_id: -7, message_id: 1 }] },
    { sim: ["press", { user: 1, message: 99, button: "yes" }] },
    { sim: ["faults", { queue: [{ kind: "flood" }] }] },
    { call: ["getWebhookInfo", {}] }
  ]

  const moving = ["at_ms", "took_ms", "date", "edit_date", "last_error_date", "now_ms", "offset_ms", "revision"]
  /** Without times, and without what a form puts between its parts. */
  const still = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (key, part: unknown) => (moving.includes(key) ? 0 : key === "content_type" && typeof part === "string" ? part.split(";", 1)[0] : part))

  /** What the client makes of an outcome. */
  const understood = (outcome: Outcome): unknown => {
    if ("failed" in outcome) return { failed: outcome.failed }
    const { json, status } = outcome as { status: number; json: any }
    if (status >= 500) return { code: status }
    return json.ok ? { result: json.result } : { code: json.error_code, description: json.description, parameters: json.parameters }
  }

  const failureOf = (error: any): unknown => {
    if (error instanceof TelegramError) return error.code >= 500 ? { code: error.code } : { code: error.code, description: error.description, parameters: error.parameters }
    if (error.code === "ECONNRESET") return { failed: "reset" }
    return { failed: error.type === "invalid-json" ? "garbage" : error.message === "terminated" ? "truncated" : error }
  }

  const orWords = async (work: () => unknown): Promise<unknown> => {
    try {
      return await work()
    } catch (error: any) {
      return { refused: error.message }
    }
  }

  const overHttp = async (started: StartedFake): Promise<unknown> => {
    const client = new Telegram(token, { apiRoot: started.root })
    const call = (method: string, params: object): Promise<unknown> => Reflect.apply(client.callApi.bind(client), undefined, [method, { ...params }])
    const said: Array<unknown> = []
    for (const step of steps) {
      if ("sim" in step) said.push(await orWords(() => started.sim(...step.sim)))
      else if ("passMs" in step) await started.sim("clock", { advance_ms: step.passMs })
      else if (step.byFetch === true) said.push(await started.call(...step.call).then((result) => ({ result }), failureOf))
      else said.push(await call(...step.call).then((result) => ({ result }), failureOf))
    }
    const looks = await Promise.all(["record", "updates", "violations", "outbox", "state", "messages?chat=1", "messages?chat=-7"].map((look) => started.sim(look)))
    return { said, looks }
  }

  const inProcess = async (): Promise<unknown> => {
    const said: Array<unknown> = []
    for (const step of steps) {
      if ("sim" in step) said.push(await orWords(() => fake.order(step.sim[0], { ...step.sim[1] })))
      else if ("passMs" in step) await timers.pass(step.passMs)
      else said.push(understood(await now(...step.call)))
    }
    return { said, looks: [fake.record(), fake.updates(), fake.violations(), fake.outbox(), fake.look("state", {}), fake.messages(1), fake.messages(-7)] }
  }

  let started: StartedFake
  beforeAll(async () => {
    started = await startFake(["--seed", "7", "--first-update-id", "5000"])
    for (const [id, first_name] of [[1, "Ada"], [2, "Grace"]]) await started.sim("users", { id, first_name })
  })
  afterAll(() => started.stop())

  it("is the same over HTTP and in the process: answers, failures, record, chats", async () => {
    fake.order("reset", { first_update_id: 5000 })
    for (const [id, first_name] of [[1, "Ada"], [2, "Grace"]]) fake.people.user({ id, first_name })
    expect(still(await inProcess())).toEqual(still(await overHttp(started)))
  })
})
