/** Talking to the bot, from words to the end of a task, on a real file: by text alone, by buttons alone, by the wrong people, and twice. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { ChatStore } from "../../../src/engine/ChatStore.ts"
import { shortId } from "../../../src/domain/TaskState.ts"
import { begunUnder, claimed, epochOpened, failedOutcome, settled, succeeded } from "../../engine/tasks.ts"
import { ada, bob, bot, chatroom, eve, events, eventsOf, everybody, group, kinds, onlyTask, tasks, vic } from "./chatroom.ts"

const claimedKind = (name: string) => Effect.map(claimed(1, kinds.get(name)?.version), ([one]) => one)

/** What a worker would do. */
const run = (outcome: Parameters<typeof settled>[2]) =>
  Effect.gen(function*() {
    const one = yield* claimedKind("deploy")
    if (one === undefined) return yield* Effect.dieMessage("nothing to claim")
    yield* begunUnder(one.task.id, one.held)
    yield* settled(one.task.id, one.held, outcome)
  })

const short = Effect.map(onlyTask, ({ id }) => shortId(id))
const last = (texts: ReadonlyArray<string>) => texts.at(-1) ?? ""

describe("a task in a chat", () => {
  it("goes from /newtask to done by text alone", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* epochOpened(600_000)
      expect(last(yield* room.type(ada, "/newtask deploy ship it"))).toContain("waits for approval")
      const id = yield* short
      expect(last(yield* room.type(bob, `/approve ${id} go`))).toContain("approved, waits for its resume")
      expect(last(yield* room.type(bob, `/resume ${id}`))).toContain("in the queue")
      yield* run(succeeded)
      const card = last(yield* room.type(ada, `/status ${id}`))
      expect(card).toContain("done")
      expect(card).toContain("approved 1 of 1 by bob")
      expect(room.buttons()).toEqual([])
    }))
  })

  it("goes there by buttons alone, once it was asked for", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* epochOpened(600_000)
      yield* room.type(ada, "/newtask deploy ship it", { chat: group })
      yield* room.press(bob, "Approve", { chat: group })
      expect(room.toasts.at(-1)).toContain("approved: deploy")
      expect(room.shown).toHaveLength(1)
      expect(room.shown[0]?.text).toContain("approved 1 of 1 by bob")
      expect(room.buttons()).not.toContain("✅ Approve")
      yield* room.press(bob, "Resume", { chat: group })
      expect((yield* onlyTask).state).toBe("QUEUED")
      expect(room.shown[0]?.text).toContain("resumed by bob")
      yield* run(succeeded)
      expect((yield* onlyTask).state).toBe("SUCCEEDED")
      // What the relay shows then.
      const end = yield* room.look(yield* onlyTask)
      expect(end.text).toContain("done")
      expect(end.text).toContain("resumed by bob")
      expect(end.buttons).toEqual([])
    }))
  })

  it("takes two approvers, never the same one twice, and says who is missing", async () => {
    const both = chatroom({ people: new Map([...everybody, ["telegram:104", { name: "cyd", roles: ["approver"], service: false }]]) })
    await both.on(Effect.gen(function*() {
      yield* both.type(ada, "/newtask launch it", { chat: group })
      yield* both.press(bob, "Approve", { chat: group })
      expect(both.shown[0]?.text).toContain("approved 1 of 2 by bob")
      expect(both.shown[0]?.text).toContain("missing: 1 with the role approver")
      const said = yield* both.press(bob, "Approve", { chat: group })
      expect(said.join("\n")).toContain("has approved it already")
      yield* both.press(104, "Approve", { chat: group })
      expect((yield* onlyTask).state).toBe("APPROVED")
      expect(both.shown[0]?.text).toContain("approved 2 of 2 by bob")
    }))
  })

  it("is rejected with a reason, which the button asks for, and the card says who did it", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x")
      const id = yield* short
      expect(last(yield* room.press(ada, "Reject"))).toBe(`reply with: /reject ${id} <reason>`)
      expect((yield* onlyTask).state).toBe("REQUESTED")
      // It asks as often as it is pressed.
      expect(last(yield* room.press(ada, "Reject"))).toBe(`reply with: /reject ${id} <reason>`)
      yield* room.type(ada, `/reject ${id} not *today*`)
      expect((yield* onlyTask).state).toBe("CANCELED")
      expect(room.shown[0]?.text).toContain("rejected by ada")
      expect(room.shown[0]?.text).toContain("not *today*")
      expect(room.shown[0]?.buttons).toEqual([])
    }))
  })

  it("whose approval has expired is not approved any more, by text or by an old button", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      yield* room.pass(3_600_001)
      yield* room.press(bob, "Approve", { chat: group })
      expect(room.toasts.at(-1)).toContain("expired")
      const id = yield* short
      expect(last(yield* room.type(bob, `/approve ${id}`, { chat: group }))).toMatch(/approve|recover|expired/)
      expect((yield* onlyTask).state).toBe("EXPIRED")
      expect(last(yield* room.type(bob, `/status ${id}`, { chat: group }))).toContain("expired")
      // No word but recover brings back what has ended.
      expect(last(yield* room.type(bob, `/resume ${id}`))).toContain("not done")
      expect((yield* onlyTask).state).toBe("EXPIRED")
    }))
  })

  it("that failed is forked as a new task with a card of its own", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* epochOpened(600_000)
      yield* room.type(ada, "/newtask deploy x")
      const id = yield* short
      yield* room.type(bob, `/approve ${id}`)
      yield* room.type(bob, `/resume ${id}`)
      yield* run(failedOutcome)
      expect((yield* onlyTask).state).toBe("FAILED")
      const answer = yield* room.type(bob, `/fork ${id} 1 the disk is back`)
      expect(answer[0]).toContain("forked")
      expect(last(answer)).toContain(`forked from ${id} at step 1`)
      expect(yield* tasks).toHaveLength(2)
    }))
  })

  it("of one's own that one approves is marked as such", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask own x")
      yield* room.press(ada, "Approve")
      expect(room.shown[0]?.text).toContain("(SELF-APPROVAL)")
    }))
  })
})

describe("an update that comes twice", () => {
  it("has one effect and one answer, also when it is worked off again before it was marked", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      const raw = room.updateOf(ada, "/newtask deploy x")
      yield* room.arrive(raw, ada)
      const chats = yield* ChatStore
      const talk = yield* room.talking
      const [item] = (yield* chats.pending(bot, 1)).items
      if (item === undefined) return yield* Effect.dieMessage("no update")
      // The process dies between the command and the mark.
      yield* talk(item)
      yield* room.work
      yield* room.arrive(raw, ada)
      yield* room.work
      yield* room.deliver
      expect(yield* tasks).toHaveLength(1)
      expect(room.shown).toHaveLength(1)
      expect((yield* eventsOf("idempotency.replayed"))).toHaveLength(1)
    }))
  })

  it("is answered as the first time, however late it is worked off again", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.arrive(room.updateOf(ada, "/newtask deploy x"), ada)
      const chats = yield* ChatStore
      const [item] = (yield* chats.pending(bot, 1)).items
      if (item !== undefined) yield* (yield* room.talking)(item)
      yield* room.pass(3_000_000)
      yield* room.work
      yield* room.deliver
      expect(yield* tasks).toHaveLength(1)
      expect(room.shown.map(({ text }) => text).join()).toContain("waits for approval")
    }))
  })
})

describe("a button", () => {
  it("that is pressed twice does it once, and says who did it", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      const token = room.token("Approve")
      yield* room.press(bob, "Approve", { chat: group, token })
      expect(yield* room.press(bob, "Approve", { chat: group, token })).toEqual([])
      expect(room.toasts.at(-1)).toMatch(/^already approved by bob at /)
      expect(yield* eventsOf("approval.given")).toHaveLength(1)
    }))
  })

  it("that two people press at once lets one of them do it, and tells the other", async () => {
    const room = chatroom({ people: new Map([...everybody, ["telegram:104", { name: "cyd", roles: ["approver"], service: false }]]) })
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      const token = room.token("Approve")
      yield* room.press(104, "Approve", { chat: group, token })
      yield* room.press(bob, "Approve", { chat: group, token })
      expect(room.toasts.at(-1)).toMatch(/^already approved by cyd at /)
      expect(yield* eventsOf("approval.given")).toHaveLength(1)
    }))
  })

  it("is no authority: whoever presses somebody else's needs the right himself", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      expect((yield* room.press(vic, "Approve", { chat: group })).join("\n")).toContain("vic may not approve")
      expect((yield* room.press(ada, "Approve", { chat: group })).join("\n")).toContain("may not decide about it")
      expect((yield* onlyTask).state).toBe("REQUESTED")
      expect((yield* eventsOf("command.denied")).map(({ actor }) => actor)).toEqual(["vic"])
      // Those who may still find a button that works.
      yield* room.press(bob, "Approve", { chat: group })
      expect((yield* onlyTask).state).toBe("APPROVED")
    }))
  })

  it("whose press was refused works for the next one who may, the very same button", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      const token = room.token("Approve")
      yield* room.press(vic, "Approve", { chat: group, token })
      expect(room.toasts.at(-1)).toContain("vic may not approve")
      yield* room.press(bob, "Approve", { chat: group, token })
      expect((yield* onlyTask).state).toBe("APPROVED")
      yield* room.press(bob, "Approve", { chat: group, token })
      expect(room.toasts.at(-1)).toMatch(/^already approved by bob/)
    }))
  })

  it("is answered whenever it is pressed, by whomever that is listened to", async () => {
    const room = chatroom({ commandsPerMinute: 4 })
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      const token = room.token("Approve")
      const presses = [[vic, token], [bob, token], [bob, token], [ada, "v1:AAAAAAAAAAAAAAAAAAAAAA"], [bob, token], [bob, "none"]] as const
      for (const [who, word] of presses) yield* room.press(who, "Approve", { chat: group, token: word })
      expect(room.toasts).toHaveLength(presses.length)
      expect(room.toasts.every((text) => text.length > 0 && text.length <= 200)).toBe(true)
      expect(room.toasts.at(-1)).toMatch(/^Too fast: at most 4 commands a minute here, 2 of one person/)
    }))
  })

  it("of one chat does nothing in another, and made-up words do nothing", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      yield* room.press(bob, "x", { token: room.token("Approve") })
      yield* room.press(bob, "x", { token: "v1:AAAAAAAAAAAAAAAAAAAAAA" })
      expect(room.toasts.every((text) => text.includes("does nothing any more"))).toBe(true)
      expect(room.toasts).toHaveLength(2)
      expect((yield* onlyTask).state).toBe("REQUESTED")
    }))
  })

  it("approves what was shown, and nothing else", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      const token = room.token("Approve")
      const id = yield* short
      yield* room.type(ada, `/plan ${id}\nscope: a\nrisks: b\ntest plan: c\nrollback plan: d\napproval impact: e`, { chat: group })
      expect((yield* room.press(bob, "Approve", { chat: group, token })).join("\n")).toContain("not what was shown any more")
      expect((yield* onlyTask).state).toBe("REQUESTED")
    }))
  })

  it("shows anew what only looks, as often as it is pressed", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x")
      const token = room.token("Why")
      expect(last(yield* room.press(ada, "Why", { token }))).toContain("hold_approval")
      expect(last(yield* room.press(ada, "Why", { token }))).toContain("hold_approval")
    }))
  })

  it("is a link where the risk may not be approved in a chat, and /approve is refused with it", async () => {
    const room = chatroom({ mayApprove: (risks) => !risks.includes("deploy"), link: "https://ops.example/task/" })
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask launch x")
      const task = yield* onlyTask
      expect(room.shown[0]?.buttons.flat()[0]).toEqual({ label: "🔗 Approve elsewhere", url: `https://ops.example/task/${task.id}` })
      expect(last(yield* room.type(bob, `/approve ${shortId(task.id)}`))).toContain("not approved in a chat")
      expect(room.shown.at(-1)?.buttons.flat()[0]?.url).toBe(`https://ops.example/task/${task.id}`)
      expect(yield* eventsOf("approval.given")).toEqual([])
      expect(yield* eventsOf("command.refused")).toHaveLength(1)
    }))
  })

  it("is words to type on the machine where there is no page to link to", async () => {
    const room = chatroom({ mayApprove: () => false })
    await room.on(Effect.gen(function*() {
      expect(last(yield* room.type(ada, "/newtask launch x"))).toContain(`approved on the machine only: opsgate task approve ${yield* short}`)
      expect(room.buttons()).not.toContain("🔗 Approve elsewhere")
      expect(last(yield* room.type(bob, `/approve ${yield* short}`))).toContain(`next: opsgate task approve ${yield* short}, on the machine`)
    }))
  })
})

describe("silence", () => {
  it("is what strangers and unnamed groups get, on record once an hour", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(yield* room.type(eve, "/newtask deploy x")).toEqual([])
      expect(yield* room.type(eve, "/ops")).toEqual([])
      expect(yield* room.type(eve, "/ops", { chat: group })).toEqual([])
      expect(yield* room.type(ada, "/ops", { chat: -999 })).toEqual([])
      expect(yield* tasks).toEqual([])
      const denied = yield* eventsOf("chat.denied")
      expect(denied.map(({ actor, payload }) => [actor, JSON.parse(payload ?? "{}").why])).toEqual([[`telegram:${eve}`, "stranger"], [`telegram:${ada}`, "chat"]])
      expect(JSON.stringify(denied)).not.toContain("newtask")
      yield* room.pass(3_600_001)
      yield* room.type(eve, "/ops")
      expect((yield* eventsOf("chat.denied")).map(({ payload }) => JSON.parse(payload ?? "{}").unrecorded)).toEqual([0, 2, 0])
    }))
  })

  it("does not let a thousand strangers fill the log", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      for (let who = 10_000; who < 10_200; who++) yield* room.type(who, "/ops")
      expect(yield* eventsOf("chat.denied")).toHaveLength(60)
    }))
  })

  it("is what a stranger's press gets, which uses up no button", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      yield* room.press(eve, "Approve", { chat: group })
      expect(room.toasts).toEqual([])
      yield* room.press(bob, "Approve", { chat: group })
      expect((yield* onlyTask).state).toBe("APPROVED")
    }))
  })

  it.each([
    ["forwarded", { forward_origin: { type: "user" } }],
    ["anonymous", { sender_chat: { id: group, type: "group" } }],
    ["bot", { via_bot: { id: 1 } }]
  ])("is what a %s command gets", async (why, extra) => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(yield* room.type(ada, "/newtask deploy x", { extra })).toEqual([])
      expect(yield* tasks).toEqual([])
      expect((yield* eventsOf("chat.denied")).map(({ payload }) => JSON.parse(payload ?? "{}").why)).toEqual([why])
    }))
  })

  it("is what an edited command and a post of a channel get", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(yield* room.raw({ edited_message: room.message(ada, "/newtask deploy x") }, ada)).toEqual([])
      expect(yield* room.raw({ channel_post: { ...room.message(bob, "/newtask deploy x"), from: undefined } }, bob)).toEqual([])
      expect(yield* tasks).toEqual([])
      expect((yield* eventsOf("chat.denied")).map(({ payload }) => JSON.parse(payload ?? "{}").why)).toEqual(["edited", "channel"])
    }))
  })

  it("is kept in a group about plain talk and about other bots, with nothing on record", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(yield* room.type(eve, "hello all", { chat: group })).toEqual([])
      expect(yield* room.type(ada, "/ops@otherbot", { chat: group })).toEqual([])
      expect(yield* room.type(ada, "good morning", { chat: group })).toEqual([])
      expect(yield* events).toEqual([])
    }))
  })

  it("falls after one warning over a chat that is too fast, and ends with it", async () => {
    const room = chatroom({ commandsPerMinute: 3 })
    await room.on(Effect.gen(function*() {
      for (let count = 0; count < 3; count++) yield* room.type(ada, "/help")
      expect(last(yield* room.type(ada, "/newtask deploy x"))).toContain("Too fast")
      expect(yield* room.type(ada, "/newtask deploy x")).toEqual([])
      expect(last(yield* room.type(bob, "/newtask deploy y"))).toContain("deploy")
      yield* room.pass(61_000)
      expect(last(yield* room.type(ada, "/board"))).toContain("REQUESTED 1")
      expect(yield* tasks).toHaveLength(1)
    }))
  })

  it("does not fall over what was typed slowly and arrives at once", async () => {
    const room = chatroom({ commandsPerMinute: 2, staleAfterMs: 86_400_000 })
    await room.on(Effect.gen(function*() {
      for (const agoMs of [200_000, 160_000, 120_000, 80_000]) expect(last(yield* room.type(ada, "/newtask report x", { agoMs }))).toContain("report")
      expect(yield* tasks).toHaveLength(4)
    }))
  })
})

describe("a stale command", () => {
  it("is asked about again, and done when the button says so, once", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(last(yield* room.type(ada, "/newtask deploy x", { agoMs: 301_000 }))).toContain("nothing was done")
      expect(yield* tasks).toEqual([])
      const token = room.token("Do it now")
      yield* room.press(ada, "Do it now", { token })
      yield* room.press(ada, "Do it now", { token })
      expect(yield* tasks).toHaveLength(1)
      expect(room.toasts.at(-1)).toMatch(/^already pressed by ada at /)
    }))
  })

  it("that approves shows what it is by now instead", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x")
      const id = yield* short
      expect(last(yield* room.type(bob, `/approve ${id}`, { agoMs: 301_000 }))).toContain("waits for approval")
      expect((yield* onlyTask).state).toBe("REQUESTED")
      yield* room.press(bob, "Approve")
      expect((yield* onlyTask).state).toBe("APPROVED")
    }))
  })

  it("that only looks is answered", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      expect(last(yield* room.type(ada, "/help", { agoMs: 9_000_000 }))).toContain("/newtask")
    }))
  })
})
