import { Effect, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { opsSummary, opsText, summarise } from "../../src/control/OpsSummary.ts"
import { noCounts, noTallies } from "../../src/domain/Census.ts"
import { EngineReader, Instants, type Summary } from "../../src/engine/Engine.ts"

const nowMs = 1_800_000_000_000

const calm: Summary = {
  counts: noCounts(),
  tallies: noTallies(),
  leasedEarlier: 0,
  asOfSeq: 7,
  sinceMs: nowMs - 86_400_000,
  epoch: { epoch: 2, leaseUntilMonoMs: 1, leaseUntilMs: nowMs + 1 },
  heldSinceMs: null
}
const busy: Summary = { ...calm, counts: { ...noCounts(), blocked: 1, running: 2, queued: 3, leased: 4 }, tallies: { ...noTallies(), failed: 5, replay: 6, command_timeouts: 8, dispatch_keys: 9, telegram_keys: 10 } }

const of = (summary: Summary) => summarise(summary, 24, nowMs)

describe("the summary of operations", () => {
  const degraded: ReadonlyArray<readonly [string, Summary, ReadonlyArray<string>]> = [
    ["a lease of an earlier epoch that nobody took back, while nothing runs", { ...calm, leasedEarlier: 1 }, ["stale_leases"]],
    ["a lease of an earlier epoch while tasks run", { ...busy, leasedEarlier: 1 }, ["stale_leases", "running_with_stale_leases"]],
    ["leases that all ran out, since nobody renews the epoch", { ...busy, epoch: { epoch: 2, leaseUntilMonoMs: 1, leaseUntilMs: nowMs } }, ["stale_leases", "running_with_stale_leases"]],
    ["a key that came back with another payload", { ...calm, tallies: { ...noTallies(), conflict: 1 } }, ["idempotency_conflicts"]],
    ["a dispatch that timed out", { ...calm, tallies: { ...noTallies(), dispatch_timeouts: 1 } }, ["dispatch_timeouts"]],
    ["a restored file that nobody has released", { ...calm, heldSinceMs: nowMs - 5 }, ["restore_hold"]],
    ["all at once", { ...busy, leasedEarlier: 1, tallies: { ...noTallies(), conflict: 1, dispatch_timeouts: 1 } }, ["stale_leases", "running_with_stale_leases", "idempotency_conflicts", "dispatch_timeouts"]]
  ]
  it.each(degraded)("is degraded by %s, and says why", (_what, summary, reasons) => {
    const { reason_details: details, reasons: found, status } = of(summary)
    expect({ status, reasons: found }).toEqual({ status: "degraded", reasons })
    expect(details.map(({ code }) => code)).toEqual(reasons)
    details.forEach(({ next, observed, threshold }) => {
      expect(observed).toBeGreaterThan(threshold)
      expect(next).toMatch(/^opsgate /)
    })
  })

  it("is healthy with blocked, running and failed tasks, replays and command timeouts, while the epoch is in force", () => {
    expect(of(busy)).toMatchObject({ status: "healthy", reasons: [], reason_details: [], leases: { active: 4, stale: 0 } })
  })

  it("is healthy when no epoch was ever opened", () => {
    expect(of({ ...calm, epoch: null })).toMatchObject({ status: "healthy", leases: { active: 0, stale: 0 } })
  })

  it("has the members of seed S0, in their places", () => {
    expect(of({ ...busy, tallies: { ...busy.tallies, conflict: 7, dispatch_timeouts: 11 } })).toMatchObject({
      window_hours: 24,
      tasks: { blocked: 1, running: 2, queued: 3, failed_window: 5 },
      leases: { active: 4, stale: 0 },
      idempotency: { replay_window: 6, conflict_window: 7, dispatch_keys_window: 9, telegram_keys_window: 10 },
      timeouts: { command_window: 8, dispatch_window: 11 },
      status: "degraded",
      as_of_seq: 7,
      since_ms: nowMs - 86_400_000
    })
  })

  it("is six lines of text, the ones of seed S0, and then at most four reasons with what to type", () => {
    const summary = { ...busy, leasedEarlier: 2, tallies: { ...busy.tallies, conflict: 7, dispatch_timeouts: 11 } }
    expect(opsText(of(summary))).toBe([
      "OPS",
      "tasks: blocked=1 running=2 queued=3 failed_24h=5",
      "leases: active=4 stale=2",
      "idempotency(24h): replay=6 conflict=7",
      "timeouts(24h): command=8 dispatch=11",
      "status: degraded",
      "stale_leases: observed 2; next: opsgate serve",
      "running_with_stale_leases: observed 2; next: opsgate task list --state RUNNING",
      "idempotency_conflicts: observed 7; next: opsgate events --type idempotency.conflict",
      "dispatch_timeouts: observed 11; next: opsgate task list --state FAILED"
    ].join("\n"))
    expect(opsText(of({ ...summary, heldSinceMs: 1 })).split("\n").slice(6)).toEqual([
      "restore_hold: observed 1 since 1970-01-01T00:00:00.001Z; next: opsgate release --reason \"<why>\"",
      "stale_leases: observed 2; next: opsgate serve",
      "running_with_stale_leases: observed 2; next: opsgate task list --state RUNNING",
      "idempotency_conflicts: observed 7; next: opsgate events --type idempotency.conflict"
    ])
    expect(opsText(of(busy)).split("\n").at(-1)).toBe("status: healthy")
  })

  it("names its window in the text, and asks the store for just that", async () => {
    const asked: Array<number> = []
    const reader = Layer.mock(EngineReader, {
      storage: Effect.succeed(null),
      summary: (sinceMs) => {
        asked.push(sinceMs)
        return Effect.succeed(calm)
      }
    })
    const clock = Layer.succeed(Instants, { wallMs: () => nowMs, monoMs: () => 1 })
    const summary = await Effect.runPromise(opsSummary(2).pipe(Effect.provide(Layer.merge(reader, clock))))
    expect(asked).toEqual([nowMs - 2 * 3_600_000])
    expect(opsText(summary)).toContain("failed_2h=")
    expect(summary.generated_at).toBe(new Date(nowMs).toISOString())
  })
})
