/**
 * The fake within a process, for simulations: no socket, no thread, no time and no chance but what it is given. What a call means,
 * what is refused, the limits, faults and the record are the same code as over HTTP. Two runs with the same options, the same clock
 * and the same acts have the same record, byte for byte.
 *
 * It is loaded from dist/telegram-world.js by whoever simulates; the shapes below are its contract. Values that it answers belong to
 * it and are not to be changed; the `json` of a call is a copy.
 */
import type { Body } from "./Body.ts"
import { carry, internal, type Line, refuse } from "./BotApi.ts"
import { carried } from "./Client.ts"
import type { Time } from "./Clock.ts"
import { gets, messagesOf, posts, setFaults, setLimits, type Sim } from "./Control.ts"
import { deliver, type Reply } from "./Delivery.ts"
import type { Limits, Violation } from "./Flood.ts"
import type { Written } from "./Outbox.ts"
import { addChat, addUser, block, kick, migrate, press, send, type Sent } from "./People.ts"
import type { Call } from "./Record.ts"
import type { UpdateState } from "./Updates.ts"
import { wait } from "./Waiting.ts"
import { badRequest, type Chat, type Fields, type Update, type User } from "./Wire.ts"
import { makeWorld, type Query, type World } from "./World.ts"

export interface VirtualOptions {
  readonly token: string
  readonly username: string
  /** Of all chance: update ids, file ids, ids of presses, and which rules of faults strike. From 0 to 2^32 - 1. */
  readonly seed: number
  /** The time of the service, in milliseconds since 1970. It never goes back; the clock of a bot may. */
  readonly nowMs: () => number
  /** Runs something once, after so many milliseconds and never at once, not even after 0; what it answers takes that back. */
  readonly later: (delayMs: number, run: () => void) => () => void
  /** Brings an update to the webhook that a bot has set. Without it nobody is there, and delivery is tried again and again. */
  readonly post?: (webhook: { readonly url: string; readonly secret: string | undefined }, update: Update) => Promise<Reply>
}

/**
 * Why a call has no answer of the Bot API.
 * `refused`: no connection, during an outage (ECONNREFUSED). `reset`: the connection was reset, before or after the effect
 * (ECONNRESET). `hang`: it ended without an answer after the time of the fault (ECONNRESET too). `garbage`: 200, and a page instead
 * of JSON. `truncated`: half an answer, then the end; telegraf 4.16.3 with its node-fetch 2 does not notice that by itself, and
 * would wait until it gives up. `timeout`: who asked gave up.
 */
export type Failure = "refused" | "reset" | "hang" | "garbage" | "truncated" | "timeout"

/** `json` is what stands in the answer, `{ ok, result }` or `{ ok, error_code, description, parameters }`; of status 502 it is a page, as text. */
export type Outcome = { readonly status: number; readonly json: unknown } | { readonly failed: Failure }

export interface VirtualFake {
  /**
   * A call as telegraf makes it. A file is `{ source: Buffer, filename }`. Where nothing waits (a long poll, or the faults hang, slow
   * and latency), it is over within microtasks. A signal that is aborted means that who asked has gone: before the call nothing
   * happens, later on the call may have had its effect. A TypeError for parameters that telegraf cannot send.
   */
  readonly call: (method: string, params: Fields, signal: AbortSignal) => Promise<Outcome>
  /** The process of the bot is gone, at once and with all its connections. Calls under way are never answered, not even with a failure. */
  readonly hangUp: () => void
  /** What people do. Each refuses with an Error what the real clients do not do. Fields as in docs/telegram-fake.md. */
  readonly people: {
    readonly user: (fields: Fields) => User
    readonly chat: (fields: Fields) => Chat
    readonly send: (fields: Fields) => Sent
    readonly edit: (fields: Fields) => Sent
    readonly forward: (fields: Fields) => Sent
    readonly press: (fields: Fields) => { readonly update_id: number | null; readonly query: string }
    readonly block: (fields: Fields) => true
    readonly kick: (fields: Fields) => true
    readonly migrate: (fields: Fields) => Chat
  }
  readonly faults: {
    /** `rules` instead of those before, `queue` behind those before; `seed` sets the chance of faults anew. */
    readonly script: (fields: Fields) => Fields
    readonly off: () => void
    /** What is set, and in `struck` how often each kind struck. */
    readonly state: () => Fields
  }
  /** For so long connections are refused, and those there are end now. */
  readonly outage: (ms: number) => void
  readonly limits: (fields: Fields) => Limits
  /** Every call, in order; those after a number cost no more than they are. */
  readonly record: (after?: number) => ReadonlyArray<Call>
  readonly violations: () => ReadonlyArray<Violation>
  /** What the bot wrote, edited and deleted, in order; those after a number cost no more than they are. */
  readonly outbox: (after?: number) => ReadonlyArray<Written>
  /** A chat as a person sees it now: its last so many messages, oldest first; all without a number. In a long chat few cost much less. */
  readonly messages: (chat: number, last?: number) => ReadonlyArray<Fields>
  /** A button that was pressed, and its answer. */
  readonly query: (id: string) => Query | null
  readonly file: (id: string) => Buffer | null
  readonly updates: () => ReadonlyArray<UpdateState>
  readonly pendingUpdates: () => ReadonlyArray<Update>
  readonly isPolled: () => boolean
  /** `{ met, found }` as soon as something is so, or when its `timeout_ms` is over. */
  readonly wait: (fields: Fields, gone: AbortSignal) => Promise<Fields>
  /** Called after anything changed, in the middle of it: the listener only notes that. What it answers takes that back. */
  readonly onChange: (listener: () => void) => () => void
  /** Any other order (`POST`) or look (`GET`) of the control API, by its name. */
  readonly order: (name: string, fields: Fields) => unknown
  readonly look: (name: string, query: Readonly<Record<string, string>>) => unknown
}

interface Under {
  readonly gone: AbortController
  readonly end: (outcome: Outcome) => void
  /** It is under way no more, and is never answered. */
  readonly forget: () => void
}

const copy = (json: unknown): unknown => JSON.parse(JSON.stringify(json))

/** A promise as the way back. */
const lineOf = ({ clock }: World, { end, gone: { signal: gone } }: Under): Line => ({
  gone,
  answer: (status, json) => end({ status, json: copy(json) }),
  page: (status, html) => end(status === 200 ? { failed: "garbage" } : { status, json: html }),
  slowly: async (status, json, ms) => {
    await clock.sleep(ms, gone)
    end({ status, json: copy(json) })
  },
  cut: () => end({ failed: "truncated" }),
  reset: () => end({ failed: "reset" }),
  end: () => end({ failed: "hang" })
})

const carryOut = (world: World, method: string, params: Fields, mine: Under): void => {
  const sent = carried(method, params)
  const entry = world.record.open("POST", method, sent.type)
  const line = lineOf(world, mine)
  let body: Body
  try {
    body = sent.body()
  } catch (cause) {
    entry.add({ raw: sent.text })
    return refuse(internal(cause), entry, line)
  }
  void carry(world, method, body, entry, line)
}

/** The calls that are under way. */
const makeCalls = (world: () => World, isShut: () => boolean) => {
  const under = new Set<Under>()
  const call = (method: string, params: Fields, signal: AbortSignal): Promise<Outcome> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve({ failed: "timeout" })
      if (isShut()) return resolve({ failed: "refused" })
      const forget = (): void => {
        under.delete(mine)
        signal.removeEventListener("abort", giveUp)
      }
      const end = (outcome: Outcome): void => {
        if (!under.has(mine)) return
        forget()
        resolve(outcome)
      }
      const mine: Under = { gone: new AbortController(), end, forget }
      const giveUp = (): void => {
        end({ failed: "timeout" })
        mine.gone.abort()
      }
      under.add(mine)
      signal.addEventListener("abort", giveUp)
      carryOut(world(), method, params, mine)
    })
  /** What is under way ends; nobody hears of it where there is no outcome. */
  const endAll = (outcome?: Outcome): void => {
    for (const { end, forget, gone } of under) {
      if (outcome === undefined) forget()
      else end(outcome)
      gone.abort()
    }
  }
  return { call, endAll }
}

/** The world, and its replacement at a reset; what listens stays. */
const makeStage = (options: VirtualOptions) => {
  const { later, nowMs, post = nobodyThere, seed, token, username } = options
  const time: Time = { wallMs: nowMs, steadyMs: nowMs, later }
  const listeners = new Set<() => void>()
  const set = (changes: Fields) => {
    const world = makeWorld({ token, username, seed, ...changes }, time)
    world.onChange(() => {
      for (const listener of listeners) listener()
    })
    return { world, delivery: deliver(world, post) }
  }
  let now = set({})
  return {
    world: () => now.world,
    reset: (changes: Fields): void => {
      now.delivery.stop()
      now.world.updates.endPoll()
      now = set(changes)
    },
    onChange: (listener: () => void) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    }
  }
}

const nobodyThere = (): Promise<Reply> => Promise.reject(new Error("Connection refused"))

const named = <A>(table: Readonly<Record<string, A>>, name: string): A => {
  const found = Object.hasOwn(table, name) ? table[name] : undefined
  if (found === undefined) throw badRequest(`there is no ${name}; there are ${Object.keys(table).join(", ")}`)
  return found
}

const nobodyLeaves = new AbortController().signal

export const makeVirtualFake = (options: VirtualOptions): VirtualFake => {
  const { onChange, reset, world } = makeStage(options)
  let shutUntil = 0
  const { call, endAll } = makeCalls(world, () => options.nowMs() < shutUntil)
  const outage = (ms: number): void => {
    shutUntil = Math.max(shutUntil, options.nowMs() + ms)
    endAll({ failed: "reset" })
  }
  const sim: Sim = { world, reset, outage: async (ms) => outage(ms) }
  return {
    call,
    hangUp: () => endAll(),
    people: {
      user: (fields) => addUser(world(), fields),
      chat: (fields) => addChat(world(), fields),
      send: (fields) => send(world(), fields),
      edit: (fields) => send(world(), { ...fields, kind: "edited" }),
      forward: (fields) => send(world(), { ...fields, kind: "forwarded" }),
      press: (fields) => press(world(), fields),
      block: (fields) => block(world(), fields),
      kick: (fields) => kick(world(), fields),
      migrate: (fields) => migrate(world(), fields)
    },
    faults: { script: (fields) => setFaults(world(), fields), off: () => world().faults.off(), state: () => world().faults.state() },
    outage,
    limits: (fields) => setLimits(world(), fields),
    record: (after) => world().record.calls(after),
    violations: () => world().flood.violations(),
    outbox: (after) => world().outbox.written(after),
    messages: (chat, last) => messagesOf(world(), chat, last),
    query: (id) => {
      const found = world().queries.get(id)
      return found === undefined ? null : { ...found }
    },
    file: (id) => world().files.get(id)?.bytes ?? null,
    updates: () => world().updates.states(),
    pendingUpdates: () => world().updates.pending(),
    isPolled: () => world().updates.isPolled(),
    wait: (fields, gone) => wait(world(), fields, gone),
    onChange,
    order: (name, fields) => named(posts, name)(sim, fields, nobodyLeaves),
    look: (name, query) => named(gets, name)(world(), new URLSearchParams(query))
  }
}
