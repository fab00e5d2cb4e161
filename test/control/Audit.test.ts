import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { Effect, Either } from "effect"
import { describe, it } from "vitest"
import type { DoorAsk } from "../../src/control/Door.ts"
import { handleAs } from "../../src/control/Plans.ts"
import type { CommandRecord } from "../../src/domain/Artifact.ts"
import { ownerRoles } from "../../src/domain/Authorization.ts"
import type { StepChange } from "../../src/domain/Step.ts"
import type { Task } from "../../src/domain/Task.ts"
import { Engine, EngineReader, EngineUnavailable } from "../../src/engine/Engine.ts"
import { migrations } from "../../src/engine/sqlite/Migrations.ts"
import { inState, inTheMiddleOf, unknown } from "../domain/runs.ts"
import { draftOf } from "../engine/tasks.ts"
import { asks, engineNames, inWorld, ops, pulse, put } from "./planned.ts"

interface Options {
  readonly actor?: string
  readonly roles?: ReadonlyArray<string>
  readonly key?: string | null
}

const trying = (ask: DoorAsk, { actor = "cli:bob", key = null, roles = ownerRoles }: Options = {}) =>
  Effect.either(handleAs({ ask, actor, roles, channel: "telegram", key }, {}))
const tagOf = (result: Either.Either<unknown, { readonly _tag: string }>) => (Either.isLeft(result) ? result.left._tag : "granted")

const recorded = Effect.flatMap(EngineReader, (reader) => reader.commands({ limit: 1000 }))
const typesOf = Effect.flatMap(EngineReader, (reader) => Effect.map(reader.events(0, 1000), (events) => events.map(({ type }) => type)))

/** The rows that a command left: what is new at the top. */
const rowsOf = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const before = (yield* recorded).length
    const result = yield* command
    const after = yield* recorded
    return { result, rows: after.slice(0, after.length - before) }
  })

/** Ops that are about one task, and a task that takes each. */
const states: Partial<Record<DoorAsk["op"], () => Task>> = {
  approve: inState.REQUESTED,
  plan: inState.REQUESTED,
  review: inState.REQUESTED,
  break_glass: inState.REQUESTED,
  reject: inState.REQUESTED,
  resume: inState.APPROVED,
  cancel: inState.QUEUED,
  kill: inState.RUNNING,
  recover: inState.FAILED,
  dismiss: inState.FAILED,
  reconcile: unknown,
  signal: inState.RUNNING,
  read: inState.SUCCEEDED,
  bulk: inState.QUEUED
}

const subjectOf = (op: DoorAsk["op"]): { readonly task: Task; readonly steps: ReadonlyArray<StepChange> } => {
  if (op !== "fork") return { task: (states[op] ?? inState.QUEUED)(), steps: [] }
  const { steps, task } = inTheMiddleOf([draftOf(1)])
  return { task: { ...task, state: "FAILED", lease: null, intents: [] }, steps: steps.map((step) => ({ _tag: "Put", step: { ...step, state: "succeeded", result: "null", endedAtMs: 1 } })) }
}

/** A world in which `op` finds what it is about; the ask for it. */
const prepared = (op: DoorAsk["op"]) =>
  Effect.gen(function*() {
    const { steps, task } = subjectOf(op)
    yield* put(task, steps)
    yield* pulse
    let bulk = "none"
    if (op === "bulk.stop") {
      const made = yield* trying(asks.bulk(task.id, ""))
      bulk = Either.isRight(made) && "bulk" in made.right && typeof made.right.bulk === "string" ? made.right.bulk : bulk
    }
    return { ask: asks[op](task.id, bulk), task }
  })

/** People may be asked to file a plan, to review or to break the glass only where the policy wants it: those are refused here. No chat has an update that was given up. */
const refusedHere: ReadonlySet<string> = new Set(["plan", "review", "break_glass", "chat_replay"])

const folder = (atTheEnd: (act: () => void) => void) => {
  const path = mkdtempSync(join(tmpdir(), "opsgate-audit-"))
  atTheEnd(() => rmSync(path, { recursive: true, force: true }))
  return join(path, "opsgate.db")
}

const factsOf = ({ actor, channel, op, reason, result }: CommandRecord) => ({ actor, channel, op, reason, result })

describe.each(engineNames)("every command, on the %s,", (engine) => {
  it.for(ops)("%s: accepted, refused, denied and replayed, leaves exactly one row each, with who asked, why, and what came of it", (op, { expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), ({ pass }) =>
      Effect.gen(function*() {
        const { ask, task } = yield* prepared(op)
        // So that there is something to backfill.
        if (op === "schedule-backfill") yield* pass(10_000)
        const facts = (result: string) => ({ actor: "cli:bob", channel: "telegram", op, reason: ask.reason, result })

        const denied = yield* rowsOf(trying(ask, { roles: ["viewer"] }))
        expect([tagOf(denied.result), denied.rows.map(factsOf), denied.rows.map(({ code }) => code)]).toEqual(["NotAllowed", [facts("denied")], ["NotAllowed"]])

        const accepted = yield* rowsOf(trying(ask, { key: "k" }))
        expect(accepted.rows.map(factsOf), tagOf(accepted.result)).toEqual([facts(refusedHere.has(op) && tagOf(accepted.result) !== "granted" ? "refused" : "accepted")])

        const replayed = yield* rowsOf(trying(ask, { key: "k" }))
        expect([tagOf(replayed.result), replayed.rows.map(factsOf)]).toEqual([tagOf(accepted.result), [facts("replayed")]])

        // The same key for something else: refused, whatever the command is.
        const other: DoorAsk = op === "read" ? { op: "read", what: "keys", reason: "because" } : { op: "read", what: "audit", reason: "because" }
        const refused = yield* rowsOf(trying(other, { key: "k" }))
        expect([tagOf(refused.result), refused.rows.map(({ code, result }) => [result, code])]).toEqual(["KeyConflict", [["refused", "idempotency_payload_mismatch"]]])

        if ("task" in ask && op !== "fork") expect([...denied.rows, ...accepted.rows, ...replayed.rows].every((row) => row.targetWorkflowID === task.id || row.target === `task:${task.id}`)).toBe(true)
        if (op === "fork") {
          const made = accepted.rows[0]?.forkedWorkflowID
          expect([made?.length, accepted.rows[0]?.targetWorkflowID, replayed.rows[0]?.forkedWorkflowID, replayed.rows[0]?.targetWorkflowID]).toEqual([26, task.id, made, task.id])
        }
      })))

  it("is on record also when it names nothing that there is, or its words are not taken", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), () =>
      Effect.gen(function*() {
        const reason = "because"
        const early: ReadonlyArray<readonly [DoorAsk, string, string | undefined]> = [
          [{ op: "submit", kind: "nonsense", payload: {}, reason }, "KindUnknown", undefined],
          [{ op: "cancel", task: "ZZZZ", reason }, "TaskNotFound", "task:ZZZZ"],
          [{ op: "cancel", task: "01ARZ3NDEKTSV4RRFFQ69G5FAV", reason }, "TaskNotFound", "task:01ARZ3NDEKTSV4RRFFQ69G5FAV"],
          [{ op: "bulk.stop", bulk: "nobody", reason }, "BulkNotFound", "bulk:nobody"],
          [{ op: "bulk", verb: "cancel", filter: { state: null, kind: null, code: null, older_ms: null, tasks: ["ZZZZ"], dead: false }, rate_per_s: 1, reason }, "TaskNotFound", undefined],
          [{ op: "schedule-pause", schedule: "none", reason }, "ScheduleNotFound", "schedule:none"],
          [{ op: "pause_queue", queue: "mail", reason: "\u200b\u3164 " }, "ReasonMissing", "queue:mail"],
          [{ op: "release", reason: null }, "ReasonMissing", undefined],
          [{ op: "submit", kind: "report", payload: {}, reason: "\u001b[2J" }, "AskMalformed", undefined],
          [{ op: "submit", kind: "report", payload: {}, reason: "x".repeat(1_000_000) }, "AskMalformed", undefined]
        ]
        for (const [ask, tag, target] of early) {
          const { result, rows } = yield* rowsOf(trying(ask))
          expect([tagOf(result), rows.map(({ code, op, result: came, target: about }) => [op, came, code, about])]).toEqual([tag, [[ask.op, "refused", tag, target]]])
        }
        const events = yield* Effect.flatMap(EngineReader, (reader) => reader.events(0, 1000))
        expect(Math.max(...events.map(({ payload }) => payload?.length ?? 0))).toBeLessThan(1000)
        expect(events.some(({ payload }) => (payload ?? "").includes("[2J"))).toBe(false)
      })))

  it("is listed by task, actor, op and time", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), ({ pass }) =>
      Effect.gen(function*() {
        const first = inState.REQUESTED()
        yield* put(first)
        yield* trying(asks.cancel(first.id, ""), { actor: "cli:ada" })
        yield* pass(60_000)
        yield* trying(asks.submit("", ""))
        const reader = yield* EngineReader
        const ops = (filter: object) => Effect.map(reader.commands({ limit: 10, ...filter }), (rows) => rows.map(({ op }) => op))
        const at = (yield* recorded)[0]?.at ?? 0
        expect([yield* ops({}), yield* ops({ task: first.id }), yield* ops({ actor: "cli:bob" }), yield* ops({ op: "cancel" }), yield* ops({ sinceMs: at }), yield* ops({ limit: 1 })])
          .toEqual([["submit", "cancel"], ["cancel"], ["submit"], ["cancel"], ["submit"], ["submit"]])
      })))
})

describe("the view `artifacts`", () => {
  it("holds what the reader lists: step OPS, index 0, kind json_diagnostic, and the payload of seed S2", async ({ expect, onTestFinished }) => {
    const file = folder(onTestFinished)
    const listed = await inWorld("SqliteEngine", file, () =>
      Effect.gen(function*() {
        const { ask } = yield* prepared("fork")
        yield* trying(ask, { key: "k" })
        yield* trying(ask, { key: "k" })
        yield* trying(ask, { roles: [] })
        yield* trying({ op: "cancel", task: "ZZZZ", reason: "because" })
        return yield* recorded
      }))
    const db = new Database(file, { readonly: true })
    const rows = db.prepare<[], { workflow_id: string | null; run_id: string | null; step_id: string; idx: number; kind: string; payload: string; seq: number }>("SELECT * FROM artifacts WHERE step_id = 'OPS' ORDER BY seq DESC").all()
    db.close()
    expect(rows.map(({ payload, seq }) => ({ seq, ...JSON.parse(payload) }))).toEqual(listed)
    expect(new Set(rows.map(({ idx, kind, step_id }) => `${step_id} ${idx} ${kind}`))).toEqual(new Set(["OPS 0 json_diagnostic"]))
    expect(rows.map(({ run_id, workflow_id }) => [workflow_id, run_id])).toEqual(listed.map(({ targetWorkflowID }) => [targetWorkflowID, targetWorkflowID]))
    expect(() => new Database(file).prepare("DELETE FROM artifacts").run()).toThrow(/cannot modify artifacts/)
  })
})

describe.each(engineNames)("an idempotency key, on the %s,", (engine) => {
  const submit: DoorAsk = { op: "submit", kind: "deploy", payload: { n: 1 }, reason: null }
  const update = { actor: "telegram:7", key: "bot:4711" }

  it("replayed Telegram update does not create duplicate job", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), () =>
      Effect.gen(function*() {
        const first = yield* trying(submit, update)
        const again = yield* trying(submit, update)
        expect(again).toEqual(first)
        expect((yield* Effect.flatMap(EngineReader, (reader) => reader.list({ limit: 10 }))).length).toBe(1)
      })))

  it("that is being decided answers in_progress, or a payload mismatch, and is free again afterwards", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), () =>
      Effect.gen(function*() {
        const all = yield* Effect.all([trying(submit, update), trying(submit, update), trying({ ...submit, payload: { n: 2 } }, update)], { concurrency: "unbounded" })
        expect(all.map((one) => (Either.isLeft(one) && one.left._tag === "KeyConflict" ? one.left.code : tagOf(one)))).toEqual(["granted", "in_progress", "idempotency_payload_mismatch"])
        expect((yield* typesOf).filter((type) => type.startsWith("idempotency")).sort()).toEqual(["idempotency.conflict", "idempotency.in_progress"])
        expect((yield* trying(submit, update))).toEqual(all[0])
      })))

  it("is free when the first request failed technically", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), () =>
      Effect.gen(function*() {
        const working = yield* Engine
        // The same store, whose next transaction cannot be written.
        let fails = true
        const commit = working.commit
        Object.assign(working, {
          commit: (change: Parameters<typeof commit>[0]) => (fails ? new EngineUnavailable({ operation: "write", why: "full", cause: new Error("full") }) : commit(change))
        })
        expect(tagOf(yield* trying(submit, update))).toBe("EngineUnavailable")
        fails = false
        expect(tagOf(yield* trying(submit, update))).toBe("granted")
      })))

  it("of one person is not that of another", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), () =>
      Effect.gen(function*() {
        const mine = yield* trying(submit, update)
        const theirs = yield* trying(submit, { ...update, actor: "telegram:8" })
        const other = yield* trying({ ...submit, payload: { n: 3 } }, { ...update, actor: "telegram:9" })
        expect([tagOf(mine), tagOf(theirs), tagOf(other)]).toEqual(["granted", "granted", "granted"])
        expect(theirs).not.toEqual(mine)
      })))

  it("idempotency events are queryable in logs", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), () =>
      Effect.gen(function*() {
        yield* trying(submit, update)
        yield* trying(submit, update)
        yield* trying({ ...submit, payload: { n: 2 } }, update)
        const reader = yield* EngineReader
        expect((yield* reader.keys({ limit: 10, key: "bot:4711" })).map(({ actor, conflicts, key, op, replays }) => ({ actor, conflicts, key, op, replays })))
          .toEqual([{ actor: "telegram:7", key: "bot:4711", op: "submit", replays: 1, conflicts: 1 }])
        expect((yield* reader.commands({ limit: 10 })).map(({ code, key, result }) => [result, key, code])).toEqual([["refused", "bot:4711", "idempotency_payload_mismatch"], ["replayed", "bot:4711", undefined], ["accepted", "bot:4711", undefined]])
      })))

  it("still answers after the kind of its task was taken away, and stands for a refusal too", ({ expect, onTestFinished }) =>
    inWorld(engine, folder(onTestFinished), ({ kinds }) =>
      Effect.gen(function*() {
        const first = yield* trying(submit, update)
        const deploy = kinds.get("deploy")
        kinds.delete("deploy")
        expect(yield* trying(submit, update)).toEqual(first)
        expect(tagOf(yield* trying(submit, { ...update, key: "bot:4712" }))).toBe("KindUnknown")
        if (deploy !== undefined) kinds.set("deploy", deploy)
        expect(tagOf(yield* trying(submit, { ...update, key: "bot:4712" }))).toBe("KindUnknown")
      })))
})

describe("the keys of a file of an earlier version", () => {
  it("get their owner from the log", async ({ expect, onTestFinished }) => {
    const file = folder(onTestFinished)
    const submit: DoorAsk = { op: "submit", kind: "deploy", payload: { n: 1 }, reason: null }
    const first = await inWorld("SqliteEngine", file, () => trying(submit, { actor: "cli:ada", key: "k" }))
    const db = new Database(file)
    db.exec("UPDATE idempotency SET key = 'k'; DROP VIEW artifacts; DROP INDEX event_key")
    db.exec(migrations.find((step) => step.includes("CREATE VIEW artifacts")) ?? "")
    db.close()
    const answers = await inWorld("SqliteEngine", file, () => Effect.all([trying(submit, { actor: "cli:ada", key: "k" }), trying(submit, { actor: "cli:eve", key: "k" })]))
    expect(answers[0]).toEqual(first)
    expect(answers[1]).not.toEqual(first)
  })
})
