/** What one person is told and offered, and another is not: what to type after a refusal, the dead letter, being met. On a real file. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { shortId } from "../../../src/domain/TaskState.ts"
import { begunUnder, claimed, epochOpened, failedOutcome, settled } from "../../engine/tasks.ts"
import { ada, bob, chatroom, eve, eventsOf, group, kinds, onlyTask, tasks, vic } from "./chatroom.ts"

const last = (texts: ReadonlyArray<string>) => texts.at(-1) ?? ""
const short = Effect.map(onlyTask, ({ id }) => shortId(id))

/** A worker that fails. */
const runs = Effect.gen(function*() {
  const [one] = yield* claimed(1, kinds.get("deploy")?.version)
  if (one === undefined) return yield* Effect.dieMessage("nothing to claim")
  yield* begunUnder(one.task.id, one.held)
  yield* settled(one.task.id, one.held, failedOutcome)
})

describe("what to type after a refusal", () => {
  it("is what this person may do, and a look where others have to act", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* room.type(ada, "/newtask deploy x", { chat: group })
      const id = yield* short
      const next = (texts: ReadonlyArray<string>) => last(texts).split("\nnext: ")[1]?.split("\n")[0]
      // Bob is neither requester nor author; what Ada asked for she does not approve herself.
      expect(next(yield* room.type(bob, `/resume ${id}`, { chat: group }))).toBe(`/approve ${id} [note] | /reject ${id} <reason> | /stop ${id} <reason>`)
      expect(next(yield* room.type(ada, `/resume ${id}`, { chat: group }))).toBe(`/reject ${id} <reason> | /stop ${id} <reason>`)
      yield* room.type(bob, `/reject ${id} no`, { chat: group })
      expect(next(yield* room.type(vic, `/approve ${id}`, { chat: group }))).toBe("/help shows what you may do")
    }))
  })
})

describe("the dead letter in a chat", () => {
  it("is left by /redrive and by /dismiss, which its card offers", async () => {
    const room = chatroom()
    await room.on(Effect.gen(function*() {
      yield* epochOpened(600_000)
      const fails = Effect.gen(function*() {
        yield* room.type(ada, "/newtask deploy x")
        const id = (yield* tasks).filter(({ state }) => state === "REQUESTED").map((task) => shortId(task.id))[0] ?? ""
        yield* room.type(bob, `/approve ${id}`)
        yield* room.type(bob, `/resume ${id}`)
        yield* runs
        return id
      })
      const first = yield* fails
      expect(last(yield* room.type(bob, `/status ${first}`))).toContain("failed")
      expect(room.buttons()).toEqual(["♻️ Recover…", "🗑 Dismiss…", "❓ Why"])
      expect((yield* room.press(bob, "Dismiss")).join("\n")).toContain(`reply with: /dismiss ${first} <reason>`)
      expect(last(yield* room.type(bob, `/dismiss ${first} not needed`))).toContain("dismissed: deploy")
      expect(yield* eventsOf("dead.dismissed")).toHaveLength(1)
      const second = yield* fails
      expect(last(yield* room.type(bob, `/redrive ${second} the disk is back`))).toContain(`recovered: deploy ${second}`)
      expect(last(yield* room.type(ada, `/dismiss ${second}`))).toContain("it wants a reason behind the id")
    }))
  })
})

describe("somebody who speaks in his private chat", () => {
  it("is met when he is known, and nobody else is", async () => {
    const met: Array<string> = []
    const room = chatroom({ met: (chat) => Effect.sync(() => void met.push(chat)) })
    await room.on(Effect.gen(function*() {
      yield* room.type(vic, "/ops")
      yield* room.type(eve, "/ops")
      yield* room.type(ada, "/ops", { chat: group })
      expect(met).toEqual([String(vic)])
    }))
  })
})
