/** A program that is stopped in the middle of a step: its body waits for a file that the test makes. */
import { randomUUID } from "node:crypto"
import { existsSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { Schema } from "effect"
import { type StepContext, Task } from "#opsgate"
import { append } from "./Ledger.ts"
import { type Flavour, happened } from "./Story.ts"
import { openStory, survive } from "./Survivor.ts"

export interface Orders {
  readonly file: string
  readonly ledger: string
  readonly release: string
  readonly flavour: Exclude<Flavour, "mixed" | "read">
}

const { file, flavour, ledger, release }: Orders = JSON.parse(process.argv[2] ?? "")

const body = (name: string, waits: boolean) => async ({ dispatchKey: key, generation }: StepContext): Promise<string> => {
  const line = { name, key, generation, value: randomUUID() }
  append(ledger, { at: "start", ...line })
  while (waits && !existsSync(release)) await sleep(5)
  append(ledger, { at: "end", ...line })
  return line.value
}

const story = Task.defineAsync("story", { payload: Schema.String, retry: { base: "1 millis" } }, async (ctx) => {
  const dangerous = { effect: "dangerous", timeout: "1 minute" } as const
  const options = {
    idempotent: { effect: "idempotent" },
    atMostOnce: { ...dangerous, atMostOnce: true },
    probe: {
      ...dangerous,
      probe: async ({ dispatchKey }: StepContext) => {
        const result = happened(ledger, dispatchKey)
        return result === undefined ? { happened: false } as const : { happened: true, result } as const
      }
    }
  } as const
  const held = await ctx.step("held", options[flavour], body("held", true))
  return [held, await ctx.step("after", { effect: "idempotent" }, body("after", false))]
})

const ops = await openStory(file, story, "1 second")
const { settled, task } = await survive(ops, story, flavour, ledger)
await ops.close()
process.stdout.write(JSON.stringify({ state: task.state, result: JSON.parse(task.result ?? "null"), settled }))
