/** Machines with the product as it is built, for tests that look into one; and a folder that is away when a file of tests has ended. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"
import { drawsFrom } from "../../../gate/simulation/Chance.ts"
import { Commands } from "../../../gate/simulation/Commands.ts"
import { Handles } from "../../../gate/simulation/Handles.ts"
import { forgetTheDead, inVirtualTime, layModules } from "../../../gate/simulation/Host.ts"
import { Kernel } from "../../../gate/simulation/Kernel.ts"
import { loadImage } from "../../../gate/simulation/Loader.ts"
import { type Image, isImage, Machine, type Reply } from "../../../gate/simulation/Machine.ts"
import { readSetting } from "../../../gate/simulation/Setting.ts"
import { flowsSymbol, prepare } from "../../../gate/simulation/Workspace.ts"

export const root = fileURLToPath(new URL("../../../", import.meta.url))
export const settingFile = join(root, "scenarios/simulated/seeds.json")

/** In memory, as simulations are played. Vitest leaves alone what is imported from `node_modules`, where it would rewrite all of the image. */
export const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), "opsgate-simulation-test-"))
  afterAll(() => rmSync(made, { recursive: true, force: true }))
  const dir = join(made, "node_modules")
  mkdirSync(dir)
  return dir
}

export interface House {
  readonly kernel: Kernel
  readonly commands: Commands
  readonly machine: Machine
  /** Asks a server as a person at a terminal; null: no answer came in a virtual minute. */
  readonly ask: (person: string, ask: object, key: string) => Promise<unknown>
  readonly until: (ms: number) => Promise<boolean>
}

export interface Estate {
  readonly data: string
  readonly handles: Handles
  /** Acts on a machine of its own, without a network, that has an empty disk; ends what is left. */
  readonly on: <A>(act: (house: House) => Promise<A>) => Promise<A>
}

export const estate = async (dir: string): Promise<Estate> => {
  let kernel: Kernel | null = null
  let machine: Machine | null = null
  const handles = new Handles({ current: () => kernel?.current ?? null, disk: (process) => machine?.disk(process) ?? null })
  layModules(handles)
  const { image } = await loadImage(join(root, "dist/image.js"), dir, "tested")
  if (!isImage(image)) throw new Error("this is no image")
  const known: Image = image
  // Nothing in code is asked for here: its outside is never reached.
  Reflect.set(globalThis, Symbol.for(flowsSymbol), { outside: {}, Schema: known.Schema, Task: known.Task })
  // Whoever counts requests counts those of people.
  const config = await known.configure(prepare(dir, { ...readSetting(settingFile), tick_ms: 86_400_000 }))
  const data = join(dir, "data")
  return {
    data,
    handles,
    on: (act) => {
      rmSync(data, { recursive: true, force: true })
      mkdirSync(data, { recursive: true, mode: 0o700 })
      const made = new Kernel(drawsFrom(1), Date.UTC(2026, 0, 5, 8))
      const commands = new Commands(made, drawsFrom(2))
      const call = (): Promise<Reply> => new Promise((resolve) => void made.later(null, 1000, () => resolve({ failed: "ECONNREFUSED" })))
      const own = new Machine({ kernel: made, image: known, config, data, handles, commands, call, draw: drawsFrom(3), says: () => undefined })
      kernel = made
      machine = own
      const until = (ms: number): Promise<boolean> => made.run(() => false, ms)
      const ask = async (person: string, words: object, key: string): Promise<unknown> => {
        const { process, server } = own
        let answer: unknown = null
        if (process !== null) made.soon(process, () => void server?.ask(`cli:${person}`, JSON.stringify({ v: 1, ask: words, key })).then((line) => void (answer = JSON.parse(line))))
        const untilMs = made.monoMs + 60_000
        await made.run(() => answer !== null, untilMs)
        return answer
      }
      return inVirtualTime(made, 1, () => act({ kernel: made, commands, machine: own, ask, until })).finally(() => {
        own.kill()
        own.closeLog()
        forgetTheDead()
      })
    }
  }
}
