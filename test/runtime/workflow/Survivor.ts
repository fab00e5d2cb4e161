/** Asks for the story under its key and goes on with it until it has ended: what a program does at its every start. */
import { setTimeout as sleep } from "node:timers/promises"
import { isTerminal, Opsgate, type TaskRecord } from "#opsgate"
import { type Flavour, happened, type storyOf } from "./Story.ts"

type Client = Awaited<ReturnType<typeof Opsgate.open>>

// So long that no heartbeat falls into a test: every commit is one of the story.
const longLease = "10 minutes"

export const openStory = (file: string, story: ReturnType<typeof storyOf>, lease: "1 second" | typeof longLease = longLease): Promise<Client> =>
  Opsgate.open({ file, tasks: [story], workers: 2, lease })

/** What had to be settled by hand, and how. */
export interface Settled {
  readonly step: number
  readonly outcome: "succeeded" | "retry"
}

/** Waits until the task ends, sends the signal when it waits for it, and settles by the ledger what nobody knows. */
export const survive = async (ops: Client, story: ReturnType<typeof storyOf>, flavour: Flavour, ledger: string): Promise<{ readonly task: TaskRecord; readonly settled: ReadonlyArray<Settled> }> => {
  const { task: id } = await ops.submit(story, flavour, { key: "the story" })
  const settled: Array<Settled> = []
  for (;;) {
    const task = await ops.get(id)
    if (isTerminal[task.state]) return { task, settled }
    if (task.unknown !== null) {
      const { step } = task.unknown
      const known = (await ops.steps(id)).find(({ number }) => number === step)
      if (known?.state !== "open") throw new Error(`step ${step} is said to be unknown and is ${known?.state}`)
      const result = happened(ledger, known.dispatchKey)
      const outcome = result === undefined ? "retry" : "succeeded"
      await ops.command({ op: "reconcile", task: id, outcome, reason: "the ledger says so", ...(result === undefined ? {} : { result }) })
      settled.push({ step, outcome })
    } else if (task.waits.includes("signal:go")) {
      await ops.command({ op: "signal", task: id, name: "go", payload: null, reason: null }, { key: "the signal" })
    } else await sleep(1)
  }
}
