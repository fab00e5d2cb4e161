/**
 * What is asked of the product: a configuration with kinds that run real commands (sh, git, node), and a list of tasks
 * drawn from the seed. Each command writes its own line into the ledger when it starts and when it is done.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { DeclaredKind, Request, Scenario } from "../History.ts"
import { ledgerName } from "./Product.ts"
import { between } from "./Seed.ts"

/** Kinds whose tasks need a yes and a resume. */
const approvedKinds: ReadonlyArray<string> = ["heavy.sh", "heavy.broken", "heavy.brief", "heavy.twice"]
export const needsApproval = ({ kind }: Planned): boolean => approvedKinds.includes(kind)

/**
 * What is done with a task after it was asked for. `early`: it is resumed before anybody said yes. `alone`: one person says yes twice
 * where two people have to, then it is resumed. Nothing may come of either.
 */
export type Handling = "run" | "reject" | "leave" | "cancel" | "early" | "alone"

export interface Planned {
  readonly key: string
  readonly kind: string
  readonly class: "light" | "heavy"
  readonly payload: { readonly n: number; readonly ms: number }
  readonly handling: Handling
  readonly expect: Request["expect"]
}

// One write in append mode per line. The clock is /proc/uptime: monotonic, 10 ms fine.
const effectScript = `#!/bin/sh
# usage: effect.sh MILLISECONDS COMMAND ...   starts, works, runs the command, is done
ledger() {
  read -r up rest < /proc/uptime
  printf '{"phase":"%s","task":"%s","dispatch_key":"%s","attempt":%s,"generation":%s,"pid":%s,"mono_ms":%s}\\n' \\
    "$1" "$OPSGATE_TASK" "$OPSGATE_DISPATCH_KEY" "$OPSGATE_ATTEMPT" "$OPSGATE_GENERATION" "$$" "\${up%.*}\${up#*.}0" >> ${ledgerName}
}
ms=$1
shift
ledger start
sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
"$@" || exit $?
ledger done
`

const run = (...argv: ReadonlyArray<string>) => ({ argv: ["sh", "effect.sh", "{{ms}}", ...argv], cwd: ".", env: ["PATH"] })

const payload = {
  type: "object",
  additionalProperties: false,
  required: ["n", "ms"],
  properties: { n: { type: "integer" }, ms: { type: "integer", minimum: 0, maximum: 600_000 } }
}

// A command of `light.held` works until this file is there, and fails when it does not come.
const letGoName = "let-go"
const heldMaxS = 180

const kinds = {
  "light.sh": { class: "light", payload, exec: run("sh", "-c", "echo $OPSGATE_TASK"), retry: { attempts: 5, base_ms: 20, cap_ms: 100 } },
  "light.node": { class: "light", payload, exec: run("node", "-e", "process.stdout.write(process.env.OPSGATE_DISPATCH_KEY)"), retry: { attempts: 5, base_ms: 20, cap_ms: 100 } },
  "light.broken": { class: "light", payload, exec: run("sh", "-c", "echo no >&2; exit 3"), retry: { attempts: 2, base_ms: 10, cap_ms: 20 } },
  "light.held": { class: "light", payload, exec: run("sh", "-c", `n=0; until [ -e ${letGoName} ]; do n=$((n+1)); [ $n -lt ${heldMaxS * 20} ] || exit 1; sleep 0.05; done`) },
  "heavy.sh": { class: "heavy", risk: "scenario", payload, exec: run("sh", "-c", "echo $OPSGATE_TASK") },
  "heavy.git": { class: "heavy", risk: "scenario", approval: "none", payload, exec: run("git", "init", "--quiet", "repositories/{{n}}") },
  "heavy.node": { class: "heavy", risk: "scenario", approval: "none", payload, exec: run("node", "-e", "process.exit(0)") },
  "heavy.broken": { class: "heavy", risk: "scenario", payload, exec: run("sh", "-c", "exit 4") },
  "heavy.brief": { class: "heavy", risk: "scenario", payload, approval_ttl_ms: 1, exec: run("true") },
  "heavy.twice": { class: "heavy", risk: "scenario", payload, exec: run("true") }
}

/** What the product does where a kind says nothing (docs/settings.md). */
const byDefault = { attempts: { light: 3, heavy: 1 }, base_ms: 1000, cap_ms: 60_000, approval_ttl_ms: 86_400_000 } as const
const failing: ReadonlySet<string> = new Set(["light.broken", "heavy.broken"])

interface KindEntry {
  readonly class: string
  readonly retry?: { readonly attempts: number; readonly base_ms: number; readonly cap_ms: number }
  readonly approval_ttl_ms?: number
}

const declared = (name: string, { approval_ttl_ms = byDefault.approval_ttl_ms, class: taskClass, retry }: KindEntry): DeclaredKind => ({
  attempts: retry?.attempts ?? (taskClass === "heavy" ? byDefault.attempts.heavy : byDefault.attempts.light),
  base_ms: retry?.base_ms ?? byDefault.base_ms,
  cap_ms: retry?.cap_ms ?? byDefault.cap_ms,
  approval_ttl_ms,
  fails: failing.has(name)
})

/** The kinds of every workload, as its journal has them. */
export const declaredKinds: Readonly<Record<string, DeclaredKind>> = Object.fromEntries(Object.entries<KindEntry>(kinds).map(([name, entry]) => [name, declared(name, entry)]))

const policy = { v: 1, kinds: { "heavy.twice": { approvals: 2 } } }

/** Writes the configuration, with `more` members, and the script that every command goes through. */
export const prepare = (dir: string, scenario: Scenario, more: Readonly<Record<string, unknown>> = {}): void => {
  mkdirSync(join(dir, "repositories"), { recursive: true })
  writeFileSync(join(dir, "effect.sh"), effectScript, { mode: 0o755 })
  const { limits, workload } = scenario
  const config = { v: 1, workers: workload.concurrency, lease_ms: limits.lease_ms, approvals: { self: true }, policy: "opsgate.policy.json", kinds, ...more }
  writeFileSync(join(dir, "opsgate.policy.json"), `${JSON.stringify(policy, null, 2)}\n`)
  writeFileSync(join(dir, "opsgate.config.json"), `${JSON.stringify(config, null, 2)}\n`)
}

/** Lets the commands of `light.held` end, those to come too. */
export const letGo = (dir: string): void => writeFileSync(join(dir, letGoName), "")

/** The files that configure the product, as it found them. */
export interface Configuration {
  readonly config: unknown
  readonly policy: unknown
}

/** What lies in the folder of a scenario; null when there is no configuration that can be read. */
export const configurationIn = (dir: string): Configuration | null => {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(dir, name), "utf8"))
  try {
    return { config: read("opsgate.config.json"), policy: read("opsgate.policy.json") }
  } catch {
    return null
  }
}

const lightKinds = ["light.sh", "light.node", "light.sh"] as const
const heavyKinds = ["heavy.sh", "heavy.git", "heavy.node"] as const

/** What is expected of a task that nothing stands against. */
export const once = { states: ["SUCCEEDED"], done_min: 1, done_max: 1 } as const
const never = (...states: ReadonlyArray<string>) => ({ states, done_min: 0, done_max: 0 })

// The first tasks of a workload are the odd ones, so that every ending occurs in every run.
const odd: ReadonlyArray<Pick<Planned, "kind" | "class" | "handling" | "expect">> = [
  { kind: "heavy.broken", class: "heavy", handling: "run", expect: never("FAILED") },
  { kind: "light.broken", class: "light", handling: "run", expect: never("FAILED") },
  { kind: "heavy.sh", class: "heavy", handling: "reject", expect: never("CANCELED") },
  { kind: "heavy.sh", class: "heavy", handling: "leave", expect: never("REQUESTED") },
  { kind: "heavy.sh", class: "heavy", handling: "cancel", expect: never("CANCELED") },
  { kind: "heavy.sh", class: "heavy", handling: "early", expect: never("REQUESTED") },
  { kind: "heavy.twice", class: "heavy", handling: "alone", expect: never("REQUESTED") }
]

const ordinary = (chance: () => number, heavyPpm: number): Pick<Planned, "kind" | "class" | "handling" | "expect"> => {
  const heavy = chance() * 1_000_000 < heavyPpm
  const names = heavy ? heavyKinds : lightKinds
  const kind = names[between(chance, 0, names.length - 1)] ?? names[0]
  return { kind, class: heavy ? "heavy" : "light", handling: "run", expect: once }
}

/** The tasks of a scenario, in the order in which they are asked for. */
export const plan = (scenario: Scenario, chance: () => number, workMs: readonly [number, number]): ReadonlyArray<Planned> =>
  Array.from({ length: scenario.workload.tasks }, (_, n) => {
    const base = (scenario.workload.tasks >= 20 ? odd[n] : undefined) ?? ordinary(chance, scenario.workload.heavy_ppm)
    return { ...base, key: `${scenario.id}:${scenario.seed}:${n}`, payload: { n, ms: between(chance, workMs[0], workMs[1]) } }
  })
