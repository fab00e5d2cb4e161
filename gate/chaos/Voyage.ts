/** The task in code that is killed at every commit of its run: a step of each class, a sleep, and a command that is heavy work. */
import { writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import type { DeclaredKind } from "../History.ts"
import { ledgerName, type Workspace } from "./Product.ts"

export const voyageKind = "voyage"
export const voyageModule = "voyage.mjs"
/** How often it takes effect: its three steps and its command. */
export const voyageEffects = 4
/** The number of the step that is the command. */
export const voyageCommand = 5

/** As its options below say it. */
export const voyageDeclared: DeclaredKind = { attempts: 1, base_ms: 1000, cap_ms: 60_000, approval_ttl_ms: 86_400_000, fails: false }

// Each body writes its two lines at once, so that a process that dies at a commit never dies between them.
const text = (opsgate: string): string => `import { appendFileSync, readFileSync } from "node:fs"
import { Schema, Task } from ${JSON.stringify(opsgate)}

const ledger = ${JSON.stringify(ledgerName)}
const upMs = () => Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000)

const act = (ctx, step) => {
  const line = (phase) => JSON.stringify({ phase, task: ctx.task, dispatch_key: step.dispatchKey, attempt: step.attempt, generation: step.generation, pid: process.pid, mono_ms: upMs() })
  appendFileSync(ledger, line("start") + "\\n" + line("done") + "\\n")
  return step.step
}

const acted = (step) => readFileSync(ledger, "utf8").includes(JSON.stringify({ dispatch_key: step.dispatchKey }).slice(1, -1))

const voyage = Task.defineAsync("${voyageKind}", { payload: Schema.Struct({ n: Schema.Int }), class: "heavy", risk: "scenario" }, async (ctx) => {
  await ctx.step("look", { effect: "read" }, async (step) => act(ctx, step))
  await ctx.step("note", { effect: "idempotent" }, async (step) => act(ctx, step))
  await ctx.sleep("rest", "20 millis")
  await ctx.step("pay", {
    effect: "dangerous",
    timeout: "1 minute",
    probe: async (step) => (acted(step) ? { happened: true, result: step.step } : { happened: false })
  }, async (step) => act(ctx, step))
  await ctx.exec("ship", { argv: ["sh", "effect.sh", "20", "true"], effect: "dangerous", timeout: "1 minute", cwd: process.cwd() })
  return ctx.payload.n
})

export const tasks = [voyage]
`

/** Writes the module into a workspace. It imports the built product that is played there. */
export const writeVoyage = ({ dir, program }: Workspace): void =>
  writeFileSync(join(dir, voyageModule), text(pathToFileURL(join(dirname(program), "index.js")).href))
