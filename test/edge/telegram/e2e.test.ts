/** The bot as it ships: a server process that talks over HTTP to the fake of Telegram, and people who type and press. */
import { mkdirSync, writeFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { heavy, light, until } from "../cli/Opsgate.ts"
import { labels, person, type Phones, phones, type Shown } from "./phones.ts"

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

/** A chat takes one message a second, so each test has people and a group of its own and they run beside each other. */
const tests = 14
const ada = (n: number) => 1000 + 10 * n
const bob = (n: number) => 1001 + 10 * n
const cyd = (n: number) => 1002 + 10 * n
const vic = (n: number) => 1003 + 10 * n
const group = (n: number) => -5000 - n
const eve = 666

const everyTest = Array.from({ length: tests }, (_, n) => n)
const people = Object.fromEntries(everyTest.flatMap((n) => [
  [`ada${n}`, person(ada(n))],
  [`bob${n}`, person(bob(n))],
  [`cyd${n}`, person(cyd(n))],
  [`vic${n}`, person(vic(n), ["viewer"])]
]))
const groups = Object.fromEntries(everyTest.map((n) => [group(n), [ada(n), bob(n), cyd(n), vic(n), ...(n === 6 ? [eve] : [])]]))

const kinds = {
  note: light(["printf", "%s", "{{prompt}}"]),
  flaky: light(["/bin/sh", "-c", "[ -e mended ] || { echo it is broken >&2; exit 3; }"], { retry: { attempts: 1 } }),
  deploy: heavy(["true"], { approval: "required" }),
  brief: heavy(["true"], { approval: "required", approval_ttl_ms: 1500 }),
  launch: heavy(["true"], { approval: "required" })
}

let all: Phones
const atTheEnd: Array<() => void> = []

beforeAll(async () => {
  all = await phones((act) => atTheEnd.push(act), { kinds, people, groups, strangers: [eve], settings: { policy: "policy.json" } })
  all.home.write("policy.json", JSON.stringify({ v: 1, kinds: { launch: { approvals: 2 }, brief: { ttl: "2 seconds" } } }))
  await all.serve({ mayTakeMs: 600_000 })
})
afterAll(() => {
  for (const act of atTheEnd.toReversed()) act()
})

const inGroup = (n: number) => ({ chat: group(n) })

/** Asks for a task in the group, and answers its card. */
const asksFor = (n: number, kind: string, prompt = "it"): Promise<Shown> => all.asks(ada(n), `/newtask ${kind} ${prompt}`, kind, inGroup(n))

const stateOf = (card: Shown): string | undefined => all.stored(all.shortIn(card))?.state

describe.concurrent("a task in a chat, with the real server", () => {
  it("goes from /newtask to done by text alone", async ({ expect }) => {
    const card = await all.asks(ada(0), "/newtask deploy ship it", "waits for approval")
    const id = all.shortIn(card)
    expect(stateOf(card)).toBe("REQUESTED")
    const approved = await all.asks(bob(0), `/approve ${id} fine by me`, "approved: deploy")
    expect(approved.text).toContain(`/resume ${id}`)
    await all.asks(bob(0), `/resume ${id}`, "resumed: deploy")
    const done = await all.sees(ada(0), `${id}  deploy\ndone`)
    expect(done.message_id).toBe(card.message_id)
    expect(done.text).toContain("approved 1 of 1 by bob0")
    expect(labels(done)).toEqual([])
    expect(all.stored(id)).toMatchObject({ state: "SUCCEEDED", attempt: 1 })
  })

  it("goes there by buttons alone, once it was asked for, on one card", async ({ expect }) => {
    const card = await asksFor(1, "deploy")
    expect(await all.press(bob(1), card, "Approve", inGroup(1))).toMatch(/^approved: deploy/)
    const approved = await all.sees(group(1), "waits for its resume", { button: "▶️ Resume" })
    expect(approved.message_id).toBe(card.message_id)
    expect(labels(approved)).not.toContain("✅ Approve")
    expect(await all.press(bob(1), approved, "Resume", inGroup(1))).toMatch(/^resumed: deploy/)
    const done = await all.sees(group(1), "\ndone\n")
    expect(done.text).toMatch(/approved 1 of 1 by bob1 [^]*resumed by bob1 /)
    expect(labels(done)).toEqual([])
    expect((await all.see(group(1))).filter(({ by_bot }) => by_bot)).toHaveLength(1)
  })

  it("takes two approvers: not its requester, nobody twice", async ({ expect }) => {
    const card = await asksFor(2, "launch")
    expect(await all.press(ada(2), card, "Approve", inGroup(2))).toContain("not done")
    // The word of a button works once, so the card has new ones.
    const again = await all.anew(group(2), card)
    expect(again.text).toContain("missing: 2 with the role approver, not its authors")
    await all.press(bob(2), again, "Approve", inGroup(2))
    const one = await all.sees(group(2), "approved 1 of 2 by bob2", { button: "✅ Approve" })
    expect(one.text).toContain("missing: 1 with the role approver, not its authors")
    const id = all.shortIn(card)
    expect((await all.asks(bob(2), `/approve ${id}`, "not done")).text).toContain("has approved it already")
    expect(stateOf(card)).toBe("REQUESTED")
    expect((await all.asks(cyd(2), `/approve ${id}`, "approved: launch")).text).toContain("approved, waits for its resume")
    await all.sees(group(2), "approved 2 of 2 by bob2", { button: "▶️ Resume" })
    expect(stateOf(card)).toBe("APPROVED")
  })

  it("is rejected with a reason, which the button asks for, and the card says who said no", async ({ expect }) => {
    const card = await asksFor(3, "deploy")
    const id = all.shortIn(card)
    expect(await all.press(bob(3), card, "Reject", inGroup(3))).toBe(`reply with: /reject ${id} <reason>`)
    expect(stateOf(card)).toBe("REQUESTED")
    await all.asks(bob(3), `/reject ${id} not on a friday`, "rejected: deploy", inGroup(3))
    const ended = await all.sees(group(3), "rejected by bob3")
    expect(ended).toMatchObject({ message_id: card.message_id })
    expect(ended.text).toContain("not on a friday")
    expect(labels(ended)).toEqual([])
    expect(stateOf(card)).toBe("CANCELED")
    expect((await all.asks(bob(3), `/resume ${id}`, "not done")).text).toContain("/recover")
  })

  it("expires by itself, its buttons go, and an old one does nothing", async ({ expect }) => {
    const card = await asksFor(4, "brief")
    const ended = await all.sees(group(4), "\nexpired\n")
    expect(ended.message_id).toBe(card.message_id)
    expect(labels(ended)).toEqual([])
    const data = card.buttons.flat().find(({ text }) => text.includes("Approve"))?.callback_data
    expect(await all.press(bob(4), card, "Approve", { ...inGroup(4), data, forged: true })).toContain("expired")
    expect((await all.asks(bob(4), `/approve ${all.shortIn(card)}`, "not done", inGroup(4))).text).toMatch(/expired|EXPIRED/)
    expect(stateOf(card)).toBe("EXPIRED")
  })

  it("that failed is forked as a new task with a card of its own", async ({ expect }) => {
    const card = await all.asks(ada(5), "/newtask flaky try", "flaky")
    const failed = await all.sees(ada(5), "\nfailed", { button: "♻️ Recover…" })
    expect(failed.message_id).toBe(card.message_id)
    const id = all.shortIn(failed)
    all.home.write("mended", "")
    const said = await all.asks(bob(5), `/fork ${id} 1 it is mended`, "forked: flaky")
    const copy = await all.sees(bob(5), `forked from ${id} at step 1`, { after: said.message_id })
    const done = await all.sees(bob(5), "\ndone\n", { after: said.message_id })
    expect(done.message_id).toBe(copy.message_id)
    expect(all.shortIn(done)).not.toBe(id)
    expect([stateOf(failed), stateOf(done)]).toEqual(["FAILED", "SUCCEEDED"])
  })

  it("is hidden from a stranger, who gets silence and is on record", async ({ expect }) => {
    const card = await asksFor(6, "deploy")
    await all.type(eve, "/start")
    await all.type(eve, "/newtask deploy everything")
    await all.type(eve, `/approve ${all.shortIn(card)}`, inGroup(6))
    const query = await all.tap(eve, card, "Approve", inGroup(6))
    // What is typed behind it is answered, so it has been worked off by then.
    await all.asks(bob(6), `/status ${all.shortIn(card)}`, "waits for approval", inGroup(6))
    expect(await all.fake.sim(`query?id=${query}`)).toMatchObject({ answer: null })
    expect((await all.see(eve)).filter(({ by_bot }) => by_bot)).toEqual([])
    expect(stateOf(card)).toBe("REQUESTED")
    const denied = all.home.events("chat.denied").map(({ payload }) => JSON.parse(payload ?? "{}"))
    expect(denied.filter(({ identity }) => identity === `telegram:${eve}`)).toEqual([expect.objectContaining({ why: "stranger" })])
    expect(all.home.tasks().filter((task) => JSON.stringify(task).includes(`telegram:${eve}`))).toEqual([])
    expect(await all.press(bob(6), card, "Approve", inGroup(6))).toMatch(/^approved/)
  })
})

describe.concurrent("a button, with the real server", () => {
  it("that is pressed twice does it once, and says who has done it", async ({ expect }) => {
    const card = await asksFor(7, "deploy")
    const data = card.buttons.flat().find(({ text }) => text.includes("Approve"))?.callback_data
    const [first, second] = [await all.tap(bob(7), card, "Approve", inGroup(7)), await all.tap(bob(7), card, "Approve", { ...inGroup(7), data, forged: true })]
    expect(await all.toast(first)).toMatch(/^approved: deploy/)
    expect(await all.toast(second)).toMatch(/^already approved by bob7 at /)
    expect(all.home.events("approval.recorded").filter(({ task }) => task === all.stored(all.shortIn(card))?.id).length).toBeLessThanOrEqual(1)
    expect(stateOf(card)).toBe("APPROVED")
  })

  it("that two people press at once lets one of them do it, and tells the other who it was", async ({ expect }) => {
    const card = await asksFor(8, "deploy")
    const data = card.buttons.flat().find(({ text }) => text.includes("Approve"))?.callback_data
    const forged = { ...inGroup(8), data, forged: true }
    const queries = await Promise.all([all.tap(bob(8), card, "Approve", forged), all.tap(cyd(8), card, "Approve", forged)])
    const said = await Promise.all(queries.map(all.toast))
    expect(said.filter((word) => word.startsWith("approved: deploy"))).toHaveLength(1)
    const winner = said[0]?.startsWith("approved") === true ? "bob8" : "cyd8"
    expect(said.filter((word) => word.startsWith(`already approved by ${winner} at `))).toHaveLength(1)
    expect((await all.sees(group(8), "approved 1 of 1")).text).toContain(`approved 1 of 1 by ${winner}`)
    expect(stateOf(card)).toBe("APPROVED")
  })

  it("of somebody else gives no right to whoever presses it, and none away", async ({ expect }) => {
    const card = await asksFor(9, "deploy")
    expect(await all.press(vic(9), card, "Approve", inGroup(9))).toContain("not done")
    expect(stateOf(card)).toBe("REQUESTED")
    // In a private chat the same button is nobody's.
    const data = card.buttons.flat()[0]?.callback_data
    await all.asks(bob(9), "/start", "Hello")
    const here = (await all.see(bob(9))).find(({ by_bot }) => by_bot)
    expect(await all.press(bob(9), card, "Approve", { data, forged: true, message: here?.message_id })).toContain("does nothing any more")
    const anew = await all.asks(bob(9), `/status ${all.shortIn(card)}`, "waits for approval", inGroup(9))
    expect(await all.press(bob(9), anew, "Approve", inGroup(9))).toMatch(/^approved/)
  })
})

describe.concurrent("a word, with the real server", () => {
  const verdict = { run: "20261121T094845Z", profile: "spine", decision: "NO-GO", scorecard: "spine", commit: null, bundle: "runs/one", at_ms: 1_763_700_000_000, checks: [{ id: "chain-intact", verdict: "FAIL" }, { id: "tasks-end-right", verdict: "PASS" }] }

  it("/gate says that there is no verdict, and then what it is, with its report", async ({ expect }) => {
    await all.asks(ada(10), "/gate", "no verdict yet")
    mkdirSync(all.home.path("evidence/runs/one"), { recursive: true })
    writeFileSync(all.home.path("evidence/runs/one/REPORT.md"), "# NO-GO\nbecause *one* check failed\n")
    writeFileSync(all.home.path("evidence/latest.json"), JSON.stringify(verdict))
    const said = await all.asks(ada(10), "/gate", "NO-GO")
    expect(said.text).toContain("FAIL chain-intact")
    const paper = await all.sees(ada(10), "NO-GO", { document: true, after: said.message_id })
    const file = await fetch(`${all.fake.simRoot}file?id=${paper.document?.file_id}`)
    expect(await file.text()).toBe("# NO-GO\nbecause *one* check failed\n")
  })

  const prompts = {
    "every special character of MarkdownV2": "_*[]()~`>#+-=|{}.!\\ *bold* [a](tg://user?id=1) ```x```",
    "every special character of HTML": "<b>&amp;</b> &lt; \"quoted\" 'single' <script>alert(1)</script> &unknown;",
    "writing from right to left": "שלום עולם مرحبا بالعالم 123 abc",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 e\u0301 👍🏽",
    "zero-width characters and marks of direction": "a\u200bb\u200cc\u200dd\u2060e\ufefff \u202eevil\u202c \u2066x\u2069",
    "a long prompt": `${"0123456789 ".repeat(370)}!`.slice(-4000)
  }

  // What the service takes out of every message.
  const arriving = (prompt: string): string => prompt.replaceAll(/[\u2028-\u202e]/g, "").trim()
  const unseen = /[\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u

  it.each(Object.entries(prompts))("takes %s as it is, and shows it harmlessly", async (_what, prompt) => {
    const { message } = await all.type(ada(11), `/newtask note ${prompt}`)
    const task = await until("the task with this prompt", () =>
      all.home.query<{ readonly id: string; readonly spec: string }>("SELECT id, spec FROM task").find(({ spec }) => JSON.parse(JSON.parse(spec).payload).prompt === arriving(prompt)))
    const id = task.id.slice(-6).toLowerCase()
    await all.home.untilTask(task.id, "SUCCEEDED")
    expect(all.home.read(`.opsgate/runs/${task.id}/1-1/stdout.log`)).toBe(arriving(prompt))
    const card = await all.sees(ada(11), `${id}  note`, { after: message })
    const shown = await all.asks(ada(11), `/status ${id}`, `payload of ${id}`)
    expect(`${card.text}${shown.text}`).not.toMatch(unseen)
    if (!/\p{Cf}/u.test(prompt)) expect(shown.text).toContain(JSON.stringify(arriving(prompt)).slice(0, 2000).replace(/"$/, ""))
  })

  it("that makes no sense is answered with what to type, and does nothing", async ({ expect }) => {
    expect((await all.asks(ada(12), "/newtask", "wants the type")).text).toContain("/newtask <type> <prompt>")
    expect((await all.asks(ada(12), "/newtask nonsense x", "not done")).text).toContain("/newtask <type> <prompt>")
    expect((await all.asks(ada(12), "/status zzzzzz", "not done")).text).toContain("/list shows the latest")
    expect((await all.asks(ada(12), "/aprove 123456", "no such command")).text).toContain("/approve <id> [note]")
    expect(all.home.tasks().filter((task) => JSON.stringify(task).includes("ada12"))).toEqual([])
  })
})

describe("the bot, after all that", () => {
  it("has exceeded no limit of Telegram and asked for nothing that is not there", async () => {
    expect(await all.fake.sim("violations")).toEqual([])
    const record: ReadonlyArray<{ readonly method: string; readonly status: number | null; readonly unknown?: ReadonlyArray<string>; readonly description?: string }> = await all.fake.sim("record")
    expect(record.filter(({ unknown = [] }) => unknown.length > 0)).toEqual([])
    // The menu of somebody who has never written is refused, and so is an edit to what is shown already.
    const refused = record.filter((call) => call.status !== null && call.status >= 400 && !call.method.endsWith("MyCommands") && !JSON.stringify(call).includes("message is not modified"))
    expect(refused).toEqual([])
  })
})
