/** What a sequence is made of: people who ask, runs that go on, and a world that changes under them. */
import { Effect, Either } from "effect"
import fc from "fast-check"
import type { DoorAsk } from "../../src/control/Door.ts"
import { childWait, spawn, suspend } from "../../src/domain/Checkpoint.ts"
import { carryOutItem, namingBulk } from "../../src/domain/BulkRules.ts"
import { canonical, type Json, sha256 } from "../../src/domain/Canonical.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { claim, handBack } from "../../src/domain/Dispatch.ts"
import { begin, reclaim, settle } from "../../src/domain/Execution.ts"
import { taskIdFrom } from "../../src/domain/Ids.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import type { Held } from "../../src/domain/Lease.ts"
import type { Now } from "../../src/domain/Now.ts"
import { onTask } from "../../src/domain/OnTask.ts"
import { ownName } from "../../src/domain/Placement.ts"
import { type Demand, noDemand, type Policy, policyByDefault } from "../../src/domain/Policy.ts"
import { expire } from "../../src/domain/Request.ts"
import { specOf } from "../../src/domain/Schedule.ts"
import { declare } from "../../src/domain/Scheduling.ts"
import type { Task } from "../../src/domain/Task.ts"
import { isTerminal } from "../../src/domain/TaskState.ts"
import { fire } from "../../src/domain/Ticking.ts"
import { digestOf } from "../../src/domain/Governance.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import { draftOf, epochOpened, execDraft, failedOutcome, heavyKind, kindOf, succeeded } from "../engine/tasks.ts"
import { type Flavour, type House, house, type Person, tagOf } from "./house.ts"
import type { Asked, Told } from "./Oracle.ts"
import { demanding, fine, parts } from "./world.ts"

const people: ReadonlyArray<Person> = [
  { actor: "cli:ada", roles: ["requester", "operator"] },
  { actor: "cli:bob", roles: ["approver", "operator"] },
  { actor: "telegram:cleo", roles: ["approver", "reviewer", "dba"], channel: "telegram" },
  { actor: "telegram:dan", roles: ["approver", "dba"], channel: "telegram" },
  { actor: "http:rita", roles: ["requester", "reviewer", "approver", "dba"], channel: "http" },
  { actor: "cli:eve", roles: ["admin", "approver", "dba"] },
  { actor: "code:robot", roles: ["requester"], channel: "code" },
  { actor: "cli:vic", roles: ["viewer"] }
]
const rolesOf = (actor: string): ReadonlyArray<string> => people.find((person) => person.actor === actor)?.roles ?? []

const hour = 3_600_000
const names = ["free", "one", "two", "three", "full", "own"] as const
type Name = (typeof names)[number]

interface Wants extends Pick<Demand, "approvals" | "approver" | "plan" | "review"> {
  readonly ttlMs: number
}
const wants = (approvals: number, change: Partial<Wants> = {}): Wants => ({ approvals, approver: "approver", plan: false, review: false, ttlMs: hour, ...change })

/** What the kinds ask for under each policy. */
const policies: ReadonlyArray<{ readonly mode: Policy["mode"]; readonly deniedWord: string | null; readonly kinds: Record<Name, Wants> }> = [
  { mode: "supervised", deniedWord: "prod", kinds: { free: wants(0), one: wants(1, { ttlMs: 600_000 }), two: wants(2, { approver: "dba" }), three: wants(3), full: wants(2, { plan: true, review: true }), own: wants(1) } },
  { mode: "supervised", deniedWord: null, kinds: { free: wants(0), one: wants(2), two: wants(1), three: wants(3, { ttlMs: 300_000 }), full: wants(1, { plan: true }), own: wants(2) } },
  { mode: "supervised", deniedWord: null, kinds: { free: wants(1), one: wants(0), two: wants(0), three: wants(0), full: wants(0, { review: true }), own: wants(0) } },
  { mode: "readonly", deniedWord: "prod", kinds: { free: wants(0), one: wants(1), two: wants(2), three: wants(3), full: wants(1), own: wants(1) } }
]

interface Config {
  readonly policy: number
  readonly kindVersion: number
}

const askedBy = ({ kindVersion, policy }: Config, name: string): Asked => {
  const { deniedWord, kinds, mode } = policies[policy] ?? { ...policyByDefault, deniedWord: null, kinds: {} }
  const found = Object.entries(kinds).find(([one]) => one === name)?.[1] ?? wants(0)
  // A policy that only denies has to be asked about too.
  return { ...found, kindVersion: `v${kindVersion}`, policyVersion: `p${policy}`, self: name === "own", deniedWord, readonly: mode === "readonly" }
}

const declaredBy = (config: Config): ReadonlyArray<readonly [string, Kind]> => {
  const { deniedWord, kinds, mode } = policies[config.policy] ?? { mode: "supervised", deniedWord: null, kinds: {} }
  const policy: Policy = {
    ...policyByDefault,
    version: `p${config.policy}`,
    mode,
    deny: deniedWord === null ? [] : [{ name: "word", why: "it is forbidden", words: [new RegExp(deniedWord)], paths: [] }],
    kinds: new Map(Object.entries(kinds).map(([name, { approvals, plan, review, ...rest }]) => [name, approvals === 0 && !plan && !review ? noDemand : demanding({ approvals, plan, review, ...rest })]))
  }
  return names.map((name) => {
    const version = `v${config.kindVersion}`
    const retry = { attemptsMax: 2, baseMs: 0, capMs: 0 }
    const kind = name === "free" ? kindOf({ name, version, policy, retry }) : heavyKind({ name, version, policy, retry, selfApproval: name === "own" })
    return [name, kind]
  })
}

const weighted = {
  submit: 20, debounce: 4, approve: 36, plan: 12, review: 9, break_glass: 3, reject: 2, resume: 20, cancel: 4, kill: 1, recover: 10, dismiss: 1, reconcile: 4, fork: 5, signal: 1, bulk: 2, scheduleRun: 2,
  claim: 20, begin: 10, settle: 12, suspend: 2, child: 4, handBack: 2, crash: 2, expire: 2, fire: 3, pass: 5, back: 1, policy: 2, kind: 1
} as const
type What = keyof typeof weighted

export interface Move {
  readonly what: What
  readonly who: number
  readonly at: number
  readonly fit: boolean
  readonly n: number
}

export const moves = (max: number): fc.Arbitrary<ReadonlyArray<Move>> => {
  const what = fc.oneof(...(Object.keys(weighted) as ReadonlyArray<What>).map((one) => ({ weight: weighted[one], arbitrary: fc.constant(one) })))
  return fc.noBias(fc.array(fc.record({ what, who: fc.nat(people.length - 1), at: fc.nat(9), fit: fc.nat(9).map((one) => one > 0), n: fc.nat(59) }), { minLength: max, maxLength: max, size: "max" }))
}

const isIn = (...states: ReadonlyArray<Task["state"]>) => (task: Task): boolean => states.includes(task.state)
const any = (): boolean => true

/** Who mostly asks for what. */
const able: Partial<Record<What, ReadonlyArray<string>>> = {
  approve: ["approver"],
  plan: ["requester", "operator"],
  review: ["reviewer"],
  break_glass: ["admin"],
  resume: ["operator"],
  recover: ["operator", "admin"],
  reconcile: ["operator"],
  fork: ["operator", "admin"],
  bulk: ["operator", "admin"]
}

/** Which tasks each op is mostly asked about. */
const fits: Partial<Record<What, (task: Task) => boolean>> = {
  approve: ({ holds }) => holds.includes("approval") && !holds.includes("plan"),
  plan: ({ holds }) => holds.includes("plan"),
  review: ({ holds }) => holds.includes("review") && !holds.includes("plan"),
  break_glass: isIn("REQUESTED"),
  reject: isIn("REQUESTED", "APPROVED"),
  resume: isIn("APPROVED"),
  cancel: ({ state }) => !isTerminal[state],
  kill: isIn("RUNNING"),
  recover: isIn("FAILED", "CANCELED", "EXPIRED"),
  dismiss: isIn("FAILED"),
  reconcile: ({ unknown }) => unknown !== null,
  fork: ({ state, steps }) => steps > 0 && isTerminal[state],
  signal: isIn("QUEUED")
}

export class Play {
  readonly house: House
  readonly said: Array<string> = []
  readonly refused = new Map<string, number>()
  readonly told: Told
  readonly #kinds = new Map<string, Kind>()
  readonly #configs: Array<{ readonly after: number; readonly config: Config }> = []
  readonly #payloads = new Map<string, string>()
  #drawn = 0
  #scheduled = false

  constructor(flavour: Flavour) {
    this.house = house(flavour, this.#kinds)
    this.#declare({ policy: 0, kindVersion: 1 }, 0)
    this.told = {
      rolesOf,
      payloads: this.#payloads,
      askedAt: (seq, kind) => askedBy(this.#configs.findLast(({ after }) => seq > after)?.config ?? { policy: 0, kindVersion: 1 }, kind)
    }
    for (const payload of [{ host: 1 }, { host: 2 }, { host: "prod" }]) this.#payloads.set(sha256(canonical(payload)), canonical(payload))
    this.#payloads.set(sha256(canonical({})), canonical({}))
  }

  get #config(): Config {
    return this.#configs.at(-1)?.config ?? { policy: 0, kindVersion: 1 }
  }

  #declare(config: Config, after: number): void {
    this.#configs.push({ after, config })
    for (const [name, kind] of declaredBy(config)) this.#kinds.set(name, kind)
  }

  async make({ at, fit, n, what, who }: Move): Promise<void> {
    const tasks = await this.house.tasks()
    const some = fit ? tasks.filter(fits[what] ?? any) : tasks
    const task = some[at % Math.max(1, some.length)]
    const wanted = fit && n % 4 > 0 ? able[what] : undefined
    const asking = wanted === undefined ? people : people.filter(({ roles }) => roles.some((role) => wanted.includes(role)))
    const person = asking[who % asking.length] ?? { actor: "nobody", roles: [] }
    const result = await this.#made(what, n, person, task, tasks)
    this.said.push(`${this.said.length + 1}. ${what} by ${person.actor} on ${task?.kind ?? "-"} ${task?.id.slice(-6) ?? ""} (${n}): ${result}`)
  }

  #made(what: What, n: number, person: Person, task: Task | undefined, tasks: ReadonlyArray<Task>): Promise<string> {
    switch (what) {
      case "policy":
        return this.#changes({ policy: n % policies.length })
      case "kind":
        return this.#changes({ kindVersion: 1 + (n % 3) })
      case "pass":
        return this.#passes([1000, 60_000, 300_000, 600_000, hour][n % 5] ?? 0)
      case "back":
        return this.#passes(-([1000, 120_000, hour][n % 3] ?? 0))
      case "claim":
        return this.#claims()
      case "crash":
        return this.#crashes(n)
      case "expire":
        return this.#expires()
      case "fire":
        return this.#fires()
      case "begin":
      case "settle":
      case "suspend":
      case "child":
      case "handBack":
        return this.#goesOn(what, n, tasks)
      default:
        return this.#asks(what, n, person, task)
    }
  }

  async #changes(change: Partial<Config>): Promise<string> {
    this.#declare({ ...this.#config, ...change }, (await this.house.events()).length)
    return JSON.stringify(this.#config)
  }

  async #passes(ms: number): Promise<string> {
    this.house.clocks.wallMs += ms
    this.house.clocks.monoMs += Math.max(0, ms)
    return `${ms} ms`
  }

  async #asks(what: What, n: number, person: Person, task: Task | undefined): Promise<string> {
    const ask = askFor(what, n, task)
    if (ask === undefined) return "nothing to ask about"
    const answer = await this.house.ask(person, ask)
    const tag = tagOf(answer)
    if (Either.isLeft(answer)) this.refused.set(tag, (this.refused.get(tag) ?? 0) + 1)
    if (ask.op === "bulk" && Either.isRight(answer) && "bulk" in answer.right) await this.#carriesOut(answer.right.bulk)
    return tag
  }

  async #carriesOut(id: string): Promise<void> {
    await this.house.run(Effect.gen(this, function*() {
      const engine = yield* Engine
      const items = yield* (yield* EngineReader).bulkItems(id, { after: 0, pending: true, limit: 1000 })
      for (const { number, task } of items) {
        const change = onTask(task, (found, now, { bulk, holder }) => carryOutItem(bulk, found, { kind: this.#kinds.get(found.kind), holder }, now))
        yield* Effect.either(engine.commit({ ...change, unique: ownName, bulk: { id, number }, rule: (found, now) => namingBulk(change.rule(found, now), id) }))
      }
    }))
  }

  async #claims(): Promise<string> {
    return this.house.run(Effect.gen(this, function*() {
      const { epoch } = yield* (yield* EngineReader).summary(0)
      if (epoch === null || epoch.leaseUntilMonoMs <= this.house.clocks.monoMs) yield* epochOpened()
      const claimed = yield* (yield* Engine).claim({ limit: 5, rule: (task, now) => claim(task, "w", this.#kinds.get(task.kind), now) })
      return `${claimed.filter((one) => one !== null).length} claimed`
    }))
  }

  async #crashes(n: number): Promise<string> {
    const tasks = await this.house.tasks()
    return this.house.run(Effect.gen(this, function*() {
      yield* epochOpened()
      for (const { id, state } of tasks) {
        if (state !== "RUNNING") continue
        const finding = ([{ _tag: "NotBegun" }, { _tag: "Gone", error: "gone" }, { _tag: "Alive" }, { _tag: "Finished", outcome: succeeded }] as const)[n % 4] ?? { _tag: "NotBegun" }
        yield* this.#rule(id, (task, now) => reclaim(task, task.intents.length === 0 ? { _tag: "NotBegun" } : finding, "w2", now, 0))
      }
      return "a new epoch"
    }))
  }

  #rule<A>(id: Task["id"], rule: (task: Task, now: Now) => Decision<A>) {
    return Effect.flatMap(Engine, (engine) => Effect.map(Effect.either(engine.commit(onTask(id, rule))), (answer) => (Either.isLeft(answer) ? answer.left._tag : "done")))
  }

  async #expires(): Promise<string> {
    return this.house.run(Effect.gen(this, function*() {
      const ids = yield* (yield* Engine).due(this.house.clocks.wallMs, 100)
      for (const id of ids) yield* this.#rule(id, expire)
      return `${ids.length} due`
    }))
  }

  async #fires(): Promise<string> {
    const isNew = !this.#scheduled
    this.#scheduled = true
    return this.house.run(Effect.gen(this, function*() {
      const engine = yield* Engine
      const kind = this.#kinds.get("two")
      const spec = Either.getOrThrow(specOf({ name: "pulse", kind: "two", everyMs: 120_000, overlap: "allow", catchUp: "latest" }))
      yield* engine.commit({
        tasks: [],
        key: null,
        schedule: { name: "pulse" },
        rule: ({ schedule: found }, now) => isNew || found?.schedule === undefined ? declare(found?.schedule, spec, { open: [], ticks: [], kind }, now) : fire(found.schedule, { open: found.open, ticks: found.ticks, kind }, now)
      })
      return isNew ? "declared" : "fired"
    }))
  }

  async #goesOn(what: "begin" | "settle" | "suspend" | "child" | "handBack", n: number, tasks: ReadonlyArray<Task>): Promise<string> {
    const running = tasks.filter(({ lease }) => lease !== null)
    const task = running[n % Math.max(1, running.length)]
    if (task === undefined) return "nothing runs"
    const held: Held = { generation: task.generation, epoch: task.lease?.epoch ?? 0 }
    const id = taskIdFrom(1_700_000_000_000 + this.#drawn++, [0.5, 0.5])
    const wanted = this.#kinds.get(names[n % names.length] ?? "free")
    const rule = (found: Task, now: Now): Decision<unknown> => {
      if (what === "begin") return begin(found, held, execDraft(n % 2 === 0 ? "dangerous" : "idempotent"), now)
      if (what === "suspend") return suspend(found, held, { untilMs: now.wallMs + 1000, waits: [childWait(id)] }, [], [], now)
      if (what === "handBack") return handBack(found, held, now)
      if (what === "child" && wanted !== undefined) return spawn(found, held, draftOf(found.steps + 1), { id, kind: wanted, payload: payloadFor(n) }, [], now)
      return settle(found, held, n % 3 === 0 ? succeeded : n % 3 === 1 ? failedOutcome : found.cancel === null ? { _tag: "Unknown", code: "killed", error: "" } : { _tag: "Stopped", compensated: false }, now, 0)
    }
    return this.house.run(this.#rule(task.id, rule))
  }
}

const payloadFor = (n: number): Json => (n % 10 === 0 ? { host: "prod" } : { host: 1 + (n % 2) })

const askFor = (what: What, n: number, task: Task | undefined): DoorAsk | undefined => {
  const kind = names[n % names.length] ?? "free"
  if (what === "submit") return { op: "submit", kind, payload: payloadFor(n), reason: null }
  if (what === "debounce") return { op: "submit", kind: n % 4 === 0 ? "one" : "free", payload: payloadFor(n), reason: null, debounce: { key: "d", delay_ms: 60_000 } }
  if (what === "scheduleRun") return { op: "schedule-run", schedule: "pulse", reason: null }
  if (what === "bulk") return { op: "bulk", verb: (["cancel", "resume", "recover", "reject"] as const)[n % 4] ?? "resume", filter: { state: null, kind, code: null, older_ms: null, tasks: [], dead: false }, rate_per_s: 1000, reason: "all of them" }
  return task === undefined ? undefined : aboutTask(what, n, task)
}

const aboutTask = (what: What, n: number, { governance, id, ...rest }: Task): DoorAsk | undefined => {
  const about = { task: id, reason: n % 12 === 0 ? null : "because" }
  switch (what) {
    case "approve":
      return { op: "approve", ...about, ...(n % 3 === 0 && governance !== null ? { digest: n % 9 === 0 ? "0".repeat(64) : digestOf(rest, governance) } : {}) }
    case "plan":
      return { op: "plan", ...about, plan: { ...parts, scope: `plan ${n % 3}` } }
    case "review":
      return { op: "review", ...about, verdict: n % 4 === 0 ? "fail" : "pass", checklist: n % 5 === 0 ? { ...fine, tests: false } : fine, ...(n % 4 === 0 ? { code: "other" as const } : {}) }
    case "cancel":
      return { op: "cancel", ...about, compensate: n % 5 === 0 }
    case "reconcile":
      return { op: "reconcile", ...about, outcome: (["succeeded", "failed", "retry"] as const)[n % 3] ?? "failed" }
    case "fork":
      return { op: "fork", ...about, step: 1, ...(n % 2 === 0 ? { payload: payloadFor(n) } : {}) }
    case "signal":
      return { op: "signal", ...about, name: "go", payload: null }
    case "break_glass":
    case "reject":
    case "resume":
    case "kill":
    case "recover":
    case "dismiss":
      return { op: what, ...about }
    default:
      return undefined
  }
}
