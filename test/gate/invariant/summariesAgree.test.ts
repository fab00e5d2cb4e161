import { describe, expect, it } from "vitest"
import { summariesAgree } from "../../../gate/invariant/summariesAgree.ts"
import { asked, event, history, intent, offenders, queuedAgain, requested, running, score, succeeded, unknownOutcome } from "./Story.ts"

const minute = 60_000
const failed = (task: string, at: number) => event("task.failed", task, { from: "RUNNING", by: "settle", attempt: 1, generation: 1, code: "start_to_close_timeout", error: "" }, at)

/** One of everything that is counted. Events without an instant happen at 1,000,000. */
const events = [
  requested("blocked", { holds: ["approval"], command: { op: "submit", channel: "telegram", key: "k", reason: null } }), // 1
  ...asked("failed"), running("failed"), failed("failed", 5 * minute), // 2 to 6
  ...asked("unknown"), running("unknown"), intent("unknown"), unknownOutcome("unknown"), // 7 to 12
  ...asked("busy"), running("busy"), // 13 to 16
  ...asked("queued"), // 17 to 19
  event("idempotency.replayed", null, { key: "k", op: "submit" }), // 20
  event("idempotency.conflict", null, { key: "k", op: "submit", code: "idempotency_payload_mismatch" }), // 21
  event("idempotency.conflict", null, { key: "k", op: "submit", code: "in_progress" }), // 22
  event("command.timed_out", null), // 23
  event("command.accepted", null, { command: { op: "resume", channel: "cli", key: "k", reason: null } }), // 24
  event("command.accepted", null, { command: { op: "resume", channel: "telegram", key: null, reason: null } }), // 25
  event("idempotency.in_progress", null, { key: "k", op: "submit", code: "in_progress" }), // 26
  event("write.fenced", "busy", { write: "settle", generation: 1, current_generation: 2 }), // 27
  event("effect.adopted", "busy", { generation: 2, from_generation: 1 }), // 28
  event("schedule.missed", null, {}), // 29
  ...asked("dismissed"), running("dismissed"), failed("dismissed", 5 * minute), event("dead.dismissed", "dismissed"), // 30 to 35
  event("hold.broken", null, {}) // 36
]

const unblocked = { plan: 0, review: 0, approval: 0, policy: 0, outcome_unknown: 0 }

const summary = {
  as_of_seq: 36,
  since_ms: 0,
  tasks: { blocked: 2, running: 1, queued: 1, failed_window: 2, blocked_by: { ...unblocked, approval: 1, outcome_unknown: 1 } },
  leases: { active: 1, stale: 0, fenced_window: 1, recovered_window: 1 },
  idempotency: { replay_window: 1, conflict_window: 1, in_progress_window: 1, dispatch_keys_window: 4, telegram_keys_window: 1 },
  timeouts: { command_window: 1, dispatch_window: 2 },
  dead_letter: { tasks: 1 },
  schedules: { missed_window: 1 },
  break_glass: { used_window: 1 },
  status: "degraded"
}

/** The counts of an empty log. */
const nothing = {
  tasks: { blocked: 0, running: 0, queued: 0, failed_window: 0, blocked_by: unblocked },
  leases: { active: 0, stale: 0, fenced_window: 0, recovered_window: 0 },
  idempotency: { replay_window: 0, conflict_window: 0, in_progress_window: 0, dispatch_keys_window: 0, telegram_keys_window: 0 },
  timeouts: { command_window: 0, dispatch_window: 0 },
  dead_letter: { tasks: 0 },
  schedules: { missed_window: 0 },
  break_glass: { used_window: 0 },
  status: "healthy"
}

const printed = (...summaries: ReadonlyArray<unknown>) => summariesAgree(history({ events, journal: { summaries: summaries.map((one) => ({ at: 2_000_000, summary: one })) } }))

const wrong = Object.entries(summary).flatMap(([group, members]) =>
  typeof members === "object"
    ? Object.entries(members).flatMap(([name, count]) =>
      typeof count === "number"
        ? [[`${group}.${name}`, { ...summary, [group]: { ...members, [name]: count + 1 } }] as const]
        : Object.entries(count).map(([one, of]) => [`${group}.${name}.${one}`, { ...summary, [group]: { ...members, [name]: { ...count, [one]: of + 1 } } }] as const))
    : []
)

describe("summariesAgree", () => {
  it.each(wrong)("finds a wrong %s", (path, one) => {
    const found = printed(one)
    // One stale lease of one active is possible; then nothing else may be wrong.
    expect(score(found)).toBe(path === "leases.stale" ? "1/1" : "0/1")
    if (path !== "leases.stale") expect(offenders(found)[0]).toContain(path)
  })

  it("finds more stale leases than active ones", () => {
    expect(offenders(printed({ ...summary, leases: { ...summary.leases, stale: 2 } }))[0]).toContain("leases.stale is 2, of 1 active")
  })

  it("finds a status that does not follow from the counts", () => {
    expect(offenders(printed({ ...summary, status: "healthy" }))).toEqual(["one, seq 36, summary of 2000000: the status is healthy, and the counts make it degraded"])
    const quiet = { ...summary, ...nothing, as_of_seq: 0 }
    expect(score(printed(quiet, { ...quiet, status: "degraded" }))).toBe("1/2")
  })

  it("wants restore_hold, and degraded, between a restore and its release and nowhere else", () => {
    const more = [...events.slice(0, 1), event("store.restored", null, { number: 1, generation_floor: 1000 }), event("store.released", null, { number: 1 }), event("store.restored", null, { number: 2, generation_floor: 2000 })]
    const at = (asOf: number, reasons: ReadonlyArray<string>, status = reasons.length > 0 ? "degraded" : "healthy") =>
      ({ at: 2_000_000, summary: { ...summary, ...nothing, as_of_seq: asOf, tasks: { ...nothing.tasks, blocked: 1, blocked_by: { ...unblocked, approval: 1 } }, idempotency: { ...nothing.idempotency, telegram_keys_window: 1 }, status, reasons } })
    const found = (...summaries: ReadonlyArray<ReturnType<typeof at>>) => offenders(summariesAgree(history({ events: more, journal: { summaries } })))
    expect(found(at(1, []), at(2, ["restore_hold"]), at(3, []), at(4, ["restore_hold"]))).toEqual([])
    expect(found(at(2, []))[0]).toContain("does not say restore_hold")
    expect(found(at(3, ["restore_hold"]))[0]).toContain("no restore that waits for its release")
    expect(found(at(2, ["restore_hold"], "healthy"))[0]).toContain("the counts make it degraded")
    // It stays for a minute after the release, and then no longer. Events happen at 1,000,000.
    const after = (ms: number, reasons: ReadonlyArray<string>) => ({ at: 2_000_000, summary: { ...at(3, reasons).summary, generated_at: new Date(1_000_000 + ms).toISOString() } })
    expect(found(after(59_999, ["restore_hold"]), after(60_000, []))).toEqual([])
    expect(found(after(59_999, []), after(60_000, ["restore_hold"]))).toHaveLength(2)
  })

  it("takes the word of who prints it for what stands in no event: it is degraded, and not otherwise", () => {
    const quiet = { ...summary, ...nothing, as_of_seq: 0 }
    for (const code of ["storage_full", "events_lost", "queue_age", "schedules_overdue"]) {
      expect(score(printed({ ...quiet, reasons: [code], status: "degraded" }, { ...quiet, reasons: [code] }))).toBe("1/2")
    }
    expect(score(printed({ ...quiet, reasons: ["made_up"], status: "degraded" }))).toBe("0/1")
  })

  it("counts a log of which a payload was pruned as missing", () => {
    const pruned = events.map((one) => (one.type === "task.running" ? { ...one, payload: null } : one))
    expect(score(summariesAgree(history({ events: pruned, journal: { summaries: [{ at: 2_000_000, summary }] } })))).toBe("missing: one: the payload of event 5 was pruned")
  })

  it("finds a summary that saw more than the log holds", () => {
    expect(offenders(printed({ ...summary, as_of_seq: 37 }))[0]).toContain("it saw event 37, and the log ends at 36")
  })

  it("finds what is no summary", () => {
    expect(score(printed(null, "degraded", {}, { ...summary, tasks: [] }, { ...summary, since_ms: "0" }, { ...summary, since_ms: 2_000_001 }))).toBe("0/6")
  })

  it("finds a summary from before the log, and one of a window that had not begun", () => {
    expect(offenders(printed({ ...summary, ...nothing, as_of_seq: -1 }))[0]).toContain("as_of_seq")
    const future = { ...summary, since_ms: 2_000_001, tasks: { ...summary.tasks, failed_window: 0 }, leases: { ...summary.leases, fenced_window: 0, recovered_window: 0 }, schedules: nothing.schedules, break_glass: nothing.break_glass, idempotency: nothing.idempotency, timeouts: nothing.timeouts, status: "healthy" }
    expect(offenders(printed(future))[0]).toContain("since_ms")
  })

  it("counts nothing without a summary", () => {
    expect(score(printed())).toBe("0/0")
  })

  it("recounts at the event that each summary saw, in any order", () => {
    const early = { ...summary, ...nothing, as_of_seq: 5, tasks: { ...nothing.tasks, blocked: 1, running: 1, blocked_by: { ...unblocked, approval: 1 } }, leases: { ...nothing.leases, active: 1 }, idempotency: { ...nothing.idempotency, dispatch_keys_window: 1, telegram_keys_window: 1 } }
    expect(offenders(printed(summary, early, summary))).toEqual([])
    expect(score(printed(summary, early, summary))).toBe("3/3")
  })

  it("counts in the window although the clock stepped back between two events", () => {
    const stepped = ["t1", "t2", "t3"].flatMap((task, i) => [...asked(task), running(task), failed(task, [9, 3, 6][i] ?? 0)])
    const at = (since: number, count: number) => {
      const one = { ...summary, ...nothing, as_of_seq: 15, since_ms: since, tasks: { ...nothing.tasks, failed_window: count }, dead_letter: { tasks: 3 }, idempotency: { ...nothing.idempotency, dispatch_keys_window: 3 } }
      return { at: 2_000_000, summary: { ...one, timeouts: { command_window: 0, dispatch_window: count }, status: "degraded" } }
    }
    expect(offenders(summariesAgree(history({ events: stepped, journal: { summaries: [at(0, 3), at(4, 2), at(7, 1)] } })))).toEqual([])
  })

  it("counts in the window, to the millisecond", () => {
    const later = { ...summary, since_ms: 5 * minute + 1, tasks: { ...summary.tasks, failed_window: 0 }, timeouts: { command_window: 1, dispatch_window: 0 } }
    expect(offenders(printed({ ...summary, since_ms: 5 * minute }, later))).toEqual([])
  })

  it("frees what was blocked when its hold is released, its outcome reconciled, or the task ended", () => {
    const more = [...events, event("hold.released", "blocked", { hold: "approval" }), queuedAgain("unknown", "reconcile"), running("unknown", 2), succeeded("unknown", 2)]
    const after = { ...summary, as_of_seq: 40, tasks: { ...summary.tasks, blocked: 0, blocked_by: unblocked } }
    expect(offenders(summariesAgree(history({ events: more, journal: { summaries: [{ at: 2_000_000, summary: after }] } })))).toEqual([])
    const ended = [requested("t1", { holds: ["approval"] }), event("task.canceled", "t1", { from: "REQUESTED", by: "reject", reason: "no" })]
    // What was released is asked for again, or all of it anew.
    const again = [requested("t1", { holds: ["plan", "review"] }), event("hold.released", "t1", { hold: "plan" }), event("hold.opened", "t1", { hold: "plan" }), event("approval.voided", "t1", { holds: ["approval"] })]
    const asking = (asOf: number, by: Partial<typeof unblocked>) => ({ at: 2_000_000, summary: { ...summary, ...nothing, as_of_seq: asOf, tasks: { ...nothing.tasks, blocked: 1, blocked_by: { ...unblocked, ...by } } } })
    const asked = [asking(1, { plan: 1, review: 1 }), asking(2, { review: 1 }), asking(3, { plan: 1, review: 1 }), asking(4, { approval: 1 })]
    expect(offenders(summariesAgree(history({ events: again, journal: { summaries: asked } })))).toEqual([])
    const none = { ...summary, ...nothing, as_of_seq: 2 }
    expect(score(summariesAgree(history({ events: ended, journal: { summaries: [{ at: 2_000_000, summary: none }] } })))).toBe("1/1")
  })
})
