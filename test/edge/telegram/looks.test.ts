/** What is shown in a chat: looks, cards and menus, to whom, how long at the most, and nothing that is secret. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, FastCheck as fc, Layer } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { opsSummary, opsText } from "../../../src/control/OpsSummary.ts"
import { digestOf, type Governance } from "../../../src/domain/Governance.ts"
import { policyByDefault } from "../../../src/domain/Policy.ts"
import { plainly } from "../../../src/domain/Redaction.ts"
import { newTask } from "../../../src/domain/Request.ts"
import { shortId } from "../../../src/domain/TaskState.ts"
import { BotApi, BotApiFailed } from "../../../src/edge/telegram/BotApi.ts"
import { menusOf, menus } from "../../../src/edge/telegram/Menus.ts"
import { inChat } from "../../../src/edge/telegram/Sentences.ts"
import { messageMax, sayOrPaper } from "../../../src/edge/telegram/Parts.ts"
import { cardLook, cardMax } from "../../../src/edge/telegram/TaskCard.ts"
import { latest } from "../../../src/edge/telegram/Verdict.ts"
import { epochOpened, heavyKind, nextId } from "../../engine/tasks.ts"
import { ada, bob, chatroom, everybody, events, group, onlyTask, tasks, vic } from "./chatroom.ts"

const last = (texts: ReadonlyArray<string>) => texts.at(-1) ?? ""

describe("a look", () => {
  it("at /ops is exactly the text of the command line, with its buttons", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      const text = last(yield* room.type(vic, "/ops"))
      expect(text).toBe(opsText(yield* opsSummary(24)))
      expect(text.split("\n")).toHaveLength(6)
      yield* epochOpened(60_000)
      yield* room.type(ada, "/newtask report x")
      yield* room.pass(3_660_000)
      yield* epochOpened(60_000_000)
      const late = last(yield* room.type(ada, "/ops"))
      expect(late).toContain("queue_age")
      expect(late.split("\n").length).toBeLessThanOrEqual(10)
      expect(room.buttons()).toContain("/queues")
      expect(last(yield* room.press(ada, "/queues"))).toContain("light: 1 queued (1 due, oldest 61 min)")
    }))
  })

  it("shows a payload to those who may see it, in private, and without its secrets", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy {\"host\":\"alpha\",\"password\":\"hunter2\"}")
      const id = shortId((yield* onlyTask).id)
      const seen = (yield* room.type(bob, `/status ${id}`)).join("\n")
      expect(seen).toContain("alpha")
      expect(seen).toContain("[redacted")
      expect((yield* room.type(vic, `/status ${id}`)).join("\n")).not.toContain("alpha")
      expect((yield* room.type(bob, `/status ${id}`, { chat: group })).join("\n")).not.toContain("alpha")
      expect(JSON.stringify(room.shown)).not.toContain("hunter2")
    }))
  })

  it.each(["/start", "/help", "/list", "/board", "/ops", "/cron", "/queues", "/gate"])("%s is answered in an empty house", async (text) => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(last(yield* room.type(vic, text)).length).toBeGreaterThan(3)
    }))
  })

  it("shows what the plan says to those who may say yes to it, in private", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x")
      const id = shortId((yield* onlyTask).id)
      yield* room.type(ada, `/plan ${id}\nscope: one host\nrisks: none\ntest plan: look\nrollback plan: password=hunter2hunter2\napproval impact: none`)
      const said = (yield* room.type(bob, `/status ${id}`)).join("\n\n")
      expect(said).toContain(`plan of ${id}\napproval_impact: none\nrisks: none\nrollback_plan: password=[redacted]\nscope: one host\ntest_plan: look`)
      expect((yield* room.type(vic, `/status ${id}`)).join("\n")).not.toContain("one host")
      expect((yield* room.type(bob, `/status ${id}`, { chat: group })).join("\n")).not.toContain("one host")
    }))
  })

  it("at a task says why it waits, in words of the chat, and follows its trace", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x")
      const id = shortId((yield* onlyTask).id)
      expect(last(yield* room.type(ada, `/why ${id}`))).toContain(`next: /approve ${id}`)
      expect(room.buttons()).toEqual(["🗂 Card"])
      expect(last(yield* room.type(ada, `/trace ${id}`))).toContain("submit by ada")
      expect(last(yield* room.type(ada, "/list"))).toContain(`${id}  deploy  waits for approval`)
      expect(last(yield* room.press(ada, id))).toContain("digest")
    }))
  })

  it("at a task is a card of its own each time, and the latest is the one that is kept", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      const id = shortId((yield* onlyTask).id)
      yield* room.type(ada, `/status ${id}`, { chat: group })
      expect(room.shown).toHaveLength(2)
      yield* room.press(bob, "Approve", { chat: group })
      expect(room.shown.map(({ text }) => text.includes("approved 1 of 1"))).toEqual([false, true])
    }))
  })

  it("that is longer than a message is a document", () => {
    expect(sayOrPaper("x".repeat(messageMax), "x.txt")._tag).toBe("Say")
    expect(sayOrPaper("x".repeat(messageMax + 1), "x.txt")._tag).toBe("Paper")
  })

  it("at what is not there says so, and is on record where it was to be changed", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(last(yield* room.type(ada, "/status zzzz99"))).toContain("there is no task ZZZZ99")
      expect(last(yield* room.type(ada, "/stop zzzz99 enough"))).toContain("there is no task ZZZZ99")
      expect(last(yield* room.type(ada, "/newtask nosuch x"))).toContain("declared are: report, deploy, own, launch")
      expect((yield* events).map(({ type }) => type)).toEqual(["command.refused", "command.refused"])
    }))
  })

  it.each([
    ["/reject {id} a\u0007bell", "control characters"],
    ["/reject {id} \u202eright to left", "turn the direction"],
    [`/reject {id} ${"x".repeat(10_000)}`, "at most 2000 characters"],
    ["/reject {id} \u200b\u200b", "needs a reason"]
  ])("finds words that are not taken, and says which: %j", async (text, said) => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x")
      expect(last(yield* room.type(bob, text.replace("{id}", shortId((yield* onlyTask).id))))).toContain(said)
      expect((yield* onlyTask).state).toBe("REQUESTED")
    }))
  })

  it("never dies of any words, and no part of an answer is longer than a message", async () => {
    const room = chatroom()
    const texts = fc.sample(fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.tuple(fc.constantFrom("/newtask report ", "/newtask deploy ", "/approve ", "/stop ", "/trace ", "/list ", "/plan ", "/review ", "/status "), fc.string({ unit: "binary", maxLength: 3000 })).map((parts) => parts.join(""))
    ), { numRuns: 60, seed: 5 })
    await room.on(Effect.gen(function*() {
      for (const text of [...texts, `/newtask report ${"👩‍👩‍👧".repeat(1200)}`, "/newtask report *_[]()~`>#+-=|{}.! <b>&amp;", "/newtask report \u202e\u200b\u0000"]) yield* room.type(ada, text)
      for (const task of yield* tasks) for (const look of ["/status", "/why", "/trace"]) yield* room.type(ada, `${look} ${shortId(task.id)}`)
      for (const text of ["/list 20", "/board", "/ops", "/queues"]) yield* room.type(ada, text)
      expect(Math.max(...room.shown.filter(({ text }) => !text.startsWith("[trace.txt]")).map(({ text }) => text.length))).toBeLessThanOrEqual(4096)
      expect(room.shown.every(({ text }) => text.length > 0)).toBe(true)
    }))
  })
})

describe("the last verdict", () => {
  const verdict = { run: "01K", profile: "ci", decision: "NO-GO", scorecard: "ci", commit: "abc", bundle: "runs/01K", at_ms: 1_800_000_000_000, checks: [{ id: "jobs-conserved", verdict: "PASS" }, { id: "chain-intact", verdict: "FAIL" }] }
  const written = (text: string) => {
    const folder = mkdtempSync(join(tmpdir(), "opsgate-verdict-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, "evidence", "runs", "01K"), { recursive: true })
    writeFileSync(join(folder, "evidence", "runs", "01K", "REPORT.md"), "# report")
    writeFileSync(join(folder, "REPORT.md"), "# not for the chat")
    writeFileSync(join(folder, "evidence", "latest.json"), text)
    return join(folder, "evidence", "latest.json")
  }

  it("is shown with its report as a document", async () => {
    const room = chatroom({ verdict: latest(written(JSON.stringify(verdict))) })
    await room.on(Effect.gen(function*() {
      const [text, report] = yield* room.type(vic, "/gate")
      expect(text).toContain("NO-GO")
      expect(text).toContain("FAIL chain-intact")
      expect(report).toBe("[REPORT.md] NO-GO\n# report")
    }))
  })

  it.each([["not json", "nope"], ["something else", "{}"]])("that is %s is none", async (_what, text) => {
    expect(await Effect.runPromise(latest(written(text)))).toBeNull()
    expect(await Effect.runPromise(latest("/nowhere/latest.json"))).toBeNull()
  })

  it.each(["..", "runs/../..", "/etc"])("sends no file from outside its folder: %s", async (bundle) => {
    expect((await Effect.runPromise(latest(written(JSON.stringify({ ...verdict, bundle })))))?.report).toBeNull()
  })
})

describe("a card", () => {
  const governed = (change: Partial<Governance>): Governance => ({ policyVersion: "p", demand: policyByDefault.heavy, risks: [], self: false, denied: null, askedAtMs: 0, ttlMs: 1, approvals: [], plan: null, review: null, broken: null, anyway: false, ...change })
  const ways = { mayApprove: () => true, link: null }

  it("is never longer than it may be, keeps its digest, and shows nothing that turns a line", () => {
    const text = fc.string({ unit: "binary", maxLength: 400, size: "max" })
    fc.assert(fc.property(fc.record({ kind: text, requester: text, risks: fc.array(text, { maxLength: 5 }), why: text, actors: fc.array(text, { maxLength: 12 }), reason: text }), ({ actors, kind, reason, requester, risks, why }) => {
      const task = newTask({ id: nextId(), kind: heavyKind(), payload: {}, requester, key: null, trace: "0".repeat(32), parent: null, forkedFrom: null }, { wallMs: 1, monoMs: 1, epoch: 1, leaseUntilMonoMs: 0, restored: null })
      const asks = governed({ demand: { ...policyByDefault.heavy, approvals: 20 } })
      const approvals = actors.map((actor) => ({ actor, channel: "telegram", roles: [], atMs: 1, note: null, digest: digestOf({ ...task, kind }, asks), self: true }))
      const governance = governed({ demand: asks.demand, approvals, risks, denied: { rule: "r", why }, broken: { actor: requester, reason, atMs: 1, digest: "x" }, review: { actor: requester, atMs: 1, verdict: "fail", code: "other", notes: null, digest: "x" } })
      const look = cardLook({ task: { ...task, kind, governance }, steps: [], decided: { what: "rejected", actor: requester, atMs: 1, reason } }, ways, plainly)
      expect(look.text.length).toBeLessThanOrEqual(cardMax)
      expect(look.text).toMatch(/\ndigest [0-9a-f]{8}$/)
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      expect(look.text).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u0000-\u0009\u200b-\u200f]/)
      for (const { length, offset } of look.entities) expect(look.text.slice(offset, offset + length)).toMatch(/^[0-9a-z]{6,8}$/)
    }), { numRuns: 300 })
  })
})

describe("commands of the command line", () => {
  it.each([
    ["opsgate task resume abc123", "/resume abc123"],
    ["opsgate task cancel abc123 --reason \"<why>\"", "/stop abc123 <reason>"],
    ["opsgate task reconcile abc123 --outcome <succeeded|failed|retry> --reason \"<why>\"", "/reconcile abc123 <succeeded|failed|retry> <reason>"],
    ["opsgate task fork abc123 --step <n> --reason \"<why>\"", "/fork abc123 <n> <reason>"],
    ["opsgate task list --state FAILED", "/list FAILED"],
    ["opsgate why abc123", "/why abc123"],
    ["opsgate queues", "/queues"],
    ["opsgate schedules", "/cron"],
    ["opsgate redrive --task abc123 --reason <text>", "/redrive abc123 <reason>"],
    ["opsgate dead dismiss abc123 --reason <text>", "/dismiss abc123 <reason>"],
    ["opsgate redrive --all", null],
    ["opsgate serve", null],
    ["opsgate task kill abc123 --reason \"<why>\"", null],
    ["opsgate task submit x <payload>", null],
    ["opsgate events --type hold.broken", null]
  ])("%s is %s in a chat", (next, wanted) => {
    expect(inChat(next)).toBe(wanted)
  })
})

describe("the menus", () => {
  const played = (answer: (method: string) => Effect.Effect<unknown, BotApiFailed>) => {
    const calls: Array<readonly [string, unknown]> = []
    const known = new Map<string, unknown>()
    const api = Layer.succeed(BotApi, {
      bot: "7",
      call: (method, params) => Effect.suspend(() => {
        const scope = JSON.stringify(params["scope"])
        if (method === "getMyCommands") return Effect.succeed(known.get(scope) ?? [])
        calls.push([method, params["scope"]])
        return Effect.map(answer(method), (result) => {
          known.set(scope, params["commands"] ?? [])
          return result
        })
      })
    })
    const made = () => Effect.runSync(Effect.provide(menus(everybody), api))
    return { calls, made, told: () => Effect.runPromise(made().all) }
  }

  it("are told to each person by his roles, once", async () => {
    const { calls, told } = played(() => Effect.succeed(true))
    expect(await told()).toBe(3)
    expect(calls.map(([, scope]) => scope)).toEqual([ada, bob, vic].map((id) => ({ type: "chat", chat_id: id })))
    expect(await told()).toBe(0)
    const menu = (chat: number) => menusOf(everybody).find((one) => one.chat === chat)?.menu.map(({ command }) => command)
    expect(menu(vic)).not.toContain("newtask")
    expect(menu(bob)).toContain("approve")
  })

  it("of somebody who had never spoken to the bot is told when he does, once", async () => {
    let isNew = true
    const { calls, made } = played((method) => isNew ? new BotApiFailed({ method, code: "http_400", description: "chat not found", retryAfterMs: null, migrateTo: null }) : Effect.succeed(true))
    const { all, met } = made()
    expect(await Effect.runPromise(all)).toBe(0)
    isNew = false
    const before = calls.length
    await Effect.runPromise(Effect.all([met(String(vic)), met(String(vic)), met("999")]))
    expect(calls.slice(before)).toEqual([["setMyCommands", { type: "chat", chat_id: vic }]])
  })

  it("that the service refuses keep nobody from theirs", async () => {
    let count = 0
    const { told } = played((method) => ++count === 1 ? new BotApiFailed({ method, code: "http_400", description: "chat not found", retryAfterMs: null, migrateTo: null }) : Effect.succeed(true))
    expect(await told()).toBe(2)
  })
})
