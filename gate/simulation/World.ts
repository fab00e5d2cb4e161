/** What everybody in a simulated world shares, and what is put on record of it. */
import type { ChatHistory, Fault, Operation, Replay, Request } from "../History.ts"
import { isObject } from "../Json.ts"
import { type Draw, drawsFrom, seedFor } from "./Chance.ts"
import type { Commands } from "./Commands.ts"
import type { Kernel } from "./Kernel.ts"
import type { Image, Machine } from "./Machine.ts"
import type { Setting } from "./Setting.ts"

/** An event of the log, as far as people read it. */
export interface Heard {
  readonly seq: number
  readonly type: string
  readonly task: string | null
  /** Of the command that caused it. */
  readonly key: string | null
  readonly payload: Readonly<Record<string, unknown>>
}

export type Open<A> = { -readonly [Member in keyof A]: A[Member] }

/** What the world puts on record, in the order in which it came about. */
export interface Books {
  readonly requests: Array<Open<Request>>
  readonly replays: Array<Replay>
  readonly faults: Array<Fault>
  readonly operations: Array<Operation>
  readonly chat: { -readonly [Member in keyof ChatHistory]: Array<ChatHistory[Member][number]> }
}

const momentMs = 3000

export class World {
  readonly books: Books = { requests: [], replays: [], faults: [], operations: [], chat: { commands: [], bursts: [], calls: [], violations: [] } }
  readonly kernel: Kernel
  readonly commands: Commands
  readonly setting: Setting
  readonly seed: number
  /** Nothing breaks any more, and everybody does at once what is left to do. */
  healed = false
  /** The wall clock is set in this world. */
  isClockSet = false
  /** When the wall clock was last set, on the monotonic one; -Infinity when it never was. */
  clockSetMs = -Infinity
  /** Bursts of faults that strike polls at this time. */
  bursts = 0
  /** Lets a process go on that is stopped. */
  goOn: () => void = () => undefined
  /** Set once both are made; nothing looks before. */
  machine: Machine | null = null
  /** The wall clock at monotonic zero: nobody sets that of the chat service. */
  private readonly startMs: number
  private readonly offsets: Array<{ readonly fromMs: number; readonly offsetMs: number }> = []
  private readonly heard: Array<Heard> = []
  private nextLookMs = 0
  private readonly image: Image

  constructor(kernel: Kernel, commands: Commands, setting: Setting, seed: number, image: Image) {
    this.kernel = kernel
    this.startMs = kernel.wallOffsetMs
    this.commands = commands
    this.setting = setting
    this.seed = seed
    this.image = image
  }

  /** Chance under a name of its own. */
  readonly chance = (name: string): Draw => drawsFrom(seedFor(this.seed, name))

  readonly wait = (ms: number): Promise<void> => new Promise((resolve) => void this.kernel.later(null, ms, resolve))

  /** What the log says by now. */
  readonly hear = (): ReadonlyArray<Heard> => {
    for (const line of this.machine?.behind(this.heard.at(-1)?.seq ?? 0) ?? []) {
      const event: unknown = JSON.parse(line)
      if (!isObject(event)) continue
      const { payload, seq, task, type } = event
      const facts = isObject(payload) ? payload : {}
      const command = facts["command"]
      const key = isObject(command) && typeof command["key"] === "string" ? command["key"] : null
      this.heard.push({ seq: Number(seq), type: String(type), task: typeof task === "string" ? task : null, key, payload: facts })
    }
    return this.heard
  }

  /** What the log said a moment ago at the latest: to look costs more than a turn, and people who wait look often. */
  readonly lately = (): ReadonlyArray<Heard> => {
    if (this.kernel.monoMs < this.nextLookMs) return this.heard
    this.nextLookMs = this.kernel.monoMs + momentMs
    return this.hear()
  }

  /** The whole log. */
  readonly lines = (): ReadonlyArray<string> => this.machine?.behind(0) ?? []

  readonly exitOf = (refused: string): number => this.image.exitOf(refused)

  /** Sets the wall clock of the machine. */
  readonly setClock = (byMs: number): void => {
    this.kernel.wallOffsetMs += byMs
    this.clockSetMs = this.kernel.monoMs
    this.offsets.push({ fromMs: this.kernel.monoMs, offsetMs: this.kernel.wallOffsetMs })
  }

  /** Puts a fault on record that is over now. `sinceMs`: when it struck, on the monotonic clock; without it, it struck just now. */
  readonly noted = (fault: Omit<Fault, "id" | "seed" | "at" | "until" | "service_at" | "service_until">, sinceMs: number = this.kernel.monoMs): void => {
    const isOver = sinceMs < this.kernel.monoMs
    const [at, until] = [this.wallAt(sinceMs), this.kernel.wallMs()]
    const [serviceAt, serviceUntil] = [this.startMs + sinceMs, this.startMs + this.kernel.monoMs]
    this.books.faults.push({
      ...fault,
      id: `${this.setting.id}:${this.seed}/${this.books.faults.length + 1}`,
      at,
      ...(isOver ? { until } : {}),
      ...(serviceAt === at ? {} : { service_at: serviceAt }),
      ...(isOver && serviceUntil !== until ? { service_until: serviceUntil } : {}),
      seed: this.seed
    })
  }

  private wallAt(monoMs: number): number {
    return monoMs + (this.offsets.findLast(({ fromMs }) => fromMs <= monoMs)?.offsetMs ?? this.startMs)
  }
}
