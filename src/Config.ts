/**
 * Every setting: `config.schema.json` has name, unit, default and one sentence for each. Reading a configuration
 * checks all of it, the payload schemas of the kinds and the modules of workflows included, before anything is started.
 */
import { existsSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { Effect, Schema } from "effect"
import { defaultConfigFile } from "./DataDir.ts"
import { Json } from "./domain/Canonical.ts"
import { effectOf, type Kind, kindVersion } from "./domain/Kind.ts"
import type { EffectClass } from "./domain/EffectClass.ts"
import { attemptsByDefault, matrix } from "./domain/Matrix.ts"
import { noLimits, type QueueLimits } from "./domain/Queue.ts"
import { ageOf, keysMinMs, type Retention } from "./domain/Retention.ts"
import type { TaskClass } from "./domain/Task.ts"
import { sensitiveInJsonSchema, sensitiveKeyword } from "./domain/Sensitive.ts"
import { peopleFrom, type People, type PersonEntry } from "./domain/People.ts"
import * as Modules from "./Modules.ts"
import { noPolicyFile, type PolicyInForce, readPolicy, undeclaredKind } from "./PolicyFile.ts"
import { namedTwice, sentence } from "./SchemaIssue.ts"
import type { ScheduleSpec } from "./domain/Schedule.ts"
import type { AnyTask } from "./runtime/TaskDefinition.ts"
import { type ConfigSchedule, fromConfig } from "./Schedules.ts"
import { settingsOf, type TelegramEntry, type TelegramSettings } from "./TelegramSettings.ts"
import schema from "./config.schema.json" with { type: "json" }

/** The configuration cannot be used. Nothing was started. */
export class ConfigRefused extends Schema.TaggedError<ConfigRefused>()("ConfigRefused", { file: Schema.String, issue: Schema.String }) {
  override get message() {
    return `${this.file}: ${this.issue}`
  }
}

/** How a kind's command is started. */
export interface ExecSettings {
  /** Program and arguments for a payload that fits. */
  readonly argvFor: (payload: Json) => ReadonlyArray<string>
  readonly cwd: string
  /** All that the command inherits from the server, and what the kind sets. */
  readonly env: Readonly<Record<string, string>>
  readonly killGraceMs: number
  readonly outputCapBytes: number
}

interface Declared {
  readonly kind: Kind
  /** Why the payload does not fit, or null. */
  readonly issueOf: (payload: Json) => string | null
}

/** A kind whose work is a command. */
export interface DeclaredCommand extends Declared {
  readonly _tag: "Command"
  readonly exec: ExecSettings
}

/** A kind whose work is code of a module. */
export interface DeclaredCode extends Declared {
  readonly _tag: "Code"
  readonly task: AnyTask
}

export type DeclaredKind = DeclaredCommand | DeclaredCode

/** Who may do what. */
export interface Governed {
  readonly policy: PolicyInForce
  readonly people: People
}

export interface Config extends Governed {
  readonly file: string
  readonly dataDir: string
  readonly workers: number
  readonly leaseMs: number
  readonly stopGraceMs: number
  readonly commandTimeoutMs: number
  readonly queues: ReadonlyMap<string, QueueLimits>
  readonly retention: Retention
  readonly kinds: ReadonlyMap<string, DeclaredKind>
  readonly schedules: ReadonlyArray<ScheduleSpec>
  /** Null: there is no bot. */
  readonly telegram: TelegramSettings | null
}

interface KindEntry {
  readonly class: TaskClass
  readonly risk: string
  readonly effect?: EffectClass
  readonly approval?: "required" | "none"
  readonly approval_ttl_ms: number
  readonly payload: Record<string, unknown> | boolean
  readonly queue?: string
  readonly priority?: number
  readonly concurrency_key?: string
  readonly timeout_ms: number
  readonly heartbeat_ms?: number
  readonly schedule_to_start_ms?: number
  readonly schedule_to_close_ms?: number
  readonly retry?: { readonly attempts?: number; readonly base_ms: number; readonly cap_ms: number }
  readonly exec: {
    readonly argv: ReadonlyArray<string>
    readonly cwd: string
    readonly env: ReadonlyArray<string>
    readonly set: Readonly<Record<string, string>>
    readonly kill_grace_ms: number
    readonly output_cap_bytes: number
  }
}

interface QueueEntry {
  readonly concurrency?: number
  readonly per_key: number
  readonly rate?: { readonly count: number; readonly per_ms: number }
  readonly paused: boolean
}

interface ConfigEntry {
  readonly data_dir: string
  readonly workers: number
  readonly lease_ms: number
  readonly stop_grace_ms: number
  readonly command_timeout_ms: number
  readonly approvals?: { readonly self: boolean }
  readonly retention: { readonly succeeded: string; readonly failed: string; readonly canceled: string; readonly expired: string; readonly keys: string }
  readonly telegram?: TelegramEntry
  readonly policy?: string
  readonly people?: Readonly<Record<string, PersonEntry>>
  readonly workflows: ReadonlyArray<string>
  readonly queues: Readonly<Record<string, QueueEntry>>
  readonly kinds: Readonly<Record<string, KindEntry>>
  readonly schedules: Readonly<Record<string, ConfigSchedule>>
}

const limitsOf = (queues: ConfigEntry["queues"]): ReadonlyMap<string, QueueLimits> =>
  new Map(Object.entries(queues).map(([name, { concurrency, paused, per_key, rate }]) => [name, {
    concurrency: concurrency ?? noLimits.concurrency,
    perKey: per_key,
    rate: rate === undefined ? null : { count: rate.count, perMs: rate.per_ms },
    paused
  }]))

/** What the file says, checked against the schema; kinds and modules are not looked at. */
const read = (file: string | undefined): Effect.Effect<{ readonly path: string; readonly json: ConfigEntry }, ConfigRefused> =>
  Effect.gen(function*() {
    const path = resolve(file ?? defaultConfigFile)
    const refuse = (issue: string) => new ConfigRefused({ file: path, issue })
    if (!existsSync(path) && file !== undefined) return yield* refuse("does not exist")
    const text = existsSync(path) ? yield* Effect.try({ try: () => readFileSync(path, "utf8"), catch: () => refuse("cannot be read") }) : "{\"v\":1}"
    const json = yield* Effect.try({ try: (): unknown => JSON.parse(text), catch: () => refuse("is not JSON") })
    const twice = namedTwice(text)
    if (twice !== null) return yield* refuse(`names ${JSON.stringify(twice)} twice in one place`)
    // Our own schema is held against its metaschema by a test, not at every start: that would be a sixth of it.
    const ajv = new Ajv2020({ useDefaults: true, allErrors: false, strict: true, strictTypes: false, validateSchema: false })
    const isConfig: ValidateFunction<ConfigEntry> = ajv.compile(schema)
    return isConfig(json) ? { path, json } : yield* refuse(sentence(isConfig.errors))
  })

const governedBy = ({ json, path }: { readonly path: string; readonly json: ConfigEntry }): Effect.Effect<Governed, ConfigRefused> =>
  Effect.gen(function*() {
    const file = json.policy === undefined ? null : resolve(dirname(path), json.policy)
    const policy = file === null ? noPolicyFile : yield* Effect.mapError(readPolicy(file), (issue) => new ConfigRefused({ file, issue }))
    const people = json.people === undefined ? null : yield* Effect.mapError(peopleFrom(json.people, policy.roles), (issue) => new ConfigRefused({ file: path, issue }))
    return { policy, people }
  })

/** Who may do what, for verbs that need nothing else: kinds and modules are not looked at. */
export const governance = (file: string | undefined): Effect.Effect<Governed, ConfigRefused> => Effect.flatMap(read(file), governedBy)

/** How many tasks run at once, and the limits of the queues: for verbs that only look. */
export const limits = (file: string | undefined): Effect.Effect<Pick<Config, "workers" | "queues"> & { readonly kinds: ReadonlySet<string> | null }, ConfigRefused> =>
  Effect.map(read(file), ({ json }) => ({ workers: json.workers, queues: limitsOf(json.queues), kinds: json.workflows.length > 0 ? null : new Set(Object.keys(json.kinds)) }))

/**
 * Reads and checks a configuration file, and imports the modules that it names. Without a file everything has its default and no
 * kind is declared.
 */
export const load = (file: string | undefined): Effect.Effect<Config, ConfigRefused> =>
  Effect.gen(function*() {
    const { json, path } = yield* read(file)
    const refuse = (issue: string) => new ConfigRefused({ file: path, issue })
    const root = dirname(path)
    const governed = yield* governedBy({ json, path })
    const retention = retentionOf(json.retention)
    if (typeof retention === "string") return yield* refuse(retention)
    const kinds = yield* Effect.forEach(Object.entries(json.kinds), ([name, entry]) =>
      Effect.try({
        try: () => [name, declared(name, entry, json.approvals?.self ?? false, root)] as const,
        catch: (cause) => refuse(`kinds.${name}: ${cause instanceof Error ? cause.message : "the payload schema is not valid"}`)
      }))
    const codes = yield* Effect.forEach(json.workflows, (name) =>
      Effect.mapError(Modules.tasksOf(resolve(root, name)), ({ issue }) => refuse(`workflows: ${name} ${issue}`)))
    const all = [...kinds, ...codes.flat().map((task) => [task.kind.name, coded(task, json.approvals?.self ?? false)] as const)]
    const byName = new Map<string, DeclaredKind>(all.map(([name, one]) => [name, under(governed.policy, one)]))
    const undeclared = undeclaredKind(governed.policy, (name) => byName.has(name))
    if (undeclared !== null) return yield* new ConfigRefused({ file: resolve(root, json.policy ?? ""), issue: undeclared })
    const twice = all.find(([name], index) => all.findIndex(([other]) => other === name) !== index)
    if (twice !== undefined) return yield* refuse(`workflows: the kind ${twice[0]} is declared twice`)
    const schedules = yield* Effect.mapError(fromConfig(json.schedules, byName), refuse)
    return {
      ...governed,
      file: path,
      dataDir: resolve(root, json.data_dir),
      workers: json.workers,
      leaseMs: json.lease_ms,
      stopGraceMs: json.stop_grace_ms,
      commandTimeoutMs: json.command_timeout_ms,
      queues: limitsOf(json.queues),
      retention,
      kinds: byName,
      telegram: json.telegram === undefined ? null : settingsOf(json.telegram, root),
      schedules
    }
  })

// All kinds share one policy; without a file each has none, and the rules take the one that holds by default.
const under = ({ entry, policy }: PolicyInForce, declared: DeclaredKind): DeclaredKind =>
  entry === null ? declared : { ...declared, kind: { ...declared.kind, policy } }

// The texts fit the pattern of the schema; what is left to refuse is a key that goes before its callers have given up.
const retentionOf = ({ canceled, expired, failed, keys, succeeded }: ConfigEntry["retention"]): Retention | string => {
  const keysMs = ageOf(keys) ?? 0
  if (keysMs < keysMinMs) return "retention.keys must be 24 hours or longer, since callers may repeat a request for so long"
  const tasks = { SUCCEEDED: ageOf(succeeded) ?? null, FAILED: ageOf(failed) ?? null, CANCELED: ageOf(canceled) ?? null, EXPIRED: ageOf(expired) ?? null }
  return { tasks, keysMs }
}

// The configuration may allow what its task did not say.
const coded = (task: AnyTask, selfApproval: boolean): DeclaredCode => ({
  _tag: "Code",
  kind: { ...task.kind, selfApproval: task.kind.selfApproval || selfApproval },
  task,
  issueOf: task.issueOf
})

// Payloads are checked as they are: no defaults are filled in.
const payloads = new Ajv2020({ strict: true, strictTypes: false, allErrors: false, addUsedSchema: false })
payloads.addKeyword({ keyword: sensitiveKeyword, schemaType: "boolean" })

const sensitiveOf = (schema: KindEntry["payload"]): Pick<Kind, "sensitive"> => {
  const payload = sensitiveInJsonSchema(schema)
  return payload.length === 0 ? {} : { sensitive: { payload, result: [] } }
}

// The first placeholder that no payload can fill, since the schema is closed and has no such member.
const unknownPlaceholder = (argv: ReadonlyArray<string>, schema: KindEntry["payload"]): string | null => {
  if (typeof schema === "boolean" || schema["additionalProperties"] !== false || schema["patternProperties"] !== undefined) return null
  const members = new Set(Object.keys(schema["properties"] ?? {}))
  return argv.flatMap((argument) => [...argument.matchAll(placeholder)].map(([, name = ""]) => name)).find((name) => !members.has(name)) ?? null
}

const declared = (name: string, entry: KindEntry, selfApproval: boolean, root: string): DeclaredCommand => {
  const { exec } = entry
  // Not kept by its $id, which schemas of different kinds may share.
  const fits = payloads.compile(entry.payload)
  const unknown = unknownPlaceholder(exec.argv, entry.payload)
  if (unknown !== null) throw new Error(`exec.argv uses {{${unknown}}}, which its payload schema does not allow`)
  return {
    _tag: "Command",
    kind: {
      name,
      version: kindVersion(Schema.decodeUnknownSync(Json)(JSON.parse(JSON.stringify(entry)))),
      class: entry.class,
      risk: entry.risk,
      effect: entry.effect ?? effectOf[entry.class],
      needsApproval: (entry.approval ?? (entry.class === "heavy" ? "required" : "none")) === "required",
      asksForApproval: entry.approval === "required",
      selfApproval,
      words: exec.argv.join(" "),
      limits: {
        startToCloseMs: entry.timeout_ms,
        ...(entry.heartbeat_ms === undefined ? {} : { heartbeatMs: entry.heartbeat_ms }),
        scheduleToStartMs: entry.schedule_to_start_ms ?? null,
        scheduleToCloseMs: entry.schedule_to_close_ms ?? null,
        approvalTtlMs: entry.approval_ttl_ms
      },
      retry: {
        attemptsMax: entry.retry?.attempts ?? attemptsByDefault[entry.class],
        baseMs: entry.retry?.base_ms ?? matrix.attempt.retry.baseMs,
        capMs: entry.retry?.cap_ms ?? matrix.attempt.retry.capMs
      },
      ...sensitiveOf(entry.payload),
      ...(entry.queue === undefined ? {} : { queue: entry.queue }),
      ...(entry.priority === undefined ? {} : { priority: entry.priority }),
      ...(entry.concurrency_key === undefined ? {} : { concurrencyKey: entry.concurrency_key })
    },
    exec: {
      argvFor: (payload) => exec.argv.map((argument) => argument.replace(placeholder, (_, name: string) => scalarText(memberOf(payload, name)))),
      cwd: resolve(root, exec.cwd),
      env: { ...inherited(exec.env), ...exec.set },
      killGraceMs: exec.kill_grace_ms,
      outputCapBytes: exec.output_cap_bytes
    },
    issueOf: (payload) => (fits(payload) ? argvIssue(exec.argv, payload) : sentence(fits.errors))
  }
}

// The named variables of this process, those that are set.
const inherited = (names: ReadonlyArray<string>): Readonly<Record<string, string>> =>
  Object.fromEntries(names.flatMap((name) => {
    // @effect-diagnostics-next-line processEnv:off
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }))

/** A placeholder of an argument: a member of the payload. */
const placeholder = /\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}/g

// What a placeholder names must be there and be a scalar, and a text that begins with a dash would be read as an option.
const argvIssue = (argv: ReadonlyArray<string>, payload: Json): string | null => {
  for (const argument of argv) {
    // An empty value in front lets the next one begin the argument.
    let begins = argument.startsWith("{{")
    for (const [found, name = ""] of argument.matchAll(placeholder)) {
      const value = memberOf(payload, name)
      if (value === undefined || value === null || typeof value === "object") return `${name} must be a text, a number or a boolean, since the command line uses it`
      if (typeof value === "string" && begins && value.startsWith("-")) return `${name} must not begin with a dash, since the command would read it as an option`
      if (typeof value === "string" && value.includes("\u0000")) return `${name} must not contain a NUL character`
      begins = begins && value === "" && argument.startsWith(`${found}{{`, argument.indexOf(found))
    }
  }
  return null
}

// What a placeholder stands for. Anything but a scalar was refused when the task was asked for.
const scalarText = (value: Json | undefined): string => (typeof value === "object" || value === undefined ? "" : String(value))

// A member of a JSON object; undefined when there is none.
const memberOf = (payload: Json, name: string): Json | undefined =>
  typeof payload === "object" && payload !== null && !Array.isArray(payload) && Object.hasOwn(payload, name)
    ? new Map(Object.entries(payload)).get(name)
    : undefined
