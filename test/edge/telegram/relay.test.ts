/** What people are told, and the cards of tasks, in a real file: each notice once, the latest look only, and never the same twice. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { Context, Duration, Effect, Fiber, Layer, Logger, LogLevel } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import type { Outgoing } from "../../../src/domain/Chat.ts"
import { granted } from "../../../src/domain/Decision.ts"
import type { Task, TaskId } from "../../../src/domain/Task.ts"
import type { Look } from "../../../src/edge/telegram/Look.ts"
import { relay, type RelayOptions } from "../../../src/edge/telegram/Relay.ts"
import { ChatStore } from "../../../src/engine/ChatStore.ts"
import { Instants } from "../../../src/engine/Engine.ts"
import * as Live from "../../../src/engine/Live.ts"
import * as SqliteEngine from "../../../src/engine/SqliteEngine.ts"
import { applied, epochOpened, heavyKind, nextId, submitted } from "../../engine/tasks.ts"

/** A file, and what was stored for chats in it since it was made. */
const opened = (behindMs = 0) => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-relay-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const stored: Array<Outgoing & { readonly atMs: number }> = []
  const instants = Layer.succeed(Instants, { wallMs: () => Date.now() - behindMs, monoMs: () => Math.floor(performance.now()) })
  const noting = <A, E>(out: Outgoing, effect: Effect.Effect<A, E>) =>
    Effect.tap(effect, () => Effect.sync(() => (out.deliveries.length > 0 ? stored.push({ ...out, atMs: performance.now() }) : 0)))
  const layer = SqliteEngine.layer({ file: join(folder, "opsgate.db"), streamId: "db-test" }).pipe(
    Layer.provideMerge(instants),
    Layer.provideMerge(Live.layer),
    Layer.map((context) => {
      const chats = Context.get(context, ChatStore)
      return Context.add(context, ChatStore, {
        ...chats,
        enqueue: (out) => noting(out, chats.enqueue(out)),
        relayed: (relayName, through, out) => noting(out, chats.relayed(relayName, through, out))
      })
    }),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
  )
  const on = <A, E>(body: Effect.Effect<A, E, Layer.Layer.Success<typeof layer>>): Promise<A> => Effect.runPromise(body.pipe(Effect.provide(layer)))
  return { file: join(folder, "opsgate.db"), on, stored, refs: () => stored.flatMap(({ deliveries }) => deliveries.map(({ ref }) => ref)) }
}

const until = (isSo: () => boolean): Effect.Effect<void> => Effect.suspend(() => (isSo() ? Effect.void : Effect.zipRight(Effect.sleep(Duration.millis(20)), until(isSo))))
const plain = (text: string): Look => ({ text, entities: [], buttons: [[{ label: "Why", ask: { op: "words", text: "/why" } }]] })
const options = (change: Partial<RelayOptions> = {}): RelayOptions => ({
  notify: () => ["1", "-2"],
  look: (task) => Effect.succeed(plain(`${task.kind} ${task.state}`)),
  ...change
})
/** Runs the relay beside something. */
const beside = <A, E, R>(given: RelayOptions, body: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(relay(given))
    const answer = yield* body
    yield* Fiber.interrupt(fiber)
    return answer
  })

const asked = (id: TaskId) => Effect.zipRight(epochOpened(60_000), submitted(heavyKind(), { id }))
/** A change of a task that changes nothing but its instant, and what the caller says. */
const changed = (id: TaskId, change: Partial<Task> = {}) => applied(id, (task, now) => granted(null, { tasks: [{ ...task, updatedAtMs: now.wallMs, ...change }] }))

describe("a notice", () => {
  it("that asks for something is the card of its task in each chat, with buttons of their own, once over a restart", async () => {
    const { on, refs, stored } = opened()
    const id = nextId()
    await on(Effect.zipRight(asked(id), beside(options(), until(() => refs().length >= 2))))
    expect(stored[0]?.deliveries.map(({ card, chat, last }) => [chat, card, last])).toEqual([["1", id, false], ["-2", id, false]])
    const words = stored[0]?.tokens.map(({ token }) => token) ?? []
    expect(new Set(words).size).toBe(2)
    expect(words.every((word) => /^v1:[A-Za-z0-9_-]{22}$/.test(word))).toBe(true)
    await on(beside(options(), Effect.sleep("700 millis")))
    expect(refs()).toHaveLength(2)
  })

  it("is words where the chat has the card, as an answer to it", async () => {
    const { on, refs, stored } = opened()
    const id = nextId()
    await on(Effect.gen(function*() {
      yield* asked(id)
      yield* (yield* ChatStore).enqueue({ deliveries: [{ chat: "1", ref: "c", card: id, body: { _tag: "Text", text: "card", entities: [], buttons: [] } }], tokens: [] })
      yield* beside(options({ notify: () => ["1"] }), until(() => refs().some((ref) => ref.startsWith("n"))))
    }))
    const [told] = stored.flatMap(({ deliveries }) => deliveries).filter(({ ref }) => ref.startsWith("n"))
    expect([told?.card, told?.body]).toMatchObject([null, { _tag: "Text", about: id }])
  })

  it("of the day before yesterday is not told any more", async () => {
    const { on, refs } = opened(2 * 86_400_000)
    await on(Effect.zipRight(asked(nextId()), beside(options(), Effect.sleep("700 millis"))))
    expect(refs()).toEqual([])
  })

  it("is there once for each chat, however often the relay is stopped", async () => {
    const { file, on } = opened()
    await on(Effect.gen(function*() {
      const chats = yield* ChatStore
      yield* epochOpened(600_000)
      for (let at = 0; at < 30; at++) {
        yield* submitted(heavyKind())
        yield* beside(options(), Effect.sleep(Duration.millis((at * 7) % 40)))
      }
      const left = Effect.map(chats.notices("telegram", 100), (notices) => notices.length)
      yield* beside(options(), Effect.repeat(Effect.delay(left, "20 millis"), { until: (count) => count === 0 }))
    }))
    // Asked of the file: whoever was stopped behind a commit was told nothing of it.
    const db = new Database(file, { readonly: true })
    const refs = db.prepare<[], { ref: string }>("SELECT ref FROM delivery").all().map(({ ref }) => ref)
    db.close()
    expect([refs.length, new Set(refs).size]).toEqual([60, 60])
  })

  it("of a task that cannot be shown is words, and the others go on", async () => {
    const { on, stored } = opened()
    const [bad, good] = [nextId(), nextId()]
    const look: RelayOptions["look"] = (task) => (task.id === bad ? Effect.dieMessage("a bug") : Effect.succeed(plain("well")))
    await on(Effect.gen(function*() {
      yield* asked(bad)
      yield* submitted(heavyKind(), { id: good })
      yield* beside(options({ notify: () => ["1"], look }), until(() => stored.length > 0))
    }))
    expect(stored[0]?.deliveries.map(({ card }) => card)).toEqual([null, good])
  })
})

describe("a card", () => {
  it("is stored anew every two seconds at most, the latest look, and the last one of all in the end", async () => {
    const { on, stored } = opened()
    const id = nextId()
    let shows = 0
    await on(Effect.gen(function*() {
      yield* asked(id)
      yield* beside(options({ notify: () => ["1"], look: (task) => Effect.succeed(plain(`${task.state} ${shows}`)) }), Effect.gen(function*() {
        yield* until(() => stored.length === 1)
        for (; shows < 25; shows++) {
          yield* changed(id)
          yield* Effect.sleep("100 millis")
        }
        yield* changed(id, { state: "CANCELED", holds: [] })
        yield* until(() => stored.at(-1)?.deliveries[0]?.last === true)
        expect(yield* (yield* ChatStore).openCards("", 10)).toEqual([])
      }))
    }))
    const edits = stored.slice(1)
    expect(edits.length).toBeLessThanOrEqual(3)
    // An edit is stored some time after the instant that its pause is counted from; without pauses they are a tenth of a second apart.
    edits.slice(1).forEach(({ atMs }, at) => expect(atMs - (edits[at]?.atMs ?? 0)).toBeGreaterThanOrEqual(1000))
    expect(edits.at(-1)?.deliveries[0]?.body).toMatchObject({ text: "CANCELED 25" })
  })

  it("that looks as it did is not stored", async () => {
    const { on, refs } = opened()
    const id = nextId()
    await on(Effect.zipRight(asked(id), beside(options({ notify: () => ["1"] }), Effect.gen(function*() {
      yield* until(() => refs().length === 1)
      for (let at = 0; at < 5; at++) {
        yield* changed(id)
        yield* Effect.sleep("250 millis")
      }
    }))))
    expect(refs()).toHaveLength(1)
  })

  it("whose task changed while nobody looked is found at the next start", async () => {
    const { on, stored } = opened()
    const id = nextId()
    await on(Effect.zipRight(asked(id), beside(options({ notify: () => ["1"] }), until(() => stored.length === 1))))
    await on(changed(id, { state: "CANCELED", holds: [] }))
    await on(beside(options(), until(() => stored.length === 2)))
    expect(stored[1]?.deliveries).toMatchObject([{ chat: "1", card: id, last: true }])
  })
})
