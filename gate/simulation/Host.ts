/**
 * What stands in for the machine while a world stands: the modules that the image imports instead of the machine's own, and the globals of
 * the process. What is not for a simulation throws where it is used, so that real time or chance cannot enter unnoticed.
 */
import { drawsFrom, seedFor } from "./Chance.ts"
import type { Handles } from "./Handles.ts"
import type { Kernel } from "./Kernel.ts"
import { hostSymbol, type Ported } from "./Loader.ts"
import { isObject } from "../Json.ts"

const refuse = (name: string) => (): never => {
  throw new Error(`${name} is not for a simulation`)
}

/** Lays the modules of the host where the text of an image finds them. One at a time: the image that is loaded next takes them. */
export const layModules = ({ modules: held }: Handles): void => {
  const modules = {
    ...held,
    // Answers of the real disk would come at instants of their own.
    "node:fs/promises": Object.fromEntries(["mkdir", "open", "readFile", "readdir", "rm", "appendFile"].map((name) => [name, refuse(`${name} of node:fs/promises`)])),
    "node:timers": { setTimeout: refuse("setTimeout"), setImmediate: refuse("setImmediate"), clearTimeout: refuse("clearTimeout") },
    "node:child_process": { spawn: refuse("spawn") },
    "node:net": { Socket: class {}, createServer: refuse("createServer") },
    "node:http": { Agent: refuse("Agent"), ClientRequest: class {}, createServer: refuse("createServer") },
    "node:https": { Agent: refuse("Agent") }
  } satisfies Readonly<Record<Exclude<Ported, keyof Handles["modules"]>, unknown>>
  Reflect.set(globalThis, Symbol.for(hostSymbol), { modules })
}

// What a world takes away. The kernel and the threads keep their own.
const refused = ["setTimeout", "setImmediate"] as const

/** Acts while what code takes from the globals of the process is virtual, or not to be had. */
export const inVirtualTime = async <A>(kernel: Kernel, seed: number, act: () => Promise<A>): Promise<A> => {
  const { clearInterval, Date: RealDate, setImmediate, setInterval, setTimeout } = globalThis
  const [now, random, randomValues] = [Object.getOwnPropertyDescriptor(Date, "now"), Object.getOwnPropertyDescriptor(Math, "random"), Object.getOwnPropertyDescriptor(crypto, "getRandomValues")]
  Date.now = kernel.wallMs
  Math.random = drawsFrom(seedFor(seed, "Math.random"))
  Reflect.defineProperty(crypto, "getRandomValues", { value: refuse("crypto.getRandomValues"), configurable: true })
  // `new Date()` is the instant of the world too; what is a Date stays one.
  Reflect.set(globalThis, "Date", new Proxy(RealDate, { construct: (target, given, self) => Reflect.construct(target, given.length === 0 ? [kernel.wallMs()] : given, self) }))
  // Effect keeps a process alive with an interval while a fiber waits for ever; here nothing has to be kept alive.
  Reflect.set(globalThis, "setInterval", () => null)
  Reflect.set(globalThis, "clearInterval", () => undefined)
  for (const name of refused) Reflect.set(globalThis, name, refuse(name))
  try {
    return await act()
  } finally {
    Object.assign(globalThis, { clearInterval, Date: RealDate, setImmediate, setInterval, setTimeout })
    if (now !== undefined) Object.defineProperty(Date, "now", now)
    if (random !== undefined) Object.defineProperty(Math, "random", random)
    if (randomValues === undefined) Reflect.deleteProperty(crypto, "getRandomValues")
    else Object.defineProperty(crypto, "getRandomValues", randomValues)
  }
}

// Effect holds every fiber that it forked until it ends, and those of a killed process never do.
/** Forgets the fibers of processes that were killed. Nobody runs them again. */
export const forgetTheDead = (): void => {
  for (const [name, store] of Object.entries(globalThis)) {
    const scope: unknown = name.startsWith("effect/GlobalValue") && store instanceof Map ? store.get(Symbol.for("effect/FiberScope/Global")) : null
    if (isObject(scope) && scope["roots"] instanceof Set) scope["roots"].clear()
  }
}
