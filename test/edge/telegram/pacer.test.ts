/** The pacer against a service that counts at instants of its own: whatever is asked for, and however long calls take, no window holds too many. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Pacer from "../../../src/edge/telegram/Pacer.ts"

interface Wanted {
  readonly chat: string
  readonly message: number | null
  /** When it is there to be sent. */
  readonly atMs: number
  /** How long its call takes, and at which part of that the service counts it. */
  readonly tookMs: number
  readonly countedAt: number
}

interface Counted {
  readonly chat: string
  readonly message: number | null
  readonly atMs: number
}

/** Sends all of it, oldest first, one call of a chat at a time, as the sender does. Answers when the service counted each. */
const sent = (wanted: ReadonlyArray<Wanted>, pacer: Pacer.Pacer, startMs: number): ReadonlyArray<Counted> => {
  const counted: Array<Counted> = []
  let waiting = [...wanted].sort((a, b) => a.atMs - b.atMs)
  let flying: Array<{ readonly chat: string; readonly endMs: number; readonly ended: (atMs: number) => void }> = []
  let nowMs = startMs
  for (let turns = 0; waiting.length > 0; turns++) {
    expect(turns, "it goes on").toBeLessThan(100_000)
    for (const call of flying) if (call.endMs <= nowMs) call.ended(call.endMs)
    flying = flying.filter(({ endMs }) => endMs > nowMs)
    let nextMs = Infinity
    for (const one of waiting) {
      if (one.atMs > nowMs) nextMs = Math.min(nextMs, one.atMs)
      else if (!flying.some(({ chat }) => chat === one.chat)) {
        const atMs = pacer.at(one, nowMs)
        if (atMs <= nowMs) {
          flying.push({ chat: one.chat, endMs: nowMs + one.tookMs, ended: pacer.begin(one, nowMs) })
          counted.push({ chat: one.chat, message: one.message, atMs: nowMs + one.tookMs * one.countedAt })
          waiting = waiting.filter((other) => other !== one)
        } else nextMs = Math.min(nextMs, atMs)
      }
    }
    nowMs = Math.max(nowMs + 1, Math.min(nextMs, ...flying.map(({ endMs }) => endMs)))
  }
  return counted
}

/** The most instants that lie in one window, its end not included. */
const most = (instants: ReadonlyArray<number>, windowMs: number): number => {
  const sorted = [...instants].sort((a, b) => a - b)
  return sorted.reduce((highest, from, at) => Math.max(highest, sorted.slice(at).filter((instant) => instant < from + windowMs).length), 0)
}

const expectWithin = (counted: ReadonlyArray<Counted>): void => {
  expect(most(counted.map(({ atMs }) => atMs), 1000)).toBeLessThanOrEqual(30)
  for (const chat of new Set(counted.map((one) => one.chat))) {
    const own = counted.filter((one) => one.chat === chat)
    expect(most(own.map(({ atMs }) => atMs), 1000), `one a second in ${chat}`).toBeLessThanOrEqual(1)
    if (chat.startsWith("-")) expect(most(own.map(({ atMs }) => atMs), 60_000), `20 a minute in ${chat}`).toBeLessThanOrEqual(20)
    for (const message of new Set(own.map((one) => one.message).filter((one) => one !== null)))
      expect(most(own.filter((one) => one.message === message).map(({ atMs }) => atMs), 2000), "an edit in two seconds").toBeLessThanOrEqual(1)
  }
}

const wanted = (chats: ReadonlyArray<string>): fc.Arbitrary<Wanted> =>
  fc.record({
    chat: fc.constantFrom(...chats),
    message: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }),
    atMs: fc.integer({ min: 0, max: 5000 }),
    tookMs: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 15_000 })),
    countedAt: fc.double({ min: 0, max: 1, noNaN: true })
  })

const many = (count: number) => Array.from({ length: count }, (_, at) => String(at + 1))

describe("the pacer", () => {
  it("keeps every limit in every window, and nobody waits for ever", () => {
    fc.assert(
      fc.property(fc.array(wanted(["1", "2", "-7", "-8"]), { maxLength: 90 }), (all) => {
        const counted = sent(all, Pacer.make(0), 0)
        expect(counted).toHaveLength(all.length)
        expectWithin(counted)
      }),
      { numRuns: 60 }
    )
  })

  it("keeps the limit of all when many chats want something at once", () => {
    fc.assert(
      fc.property(fc.array(wanted(many(60)), { minLength: 60, maxLength: 150 }), (all) => expectWithin(sent(all, Pacer.make(0), 0))),
      { numRuns: 20 }
    )
  })

  it("keeps them over a restart at any instant, of which nobody knows what was under way", () => {
    fc.assert(
      fc.property(fc.array(wanted(["1", "-7", ...many(40)]), { maxLength: 120 }), fc.integer({ min: 0, max: 90_000 }), (all, diesMs) => {
        const first = sent(all, Pacer.make(0), 0).filter(({ atMs }) => atMs <= diesMs)
        // What was counted last in each chat may be what nobody could put down any more.
        const unknown = new Set([...new Set(first.map(({ chat }) => chat))].flatMap((chat) => first.filter((one) => one.chat === chat).sort((a, b) => b.atMs - a.atMs).slice(0, 1)))
        const lately = first.filter((one) => one.chat.startsWith("-") && !unknown.has(one))
        const second = sent(all.map((one) => ({ ...one, atMs: diesMs })), Pacer.make(diesMs, lately), diesMs)
        expectWithin([...first.map((one) => ({ ...one, message: null })), ...second.map((one) => ({ ...one, message: null }))])
      }),
      { numRuns: 40 }
    )
  })

  const quickly = (chat: string, count: number): ReadonlyArray<Wanted> => Array.from({ length: count }, () => ({ chat, message: null, atMs: 0, tookMs: 5, countedAt: 0.5 }))

  it("lets 20 messages a minute into a group, and no more", () => {
    const counted = sent(quickly("-7", 45), Pacer.make(0), 0)
    expectWithin(counted)
    expect(Math.max(...counted.map(({ atMs }) => atMs))).toBeGreaterThan(120_000)
  })

  it("takes it after a start that something was sent just now in every chat, and knows of the last minute in groups", () => {
    expect(Pacer.make(5000).at({ chat: "1", message: null }, 5000)).toBe(6000)
    const groups = sent(quickly("-7", 15), Pacer.make(0), 0)
    const [first] = groups
    const diesMs = Math.max(...groups.map(({ atMs }) => atMs))
    // The last one may be what nobody could put down any more.
    const second = sent(quickly("-7", 10), Pacer.make(diesMs, groups.slice(0, -1)), diesMs)
    expectWithin([...groups, ...second])
    expect(second[9]?.atMs).toBeGreaterThanOrEqual((first?.atMs ?? 0) + 60_000)
    // 30 to others a moment ago, and one more at the start.
    const before = sent(Array.from({ length: 30 }, (_, at) => ({ ...quickly(String(at), 1)[0] ?? { chat: "0", message: null, atMs: 0, tookMs: 5, countedAt: 0.5 } })), Pacer.make(0), 0)
    const startMs = Math.max(...before.map(({ atMs }) => atMs))
    const restarted = Pacer.make(startMs, [{ chat: "-9", atMs: startMs - 30_000 }])
    expectWithin([...before, ...sent(quickly("-9", 1), restarted, startMs)])
  })

  it("sends 500 messages to 100 chats in a minute, all of them at once", () => {
    const all = many(100).flatMap((chat) => Array.from({ length: 5 }, (): Wanted => ({ chat, message: null, atMs: 0, tookMs: 40, countedAt: 0.5 })))
    const counted = sent(all, Pacer.make(0), 0)
    expectWithin(counted)
    expect(Math.max(...counted.map(({ atMs }) => atMs))).toBeLessThan(25_000)
  })

  it("leaves a chat alone for as long as it was asked to, and the others for a second only", () => {
    const pacer = Pacer.make(0)
    pacer.hold("1", 40_000, 10_000)
    expect(pacer.at({ chat: "1", message: null }, 10_000)).toBe(40_000)
    expect(pacer.at({ chat: "2", message: null }, 10_000)).toBe(11_000)
  })

  it("takes a pause that two chats were asked for at once for one of all", () => {
    const pacer = Pacer.make(0)
    pacer.hold("1", 15_000, 10_000)
    pacer.hold("2", 40_000, 11_000)
    expect(pacer.at({ chat: "3", message: null }, 11_000)).toBe(40_000)
  })

  it("forgets chats in which nothing happened for a minute", () => {
    const pacer = Pacer.make(0)
    for (const chat of many(1000)) pacer.begin({ chat, message: null }, 2000)(2010)
    pacer.begin({ chat: "x", message: null }, 200_000)(200_010)
    pacer.begin({ chat: "y", message: null }, 300_000)(300_010)
    expect(pacer.size()).toBeLessThan(5)
  })
})
