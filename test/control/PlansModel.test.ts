/**
 * Plans against what then happens, by random sequences of commands, runs and time.
 *
 * The seed is fixed, so that a run is the same everywhere. Another one, and more sequences:
 * `OPSGATE_MODEL_SEED=7 OPSGATE_MODEL_RUNS=5000 npx vitest run test/control/PlansModel.test.ts`
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { endStep } from "../../src/domain/Checkpoint.ts"
import type { DoorAsk } from "../../src/control/Door.ts"
import { begin, settle } from "../../src/domain/Execution.ts"
import type { Plan } from "../../src/domain/Plan.ts"
import { expire } from "../../src/domain/Request.ts"
import type { Task } from "../../src/domain/Task.ts"
import { Engine } from "../../src/engine/Engine.ts"
import { held } from "../domain/runs.ts"
import { applied, claimed, draftOf, epochOpened, heavyKind, kindOf, submitted } from "../engine/tasks.ts"
import { allEvents, allTasks, type Around, asks, engineNames, inWorld, ops, planned, told, type World } from "./planned.ts"

const seed = Number(process.env["OPSGATE_MODEL_SEED"] ?? 1_800_000_000)
const runs = Number(process.env["OPSGATE_MODEL_RUNS"] ?? 80)

const folder = mkdtempSync(join(tmpdir(), "opsgate-plans-model-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

const people = ["cli:ada", "cli:bob", "cli:eve"] as const
const taskOps = ops.filter((op) => !["bulk.stop", "prune", "chat_replay", "schedule-pause", "schedule-resume", "schedule-run", "schedule-backfill"].includes(op))

/** Something that happens: `place` picks the task, of those that there are. */
type Move =
  | { readonly _tag: "Command"; readonly op: DoorAsk["op"]; readonly place: number; readonly actor: (typeof people)[number]; readonly key: string | null }
  | { readonly _tag: "Claim" | "Heartbeat" | "Stranger" | "Declare" }
  | { readonly _tag: "Step" | "StepEnd" | "Settle" | "Expire"; readonly place: number; readonly how: number }
  | { readonly _tag: "Pass"; readonly ms: number }

const place = fc.nat(2)
const command = fc.record({ _tag: fc.constant("Command" as const), op: fc.constantFrom(...taskOps), place, actor: fc.constantFrom(...people), key: fc.constantFrom(null, null, null, "k1", "k2") })
const idle: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ _tag: fc.constantFrom("Heartbeat" as const, "Stranger" as const) }),
  fc.record({ _tag: fc.constant("Pass" as const), ms: fc.constantFrom(1, 1000, 60_000, 3_600_000) })
)
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: command },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constantFrom("Claim" as const, "Claim" as const, "Claim" as const, "Declare" as const) }) },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constantFrom("Step" as const, "StepEnd" as const, "Settle" as const, "Expire" as const), place, how: fc.nat(2) }) },
  { weight: 2, arbitrary: idle }
)

// The tasks that commands are about; strangers come behind them.
const own = Effect.map(allTasks, (tasks) => [...tasks].reverse().filter(({ kind }) => kind !== "stranger"))

const askFor = ({ op, place }: { readonly op: DoorAsk["op"]; readonly place: number }) => Effect.map(own, (tasks) => asks[op](tasks[place % tasks.length]?.id ?? "", ""))

const onRun = (place: number, act: (task: Task) => Effect.Effect<unknown, unknown, World>) =>
  Effect.flatMap(own, (tasks) => {
    const task = tasks[place % tasks.length]
    return task === undefined ? Effect.void : Effect.ignore(act(task))
  })

const outcomes = [
  { _tag: "Succeeded", result: 1 },
  { _tag: "Failed", code: "exit", error: "1" },
  { _tag: "Unknown", code: "killed", error: "" }
] as const

const play = (one: Move, { kinds, pass }: Around): Effect.Effect<unknown, unknown, World> => {
  switch (one._tag) {
    case "Command":
      return Effect.flatMap(askFor(one), (ask) => told(ask, { actor: one.actor, key: one.key }))
    case "Claim":
      return Effect.ignore(claimed(1))
    case "Heartbeat":
      return Effect.flatMap(Engine, (engine) => engine.renew(1, 30_000_000))
    case "Stranger":
      return submitted(kindOf({ name: "stranger" }))
    case "Declare":
      return Effect.sync(() => void kinds.set("deploy", heavyKind({ version: kinds.get("deploy")?.version === "v1" ? "v2" : "v1" })))
    case "Pass":
      return pass(one.ms)
    case "Step":
      return onRun(one.place, (task) => applied(task.id, (found, now) => begin(found, held(found), draftOf(found.steps + 1, { effect: one.how === 0 ? "dangerous" : "idempotent" }), now)))
    case "StepEnd":
      return onRun(one.place, (task) => applied(task.id, (found, now) => endStep(found, held(found), { number: found.steps, name: `step ${found.steps}` }, one.how === 0 ? { _tag: "Failed", code: "bad", error: "x" } : { _tag: "Succeeded", result: one.how }, now)))
    case "Settle":
      return onRun(one.place, (task) => applied(task.id, (found, now) => settle(found, held(found), outcomes[one.how] ?? outcomes[0], now, 0)))
    case "Expire":
      return onRun(one.place, (task) => applied(task.id, (found, now) => expire(found, now)))
  }
}

const playAll = (moves: ReadonlyArray<Move>, around: Around) => Effect.forEach(moves, (one) => play(one, around), { discard: true })

const begun = (around: Around) =>
  Effect.gen(function*() {
    yield* epochOpened(30_000_000)
    yield* submitted(heavyKind())
    yield* submitted(kindOf())
    yield* submitted(heavyKind())
    yield* around.pass(10_000)
  })

const inOrder = <A>(all: ReadonlyArray<A>): ReadonlyArray<string> => all.map((one) => JSON.stringify(one)).sort()
const contents = (plan: Plan) => ({ ...plan, plan: "" })

const moved = (before: ReadonlyArray<Task>, after: ReadonlyArray<Task>) => {
  const was = new Map(before.map((task) => [task.id, task]))
  return inOrder(after.filter((task) => JSON.stringify(was.get(task.id)) !== JSON.stringify(task))
    .map((task) => ({ task: was.has(task.id) ? task.id : null, from: was.get(task.id)?.state ?? null, to: task.state, holds: task.holds })))
}

const countsOf = (types: ReadonlyArray<string>) => types.reduce<Record<string, number>>((sum, type) => ({ ...sum, [type]: (sum[type] ?? 0) + 1 }), {})

describe.each(engineNames)("a plan on the %s", (engine) => {
  const many = engine === "MemoryEngine" ? runs * 8 : runs
  const verdicts = { kept: 0, stale: 0 }

  it("that still has its hash is what then happens, and one that has not is refused and changes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 25 }), command, fc.array(fc.oneof({ weight: 4, arbitrary: move }, { weight: 1, arbitrary: idle }), { maxLength: 6 }), (first, wanted, between) =>
        inWorld(engine, join(folder, `${files++}.db`), (around) =>
          Effect.gen(function*() {
            yield* begun(around)
            yield* playAll(first, around)
            const ask = yield* askFor(wanted)
            const options = { actor: wanted.actor, key: wanted.key }
            const plan = yield* planned(ask, options)
            const target = "task" in ask ? (yield* allTasks).find(({ id }) => id === ask.task) : undefined
            yield* playAll(between, around)
            const current = yield* planned(ask, options)
            const before = { tasks: yield* allTasks, events: (yield* allEvents).length }
            const answer = yield* told(ask, { ...options, how: { if_plan: plan.plan } })
            const after = { tasks: yield* allTasks, events: (yield* allEvents).slice(before.events).map(({ type }) => type) }
            const known = current.replay || current.refusal?.code === "KeyConflict"
            if (answer === "PlanStale") {
              verdicts.stale += 1
              expect(known).toBe(false)
              expect(current.plan).not.toBe(plan.plan)
              expect(after).toEqual({ tasks: before.tasks, events: ["command.refused"] })
              return
            }
            verdicts.kept += 1
            // A key that is known answers whatever has changed.
            const what = known ? current : plan
            expect(answer).toBe(what.refusal?.code ?? "granted")
            expect(moved(before.tasks, after.tasks)).toEqual(inOrder(what.tasks.map(({ from, holds, task, to }) => ({ task, from, to, holds }))))
            expect(countsOf(after.events)).toEqual(what.events)
            if (!known) expect("task" in ask ? before.tasks.find(({ id }) => id === ask.task) : undefined).toEqual(target)
          }))),
      { seed, numRuns: many }
    )
    expect(Math.min(verdicts.kept, verdicts.stale)).toBeGreaterThan(many / 20)
  }, 300_000)

  it("keeps its hash through heartbeats, strangers and time, unless it says something else then", async () => {
    let kept = 0
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 25 }), command, fc.array(idle, { minLength: 1, maxLength: 4 }), (first, wanted, between) =>
        inWorld(engine, join(folder, `${files++}.db`), (around) =>
          Effect.gen(function*() {
            yield* begun(around)
            yield* playAll(first, around)
            const ask = yield* askFor(wanted)
            const plan = yield* planned(ask, { actor: wanted.actor })
            yield* playAll(between, around)
            const then = yield* planned(ask, { actor: wanted.actor })
            expect(then.plan === plan.plan).toBe(JSON.stringify(contents(then)) === JSON.stringify(contents(plan)))
            if (then.plan === plan.plan) kept += 1
          }))),
      { seed, numRuns: many }
    )
    expect(kept).toBeGreaterThan(many / 2)
  }, 300_000)
})
