import { readFileSync } from "node:fs"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { degradingCodes, noticeCodes, outboxStuckMs, walLargeBytes } from "../../src/control/OpsReasons.ts"
import { opsSummary, type OpsSummary, opsText, summarise, withReasons } from "../../src/control/OpsSummary.ts"
import { type Mark, marks, noCounts, noTallies, overdueMaxMs, queueAgeMaxMs } from "../../src/domain/Census.ts"
import { EngineReader, Instants, type Over, RunsStorage, type Standing, Storage, type StorageTrouble, type Summary } from "../../src/engine/Engine.ts"

const nowMs = 1_800_000_000_000
const iso = (atMs: number) => new Date(atMs).toISOString()

const standing: Standing = {
  madeAtMs: nowMs - 30 * 86_400_000,
  blockedSinceMs: null,
  leasedSinceMs: null,
  dueSinceMs: null,
  openDueSinceMs: null,
  earlierUntilMs: null,
  deadSinceMs: null,
  queuesPaused: 0,
  queuesPausedSinceMs: null,
  schedulesPaused: 0,
  schedulesOverdue: 0,
  schedulesDueMs: null,
  marks: {},
  firstMs: {},
  lastMs: {}
}

const calm: Summary = {
  counts: noCounts(),
  tallies: noTallies(),
  standing,
  sizes: null,
  leasedEarlier: 0,
  asOfSeq: 7,
  sinceMs: nowMs - 86_400_000,
  epoch: { epoch: 2, leaseUntilMonoMs: 1, leaseUntilMs: nowMs + 1 },
  heldSinceMs: null
}
const busy: Summary = {
  ...calm,
  counts: { ...noCounts(), "blocked": 2, "blocked.approval": 1, "blocked.plan": 1, "blocked.outcome_unknown": 1, "running": 2, "queued": 3, "leased": 4, "dead": 5 },
  tallies: { ...noTallies(), failed: 5, replay: 6, in_progress: 3, command_timeouts: 8, dispatch_keys: 9, telegram_keys: 10, fenced: 11, recovered: 12, schedules_missed: 13 },
  standing: { ...standing, blockedSinceMs: nowMs - 50, leasedSinceMs: nowMs - 60, dueSinceMs: nowMs - 70, openDueSinceMs: nowMs - 70, deadSinceMs: nowMs - 80, lastMs: { failed: nowMs - 90 } }
}
const broken: Summary = {
  ...busy,
  leasedEarlier: 2,
  tallies: { ...busy.tallies, conflict: 7, dispatch_timeouts: 11 },
  standing: { ...standing, earlierUntilMs: nowMs - 1000, firstMs: { conflict: nowMs - 120_000, dispatch_timeouts: nowMs - 180_000 } }
}

const of = (summary: Summary, atMs = nowMs) => summarise(summary, 24, atMs)
const standingBut = (change: Partial<Standing>, summary = calm): Summary => ({ ...summary, standing: { ...standing, ...change } })

const schema: Record<string, unknown> = JSON.parse(readFileSync(new URL("../../src/ops-summary.schema.json", import.meta.url), "utf8"))

// Every member that is printed stands in the schema: a copy of it that takes no other one says so.
const closed = (part: unknown): unknown => {
  if (Array.isArray(part)) return part.map(closed)
  if (typeof part !== "object" || part === null) return part
  const members = Object.fromEntries(Object.entries(part).map(([name, value]) => [name, closed(value)]))
  return "properties" in part ? { ...members, additionalProperties: false } : members
}
const issuesIn = (value: unknown, wanted: unknown): unknown => {
  const ajv = new Ajv2020({ strict: true, allErrors: true, strictTypes: false, formats: { "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ } })
  const fits = ajv.compile(typeof wanted === "object" && wanted !== null ? wanted : {})
  return fits(JSON.parse(JSON.stringify(value))) ? [] : fits.errors
}

const example = {
  window_hours: 24,
  tasks: { blocked: 0, running: 0, queued: 0, failed_window: 0 },
  leases: { active: 0, stale: 0 },
  idempotency: { conflict_window: 0, dispatch_keys_window: 0, telegram_keys_window: 0 },
  timeouts: { dispatch_window: 0 },
  status: "healthy",
  reasons: []
}

describe("seed S0, CP-007", () => {
  it("healthy baseline", () => {
    expect(of(calm)).toMatchObject(example)
    expect(of(busy)).toMatchObject({ status: "healthy", reasons: [], reason_details: [] })
  })

  const degraded: ReadonlyArray<readonly [string, Summary, ReadonlyArray<string>]> = [
    ["stale lease -> degraded", { ...calm, leasedEarlier: 1 }, ["stale_leases"]],
    ["running tasks > 0 with stale leases > 0", { ...busy, leasedEarlier: 1 }, ["stale_leases", "running_with_stale_leases"]],
    ["stale lease -> degraded, since nobody renews the epoch", { ...busy, epoch: { epoch: 2, leaseUntilMonoMs: 1, leaseUntilMs: nowMs } }, ["stale_leases", "running_with_stale_leases"]],
    ["idempotency conflict -> degraded", { ...calm, tallies: { ...noTallies(), conflict: 1 } }, ["idempotency_conflicts"]],
    ["dispatch timeout marker -> degraded", { ...calm, tallies: { ...noTallies(), dispatch_timeouts: 1 } }, ["dispatch_timeouts"]],
    ["all at once", broken, ["stale_leases", "running_with_stale_leases", "idempotency_conflicts", "dispatch_timeouts"]]
  ]
  it.each(degraded)("%s", (_what, summary, reasons) => {
    expect(of(summary)).toMatchObject({ status: "degraded", reasons })
    // They clear at once, whatever was a moment ago.
    expect(of({ ...summary, leasedEarlier: 0, tallies: noTallies(), epoch: calm.epoch })).toMatchObject({ status: "healthy", reasons: [] })
  })

  it("\"stale/running anomalies are visible without log digging\": each reason says since when, what was observed, and what to type", () => {
    expect(of(broken).reason_details).toEqual([
      { code: "stale_leases", threshold: 0, observed: 2, since: iso(nowMs - 1000), next: "opsgate serve" },
      { code: "running_with_stale_leases", threshold: 0, observed: 2, since: iso(nowMs - 1000), next: "opsgate task list --state RUNNING" },
      { code: "idempotency_conflicts", threshold: 0, observed: 7, since: iso(nowMs - 120_000), next: "opsgate events --type idempotency.conflict" },
      { code: "dispatch_timeouts", threshold: 0, observed: 11, since: iso(nowMs - 180_000), next: "opsgate task list --state FAILED" }
    ])
    const over = { ...calm, counts: { ...noCounts(), leased: 1 }, epoch: { epoch: 2, leaseUntilMonoMs: 1, leaseUntilMs: nowMs - 5 } }
    expect(of(over).reason_details[0]).toMatchObject({ code: "stale_leases", since: iso(nowMs - 5) })
  })

  it("\"/ops\" format sanity: six lines, and then at most four reasons with what to type", () => {
    expect(opsText(of(broken))).toBe([
      "OPS",
      "tasks: blocked=2 running=2 queued=3 failed_24h=5",
      "leases: active=4 stale=2",
      "idempotency(24h): replay=6 conflict=7",
      "timeouts(24h): command=8 dispatch=11",
      "status: degraded",
      `why: stale_leases: observed 2 since ${iso(nowMs - 1000)}; next: opsgate serve`,
      `why: running_with_stale_leases: observed 2 since ${iso(nowMs - 1000)}; next: opsgate task list --state RUNNING`,
      `why: idempotency_conflicts: observed 7 since ${iso(nowMs - 120_000)}; next: opsgate events --type idempotency.conflict`,
      `why: dispatch_timeouts: observed 11 since ${iso(nowMs - 180_000)}; next: opsgate task list --state FAILED`
    ].join("\n"))
    const more = opsText(of({ ...broken, heldSinceMs: 1 })).split("\n")
    expect(more).toHaveLength(10)
    expect(more[6]).toBe("why: restore_hold: observed 1 since 1970-01-01T00:00:00.001Z; next: opsgate release --reason \"<why>\"")
    expect(opsText(of(busy)).split("\n")).toHaveLength(6)
    expect(opsText(of(busy)).split("\n").at(-1)).toBe("status: healthy")
  })

  it("\"ops-summary command returns stable JSON for automation\": it fits the published schema, which names every member, and has the seed's example in it", () => {
    const sized = { fileBytes: 1, freeBytes: 2, walBytes: 3, pageBytes: 4, shrinks: true }
    const all = [of(calm), of(busy), of(broken), of({ ...calm, standing: null }), of({ ...calm, sizes: sized, epoch: null, heldSinceMs: 5 }), of(standingBut({ marks: { queue_age: nowMs - 1 } }))]
    for (const one of all) {
      expect(issuesIn(one, schema)).toEqual([])
      expect(issuesIn(one, closed(schema))).toEqual([])
    }
    // The schema is not one that takes everything.
    expect(issuesIn({ ...of(calm), status: "unwell" }, schema)).not.toEqual([])
    expect(issuesIn({ ...of(calm), extra: 1 }, closed(schema))).not.toEqual([])
    expect(of(calm)).toMatchObject(example)
  })
})

describe("the summary of operations", () => {
  it("has an age beside each count, the reasons of blocked tasks, and what happened in the window", () => {
    expect(of(busy)).toMatchObject({
      tasks: {
        blocked: 2,
        blocked_by: { plan: 1, review: 0, approval: 1, policy: 0, outcome_unknown: 1 },
        blocked_oldest_ms: 50,
        running_oldest_ms: 60,
        queued_oldest_ms: 70,
        failed_newest_ms: 90
      },
      leases: { active: 4, fenced_window: 11, recovered_window: 12 },
      idempotency: { replay_window: 6, conflict_window: 0, in_progress_window: 3, dispatch_keys_window: 9, telegram_keys_window: 10 },
      dead_letter: { tasks: 5, oldest_ms: 80 },
      schedules: { overdue: 0, paused: 0, missed_window: 13 }
    })
  })

  it("knows no age of what waits for a later instant, and none of what a file of an earlier version does not say", () => {
    expect(of(standingBut({ dueSinceMs: nowMs + 1 })).tasks.queued_oldest_ms).toBeNull()
    expect(of(standingBut({ dueSinceMs: nowMs })).tasks.queued_oldest_ms).toBe(0)
    expect(of({ ...busy, standing: null }).tasks).toMatchObject({ blocked: 2, blocked_by: null, blocked_oldest_ms: null, running_oldest_ms: null, queued_oldest_ms: null })
  })

  it("says when the figures begin that the window would have earlier", () => {
    expect(of(calm).window_truncated_at).toBeNull()
    expect(of(standingBut({ madeAtMs: nowMs - 5 })).window_truncated_at).toBe(iso(nowMs - 5))
  })

  it("counts a key that is still in use apart: it does not degrade", () => {
    expect(of({ ...calm, tallies: { ...noTallies(), in_progress: 100 } })).toMatchObject({ status: "healthy", idempotency: { in_progress_window: 100, conflict_window: 0 } })
  })

  it("informs of what is no reason to call it degraded", () => {
    const sizes = { fileBytes: 1, freeBytes: 2, walBytes: walLargeBytes + 1, pageBytes: 4, shrinks: true }
    const idle = { ...busy, sizes, epoch: null, counts: { ...noCounts(), queued: 3, dead: 5 }, tallies: { ...noTallies(), break_glass: 4 }, standing: { ...standing, queuesPaused: 1, queuesPausedSinceMs: nowMs - 9, schedulesPaused: 2, deadSinceMs: nowMs - 80 }, chats: { dead: 6, deadSinceMs: nowMs - 7, unsent: 1, unsentSinceMs: nowMs - outboxStuckMs - 1 } }
    expect(of(idle)).toMatchObject({ status: "healthy", reasons: [] })
    expect(of(idle).notices.map(({ code, observed }) => [code, observed])).toEqual([["break_glass", 4], ["not_served", 3], ["dead_letter", 5], ["queues_paused", 1], ["schedules_paused", 2], ["chat_dead", 6], ["chat_outbox_stuck", outboxStuckMs + 1], ["wal_large", walLargeBytes + 1]])
    expect(of(idle).notices.map(({ code }) => code)).toEqual(Object.keys(noticeCodes))
    expect(of(calm).notices).toEqual([])
    // A message that waits for its turn is nothing to speak of.
    expect(of({ ...calm, chats: { dead: 0, deadSinceMs: null, unsent: 9, unsentSinceMs: nowMs - outboxStuckMs } }).notices).toEqual([])
  })

  it("is degraded by work that waits too long in an open queue, and by ticks that are overdue, above their thresholds only", () => {
    expect(of(standingBut({ openDueSinceMs: nowMs - queueAgeMaxMs }))).toMatchObject({ status: "healthy" })
    expect(of(standingBut({ openDueSinceMs: nowMs - queueAgeMaxMs - 1 })).reason_details).toEqual([
      { code: "queue_age", threshold: queueAgeMaxMs, observed: queueAgeMaxMs + 1, since: iso(nowMs - 1), next: "opsgate queues" }
    ])
    const overdue = standingBut({ schedulesOverdue: 2, schedulesDueMs: nowMs - overdueMaxMs - 1 })
    expect(of(overdue).reason_details).toEqual([{ code: "schedules_overdue", threshold: 0, observed: 2, since: iso(nowMs - overdueMaxMs - 1), next: "opsgate schedules" }])
    // Where no server runs, that is what to type first.
    expect(of({ ...overdue, epoch: null }).reason_details[0]?.next).toBe("opsgate serve")
    // A restored file waits for its release.
    expect(of({ ...overdue, heldSinceMs: 1 }).reasons).toEqual(["restore_hold"])
  })

  it.each(marks)("keeps %s for a minute after its condition has ended, and not longer, nor for a clock that was set back", (mark: Mark) => {
    const ended = (agoMs: number) => of(standingBut({ marks: { [mark]: nowMs - agoMs } }))
    expect(ended(59_999)).toMatchObject({ status: "degraded", reasons: [mark], reason_details: [{ ended: iso(nowMs - 59_999) }] })
    expect(ended(60_000)).toMatchObject({ status: "healthy", reasons: [] })
    expect(ended(-1)).toMatchObject({ status: "healthy", reasons: [] })
    expect(opsText(ended(1)).split("\n").at(-1)).toMatch(new RegExp(`^why: ${mark}: over since ${iso(nowMs - 1)}; next: opsgate `))
  })

  it("tells a condition once: in force goes before ended, and the most urgent first", () => {
    const ended = of(standingBut({ marks: { queue_age: nowMs - 1, events_lost: nowMs - 1 }, openDueSinceMs: nowMs - queueAgeMaxMs - 1 }))
    expect(ended.reason_details.map(({ code, ended: at }) => [code, at === undefined])).toEqual([["events_lost", false], ["queue_age", true]])
    const lost = withReasons(ended, [{ code: "events_lost", threshold: 0, observed: 9, next: "x" }, { code: "storage_full", threshold: 0, observed: 1, next: "y" }])
    expect(lost).toMatchObject({ status: "degraded", reasons: ["events_lost", "storage_full", "queue_age"] })
    expect(lost.reason_details[0]).toMatchObject({ observed: 9 })
    expect(withReasons(of(calm), [])).toEqual(of(calm))
  })

  it("lists all its codes in the docs, in words of their own", () => {
    const docs = readFileSync(new URL("../../docs/OPERATIONS.md", import.meta.url), "utf8")
    const missing = [...Object.keys(degradingCodes), ...Object.keys(noticeCodes)].filter((code) => !docs.includes(`\`${code}\``))
    expect(missing).toEqual([])
  })

  const asked: Array<readonly [number, number | undefined]> = []
  const reader = Layer.mock(EngineReader, {
    summary: (sinceMs, atMs) => {
      asked.push([sinceMs, atMs])
      return Effect.succeed(calm)
    }
  })
  const clock = Layer.succeed(Instants, { wallMs: () => nowMs, monoMs: () => 1 })
  const printed = (hours: number, more: Layer.Layer<never>): Promise<OpsSummary> => Effect.runPromise(opsSummary(hours).pipe(Effect.provide(Layer.mergeAll(reader, clock, more))))

  it("names its window in the text, and asks the store once, for just that", async () => {
    asked.length = 0
    const summary = await printed(2, Layer.empty)
    expect(asked).toEqual([[nowMs - 2 * 3_600_000, nowMs]])
    expect(opsText(summary)).toContain("failed_2h=")
    expect(summary.generated_at).toBe(iso(nowMs))
  })

  it("tells what the writer says of its storage, and for a minute that it is over", async () => {
    const trouble: StorageTrouble = { why: "full", sinceMs: nowMs - 90_000, failures: 3 }
    const said = (now: StorageTrouble | null, over: Over<StorageTrouble> | null) =>
      printed(24, Layer.succeed(Storage, { file: "/d/f", trouble: () => now, over: () => over }))
    expect((await said(trouble, null)).reason_details).toEqual([{ code: "storage_full", threshold: 0, observed: 3, since: iso(nowMs - 90_000), next: "df -h /d/f" }])
    expect((await said(null, { trouble, endedMs: nowMs - 59_999 })).reason_details).toMatchObject([{ code: "storage_full", ended: iso(nowMs - 59_999) }])
    expect(await said(null, { trouble, endedMs: nowMs - 60_000 })).toMatchObject({ status: "healthy" })
    const runs = { dir: "/d/runs", trouble: () => ({ why: "no_handles", sinceMs: 1, failures: 1 } as const), over: () => null, failed: () => undefined, prepared: () => undefined, look: Effect.void }
    expect((await printed(24, Layer.succeed(RunsStorage, runs))).reasons).toEqual(["storage_no_handles"])
  })
})
