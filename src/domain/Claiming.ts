/**
 * Which queued task is claimed next: a pure rule over what an engine keeps.
 *
 * Between queues, and within a queue between tenants, turns are shared by start-time fair queueing with equal weights: a start
 * has the tag S = max(v, F), where v is the tag of the last start and F = S + 1 what the same tenant's last start left behind;
 * the lowest tag is next, a tie goes by name. Who was idle begins at v and so has neither credit nor debt. Within a tenant:
 * priority, then the instant it was due, then the id.
 * Source: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996. v is not kept: it is the highest F less one.
 *
 * Nothing here counts what runs. The engine says it, from the rows that are RUNNING.
 */
import { noLimits, type QueueLimits, type QueueState, type Rate } from "./Queue.ts"
import type { TaskClass, TaskId } from "./Task.ts"

/** Queued tasks that differ in nothing but their key, due instant and id stand in one lane. */
export interface Lane {
  readonly queue: string
  readonly tenant: string
  readonly priority: number
  readonly kind: string
  readonly class: TaskClass
  /** Whether its tasks have concurrency keys; either all have, or none. */
  readonly keyed: boolean
}

export interface Candidate {
  readonly id: TaskId
  readonly availableAtMs: number
  /** Its concurrency key. */
  readonly key: string | null
}

/** The tasks of one lane, in the order of their due instants and ids. */
export interface LaneSource {
  readonly lane: Lane
  /** The first one whose key is not full, due or not. A key that was full once in a session stays so. */
  readonly head: (isFull: (key: string) => boolean) => Candidate | undefined
  /** Goes on behind the head. */
  readonly take: () => void
}

/** The same, where only the instant matters. */
export interface LaneClock {
  readonly lane: Lane
  /** When the first one whose key is not full is due. */
  readonly dueMs: (isFull: (key: string) => boolean) => number | undefined
}

/** Under which limits a program claims. */
export interface ClaimPolicy {
  /** The kinds that it can run; undefined: all. */
  readonly kinds?: ReadonlySet<string>
  readonly queues?: ReadonlyMap<string, QueueLimits>
  /** The most runs of heavy tasks at once, in all queues together. */
  readonly heavyMax?: number
}

/** What the engine knows of what runs, and of the turns. */
export interface Book {
  /** Live leases of a queue. */
  readonly running: (queue: string) => number
  /** Live leases of heavy tasks. */
  readonly runningHeavy: () => number
  /** Runs under a key: live leases, and runs whose outcome is unknown, since they may still go on. */
  readonly runningUnder: (queue: string, key: string) => number
  readonly state: (queue: string) => QueueState | undefined
  /** Instants of the last starts of a queue with a rate, oldest first. */
  readonly starts: (queue: string) => ReadonlyArray<number>
  /** What the last start left behind, by tenant; the queue's own is under `ownTurn`. */
  readonly turns: (queue: string) => ReadonlyMap<string, number>
  /** How many queues there ever were, and how many tenants in one: with a single one no turns are kept. */
  readonly queueCount: () => number
  readonly tenantCount: (queue: string) => number
}

/** No tenant has this name. */
export const ownTurn = ""

/** What a session leaves to be stored. */
export interface Turn {
  readonly queue: string
  /** By tenant, and under `ownTurn`. */
  readonly turns: ReadonlyMap<string, number>
  /** Null: as before. */
  readonly starts: ReadonlyArray<number> | null
}

const limitsOf = ({ queues }: ClaimPolicy, queue: string): QueueLimits => queues?.get(queue) ?? noLimits

const isPaused = (policy: ClaimPolicy, book: Book, queue: string): boolean => book.state(queue)?.paused ?? limitsOf(policy, queue).paused

/** A clock that was set back must not hold a queue up: a start that seems to lie further ahead than the span of the rate is forgotten. */
const sane = (starts: ReadonlyArray<number>, { perMs }: Rate, nowMs: number): ReadonlyArray<number> =>
  starts.some((at) => at > nowMs + perMs) ? starts.filter((at) => at <= nowMs + perMs) : starts

/** The instant from which a further start is within the rate. */
const freeAtMs = ({ count, perMs }: Rate, starts: ReadonlyArray<number>): number => {
  const first = starts[starts.length - count]
  return first === undefined ? -Infinity : first + perMs
}

const before = (a: Candidate, b: Candidate): boolean => a.availableAtMs < b.availableAtMs || (a.availableAtMs === b.availableAtMs && a.id < b.id)

/** A tenant within a session. */
interface Tenant<S> {
  readonly name: string
  /** The highest priority first. */
  readonly sources: Array<S>
  finish: number
}

class Member<S> {
  readonly limits: QueueLimits
  readonly tenants = new Map<string, Tenant<S>>()
  readonly changed = new Map<string, number>()
  starts: ReadonlyArray<number>
  restarted = false
  running: number
  finish: number
  /** The tag of the last start within this queue. */
  virtual: number
  readonly #under = new Map<string, number>()
  readonly #book: Book
  readonly name: string

  constructor(name: string, policy: ClaimPolicy, book: Book, nowMs: number) {
    this.name = name
    this.#book = book
    this.limits = limitsOf(policy, name)
    this.running = book.running(name)
    this.starts = this.limits.rate === null ? [] : sane(book.starts(name), this.limits.rate, nowMs)
    const turns = book.turns(name)
    this.finish = turns.get(ownTurn) ?? 0
    let highest = 1
    for (const [tenant, finish] of turns) if (tenant !== ownTurn && finish > highest) highest = finish
    this.virtual = highest - 1
  }

  /** Null: it has no room. Else the instant from which it may start one more. */
  freeAtMs(): number | null {
    const { concurrency, rate } = this.limits
    if (concurrency !== null && this.running >= concurrency) return null
    return rate === null ? -Infinity : freeAtMs(rate, this.starts)
  }

  readonly isFull = (key: string): boolean => this.#runningUnder(key) >= this.limits.perKey

  // Asked once: what is claimed in this session may stand in the book already when it is counted here.
  #runningUnder(key: string): number {
    const known = this.#under.get(key)
    if (known !== undefined) return known
    const running = this.#book.runningUnder(this.name, key)
    this.#under.set(key, running)
    return running
  }

  started(tenant: Tenant<S>, key: string | null, nowMs: number): void {
    this.running += 1
    if (key !== null) this.#under.set(key, this.#runningUnder(key) + 1)
    if (this.limits.rate !== null) {
      this.starts = [...this.starts, nowMs].slice(-this.limits.rate.count)
      this.restarted = true
    }
    if (this.#book.tenantCount(this.name) < 2) return
    this.virtual = Math.max(this.virtual, tenant.finish)
    tenant.finish = this.virtual + 1
    this.changed.set(tenant.name, tenant.finish)
  }
}

const joined = <S extends { readonly lane: Lane }>(policy: ClaimPolicy, book: Book, sources: Iterable<S>, nowMs: number): ReadonlyArray<Member<S>> => {
  const members = new Map<string, Member<S>>()
  for (const source of sources) {
    const { kind, priority, queue, tenant: name } = source.lane
    if (policy.kinds?.has(kind) === false || isPaused(policy, book, queue)) continue
    const member = members.get(queue) ?? new Member<S>(queue, policy, book, nowMs)
    members.set(queue, member)
    const tenant: Tenant<S> = member.tenants.get(name) ?? { name, sources: [], finish: book.turns(queue).get(name) ?? 0 }
    member.tenants.set(name, tenant)
    const place = tenant.sources.findIndex(({ lane }) => lane.priority < priority)
    tenant.sources.splice(place < 0 ? tenant.sources.length : place, 0, source)
  }
  return [...members.values()]
}

interface Found {
  readonly member: Member<LaneSource>
  readonly tenant: Tenant<LaneSource>
  readonly source: LaneSource
  readonly candidate: Candidate
}

/** Those with the lowest tag first; a tie goes by name. */
const byTurn = <A extends { readonly name: string; readonly finish: number }>(all: ReadonlyArray<A>, virtual: number): ReadonlyArray<A> =>
  all.length < 2 ? all : [...all].sort((a, b) => Math.max(a.finish, virtual) - Math.max(b.finish, virtual) || (a.name < b.name ? -1 : 1))

/** One claim of up to many tasks. `next` and `started` alternate until nothing is found. */
export class Session {
  readonly #members: ReadonlyArray<Member<LaneSource>>
  readonly #heavyMax: number
  readonly #nowMs: number
  readonly #book: Book
  #heavy: number
  #virtual: number
  #found: Found | undefined

  /** `highest` is the highest turn of any queue. */
  constructor(policy: ClaimPolicy, book: Book, sources: Iterable<LaneSource>, highest: number, nowMs: number) {
    this.#members = joined(policy, book, sources, nowMs)
    this.#heavyMax = policy.heavyMax ?? Infinity
    this.#heavy = book.runningHeavy()
    this.#book = book
    this.#nowMs = nowMs
    this.#virtual = Math.max(highest, 1) - 1
  }

  /** The next task that may run, or undefined. It is not offered again in this session. */
  next(): TaskId | undefined {
    this.#found = undefined
    for (const member of byTurn(this.#members, this.#virtual)) {
      if ((member.freeAtMs() ?? Infinity) > this.#nowMs) continue
      this.#found = this.#within(member)
      if (this.#found !== undefined) break
    }
    this.#found?.source.take()
    return this.#found?.candidate.id
  }

  #within(member: Member<LaneSource>): Found | undefined {
    for (const tenant of byTurn([...member.tenants.values()], member.virtual)) {
      const found = this.#best(member, tenant)
      if (found !== undefined) return found
      // Nothing comes to it while the session lasts.
      member.tenants.delete(tenant.name)
    }
    return undefined
  }

  #best(member: Member<LaneSource>, tenant: Tenant<LaneSource>): Found | undefined {
    let best: Found | undefined
    for (const source of tenant.sources) {
      if (best !== undefined && source.lane.priority < best.source.lane.priority) break
      if (source.lane.class === "heavy" && this.#heavy >= this.#heavyMax) continue
      const candidate = source.head(member.isFull)
      if (candidate === undefined || candidate.availableAtMs > this.#nowMs) continue
      if (best === undefined || before(candidate, best.candidate)) best = { member, tenant, source, candidate }
    }
    return best
  }

  /** Says that the task that was offered last runs now. */
  started(): void {
    if (this.#found === undefined) return
    const { candidate, member, source, tenant } = this.#found
    member.started(tenant, candidate.key, this.#nowMs)
    if (source.lane.class === "heavy") this.#heavy += 1
    if (this.#book.queueCount() < 2) return
    this.#virtual = Math.max(this.#virtual, member.finish)
    member.finish = this.#virtual + 1
    member.changed.set(ownTurn, member.finish)
  }

  /** What is to be stored with what was claimed. */
  turns(): ReadonlyArray<Turn> {
    return this.#members.filter(({ changed, restarted }) => restarted || changed.size > 0)
      .map(({ changed, name, restarted, starts }) => ({ queue: name, turns: changed, starts: restarted ? starts : null }))
  }
}

/** The next instant at which something may be claimed as things stand, or null: not before something else changes. */
export const nextClaimMs = (policy: ClaimPolicy, book: Book, clocks: Iterable<LaneClock>, nowMs: number): number | null => {
  const heavyIsFull = book.runningHeavy() >= (policy.heavyMax ?? Infinity)
  let next = Infinity
  for (const member of joined(policy, book, clocks, nowMs)) {
    const freeMs = member.freeAtMs()
    if (freeMs === null) continue
    for (const source of [...member.tenants.values()].flatMap((tenant) => tenant.sources)) {
      if (heavyIsFull && source.lane.class === "heavy") continue
      const dueMs = source.dueMs(member.isFull)
      if (dueMs !== undefined) next = Math.min(next, Math.max(dueMs, freeMs))
    }
  }
  return next === Infinity ? null : next
}

/** What keeps a queued task that is due from being claimed, each for itself. */
export type Obstacle =
  | { readonly _tag: "Kind" }
  /** Null: the configuration pauses it, and nobody has said anything else. */
  | { readonly _tag: "Paused"; readonly state: QueueState | null }
  | { readonly _tag: "Concurrency"; readonly running: number; readonly max: number }
  | { readonly _tag: "Rate"; readonly rate: Rate; readonly freeAtMs: number }
  | { readonly _tag: "Key"; readonly key: string; readonly max: number }
  | { readonly _tag: "Heavy"; readonly running: number; readonly max: number }

/** What stands between a due task of this lane and its claim, by the rules of a session; none: it is a matter of turns. */
export const obstaclesOf = (policy: ClaimPolicy, book: Book, { class: taskClass, kind, queue }: Pick<Lane, "class" | "kind" | "queue">, key: string | null, nowMs: number): ReadonlyArray<Obstacle> => {
  const member = new Member<never>(queue, policy, book, nowMs)
  const { limits: { concurrency, perKey, rate }, running } = member
  const heavyMax = policy.heavyMax ?? Infinity
  const freeMs = rate === null ? -Infinity : freeAtMs(rate, member.starts)
  const found: Array<Obstacle> = []
  if (policy.kinds?.has(kind) === false) found.push({ _tag: "Kind" })
  if (isPaused(policy, book, queue)) found.push({ _tag: "Paused", state: book.state(queue) ?? null })
  if (concurrency !== null && running >= concurrency) found.push({ _tag: "Concurrency", running, max: concurrency })
  if (rate !== null && freeMs > nowMs) found.push({ _tag: "Rate", rate, freeAtMs: freeMs })
  if (key !== null && member.isFull(key)) found.push({ _tag: "Key", key, max: perKey })
  if (taskClass === "heavy" && book.runningHeavy() >= heavyMax) found.push({ _tag: "Heavy", running: book.runningHeavy(), max: heavyMax })
  return found
}
