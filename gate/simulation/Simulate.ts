/**
 * Plays one seed: a machine, people and faults, on virtual time; afterwards nothing breaks any more and everything has to end. What it
 * leaves is what a scenario with real processes leaves: log, ledger and journal.
 */
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Journal, Scenario } from "../History.ts"
import { drawsFrom, seedFor } from "./Chance.ts"
import { Commands } from "./Commands.ts"
import { Handles } from "./Handles.ts"
import { forgetTheDead, inVirtualTime, layModules } from "./Host.ts"
import { ImageRefused, loadImage, type Patch } from "./Loader.ts"
import { Kernel, type Process } from "./Kernel.ts"
import { type Image, isImage, Machine } from "./Machine.ts"
import { classesOf, heal, nameOf, strikesOf, supervise, unleash } from "./Nemesis.ts"
import type { Setting } from "./Setting.ts"
import { byPhone, introduce } from "./Phones.ts"
import { violationIn } from "../chaos/ChatRecord.ts"
import { loadFake, Service } from "./Service.ts"
import { byTerminal, settling } from "./Townspeople.ts"
import { World } from "./World.ts"
import { declaredKinds, flowsSymbol, type Outside, plan, type Planned, prepare } from "./Workspace.ts"

/** Virtual time begins here: a Monday, in winter time everywhere north. */
const startMs = Date.UTC(2026, 0, 5, 8)

/** A task that ends its process each time is given up after ten times (docs/timeouts.md). One that never is does its work in the end: this world has one, too. */
const crashesMax = 12

/** What a seed left behind, in the texts of a scenario. */
export interface Played {
  readonly journal: Journal
  readonly eventsText: string
  readonly effectsText: string
  /** Turns of the kernel, and virtual milliseconds. */
  readonly turns: number
  readonly virtualMs: number
  readonly classes: ReadonlyArray<string>
  /** Names of the faults that were set. */
  readonly strikes: ReadonlyArray<string>
}

/** Loads the product once, and plays as many seeds as wanted, one after the other. A folder in memory is best. */
export class Simulator {
  /** SHA-256 of the image as it was built. */
  digest = ""
  private readonly dir: string
  private readonly setting: Setting
  private kernel: Kernel | null = null
  private machine: Machine | null = null
  private commands: Commands | null = null
  private world: World | null = null
  /** How often each task has ended its process. */
  private readonly crashes = new Map<string, number>()
  private image: Image | null = null
  private config: unknown = null
  private makeFake: Awaited<ReturnType<typeof loadFake>> | null = null
  private readonly handles: Handles

  constructor(dir: string, setting: Setting) {
    this.dir = dir
    this.setting = setting
    this.handles = new Handles({ current: () => this.kernel?.current ?? null, disk: (process: Process) => this.machine?.disk(process) ?? null })
  }

  async load(imageFile: string, fakeFile: string, name: string, patches: ReadonlyArray<Patch> = []): Promise<void> {
    mkdirSync(this.dir, { recursive: true })
    layModules(this.handles)
    const { digest, image } = await loadImage(imageFile, this.dir, name, patches)
    if (!isImage(image)) throw new ImageRefused({ why: "it does not export what a simulation boots" })
    this.makeFake = await loadFake(fakeFile)
    Reflect.set(globalThis, Symbol.for(flowsSymbol), { outside: this.outside(), Schema: image.Schema, Task: image.Task })
    this.image = image
    this.digest = digest
    this.config = await image.configure(prepare(this.dir, this.setting))
  }

  // What steps in code reach: the same for every world that this one plays, each with its own ledger.
  private outside(): Outside {
    return {
      act: (task, key, generation, attempt, ms) => {
        const process = this.machine?.process ?? null
        const { commands, kernel } = this
        if (commands === null || kernel === null || process === null) return new Promise(() => undefined)
        commands.note({ task, dispatch_key: key, generation, attempt, pid: process.pid })
        return new Promise((resolve) => void kernel.later(process, ms, () => resolve(generation)))
      },
      happened: (key) => this.commands?.ledger.some((line) => line.dispatch_key === key && line.phase === "done") ?? false,
      crash: (task, key, generation, attempt) => {
        const crashes = this.crashes.get(task) ?? 0
        this.crashes.set(task, crashes + 1)
        if (crashes >= crashesMax) return this.outside().act(task, key, generation, attempt, 0)
        this.world?.noted({ class: "sigkill", must_hit: "running", hit: [task], witness: { kind: "exit", detail: "its own step ended the process" } })
        this.machine?.crash("a step ended its process")
        return new Promise(() => undefined)
      }
    }
  }

  /** Plays a seed. `only`: the names of the faults that are played; null for all that the seed draws. */
  async play(seed: number, only: ReadonlySet<string> | null = null, says: (sentence: string) => void = () => undefined): Promise<Played> {
    const { config, handles, image, makeFake, setting } = this
    if (image === null || makeFake === null) throw new ImageRefused({ why: "it is not loaded" })
    const data = join(this.dir, "data")
    rmSync(data, { recursive: true, force: true })
    mkdirSync(data, { recursive: true, mode: 0o700 })
    const kernel = new Kernel(drawsFrom(seedFor(seed, "turns")), startMs)
    this.kernel = kernel
    kernel.preemptionPpm = setting.preemption_ppm
    const commands = new Commands(kernel, drawsFrom(seedFor(seed, "commands")))
    this.commands = commands
    const world = new World(kernel, commands, setting, seed, image)
    const service = new Service(makeFake, kernel, seedFor(seed, "service"), world.chance("network"))
    const machine = new Machine({ kernel, image, config, data, handles, commands, call: service.call, draw: drawsFrom(seedFor(seed, "chance of the machine")), says })
    world.machine = machine
    this.machine = machine
    this.world = world
    this.crashes.clear()
    return inVirtualTime(kernel, seed, async () => {
      // A message of an hour ago is asked about again, and so is one that only looks so old because the clock was set: then people keep to terminals.
      world.isClockSet = classesOf(world).includes("clock")
      const planned = plan(setting, seed, world.chance, world.isClockSet ? 0 : setting.chat_ppm, classesOf(world).includes("kill"))
      const note = await played(world, machine, service, planned, only)
      world.books.chat.calls.push(...service.calls())
      world.books.chat.violations.push(...service.fake.violations().flatMap(violationIn))
      return { ...left(world, planned, note), turns: kernel.turns, virtualMs: kernel.monoMs, classes: classesOf(world), strikes: strikesOf(world, only).map(nameOf) }
    }).finally(() => {
      if (machine.process !== null) machine.kill()
      machine.closeLog()
      forgetTheDead()
    })
  }
}

// Runs the world to its end. Answers why it did not come to one.
const played = async (world: World, machine: Machine, service: Service, planned: ReadonlyArray<Planned>, only: ReadonlySet<string> | null): Promise<string | null> => {
  const { kernel, setting } = world
  let left = planned.length
  let broken: unknown = null
  supervise(world)
  introduce(service)
  machine.boot()
  for (const one of planned) {
    const isPlayed = one.inChat ? byPhone(world, service, one) : byTerminal(world, one)
    isPlayed.then(() => void left--, (cause: unknown) => {
      broken ??= cause
    })
  }
  settling(world).catch((cause: unknown) => {
    broken ??= cause
  })
  unleash(world, service, strikesOf(world, only))
  await kernel.run(() => broken !== null, setting.active_ms)
  heal(world, service)
  const untilMs = setting.active_ms + setting.heal_ms
  const isCalm = calmly(world, planned, service)
  const isOver = (): boolean => broken !== null || (left === 0 && isCalm())
  await kernel.run(isOver, untilMs)
  if (broken !== null) throw broken
  const stopped = { yet: machine.server === null }
  void machine.server?.ended.then(() => {
    stopped.yet = true
  })
  machine.server?.stop()
  await kernel.run(() => stopped.yet, kernel.monoMs + 120_000)
  return left === 0 ? null : `${left} people were still waiting for something after ${untilMs} ms`
}

const ends: ReadonlySet<string> = new Set(["task.succeeded", "task.failed", "task.canceled", "task.expired"])

// Whether everything that was asked for has come to its end. Looked at now and then, since reading the log costs more than a turn.
const calmly = (world: World, planned: ReadonlyArray<Planned>, service: Service): (() => boolean) => {
  // A clock that was set is noticed by whoever sleeps at the end of a nap, and what could not be sent waits for its next try.
  // And a pause that outlived its process by a clock that was set back since lasts as long as one may.
  const pausedMs = world.clockSetMs > -Infinity ? world.kernel.monoMs + pauseMaxMs : -Infinity
  const lingering = Math.max(world.clockSetMs, service.struckMs(), pausedMs)
  let nextMs = lingering + napMs
  return () => {
    if (world.books.requests.length < planned.length || world.kernel.monoMs < nextMs) return false
    nextMs = world.kernel.monoMs + lookMs
    const ended = new Set(world.hear().filter(({ type }) => ends.has(type)).map(({ task }) => task))
    return world.books.requests.every(({ expect, task }) => task === null || ended.has(task) || expect.states.includes("REQUESTED"))
  }
}

const lookMs = 20_000
const napMs = 120_000
/** The longest pause that the chat service is granted (docs/timeouts.md, `telegram_send`). */
const pauseMaxMs = 300_000

const left = (world: World, planned: ReadonlyArray<Planned>, note: string | null): Pick<Played, "journal" | "eventsText" | "effectsText"> => {
  const { books, commands, kernel, seed, setting } = world
  const { active_ms, command_ms, heavy_ppm, hypothesis, id, lease_ms, title, traffic_class, workers } = setting
  const scenario: Scenario = {
    v: 1,
    id: `${id}-${seed}`,
    title,
    hypothesis,
    traffic_class,
    seed,
    workload: { script: "simulated", tasks: planned.length, heavy_ppm, concurrency: workers },
    faults: [],
    limits: { wall_ms: active_ms, lease_ms, summaries: 0, command_ms }
  }
  // Work that may be repeated is, when its record was lost with its supervisor.
  const requests = books.requests.map((request) => ({ ...request, expect: { ...request.expect, done_max: request.expect.done_max + (request.class === "light" ? commands.lostAfterDone.get(request.task ?? "") ?? 0 : 0) } }))
  const journal: Journal = {
    v: 1,
    scenario,
    seed,
    started_at: startMs,
    ended_at: kernel.wallMs(),
    status: note === null ? "completed" : "aborted",
    note,
    requests,
    replays: books.replays,
    faults: books.faults,
    summaries: [],
    restarts: [],
    world: "simulation",
    operations: books.operations,
    kinds: declaredKinds,
    chat: books.chat
  }
  const lines = world.lines()
  return {
    journal,
    eventsText: lines.length === 0 ? "" : `${lines.join("\n")}\n`,
    effectsText: commands.ledger.map((line) => `${JSON.stringify(line)}\n`).join("")
  }
}
