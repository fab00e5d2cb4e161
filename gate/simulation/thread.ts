/** A thread that plays seeds: loads the product once, then plays what it is sent, one after the other. */
import { constants, setPriority } from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import { judged } from "./Judged.ts"
import type { Said, Task, Wanted } from "./Protocol.ts"
import { lasting, readSetting } from "./Setting.ts"
import { Simulator } from "./Simulate.ts"

const say = (said: Said): void => parentPort?.postMessage(said)

const wordsOf = (cause: unknown): string => (cause instanceof Error ? cause.stack ?? cause.message : String(cause))

const serve = async ({ active_ms, dir, fake, image, measures, patches, setting: file }: Task): Promise<void> => {
  const setting = lasting(readSetting(file), active_ms)
  const simulator = new Simulator(dir, setting)
  await simulator.load(image, fake, "loaded", patches)
  parentPort?.on("message", ({ keep, only, seed }: Wanted) => {
    simulator.play(seed, only === null ? null : new Set(only)).then((played) => {
      const { problems, run } = judged(played, measures)
      const wanted = keep || run.failed.length > 0
      const kept = wanted ? { journalText: JSON.stringify(played.journal), eventsText: played.eventsText, effectsText: played.effectsText } : null
      say({ told: { run, problems, strikes: played.strikes, kept } })
    }, (cause: unknown) => say({ failed: `seed ${seed}: ${wordsOf(cause)}` }))
  })
  say({ ready: simulator.digest })
}

// Real processes that are played at the same time are timed by real clocks: they go first. On Linux this is about the calling thread alone.
setPriority(constants.priority.PRIORITY_LOW)
const task: Task = workerData
serve(task).catch((cause: unknown) => say({ failed: wordsOf(cause) }))
