import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { type Estate, estate, folder, type House } from "./machines.ts"

const dir = folder()
let made: Estate
beforeAll(async () => {
  made = await estate(dir)
})

const submit = (n: number) => ({ op: "submit", kind: "light.sh", payload: { n, ms: 100 }, reason: null })
const types = ({ machine }: House): ReadonlyArray<string> => machine.behind(0).map((line) => String(JSON.parse(line).type))
const open = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)]
    } catch {
      return []
    }
  }).filter((file) => file.startsWith(dir))

const booted = async (house: House): Promise<void> => {
  house.machine.boot()
  await house.until(house.kernel.monoMs + 2000)
}

describe("a server that is killed", () => {
  it("leaves its write-ahead log as it was, and the next one reads it", () =>
    made.on(async (house) => {
      await booted(house)
      const first = await house.ask("ada", submit(1), "k1")
      expect(first).toMatchObject({ ok: { state: "QUEUED" } })
      house.machine.kill()
      expect(statSync(join(made.data, "opsgate.db-wal")).size).toBeGreaterThan(0)
      expect(existsSync(join(made.data, "opsgate.db-shm"))).toBe(false)
      await booted(house)
      expect(await house.ask("ada", submit(1), "k1")).toEqual(first)
      expect(types(house).filter((type) => type === "task.requested")).toHaveLength(1)
      expect(types(house).filter((type) => type === "epoch.started")).toHaveLength(2)
      expect(types(house)).not.toContain("epoch.ended")
    }))

  it.each(["before_begin", "before_commit", "after_commit"] as const)("%s keeps what was committed and nothing else, and answers nobody", (point) =>
    made.on(async (house) => {
      await booted(house)
      let struck = 0
      house.machine.killAtCommit(point, 1, () => void (struck += 1))
      expect(await house.ask("ada", submit(1), "k1")).toBeNull()
      expect([struck, house.machine.process]).toEqual([1, null])
      await booted(house)
      expect(types(house).filter((type) => type === "task.requested")).toHaveLength(point === "after_commit" ? 1 : 0)
    }))

  it("holds no file and no connection any more, though it is killed thirty times in the middle of its work", () =>
    made.on(async (house) => {
      await booted(house)
      const whileOne = open()
      expect(whileOne.filter((file) => /opsgate\.db/.test(file)).length).toBeGreaterThan(0)
      for (let n = 0; n < 30; n++) {
        await house.ask("ada", submit(n), `k${n}`)
        house.machine.kill()
        expect(open()).toEqual([])
        await booted(house)
      }
      expect(open().length).toBeLessThanOrEqual(whileOne.length)
      expect(types(house).filter((type) => type === "task.requested")).toHaveLength(30)
    }))
})

describe("a server that is told to stop", () => {
  it("ends its epoch, and holds nothing", () =>
    made.on(async (house) => {
      await booted(house)
      house.machine.server?.stop()
      await house.until(house.kernel.monoMs + 60_000)
      expect([house.machine.server, open()]).toEqual([null, []])
      expect(types(house)).toContain("epoch.ended")
    }))
})

describe("storage in trouble", () => {
  it.each(["busy", "full", "io"] as const)("refuses what is written, and says how often: %s", (trouble) =>
    made.on(async (house) => {
      await booted(house)
      house.machine.trouble = trouble
      expect(await house.ask("ada", submit(1), "k1")).toMatchObject({ refused: { tag: "EngineUnavailable" } })
      expect(house.machine.troubled).toBeGreaterThan(0)
      house.machine.trouble = null
      await house.until(house.kernel.monoMs + 30_000)
      expect(await house.ask("ada", submit(1), "k1")).toMatchObject({ ok: { state: "QUEUED" } })
    }))

  it.each([true, false])("ends the server when a sync fails; what was to be synced is there: %s", (kept) =>
    made.on(async (house) => {
      await booted(house)
      const ends: Array<string> = []
      house.machine.onEnd = (why) => void ends.push(why)
      let struck = 0
      house.machine.failSync = { kept, then: () => void (struck += 1) }
      expect(await house.ask("ada", submit(1), "k1")).toBeNull()
      expect([struck, ends.length, house.machine.process]).toEqual([1, 1, null])
      await booted(house)
      expect(types(house).filter((type) => type === "task.requested")).toHaveLength(kept ? 1 : 0)
    }))
})
