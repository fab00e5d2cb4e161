/**
 * The workflows that the crash tests kill: five steps that write to the ledger, in each effect class, and one with a sleep and a
 * signal in between. A `Fault` names the instant at which the process ends itself with SIGKILL.
 */
import { randomUUID } from "node:crypto"
import { Schema } from "effect"
import { type AsyncContext, Task } from "#opsgate"
import { append, linesOf } from "./Ledger.ts"

export const flavours = ["read", "idempotent", "atMostOnce", "probe", "mixed"] as const
export type Flavour = (typeof flavours)[number]

export interface BodyFault {
  /** The step in whose body, and the line of the ledger behind which, the process ends. */
  readonly step: number
  readonly at: "start" | "end"
}

/** SIGKILL to this process. Not even the next line runs. */
export const die = (): never => {
  process.kill(process.pid, "SIGKILL")
  for (;;);
}

export const stepNames = ["one", "two", "three", "four", "five"] as const

/** What each step of a flavour is. */
export const classes = {
  read: ["read", "read", "read", "read", "read"],
  idempotent: ["idempotent", "idempotent", "idempotent", "idempotent", "idempotent"],
  atMostOnce: ["atMostOnce", "atMostOnce", "atMostOnce", "atMostOnce", "atMostOnce"],
  probe: ["probe", "probe", "probe", "probe", "probe"],
  mixed: ["read", "probe", "idempotent", "atMostOnce", "probe"]
} as const satisfies Record<Flavour, ReadonlyArray<Exclude<Flavour, "mixed">>>

/** What has happened outside under this key, as the outside system would tell. */
export const happened = (ledger: string, key: string): string | undefined => linesOf(ledger).find((line) => line.at === "start" && line.key === key)?.value

export const storyOf = (flavour: Flavour, ledger: string, fault: BodyFault | null = null) => {
  const wrote = (ctx: AsyncContext<string>, index: number): Promise<string> => {
    const name = stepNames[index] ?? ""
    const body = async ({ dispatchKey: key, generation, step }: { readonly dispatchKey: string; readonly generation: number; readonly step: number }) => {
      const line = { name, key, generation, value: randomUUID() }
      const dieAt = (at: BodyFault["at"]) => {
        append(ledger, { at, ...line })
        if (fault?.step === index + 1 && fault.at === at) die()
      }
      dieAt("start")
      await Promise.resolve(step)
      dieAt("end")
      return line.value
    }
    switch (classes[flavour][index]) {
      case "read":
        return ctx.step(name, { effect: "read" }, body)
      case "idempotent":
        return ctx.step(name, { effect: "idempotent" }, body)
      case "atMostOnce":
        return ctx.step(name, { effect: "dangerous", timeout: "1 minute", atMostOnce: true }, body)
      default:
        return ctx.step(name, {
          effect: "dangerous",
          timeout: "1 minute",
          probe: async ({ dispatchKey }) => {
            const result = happened(ledger, dispatchKey)
            return result === undefined ? { happened: false } : { happened: true, result }
          }
        }, body)
    }
  }

  return Task.defineAsync("story", { payload: Schema.String, retry: { base: "1 millis" } }, async (ctx) => {
    const values = [await wrote(ctx, 0), await wrote(ctx, 1)]
    if (flavour === "mixed") await ctx.sleep("nap", "1 millis")
    values.push(await wrote(ctx, 2))
    if (flavour === "mixed") await ctx.waitFor("go")
    values.push(await wrote(ctx, 3), await wrote(ctx, 4))
    return values
  })
}
