/** What chats bring and are sent, in a real file: nothing twice, nothing lost, each chat in its order. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import type { DeliveryDraft, Received, Token } from "../../src/domain/Chat.ts"
import { nothingOut, undeliverable } from "../../src/domain/Chat.ts"
import { ChatStore } from "../../src/engine/ChatStore.ts"
import { Flush } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { epochOpened, heavyKind, movable, submitted } from "./tasks.ts"

const bot = "7"
const opened = () => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-chats-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { clocks, layer: instants, pass } = movable()
  const file = join(folder, "opsgate.db")
  const layer = () => SqliteEngine.layer({ file, streamId: "db-test" }).pipe(Layer.provideMerge(instants), Layer.provide(Live.layer))
  return {
    clocks,
    pass,
    /** Opens the file, as every start of a program does. */
    on: <A, E>(body: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof layer>> | Flush>): Promise<A> =>
      Effect.runPromise(body.pipe(Effect.provide(layer()), Effect.provide(Live.layer)))
  }
}

const received = (update: number, chat = "a"): Received => ({ update, chat, payload: `{"update_id":${update}}` })
const text = (ref: string, chat = "a", card: string | null = null): DeliveryDraft => ({ chat, ref, card, body: { _tag: "Text", text: ref, entities: [], buttons: [] } })
const out = (...deliveries: ReadonlyArray<DeliveryDraft>) => ({ deliveries, tokens: [] })
const updates = Effect.flatMap(ChatStore, (chats) => Effect.map(chats.pending(bot, 10), ({ items }) => items.map(({ update }) => update)))
const waiting = Effect.flatMap(ChatStore, (chats) => Effect.map(chats.due(10), ({ deliveries }) => deliveries.map(({ ref }) => ref)))

describe("an inbox", () => {
  it("stores an update once, with the offset behind it, over a restart", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      expect(yield* chats.offset(bot)).toBeNull()
      expect(yield* chats.receive(bot, [received(1), received(2, "b")], 3)).toBe(2)
      expect(yield* chats.receive(bot, [received(2, "b"), received(3)], 4)).toBe(1)
    }))
    await on(Effect.gen(function*() {
      expect(yield* (yield* ChatStore).offset(bot)).toBe(4)
      expect(yield* updates).toEqual([1, 2])
    }))
  })

  it("gives the first update of each chat, and the next one when that is worked off", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.receive(bot, [received(5), received(6), received(7, "b")], 8)
      expect(yield* updates).toEqual([5, 7])
      yield* chats.settle(bot, 5, nothingOut)
      expect(yield* updates).toEqual([6, 7])
    }))
  })

  it("stores an answer once, however often its update is worked off", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.receive(bot, [received(1)], 2)
      yield* chats.settle(bot, 1, out(text("one")))
      yield* chats.settle(bot, 1, out(text("two")))
      yield* chats.enqueue(out(text("one")))
      expect(yield* waiting).toEqual(["one"])
    }))
  })

  it("waits with a whole chat for the retry of one update, and lets the others pass", async () => {
    const { clocks, on, pass } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.receive(bot, [received(1), received(2), received(3, "b")], 4)
      yield* chats.fail(bot, 1, "broken", clocks.wallMs + 100)
      expect(yield* updates).toEqual([3])
      expect((yield* chats.pending(bot, 10)).nextMs).toBe(clocks.wallMs + 100)
      yield* pass(100)
      expect(yield* updates).toEqual([3, 1])
    }))
  })

  it("keeps a dead update until somebody replays it, and goes on behind it", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.receive(bot, [received(1), received(2)], 3)
      yield* chats.fail(bot, 1, "broken", null)
      expect(yield* updates).toEqual([2])
      expect((yield* chats.dead(bot, 10)).map(({ error, update }) => [update, error])).toEqual([[1, "broken"]])
      expect(yield* chats.replay(bot, 2)).toBe(false)
      expect(yield* chats.replay(bot, 1)).toBe(true)
      expect(yield* updates).toEqual([1])
    }))
  })
})

describe("deliveries", () => {
  it("go out in the order of each chat", async () => {
    const { clocks, on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue(out(text("a1"), text("a2"), text("b1", "b")))
      const [first] = (yield* chats.due(10)).deliveries
      yield* chats.retry(first?.id ?? 0, "429", clocks.wallMs + 50)
      expect(yield* waiting).toEqual(["b1"])
      yield* chats.giveUp(first?.id ?? 0, "400", undeliverable(text("a1"), "http_400", false))
      expect(yield* waiting).toEqual(["a2", "b1"])
    }))
  })

  it("wait for no clock that was set back, unless they were tried often, and for the service a while at most", async () => {
    const { clocks, on, pass } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue(out(text("once"), text("often", "b"), text("asked", "c")))
      const [once, often, asked] = (yield* chats.due(10)).deliveries
      const hour = clocks.wallMs + 3_600_000
      yield* chats.retry(once?.id ?? 0, "http_500", hour)
      yield* chats.retry(often?.id ?? 0, "http_500", hour)
      yield* chats.retry(often?.id ?? 0, "http_500", hour)
      yield* chats.retry(asked?.id ?? 0, "http_429", hour)
      expect(yield* waiting).toEqual([])
      yield* chats.unstick(2, clocks.wallMs + 5000)
      expect(yield* waiting).toEqual(["once"])
      yield* pass(5000)
      expect(yield* waiting).toEqual(["once", "asked"])
      yield* chats.unstick(3, clocks.wallMs + 5000)
      expect(yield* waiting).toEqual(["once", "often", "asked"])
    }))
  })

  it("of a card that wait are replaced by the latest, which edits the message of the first", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue(out(text("c1", "a", "T"), text("c2", "a", "T")))
      const [first] = (yield* chats.due(10)).deliveries
      expect([first?.ref, first?.message]).toEqual(["c2", null])
      yield* chats.sent(first?.id ?? 0, 77)
      yield* chats.enqueue(out(text("c3", "a", "T")))
      const [edit] = (yield* chats.due(10)).deliveries
      expect([edit?.ref, edit?.message]).toEqual(["c3", 77])
      expect(yield* chats.taskOfCard("a", 77)).toBe("T")
    }))
  })

  it("of a card that wait keep the place of the look that they replace, and what it was told to wait for", async () => {
    const { clocks, on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue(out(text("c1", "a", "T"), text("a1"), text("a2")))
      yield* chats.enqueue(out(text("c2", "a", "T")))
      const [card] = (yield* chats.due(10)).deliveries
      expect(card?.ref).toBe("c2")
      yield* chats.retry(card?.id ?? 0, "http_429", clocks.wallMs + 5000)
      yield* chats.enqueue(out(text("c3", "a", "T")))
      expect(yield* chats.due(10)).toMatchObject({ deliveries: [], nextMs: clocks.wallMs + 5000 })
      clocks.wallMs += 5000
      expect((yield* chats.due(10)).deliveries.map(({ ref }) => ref)).toEqual(["c3"])
    }))
  })

  it("for which nobody waits let answers go first, and are not put off for ever", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      const notice = (ref: string) => ({ ...text(ref), mayWait: true })
      yield* chats.enqueue(out(notice("n1"), notice("n2")))
      yield* chats.enqueue(out(...Array.from({ length: 210 }, (_, at) => text(`a${at}`))))
      const sent: Array<string> = []
      for (let [next] = (yield* chats.due(1)).deliveries; next !== undefined; [next] = (yield* chats.due(1)).deliveries) {
        sent.push(next.ref)
        yield* chats.sent(next.id, null)
      }
      const at = (ref: string) => sent.indexOf(ref)
      expect(at("a0")).toBe(0)
      expect([at("n1") < at("n2"), at("n2") < at("a209")]).toEqual([true, true])
      expect(sent.filter((ref) => ref.startsWith("a"))).toEqual(Array.from({ length: 210 }, (_, n) => `a${n}`))
    }))
  })

  it("know the pauses that the service asked for until they are over, over a restart", async () => {
    const { clocks, on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.pause("a", clocks.wallMs + 3000)
      yield* chats.pause("a", clocks.wallMs + 1000)
      yield* chats.pause("poll:7", clocks.wallMs + 9000)
    }))
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      expect(yield* chats.pauses).toEqual([{ name: "a", untilMs: clocks.wallMs + 3000 }, { name: "poll:7", untilMs: clocks.wallMs + 9000 }])
      clocks.wallMs += 4000
      expect((yield* chats.pauses).map(({ name }) => name)).toEqual(["poll:7"])
    }))
  })

  it("of a card that is wanted anew are a message of their own, which is the card from then on", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue(out(text("c1", "a", "T")))
      yield* chats.sent((yield* chats.due(10)).deliveries[0]?.id ?? 0, 77)
      yield* chats.enqueue(out({ ...text("c2", "a", "T"), anew: true }))
      const [again] = (yield* chats.due(10)).deliveries
      expect(again?.message).toBeNull()
      yield* chats.sent(again?.id ?? 0, 78)
      yield* chats.enqueue(out(text("c3", "a", "T")))
      expect((yield* chats.due(10)).deliveries[0]?.message).toBe(78)
    }))
  })

  it("to a dead chat are given up until something comes from there", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue(out(text("one")))
      yield* chats.bury("a", "blocked", undeliverable(text("one"), "http_403", true))
      yield* chats.enqueue(out(text("two")))
      expect(yield* waiting).toEqual([])
      yield* chats.receive(bot, [received(1)], 2)
      yield* chats.enqueue(out(text("three")))
      expect(yield* waiting).toEqual(["three"])
    }))
  })

  it("follow a chat that moves, with its cards and its tokens", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue(out(text("one", "a", "T")))
      yield* chats.migrate("a", "-100")
      expect((yield* chats.due(10)).deliveries.map(({ chat }) => chat)).toEqual(["-100"])
      expect(yield* chats.cards("T")).toEqual([{ chat: "-100", message: null }])
    }))
  })

  it("are made of each message to people once, over a restart", async () => {
    const { on } = opened()
    await on(Effect.gen(function*() {
      yield* epochOpened(60_000)
      yield* submitted(heavyKind())
      const chats = yield* ChatStore
      const [notice] = yield* chats.notices("telegram", 10)
      expect(notice?.topic).toBe("approval_needed")
      yield* chats.relayed("telegram", notice?.id ?? 0, out(text("n1")))
      yield* chats.relayed("telegram", notice?.id ?? 0, out(text("n2")))
    }))
    await on(Effect.gen(function*() {
      expect(yield* (yield* ChatStore).notices("telegram", 10)).toEqual([])
      expect(yield* waiting).toEqual(["n1"])
    }))
  })
})

describe("a token", () => {
  const token = (clocks: { readonly wallMs: number }): Token => ({ token: "t", chat: "a", task: "T", ask: "{}", expiresAtMs: clocks.wallMs + 1000 })

  it("is taken by one update, which may take it again after a crash", async () => {
    const { clocks, on } = opened()
    await on(Effect.flatMap(ChatStore, (chats) => chats.enqueue({ deliveries: [], tokens: [token(clocks)] })))
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      expect((yield* chats.take("t", bot, 1))._tag).toBe("Fresh")
      expect(yield* chats.take("t", bot, 2)).toMatchObject({ _tag: "Used", by: null })
      yield* chats.receive(bot, [received(1)], 2)
      expect(yield* chats.take("t", bot, 2)).toMatchObject({ _tag: "Used", by: received(1).payload })
      expect((yield* chats.take("t", bot, 1))._tag).toBe("Fresh")
      expect((yield* chats.take("x", bot, 1))._tag).toBe("Unknown")
    }))
  })

  it("expires", async () => {
    const { clocks, on, pass } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* chats.enqueue({ deliveries: [], tokens: [token(clocks)] })
      yield* pass(1000)
      expect((yield* chats.take("t", bot, 1))._tag).toBe("Expired")
    }))
  })
})
