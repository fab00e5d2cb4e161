import { describe, expect, it } from "vitest"
import { Either } from "effect"
import { spawn } from "../../src/domain/Checkpoint.ts"
import type { AskTo } from "../../src/domain/Command.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { claim, resume } from "../../src/domain/Dispatch.ts"
import { settle } from "../../src/domain/Execution.ts"
import { fork } from "../../src/domain/Fork.ts"
import { type Approval, digestOf, type Governance, openHolds, type Review } from "../../src/domain/Governance.ts"
import type { Now } from "../../src/domain/Now.ts"
import { noDemand, type Policy, policyByDefault } from "../../src/domain/Policy.ts"
import { cancel, recover } from "../../src/domain/Recovery.ts"
import { expire, submit } from "../../src/domain/Request.ts"
import { scheduleCommand } from "../../src/domain/Scheduling.ts"
import { fire } from "../../src/domain/Ticking.ts"
import { calendarOf, noTicks, planned, type Schedule } from "../../src/domain/Schedule.ts"
import { isBlocked, type Task } from "../../src/domain/Task.ts"
import { dangerous, held, inTheMiddleOf, later, now, refusalOf, taskAfter, typesOf } from "../domain/runs.ts"
import { commandOf, draftOf, failedOutcome, heavyKind, kindOf, nextId } from "../engine/tasks.ts"
import { approves, breaks, demanding, factsIn, needing, plans, policyOf, requestedBy } from "./world.ts"

const hour = 3_600_000
const resumes = (task: Task, kind: ReturnType<typeof heavyKind> | undefined, at: Now = now) => resume(task, commandOf({ op: "resume", task: task.id, reason: null }, { actor: "cli:ada" }), kind, at)
const recovers = (task: Task, kind: ReturnType<typeof heavyKind> | undefined, at: Now = now) => recover(task, commandOf({ op: "recover", task: task.id, reason: "again" }, { actor: "cli:ada" }), kind, at)
const digest = (task: Task): string => (task.governance === null ? "" : digestOf(task, task.governance))

describe("an approval is void", () => {
  const kind = needing({ approvals: 2 })
  const approved = () => taskAfter(approves(taskAfter(approves(requestedBy(kind), kind)), kind, "cli:cleo"))
  const changes = [
    ["the kind", needing({ approvals: 2 }, { version: "v2" })],
    ["the policy", needing({ approvals: 2 }, {}, { version: "p2" })],
    ["that the kind is declared", undefined]
  ] as const

  it.each(changes)("when %s changes: resume sends the task back, and nobody's word counts", (_what, changed) => {
    const decision = resumes(approved(), changed)
    expect([refusalOf(decision), typesOf(decision)]).toEqual(["ApprovalVoid", ["command.refused", "task.requested"]])
    expect(taskAfter(decision)).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { approvals: [] }, expiresAtMs: now.wallMs + hour })
    expect(factsIn(decision, "task.requested")).toMatchObject({ from: "APPROVED", by: "void", approvals: 2 })
  })

  it.each(changes)("when %s changes: a claim sends the task back, and starts nothing", (_what, changed) => {
    const decision = claim(taskAfter(resumes(approved(), kind)), "w", changed, now)
    expect([Either.getOrThrow(decision.answer), taskAfter(decision).state, taskAfter(decision).lease]).toEqual([null, "REQUESTED", null])
  })

  it.each(changes.slice(0, 2))("when %s changes while people are asked: the next word is refused, and all of them are asked anew", (_what, changed) => {
    const task = taskAfter(approves(requestedBy(kind), kind))
    for (const word of [approves(task, changed, "cli:cleo"), approves(task, changed, "cli:bob"), plans(task, changed), breaks(task, changed)]) {
      expect([refusalOf(word), typesOf(word)]).toEqual(["ApprovalVoid", ["command.refused", "approval.voided"]])
      expect(taskAfter(word)).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { approvals: [] } })
    }
    const anew = taskAfter(approves(task, changed, "cli:bob"))
    expect(refusalOf(approves(anew, changed, "cli:bob"))).toBe("granted")
  })

  it("for another payload: what was shown is named by its digest", () => {
    const task = requestedBy(kind, { host: "one" })
    const other = requestedBy(kind, { host: "two" })
    const wrong = approves(task, kind, "cli:bob", {}, now, digest(other))
    expect([refusalOf(wrong), wrong.tasks, typesOf(wrong)]).toEqual(["ApprovalStale", [], ["command.refused"]])
    expect(refusalOf(approves(task, kind, "cli:bob", {}, now, digest(task)))).toBe("granted")
    expect(refusalOf(approves(approved(), kind, "cli:dan", {}, now, digest(other)))).toBe("ApprovalStale")
  })

  it.each(["payloadSha256", "kindVersion", "kind"] as const)("with another %s in the row", (member) => {
    const task = taskAfter(approves(requestedBy(kind), kind))
    expect(digest({ ...task, [member]: "other" })).not.toBe(digest(task))
  })

  it("for a task that a debounce changes: that is refused", () => {
    const unique = { unique: { key: "k", scope: "queued" } } as const
    const wish = { key: "k", delay_ms: 1000 }
    const debounced = (holder: Task, kind: ReturnType<typeof heavyKind>) =>
      submit(commandOf({ op: "submit" as const, kind: kind.name, payload: { host: "two" }, reason: null, debounce: wish }, { actor: "cli:mallory" }), kind, nextId(), now, holder)
    for (const holder of [requestedBy(kind), approved(), taskAfter(resumes(approved(), kind))]) expect(refusalOf(debounced({ ...holder, ...unique }, kind))).toBe("DebounceRefused")
    const free = needing({}, {}, { version: "p2", kinds: new Map([["deploy", noDemand]]) })
    expect(refusalOf(debounced({ ...taskAfter(resumes(approved(), kind)), ...unique }, free))).toBe("DebounceRefused")
    const light = kindOf()
    const wary = kindOf({ policy: policyOf({}, { risks: [{ name: "second", words: [/two/], paths: [], demand: demanding({}) }] }) })
    expect(refusalOf(debounced({ ...requestedBy(light), ...unique }, wary))).toBe("DebounceRefused")
    const after = taskAfter(debounced({ ...requestedBy(light), ...unique }, light))
    expect([after.authors, after.payload]).toEqual([["cli:mallory"], "{\"host\":\"two\"}"])
  })
})

describe("what people are asked for, as it stands in a row", () => {
  const kind = needing({ approvals: 2, plan: true, review: true })
  const planned = () => taskAfter(plans(requestedBy(kind), kind, "cli:pat"))
  const governed = (change: Partial<Governance>): ReadonlyArray<string> => {
    const task = planned()
    if (task.governance === null) throw new Error("nobody is asked")
    return openHolds(task, { ...task.governance, ...change })
  }
  const yes = (actor: string, of = digest(planned())): Approval => ({ actor, channel: "cli", roles: ["approver"], atMs: now.wallMs, note: null, digest: of, self: false })
  const passed = (change: Partial<Review> = {}): Review => ({ actor: "cli:rita", atMs: now.wallMs, verdict: "pass", code: null, notes: null, digest: digest(planned()), ...change })

  it.each<[string, Partial<Governance>, ReadonlyArray<string>]>([
    ["two people and a review", { approvals: [yes("cli:bob"), yes("cli:cleo")], review: passed() }, []],
    ["the same person twice", { approvals: [yes("cli:bob"), yes("cli:bob")], review: passed() }, ["approval"]],
    ["a yes to something else", { approvals: [yes("cli:bob"), yes("cli:cleo", "other")], review: passed() }, ["approval"]],
    ["a yes to something else, then one to this", { approvals: [yes("cli:bob", "other"), yes("cli:bob"), yes("cli:cleo")], review: passed() }, []],
    ["a review of something else", { approvals: [yes("cli:bob"), yes("cli:cleo")], review: passed({ digest: "other" }) }, ["review"]],
    ["a review that failed", { approvals: [yes("cli:bob"), yes("cli:cleo")], review: passed({ verdict: "fail" }) }, ["review"]],
    ["glass that was broken for this", { broken: { actor: "cli:eve", reason: "", atMs: 0, digest: digest(planned()) } }, []],
    ["glass that was broken for something else", { broken: { actor: "cli:eve", reason: "", atMs: 0, digest: "other" } }, ["review", "approval"]],
    ["no plan", { plan: null }, ["plan", "review", "approval"]]
  ])("%s", (_what, change, open) => {
    expect(governed(change)).toEqual(open)
  })

  it.each<[string, Partial<Governance>]>([["the policy", { policyVersion: "other" }], ["the plan", { plan: { actor: "cli:pat", atMs: 0, text: "{}" } }], ["that there is a plan", { plan: null }]])("has another digest with another of %s", (_what, change) => {
    const task = planned()
    if (task.governance === null) throw new Error("nobody is asked")
    expect(digestOf(task, { ...task.governance, ...change })).not.toBe(digest(task))
  })
})

describe("an approval expires", () => {
  const kind = needing({ ttlMs: 60_000 })
  const requested = () => requestedBy(kind)
  const approved = () => taskAfter(approves(requested(), kind))

  it("also after it was given, whether or not anybody looked in time", () => {
    expect(taskAfter(expire(approved(), later(60_000))).state).toBe("EXPIRED")
    const late = resumes(approved(), kind, later(60_000))
    expect([refusalOf(late), taskAfter(late).state, typesOf(late)]).toEqual(["ApprovalLapsed", "EXPIRED", ["command.refused", "task.expired"]])
    expect(refusalOf(resumes(approved(), kind, later(59_999)))).toBe("granted")
  })

  it("to the safe side: what is said late is refused, and ends the task", () => {
    const words = [approves(requested(), kind, "cli:bob", {}, later(60_000)), plans(requested(), kind, "cli:ada", "x", later(60_000)), breaks(requested(), kind, "cli:eve", later(60_000)), resumes(requested(), kind, later(60_000))]
    for (const word of words) expect([refusalOf(word), taskAfter(word).state]).toEqual(["ApprovalLapsed", "EXPIRED"])
  })

  it("and is not given back by a clock that was set back: nothing is stored but the refusal", () => {
    for (const word of [resumes(approved(), kind, later(-60_001)), approves(requested(), kind, "cli:bob", {}, later(-60_001))]) {
      expect([refusalOf(word), word.tasks, typesOf(word)]).toEqual(["ApprovalLapsed", [], ["command.refused"]])
    }
    expect(refusalOf(resumes(approved(), kind, later(-60_000)))).toBe("granted")
  })

  it("in a file that was restored and not released: nothing is moved, and nothing let through", () => {
    const restored = { number: 1, atMs: now.wallMs, actor: "cli:ada", backupSeq: 1, backupHash: "", generationFloor: 0, releasedAtMs: null }
    const late = resumes(approved(), kind, later(60_000, { restored }))
    expect([refusalOf(late), late.tasks]).toEqual(["ApprovalLapsed", []])
  })

  it("as the shorter of what the policy says for its risks", () => {
    const risky = needing({ ttlMs: null }, { risk: "delete" }, { risks: [{ name: "delete", words: [], paths: [], demand: demanding({ ttlMs: 5000 }) }] })
    expect(requestedBy(risky).expiresAtMs).toBe(now.wallMs + 5000)
  })
})

describe("a resume", () => {
  it("of a task whose policy asks for nothing any more lets it go, and it is not asked about at its claim", () => {
    const kind = needing({ approvals: 2 })
    const free = needing({}, {}, { version: "p2", kinds: new Map([["deploy", noDemand]]) })
    const queued = taskAfter(resumes(requestedBy(kind), free))
    expect(queued).toMatchObject({ state: "QUEUED", governance: null, held: false })
    expect(taskAfter(claim(queued, "w", free, now)).state).toBe("RUNNING")
  })

  it("of a task that nobody was asked about any more asks, where the policy changed once more", () => {
    const kind = needing({ approvals: 2 })
    const free = needing({}, {}, { version: "p2", kinds: new Map([["deploy", noDemand]]) })
    const waits = taskAfter(approves(requestedBy(kind), free))
    expect(waits).toMatchObject({ state: "REQUESTED", governance: null, holds: [] })
    expect(refusalOf(approves(waits, free))).toBe("TransitionRefused")
    const decision = resumes(waits, needing({}, {}, { version: "p3" }))
    expect([refusalOf(decision), taskAfter(decision).holds]).toEqual(["HoldsOpen", ["approval"]])
  })

  it("names the holds that are open", () => {
    const kind = needing({ plan: true, review: true })
    expect(resumes(requestedBy(kind), kind).answer).toMatchObject({ left: { _tag: "HoldsOpen", holds: ["plan", "review", "approval"] } })
  })
})

describe("a claim", () => {
  it("of what nobody was asked about asks, where the kind asks for people by now", () => {
    const task = requestedBy(kindOf())
    expect(task).toMatchObject({ state: "QUEUED", held: false })
    for (const changed of [kindOf({ version: "v2", needsApproval: true }), kindOf({ version: "v2", risk: "delete" }), kindOf({ policy: policyOf({}, { kinds: new Map([["report", demanding({})]]) }) })]) {
      expect(taskAfter(claim(task, "w", changed, now))).toMatchObject({ state: "REQUESTED", holds: ["approval"], held: true })
    }
    expect(taskAfter(claim(task, "w", kindOf({ version: "v2" }), now)).state).toBe("RUNNING")
  })

  it("of a run that was asked to end does not ask anew: it only undoes what was done", () => {
    const { task } = inTheMiddleOf([draftOf(1)])
    const ending: Task = { ...task, state: "QUEUED", lease: null, intents: [], cancel: { actor: "cli:ada", reason: "", atMs: 0, kill: false, compensate: true } }
    for (const changed of [kindOf({ version: "v2", needsApproval: true }), kindOf({ policy: { ...policyByDefault, version: "ro", mode: "readonly" } })]) {
      expect(taskAfter(claim(ending, "w", changed, now)).state).toBe("RUNNING")
    }
  })

  it("begins nothing while the policy dispatches nothing, also behind broken glass, and leaves the task in the queue", () => {
    const readonly = needing({}, {}, { version: "ro", mode: "readonly" })
    const queued = taskAfter(resumes(taskAfter(breaks(requestedBy(readonly), readonly)), readonly))
    const decision = claim(queued, "w", readonly, now)
    expect([queued.state, Either.getOrThrow(decision.answer), decision.tasks, decision.events]).toEqual(["QUEUED", null, [], []])
  })

  it("asks for one yes at least where what was approved needs none by now, and that one counts", () => {
    const kind = needing({ approvals: 2 })
    const free = needing({}, {}, { version: "p2", kinds: new Map([["deploy", noDemand]]) })
    const approved = taskAfter(approves(taskAfter(approves(requestedBy(kind), kind)), kind, "cli:cleo"))
    const anew = taskAfter(resumes(approved, free))
    expect(anew).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { policyVersion: "p2", demand: { approvals: 1 } } })
    const again = taskAfter(approves(anew, free))
    expect(taskAfter(claim(taskAfter(resumes(again, free)), "w", free, now)).state).toBe("RUNNING")
  })

  it("begins nothing under a policy that dispatches nothing, and asks about what nobody was asked about", () => {
    const readonly = kindOf({ policy: { ...policyByDefault, version: "ro", mode: "readonly" } })
    const decision = claim({ ...requestedBy(kindOf()), held: false }, "w", readonly, now)
    expect([taskAfter(decision).state, taskAfter(decision).holds]).toEqual(["REQUESTED", ["policy"]])
  })
})

describe("a policy", () => {
  const denying = (change: Partial<Policy>): Policy => ({ ...policyByDefault, version: "deny", ...change })
  const word = denying({ deny: [{ name: "no-prod", why: "not there", words: [/prod/], paths: [] }] })

  it("holds back what comes from where nobody can be refused, and what it denies is never lost", () => {
    const parentKind = kindOf({ name: "flow" })
    const { task: parent } = inTheMiddleOf([draftOf(1)], parentKind)
    const denied = kindOf({ name: "child", policy: word })
    const decision = spawn(parent, held(parent), draftOf(2), { id: nextId(), kind: denied, payload: { to: "prod" } }, [], now)
    expect(decision.tasks.at(-1)).toMatchObject({ kind: "child", state: "REQUESTED", holds: ["policy"], governance: { denied: { rule: "no-prod" } } })
    expect(decision.messages).toHaveLength(1)
  })

  it("refuses at once what a person asks for, and a fork of it", () => {
    const kind = kindOf({ policy: word })
    expect(refusalOf(submit(commandOf({ op: "submit", kind: kind.name, payload: { to: "prod" }, reason: null }), kind, nextId(), now))).toBe("PolicyDenied")
    const { steps, task } = inTheMiddleOf([dangerous(1)], kindOf())
    const ended: Task = { ...task, state: "FAILED", lease: null, intents: [] }
    const asked: AskTo<"fork"> = { op: "fork", task: task.id, step: 1, payload: { to: "prod" }, reason: "again" }
    const settledSteps = steps.map((step) => ({ ...step, state: "failed" as const }))
    expect(refusalOf(fork(ended, settledSteps, commandOf(asked), kind, nextId(), now))).toBe("PolicyDenied")
  })

  it("that holds a task back is not satisfied by people, only by break-glass or by another policy", () => {
    const kind = needing({}, {}, { allow: { light: null, heavy: [/^other$/] } })
    const free = needing({})
    const task: Task = { ...requestedBy(free, {}, now), kindVersion: kind.version }
    const asked = taskAfter(resumes(task, needing({}, {}, { version: "p2", allow: { light: null, heavy: [/^other$/] } })))
    expect(asked.holds).toEqual(["approval", "policy"])
    const strict = needing({}, {}, { version: "p2", allow: { light: null, heavy: [/^other$/] } })
    const approved = taskAfter(approves(asked, strict))
    expect([approved.state, approved.holds, isBlocked(approved)]).toEqual(["REQUESTED", ["policy"], true])
    expect(taskAfter(breaks(approved, strict)).state).toBe("APPROVED")
    expect(taskAfter(resumes(approved, needing({}, {}, { version: "p3" })))).toMatchObject({ state: "REQUESTED", holds: ["approval"] })
  })
})

describe("a tick of a schedule", () => {
  const spec: Schedule["spec"] = {
    name: "nightly", kind: "deploy", payload: {}, timing: { _tag: "Every", periodMs: 60_000 }, catchUp: "latest", catchUpWindowMs: hour, catchUpMax: 10, overlap: "allow", queueMax: 10, jitterMs: 0, lateAfterMs: 1000
  }
  const schedule: Schedule = planned({ name: "nightly", version: 1, spec, gone: false, paused: null, anchorMs: now.wallMs, cursorMs: now.wallMs, nextMs: null, dueMs: null, waiting: [], last: null, counts: noTicks, updatedAtMs: now.wallMs })
  const around = (kind: ReturnType<typeof heavyKind>) => ({ open: [], ticks: [], kind })

  it("of a kind that the policy denies is held back, and not lost", () => {
    const kind = needing({}, {}, { allow: { light: null, heavy: [] } })
    expect(calendarOf(spec, schedule.anchorMs)).toBeDefined()
    const decision = fire(schedule, around(kind), later(60_000))
    expect(decision.tasks).toMatchObject([{ state: "REQUESTED", holds: ["approval", "policy"], requester: "system:schedule" }])
  })

  it("is nobody's own work, but a run that somebody asks for is his", () => {
    const kind = needing({})
    const tick = taskAfter(fire(schedule, around(kind), later(60_000)))
    expect(refusalOf(approves(tick, kind))).toBe("granted")
    for (const ask of [{ op: "schedule-run", schedule: "nightly", reason: null }, { op: "schedule-backfill", schedule: "nightly", reason: "filled", from: now.wallMs + 60_000, to: now.wallMs + 60_000 }] as const) {
      const run = taskAfter(scheduleCommand(schedule, commandOf(ask, { actor: "cli:bob" }), around(kind), later(60_000)))
      expect([run.authors, refusalOf(approves(run, kind, "cli:bob", {}, later(60_000))), refusalOf(approves(run, kind, "cli:cleo", {}, later(60_000)))]).toEqual([["cli:bob"], "SelfApproval", "granted"])
    }
  })
})

describe("a recovery", () => {
  const kind = needing({ approvals: 2 })
  const approved = (at: Now = now) => taskAfter(approves(taskAfter(approves(requestedBy(kind, {}, at), kind, "cli:bob", {}, at)), kind, "cli:cleo", {}, at))
  const failed = () => {
    const task = taskAfter(claim(taskAfter(resumes(approved(), kind)), "w", kind, now))
    return taskAfter(settle(task, held(task), failedOutcome, now, 0))
  }

  it("goes on under approvals that are still good, and asks anew without them", () => {
    expect(taskAfter(recovers(failed(), kind)).state).toBe("QUEUED")
    const anew = { state: "REQUESTED", holds: ["approval"], governance: { approvals: [] } }
    for (const [changed, at] of [[needing({ approvals: 2 }, { version: "v2" }), now], [needing({ approvals: 2 }, {}, { version: "p2" }), now], [undefined, now], [kind, later(hour)], [kind, later(-60_001)]] as const) {
      expect(taskAfter(recovers(failed(), changed, at))).toMatchObject(anew)
    }
  })

  it("of what was canceled while people were asked asks anew", () => {
    const canceled = taskAfter(cancel(taskAfter(approves(requestedBy(kind), kind)), commandOf({ op: "cancel", task: "t", reason: "no" }), now))
    expect(taskAfter(recovers(canceled, kind))).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { approvals: [] } })
  })

  it("of what expired asks anew, also when enough people had said yes", () => {
    const expired = taskAfter(expire(approved(), later(hour)))
    expect(taskAfter(recovers(expired, kind, later(hour)))).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { approvals: [], askedAtMs: now.wallMs + hour } })
  })

  it("of what expired in the queue goes the whole way again", () => {
    const hasty = kindOf({ limits: { ...kindOf().limits, scheduleToStartMs: 1000 } })
    const expired = taskAfter(expire(requestedBy(hasty), later(1000)))
    expect([expired.state, typesOf(recovers(expired, hasty, later(1000)))]).toEqual(["EXPIRED", ["task.requested", "task.approved", "task.queued"]])
  })

  it("of what nobody was asked about computes its holds from the policy as it is", () => {
    const task = taskAfter(cancel(requestedBy(kindOf()), commandOf({ op: "cancel", task: "t", reason: "no" }), now))
    expect(taskAfter(recovers(task, kindOf())).state).toBe("QUEUED")
    expect(taskAfter(recovers(task, kindOf({ version: "v2", needsApproval: true })))).toMatchObject({ state: "REQUESTED", holds: ["approval"] })
  })
})

describe("a fork", () => {
  it("has holds of its own: nothing that was said about the other task counts, and neither author may approve it", () => {
    const kind = needing({ approvals: 1 })
    const { steps, task } = inTheMiddleOf([draftOf(1)])
    const before: Task = { ...taskAfter(approves(requestedBy(kind), kind)), state: "FAILED", steps: task.steps, authors: ["cli:zoe"] }
    const forked = taskAfter(fork(before, steps.map((step) => ({ ...step, state: "succeeded" as const })), commandOf({ op: "fork", task: "t", step: 1, reason: "again" }, { actor: "cli:fred" }), kind, nextId(), now))
    expect(forked).toMatchObject({ state: "REQUESTED", holds: ["approval"], requester: "cli:fred", authors: ["cli:ada", "cli:zoe"], governance: { approvals: [] } })
    for (const actor of ["cli:fred", "cli:ada", "cli:zoe"]) expect(refusalOf(approves(forked, kind, actor))).toBe("SelfApproval")
    expect(refusalOf(approves(forked, kind))).toBe("granted")
  })
})

describe("a child", () => {
  it("is the work of whoever asked for its parent, and of those who had a hand in that", () => {
    const { task } = inTheMiddleOf([draftOf(1)])
    const parent: Task = { ...task, requester: "cli:ada", authors: ["cli:zoe"] }
    const kind = needing({})
    const child = spawn(parent, held(parent), draftOf(2), { id: nextId(), kind, payload: {} }, [], now).tasks.at(-1)
    if (child === undefined) throw new Error("no child")
    for (const actor of ["cli:ada", "cli:zoe"]) expect(refusalOf(approves(child, kind, actor))).toBe("SelfApproval")
    expect(refusalOf(approves(child, kind))).toBe("granted")
  })
})

describe("a row of before there were approvals", () => {
  const kind = heavyKind()
  const legacy = (task: Task): Task => ({ ...task, governance: null, held: true })

  it("asks anew wherever it stands", () => {
    const requested = requestedBy(kind)
    const approved = taskAfter(approves(requested, kind))
    const queued = taskAfter(resumes(approved, kind))
    const failed: Task = { ...queued, state: "FAILED" }
    const anew = { state: "REQUESTED", holds: ["approval"], governance: { approvals: [] } }
    const decisions: ReadonlyArray<readonly [Decision<unknown>, string]> = [
      [approves(legacy(requested), kind), "ApprovalVoid"],
      [resumes(legacy(requested), kind), "HoldsOpen"],
      [resumes(legacy(approved), kind), "ApprovalVoid"],
      [claim(legacy(queued), "w", kind, now), "granted"],
      [recovers(legacy(failed), kind), "granted"]
    ]
    for (const [decision, refusal] of decisions) expect([refusalOf(decision), taskAfter(decision)]).toMatchObject([refusal, anew])
    expect(taskAfter(approves(taskAfter(approves(legacy(requested), kind)), kind)).state).toBe("APPROVED")
  })
})
