import { assert, describe, it } from "@effect/vitest"
import { childWait, signalWait, spawn, suspend } from "../../src/domain/Checkpoint.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { lossesMax, reclaim, settle } from "../../src/domain/Execution.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import type { Now } from "../../src/domain/Now.ts"
import { onTask } from "../../src/domain/OnTask.ts"
import { cancel, kill, reconcile } from "../../src/domain/Recovery.ts"
import { expire, reject } from "../../src/domain/Request.ts"
import type { Task, TaskId } from "../../src/domain/Task.ts"
import { neverMs } from "../../src/domain/Timeout.ts"
import { commandOf, draftOf, failedOutcome, heavyKind, kindOf, nextId, succeeded } from "../engine/tasks.ts"
import { ask, claimedAt, held, later, nextEpoch, now, refusalOf, running, taskAfter, typesOf } from "./runs.ts"

interface Family {
  readonly parent: Task
  readonly child: Task
}

/** A parent that is parked, and the child that it waits for. */
const family = (kind: Kind = kindOf()): Family => {
  const task = running(kindOf())
  const { tasks: [busy, child] } = spawn(task, held(task), draftOf(1), { id: nextId(), kind, payload: {} }, [], now)
  if (busy === undefined || child === undefined) throw new Error("no child")
  return { child, parent: taskAfter(suspend(busy, held(busy), { untilMs: null, waits: [childWait(child.id)] }, [child], [], now)) }
}
const claimed = ({ child, parent }: Family): Family => ({ parent, child: claimedAt(child, now) })
const decides = ({ child, parent }: Family, rule: (task: Task, at: Now) => Decision<unknown>, at = now) => {
  const change = onTask(child.id, rule)
  assert.deepStrictEqual(change.related([child]), [parent.id])
  return change.rule({ tasks: [child], related: [parent], steps: [], stored: undefined }, at)
}
const settles = (outcome: Parameters<typeof settle>[2]) => (task: Task) => settle(task, held(task), outcome, now, 0)
const unknown = (kind = kindOf()): Family => {
  const { child, parent } = claimed(family(kind))
  return { parent, child: taskAfter(settles({ _tag: "Unknown", code: "killed", error: "" })(child)) }
}
const final = { ...failedOutcome, final: true } as const

/** Every way in which a child ends. */
const ends: Record<string, readonly [state: string, () => Decision<unknown>]> = {
  "succeeds": ["SUCCEEDED", () => decides(claimed(family()), settles(succeeded))],
  "fails": ["FAILED", () => decides(claimed(family()), settles(final))],
  "is canceled in the queue": ["CANCELED", () => decides(family(), (task) => cancel(task, commandOf(ask("cancel")), now))],
  "is killed in the queue": ["CANCELED", () => decides(family(), (task) => kill(task, commandOf(ask("kill")), now))],
  "is stopped in its run": ["CANCELED", () => decides(claimed(family()), settles({ _tag: "Stopped", compensated: false }))],
  "is rejected": ["CANCELED", () => decides(family(heavyKind()), (task) => reject(task, commandOf(ask("reject")), now))],
  "is not approved in time": ["EXPIRED", () => decides(family(heavyKind()), expire, later(3_600_000))],
  "is reconciled as failed": ["FAILED", () => decides(unknown(), (task) => reconcile(task, commandOf({ op: "reconcile", task: "t", reason: "no", outcome: "failed" }), now))],
  "is found to have ended": ["SUCCEEDED", () => decides(claimed(family()), (task) => reclaim(task, { _tag: "Finished", outcome: succeeded }, "w", nextEpoch(), 0))],
  "was lost too often": ["FAILED", () => {
    const { child, parent } = claimed(family())
    return decides({ parent, child: { ...child, losses: lossesMax - 1 } }, (task) => reclaim(task, { _tag: "NotBegun" }, "w", nextEpoch(), 0))
  }]
}

describe("a parent that waits for its child", () => {
  for (const [how, [state, end]] of Object.entries(ends)) {
    it(`is woken in the same decision when it ${how}`, () => {
      const decision = end()
      const [child, parent] = decision.tasks
      if (child === undefined || parent === undefined) throw new Error(`${decision.tasks.length} tasks were stored`)
      assert.strictEqual(child.state, state)
      assert.strictEqual(parent.id, child.parent?.task)
      assert.deepInclude(parent, { state: "QUEUED", waits: [], attempt: 0 })
      assert.isBelow(parent.availableAtMs, neverMs)
      assert.deepStrictEqual([decision.events.at(-1)?.type, decision.events.at(-1)?.task], ["child.ended", parent.id])
      assert.deepInclude(decision.events.at(-1)?.payload, { child: child.id, state })
    })
  }

  it("is left alone when the child only moves", () => {
    for (const decision of [decides(claimed(family()), settles(failedOutcome)), decides(family(), expire), decides(claimed(family()), settles({ _tag: "Unknown", code: "killed", error: "" }))]) {
      assert.isAtMost(decision.tasks.length, 1)
      assert.notInclude(typesOf(decision), "child.ended")
    }
  })

  it("is left alone when it waits for another, asks for approval anew, runs, or has ended itself", () => {
    const { child, parent } = claimed(family())
    const others: ReadonlyArray<Task> = [{ ...parent, waits: [signalWait("go"), childWait(nextId())] }, { ...running(kindOf()), id: parent.id }, { ...parent, state: "REQUESTED" }, { ...parent, state: "CANCELED", waits: [] }]
    for (const other of others) assert.deepStrictEqual(decides({ child, parent: other }, settles(succeeded)).tasks.map(({ id }) => id), [child.id])
  })

  it("that has a time to start has it from the end of its child", () => {
    const { child, parent } = claimed(family())
    const limited = { ...parent, limits: { ...parent.limits, scheduleToStartMs: 100 } }
    assert.deepInclude(decides({ child, parent: limited }, settles(succeeded)).tasks[1], { availableAtMs: now.wallMs, expiresAtMs: now.wallMs + 100 })
  })
})

describe("a change of a task", () => {
  it("that is not there is refused, and stores nothing", () => {
    const id: TaskId = nextId()
    const change = onTask(id, settles(succeeded))
    const decision = change.rule({ tasks: [undefined], related: [], steps: [], stored: undefined }, now)
    assert.deepStrictEqual([refusalOf(decision), decision.tasks, decision.events], ["TaskNotFound", [], []])
  })

  it("without a parent asks for no other task", () => {
    const task = running(kindOf())
    const change = onTask(task.id, settles(succeeded))
    assert.deepStrictEqual(change.related([task]), [])
    assert.strictEqual(change.rule({ tasks: [task], related: [], steps: [], stored: undefined }, now).tasks.length, 1)
  })
})
