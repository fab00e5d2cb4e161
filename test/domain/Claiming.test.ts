import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { type Book, type Candidate, type ClaimPolicy, type Lane, type LaneSource, nextClaimMs, obstaclesOf, ownTurn, Session } from "../../src/domain/Claiming.ts"
import { heavySlots, noLimits, type QueueLimits, type QueueState } from "../../src/domain/Queue.ts"
import { taskIdFrom } from "../../src/domain/Ids.ts"
import type { TaskClass } from "../../src/domain/Task.ts"

interface Waiting extends Candidate {
  readonly lane: Lane
}

/** A store of queued tasks and of what runs, as plain lists. */
class Store {
  queued: Array<Waiting> = []
  readonly running: Array<Waiting> = []
  readonly turns = new Map<string, Map<string, number>>()
  readonly starts = new Map<string, ReadonlyArray<number>>()
  readonly states = new Map<string, QueueState>()
  readonly seen = new Set<string>()
  #drawn = 0

  add(place: { readonly queue?: string; readonly tenant?: string; readonly priority?: number; readonly class?: TaskClass; readonly key?: string | null; readonly atMs?: number; readonly kind?: string } = {}): Waiting {
    const { atMs = 0, class: taskClass = "light", key = null, kind = "report", priority = 0, queue = "light", tenant = "a" } = place
    const lane: Lane = { queue, tenant, priority, kind, class: taskClass, keyed: key !== null }
    const waiting = { lane, id: taskIdFrom(1000 + this.#drawn++, [0, 0]), availableAtMs: atMs, key }
    this.queued.push(waiting)
    this.seen.add(`${queue}\n${tenant}`)
    return waiting
  }

  get book(): Book {
    return {
      running: (queue) => this.running.filter(({ lane }) => lane.queue === queue).length,
      runningHeavy: () => this.running.filter(({ lane }) => lane.class === "heavy").length,
      runningUnder: (queue, key) => this.running.filter((one) => one.lane.queue === queue && one.key === key).length,
      state: (queue) => this.states.get(queue),
      starts: (queue) => this.starts.get(queue) ?? [],
      turns: (queue) => this.turns.get(queue) ?? new Map(),
      queueCount: () => new Set([...this.seen].map((name) => name.split("\n")[0])).size,
      tenantCount: (queue) => [...this.seen].filter((name) => name.startsWith(`${queue}\n`)).length
    }
  }

  get sources(): ReadonlyArray<LaneSource> {
    const lanes = new Map(this.queued.map(({ lane }) => [JSON.stringify(lane), lane]))
    return [...lanes].map(([name, lane]) => {
      const left = this.queued.filter((one) => JSON.stringify(one.lane) === name)
        .sort((a, b) => a.availableAtMs - b.availableAtMs || (a.id < b.id ? -1 : 1))
      const head: LaneSource["head"] = (isFull) => left.find(({ key }) => key === null || !isFull(key))
      // A head does not depend on what was full before, so it is found again.
      let offered: Candidate | undefined
      return { lane, head: (isFull) => (offered = head(isFull)), take: () => void left.splice(left.findIndex((one) => one === offered), 1) }
    })
  }

  claim(limit: number, policy: ClaimPolicy = {}, nowMs = 0): ReadonlyArray<Waiting> {
    const highest = Math.max(0, ...[...this.turns.values()].map((turns) => turns.get(ownTurn) ?? 0))
    const session = new Session(policy, this.book, this.sources, highest, nowMs)
    const claimed: Array<Waiting> = []
    while (claimed.length < limit) {
      const id = session.next()
      const one = this.queued.find((waiting) => waiting.id === id)
      if (one === undefined) break
      claimed.push(one)
      session.started()
    }
    this.queued = this.queued.filter((one) => !claimed.includes(one))
    this.running.push(...claimed)
    for (const { queue, starts, turns } of session.turns()) {
      this.turns.set(queue, new Map([...this.turns.get(queue) ?? [], ...turns]))
      if (starts !== null) this.starts.set(queue, starts)
    }
    return claimed
  }

  next(policy: ClaimPolicy = {}, nowMs = 0): number | null {
    const clocks = this.sources.map(({ head, lane }) => ({ lane, dueMs: (isFull: (key: string) => boolean) => head(isFull)?.availableAtMs }))
    return nextClaimMs(policy, this.book, clocks, nowMs)
  }

  endAll(): void {
    this.running.length = 0
  }
}

const limited = (change: Partial<QueueLimits>, queue = "light"): ClaimPolicy => ({ queues: new Map([[queue, { ...noLimits, ...change }]]) })
const tally = (claimed: ReadonlyArray<Waiting>, of: (one: Waiting) => string): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const one of claimed) counts[of(one)] = (counts[of(one)] ?? 0) + 1
  return counts
}
const tenantOf = ({ lane }: Waiting): string => lane.tenant
const queueOf = ({ lane }: Waiting): string => lane.queue

const place = fc.record({
  queue: fc.constantFrom("light", "mail"),
  tenant: fc.constantFrom("a", "b", "c"),
  priority: fc.constantFrom(-1, 0, 5),
  class: fc.constantFrom<TaskClass>("light", "heavy"),
  key: fc.constantFrom(null, null, "x", "y"),
  atMs: fc.constantFrom(0, 0, 10, 500)
})
const limits: fc.Arbitrary<QueueLimits> = fc.record({
  concurrency: fc.constantFrom(null, 1, 3),
  perKey: fc.constantFrom(1, 2),
  rate: fc.constantFrom(null, { count: 2, perMs: 100 }, { count: 3, perMs: 7 }),
  paused: fc.constantFrom(false, false, true)
})
const policy = fc.record({ light: limits, mail: limits }).map((queues): ClaimPolicy => ({ queues: new Map(Object.entries(queues)), heavyMax: 2 }))

describe("the order of claims", () => {
  it("is the priority, then the instant at which a task was due, then its id", () => {
    const store = new Store()
    const late = store.add({ atMs: 2 })
    const first = store.add({ atMs: 1 })
    const second = store.add({ atMs: 1, kind: "other" })
    const urgent = store.add({ atMs: 3, priority: 1 })
    const idle = store.add({ priority: -1 })
    assert.deepStrictEqual(store.claim(9, {}, 5), [urgent, first, second, late, idle])
  })

  it("gives tenants the same shares, whatever their backlogs, priorities and the size of a claim", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 10, maxLength: 25 }), fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 3, maxLength: 3 }), (sizes, priorities) => {
      const store = new Store()
      for (let index = 0; index < 100; index++) for (const [at, tenant] of ["a", "b", "c"].entries()) store.add({ tenant, priority: priorities[at] ?? 0 })
      for (let index = 0; index < 100; index++) store.add({ tenant: "a" })
      const counts = tally(sizes.flatMap((size) => store.claim(size)), tenantOf)
      const all = Object.values(counts)
      assert.isAtMost(Math.max(...all) - Math.min(...all), 1)
    }), { numRuns: 20 })
  })

  it("gives a tenant that was idle no credit", () => {
    const store = new Store()
    for (let index = 0; index < 300; index++) store.add({ tenant: "a" })
    store.add({ tenant: "b" })
    store.claim(101)
    for (let index = 0; index < 300; index++) store.add({ tenant: "b" })
    const counts = tally(store.claim(40), tenantOf)
    assert.isAtMost(Math.abs((counts["a"] ?? 0) - (counts["b"] ?? 0)), 1)
  })

  it("gives queues turns, so that none with due work starves", () => {
    const store = new Store()
    for (let index = 0; index < 200; index++) store.add({ queue: "bulk", priority: 9 })
    for (let index = 0; index < 20; index++) store.add({ queue: "mail", atMs: 5 })
    assert.deepStrictEqual(tally(store.claim(20, {}, 5), queueOf), { bulk: 10, mail: 10 })
  })

  it("leaves one slot to light work, in whatever queue heavy work stands", () => {
    const store = new Store()
    for (let index = 0; index < 50; index++) for (const queue of ["heavy", "deploys"]) store.add({ queue, class: "heavy" })
    const slots = 4
    const claimed = store.claim(slots, { heavyMax: heavySlots(slots) })
    assert.strictEqual(claimed.length, 3)
    const light = store.add()
    assert.deepStrictEqual(store.claim(1, { heavyMax: heavySlots(slots) }), [light])
    assert.strictEqual(heavySlots(1), 1)
  })
})

describe("a claim", () => {
  it("keeps every limit, whatever waits", () => {
    fc.assert(fc.property(fc.array(place, { maxLength: 40 }), policy, fc.array(fc.record({ size: fc.integer({ min: 1, max: 5 }), passMs: fc.integer({ min: 0, max: 60 }), ends: fc.boolean() }), { maxLength: 12 }), (places, policy, claims) => {
      const store = new Store()
      for (const one of places) store.add(one)
      const starts: Array<{ readonly queue: string; readonly at: number }> = []
      let nowMs = 0
      for (const { ends, passMs, size } of claims) {
        nowMs += passMs
        if (ends) store.endAll()
        const expected = store.next(policy, nowMs)
        const claimed = store.claim(size, policy, nowMs)
        assert.strictEqual(claimed.length > 0, expected !== null && expected <= nowMs, "the next instant is right")
        starts.push(...claimed.map(({ lane }) => ({ queue: lane.queue, at: nowMs })))
        assert.isTrue(claimed.every(({ availableAtMs }) => availableAtMs <= nowMs))
        assert.isAtMost(store.book.runningHeavy(), 2)
        for (const [queue, { concurrency, paused, perKey, rate }] of policy.queues ?? []) {
          if (paused) assert.strictEqual(store.book.running(queue), 0)
          if (concurrency !== null) assert.isAtMost(store.book.running(queue), concurrency)
          for (const key of ["x", "y"]) assert.isAtMost(store.book.runningUnder(queue, key), perKey)
          if (rate !== null) assert.isAtMost(starts.filter((start) => start.queue === queue && start.at > nowMs - rate.perMs).length, rate.count)
        }
      }
    }), { numRuns: 300 })
  })

  it("takes everything in the end, when nothing is paused", () => {
    fc.assert(fc.property(fc.array(place, { maxLength: 30 }), policy, (places, { heavyMax, queues = new Map() }) => {
      const open: ClaimPolicy = { heavyMax: heavyMax ?? 1, queues: new Map([...queues].map(([name, one]) => [name, { ...one, paused: false }])) }
      const store = new Store()
      for (const one of places) store.add(one)
      for (let nowMs: number | null = 0; nowMs !== null; nowMs = store.next(open, nowMs)) {
        assert.isBelow(nowMs, 100_000)
        store.endAll()
        store.claim(2, open, nowMs)
        store.endAll()
      }
      assert.strictEqual(store.queued.length, 0)
    }), { numRuns: 200 })
  })

  it("leaves kinds alone that the program does not declare", () => {
    const store = new Store()
    store.add({ kind: "theirs" })
    const own = store.add({ kind: "ours" })
    assert.deepStrictEqual(store.claim(5, { kinds: new Set(["ours"]) }), [own])
    assert.strictEqual(store.next({ kinds: new Set(["ours"]) }), null)
  })

  it("goes by what an operator said last, before what is configured", () => {
    const store = new Store()
    const one = store.add()
    const said = (paused: boolean) => store.states.set("light", { queue: "light", paused, sinceMs: 0, actor: "cli:ada", reason: "because" })
    said(true)
    assert.deepStrictEqual(store.claim(1), [])
    assert.strictEqual(store.next(), null)
    said(false)
    assert.deepStrictEqual(store.claim(1, limited({ paused: true })), [one])
  })

  it("waits no longer than two spans of a rate after the clock was set back", () => {
    const store = new Store()
    const policy = limited({ rate: { count: 1, perMs: 1000 } })
    for (let count = 0; count < 3; count++) store.add()
    assert.strictEqual(store.claim(5, policy, 10_000_000).length, 1)
    // By less than the span: the start still counts.
    assert.strictEqual(store.claim(5, policy, 9_999_500).length, 0)
    assert.strictEqual(store.next(policy, 9_999_500), 10_001_000)
    // By more: it is forgotten.
    assert.strictEqual(store.claim(5, policy, 5000).length, 1)
    assert.strictEqual(store.next(policy, 5000), 6000)
  })

  it("has obstacles for a due task exactly if a claim that knows of no other task does not take it", () => {
    fc.assert(fc.property(fc.array(place, { maxLength: 8 }), place, policy, fc.constantFrom(0, 50, 120), fc.boolean(), (ran, wanted, limits, nowMs, knows) => {
      const store = new Store()
      for (const one of ran) store.add({ ...one, atMs: 0 })
      store.claim(9, limits, 0)
      store.queued = []
      const policyNow: ClaimPolicy = { ...limits, ...(knows ? {} : { kinds: new Set(["other"]) }) }
      const { key, lane } = store.add({ ...wanted, atMs: 0 })
      const obstacles = obstaclesOf(policyNow, store.book, lane, key, nowMs)
      assert.strictEqual(store.claim(1, policyNow, nowMs).length, obstacles.length === 0 ? 1 : 0, JSON.stringify(obstacles))
    }), { numRuns: 500 })
  })
})
