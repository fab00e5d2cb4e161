import { getEventListeners } from "node:events"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"
import { playAll, ThreadBroken } from "../../../gate/simulation/Pool.ts"
import type { Told, Wanted } from "../../../gate/simulation/Protocol.ts"
import { folder, root, settingFile } from "./machines.ts"

const dir = folder()
const places = join(dir, "places")

// A thread as the pool knows it, which plays no product: what it does with a seed stands in `act`.
const thread = (act: string, begin = ""): string => {
  const file = join(dir, "thread.mjs")
  writeFileSync(file, `import { parentPort, workerData } from "node:worker_threads"
import { appendFileSync } from "node:fs"
appendFileSync(${JSON.stringify(places)}, workerData.dir + "\\n")
${begin}
const tell = (seed) => parentPort.postMessage({ told: { run: { seed, digest: "d", events: 1, virtual_ms: 1, failed: [], hits: {}, seen: {} }, problems: [], strikes: [], kept: null } })
parentPort.on("message", ({ seed }) => { ${act} })
parentPort.postMessage({ ready: "" })
`)
  return file
}

const seeds = (count: number): ReadonlyArray<Wanted> => Array.from({ length: count }, (_, n) => ({ seed: n + 1, only: null, keep: false }))

const playing = async (file: string, count: number, { signal = new AbortController().signal, told = () => undefined }: { readonly signal?: AbortSignal; readonly told?: (one: Told) => void } = {}) => {
  const all: Array<Told> = []
  await playAll({ thread: file, image: "", fake: "", setting: "", patches: [], measures: [], threads: 2 }, seeds(count), (one) => {
    all.push(one)
    told(one)
  }, signal)
  return all.sort((a, b) => a.run.seed - b.run.seed)
}

// Each thread says where its folder is; afterwards none of them is there.
const left = (): ReadonlyArray<string> => readFileSync(places, "utf8").trim().split("\n").filter(existsSync)

beforeEach(() => rmSync(places, { force: true }))

describe("a pool", () => {
  it("plays every seed once, and takes its folders away", async () => {
    const all = await playing(thread("tell(seed)"), 20)
    expect(all.map(({ run }) => run.seed)).toEqual(seeds(20).map(({ seed }) => seed))
    expect(left()).toEqual([])
  })

  it.each([
    ["throws", "if (seed === 3) throw new Error(\"it broke\"); tell(seed)", "it broke"],
    ["ends by itself", "if (seed === 3) process.exit(7); tell(seed)", "a thread ended by itself, with 7"],
    ["says that it cannot go on", "if (seed === 3) return parentPort.postMessage({ failed: \"seed 3: cannot\" }); tell(seed)", "seed 3: cannot"]
  ])("tells a seed as failed in which a thread %s, and plays the others", async (_, act, why) => {
    const all = await playing(thread(act), 8)
    expect(all.map(({ run: { failed, seed } }) => [seed, failed])).toEqual(seeds(8).map(({ seed }) => [seed, seed === 3 ? ["scenariosComplete"] : []]))
    expect(all[2]?.problems).toEqual([why])
    expect(left()).toEqual([])
  })

  it.each([["throws", "throw new Error(\"no product here\")"], ["says so", "parentPort.postMessage({ failed: \"no product here\" })"]])("rejects when a thread cannot begin, and %s", async (_, begin) => {
    await expect(playing(thread("tell(seed)", begin), 4)).rejects.toThrow(new ThreadBroken("no product here"))
    expect(left()).toEqual([])
  })

  it("ends all threads when it is stopped, and takes their folders away, in the middle of a seed too", async () => {
    const stop = new AbortController()
    // The second seed never ends.
    const all = await playing(thread("if (seed === 2) for (;;) {} tell(seed)"), 50, { signal: stop.signal, told: ({ run }) => run.seed === 50 && stop.abort() })
    expect(all).toHaveLength(49)
    expect(left()).toEqual([])
    expect(await playing(thread("tell(seed)"), 3, { signal: stop.signal })).toEqual([])
  })

  it("leaves no listener on the signal under which pool after pool plays", async () => {
    const { signal } = new AbortController()
    await playing(thread("tell(seed)"), 2, { signal })
    await playing(thread("tell(seed)"), 0, { signal })
    expect(getEventListeners(signal, "abort")).toEqual([])
  })

  it("refuses a product that cannot be loaded, in one sentence", async () => {
    const image = join(dir, "image.js")
    writeFileSync(image, "export const boot = 1;\n")
    const given = { thread: join(root, "dist/simulation.js"), image, fake: join(root, "dist/telegram-world.js"), setting: settingFile, patches: [], measures: [], threads: 1 }
    await expect(playAll(given, seeds(1), () => undefined, new AbortController().signal)).rejects.toThrow("the built product cannot be simulated: it does not export what a simulation boots")
    await expect(playAll({ ...given, patches: [{ find: "nowhere", replace: "" }] }, seeds(1), () => undefined, new AbortController().signal)).rejects.toThrow("a patch fits 0 times: nowhere")
  })
})
