/**
 * Polls go wrong in bursts while people give commands in chats: some before a burst is noticed, some while it lasts. In every third burst
 * the server is killed: while the burst lasts, when updates have just been handed over, while they are worked off, or when they have just
 * been confirmed. That is when a product that confirms before it stores, or marks as done before it does, loses them.
 */
import { Clock, Effect, type Scope } from "effect"
import { type Chats, callsOf, ends, madeBy, numbers, openChats, recordBurst, requesters, shortOf, type Heard } from "../Chats.ts"
import { between } from "../Seed.ts"
import { isObject } from "../../Json.ts"
import { type Life, live, record, type Stage, type StageFailed, until } from "../Stage.ts"
import type { ProductFailed } from "../Product.ts"

const burstsPerLife = 3
/** How long an outage of the whole service takes, and a poll that hangs. */
const outageMs = 400
const hangMs = 1500
/** Longer than the longest pause between two polls, in milliseconds. */
const recoveryMs = 65_000
/** Commands of one chat are worked off one after the other. So many take a while, and the kill falls within this time, in milliseconds. */
const inOneChat = 8
const workingMs = [5, 60] as const
const workMs = [0, 150] as const

const kinds = [
  { name: "hang", fault: { kind: "hang", ms: hangMs } },
  { name: "409", fault: { kind: "error", code: 409 } },
  { name: "429", fault: { kind: "error", code: 429, retry_after: 1 } },
  { name: "500", fault: { kind: "error", code: 500 } },
  { name: "502", fault: { kind: "error", code: 502 } },
  { name: "503", fault: { kind: "error", code: 503 } },
  { name: "504", fault: { kind: "error", code: 504 } },
  { name: "reset before the poll", fault: { kind: "reset_before" } },
  { name: "reset after the poll", fault: { kind: "reset_after" } },
  { name: "garbage", fault: { kind: "garbage" } },
  { name: "half an answer", fault: { kind: "truncated" } }
] as const

/** What was asked for and waits for people. */
interface Waiting {
  readonly key: string
  readonly twice: boolean
  readonly asked: Set<string>
  resumed: boolean
}

interface Play {
  readonly stage: Stage
  readonly chats: Chats
  readonly waiting: Array<Waiting>
  heard: ReadonlyArray<Heard>
  asked: number
}

/** The instant of a kill. */
type Instant = (typeof instants)[number]
const instants = ["struck", "handed over", "worked off", "confirmed"] as const

export const polls = (stage: Stage): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { scenario } = stage
    const chats = yield* openChats(stage)
    const life = yield* live(stage)
    const play: Play = { stage, chats, waiting: [], heard: [], asked: 0 }
    const bursts = scenario.faults.filter((fault) => fault.class === "poll_fault").reduce((sum, { count }) => sum + count, 0)
    yield* polled(chats)
    for (let n = 0; n < bursts || stage.faults.filter(({ class: one, hit }) => one === "poll_fault" && hit.length > 0).length < bursts; n++) {
      if (n >= 2 * bursts) break
      const instant = n % burstsPerLife === burstsPerLife - 1 ? instants[Math.floor(n / burstsPerLife) % instants.length] ?? null : null
      yield* instant === null && stage.chance() < 0.1 ? outage(play) : burst(play, life, instant)
    }
    yield* finish(play)
  })

const polled = ({ service }: Chats) => service.order("POST", "wait", { polled: true, timeout_ms: recoveryMs })

const updateOf = (key: string): number => Number(key.slice(key.lastIndexOf(":") + 1))

const confirmed = ({ service }: Chats, key: string) =>
  Effect.map(service.order("POST", "wait", { confirmed: updateOf(key), timeout_ms: recoveryMs }), (answer) => isObject(answer) && answer["met"] === true)

const lastCall = (chats: Chats) => Effect.map(callsOf(chats.service), (calls) => calls.at(-1)?.seq ?? 0)

/** The calls since then that a fault struck. */
const struckSince = ({ service }: Chats, seq: number) =>
  Effect.map(callsOf(service, `?method=getUpdates&after=${seq}`), (calls) => calls.filter(({ faults }) => faults.length > 0))

const burst = (play: Play, life: Life, instant: Instant | null): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { chats, stage } = play
    // A server that is killed forgets a pause that it was asked for, so no kill falls into one.
    const fit = kinds.filter(({ name }) => instant === null || name !== "429")
    const drawn = fit[between(stage.chance, 0, fit.length - 1)] ?? kinds[0]
    // Each failure in the life of a server doubles the pause after it: a burst of two is only at its beginning.
    const times = stage.faults.at(-1)?.class === "sigkill" && instant === null ? between(stage.chance, 1, 2) : 1
    yield* polled(chats)
    const seq = yield* lastCall(chats)
    const at = yield* Clock.currentTimeMillis
    yield* chats.service.order("POST", "faults", { queue: [{ ...drawn.fault, method: "getUpdates", times }] })
    // The poll that waits is answered with this; the next one is struck.
    const before = yield* next(play)
    yield* until("the burst to strike", Effect.map(struckSince(chats, seq), (struck) => (struck.length > 0 ? true : null)), 10, recoveryMs)
    const meanwhile = instant === "worked off" ? yield* Effect.replicateEffect(asks(play, "ada"), inOneChat) : yield* Effect.replicateEffect(next(play), instant === null ? 1 : 3)
    const keys = [before, ...meanwhile]
    const last = keys.at(-1) ?? before
    if (instant !== null) yield* kill(play, life, instant, last)
    yield* confirmed(chats, last)
    const struck = yield* struckSince(chats, seq)
    yield* noted(play, { kind: drawn.name, at, keys, struck: struck.map((call) => call.seq) }, struck.map(({ answered, faults, seq: one, status }) => `getUpdates ${one}: ${faults.join("+")}, status ${status ?? "none"}, ${answered ? "answered" : "not answered"}`))
  })

/** Nobody can be reached at all; the poll that waits is reset. */
const outage = (play: Play): Effect.Effect<void, StageFailed> =>
  Effect.gen(function*() {
    const { chats } = play
    yield* polled(chats)
    const waiting = (yield* callsOf(chats.service, "?method=getUpdates")).at(-1)?.seq ?? 0
    const at = yield* Clock.currentTimeMillis
    yield* chats.service.order("POST", "outage", { ms: outageMs })
    const keys = [yield* next(play), yield* next(play)]
    yield* confirmed(chats, keys.at(-1) ?? "")
    const struck = (yield* callsOf(chats.service, `?method=getUpdates&after=${waiting - 1}`)).filter(({ answered, seq, took_ms }) => seq === waiting && !answered && took_ms !== null)
    yield* noted(play, { kind: "outage", at, keys, struck: struck.map(({ seq }) => seq) }, struck.map(({ seq }) => `getUpdates ${seq}: its connection was reset`))
  })

const noted = ({ stage }: Play, seen: { readonly kind: string; readonly at: number; readonly keys: ReadonlyArray<string>; readonly struck: ReadonlyArray<number> }, details: ReadonlyArray<string>) =>
  Effect.zipRight(
    recordBurst(stage, seen),
    record(stage, {
      class: "poll_fault",
      must_hit: "poll",
      at: seen.at,
      hit: seen.struck.map((seq) => `getUpdates ${seq}`),
      witness: details.length === 0 ? { kind: "record", detail: "no poll was struck" } : { kind: "record", detail: details.join("; ") }
    })
  )

const kill = (play: Play, life: Life, instant: Instant, last: string) =>
  Effect.gen(function*() {
    const { chats, stage } = play
    if (instant === "handed over" || instant === "worked off") {
      yield* until("the update to be handed over", Effect.map(chats.service.order("GET", "updates"), (all) => (deliveries(all, updateOf(last)) > 0 ? true : null)), 1, recoveryMs)
      if (instant === "worked off") yield* Effect.sleep(between(stage.chance, workingMs[0], workingMs[1]))
    } else if (instant === "confirmed") {
      yield* confirmed(chats, last)
    }
    const look = Effect.map(heardNow(play), (heard) => {
      const known = new Set(heard.map(({ key }) => key))
      return stage.chat.commands.filter(({ expect, key }) => expect === "once" && !known.has(key)).map(({ key }) => key)
    })
    yield* life.killHitting("update", look)
  })

const deliveries = (all: unknown, update: number): number => {
  const found: unknown = Array.isArray(all) ? all.find((one: unknown) => isObject(one) && one["update_id"] === update) : undefined
  const times = isObject(found) ? found["deliveries"] : 0
  return typeof times === "number" ? times : 0
}

const heardNow = (play: Play): Effect.Effect<ReadonlyArray<Heard>, ProductFailed> =>
  Effect.tap(play.chats.listen, (heard) =>
    Effect.sync(() => {
      play.heard = heard
    }))

/** The next thing that somebody says: about a task that waits for people, or a request of its own. Answers its key. */
const next = (play: Play): Effect.Effect<string, ProductFailed> =>
  Effect.gen(function*() {
    for (const waiting of play.waiting) {
      const said = yield* about(play, waiting)
      if (said !== null) return said
    }
    return yield* asks(play, requesters[play.asked % requesters.length] ?? "ada")
  })

/** A request of somebody. */
const asks = (play: Play, person: (typeof requesters)[number]): Effect.Effect<string, ProductFailed> =>
  Effect.gen(function*() {
    const { chats, stage } = play
    const n = play.asked++
    const heavy = stage.chance() * 1_000_000 < stage.scenario.workload.heavy_ppm
    const twice = heavy && n % 2 === 0
    const kind = heavy ? (twice ? "heavy.twice" : "heavy.sh") : "light.sh"
    if (n % 5 === 4) yield* chats.say("eve", `/newtask light.sh ${JSON.stringify({ n, ms: 0 })}`, "submit", { expect: "nothing" })
    const key = yield* chats.ask(person, { kind, class: heavy ? "heavy" : "light", payload: { n, ms: between(stage.chance, workMs[0], workMs[1]) } })
    if (heavy) play.waiting.push({ key, twice, asked: new Set(), resumed: false })
    return key
  })

// Who approves second does so by the button under the card of the task, and presses twice; who has no patience for the card types.
const about = ({ chats, heard, stage }: Play, waiting: Waiting, patient = true): Effect.Effect<string | null, ProductFailed> =>
  Effect.gen(function*() {
    const task = madeBy(heard, waiting.key)
    if (task === null || waiting.resumed) return null
    const short = shortOf(task)
    if (!waiting.asked.has("bob")) {
      waiting.asked.add("bob")
      const requester = stage.chat.commands.find(({ key }) => key === waiting.key)?.person
      const own = requesters.find((one) => one === requester)
      if (own !== undefined) yield* chats.say(own, `/approve ${short} my own`, "approve", { task, expect: "nothing" })
      return yield* chats.say("bob", `/approve ${short} fine`, "approve", { task })
    }
    if (waiting.twice && !waiting.asked.has("cyd")) {
      const message = yield* cardOf(chats, numbers.cyd, short, "Approve")
      if (message === null && patient) return null
      waiting.asked.add("cyd")
      if (message === null) return yield* chats.say("cyd", `/approve ${short} fine`, "approve", { task })
      const key = yield* chats.press("cyd", message.id, message.button, "approve", { task })
      // The button may be gone by now, then nobody can press it.
      yield* Effect.option(chats.press("cyd", message.id, message.button, "approve", { task, expect: "nothing" }))
      return key
    }
    const given = heard.filter((event) => event.task === task && event.type === "approval.given").length
    if (given < (waiting.twice ? 2 : 1)) return null
    waiting.resumed = true
    return yield* chats.say("bob", `/resume ${short} go`, "resume", { task })
  })

/** The card of a task in a chat, if it is there and has this button. */
const cardOf = ({ service }: Chats, chat: number, short: string, label: string): Effect.Effect<{ readonly id: number; readonly button: string } | null, ProductFailed> =>
  Effect.map(service.order("GET", `messages?chat=${chat}`), (json) => {
    for (const message of Array.isArray(json) ? json.toReversed() : []) {
      if (!isObject(message) || !String(message["text"]).startsWith(short)) continue
      const rows: unknown = message["buttons"]
      const buttons: ReadonlyArray<unknown> = Array.isArray(rows) ? rows.flat() : []
      const found = buttons.flatMap((button) => (isObject(button) && String(button["text"]).includes(label) ? [String(button["text"])] : []))
      const id = message["message_id"]
      if (found[0] !== undefined && typeof id === "number") return { id, button: found[0] }
    }
    return null
  })

/** Everybody says what is left to be said, and every task ends. */
const finish = (play: Play): Effect.Effect<void, StageFailed> =>
  Effect.gen(function*() {
    const { chats, stage } = play
    const round = Effect.gen(function*() {
      const heard = yield* heardNow(play)
      for (const waiting of play.waiting) yield* about(play, waiting, false)
      const ended = new Set(heard.filter(({ type }) => ends.has(type)).map(({ task }) => task))
      const open = stage.requests.filter(({ key }) => !ended.has(madeBy(heard, key) ?? ""))
      return open.length === 0 && play.waiting.every(({ resumed }) => resumed) ? true : null
    })
    // What is lost is judged, not waited for.
    yield* Effect.ignore(until("every command to have its effect, and every task to end", round, 250, 60_000))
    yield* chats.service.order("POST", "wait", { drained: true, timeout_ms: 10_000 })
  })
