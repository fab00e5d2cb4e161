/**
 * Every state, every command, every role, at the door. What is expected stands here as data, as the product's description has it, and
 * was written without a look at the rules.
 */
import { Effect, Either } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import type { DoorAsk } from "../../src/control/Door.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import { type AnyOp, mayAsk, roles as allRoles } from "../../src/domain/Role.ts"
import { declare } from "../../src/domain/Scheduling.ts"
import { specOf } from "../../src/domain/Schedule.ts"
import { TaskId } from "../../src/domain/Task.ts"
import { expire } from "../../src/domain/Request.ts"
import { Engine } from "../../src/engine/Engine.ts"
import { applied, begunUnder, claimedOne, epochOpened, failedOutcome, heavyKind, kindOf, settled, succeeded } from "../engine/tasks.ts"
import { type Answered, type House, house, payloadOf, type Person, stateOf, tagOf } from "./house.ts"
import { fine, needing, parts } from "./world.ts"

type Role = (typeof allRoles)[number]
type TaskOp = Exclude<Extract<AnyOp, DoorAsk["op"]>, "submit" | "pause_queue" | "resume_queue" | `schedule-${string}` | "bulk" | "bulk.stop" | "prune" | "release" | "chat_replay">
/** Asked of the file as a whole, from the command line only. */
type FileOp = Exclude<AnyOp, DoorAsk["op"]>

/** Who may ask for what. `own`: a requester, about what he asked for himself. */
const may: Record<AnyOp, ReadonlyArray<Role | "own">> = {
  submit: ["requester", "operator", "admin"],
  approve: ["approver"],
  reject: ["approver", "reviewer", "operator", "admin", "own"],
  plan: ["operator", "admin", "own"],
  review: ["reviewer"],
  break_glass: ["admin"],
  resume: ["operator", "admin", "own"],
  cancel: ["operator", "admin", "own"],
  kill: ["operator", "admin"],
  recover: ["operator", "admin"],
  dismiss: ["operator", "admin"],
  reconcile: ["operator", "admin"],
  fork: ["operator", "admin"],
  signal: ["operator", "admin", "own"],
  pause_queue: ["operator", "admin"],
  resume_queue: ["operator", "admin"],
  "schedule-pause": ["operator", "admin"],
  "schedule-resume": ["operator", "admin"],
  "schedule-run": ["operator", "admin"],
  "schedule-backfill": ["operator", "admin"],
  bulk: ["operator", "admin"],
  "bulk.stop": ["operator", "admin"],
  prune: ["operator", "admin"],
  release: ["operator", "admin"],
  read: ["operator", "admin", "own"],
  restore: ["admin"],
  accept_loss: ["admin"],
  chat_replay: ["operator", "admin"]
}

/** Somebody else's command on a task in each state: the state that it answers, or the refusal. REVIEWING waits for a review and an approval, and has its plan; UNKNOWN is RUNNING with an unknown outcome. */
const states = ["REQUESTED", "REVIEWING", "APPROVED", "QUEUED", "RUNNING", "UNKNOWN", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"] as const
type State = (typeof states)[number]
const no = "TransitionRefused"
const outcomes: Record<TaskOp, readonly [string, string, string, string, string, string, string, string, string, string]> = {
  approve: ["APPROVED", "REQUESTED", "APPROVED", no, no, no, no, no, no, no],
  reject: ["CANCELED", "CANCELED", "CANCELED", no, no, no, no, no, no, no],
  plan: ["REQUESTED", "REQUESTED", no, no, no, no, no, no, no, no],
  review: ["ReviewRefused", "REQUESTED", no, no, no, no, no, no, no, no],
  break_glass: ["APPROVED", "APPROVED", no, no, no, no, no, no, no, no],
  resume: ["HoldsOpen", "HoldsOpen", "QUEUED", "QUEUED", "RUNNING", "OutcomeUnknown", no, no, no, no],
  cancel: ["CANCELED", "CANCELED", "CANCELED", "CANCELED", "RUNNING", "RUNNING", no, no, no, no],
  kill: ["CANCELED", "CANCELED", "CANCELED", "CANCELED", "RUNNING", "RUNNING", no, no, no, no],
  recover: [no, no, no, no, no, no, no, "QUEUED", "REQUESTED", "REQUESTED"],
  dismiss: [no, no, no, no, no, no, no, "FAILED", no, no],
  reconcile: [no, no, no, no, no, "QUEUED", no, no, no, no],
  fork: ["ForkRefused", "ForkRefused", "ForkRefused", "ForkRefused", "ForkRefused", "ForkRefused", "REQUESTED", "REQUESTED", "ForkRefused", "ForkRefused"],
  signal: ["REQUESTED", "REQUESTED", "APPROVED", "QUEUED", "RUNNING", "RUNNING", no, no, no, no],
  read: ["granted", "granted", "granted", "granted", "granted", "granted", "granted", "granted", "granted", "granted"]
}

/** Nobody decides about his own work: these are refused to its requester, whatever his roles, where somebody is asked. */
const notByOneself: ReadonlyArray<TaskOp> = ["approve", "review", "break_glass"]
const asksPeople: ReadonlyArray<State> = ["REQUESTED", "REVIEWING"]

const asks: Record<TaskOp, (task: string) => DoorAsk> = {
  approve: (task) => ({ op: "approve", task, reason: null }),
  reject: (task) => ({ op: "reject", task, reason: "because" }),
  plan: (task) => ({ op: "plan", task, reason: null, plan: { ...parts, scope: "another" } }),
  review: (task) => ({ op: "review", task, reason: null, verdict: "pass", checklist: fine }),
  break_glass: (task) => ({ op: "break_glass", task, reason: "because" }),
  resume: (task) => ({ op: "resume", task, reason: null }),
  cancel: (task) => ({ op: "cancel", task, reason: "because" }),
  kill: (task) => ({ op: "kill", task, reason: "because" }),
  recover: (task) => ({ op: "recover", task, reason: "because" }),
  dismiss: (task) => ({ op: "dismiss", task, reason: "because" }),
  reconcile: (task) => ({ op: "reconcile", task, reason: "because", outcome: "succeeded" }),
  fork: (task) => ({ op: "fork", task, reason: "because", step: 1 }),
  signal: (task) => ({ op: "signal", task, reason: null, name: "go", payload: null }),
  read: (task) => ({ op: "read", what: "payload", task, reason: null })
}

const deploy = heavyKind()
const careful = needing({ plan: true, review: true }, { name: "careful" })
const kinds = new Map<string, Kind>([["deploy", deploy], ["careful", careful], ["report", kindOf()]])

const ada: Person = { actor: "cli:ada", roles: ["requester"] }
const bob: Person = { actor: "cli:bob", roles: ["approver"] }
const granted = (answer: Answered) => Either.getOrThrow(answer)
const idOf = (answer: Answered): TaskId => {
  const said = granted(answer)
  return TaskId.make("dispatch_key" in said ? said.task : "")
}

const asked = async (at: House, kind = "deploy"): Promise<TaskId> => idOf(await at.ask(ada, { op: "submit", kind, payload: {}, reason: null }))
const approved = async (at: House): Promise<TaskId> => {
  const id = await asked(at)
  granted(await at.ask(bob, asks.approve(id)))
  return id
}
const queued = async (at: House): Promise<TaskId> => {
  const id = await approved(at)
  granted(await at.ask(ada, asks.resume(id)))
  return id
}
const claimed = async (at: House) => {
  await queued(at)
  return at.run(Effect.zipRight(epochOpened(), claimedOne))
}
const begun = async (at: House) => {
  const { held, task } = await claimed(at)
  await at.run(begunUnder(task.id, held, "dangerous"))
  return { held, id: task.id }
}
const settledWith = async (at: House, outcome: Parameters<typeof settled>[2]): Promise<TaskId> => {
  const { held, id } = await begun(at)
  await at.run(settled(id, held, outcome))
  return id
}

/** Brings a task of ada's into each state, by commands and runs. */
const into: Record<State, (at: House) => Promise<TaskId>> = {
  REQUESTED: asked,
  REVIEWING: async (at) => {
    const id = await asked(at, "careful")
    granted(await at.ask(ada, { op: "plan", task: id, reason: null, plan: parts }))
    return id
  },
  APPROVED: approved,
  QUEUED: queued,
  RUNNING: async (at) => (await claimed(at)).task.id,
  UNKNOWN: (at) => settledWith(at, { _tag: "Unknown", code: "killed", error: "" }),
  SUCCEEDED: (at) => settledWith(at, succeeded),
  FAILED: (at) => settledWith(at, failedOutcome),
  CANCELED: async (at) => {
    const id = await asked(at)
    granted(await at.ask(ada, asks.cancel(id)))
    return id
  },
  EXPIRED: async (at) => {
    const id = await asked(at)
    at.pass(3_600_000)
    await at.run(applied(id, expire))
    return id
  }
}

const open: Array<House> = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})
const fresh = (): House => {
  const one = house("memory", kinds)
  open.push(one)
  return one
}

/** Asks, and looks at what has changed: a refusal leaves exactly its event, with the facts, and nothing else anywhere. */
const judged = async (at: House, person: Person, ask: DoorAsk, task: string | null): Promise<string> => {
  const before = await stateOf(at)
  const seq = (await at.events()).length
  const key = ask.op === "prune" || ask.op === "release" ? null : `key-${seq}`
  const answer = await at.ask(person, ask, key)
  const events = (await at.events()).slice(seq)
  const command = { op: ask.op, channel: "cli", key, reason: ask.reason }
  if (Either.isRight(answer)) {
    expect(events.some((event) => event.actor === person.actor && "command" in payloadOf(event))).toBe(true)
    const said = answer.right
    return "state" in said && "task" in said ? said.state : "granted"
  }
  const tag = tagOf(answer)
  expect(await stateOf(at), `${ask.op}: ${tag} changed nothing`).toEqual(before)
  expect(events).toMatchObject([{ type: tag === "NotAllowed" ? "command.denied" : "command.refused", actor: person.actor, task }])
  const [event] = events
  expect(event === undefined ? null : payloadOf(event)).toMatchObject({ refusal: { _tag: tag }, command })
  return tag
}

const others = [...allRoles, "nobody", "wizard"] as const
const rolesOf = (name: string): ReadonlyArray<string> => (name === "nobody" ? [] : [name])

describe("\"invalid transition is rejected and logged\": every state, every command, every role", () => {
  for (const op of Object.keys(asks) as ReadonlyArray<TaskOp>) {
    it.each(states)(`${op} of a task that is %s`, async (state) => {
      const outcome = outcomes[op][states.indexOf(state)]
      let at = fresh()
      let id = await into[state](at)
      for (const role of others) {
        for (const own of [false, true]) {
          const allowed = may[op].some((one) => one === role || (one === "own" && own && role === "requester"))
          const person: Person = { actor: own ? ada.actor : "cli:carol", roles: rolesOf(role) }
          const bySelf = own && notByOneself.includes(op) && (asksPeople.includes(state) || (op === "approve" && state === "APPROVED")) ? "SelfApproval" : outcome
          const got = await judged(at, person, asks[op](id), id)
          expect(`${role}${own ? ", own" : ""}: ${got}`).toBe(`${role}${own ? ", own" : ""}: ${allowed ? bySelf : "NotAllowed"}`)
          // What was refused left everything as it was, so that the next one may ask there too.
          if (!allowed || /[a-z]/.test(got)) continue
          at = fresh()
          id = await into[state](at)
        }
      }
    })
  }
})

describe("a command that is about no single task", () => {
  const bulk: DoorAsk = { op: "bulk", verb: "cancel", filter: { state: null, kind: "deploy", code: null, older_ms: null, tasks: [], dead: false }, rate_per_s: 10, reason: "because" }
  const scheduled = (at: House) =>
    at.run(Effect.flatMap(Engine, (engine) => {
      const spec = Either.getOrThrow(specOf({ name: "pulse", kind: "deploy", everyMs: 1000, overlap: "allow", catchUp: "none" }))
      return engine.commit({ tasks: [], key: null, schedule: { name: "pulse" }, rule: (_found, now) => declare(undefined, spec, { open: [], ticks: [], kind: deploy }, now) })
    }))
  const admin: Person = { actor: "cli:root", roles: ["admin"] }
  type Wide = Exclude<AnyOp, TaskOp | FileOp>
  const wide: Record<Wide, { readonly ask: (at: House) => Promise<DoorAsk>; readonly prepare?: (at: House) => Promise<unknown> }> = {
    submit: { ask: async () => ({ op: "submit", kind: "deploy", payload: {}, reason: null }) },
    pause_queue: { ask: async () => ({ op: "pause_queue", queue: "heavy", reason: "because" }) },
    resume_queue: { ask: async () => ({ op: "resume_queue", queue: "heavy", reason: "because" }), prepare: (at) => at.ask(admin, { op: "pause_queue", queue: "heavy", reason: "because" }) },
    "schedule-pause": { ask: async () => ({ op: "schedule-pause", schedule: "pulse", reason: "because" }), prepare: scheduled },
    "schedule-resume": { ask: async () => ({ op: "schedule-resume", schedule: "pulse", reason: "because" }), prepare: scheduled },
    "schedule-run": { ask: async () => ({ op: "schedule-run", schedule: "pulse", reason: "because" }), prepare: scheduled },
    "schedule-backfill": { ask: async ({ clocks }) => ({ op: "schedule-backfill", schedule: "pulse", reason: "because", from: clocks.wallMs - 5000, to: clocks.wallMs }), prepare: scheduled },
    bulk: { ask: async () => bulk, prepare: (at) => asked(at) },
    "bulk.stop": {
      ask: async (at) => {
        await asked(at)
        const said = granted(await at.ask(admin, bulk))
        return { op: "bulk.stop", bulk: "bulk" in said ? said.bulk : "", reason: "because" }
      }
    },
    prune: { ask: async () => ({ op: "prune", reason: "because" }) },
    release: { ask: async () => ({ op: "release", reason: "because" }) },
    chat_replay: { ask: async () => ({ op: "chat_replay", update: 7, reason: "because" }) }
  }

  for (const op of Object.keys(wide) as ReadonlyArray<Wide>) {
    it.each(others)(`${op} by %s`, async (role) => {
      const at = fresh()
      await wide[op].prepare?.(at)
      const ask = await wide[op].ask(at)
      const person: Person = { actor: "cli:carol", roles: rolesOf(role) }
      const got = await judged(at, person, ask, null)
      const allowed = may[op].some((one) => one === role)
      expect(got).toBe(allowed ? (op === "submit" ? "REQUESTED" : op === "chat_replay" ? "UpdateNotDead" : "granted") : "NotAllowed")
    })
  }

  it.each(["restore", "accept_loss"] as const)("%s, which is asked before there is a log, is an admin's", (op) => {
    for (const role of others) expect(mayAsk(op, rolesOf(role), true), role).toBe(may[op].some((one) => one === role))
  })

  it("is refused in words that say what is missing, and nothing of it is stored", async () => {
    const at = fresh()
    await scheduled(at)
    const refused: ReadonlyArray<readonly [DoorAsk, string]> = [
      [{ op: "pause_queue", queue: "heavy", reason: null }, "ReasonMissing"],
      [{ op: "schedule-pause", schedule: "pulse", reason: " " }, "ReasonMissing"],
      [{ op: "schedule-backfill", schedule: "pulse", reason: null, from: 0, to: 1 }, "ReasonMissing"],
      [{ op: "schedule-run", schedule: "nothing", reason: null }, "ScheduleNotFound"],
      [{ op: "schedule-backfill", schedule: "pulse", reason: "x", from: 5, to: 1 }, "ScheduleRefused"],
      [{ ...bulk, reason: "" }, "ReasonMissing"],
      [bulk, "NothingMatched"]
    ]
    for (const [index, [ask, tag]] of refused.entries()) {
      const before = await stateOf(at)
      const seq = (await at.events()).length
      expect(tagOf(await at.ask(admin, ask, `key-${index}`))).toBe(tag)
      expect(await stateOf(at)).toEqual(before)
      expect((await at.events()).slice(seq).map(({ actor, type }) => [actor, type])).toEqual([["cli:root", "command.refused"]])
    }
  })
})
