/** The configuration of a simulated machine, and the work that is asked of it. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { DeclaredKind, Request } from "../History.ts"
import { between, type Draw, pick } from "./Chance.ts"
import type { Setting } from "./Setting.ts"

/** Who there is: a number for chats, and a name of the operating system. `eve` is nobody's business. */
export const numbers = { ada: 101, bob: 102, cyd: 103, dan: 104, eve: 109 } as const
export type Person = keyof typeof numbers
export const requesters = ["ada", "dan"] as const
export const approvers = ["bob", "cyd"] as const

export const bot = "123456789"
export const token = `${bot}:simulation-of-the_strict_fake-000`

const payload = {
  type: "object",
  additionalProperties: false,
  required: ["n", "ms"],
  properties: { n: { type: "integer" }, ms: { type: "integer", minimum: 0, maximum: 600_000 }, fails: { type: "integer", minimum: 0, maximum: 9 } }
}

const exec = { argv: ["simulated"], cwd: ".", kill_grace_ms: 2000 }
const retry = { attempts: 4, base_ms: 2000, cap_ms: 20_000 }
const dayMs = 86_400_000
const briefMs = 120_000

const kinds = {
  "light.sh": { class: "light", payload, exec, retry },
  "light.flaky": { class: "light", payload, exec, retry },
  "light.broken": { class: "light", payload, exec, retry: { attempts: 2, base_ms: 1000, cap_ms: 2000 } },
  "heavy.sh": { class: "heavy", risk: "scenario", payload, exec, approval_ttl_ms: dayMs },
  "heavy.free": { class: "heavy", risk: "scenario", approval: "none", payload, exec },
  "heavy.twice": { class: "heavy", risk: "scenario", payload, exec, approval_ttl_ms: dayMs },
  "heavy.brief": { class: "heavy", risk: "scenario", payload, exec, approval_ttl_ms: briefMs }
} as const
export type KindName = keyof typeof kinds | "heavy.flow" | "light.family" | "light.leaf" | "light.signal" | "light.steps" | "light.poison"

/** The work of a step in code that reaches something outside: it happens at once, and the answer takes its time. */
export interface Outside {
  readonly act: (task: string, key: string, generation: number, attempt: number, ms: number) => Promise<number>
  /** Whether it has happened under this key. */
  readonly happened: (key: string) => boolean
  /** Ends the process in which it is called, more often than a task may lose its runs. */
  readonly crash: (task: string, key: string, generation: number, attempt: number) => Promise<number>
}

/** The name under which the module of the tasks in code finds the outside, and what it is written with. */
export const flowsSymbol = "opsgate.simulation.flows"

/**
 * `heavy.flow`: a step that only looks, a sleep without a worker, and a step that may happen once, whose outside is asked when nobody
 * knows. `light.family`: two children, one after the other, of which the second may fail. `light.signal`: a sleep, so that a signal may
 * come before it is waited for. `light.steps`: what people fork between its steps. `light.poison`: ends its process each time.
 */
const flows = `const { outside, Schema, Task } = globalThis[Symbol.for(${JSON.stringify(flowsSymbol)})]
const flow = Task.defineAsync("heavy.flow", {
  payload: Schema.Struct({ n: Schema.Int, ms: Schema.Int }),
  class: "heavy",
  risk: "scenario",
  retry: { attempts: 4, base: "1 second", cap: "10 seconds" }
}, async (ctx) => {
  const { ms, n } = ctx.payload
  const looked = await ctx.step("look", { effect: "read" }, async () => n + 1)
  await ctx.sleep("wait", ms)
  const charged = await ctx.step("charge", {
    effect: "dangerous",
    timeout: "10 minutes",
    probe: async ({ dispatchKey }) => (outside.happened(dispatchKey) ? { happened: true, result: n } : { happened: false })
  }, ({ attempt, dispatchKey, generation }) => outside.act(ctx.task, dispatchKey, generation, attempt, ms))
  return { looked, charged }
})
const payload = Schema.Struct({ n: Schema.Int, ms: Schema.Int, fails: Schema.optional(Schema.Int) })
const act = (ctx) => ({ attempt, dispatchKey, generation }) => outside.act(ctx.task, dispatchKey, generation, attempt, ctx.payload.ms)
const again = { attempts: 2, base: "1 second", cap: "2 seconds" }
const leaf = Task.defineAsync("light.leaf", { payload, retry: again }, async (ctx) => {
  if ((ctx.payload.fails ?? 0) > 0) throw new Error("told to fail")
  return await ctx.step("work", { effect: "idempotent" }, act(ctx))
})
const family = Task.defineAsync("light.family", { payload, retry: again }, async (ctx) => {
  const { fails = 0, ms, n } = ctx.payload
  await ctx.child("first", leaf, { n, ms })
  try {
    await ctx.child("second", leaf, { n, ms, fails })
  } catch (cause) {
    return await ctx.step("instead", { effect: "idempotent" }, act(ctx))
  }
  return await ctx.step("after", { effect: "idempotent" }, act(ctx))
})
const signal = Task.defineAsync("light.signal", { payload, retry: again }, async (ctx) => {
  await ctx.sleep("first", ctx.payload.ms)
  await ctx.waitFor("go")
  return await ctx.step("gone", { effect: "idempotent" }, act(ctx))
})
const steps = Task.defineAsync("light.steps", { payload, retry: again }, async (ctx) => {
  const one = await ctx.step("one", { effect: "idempotent" }, act(ctx))
  const two = await ctx.step("two", { effect: "idempotent" }, async (step) => {
    if ((ctx.payload.fails ?? 0) > 0) throw new Error("told to fail")
    return await act(ctx)(step)
  })
  return { one, two }
})
const poison = Task.defineAsync("light.poison", { payload, retry: again }, (ctx) => ctx.step("crash", { effect: "idempotent" }, ({ attempt, dispatchKey, generation }) => outside.crash(ctx.task, dispatchKey, generation, attempt)))
export const tasks = [flow, leaf, family, signal, steps, poison]
`

const again = (fails: boolean): DeclaredKind => ({ attempts: 2, base_ms: 1000, cap_ms: 2000, approval_ttl_ms: dayMs, fails })

export const declaredKinds: Readonly<Record<KindName, DeclaredKind>> = {
  "light.sh": { attempts: 4, base_ms: 2000, cap_ms: 20_000, approval_ttl_ms: dayMs, fails: false },
  "light.flaky": { attempts: 4, base_ms: 2000, cap_ms: 20_000, approval_ttl_ms: dayMs, fails: true },
  "light.broken": { attempts: 2, base_ms: 1000, cap_ms: 2000, approval_ttl_ms: dayMs, fails: true },
  "heavy.sh": { attempts: 1, base_ms: 0, cap_ms: 0, approval_ttl_ms: dayMs, fails: false },
  "heavy.free": { attempts: 1, base_ms: 0, cap_ms: 0, approval_ttl_ms: dayMs, fails: true },
  "heavy.twice": { attempts: 1, base_ms: 0, cap_ms: 0, approval_ttl_ms: dayMs, fails: false },
  "heavy.brief": { attempts: 1, base_ms: 0, cap_ms: 0, approval_ttl_ms: briefMs, fails: false },
  "heavy.flow": { attempts: 4, base_ms: 1000, cap_ms: 10_000, approval_ttl_ms: dayMs, fails: false },
  "light.family": again(false),
  "light.leaf": again(true),
  "light.signal": again(false),
  "light.steps": again(true),
  "light.poison": again(true)
}

/** The queue with limits: one at a time, and few in any span. */
export const narrow = "narrow"
const narrowLimits = { concurrency: 1, rate: { count: 2, per_ms: 15_000 } }

const personOf = (name: Person, roles: ReadonlyArray<string>) => [name, { identities: [`telegram:${numbers[name]}`, `cli:${name}`], roles, service: false }] as const

/** What the files of a machine configure. */
export const configurationOf = ({ lease_ms, tick_ms, workers }: Setting) => ({
  config: {
    v: 1,
    data_dir: "data",
    workers,
    lease_ms,
    approvals: { self: false },
    policy: "opsgate.policy.json",
    kinds,
    workflows: ["flows.mjs"],
    queues: { [narrow]: narrowLimits },
    schedules: { pulse: { kind: "light.sh", every: `${Math.ceil(tick_ms / 1000)}s`, payload: { n: 0, ms: 500 } } },
    telegram: { token_file: "token", notify: [numbers.cyd], commands_per_minute: 600 },
    people: Object.fromEntries([...requesters.map((name) => personOf(name, ["requester"])), ...approvers.map((name) => personOf(name, ["approver", "operator"]))])
  },
  policy: { v: 1, kinds: { "heavy.twice": { approvals: 2 } } }
})

/** Writes the configuration of a machine into its folder; answers the path of the file. */
export const prepare = (dir: string, setting: Setting): string => {
  mkdirSync(dir, { recursive: true })
  const { config, policy } = configurationOf(setting)
  writeFileSync(join(dir, "opsgate.policy.json"), JSON.stringify(policy))
  writeFileSync(join(dir, "flows.mjs"), flows)
  writeFileSync(join(dir, "token"), `${token}\n`, { mode: 0o600 })
  const file = join(dir, "opsgate.config.json")
  writeFileSync(file, JSON.stringify(config))
  return file
}

/**
 * What people do with a task. `early`: resumed before anybody agreed; `alone`: one person agrees twice; `signal`: it is told to go, now
 * and then twice; `fork`: forked before its second step when it has ended; `misfit`: a payload that does not fit is tried before.
 */
export type Handling = "run" | "reject" | "leave" | "cancel" | "early" | "alone" | "signal" | "fork" | "misfit"

export interface Planned {
  readonly key: string
  readonly kind: KindName
  readonly class: "light" | "heavy"
  readonly payload: { readonly n: number; readonly ms: number; readonly fails?: number }
  readonly handling: Handling
  readonly expect: Request["expect"]
  readonly by: Person
  readonly inChat: boolean
  readonly atMs: number
  /** Null: that of its class. */
  readonly queue: string | null
}

const once = { states: ["SUCCEEDED"], done_min: 1, done_max: 1 }
const never = (...states: ReadonlyArray<string>): Request["expect"] => ({ states, done_min: 0, done_max: 0 })

interface Kindly {
  readonly kind: KindName
  readonly handling: Handling
  readonly expect: Request["expect"]
  readonly fails?: number
}

type Kinds = readonly [Kindly, ...ReadonlyArray<Kindly>]

/** What is usual, and what now and then comes to another end. */
const light: Readonly<Record<"usual" | "odd", Kinds>> = {
  usual: [{ kind: "light.sh", handling: "run", expect: once }, { kind: "light.sh", handling: "run", expect: once }, { kind: "light.flaky", handling: "run", expect: once, fails: 2 }],
  odd: [{ kind: "light.broken", handling: "run", expect: never("FAILED"), fails: 9 }]
}

const heavy: Readonly<Record<"usual" | "odd", Kinds>> = {
  usual: [
    { kind: "heavy.sh", handling: "run", expect: once },
    { kind: "heavy.sh", handling: "run", expect: once },
    { kind: "heavy.free", handling: "run", expect: once },
    { kind: "heavy.twice", handling: "run", expect: once },
    { kind: "heavy.sh", handling: "early", expect: once },
    { kind: "heavy.flow", handling: "run", expect: once }
  ],
  odd: [
    { kind: "heavy.free", handling: "run", expect: never("FAILED"), fails: 9 },
    { kind: "heavy.sh", handling: "reject", expect: never("CANCELED") },
    { kind: "heavy.brief", handling: "leave", expect: never("EXPIRED") },
    { kind: "heavy.sh", handling: "cancel", expect: never("CANCELED") },
    { kind: "heavy.twice", handling: "alone", expect: never("REQUESTED", "EXPIRED") }
  ]
}

const rareNames = ["children", "signals", "forks", "misfits", "poison"] as const

/** What is asked for in some of the seeds only, instead of a task of that seed: by the name under which the setting has its share. */
const rare: Readonly<Record<(typeof rareNames)[number], Kinds>> = {
  children: [{ kind: "light.family", handling: "run", expect: once }, { kind: "light.family", handling: "run", expect: once, fails: 9 }],
  signals: [{ kind: "light.signal", handling: "signal", expect: once }],
  forks: [
    { kind: "light.steps", handling: "fork", expect: { states: ["SUCCEEDED"], done_min: 2, done_max: 2 } },
    { kind: "light.steps", handling: "fork", expect: { states: ["FAILED"], done_min: 1, done_max: 1 }, fails: 9 }
  ],
  misfits: [{ kind: "light.sh", handling: "misfit", expect: once }],
  poison: [{ kind: "light.poison", handling: "run", expect: never("FAILED") }]
}

/** What is done with a task in chats. */
const plainly: ReadonlySet<Handling> = new Set(["run", "leave"])

/** How close after each other people ask for what stands in the queue with limits, so that it is too much at a time. */
const crowdMs = 5000

/** The work of a run, in the order in which it is asked for. `kills`: in this run servers are killed, and one more may end. */
export const plan = (setting: Setting, seed: number, chance: (name: string) => Draw, chatPpm: number, kills: boolean): ReadonlyArray<Planned> => {
  const draw = chance("plan")
  const planned = Array.from({ length: between(draw, ...setting.tasks) }, (_, n): Planned => {
    const isHeavy = draw() * 1_000_000 < setting.heavy_ppm
    const { expect, fails, handling, kind } = pick(draw, (isHeavy ? heavy : light)[draw() * 1_000_000 < setting.odd_ppm ? "odd" : "usual"])
    const ms = between(draw, ...setting.work_ms)
    return {
      key: `${setting.id}:${seed}:${n}`,
      kind,
      class: isHeavy ? "heavy" : "light",
      payload: { n, ms, ...(fails === undefined ? {} : { fails }) },
      handling,
      expect,
      by: pick(draw, requesters),
      inChat: draw() * 1_000_000 < chatPpm && plainly.has(handling),
      atMs: between(draw, 0, setting.active_ms),
      queue: null
    }
  })
  return crowded(setting, chance, withRare(setting, chance, planned, kills)).toSorted((one, other) => one.atMs - other.atMs)
}

// In place of what was planned first, so that a seed has as much to do as before.
const withRare = (setting: Setting, chance: (name: string) => Draw, planned: ReadonlyArray<Planned>, kills: boolean): ReadonlyArray<Planned> => {
  const drawn = rareNames.flatMap((name) => {
    const draw = chance(`rare ${name}`)
    return draw() * 1_000_000 < setting.rare_ppm[name] && (name !== "poison" || kills) ? [pick(draw, rare[name])] : []
  })
  return planned.map((one, index) => {
    const kindly = drawn[index]
    if (kindly === undefined) return one
    const { expect, fails, handling, kind } = kindly
    return { ...one, kind, handling, expect, class: "light", inChat: false, payload: { n: one.payload.n, ms: one.payload.ms, ...(fails === undefined ? {} : { fails }) } }
  })
}

const crowded = (setting: Setting, chance: (name: string) => Draw, planned: ReadonlyArray<Planned>): ReadonlyArray<Planned> => {
  const draw = chance("rare limits")
  if (draw() * 1_000_000 >= setting.rare_ppm.limits) return planned
  const fromMs = between(draw, 0, setting.active_ms - crowdMs)
  return planned.map((one) => (one.kind === "light.sh" || one.kind === "light.flaky" ? { ...one, inChat: false, queue: narrow, atMs: between(draw, fromMs, fromMs + crowdMs) } : one))
}
