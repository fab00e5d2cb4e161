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
import { isObject } from "./World.ts"
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

  constructor(make: MakeFake, kernel: Kernel, seed: number, draw: Draw) {
    const startedMs = kernel.wallMs()
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

  // The record has a call as soon as it is made.
  private seqOfLast(): number {
    const last = this.fake.record(this.last).at(-1)
    this.last = isObject(last) ? Number(last["seq"]) : this.last
    return this.last
  }
}

const numberIn = (value: unknown): number | null => (typeof value === "number" || (typeof value === "string" && value !== "") ? Number(value) : null)
const textIn = (value: unknown): string | null => (typeof value === "string" ? value : null)

const updatesIn = (answer: unknown): ReadonlyArray<number> => {
  const result = isObject(answer) ? answer["result"] : null
  return Array.isArray(result) ? result.flatMap((one: unknown) => (isObject(one) && typeof one["update_id"] === "number" ? [one["update_id"]] : [])) : []
}

// An object, or its JSON beside a file.
const repliedIn = (given: Fields): number | null => {
  const { reply_parameters: found } = given
  const parsed: unknown = typeof found === "string" ? JSON.parse(found) : found
  return isObject(parsed) ? numberIn(parsed["message_id"]) : null
}

const callIn = (value: unknown): ChatCall | null => {
  if (!isObject(value)) return null
  const { answer, answered, at_ms, faults, method, params, seq, status, took_ms } = value
  if (typeof seq !== "number" || typeof at_ms !== "number" || typeof method !== "string") return null
  const given = isObject(params) ? params : {}
  return {
    seq,
    at: Math.floor(at_ms),
    took_ms: numberIn(took_ms),
    method,
    chat: numberIn(given["chat_id"]),
    text: textIn(given["text"] ?? given["caption"]),
    updates: method === "getUpdates" ? updatesIn(answer) : [],
    faults: Array.isArray(faults) ? faults.map(String) : [],
    status: numberIn(status),
    answered: answered === true,
    replies: repliedIn(given),
    query: textIn(given["callback_query_id"])
  }
}

export const violationIn = (value: unknown) =>
  isObject(value) ? [{ at: Math.floor(numberIn(value["at_ms"]) ?? 0), scope: String(value["scope"]), method: String(value["method"]), early: value["early"] === true }] : []
