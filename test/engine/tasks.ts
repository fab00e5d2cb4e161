/** Tasks and commands for tests: what differs from the ordinary is an argument, the rest has a default. */
import { Effect, Layer } from "effect"
import type { Json } from "../../src/domain/Canonical.ts"
import type { Ask, Command } from "../../src/domain/Command.ts"
import { claim, type Claimed } from "../../src/domain/Dispatch.ts"
import { begin, type Outcome, settle } from "../../src/domain/Execution.ts"
import { taskIdFrom } from "../../src/domain/Ids.ts"
import { oncePerKey } from "../../src/domain/Idempotency.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import type { Held } from "../../src/domain/Lease.ts"
import { refused } from "../../src/domain/Decision.ts"
import { TaskNotFound } from "../../src/domain/Refusal.ts"
import { submit } from "../../src/domain/Request.ts"
import type { TaskId } from "../../src/domain/Task.ts"
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

export const commandOf = <A extends Ask>(ask: A, change: Partial<Command<A>> = {}): Command<A> => ({
  ask,
  actor: "cli:ada",
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
      key: command.key,
      rule: ({ stored }, now) => oncePerKey(command, stored, () => submit(command, kind, id, now))
    })
  })

export const epochOpened = (leaseMs = 30_000) =>
  Effect.flatMap(Engine, (engine) =>
    engine.openEpoch(leaseMs, (now) => ({
      type: "epoch.started",
      task: null,
      trace: null,
      actor: "system:runtime",
      payload: { epoch: now.epoch, why: "boot", pid: 1, mono_ms: now.monoMs }
    })))

export const claimed = (limit = 1, version = "v1") =>
  Effect.flatMap(Engine, (engine) =>
    Effect.map(engine.claim({ limit, rule: (task, now) => claim(task, "ada", version, now) }), (all) =>
      all.flatMap((one): ReadonlyArray<Claimed> => (one === null ? [] : [one]))))

/** The one task that is claimed now; dies when there is none. */
export const claimedOne = Effect.flatMap(claimed(), ([one]) => (one === undefined ? Effect.dieMessage("nothing to claim") : Effect.succeed(one)))

export const settled = (id: TaskId, held: Held, outcome: Outcome, chance = 0) =>
  Effect.flatMap(Engine, (engine) =>
    engine.commit({
      tasks: [id],
      key: null,
      rule: ({ tasks: [task] }, now) => (task === undefined ? refused(new TaskNotFound({ task: id }), {}) : settle(task, held, outcome, now, chance))
    }))

export const begunUnder = (id: TaskId, held: Held, effect: "idempotent" | "dangerous" = "idempotent") =>
  Effect.flatMap(Engine, (engine) =>
    engine.commit({
      tasks: [id],
      key: null,
      rule: ({ tasks: [task] }, now) =>
        task === undefined
          ? refused(new TaskNotFound({ task: id }), {})
          : begin(task, held, { step: 1, effect, supervisor: { pid: 1, startTicks: 1, dir: "/nowhere", marker: "m" } }, now)
    }))

export const succeeded: Outcome = { _tag: "Succeeded", result: { exit_code: 0 } }
export const failedOutcome = { _tag: "Failed", code: "exit_nonzero", error: "exit 1" } as const satisfies Outcome
