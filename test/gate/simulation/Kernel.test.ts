import { describe, expect, it } from "vitest"
import { drawsFrom } from "../../../gate/simulation/Chance.ts"
import { Kernel } from "../../../gate/simulation/Kernel.ts"

const kernelOf = (seed: number): Kernel => new Kernel(drawsFrom(seed), 1_000_000)
const toTheEnd = (kernel: Kernel): Promise<boolean> => kernel.run(() => false)

const orderOf = async (seed: number): Promise<string> => {
  const kernel = kernelOf(seed)
  const said: Array<number> = []
  for (let n = 0; n < 8; n++) kernel.soon(null, () => void said.push(n))
  await toTheEnd(kernel)
  return said.join(" ")
}

describe("turns", () => {
  it("come in an order that the seed decides, and each comes once", async () => {
    const seeds = [1, 2, 3, 4, 5]
    const orders = await Promise.all(seeds.map(orderOf))
    expect(await Promise.all(seeds.map(orderOf))).toEqual(orders)
    expect(new Set(orders).size).toBe(seeds.length)
    for (const order of orders) expect(order.split(" ").sort().join(" ")).toBe("0 1 2 3 4 5 6 7")
  })

  it("know whose they are, and nobody's turn it is between them", async () => {
    const kernel = kernelOf(1)
    const [one, other] = [kernel.spawn(), kernel.spawn()]
    const wrong: Array<unknown> = []
    for (const process of [one, other, null]) kernel.soon(process, () => void (kernel.current === process || wrong.push(process)))
    await toTheEnd(kernel)
    expect([wrong, kernel.turns]).toEqual([[], 3])
    expect(kernel.current).toBeNull()
  })

  it("come before time goes on, those of promises too", async () => {
    const kernel = kernelOf(1)
    const said: Array<string> = []
    kernel.later(null, 1, () => void said.push("timer"))
    kernel.soon(null, () => void Promise.resolve().then(() => kernel.soon(null, () => void said.push(`promise at ${kernel.monoMs}`))))
    await toTheEnd(kernel)
    expect(said).toEqual(["promise at 0", "timer"])
  })
})

describe("timers", () => {
  it("ring in the order of their instants, whatever the order in which they were set, and time stands at each", async () => {
    const kernel = kernelOf(7)
    const draw = drawsFrom(3)
    const delays = Array.from({ length: 300 }, () => Math.floor(draw() * 100_000))
    const rang: Array<number> = []
    for (const delay of delays) kernel.later(null, delay, () => void rang.push(kernel.monoMs))
    await toTheEnd(kernel)
    expect(rang).toEqual([...delays].sort((one, other) => one - other))
    expect(kernel.wallMs()).toBe(1_000_000 + Math.max(...delays))
  })

  it("do not ring once they are canceled, not even in the turn before their own", async () => {
    const kernel = kernelOf(1)
    const rang: Array<string> = []
    kernel.later(null, 10, () => void rang.push("early"))()
    const cancels = ["a", "b"].map((name) => kernel.later(null, 20, () => {
      rang.push(name)
      cancels.forEach((cancel) => cancel())
    }))
    await toTheEnd(kernel)
    expect(rang).toHaveLength(1)
    expect(["a", "b"]).toContain(rang[0])
  })

  it("wait for an instant that is not passed: a run ends there and goes on later", async () => {
    const kernel = kernelOf(1)
    const rang: Array<number> = []
    for (const delay of [5, 50]) kernel.later(null, delay, () => void rang.push(delay))
    expect(await kernel.run(() => false, 20)).toBe(false)
    expect([rang, kernel.monoMs]).toEqual([[5], 20])
    expect(await kernel.run(() => rang.length === 2)).toBe(true)
    expect(kernel.monoMs).toBe(50)
  })
})

describe("a world that goes round in circles at one instant", () => {
  it("is told, instead of being waited for", async () => {
    const kernel = kernelOf(1)
    const round = (): void => kernel.soon(null, round)
    kernel.later(null, 7, round)
    await expect(toTheEnd(kernel)).rejects.toThrow("more than 1000000 turns at one instant, 7 ms after the beginning")
  })

  it("is not taken for one that has much to do, at one instant after the other", async () => {
    const kernel = kernelOf(1)
    const busy = (): void => {
      for (let n = 0; n < 1000; n++) kernel.soon(null, () => undefined)
      if (kernel.monoMs < 1200) kernel.later(null, 1, busy)
    }
    busy()
    await toTheEnd(kernel)
    expect(kernel.turns).toBeGreaterThan(1_000_000)
  })
})

describe("a process that is killed", () => {
  it("has no further turn, no timer and no finalizer", async () => {
    const kernel = kernelOf(1)
    const [victim, other] = [kernel.spawn(), kernel.spawn()]
    const said: Array<string> = []
    const work = async (name: string, process: typeof victim): Promise<void> => {
      try {
        await new Promise<void>((resolve) => void kernel.later(process, 10, resolve))
        said.push(`${name} went on`)
      } finally {
        said.push(`${name} tidied up`)
      }
    }
    kernel.soon(victim, () => void work("victim", victim))
    kernel.soon(other, () => void work("other", other))
    kernel.later(null, 5, () => {
      kernel.soon(victim, () => void said.push("victim had a turn"))
      kernel.kill(victim)
      kernel.soon(victim, () => void said.push("victim had another turn"))
      kernel.later(victim, 1, () => void said.push("victim had a timer"))
    })
    await toTheEnd(kernel)
    expect(said).toEqual(["other went on", "other tidied up"])
  })

  it("loses what it was given while it was stopped", async () => {
    const kernel = kernelOf(1)
    const victim = kernel.spawn()
    const said: Array<string> = []
    kernel.stop(victim)
    kernel.soon(victim, () => void said.push("held"))
    kernel.kill(victim)
    kernel.goOn(victim)
    await toTheEnd(kernel)
    expect([said, victim.state, victim.held]).toEqual([[], "dead", []])
  })

  it("may throw on its way down; whoever lives may not", async () => {
    const kernel = kernelOf(1)
    const victim = kernel.spawn()
    const fall = (): never => {
      throw new Error("falling")
    }
    kernel.soon(victim, () => {
      kernel.kill(victim)
      fall()
    })
    await toTheEnd(kernel)
    kernel.soon(kernel.spawn(), fall)
    await expect(toTheEnd(kernel)).rejects.toThrow("falling")
  })
})

describe("a process that is stopped", () => {
  it("keeps turns and timers for when it goes on, while time passes and others work", async () => {
    const kernel = kernelOf(1)
    const stopped = kernel.spawn()
    const said: Array<string> = []
    const say = (what: string) => () => void said.push(`${what} at ${kernel.monoMs}`)
    // It was given this turn while it still ran.
    kernel.soon(stopped, say("turn"))
    kernel.stop(stopped)
    kernel.later(stopped, 10, say("timer"))
    kernel.later(null, 20, say("other"))
    kernel.later(null, 30, () => kernel.goOn(stopped))
    await toTheEnd(kernel)
    expect([...said].sort()).toEqual(["other at 20", "timer at 30", "turn at 30"])
  })
})

describe("a fiber", () => {
  const yields = (ppm: number, currentOpCount: number, seed = 1): ReadonlyArray<number | false> => {
    const kernel = kernelOf(seed)
    kernel.preemptionPpm = ppm
    const { shouldYield } = kernel.turnTaker(kernel.spawn())
    return Array.from({ length: 1000 }, () => shouldYield({ currentOpCount }))
  }

  it("gives up its turn after 2048 operations, and before only where the seed says so", () => {
    expect(new Set(yields(0, 2048))).toEqual(new Set([false]))
    expect(new Set(yields(0, 2049))).toEqual(new Set([0]))
    const half = yields(500_000, 1)
    expect(half).toEqual(yields(500_000, 1))
    expect(half).not.toEqual(yields(500_000, 1, 2))
    // 1000 draws at one half: beyond six standard deviations from 500 in no seed that anybody meets.
    expect(Math.abs(half.filter((said) => said === 0).length - 500)).toBeLessThan(95)
  })
})
