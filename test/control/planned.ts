/** Commands of every sort, and people who ask for them, on an engine of its own: for tests of plans. */
import { Effect, Either, Layer } from "effect"
import type { DoorAnswer, DoorAsk } from "../../src/control/Door.ts"
import { Kinds } from "../../src/control/Kinds.ts"
import { handleAs } from "../../src/control/Plans.ts"
import { ownerRoles } from "../../src/domain/Authorization.ts"
import { granted } from "../../src/domain/Decision.ts"
import { type Kind, KindUnknown } from "../../src/domain/Kind.ts"
import type { How, Plan } from "../../src/domain/Plan.ts"
import { specOf } from "../../src/domain/Schedule.ts"
import { declare } from "../../src/domain/Scheduling.ts"
import type { StepChange } from "../../src/domain/Step.ts"
import type { Task } from "../../src/domain/Task.ts"
import { Engine, EngineReader, type Instants } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import type { Rehearser } from "../../src/engine/Rehearsal.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { heavyKind, kindOf, movable } from "../engine/tasks.ts"

export type World = Engine | EngineReader | Instants | Kinds | Rehearser

/** Kinds of which one may be declared anew. */
export const declaredKinds = () => {
  const kinds = new Map<string, Kind>([kindOf(), heavyKind()].map((kind) => [kind.name, kind]))
  const layer = Layer.succeed(Kinds, {
    get: (name) => kinds.get(name),
    check: (name) => {
      const kind = kinds.get(name)
      return kind === undefined ? new KindUnknown({ kind: name, known: [...kinds.keys()] }) : Effect.succeed(kind)
    }
  })
  return { kinds, layer }
}

type Asks = { readonly [O in DoorAsk["op"]]: (task: string, bulk: string) => Extract<DoorAsk, { readonly op: O }> }

const parts = { scope: "all", risks: "none", test_plan: "look", rollback_plan: "undo", approval_impact: "none" }
const fine = { policy_safety: true, correctness: true, tests: true, rollback: true, approval_constraints: true }
const reason = "because"

/** One ask of each sort. A sort that is new does not compile here until it has one. */
export const asks: Asks = {
  submit: () => ({ op: "submit", kind: "deploy", payload: { n: 1 }, reason }),
  pause_queue: () => ({ op: "pause_queue", queue: "heavy", reason }),
  resume_queue: () => ({ op: "resume_queue", queue: "heavy", reason }),
  approve: (task) => ({ op: "approve", task, reason }),
  plan: (task) => ({ op: "plan", task, reason, plan: parts }),
  review: (task) => ({ op: "review", task, reason, verdict: "pass", checklist: fine }),
  break_glass: (task) => ({ op: "break_glass", task, reason }),
  reject: (task) => ({ op: "reject", task, reason }),
  resume: (task) => ({ op: "resume", task, reason }),
  cancel: (task) => ({ op: "cancel", task, reason }),
  kill: (task) => ({ op: "kill", task, reason }),
  recover: (task) => ({ op: "recover", task, reason }),
  dismiss: (task) => ({ op: "dismiss", task, reason }),
  reconcile: (task) => ({ op: "reconcile", task, reason, outcome: "retry" }),
  fork: (task) => ({ op: "fork", task, reason, step: 1 }),
  signal: (task) => ({ op: "signal", task, reason, name: "go", payload: null }),
  bulk: (task) => ({ op: "bulk", verb: "cancel", filter: { state: null, kind: null, code: null, older_ms: null, tasks: [task], dead: false }, rate_per_s: 10, reason }),
  "bulk.stop": (_, bulk) => ({ op: "bulk.stop", bulk, reason }),
  prune: () => ({ op: "prune", reason: null }),
  release: () => ({ op: "release", reason }),
  chat_replay: () => ({ op: "chat_replay", update: 7, reason }),
  read: (task) => ({ op: "read", what: "payload", task, reason }),
  "schedule-pause": () => ({ op: "schedule-pause", schedule: "pulse", reason }),
  "schedule-resume": () => ({ op: "schedule-resume", schedule: "pulse", reason }),
  "schedule-run": () => ({ op: "schedule-run", schedule: "pulse", reason }),
  "schedule-backfill": () => ({ op: "schedule-backfill", schedule: "pulse", reason, from: 1_800_000_000_000, to: 1_800_000_005_000 })
}

export const isOp = (name: string): name is DoorAsk["op"] => name in asks
export const ops = Object.keys(asks).filter(isOp)

interface Options {
  readonly actor?: string
  readonly roles?: ReadonlyArray<string>
  readonly key?: string | null
  readonly how?: How
}

const took = (ask: DoorAsk, { actor = "cli:bob", how = {}, key = null, roles = ownerRoles }: Options) => handleAs({ ask, actor, roles, channel: "cli", key }, how)

const isPlan = (answer: DoorAnswer | Plan): answer is Plan => "legal" in answer

/** The plan of a command. Dies where the command comes to no decision. */
export const planned = (ask: DoorAsk, options: Options = {}): Effect.Effect<Plan, never, World> =>
  took(ask, { ...options, how: { plan: true } }).pipe(Effect.orDie, Effect.flatMap((answer) => (isPlan(answer) ? Effect.succeed(answer) : Effect.dieMessage("no plan"))))

/** The tag of the refusal, or `granted`. */
export const told = (ask: DoorAsk, options: Options = {}): Effect.Effect<string, never, World> =>
  Effect.map(Effect.either(took(ask, options)), (result) => (Either.isLeft(result) ? result.left._tag : "granted"))

export const allTasks = Effect.flatMap(EngineReader, (reader) => Effect.orDie(reader.list({ limit: 1000 })))
const eventsFrom = (after: number) => Effect.flatMap(EngineReader, (reader) => Effect.orDie(reader.events(after, 100_000)))
export const allEvents = eventsFrom(0)
/** The events behind the first `count`. */
export const eventsAfter = eventsFrom

/** Puts a task there as it is, with the steps of its run. */
export const put = (task: Task, steps: ReadonlyArray<StepChange> = []) =>
  Effect.flatMap(Engine, (engine) => Effect.orDie(engine.commit({ tasks: [task.id], key: null, rule: () => granted(task.id, { tasks: [task], steps }) })))

/** Declares the schedule `pulse`, a tick a second. */
export const pulse = Effect.flatMap(Engine, (engine) =>
  Effect.orDie(engine.commit({
    tasks: [],
    key: null,
    schedule: { name: "pulse" },
    rule: (_, now) => declare(undefined, Either.getOrThrow(specOf({ name: "pulse", kind: "report", everyMs: 1000, overlap: "allow" })), { open: [], ticks: [], kind: kindOf() }, now)
  })))

const engines = {
  MemoryEngine: () => MemoryEngine.layer(),
  SqliteEngine: (file: string) => SqliteEngine.layer({ file, streamId: "db-test" }).pipe(Layer.provide(Layer.merge(Live.flush, Live.fatal)))
} satisfies Record<string, (file: string) => Layer.Layer<Engine | EngineReader | Rehearser, unknown, Instants>>
export type EngineName = keyof typeof engines
export const engineNames: ReadonlyArray<EngineName> = ["MemoryEngine", "SqliteEngine"]

export interface Around extends ReturnType<typeof movable> {
  readonly kinds: ReturnType<typeof declaredKinds>["kinds"]
}

/** Runs a test on an engine of its own; that of a file is in `file`. */
export const inWorld = <A>(engine: EngineName, file: string, body: (around: Around) => Effect.Effect<A, unknown, World>): Promise<A> => {
  const clocks = movable()
  const { kinds, layer } = declaredKinds()
  const made: Layer.Layer<Engine | EngineReader | Rehearser, unknown, Instants> = engines[engine](file)
  return Effect.runPromise(body({ ...clocks, kinds }).pipe(Effect.provide(made), Effect.provide(clocks.layer), Effect.provide(layer)))
}
