/**
 * The operations that a sequence is drawn from: one table, one row for each. A row says how often it comes, what is drawn for it, and
 * which writes that makes in the world as it stands. To add one, add a row.
 */
import { ownerRoles } from "../../../src/domain/Authorization.ts"
import { Effect, Random } from "effect"
import fc from "fast-check"
import { type Asked, handleEither } from "../../../src/control/Commands.ts"
import { Kinds } from "../../../src/control/Kinds.ts"
import { childWait, endStep, ended, progress, signalWait, spawn, type StepEnd, suspend, takeChild, takeSignal } from "../../../src/domain/Checkpoint.ts"
import type { Ask, Channel, TaskAsk, Verdict } from "../../../src/domain/Command.ts"
import { type Decision, refused } from "../../../src/domain/Decision.ts"
import type { EffectClass } from "../../../src/domain/EffectClass.ts"
import { claim, type Claimed, handBack } from "../../../src/domain/Dispatch.ts"
import { begin, type Finding, opened, type Outcome, reclaim, type Reclaimed, settle } from "../../../src/domain/Execution.ts"
import { taskIdFrom } from "../../../src/domain/Ids.ts"
import { ownedKey } from "../../../src/domain/Idempotency.ts"
import { KindUnknown } from "../../../src/domain/Kind.ts"
import { type Epoch, epochFacts, type Held } from "../../../src/domain/Lease.ts"
import type { Now } from "../../../src/domain/Now.ts"
import { onTask } from "../../../src/domain/OnTask.ts"
import { TaskNotFound } from "../../../src/domain/Refusal.ts"
import { expire } from "../../../src/domain/Request.ts"
import { type StepDraft, stepKey } from "../../../src/domain/Step.ts"
import type { Task, TaskId } from "../../../src/domain/Task.ts"
import { isTerminal } from "../../../src/domain/TaskState.ts"
import { type Change, Engine, EngineReader, Instants } from "../../../src/engine/Engine.ts"
import type { ClaimPolicy } from "../../../src/domain/Claiming.ts"
import type { UniqueScope, Wish } from "../../../src/domain/Placement.ts"
import type { QueueLimits } from "../../../src/domain/Queue.ts"
import { kindNames, kindsOf } from "./Declared.ts"
import { declaration, declaring, firing, wish, wishing } from "./Scheduled.ts"
import { chance, flags, json, mostly, object, text, waitMs } from "./Draws.ts"
import type { Act, World } from "./World.ts"

/** A write whose change is known, so that it can be spoiled. */
export type Write = Omit<Act, "name"> & { readonly change?: Change<unknown> }

interface Row {
  readonly weight: number
  readonly drawn: fc.Arbitrary<Drawn>
}

/** A row with what was drawn for it. */
export interface Drawn {
  readonly writes: (world: World) => ReadonlyArray<Write>
  readonly text: () => string
}

const row = <D>(weight: number, drawn: fc.Arbitrary<D>, writes: (world: World, drawn: D) => ReadonlyArray<Write>): Row => ({
  weight,
  drawn: drawn.map((value) => ({ writes: (world) => writes(world, value), text: () => fc.stringify(value) }))
})

/** One of a list, the newest first: mostly one to which the operation applies, now and then any. */
const target = fc.record({ at: fc.nat(11), fit: mostly })
type Target = typeof target extends fc.Arbitrary<infer T> ? T : never

const pick = <A>(all: ReadonlyArray<A>, { at, fit }: Target, fits: (one: A) => boolean): A | undefined => {
  const some = fit ? all.filter(fits) : all
  return some[at % Math.max(1, some.length)]
}

const changing = <A>(change: Change<A>, more: Pick<Write, "key" | "heard"> = {}): Write => ({ ...more, change, on: (engine) => engine.commit(change) })

/** Who asks, by which way, and under which key. */
const asking = fc.record({
  actor: fc.constantFrom("cli:ada", "telegram:7", "cli:bo"),
  roles: fc.oneof({ weight: 9, arbitrary: fc.constant(ownerRoles) }, { weight: 1, arbitrary: fc.subarray([...ownerRoles]) }),
  channel: fc.constantFrom<Channel>("cli", "telegram"),
  key: fc.option(fc.constantFrom("k1", "k2", "k3", "k4", "ü 5", "k6", "k7", "k8"), { freq: 2 })
})

/** What the product's handler would commit, taken from it before it does, so that both engines are given the same. */
const commanded = (world: World, asked: Asked<Ask>): ReadonlyArray<Write> => {
  const changes: Array<Change<unknown>> = []
  const kinds = kindsOf(world.version)
  const handled = handleEither(asked).pipe(
    Effect.provideService(Engine, {
      ...world.model.engine,
      commit: (change) => Effect.zipRight(Effect.sync(() => changes.push(change)), Effect.interrupt)
    }),
    Effect.provideService(EngineReader, world.model.reader),
    Effect.provideService(Instants, { wallMs: () => world.clocks.wallMs, monoMs: () => world.clocks.monoMs }),
    Effect.provideService(Kinds, {
      get: (name) => kinds.get(name),
      check: (name) => Effect.fromNullable(kinds.get(name)).pipe(Effect.mapError(() => new KindUnknown({ kind: name, known: [] })))
    }),
    Effect.withRandom(Random.make(world.seed))
  )
  Effect.runSyncExit(handled)
  if (asked.key !== null) world.keyed.push(asked)
  return changes.map((change) => changing(change, { key: ownedKey(asked) }))
}

/** A command about a task. */
const about = <D>(weight: number, fits: (task: Task) => boolean, drawn: fc.Arbitrary<D>, ask: (task: TaskId, reason: string | null, drawn: D) => TaskAsk): Row =>
  row(weight, fc.record({ target, asking, reason: fc.option(text, { freq: 9 }), drawn }), (world, { asking, drawn, reason, target }) => {
    const task = pick(world.tasks, target, fits)
    return task === undefined ? [] : commanded(world, { ...asking, ask: ask(task.id, reason, drawn) })
  })

const nothing = fc.constant(null)
const isIn = (...states: ReadonlyArray<Task["state"]>) => (task: Task): boolean => states.includes(task.state)

// Nobody reviews before there is a plan.
const waitsFor = (hold: "plan" | "review") => ({ holds }: Task): boolean => holds.includes(hold) && (hold === "plan" || !holds.includes("plan"))

const isCurrent = (task: Task | undefined, held: Held): boolean =>
  task !== undefined && task.lease !== null && task.lease.epoch === held.epoch && task.generation === held.generation

/** A write of a run, under what its worker holds: mostly in force, and now and then long lost. */
const underHold = <D>(weight: number, drawn: fc.Arbitrary<D>, write: (world: World, id: TaskId, held: Held, drawn: D) => Write): Row =>
  row(weight, fc.record({ target, drawn }), (world, { drawn, target }) => {
    const tasks = new Map(world.tasks.map((task) => [task.id, task]))
    const one = pick([...world.helds].reverse(), target, ({ held, task }) => isCurrent(tasks.get(task), held))
    return one === undefined ? [] : [write(world, one.task, one.held, drawn)]
  })

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Succeeded" as const), result: object }) },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Failed" as const), code: fc.constantFrom("exit_nonzero", "start_to_close_timeout"), error: text }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Failed" as const), code: fc.constant("step_renamed"), error: text, final: fc.constant(true as const) }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("NotStarted" as const), code: fc.constant("not_started"), error: text }) },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("Unknown" as const), code: fc.constant("killed"), error: text }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Stopped" as const), compensated: fc.boolean() }) }
)

const finding: fc.Arbitrary<Finding> = fc.oneof(
  fc.record({ _tag: fc.constant("NotBegun" as const) }),
  fc.record({ _tag: fc.constant("Finished" as const), outcome }),
  fc.record({ _tag: fc.constant("Alive" as const) }),
  fc.record({ _tag: fc.constant("Gone" as const), error: text })
)

const draft = fc.record({
  number: fc.integer({ min: 1, max: 4 }),
  effect: fc.constantFrom<EffectClass>("read", "idempotent", "dangerous"),
  answers: fc.boolean(),
  undo: fc.boolean()
})

const draftOf = (task: Task, { answers, effect, number, undo }: typeof draft extends fc.Arbitrary<infer T> ? T : never, sort: StepDraft["sort"]): StepDraft => ({
  number,
  scope: undo ? "undo" : "",
  index: number - 1,
  name: `step ${number}`,
  sort,
  effect,
  dispatchKey: stepKey(task.dispatchKey, number),
  inputSha256: "0".repeat(64),
  drawn: "[]",
  answers,
  supervisor: answers ? { pid: 1, startTicks: 1, dir: "/nowhere", marker: "m" } : null
})

const stepEnd: fc.Arbitrary<StepEnd> = fc.oneof(
  fc.record({ _tag: fc.constant("Succeeded" as const), result: json }),
  fc.record({ _tag: fc.constant("Failed" as const), code: fc.constant("step_failed"), error: text }),
  fc.record({ _tag: fc.constant("Cleared" as const), code: fc.constant("not_started") })
)

const signalName = fc.constantFrom("go", "stop")

/** A change of the first task that looks at others as well. */
const looking = <A>(id: TaskId, others: ReadonlyArray<TaskId>, rule: (task: Task, others: ReadonlyArray<Task | undefined>, now: Now) => Decision<A>): Write =>
  changing({
    tasks: [id],
    related: () => others,
    key: null,
    rule: ({ related, tasks: [task] }, now) => (task === undefined ? refused(new TaskNotFound({ task: id }), {}) : rule(task, related, now))
  })

const childOf = (world: World, id: TaskId, at: number): TaskId | undefined => pick(world.tasks, { at, fit: true }, ({ parent, state }) => parent?.task === id && !isTerminal[state])?.id

const drawId = (world: World): TaskId =>
  Effect.runSync(Effect.map(Effect.withRandom(Effect.all([Random.next, Random.next]), Random.make(world.seed)), (chances) => taskIdFrom(world.clocks.wallMs, chances)))

const expiring = (id: TaskId): Write => changing(onTask(id, expire))

const queue = fc.constantFrom("light", "heavy", "mail")
const span = fc.constantFrom(0, 1_000, 30_000)
/** Mostly nothing: where the kind says. Else few values, so that tasks meet. */
const place: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 6,
    arbitrary: fc.record({
      queue,
      tenant: fc.constantFrom("a", "b", "c"),
      priority: fc.constantFrom(-1, 0, 7),
      concurrency_key: fc.constantFrom("x", "x", "ü😀"),
      delay_ms: span,
      unique: fc.record({ key: fc.constantFrom("u", "v"), scope: fc.constantFrom<UniqueScope>("queued", "active") })
    }, { requiredKeys: [] })
  },
  { weight: 1, arbitrary: fc.record({ at_ms: fc.constantFrom(0, 1_800_000_005_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ queue, debounce: fc.record({ key: fc.constantFrom("u", "v"), delay_ms: span, max_wait_ms: span }, { requiredKeys: ["key", "delay_ms"] }) }, { requiredKeys: ["debounce"] })
  }
)

const limits: fc.Arbitrary<QueueLimits> = fc.record({
  concurrency: fc.constantFrom(null, 1, 2),
  perKey: fc.constantFrom(1, 2, 2),
  rate: fc.constantFrom(null, { count: 1, perMs: 1_000 }, { count: 2, perMs: 30_000 }),
  paused: flags
})
const policy: fc.Arbitrary<ClaimPolicy> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc.record({
      kinds: fc.constantFrom(new Set<string>(kindNames), new Set(["report", "own"])),
      queues: fc.record({ light: limits, heavy: limits, mail: limits }, { requiredKeys: [] }).map((queues) => new Map(Object.entries(queues))),
      heavyMax: fc.constantFrom(1, 3)
    }, { requiredKeys: [] })
  }
)

/** From so many open tasks on, hardly any more are asked for: the others are to get on. */
const crowd = 8

export const table = {
  submit: row(30, fc.record({ asking, kind: fc.constantFrom(...kindNames), payload: json, place, fit: mostly }), (world, { asking, fit, kind, payload, place }) => {
    const open = world.tasks.filter(({ state }) => !isTerminal[state])
    return fit && open.length >= crowd ? [] : commanded(world, { ...asking, ask: { op: "submit", kind, payload, reason: null, ...place } })
  }),

  steer: row(3, fc.record({ asking, queue, paused: fc.boolean(), reason: fc.option(text, { freq: 9 }) }), (world, { asking, paused, queue, reason }) =>
    commanded(world, { ...asking, ask: { op: paused ? "pause_queue" : "resume_queue", queue, reason } })),

  approve: about(8, isIn("REQUESTED"), nothing, (task, reason) => ({ op: "approve", task, reason })),
  plan: about(3, waitsFor("plan"), text, (task, reason, part) => ({ op: "plan", task, reason, plan: { scope: part, risks: "none", test_plan: "by hand", rollback_plan: "back", approval_impact: "one" } })),
  review: about(4, waitsFor("review"), fc.boolean(), (task, reason, fine) => ({ op: "review", task, reason, verdict: fine ? "pass" : "fail", code: "other", checklist: { policy_safety: fine, correctness: true, tests: true, rollback: true, approval_constraints: true } })),
  breakGlass: about(1, isIn("REQUESTED"), nothing, (task, reason) => ({ op: "break_glass", task, reason })),
  reject: about(1, isIn("REQUESTED", "APPROVED"), nothing, (task, reason) => ({ op: "reject", task, reason })),
  resume: about(5, isIn("APPROVED"), nothing, (task, reason) => ({ op: "resume", task, reason })),
  cancel: about(3, isIn("QUEUED", "RUNNING"), flags, (task, reason, compensate) => ({ op: "cancel", task, reason, compensate })),
  kill: about(2, isIn("RUNNING"), nothing, (task, reason) => ({ op: "kill", task, reason })),
  recover: about(4, isIn("FAILED", "CANCELED", "EXPIRED"), nothing, (task, reason) => ({ op: "recover", task, reason })),
  reconcile: about(12, ({ unknown }) => unknown !== null, fc.record({ outcome: fc.constantFrom<typeof Verdict.Type>("succeeded", "failed", "retry"), result: json }, { requiredKeys: ["outcome"] }), (task, reason, drawn) => ({
    op: "reconcile",
    task,
    reason,
    ...drawn
  })),
  fork: about(6, ({ lease, steps }) => steps > 0 && lease === null, fc.record({ step: fc.integer({ min: 1, max: 4 }), payload: json }, { requiredKeys: ["step"] }), (task, reason, drawn) => ({
    op: "fork",
    task,
    reason,
    ...drawn
  })),
  signal: about(4, ({ waits }) => waits.length > 0, fc.record({ name: signalName, payload: json }), (task, reason, drawn) => ({ op: "signal", task, reason, ...drawn })),

  repeat: row(4, fc.nat(5), (world, at) => {
    const asked = [...world.keyed].reverse()[at % Math.max(1, world.keyed.length)]
    return asked === undefined ? [] : commanded(world, asked)
  }),

  claim: row(30, fc.record({ limit: fc.integer({ min: 1, max: 4 }), worker: fc.constantFrom("ada", "bo"), fit: mostly, policy }), (world, { fit, limit, policy, worker }) => {
    const { claimMs } = Effect.runSync(world.model.engine.nextDue)
    if (fit && (claimMs === null || claimMs > world.clocks.wallMs || !world.inForce)) return []
    const kinds = kindsOf(world.version)
    return [{
      on: (engine) => engine.claim({ limit, policy, rule: (task, now) => claim(task, worker, kinds.get(task.kind), now) }),
      heard: (answer) => (answer as ReadonlyArray<Claimed | null>).forEach((one) => one !== null && world.helds.push({ task: one.task.id, held: one.held }))
    }]
  }),
  begin: underHold(16, draft, (_world, id, held, drawn) => changing(onTask(id, (task, now) => begin(task, held, draftOf(task, drawn, "code"), now)))),
  endStep: underHold(8, fc.record({ number: fc.integer({ min: 1, max: 4 }), undone: flags, end: stepEnd }), (_world, id, held, { end, number, undone }) =>
    changing(onTask(id, (task, now) => {
      const open = task.intents[number % Math.max(1, task.intents.length)]?.step ?? number
      const more = undone ? [ended(id, 1, { _tag: "Cleared", code: "undone" }, now)] : []
      return endStep(task, held, { number: open, name: `step ${open}` }, end, now, more)
    }))),
  settle: underHold(10, fc.record({ outcome, chance }), (_world, id, held, { chance, outcome }) => changing(onTask(id, (task, now) => settle(task, held, outcome, now, chance)))),
  handBack: underHold(3, nothing, (_world, id, held) => changing(onTask(id, (task, now) => handBack(task, held, now)))),
  progress: underHold(2, text, (_world, id, held, note) => changing(onTask(id, (task) => progress(task, held, { percent: 50, note })))),
  suspend: underHold(7, fc.record({ draft, wait: fc.option(waitMs), name: fc.option(signalName), child: fc.option(fc.nat(3), { freq: 3 }) }), (world, id, held, { child, draft, name, wait }) => {
    const awaited = child === null ? undefined : childOf(world, id, child)
    const waits = [...(name === null ? [] : [signalWait(name)]), ...(awaited === undefined ? [] : [childWait(awaited)])]
    return looking(id, awaited === undefined ? [] : [awaited], (task, children, now) => {
      const untilMs = wait === null ? null : now.wallMs + wait
      const step = { ...opened(task, draftOf(task, draft, "sleep"), now), state: "waiting" as const, wakeAtMs: untilMs, child: awaited ?? null }
      return suspend(task, held, { untilMs, waits }, children, [{ _tag: "Put", step }], now)
    })
  }),
  takeSignal: underHold(3, fc.record({ draft, name: signalName, wakeAtMs: fc.option(fc.constant(0)) }), (_world, id, held, { draft, name, wakeAtMs }) =>
    changing(onTask(id, (task, now) => takeSignal(task, held, draftOf(task, draft, "signal"), name, wakeAtMs, [], now)))),
  spawn: underHold(6, fc.record({ draft, kind: fc.constantFrom(...kindNames), payload: json }), (world, id, held, { draft, kind: name, payload }) => {
    const kind = kindsOf(world.version).get(name) ?? kindsOf(1).get(name)
    const child = drawId(world)
    return changing(onTask(id, (task, now) =>
      kind === undefined ? refused(new TaskNotFound({ task: name }), {}) : spawn(task, held, draftOf(task, draft, "child"), { id: child, kind, payload }, [], now)))
  }),
  takeChild: underHold(2, fc.record({ draft, child: fc.nat(3) }), (world, id, held, { child, draft }) => {
    const awaited = pick(world.tasks, { at: child, fit: true }, ({ parent }) => parent?.task === id)?.id ?? id
    return looking(id, [awaited], (task, [child], now) => takeChild(task, held, draftOf(task, draft, "child"), child, [], now))
  }),

  reclaim: row(12, fc.record({ target, finding, chance }), (world, { chance, finding, target }) => {
    const epoch = world.epoch?.epoch ?? 0
    const task = pick(world.tasks, target, ({ lease }) => lease !== null && lease.epoch < epoch)
    if (task === undefined) return []
    const { id } = task
    return [changing(onTask(id, (found, now) => reclaim(found, finding, "ada", now, chance)), {
      heard: (answer) => {
        const { adopted } = answer as Reclaimed
        if (adopted !== null) world.helds.push({ task: id, held: adopted })
      }
    })]
  }),
  expire: row(1, target, (world, target) => {
    const task = pick(world.tasks, target, ({ expiresAtMs }) => expiresAtMs !== null)
    return task === undefined ? [] : [expiring(task.id)]
  }),
  expireDue: row(3, fc.integer({ min: 1, max: 8 }), (world, limit) => Effect.runSync(world.model.engine.due(world.clocks.wallMs, limit)).map(expiring)),
  expireNobody: row(1, nothing, (world) => [expiring(drawId(world))]),

  scheduleDeclare: row(4, declaration, (world, drawn) => [changing(declaring(world, drawn))]),
  scheduleFire: row(12, nothing, (world) => firing(world).map((change) => changing(change))),
  scheduleCommand: row(3, wish, (world, drawn) => [changing(wishing(world, drawn))]),

  openEpoch: row(25, fc.record({ leaseMs: fc.constantFrom(600_000, 30_000, 600_000, 1_000), fit: mostly }), (world, { fit, leaseMs }) => {
    if (fit && world.inForce) return []
    const event = (now: Now, last: Epoch | null) => ({
      type: "epoch.started" as const,
      task: null,
      trace: null,
      actor: "system:runtime",
      payload: { epoch: now.epoch, why: "boot", pid: 1, mono_ms: now.monoMs, last: epochFacts(last) }
    })
    return [{ on: (engine) => engine.openEpoch(leaseMs, event) }]
  }),
  renew: row(1, fc.record({ back: fc.nat(1), leaseMs: fc.constantFrom(1_000, 30_000) }), (world, { back, leaseMs }) => {
    const epoch = (world.epoch?.epoch ?? 0) - back
    return [{ on: (engine) => engine.renew(epoch, leaseMs) }]
  })
} satisfies Record<string, Row>
