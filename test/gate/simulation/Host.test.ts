import { describe, expect, it } from "vitest"
import { drawsFrom } from "../../../gate/simulation/Chance.ts"
import { Handles } from "../../../gate/simulation/Handles.ts"
import { inVirtualTime, layModules } from "../../../gate/simulation/Host.ts"
import { Kernel } from "../../../gate/simulation/Kernel.ts"
import { hostSymbol, ported } from "../../../gate/simulation/Loader.ts"

const startMs = Date.UTC(2001, 1, 3)
const within = <A>(act: (kernel: Kernel) => A): Promise<A> => {
  const kernel = new Kernel(drawsFrom(1), startMs)
  return inVirtualTime(kernel, 1, async () => act(kernel))
}

describe("while a world stands", () => {
  it("it is the instant of the world, however one asks", async () => {
    const seen = await within((kernel) => {
      kernel.wallOffsetMs += 5
      return [Date.now(), new Date().getTime(), new Date(7).getTime(), new Date(2020, 0).getFullYear(), new Date() instanceof Date]
    })
    expect(seen).toEqual([startMs + 5, startMs + 5, 7, 2020, true])
  })

  it("chance comes from the seed", async () => {
    const draw = () => within(() => [Math.random(), Math.random()])
    expect(await draw()).toEqual(await draw())
    expect((await draw())[0]).not.toBe(Math.random())
  })

  it.each([
    ["setTimeout", (): unknown => setTimeout(() => undefined, 1)],
    ["setImmediate", (): unknown => setImmediate(() => undefined)],
    ["crypto.getRandomValues", (): unknown => crypto.getRandomValues(new Uint8Array(1))]
  ])("%s is not to be had, and is again afterwards, even if the world breaks", async (name, use) => {
    await expect(within(use)).rejects.toThrow(`${name} is not for a simulation`)
    expect(use).not.toThrow()
  })
})

describe("the modules of a host", () => {
  it("are all that are ported, and what waits for the real machine throws", () => {
    const symbol = Symbol.for(hostSymbol)
    const before: unknown = Reflect.get(globalThis, symbol)
    layModules(new Handles({ current: () => null, disk: () => null }))
    const { modules } = Reflect.get(globalThis, symbol)
    Reflect.set(globalThis, symbol, before)
    expect(Object.keys(modules).sort()).toEqual([...ported].sort())
    for (const act of [modules["node:timers"].setTimeout, modules["node:fs/promises"].open, modules["node:child_process"].spawn, modules["node:net"].createServer]) expect(act).toThrow("is not for a simulation")
  })
})
