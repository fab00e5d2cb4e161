/**
 * Who is listened to in a chat, and how often. Strangers and chats that nobody named get no answer at all; that they spoke is on record,
 * at most once an hour for each of them, so that nobody fills the log from outside. Kept in memory: a restart begins anew.
 */
import { Effect } from "effect"
import { newTrace } from "../../control/NewTrace.ts"
import type { Caller } from "../../domain/Authorization.ts"
import { granted } from "../../domain/Decision.ts"
import { callerOf, type People, type RoleNames } from "../../domain/People.ts"
import { Engine, type EngineUnavailable, Instants } from "../../engine/Engine.ts"
import type { FromPerson, Ignored } from "./Update.ts"

export type Denied = "stranger" | "chat" | Ignored

export interface Known {
  readonly people: People
  readonly roles: RoleNames
  /** Groups in which the bot answers. */
  readonly chats: ReadonlySet<string>
}

/** Who speaks, if he is listened to here. Groups have to be named, people too: nobody speaks who is not known by his number. */
export const admitted = ({ chats, people, roles }: Known, { chat, identity, private: isPrivate }: FromPerson): Caller | Denied => {
  if (people?.get(identity) === undefined) return "stranger"
  return isPrivate || chats.has(chat) ? callerOf(people, roles, identity) : "chat"
}

const hourMs = 3_600_000
/** The most denials of an hour that are put on record, of all identities. */
const deniedMax = 60

export interface Denials {
  readonly record: (why: Denied, identity: string | null, chat: string | null) => Effect.Effect<void, EngineUnavailable, Engine | Instants>
}

export const denials = (): Denials => {
  const last = new Map<string, number>()
  let unrecorded = 0
  return {
    record: (why, identity, chat) =>
      Effect.gen(function*() {
        const nowMs = (yield* Instants).wallMs()
        for (const [name, atMs] of last) if (nowMs - atMs >= hourMs || atMs > nowMs) last.delete(name)
        const name = identity ?? chat ?? "nobody"
        if (last.has(name) || last.size >= deniedMax) {
          unrecorded += 1
          return
        }
        const event = { type: "chat.denied" as const, task: null, trace: yield* newTrace, actor: identity ?? "telegram:unknown", payload: { identity, chat, why, unrecorded } }
        yield* Effect.flatMap(Engine, (engine) => engine.commit({ tasks: [], key: null, rule: () => granted(null, { events: [event] }) })).pipe(
          // The rule refuses nothing.
          Effect.catchIf((error) => error._tag !== "EngineUnavailable", Effect.die)
        )
        last.set(name, nowMs)
        unrecorded = 0
      })
  }
}

const minuteMs = 60_000
/** The most chats and people of which the last minute is kept. */
const keptMax = 10_000

export type Pace = "fine" | "too_fast" | "silent"

/** A command, as far as it is counted. */
export interface Paced extends Pick<FromPerson, "chat" | "identity" | "private"> {
  readonly update: number
  readonly atMs: number
}

/** Of so many commands a minute in a group, those of one person: whoever is fast leaves room for the others. */
export const ownShare = (perMinute: number): number => Math.ceil(perMinute / 2)

interface Minute {
  readonly counted: Array<{ readonly update: number; readonly atMs: number }>
  /** The update at which it was told that it is too fast, since it last was slow enough. */
  told: number | null
}

/**
 * Counts the commands of each chat in any minute, and in a group those of each person too. What a person typed counts at the instant of
 * the service, so that what was typed slowly and arrives at once after an outage is no flood; and one that is worked off again counts once.
 * Each person is told once.
 */
export const pacer = (perMinute: number): (command: Paced) => Pace => {
  const minutes = new Map<string, Minute>()
  const minuteOf = (name: string, atMs: number): Minute => {
    const minute = minutes.get(name) ?? { counted: [], told: null }
    if (minutes.size >= keptMax && !minutes.has(name)) minutes.clear()
    minutes.set(name, minute)
    minute.counted.splice(0, minute.counted.length, ...minute.counted.filter((one) => atMs - one.atMs < minuteMs))
    return minute
  }
  return ({ atMs, chat, identity, private: isPrivate, update }) => {
    const all = minuteOf(chat, atMs)
    const own = minuteOf(`${chat} ${identity}`, atMs)
    if (own.counted.some((one) => one.update === update)) return "fine"
    if (all.counted.length < perMinute && own.counted.length < (isPrivate ? perMinute : ownShare(perMinute))) {
      for (const { counted } of [all, own]) counted.push({ update, atMs })
      own.told = null
      return "fine"
    }
    if (own.told !== null && own.told !== update) return "silent"
    own.told = update
    return "too_fast"
  }
}
