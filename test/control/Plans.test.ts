import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Sqlite from "better-sqlite3"
import { Effect, SchemaAST } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { DoorAsk } from "../../src/control/Door.ts"
import { requestBulk } from "../../src/domain/BulkRules.ts"
import { endStep } from "../../src/domain/Checkpoint.ts"
import type { Plan } from "../../src/domain/Plan.ts"
import { policyByDefault } from "../../src/domain/Policy.ts"
import { kill } from "../../src/domain/Recovery.ts"
import type { StepChange } from "../../src/domain/Step.ts"
import type { Task } from "../../src/domain/Task.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import { approved, ask as askOf, held, inState, inTheMiddleOf, now as start, taskAfter, unknown } from "../domain/runs.ts"
import { commandOf, draftOf, epochOpened, heavyKind, kindOf, nextId, submitted } from "../engine/tasks.ts"
import { allEvents, allTasks, asks, engineNames, eventsAfter, inWorld, isOp, ops, planned, pulse, put, told } from "./planned.ts"

const folder = mkdtempSync(join(tmpdir(), "opsgate-plans-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = () => join(folder, `${files++}.db`)

interface Standing {
  readonly task: Task
  readonly steps: ReadonlyArray<StepChange>
}

const alone = (task: Task): Standing => ({ task: { ...task, id: nextId() }, steps: [] })

/** A run of three steps, of which the last is in its middle. */
const inItsMiddle = (): Standing => {
  const { steps, task } = inTheMiddleOf([draftOf(1), draftOf(2, { effect: "read" }), draftOf(3, { effect: "dangerous" })])
  const ended = [1, 2].reduce((run, number) => taskAfter(endStep(run, held(run), { number, name: `step ${number}` }, { _tag: "Succeeded", result: number }, start)), task)
  const id = nextId()
  return {
    task: { ...ended, id, dispatchKey: id },
    steps: steps.map((step) => ({ _tag: "Put", step: { ...step, task: id, ...(step.number < 3 ? { state: "succeeded" as const, result: "1" } : {}) } }))
  }
}

/** Every state, and what a task can be besides. */
const standings: Readonly<Record<string, () => Standing>> = {
  ...Object.fromEntries(Object.entries(inState).map(([state, make]) => [state, () => alone(make())])),
  "in the middle of a dangerous step": inItsMiddle,
  "of unknown outcome": () => alone(unknown()),
  "asked to end": () => {
    const { steps, task } = inItsMiddle()
    return { task: taskAfter(kill(task, commandOf(askOf("kill")), start)), steps }
  },
  "approved for another version": () => alone({ ...approved(heavyKind({ version: "v0" })) }),
  "failed in the middle": () => {
    const { steps, task } = inItsMiddle()
    return { task: { ...task, state: "FAILED", lease: null, intents: [], failure: { code: "killed", error: "" } }, steps: steps.map((one) => (one._tag === "Put" && one.step.number === 3 ? { ...one, step: { ...one.step, state: "cleared" } } : one)) }
  }
}

const opsOf = (ast: SchemaAST.AST): ReadonlyArray<unknown> => {
  if (SchemaAST.isUnion(ast)) return ast.types.flatMap(opsOf)
  return SchemaAST.getPropertySignatures(ast).flatMap(({ name, type }) => (name === "op" && SchemaAST.isLiteral(type) ? [type.literal] : []))
}

/** A bulk command that runs. */
const bulkOf = (task: Task) =>
  Effect.flatMap(Engine, (engine) => {
    const id = nextId()
    const command = commandOf({ op: "bulk" as const, verb: "cancel" as const, filter: { state: null, kind: null, code: null, older_ms: null, tasks: [], dead: true }, rate_per_s: 10, reason: "x" })
    const matching = { states: [], kind: null, code: null, beforeMs: null, tasks: null, dead: true }
    return Effect.as(Effect.orDie(engine.commit({ tasks: [], key: null, rule: (_, now) => requestBulk(command, matching, [task.id], id, now) })), id)
  })

const digests = (file: string) =>
  [file, `${file}-wal`].map((path) => (existsSync(path) ? createHash("sha256").update(readFileSync(path)).digest("hex") : null))

const messagesIn = (file: string): ReadonlyArray<{ readonly topic: string }> => {
  const db = new Sqlite(file, { readonly: true })
  try {
    return db.prepare<[], { topic: string }>("SELECT topic FROM outbox").all()
  } finally {
    db.close()
  }
}

const counts = (names: ReadonlyArray<string>) => names.reduce<Record<string, number>>((sum, name) => ({ ...sum, [name]: (sum[name] ?? 0) + 1 }), {})

/** What has come to pass, in the words of a plan. */
const happened = (before: ReadonlyArray<Task>, after: ReadonlyArray<Task>) => {
  const was = new Map(before.map((task) => [task.id, task]))
  return after.filter((task) => JSON.stringify(was.get(task.id)) !== JSON.stringify(task))
    .map((task) => ({ task: was.has(task.id) ? String(task.id) : null, kind: task.kind, from: was.get(task.id)?.state ?? null, to: task.state, holds: task.holds }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

const foretold = ({ tasks }: Plan) => tasks.map(({ from, holds, kind, task, to }) => ({ task, kind, from, to, holds })).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

describe("every command that changes something", () => {
  it("is among those that are planned here", () => {
    const all = opsOf(DoorAsk.ast)
    expect(all.length).toBeGreaterThan(20)
    expect([...all].sort()).toEqual([...ops].sort())
    expect(all.every((op) => typeof op === "string" && isOp(op))).toBe(true)
  })

  it.each(engineNames)("is planned in every state on the %s, and nothing is stored: rows, log and file are as they were", (engine) => {
    const file = fresh()
    return inWorld(engine, file, ({ pass }) =>
      Effect.gen(function*() {
        yield* epochOpened()
        yield* pulse
        const made = Object.entries(standings).map(([name, make]) => [name, make()] as const)
        for (const [, { steps, task }] of made) yield* put(task, steps)
        const [, first] = made[0] ?? []
        if (first === undefined) return
        const bulk = yield* bulkOf(first.task)
        yield* pass(10_000)
        yield* told(asks.submit("", ""), { key: "known" })
        const before = { tasks: yield* allTasks, events: yield* allEvents, bytes: digests(file) }
        for (const [name, { task }] of made) {
          for (const op of ops) {
            for (const key of [null, "known", "new"]) {
              const plan = yield* planned(asks[op](task.id, bulk), { key })
              expect({ name, op, plan: plan.plan }).toMatchObject({ op: plan.op, plan: expect.stringMatching(/^[0-9a-f]{64}$/) })
              expect(plan.legal).toBe(plan.refusal === null)
            }
          }
        }
        expect(digests(file)).toEqual(before.bytes)
        expect(yield* allTasks).toEqual(before.tasks)
        expect(yield* allEvents).toEqual(before.events)
      }))
  })

  it("does what its plan said: states, holds, events and messages, in every state", () => {
    const file = fresh()
    return inWorld("SqliteEngine", file, ({ pass }) =>
      Effect.gen(function*() {
        yield* epochOpened()
        yield* pulse
        yield* pass(10_000)
        const seen = new Set<string>()
        for (const [name, make] of Object.entries(standings)) {
          for (const op of ops) {
            const { steps, task } = make()
            yield* put(task, steps)
            const ask = asks[op](task.id, op === "bulk.stop" ? yield* bulkOf(task) : "")
            const plan = yield* planned(ask)
            const { asOfSeq } = yield* Effect.flatMap(EngineReader, (reader) => Effect.orDie(reader.summary(0)))
            const before = { tasks: yield* allTasks, messages: messagesIn(file).length }
            const answer = yield* told(ask, { how: { if_plan: plan.plan } })
            const after = { tasks: yield* allTasks, events: yield* eventsAfter(asOfSeq), messages: messagesIn(file).slice(before.messages) }
            expect({ name, op, answer }).toEqual({ name, op, answer: plan.refusal?.code ?? "granted" })
            expect({ name, op, tasks: happened(before.tasks, after.tasks) }).toEqual({ name, op, tasks: foretold(plan) })
            expect({ name, op, events: counts(after.events.map(({ type }) => type)) }).toEqual({ name, op, events: plan.events })
            expect({ name, op, messages: counts(after.messages.map(({ topic }) => topic)) }).toEqual({ name, op, messages: plan.messages })
            seen.add(`${op} ${plan.legal}`)
          }
        }
        expect(ops.filter((op) => !seen.has(`${op} true`))).toEqual(["review", "chat_replay"])
      }))
  }, 120_000)

  it.each(engineNames)("is refused as stale on the %s when what it was planned on has changed, on the record, and changes nothing", (engine) =>
    inWorld(engine, fresh(), () =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        const plan = yield* planned(asks.cancel(task, ""))
        yield* told(asks.approve(task, ""))
        const before = { tasks: yield* allTasks, events: (yield* allEvents).length }
        expect(yield* told(asks.cancel(task, ""), { how: { if_plan: plan.plan }, key: "k" })).toBe("PlanStale")
        expect(yield* allTasks).toEqual(before.tasks)
        const [event, ...more] = (yield* allEvents).slice(before.events)
        expect([event?.type, event?.task, event?.actor, more.length]).toEqual(["command.refused", task, "cli:bob", 0])
        expect(JSON.parse(event?.payload ?? "")).toMatchObject({ refusal: { _tag: "PlanStale", planned: plan.plan }, command: { op: "cancel", key: "k", reason: "because" } })
        // Nothing is stored under the key, so that the command can be repeated with a plan of now.
        const again = yield* planned(asks.cancel(task, ""))
        expect(yield* told(asks.cancel(task, ""), { how: { if_plan: again.plan.slice(0, 16) }, key: "k" })).toBe("granted")
        // The key answers now, whatever has become of the plan.
        expect(yield* told(asks.cancel(task, ""), { how: { if_plan: plan.plan }, key: "k" })).toBe("granted")
        expect((yield* allEvents).at(-1)?.type).toBe("idempotency.replayed")
      })))

  it.each(engineNames)("is tied within its own transaction on the %s: what another one changes just before it counts", (engine) =>
    inWorld(engine, fresh(), () =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        const { plan } = yield* planned(asks.cancel(task, ""))
        const both = yield* Effect.all([told(asks.approve(task, "")), told(asks.cancel(task, ""), { how: { if_plan: plan } })], { concurrency: "unbounded" })
        expect(both).toEqual(["granted", "PlanStale"])
      })))
})

describe("a plan", () => {
  it("needs no reason, and is the same with one", () =>
    inWorld("MemoryEngine", "", () =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        const without = yield* planned({ ...asks.cancel(task, ""), reason: null })
        const plan = yield* planned(asks.cancel(task, ""))
        expect([without.needs_reason, without.legal, without.plan]).toEqual([true, true, plan.plan])
        expect(plan.needs_reason).toBe(false)
      })))

  it("is the same under the end of the id, under another channel's key, and after a heartbeat, an unrelated task or a while", () =>
    inWorld("SqliteEngine", fresh(), ({ pass }) =>
      Effect.gen(function*() {
        yield* epochOpened()
        const { task } = yield* submitted(heavyKind())
        const plan = yield* planned(asks.cancel(task, ""))
        const again = (id = task, key: string | null = null) => Effect.map(planned(asks.cancel(id, ""), { key }), (one) => one.plan)
        expect([yield* again(task.slice(-8).toLowerCase()), yield* again(task, "a key")]).toEqual([plan.plan, plan.plan])
        yield* pass(5_000)
        yield* Effect.flatMap(Engine, (engine) => engine.renew(1, 30_000))
        yield* submitted(kindOf())
        expect(yield* again()).toBe(plan.plan)
      })))

  it("is another one for another person, for another kind, and when time alone changes what it comes to", () =>
    inWorld("MemoryEngine", "", ({ kinds, pass }) =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        yield* told(asks.approve(task, ""))
        const plan = () => Effect.map(planned(asks.resume(task, "")), (one) => one.plan)
        const first = yield* plan()
        expect((yield* planned(asks.resume(task, ""), { actor: "cli:eve" })).plan).not.toBe(first)
        kinds.set("deploy", heavyKind({ version: "v2" }))
        const second = yield* plan()
        kinds.set("deploy", heavyKind())
        expect([second === first, (yield* plan()) === first]).toEqual([false, true])
        yield* told(asks.cancel(task, ""))
        const recover = () => planned(asks.recover(task, ""))
        const early = yield* recover()
        yield* pass(3_600_000)
        const late = yield* recover()
        expect([early.tasks[0]?.to, late.tasks[0]?.to, early.plan === late.plan]).toEqual(["QUEUED", "REQUESTED", false])
      })))

  it("is another one once the kind or the policy was declared anew, also where the command would do the same", () =>
    inWorld("MemoryEngine", "", ({ kinds }) =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        const plan = (kind = heavyKind()) => Effect.map(Effect.zipRight(Effect.sync(() => kinds.set("deploy", kind)), planned(asks.cancel(task, ""))), (one) => one.plan)
        const all = [yield* plan(), yield* plan(heavyKind({ version: "v2" })), yield* plan(heavyKind({ policy: { ...policyByDefault, version: "2" } })), yield* plan()]
        expect([new Set(all).size, all[3]]).toEqual([3, all[0]])
      })))

  it("under a known key says that the stored answer would be given, and under another one's that it conflicts", () =>
    inWorld("SqliteEngine", fresh(), () =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        yield* told(asks.cancel(task, ""), { key: "k" })
        const same = yield* planned(asks.cancel(task, ""), { key: "k" })
        expect([same.replay, same.legal, same.changes, same.tasks]).toEqual([true, true, false, []])
        const other = yield* planned(asks.approve(task, ""), { key: "k" })
        expect([other.replay, other.refusal?.code]).toEqual([false, "KeyConflict"])
      })))

  it("names the approvals that would be void, and who gave them", () =>
    inWorld("MemoryEngine", "", ({ kinds }) =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        yield* told(asks.approve(task, ""))
        kinds.set("deploy", heavyKind({ version: "v2" }))
        const plan = yield* planned(asks.resume(task, ""))
        expect(plan.refusal?.code).toBe("ApprovalVoid")
        expect([plan.changes, plan.approvals_voided, plan.tasks[0]?.to]).toEqual([true, [{ task, actor: "cli:bob" }], "REQUESTED"])
      })))

  it("is denied to whoever may not ask, as the command is, and says nothing more", () =>
    inWorld("MemoryEngine", "", () =>
      Effect.gen(function*() {
        const { task } = yield* submitted(heavyKind())
        const plan = yield* planned(asks.cancel(task, ""), { actor: "cli:eve", roles: ["viewer"] })
        expect([plan.refusal?.code, plan.changes, plan.events]).toEqual(["NotAllowed", false, { "command.denied": 1 }])
        const mine = yield* planned(asks.cancel(task, ""))
        expect(yield* told(asks.cancel(task, ""), { actor: "cli:eve", roles: ["viewer"], how: { if_plan: mine.plan } })).toBe("NotAllowed")
        expect((yield* allEvents).at(-1)?.type).toBe("command.denied")
      })))

  it("of a bulk command is about exactly the tasks that fit now", () =>
    inWorld("SqliteEngine", fresh(), () =>
      Effect.gen(function*() {
        yield* submitted(heavyKind())
        const bulk = { ...asks.bulk("", ""), filter: { state: null, kind: "deploy", code: null, older_ms: null, tasks: [], dead: false } }
        const plan = yield* planned(bulk)
        expect(plan.bulk).toMatchObject({ verb: "cancel", matched: 1, to: "running" })
        yield* submitted(kindOf())
        expect((yield* planned(bulk)).plan).toBe(plan.plan)
        yield* submitted(heavyKind())
        expect(yield* told(bulk, { how: { if_plan: plan.plan } })).toBe("PlanStale")
        expect(yield* told(bulk, { how: { if_plan: (yield* planned(bulk)).plan } })).toBe("granted")
      })))
})
