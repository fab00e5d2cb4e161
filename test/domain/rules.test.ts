import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { endStep, suspend } from "../../src/domain/Checkpoint.ts"
import type { TaskAsk } from "../../src/domain/Command.ts"
import { approve, breakGlass, plan, review } from "../../src/domain/Approval.ts"
import type { Answer, Decision } from "../../src/domain/Decision.ts"
import { dismiss } from "../../src/domain/DeadLetter.ts"
import { claim, handBack, resume } from "../../src/domain/Dispatch.ts"
import { begin, lossesMax, reclaim, settle } from "../../src/domain/Execution.ts"
import type { Now } from "../../src/domain/Now.ts"
import { fork } from "../../src/domain/Fork.ts"
import { cancel, kill, reconcile, recover } from "../../src/domain/Recovery.ts"
import { expire, reject } from "../../src/domain/Request.ts"
import { signal } from "../../src/domain/Signal.ts"
import { isBlocked, type Task } from "../../src/domain/Task.ts"
import { isTerminal, type TaskState, taskStates } from "../../src/domain/TaskState.ts"
import { isLegal } from "../../src/domain/Transition.ts"
import { commandOf, execDraft, failedOutcome, heavyKind, kindOf, nextId, succeeded } from "../engine/tasks.ts"
import { approved, ask, begun, dangerous, held, inState, kindFor, later, nextEpoch, now, queued, refusalOf, requested, running, taskAfter, unknown } from "./runs.ts"

type Commanded = Exclude<TaskAsk["op"], "submit">
const commands: Record<Commanded, (task: Task) => Decision<Answer>> = {
  approve: (task) => approve(task, commandOf(ask("approve"), { actor: "cli:bob" }), heavyKind(), now),
  plan: (task) => plan(task, commandOf({ op: "plan", task: "t", reason: null, plan: { scope: "s", risks: "r", test_plan: "t", rollback_plan: "b", approval_impact: "a" } }), heavyKind(), now),
  review: (task) => review(task, commandOf({ op: "review", task: "t", reason: null, verdict: "fail", code: "other", checklist: { policy_safety: true, correctness: true, tests: true, rollback: true, approval_constraints: true } }, { actor: "cli:bob" }), heavyKind(), now),
  break_glass: (task) => breakGlass(task, commandOf(ask("break_glass"), { actor: "cli:bob" }), heavyKind(), now),
  reject: (task) => reject(task, commandOf(ask("reject")), now),
  resume: (task) => resume(task, commandOf(ask("resume")), kindFor(task), now),
  cancel: (task) => cancel(task, commandOf(ask("cancel")), now),
  dismiss: (task) => dismiss(task, commandOf(ask("dismiss")), now),
  recover: (task) => recover(task, commandOf(ask("recover")), kindFor(task), now),
  reconcile: (task) => reconcile(task, commandOf({ op: "reconcile", task: "t", reason: "seen", outcome: "succeeded" }), now),
  kill: (task) => kill(task, commandOf(ask("kill")), now),
  fork: (task) => fork(task, [], commandOf({ op: "fork", task: "t", reason: "because", step: 1 }), heavyKind(), nextId(), now),
  signal: (task) => signal(task, commandOf({ op: "signal", task: "t", reason: null, name: "go", payload: null }), now)
}

/** What each command makes of a task in each state: its next state, the same state (nothing moved), or the refusal. */
const table: Record<Commanded, Record<TaskState, string>> = {
  approve: { REQUESTED: "APPROVED", APPROVED: "AlreadyApproved", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  plan: { REQUESTED: "REQUESTED", APPROVED: "TransitionRefused", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  review: { REQUESTED: "ReviewRefused", APPROVED: "TransitionRefused", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  break_glass: { REQUESTED: "APPROVED", APPROVED: "TransitionRefused", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  reject: { REQUESTED: "CANCELED", APPROVED: "CANCELED", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  resume: { REQUESTED: "HoldsOpen", APPROVED: "QUEUED", QUEUED: "QUEUED", RUNNING: "RUNNING", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  cancel: { REQUESTED: "CANCELED", APPROVED: "CANCELED", QUEUED: "CANCELED", RUNNING: "RUNNING", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  recover: { REQUESTED: "TransitionRefused", APPROVED: "TransitionRefused", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "QUEUED", CANCELED: "REQUESTED", EXPIRED: "REQUESTED" },
  dismiss: { REQUESTED: "TransitionRefused", APPROVED: "TransitionRefused", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "FAILED", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  reconcile: { REQUESTED: "TransitionRefused", APPROVED: "TransitionRefused", QUEUED: "TransitionRefused", RUNNING: "TransitionRefused", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  kill: { REQUESTED: "CANCELED", APPROVED: "CANCELED", QUEUED: "CANCELED", RUNNING: "RUNNING", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" },
  fork: { REQUESTED: "ForkRefused", APPROVED: "ForkRefused", QUEUED: "ForkRefused", RUNNING: "ForkRefused", SUCCEEDED: "ForkRefused", FAILED: "ForkRefused", CANCELED: "ForkRefused", EXPIRED: "ForkRefused" },
  signal: { REQUESTED: "REQUESTED", APPROVED: "APPROVED", QUEUED: "QUEUED", RUNNING: "RUNNING", SUCCEEDED: "TransitionRefused", FAILED: "TransitionRefused", CANCELED: "TransitionRefused", EXPIRED: "TransitionRefused" }
}

describe("a command", () => {
  for (const op of Object.keys(table) as ReadonlyArray<Commanded>) {
    for (const state of taskStates) {
      it(`${op} on a ${state} task: ${table[op][state]}`, () => {
        const task = inState[state]()
        assert.strictEqual(task.state, state)
        const decision = commands[op](task)
        const result = Either.isLeft(decision.answer) ? decision.answer.left._tag : decision.answer.right.state
        assert.strictEqual(result, table[op][state])
        assert.isAbove(decision.events.length, 0)
        if (Either.isLeft(decision.answer)) {
          assert.deepStrictEqual(decision.tasks, [])
          assert.deepStrictEqual(decision.events.map(({ type }) => type), ["command.refused"])
        }
      })
    }
  }

  it("that approves never dispatches, and a second resume answers the same dispatch", () => {
    const task = approved()
    assert.deepStrictEqual([task.state, task.lease, task.queuedAtMs], ["APPROVED", null, null])
    const again = commands.resume(queued())
    assert.deepStrictEqual(Either.getOrThrow(again.answer).moved, false)
    assert.deepStrictEqual(again.tasks, [])
  })

  it("does not let the requester approve his own task, unless the policy says so, and then marks it", () => {
    assert.strictEqual(refusalOf(approve(requested(), commandOf(ask("approve")), heavyKind(), now)), "SelfApproval")
    const kind = heavyKind({ selfApproval: true })
    const decision = approve(requested(kind), commandOf(ask("approve")), kind, now)
    assert.strictEqual(decision.events.find(({ type }) => type === "hold.released")?.payload["self"], true)
  })

  it("that resumes a task whose kind was changed since sends it back to ask anew", () => {
    const decision = resume(approved(), commandOf(ask("resume")), heavyKind({ version: "v2" }), now)
    assert.strictEqual(refusalOf(decision), "ApprovalVoid")
    assert.deepInclude(taskAfter(decision), { state: "REQUESTED", holds: ["approval"], kindVersion: "v2" })
  })

  it("that recovers a task under a valid approval queues it with a fresh budget, and asks anew when the approval ran out", () => {
    const failed = inState.FAILED()
    assert.deepInclude(taskAfter(recover(failed, commandOf(ask("recover")), kindFor(failed), now)), { state: "QUEUED", budget: 1 })
    assert.deepInclude(taskAfter(recover(failed, commandOf(ask("recover")), kindFor(failed), later(3_600_000))), { state: "REQUESTED", holds: ["approval"] })
    assert.deepInclude(taskAfter(recover(failed, commandOf(ask("recover")), heavyKind({ version: "v2" }), now)), { state: "REQUESTED", holds: ["approval"] })
  })
})

describe("a claim", () => {
  it("does not run a task whose kind was changed after its approval", () => {
    const decision = claim(queued(), "w", heavyKind({ version: "v2" }), now)
    assert.deepStrictEqual([taskAfter(decision).state, Either.getOrThrow(decision.answer)], ["REQUESTED", null])
  })

  it("grants the next generation and attempt", () => {
    assert.deepInclude(running(), { state: "RUNNING", attempt: 1, generation: 1, lease: { epoch: 1, worker: "w" } })
  })

  it("can be handed back before its effect begins, without costing an attempt", () => {
    const task = running()
    assert.deepInclude(taskAfter(handBack(task, held(task), now)), { state: "QUEUED", budget: 1, lease: null })
    const effect = begun()
    assert.strictEqual(refusalOf(handBack(effect, held(effect), now)), "LeaseLost")
  })
})

describe("an effect", () => {
  it("does not begin under another generation, another epoch, or a lease that has run out", () => {
    const task = running()
    assert.strictEqual(refusalOf(begin(task, { generation: 0, epoch: 1 }, execDraft("dangerous"), now)), "LeaseLost")
    assert.strictEqual(refusalOf(begin(task, held(task), execDraft("dangerous"), later(0, { epoch: 2 }))), "LeaseLost")
    assert.strictEqual(refusalOf(begin(task, held(task), execDraft("dangerous"), later(30_000))), "LeaseLost")
  })

  it("does not begin once a cancel is pending: the step boundary is where it takes effect", () => {
    const asked = taskAfter(cancel(running(), commandOf(ask("cancel")), now))
    const decision = begin(asked, held(asked), execDraft("dangerous"), now)
    assert.strictEqual(Either.getOrThrow(decision.answer).step, null)
    assert.deepStrictEqual([decision.tasks, decision.steps, decision.events], [[], [], []])
    assert.deepInclude(taskAfter(settle(asked, held(asked), { _tag: "Stopped", compensated: false }, now, 0)), { state: "CANCELED", cancel: null, lease: null })
  })

  it("names the instant before which it must start", () => {
    assert.strictEqual(Either.getOrThrow(begin(running(), held(running()), execDraft("dangerous"), now).answer).startBeforeMonoMs, 1_030_000)
  })
})

describe("a settlement", () => {
  const light = kindOf()

  it("under an old generation changes nothing and is counted", () => {
    const task = running()
    const decision = settle(task, { generation: 0, epoch: 1 }, succeeded, now, 0)
    assert.strictEqual(refusalOf(decision), "LeaseLost")
    assert.deepStrictEqual([decision.tasks.length, decision.events[0]?.type], [0, "write.fenced"])
  })

  it("of a failure waits for its retry while attempts are left, and fails after the last", () => {
    let task = running(light)
    for (const expected of ["QUEUED", "QUEUED", "FAILED"]) {
      const decision = settle(task, held(task), failedOutcome, now, 0)
      assert.strictEqual(taskAfter(decision).state, expected)
      assert.deepInclude(decision.attempts[0], { number: task.attempt, generation: task.generation, code: "exit_nonzero" })
      if (expected === "QUEUED") task = taskAfter(claim(taskAfter(decision), "w", kindFor(task), now))
    }
    assert.strictEqual(task.attempt, 3)
  })

  it("of an unknown outcome keeps the task blocked in RUNNING, and only reconcile moves it", () => {
    const task = unknown()
    assert.deepStrictEqual([task.state, task.lease, isBlocked(task)], ["RUNNING", null, true])
    assert.strictEqual(refusalOf(commands.resume(task)), "OutcomeUnknown")
    assert.strictEqual(refusalOf(commands.recover(task)), "TransitionRefused")
    assert.strictEqual(taskAfter(cancel(task, commandOf(ask("cancel")), now)).state, "RUNNING")
    assert.strictEqual(refusalOf(settle(task, { generation: 1, epoch: 1 }, succeeded, now, 0)), "LeaseLost")
  })

  it("by reconcile: it happened, it failed, or once more", () => {
    const by = (outcome: "succeeded" | "failed" | "retry", task = unknown()) => reconcile(task, commandOf({ op: "reconcile", task: "t", reason: "seen", outcome }), now)
    assert.deepInclude(taskAfter(by("succeeded")), { state: "QUEUED", unknown: null, intents: [] })
    assert.deepInclude(by("succeeded").steps[0], { number: 1, state: "succeeded", result: "{\"reason\":\"seen\",\"reconciled\":true}" })
    assert.deepInclude(taskAfter(by("failed")), { state: "FAILED", unknown: null, intents: [] })
    assert.deepInclude(by("failed").steps[0], { number: 1, state: "failed", result: null, code: "reconciled_failed", error: "seen" })
    assert.deepInclude(taskAfter(by("retry")), { state: "QUEUED", intents: [], budget: 1 })
    assert.deepInclude(by("retry").steps[0], { number: 1, state: "cleared", result: null })
    const canceled = taskAfter(cancel(unknown(), commandOf(ask("cancel")), now))
    assert.strictEqual(taskAfter(by("retry", canceled)).state, "CANCELED")
    assert.deepInclude(taskAfter(by("succeeded", canceled)), { state: "QUEUED", cancel: canceled.cancel })
  })

  it("prefers a success to a pending cancel, and a pending cancel to a retry", () => {
    const asked = taskAfter(cancel(running(light), commandOf(ask("cancel")), now))
    assert.strictEqual(taskAfter(settle(asked, held(asked), succeeded, now, 0)).state, "SUCCEEDED")
    assert.strictEqual(taskAfter(settle(asked, held(asked), failedOutcome, now, 0)).state, "CANCELED")
  })

  it("after the close deadline expires the task instead of trying again", () => {
    const kind = kindOf({ limits: { ...light.limits, scheduleToCloseMs: 1000 } })
    const task = running(kind)
    assert.strictEqual(taskAfter(settle(task, held(task), failedOutcome, later(1000), 0)).state, "EXPIRED")
  })

  it("of an effect that was not started spends no attempt", () => {
    const task = begun()
    assert.deepInclude(taskAfter(settle(task, held(task), { _tag: "NotStarted", code: "lease_expired", error: "" }, now, 0)), { state: "QUEUED", budget: 1, losses: 1 })
  })
})

describe("taking back a lost run", () => {
  const back = (task: Task, finding: Parameters<typeof reclaim>[1]) => taskAfter(reclaim(task, finding, "w2", nextEpoch(), 0))

  it("queues what never began, adopts what lives, reads what finished", () => {
    assert.deepInclude(back(running(), { _tag: "NotBegun" }), { state: "QUEUED", budget: 1, losses: 1 })
    assert.deepInclude(back(begun(), { _tag: "Alive" }), { state: "RUNNING", generation: 2, attempt: 1, lease: { epoch: 2, worker: "w2" } })
    assert.strictEqual(back(begun(), { _tag: "Finished", outcome: succeeded }).state, "SUCCEEDED")
  })

  it("never runs a dangerous effect again that is gone, and runs an idempotent one", () => {
    const gone = { _tag: "Gone", error: "no record" } as const
    assert.isTrue(isBlocked(back(begun(), gone)))
    assert.strictEqual(back(begun(kindOf()), gone).state, "QUEUED")
  })

  it("ends a task that keeps losing its worker", () => {
    let task = running(kindOf())
    for (let loss = 1; loss < lossesMax; loss++) {
      const at = later(loss * 60_000, { epoch: loss + 1, leaseUntilMonoMs: Infinity })
      const queuedAgain = taskAfter(reclaim(task, { _tag: "NotBegun" }, "w", at, 0))
      task = taskAfter(claim(queuedAgain, "w", kindFor(queuedAgain), { ...at, wallMs: at.wallMs + 30_000 }))
    }
    const last = taskAfter(reclaim(task, { _tag: "NotBegun" }, "w", later(0, { epoch: 99 }), 0))
    assert.deepInclude(last, { state: "FAILED", failure: { code: "recovery_attempts_exceeded", error: "the worker was lost before it began" } })
  })
})

describe("any sequence of rules", () => {
  type Move = (task: Task, at: Now) => Decision<unknown>
  // A fork stores another task.
  const { fork: _, ...onItself } = commands
  const moves: ReadonlyArray<Move> = [
    ...Object.values(onItself).map((command): Move => (task) => command(task)),
    (task, at) => cancel(task, commandOf({ op: "cancel", task: "t", reason: "because", compensate: true }), at),
    (task, at) => reconcile(task, commandOf({ op: "reconcile", task: "t", reason: "seen", outcome: "retry" }), at),
    (task, at) => reconcile(task, commandOf({ op: "reconcile", task: "t", reason: "seen", outcome: "failed" }), at),
    (task, at) => begin(task, held(task), dangerous(2), at),
    (task, at) => begin(task, held(task), dangerous(3, true), at),
    (task, at) => endStep(task, held(task), { number: 2, name: "step 2" }, { _tag: "Succeeded", result: 1 }, at),
    (task, at) => suspend(task, held(task), { untilMs: at.wallMs, waits: ["signal:go"] }, [], [], at),
    (task, at) => suspend(task, held(task), { untilMs: null, waits: ["signal:go"] }, [], [], at),
    (task, at) => handBack(task, held(task), at),
    (task, at) => settle(task, held(task), { _tag: "Stopped", compensated: false }, at, 0),
    (task, at) => settle(task, held(task), { _tag: "NotStarted", code: "x", error: "" }, at, 0),
    (task, at) => claim(task, "w", kindFor(task), at),
    (task, at) => begin(task, held(task), execDraft("dangerous"), at),
    (task, at) => settle(task, held(task), succeeded, at, 0),
    (task, at) => settle(task, held(task), failedOutcome, at, 0),
    (task, at) => settle(task, held(task), { _tag: "Unknown", code: "killed", error: "" }, at, 0),
    (task, at) => reclaim(task, { _tag: "Gone", error: "" }, "w", { ...at, epoch: at.epoch + 1 }, 0),
    (task, at) => reclaim(task, { _tag: "Alive" }, "w", { ...at, epoch: at.epoch + 1 }, 0),
    (task, at) => expire(task, at)
  ]

  it.prop("takes only rows of the table, never lowers the generation, records each change, and forgets no dangerous step", [fc.boolean(), fc.array(fc.nat(moves.length - 1), { maxLength: 100, size: "max" })], ([heavy, choices]) => {
    let task = requested(heavy ? heavyKind() : kindOf())
    for (const choice of choices) {
      const decision = moves[choice]?.(task, now)
      const after = decision?.tasks.at(-1)
      if (decision === undefined || after === undefined) continue
      const entered = decision.events.filter(({ type }) => type.startsWith("task.") && !["task.cancel_requested", "task.outcome_unknown"].includes(type))
      let from: TaskState = task.state
      for (const event of entered) {
        const to = taskStates.find((state) => event.type === `task.${state.toLowerCase()}`) ?? "REQUESTED"
        assert.isTrue(isLegal(from, to, String(event.payload["by"])), `${from} → ${to} by ${String(event.payload["by"])}`)
        from = to
      }
      assert.strictEqual(from, after.state)
      assert.isAtLeast(after.generation, task.generation)
      assert.isAbove(decision.events.length, 0)
      for (const { answers, effect, step } of task.intents) {
        const forgotten = effect === "dangerous" && !answers && after.intents.every((intent) => intent.step !== step)
        if (forgotten) assert.isTrue(decision.steps.some((change) => change._tag === "End" && change.number === step), `step ${step} was forgotten in ${after.state}`)
      }
      if (after.state === "RUNNING" && task.state !== "RUNNING") assert.deepStrictEqual(after.holds, [])
      if (isTerminal[after.state]) assert.deepStrictEqual([after.lease, after.intents, after.waits, after.expiresAtMs], [null, [], [], null])
      task = after
    }
  }, { fastCheck: { numRuns: 1500 } })
})
