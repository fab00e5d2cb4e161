/** The acceptance criteria of seed S1, CP-001 and CP-002, at the door and on a file. `table.test.ts` has the rest of CP-001. */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { claim } from "../../src/domain/Dispatch.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import { TaskId } from "../../src/domain/Task.ts"
import { Engine } from "../../src/engine/Engine.ts"
import type { DoorAsk } from "../../src/control/Door.ts"
import { expire } from "../../src/domain/Request.ts"
import { applied, begunUnder, epochOpened, failedOutcome, heavyKind, kindOf, settled, succeeded } from "../engine/tasks.ts"
import { type Answered, type House, house, payloadOf, type Person, stateOf, tagOf } from "./house.ts"
import { fine, needing, parts } from "./world.ts"

const kinds = new Map<string, Kind>([["deploy", heavyKind()], ["careful", needing({ approvals: 2, plan: true, review: true }, { name: "careful" })], ["report", kindOf()]])
const ada: Person = { actor: "telegram:ada", roles: ["requester", "operator"], channel: "telegram" }
const bob: Person = { actor: "telegram:bob", roles: ["approver", "reviewer"], channel: "telegram" }
const cleo: Person = { actor: "telegram:cleo", roles: ["approver"], channel: "telegram" }

const idOf = (answer: Answered): TaskId => {
  const said = Either.getOrThrow(answer)
  return TaskId.make("dispatch_key" in said ? said.task : "")
}
const asked = async (at: House, kind = "deploy"): Promise<TaskId> => idOf(await at.ask(ada, { op: "submit", kind, payload: {}, reason: null }))
const on = (op: "approve" | "resume" | "cancel" | "recover" | "reject", task: string): DoorAsk => ({ op, task, reason: "because" })
const claimAll = (at: House) =>
  at.run(Effect.flatMap(Engine, (engine) => engine.claim({ limit: 10, rule: (task, now) => claim(task, "w", kinds.get(task.kind), now) })))
const opened = async (at: House) => at.run(epochOpened())
const each = ["memory", "SQLite"] as const

const on1 = async (flavour: (typeof each)[number], body: (at: House) => Promise<void>): Promise<void> => {
  const at = house(flavour, kinds)
  try {
    await opened(at)
    await body(at)
  } finally {
    await at.close()
  }
}

describe("CP-002", () => {
  it.each(each)("\"`/approve` never dispatches heavy execution\": approved by all who are needed, a task waits, and no worker finds it (%s)", (flavour) =>
    on1(flavour, async (at) => {
      const [one, two] = [await asked(at), await asked(at, "careful")]
      await at.ask(ada, { op: "plan", task: two, reason: null, plan: parts })
      await at.ask(bob, { op: "review", task: two, reason: null, verdict: "pass", checklist: fine })
      for (const id of [one, two]) for (const person of [bob, cleo]) await at.ask(person, on("approve", id))
      expect((await at.tasks()).map(({ state }) => state)).toEqual(["APPROVED", "APPROVED"])
      expect(await claimAll(at)).toEqual([])
      at.pass(60_000)
      expect(await claimAll(at)).toEqual([])
      expect((await at.events()).filter(({ type }) => type === "task.queued" || type === "task.running")).toEqual([])
    }))

  it.each(each)("\"`/resume` dispatches only when gates are satisfied\": refused while any hold is open, and nothing runs (%s)", (flavour) =>
    on1(flavour, async (at) => {
      const id = await asked(at, "careful")
      const words: ReadonlyArray<readonly [Person, DoorAsk]> = [
        [ada, { op: "plan", task: id, reason: null, plan: parts }],
        [bob, on("approve", id)],
        [cleo, on("approve", id)],
        [bob, { op: "review", task: id, reason: null, verdict: "pass", checklist: fine }]
      ]
      for (const [person, word] of words) {
        expect(tagOf(await at.ask(ada, on("resume", id)))).toBe("HoldsOpen")
        expect(await claimAll(at)).toEqual([])
        Either.getOrThrow(await at.ask(person, word))
      }
      Either.getOrThrow(await at.ask(ada, on("resume", id)))
      expect(await claimAll(at)).toMatchObject([{ task: { id, state: "RUNNING" } }])
    }))

  it.each(each)("\"duplicate `/resume` is safe (no double execution)\": asked again, at once, later and under the same key, there is one dispatch (%s)", (flavour) =>
    on1(flavour, async (at) => {
      const id = await asked(at)
      await at.ask(bob, on("approve", id))
      const first = await Promise.all([1, 2, 3].map(() => at.ask(ada, on("resume", id))))
      const keyed = [await at.ask(ada, on("resume", id), "update-7"), await at.ask(ada, on("resume", id), "update-7")]
      const [ran] = await claimAll(at)
      const late = await at.ask(ada, on("resume", id))
      const answers = [...first, ...keyed, late].map(Either.getOrThrow)
      expect(new Set(answers.map((answer) => ("dispatch_key" in answer ? answer.dispatch_key : ""))).size).toBe(1)
      expect(answers.filter((answer) => "moved" in answer && answer.moved)).toHaveLength(1)
      expect(ran).toMatchObject({ task: { attempt: 1, generation: 1 } })
      expect(await claimAll(at)).toEqual([])
      const types = (await at.events()).map(({ type }) => type)
      expect([types.filter((type) => type === "task.queued").length, types.filter((type) => type === "task.running").length]).toEqual([1, 1])
    }))
})

describe("CP-001", () => {
  /** Tasks in every state, and some in the middle of what people say. */
  const inEveryState = async (at: House): Promise<Record<string, TaskId>> => {
    const run = async (): Promise<{ readonly id: TaskId; readonly held: Parameters<typeof settled>[1] }> => {
      const id = await asked(at)
      await at.ask(bob, on("approve", id))
      await at.ask(ada, on("resume", id))
      const [one] = await claimAll(at)
      if (one === null || one === undefined) throw new Error("nothing was claimed")
      await at.run(begunUnder(id, one.held, "dangerous"))
      return { id, held: one.held }
    }
    const [succeededRun, failedRun, running] = [await run(), await run(), await run()]
    await at.run(settled(succeededRun.id, succeededRun.held, succeeded))
    await at.run(settled(failedRun.id, failedRun.held, failedOutcome))
    const canceled = await asked(at)
    await at.ask(ada, on("cancel", canceled))
    const expired = await asked(at)
    at.pass(3_600_000)
    await at.run(applied(expired, expire))
    const approved = await asked(at)
    await at.ask(bob, on("approve", approved))
    const half = await asked(at, "careful")
    await at.ask(ada, { op: "plan", task: half, reason: null, plan: parts })
    await at.ask(bob, on("approve", half))
    const queued = await asked(at)
    await at.ask(bob, on("approve", queued))
    await at.ask(ada, on("resume", queued))
    return { SUCCEEDED: succeededRun.id, FAILED: failedRun.id, RUNNING: running.id, CANCELED: canceled, EXPIRED: expired, APPROVED: approved, REQUESTED: half, QUEUED: queued }
  }

  it.each(each)("\"terminal states cannot be resumed without explicit recovery action\": refused on the record, and `recover` needs a reason and a role (%s)", (flavour) =>
    on1(flavour, async (at) => {
      const ids = await inEveryState(at)
      for (const state of ["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"]) {
        const id = TaskId.make(ids[state] ?? "")
        const before = await stateOf(at)
        expect(tagOf(await at.ask(ada, on("resume", id)))).toBe("TransitionRefused")
        expect(tagOf(await at.ask(ada, { op: "recover", task: id, reason: " " }))).toBe("ReasonMissing")
        expect(tagOf(await at.ask(bob, on("recover", id)))).toBe("NotAllowed")
        expect(await stateOf(at)).toEqual(before)
        const [refused] = (await at.events()).slice(-3)
        expect([refused?.type, refused === undefined ? null : payloadOf(refused)]).toMatchObject(["command.refused", { refusal: { _tag: "TransitionRefused", state, wanted: "resume" }, state, command: { op: "resume", channel: "telegram" } }])
        expect(tagOf(await at.ask(ada, on("recover", id)))).toBe(state === "SUCCEEDED" ? "TransitionRefused" : "granted")
        expect((await at.task(id))?.state).toBe({ SUCCEEDED: "SUCCEEDED", FAILED: "REQUESTED", CANCELED: "REQUESTED", EXPIRED: "REQUESTED" }[state])
      }
    }))

  it("\"restart does not mutate state unexpectedly\": every task stands where it stood, with its holds and what people have said, and the next word counts", async () => {
    const before = house("SQLite", kinds)
    await opened(before)
    const ids = await inEveryState(before)
    const [state, events] = [await stateOf(before), await before.events()]
    expect((await before.task(TaskId.make(ids["REQUESTED"] ?? "")))?.governance?.approvals).toHaveLength(1)
    await before.end()
    const after = house("SQLite", kinds, undefined, before.dir)
    try {
      after.clocks.wallMs = before.clocks.wallMs
      expect(await stateOf(after)).toEqual(state)
      expect(await after.events()).toEqual(events)
      const half = TaskId.make(ids["REQUESTED"] ?? "")
      expect(tagOf(await after.ask(bob, on("approve", half)))).toBe("AlreadyApproved")
      await after.ask(cleo, on("approve", half))
      expect((await after.task(half))?.holds).toEqual(["review"])
    } finally {
      await after.close()
    }
  })
})
