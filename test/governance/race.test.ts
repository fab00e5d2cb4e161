/**
 * Two approvers, a resume and a worker race with a cancel. Time is virtual: who asks when, when the file is written, and who comes first
 * within one millisecond is drawn from a seed.
 */
import { setImmediate } from "node:timers/promises"
import { Effect, Either, Fiber, Layer, Random } from "effect"
import { describe, expect, it } from "vitest"
import { type DoorAsk, handleAny } from "../../src/control/Door.ts"
import { claim } from "../../src/domain/Dispatch.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import { TaskId } from "../../src/domain/Task.ts"
import type { TaskEvent } from "../../src/domain/TaskEvent.ts"
import { Engine, Flush } from "../../src/engine/Engine.ts"
import { epochOpened } from "../engine/tasks.ts"
import { type Answered, type Flavour, type House, house, payloadOf, type Person } from "./house.ts"
import { needing } from "./world.ts"

const seeds = 1000
const together = 50
const windowMs = 12

/** Instants at which something happens, the earliest first; what is due together comes in an order that is drawn. */
class Virtual {
  nowMs = 0
  #due: Array<{ readonly atMs: number; readonly turn: number; readonly run: () => void }> = []
  chance: () => number = () => 0

  after(ms: number, run: () => void): void {
    this.#due.push({ atMs: this.nowMs + ms, turn: this.chance(), run })
    this.#due.sort((a, b) => a.atMs - b.atMs || a.turn - b.turn)
  }

  /** Runs what is due next; false when nothing is left. */
  step(): boolean {
    const next = this.#due.shift()
    if (next === undefined) return false
    this.nowMs = Math.max(this.nowMs, next.atMs)
    next.run()
    return true
  }

  sleep(ms: number): Effect.Effect<void> {
    return Effect.async((resume) => this.after(ms, () => resume(Effect.void)))
  }
}

const ada: Person = { actor: "cli:ada", roles: ["requester"] }
const bob: Person = { actor: "cli:bob", roles: ["approver"] }
const cleo: Person = { actor: "telegram:cleo", roles: ["approver"], channel: "telegram" }
const olga: Person = { actor: "http:olga", roles: ["operator"], channel: "http" }

const kinds: ReadonlyMap<string, Kind> = new Map([["once", needing({}, { name: "once" })], ["twice", needing({ approvals: 2 }, { name: "twice" })]])

interface Raced {
  readonly id: string
  readonly needed: number
  readonly answers: ReadonlyMap<string, Answered>
  readonly events: ReadonlyArray<TaskEvent>
}

const asked = ({ actor, channel = "cli", roles }: Person, ask: DoorAsk) => Effect.either(handleAny({ actor, roles, channel, key: null, ask }))

/** One race on a task of its own. */
const race = async (at: House, time: Virtual, seed: number, seq: number): Promise<Raced> => {
  const random = Random.make(seed)
  const chance = (): number => Effect.runSync(random.next)
  const within = (ms: number): number => Math.floor(chance() * ms)
  time.chance = chance
  const kind = seed % 2 === 0 ? "once" : "twice"
  const submitted = at.fork(asked(ada, { op: "submit", kind, payload: { seed }, reason: null }))
  await settledAll(time, [submitted])
  const said = Either.getOrThrow(await Effect.runPromise(Fiber.join(submitted)))
  const id = TaskId.make("dispatch_key" in said ? said.task : "")

  const contenders: ReadonlyArray<readonly [string, Person, DoorAsk]> = [
    ["bob", bob, { op: "approve", task: id, reason: null }],
    ["cleo", cleo, { op: "approve", task: id, reason: null }],
    ["resume", ada, { op: "resume", task: id, reason: null }],
    ["cancel", olga, { op: "cancel", task: id, reason: "stop it" }]
  ]
  // The resume mostly comes after the approvals: otherwise it is refused nearly always.
  const delayOf = (name: string): number => (name === "bob" || name === "cleo" ? within(windowMs / 2) : name === "resume" ? windowMs / 3 + within(windowMs) : within(2 * windowMs))
  const later = <A, E, R>(ms: number, effect: Effect.Effect<A, E, R>) => Effect.zipRight(time.sleep(ms), effect)
  const asking = contenders.map(([name, person, ask]) => [name, at.fork(later(delayOf(name), asked(person, ask)))] as const)
  const claiming = [0, 1, 2].map(() => at.fork(later(windowMs / 2 + within(2 * windowMs), Effect.flatMap(Engine, (engine) => engine.claim({ limit: 1, rule: (task, now) => claim(task, "w", kinds.get(task.kind), now) })))))
  await settledAll(time, [...asking.map(([, fiber]) => fiber), ...claiming])
  const answers = new Map<string, Answered>()
  for (const [name, fiber] of asking) answers.set(name, await Effect.runPromise(Fiber.join(fiber)))
  return { id, needed: kind === "once" ? 1 : 2, answers, events: (await at.events(seq)).filter(({ task }) => task === id) }
}

/** Lets time pass until all of them have ended. */
const settledAll = async (time: Virtual, fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>): Promise<void> => {
  for (let steps = 0; fibers.some((fiber) => fiber.unsafePoll() === null); steps++) {
    if (steps > 1000) throw new Error("somebody waits for ever")
    await setImmediate()
    time.step()
  }
}

const states = ["REQUESTED", "APPROVED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"]

/** Who won, in a word; throws when more than one did, or the log does not say why the others lost. */
const judged = ({ answers, events, id, needed }: Raced): string => {
  const times = (type: string): number => events.filter((event) => event.type === type).length
  let state = ""
  let canceledIn = ""
  for (const event of events) {
    const facts = payloadOf(event)
    // Whoever lost is told the state that he found, and the log has the task in that very state.
    if (event.type === "command.refused" || event.type === "command.accepted") expect(facts["state"], `${event.type} at ${event.seq}`).toBe(state)
    const entered = states.find((one) => event.type === `task.${one.toLowerCase()}`)
    if (entered === "CANCELED") canceledIn = state
    state = entered ?? state
  }
  for (const [name, answer] of answers) {
    const op = name === "bob" || name === "cleo" ? "approve" : name
    const actor = { bob, cleo, resume: ada, cancel: olga }[name]?.actor
    const own = events.filter((event) => event.actor === actor && Object(payloadOf(event)["command"]).op === op)
    expect(own, `${name} of ${id} has one event`).toHaveLength(1)
    const [event] = own
    if (event === undefined) continue
    if (Either.isLeft(answer)) expect(payloadOf(event)["refusal"]).toMatchObject({ _tag: answer.left._tag })
    else expect(event.type).not.toBe("command.refused")
  }
  expect([times("task.approved"), times("task.queued"), times("task.running")].every((count) => count <= 1)).toBe(true)
  expect(times("approval.given")).toBeLessThanOrEqual(needed)
  if (times("task.approved") === 1) expect(times("approval.given")).toBe(needed)
  if (times("task.running") === 1) expect([times("task.approved"), times("task.queued")]).toEqual([1, 1])
  // Exactly one wins: it was dispatched, and the cancel waits for its boundary; or it was canceled, and never began.
  expect(times("task.running") + times("task.canceled")).toBe(1)
  expect(times("task.cancel_requested")).toBe(times("task.running"))
  expect(state).toBe(times("task.running") === 1 ? "RUNNING" : "CANCELED")
  return times("task.running") === 1 ? "dispatched" : `canceled while ${canceledIn}`
}

describe("two approvers and a resume that race with a cancel", () => {
  it.each<Flavour>(["memory", "SQLite"])("have exactly one winner, and the log says why (1,000 seeds, %s)", async (flavour) => {
    const time = new Virtual()
    const turns = Layer.succeed(Flush, { soon: (run) => time.after(Math.floor(time.chance() * 3), run), later: () => undefined })
    const won = new Map<string, number>()
    // An engine for some of them: looking for what is due takes longer with every task that it keeps.
    for (let seed = 1; seed <= seeds; seed += together) {
      const at = house(flavour, kinds, turns)
      try {
        await settledAll(time, [at.fork(epochOpened(1_000_000_000))])
        for (let one = seed, seq = 1; one < seed + together; one++) {
          const raced = await race(at, time, one, seq)
          seq = raced.events.at(-1)?.seq ?? seq
          const winner = judged(raced)
          won.set(winner, (won.get(winner) ?? 0) + 1)
        }
      } finally {
        await at.close()
      }
    }
    // Chance has let each of them win.
    for (const winner of ["dispatched", "canceled while REQUESTED", "canceled while APPROVED", "canceled while QUEUED"]) expect(won.get(winner) ?? 0, winner).toBeGreaterThan(20)
    expect([...won.values()].reduce((sum, one) => sum + one, 0)).toBe(seeds)
  }, 300_000)
})
