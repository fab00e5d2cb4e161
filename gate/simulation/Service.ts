/**
 * The chat service of a simulated world: the strict fake of the Bot API as it is built (`dist/telegram-world.js`), on the world's clock,
 * and a network in between that takes its time. What it saw goes into the journal in the form of every scenario with chats.
 */
import { pathToFileURL } from "node:url"
import type { ChatCall } from "../History.ts"
import { between, type Draw } from "./Chance.ts"
import { ImageRefused } from "./Loader.ts"
import type { Kernel, Process } from "./Kernel.ts"
import type { Reply } from "./Machine.ts"
import { callIn } from "../chaos/ChatRecord.ts"
import { isObject } from "../Json.ts"
import { token } from "./Workspace.ts"

type Fields = Readonly<Record<string, unknown>>

/** What is used of the fake; docs/telegram-fake.md has all of it. */
export interface Fake {
  readonly call: (method: string, params: Fields, signal: AbortSignal) => Promise<{ readonly status: number; readonly json: unknown } | { readonly failed: string }>
  readonly people: Readonly<Record<"user" | "send" | "press", (fields: Fields) => unknown>>
  readonly faults: { readonly script: (fields: Fields) => unknown; readonly off: () => void }
  readonly record: (after?: number) => ReadonlyArray<unknown>
  readonly violations: () => ReadonlyArray<unknown>
  readonly messages: (chat: number, last?: number) => ReadonlyArray<Fields>
}

type MakeFake = (options: { readonly token: string; readonly username: string; readonly seed: number; readonly nowMs: () => number; readonly later: (delayMs: number, run: () => void) => () => void }) => Fake

const isMaker = (value: unknown): value is { readonly makeVirtualFake: MakeFake } => isObject(value) && typeof value["makeVirtualFake"] === "function"

/** Loads the fake. Fails with `ImageRefused` when the file is not it. */
export const loadFake = async (file: string): Promise<MakeFake> => {
  const found: unknown = await import(pathToFileURL(file).href)
  // A namespace of a module is no plain object.
  const module_ = { ...(typeof found === "object" ? found : {}) }
  if (!isMaker(module_)) throw new ImageRefused({ why: `${file} is not the fake of the Bot API` })
  return module_.makeVirtualFake
}

/** What a client in HTTP makes of a call that has no answer. */
const failures: Readonly<Record<string, string>> = { refused: "ECONNREFUSED", reset: "ECONNRESET", hang: "ECONNRESET", truncated: "ECONNRESET", garbage: "unreadable", timeout: "aborted" }

/** One way through the network. */
const wayMs = [5, 120] as const

export class Service {
  readonly fake: Fake
  private readonly kernel: Kernel
  private readonly draw: Draw
  /** Calls whose answers nobody was there to hear. */
  private readonly unheard = new Set<number>()
  private last = 0
  private readonly startedMs: number

  constructor(make: MakeFake, kernel: Kernel, seed: number, draw: Draw) {
    const startedMs = kernel.wallMs()
    this.startedMs = startedMs
    this.kernel = kernel
    this.draw = draw
    // Its clock is its own: nobody sets it.
    this.fake = make({ token, username: "opsgate_bot", seed, nowMs: () => startedMs + kernel.monoMs, later: (delayMs, run) => kernel.later(null, delayMs, run) })
  }

  readonly call = (process: Process, method: string, params: Fields, signal: AbortSignal): Promise<Reply> =>
    new Promise((resolve) => {
      this.kernel.later(null, between(this.draw, ...wayMs), () => {
        // A request of a process that is gone arrives all the same, and nobody hears the answer.
        const answer = this.fake.call(method, params, signal)
        const seq = this.seqOfLast()
        void answer.then((outcome) => {
          const reply = "failed" in outcome ? { failed: failures[outcome.failed] ?? "unreadable" } : outcome
          this.kernel.later(null, between(this.draw, ...wayMs), () => {
            if (process.state === "dead") this.unheard.add(seq)
            else this.kernel.soon(process, () => resolve(reply))
          })
        })
      })
    })

  readonly calls = (after = 0): ReadonlyArray<ChatCall> =>
    this.fake.record(after).flatMap((call) => callIn(call) ?? []).map((call) => (this.unheard.has(call.seq) ? { ...call, answered: false } : call))

  /** When a call was made, on the monotonic clock. */
  readonly monoAt = ({ at }: Pick<ChatCall, "at">): number => at - this.startedMs

  /** When something was last done to a message on its way, on the monotonic clock; -Infinity when nothing was. */
  struckMs(): number {
    const struck = this.calls().filter(({ faults, method }) => method !== "getUpdates" && faults.length > 0)
    return Math.max(...struck.map(this.monoAt), -Infinity)
  }

  // The record has a call as soon as it is made.
  private seqOfLast(): number {
    const last = this.fake.record(this.last).at(-1)
    this.last = isObject(last) ? Number(last["seq"]) : this.last
    return this.last
  }
}
