/**
 * What breaks, and when. Which classes are on is drawn from the seed, and so is each instant, by the class and its number alone: one fault
 * can be left out, and the others stay where they are.
 */
import type { ChatCall, Fault, Target } from "../History.ts"
import { between, type Draw, drawsFrom, pick, seedFor } from "./Chance.ts"
import type { Point, Trouble } from "./Machine.ts"
import { faultClasses, isScheduled, type ScheduledFault, type SimulatedFault } from "./Setting.ts"
import type { Service } from "./Service.ts"
import type { World } from "./World.ts"

const hourMs = 3_600_000
/** Whoever supervises the server starts it again after so long. */
const restartMs = [300, 8000] as const
/** A process that is stopped, in leases. */
const pauseLeases = [1.1, 3] as const
const troubleMs = { busy: [50, 12_000], full: [1000, 25_000], io: [50, 3000] } as const satisfies Record<Trouble, readonly [number, number]>
const jumpMs = 1_200_000

/** One fault, as it was drawn. */
export interface Strike {
  readonly kind: ScheduledFault
  /** Among those of its class. */
  readonly number: number
  readonly atMs: number
}

export const nameOf = ({ kind, number }: Pick<Strike, "kind" | "number">): string => `${kind}#${number}`

/** The classes that are on under a seed. */
export const classesOf = ({ seed, setting: { faults, people, swarm } }: Pick<World, "seed" | "setting">): ReadonlyArray<SimulatedFault> => {
  const draw = drawsFrom(seedFor(seed, "swarm"))
  const fate = draw() * 1_000_000
  if (fate < swarm.control_ppm) return []
  const all = fate < swarm.control_ppm + swarm.all_ppm
  return faultClasses.filter((kind) => {
    const isOn = draw() * 1_000_000 < swarm.class_ppm
    return (all || isOn) && (isScheduled(kind) ? faults[kind] : people.double_ppm) > 0
  })
}

/** All that strikes, in the order of time. `only`: names of those that are played; null for all. */
export const strikesOf = (world: World, only: ReadonlySet<string> | null): ReadonlyArray<Strike> =>
  classesOf(world)
    .filter(isScheduled)
    .flatMap((kind) => {
      const count = Math.round(world.setting.faults[kind] * world.setting.active_ms / hourMs * (0.5 + world.chance(`count ${kind}`)()))
      return Array.from({ length: count }, (_, index): Strike => ({ kind, number: index + 1, atMs: between(world.chance(`when ${kind} ${index}`), 0, world.setting.active_ms) }))
    })
    .filter((strike) => only === null || only.has(nameOf(strike)))
    .sort((one, other) => one.atMs - other.atMs || (nameOf(one) < nameOf(other) ? -1 : 1))

type Noted = Pick<Fault, "class" | "must_hit" | "hit" | "witness">

/** What is at work when something strikes: the tasks whose commands run, otherwise those that the log has as not ended. */
const atWork = ({ commands, hear }: World): { readonly must_hit: Target; readonly hit: ReadonlyArray<string> } => {
  const working = commands.working()
  if (working.length > 0) return { must_hit: "running", hit: working }
  const open = new Set<string>()
  for (const { task, type } of hear()) {
    if (task === null) continue
    if (type === "task.requested") open.add(task)
    else if (ends.has(type)) open.delete(task)
  }
  return { must_hit: "stored", hit: [...open] }
}

/** To boot a server is the dearest thing in a seed, and one that is killed while it has nothing to do shows little: most of these go on. */
const isSpared = ({ hit }: Pick<Noted, "hit">, draw: Draw): boolean => hit.length === 0 && draw() < 0.75

const ends: ReadonlySet<string> = new Set(["task.succeeded", "task.failed", "task.canceled", "task.expired"])

const restartLater = (world: World, draw: Draw): void => {
  world.kernel.later(null, between(draw, ...restartMs), () => {
    if (world.machine?.process === null) world.machine.boot()
  })
}

/** Restarts whatever ends by itself, as long as the world stands. */
export const supervise = (world: World): void => {
  const draw = world.chance("supervisor")
  if (world.machine !== null) {
    world.machine.onEnd = () => restartLater(world, draw)
  }
}

const killed = (world: World, draw: Draw, found: ReturnType<typeof atWork>, detail: string): void => {
  world.noted({ class: "sigkill", ...found, witness: { kind: "exit", detail } })
  restartLater(world, draw)
}

/** What the chat service does to calls. */
const callFaults: readonly [object, ...ReadonlyArray<object>] = [
  { kind: "hang", ms: 10_000 },
  { kind: "error", code: 429, retry_after: 5 },
  { kind: "error", code: 500 },
  { kind: "error", code: 502 },
  { kind: "reset_before" },
  { kind: "reset_after" },
  { kind: "garbage" },
  { kind: "truncated" },
  { kind: "slow", ms: 8000 }
]
/** And to polls besides. */
const pollFaults: readonly [object, ...ReadonlyArray<object>] = [...callFaults, { kind: "error", code: 409 }, { kind: "duplicate" }, { kind: "reorder" }]
/** After so long it has struck what it can. */
const struckMs = 150_000

const polls = (world: World, service: Service, draw: Draw): void => {
  // Two bursts at a time would be one: it is not known which of them a poll was struck by.
  if (world.bursts > 0) return
  world.bursts += 1
  const fault = pick(draw, pollFaults)
  const times = between(draw, 1, 3)
  const seq = service.calls().at(-1)?.seq ?? 0
  const [sinceMs, at, from] = [world.kernel.monoMs, world.kernel.wallMs(), world.books.chat.commands.length]
  service.fake.faults.script({ queue: [{ ...fault, method: "getUpdates", times }] })
  world.kernel.later(null, struckMs, () => {
    world.bursts -= 1
    const struck = service.calls(seq).filter(({ faults, method }) => method === "getUpdates" && faults.length > 0)
    const keys = world.books.chat.commands.slice(from).map(({ key }) => key)
    const kind = String(Reflect.get(fault, "kind"))
    world.books.chat.bursts.push({ id: `${world.setting.id}:${world.seed}/burst-${world.books.chat.bursts.length + 1}`, kind, at, struck: struck.map((call) => call.seq), keys })
    world.noted({ class: "poll_fault", must_hit: "poll", hit: struck.map((call) => `getUpdates ${call.seq}`), witness: { kind: "record", detail: detailOf(struck) } }, struckAt(service, struck[0]) ?? sinceMs)
  })
}

const sendMethods = ["sendMessage", "editMessageText", "sendMessage", "editMessageText", "answerCallbackQuery"] as const

const sends = (world: World, service: Service, draw: Draw): void => {
  const fault = pick(draw, callFaults)
  const method = pick(draw, sendMethods)
  const seq = service.calls().at(-1)?.seq ?? 0
  const [sinceMs, from] = [world.kernel.monoMs, world.hear().at(-1)?.seq ?? 0]
  service.fake.faults.script({ queue: [{ ...fault, method, times: between(draw, 1, 3) }] })
  world.kernel.later(null, struckMs, () => {
    const struck = service.calls(seq).filter((call) => call.method === method && call.faults.length > 0)
    const requester = new Map(world.books.requests.flatMap(({ key, task }) => (task === null ? [] : [[task, world.books.chat.commands.find((command) => command.key === key)?.chat] as const])))
    const ended = new Set(world.hear().filter((event) => event.seq > from && ends.has(event.type)).flatMap(({ task }) => task ?? []))
    // What people wait for is the word of an end in the chat of whoever asked: another message that was struck is no report.
    const hit = [...ended].filter((task) => struck.some(({ chat, text }) => chat === requester.get(task) && text?.startsWith(task.slice(-6).toLowerCase()) === true))
    world.noted({ class: "send_fault", must_hit: "report", hit, witness: { kind: "record", detail: detailOf(struck) } }, struckAt(service, struck[0]) ?? sinceMs)
  })
}

const struckAt = (service: Service, first: ChatCall | undefined): number | null => (first === undefined ? null : service.monoAt(first))

const detailOf = (struck: ReadonlyArray<ChatCall>): string =>
  struck.length === 0 ? "no call was struck" : struck.slice(0, 10).map(({ answered, faults, method, seq, status }) => `${method} ${seq}: ${faults.join("+")}, status ${status ?? "none"}, ${answered ? "answered" : "not answered"}`).join("; ")

const acts: Readonly<Record<ScheduledFault, (world: World, draw: Draw, service: Service) => void>> = {
  polls: (world, draw, service) => polls(world, service, draw),
  sends: (world, draw, service) => sends(world, service, draw),
  kill: (world, draw) => {
    const { machine } = world
    if (machine?.process === null || machine === null) return
    const found = atWork(world)
    if (isSpared(found, draw)) return
    machine.kill()
    killed(world, draw, found, "killed, at any instant")
  },
  kill_at_commit: (world, draw) => {
    const point = pick<Point>(draw, ["before_begin", "before_commit", "after_commit"])
    const found = atWork(world)
    if (isSpared(found, draw)) return
    world.machine?.killAtCommit(point, between(draw, 1, 12), () => killed(world, draw, found, `killed ${point.replaceAll("_", " ")}`))
  },
  pause: (world, draw) => {
    const { kernel, machine, setting } = world
    if (machine?.process === null || machine === null || machine.process.state === "stopped") return
    const { process } = machine
    const found = atWork(world)
    const sinceMs = kernel.monoMs
    const ms = Math.round(setting.lease_ms * (pauseLeases[0] + draw() * (pauseLeases[1] - pauseLeases[0])))
    machine.stop()
    // Put on record when it goes on, which healing brings about earlier: whoever judges asks what lies between.
    world.goOn = () => {
      world.goOn = () => undefined
      if (machine.process !== process) return
      machine.goOn()
      world.noted({ class: "sigstop", ...found, witness: { kind: "proc_stat", detail: `stopped for ${kernel.monoMs - sinceMs} ms` } }, sinceMs)
    }
    const { goOn } = world
    kernel.later(null, ms, () => {
      if (world.goOn === goOn) goOn()
    })
  },
  command_lost: (world, draw) => {
    const task = world.commands.killOne(draw())
    if (task !== null) world.noted({ class: "command_lost", must_hit: "effect", hit: [task], witness: { kind: "record", detail: "its supervisor was killed and left no record" } })
  },
  busy: (world, draw) => trouble(world, draw, "busy"),
  full: (world, draw) => trouble(world, draw, "full"),
  io: (world, draw) => trouble(world, draw, "io"),
  sync: (world, draw) => {
    const { machine } = world
    if (machine === null) return
    const kept = draw() < 0.5
    machine.failSync = { kept, then: () => world.noted({ class: "sync", ...atWork(world), witness: { kind: "answer", detail: `a sync failed; what it was for is ${kept ? "there" : "gone"}` } }) }
  },
  clock: (world, draw) => {
    const ms = Math.round((draw() * 2 - 1) * jumpMs)
    const found = atWork(world)
    world.setClock(ms)
    world.noted({ class: "clock", ...found, witness: { kind: "record", detail: `the wall clock was set by ${ms} ms` } })
  }
}

const trouble = (world: World, draw: Draw, kind: Trouble): void => {
  const { machine } = world
  if (machine === null || machine.trouble !== null) return
  const [least, most] = troubleMs[kind]
  const ms = between(draw, least, most)
  const found: Omit<Noted, "class" | "witness"> = atWork(world)
  const sinceMs = world.kernel.monoMs
  machine.trouble = kind
  machine.troubled = 0
  world.kernel.later(null, ms, () => {
    machine.trouble = null
    // Nobody wrote meanwhile: it struck nothing.
    if (machine.troubled > 0) world.noted({ class: kind, ...found, witness: { kind: "answer", detail: `${machine.troubled} transactions were refused in ${ms} ms` } }, sinceMs)
  })
}

/** Sets every fault on its instant. */
export const unleash = (world: World, service: Service, strikes: ReadonlyArray<Strike>): void => {
  for (const strike of strikes) {
    const act = acts[strike.kind]
    const draw = world.chance(`strike ${nameOf(strike)}`)
    world.kernel.later(null, strike.atMs, () => {
      if (!world.healed) act(world, draw, service)
    })
  }
}

/** Takes away what still breaks. */
export const heal = (world: World, service: Service): void => {
  const { machine } = world
  world.healed = true
  service.fake.faults.off()
  if (machine === null) return
  machine.trouble = null
  machine.failSync = null
  machine.spare()
  world.goOn()
  if (machine.process === null) machine.boot()
}
