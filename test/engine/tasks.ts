/** Tasks and commands for tests: what differs from the ordinary is an argument, the rest has a default. */
import { Effect, Layer } from "effect"
import { ownerRoles } from "../../src/domain/Authorization.ts"
import type { Json } from "../../src/domain/Canonical.ts"
import type { AnyAsk, Command } from "../../src/domain/Command.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { claim, type Claimed } from "../../src/domain/Dispatch.ts"
import { begin, type Outcome, settle } from "../../src/domain/Execution.ts"
import { taskIdFrom } from "../../src/domain/Ids.ts"
import { oncePerKey, ownedKey } from "../../src/domain/Idempotency.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import { epochFacts, type Held } from "../../src/domain/Lease.ts"
import type { Now } from "../../src/domain/Now.ts"
import { onTask } from "../../src/domain/OnTask.ts"
import { submit } from "../../src/domain/Request.ts"
import type { StepDraft } from "../../src/domain/Step.ts"
import type { Task, TaskId } from "../../src/domain/Task.ts"
import { Engine, Instants } from "../../src/engine/Engine.ts"

export const kindOf = (change: Partial<Kind> = {}): Kind => ({
  name: "report",
  version: "v1",
  class: "light",
  risk: "none",
  effect: "idempotent",
  needsApproval: false,
  selfApproval: false,
  limits: { startToCloseMs: 60_000, scheduleToStartMs: null, scheduleToCloseMs: null, approvalTtlMs: 3_600_000 },
  retry: { attemptsMax: 3, baseMs: 1000, capMs: 60_000 },
  ...change
})

export const heavyKind = (change: Partial<Kind> = {}): Kind =>
  kindOf({ name: "deploy", class: "heavy", effect: "dangerous", needsApproval: true, retry: { attemptsMax: 1, baseMs: 0, capMs: 0 }, ...change })

/** A step of the run itself, in the order of the numbers. */
export const draftOf = (number: number, change: Partial<StepDraft> = {}): StepDraft => ({
  number,
  scope: "",
  index: number - 1,
  name: `step ${number}`,
  sort: "code",
  effect: "idempotent",
  dispatchKey: `key:${number}`,
  inputSha256: "0".repeat(64),
  drawn: "[]",
  answers: false,
  supervisor: null,
  ...change
})

/** The step of a command, under a supervisor that nobody will find. */
export const execDraft = (effect: StepDraft["effect"]): StepDraft =>
  draftOf(1, { name: "exec", sort: "exec", effect, supervisor: { pid: 1, startTicks: 1, dir: "/nowhere", marker: "m" } })

export const commandOf = <const A extends AnyAsk>(ask: A, change: Partial<Command<A>> = {}): Command<A> => ({
  ask,
  actor: "cli:ada",
  roles: ownerRoles,
  channel: "cli",
  key: null,
  trace: "0123456789abcdef0123456789abcdef",
  ...change
})

let drawn = 0
/** Ids that differ from each other and sort in the order in which they were drawn. */
export const nextId = (): TaskId => taskIdFrom(1_800_000_000_000 + drawn++, [0.5, 0.25])

/** A pair of clocks that a test moves. */
export const movable = (startMs = 1_800_000_000_000) => {
  const clocks = { wallMs: startMs, monoMs: 1_000_000 }
  const layer = Layer.succeed(Instants, { wallMs: () => clocks.wallMs, monoMs: () => clocks.monoMs })
  const pass = (ms: number) =>
    Effect.sync(() => {
      clocks.wallMs += ms
      clocks.monoMs += ms
    })
  return { clocks, layer, pass }
}

export const submitted = (kind: Kind, options: { readonly key?: string; readonly payload?: Json; readonly id?: TaskId } = {}) =>
  Effect.flatMap(Engine, (engine) => {
    const command = commandOf({ op: "submit" as const, kind: kind.name, payload: options.payload ?? {}, reason: null }, { key: options.key ?? null })
    const id = options.id ?? nextId()
    return engine.commit({
      tasks: [],
      key: ownedKey(command),
      rule: ({ stored }, now) => oncePerKey(command, stored, () => submit(command, kind, id, now))
    })
  })

export const epochOpened = (leaseMs = 30_000) =>
  Effect.flatMap(Engine, (engine) =>
    engine.openEpoch(leaseMs, (now, last) => ({
      type: "epoch.started",
      task: null,
      trace: null,
      actor: "system:runtime",
      payload: { epoch: now.epoch, why: "boot", pid: 1, mono_ms: now.monoMs, last: epochFacts(last) }
    })))

export const claimed = (limit = 1, version = "v1") =>
  Effect.flatMap(Engine, (engine) =>
    Effect.map(engine.claim({ limit, rule: (task, now) => claim(task, "ada", kindOf({ name: task.kind, class: task.class, version }), now) }), (all) =>
      all.flatMap((one): ReadonlyArray<Claimed> => (one === null ? [] : [one]))))

/** The one task that is claimed now; dies when there is none. */
export const claimedOne = Effect.flatMap(claimed(), ([one]) => (one === undefined ? Effect.dieMessage("nothing to claim") : Effect.succeed(one)))

/** Applies a rule to one task, as the product does. */
export const applied = <A>(id: TaskId, rule: (task: Task, now: Now) => Decision<A>) => Effect.flatMap(Engine, (engine) => engine.commit(onTask(id, rule)))

export const settled = (id: TaskId, held: Held, outcome: Outcome, chance = 0) => applied(id, (task, now) => settle(task, held, outcome, now, chance))

export const begunUnder = (id: TaskId, held: Held, effect: StepDraft["effect"] = "idempotent") =>
  applied(id, (task, now) => begin(task, held, execDraft(effect), now))

export const succeeded: Outcome = { _tag: "Succeeded", result: { exit_code: 0 } }
export const failedOutcome = { _tag: "Failed", code: "exit_nonzero", error: "exit 1" } as const satisfies Outcome
