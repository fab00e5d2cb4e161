import { describe, expect, it } from "vitest"
import { uptime } from "../../../gate/kpi/uptime.ts"
import { event, history, offenders, score } from "../invariant/Story.ts"
import { at, ended, epoch, hour, minute, pressed, rules, seen, start, use } from "./Use.ts"

const limits = { slice_ms: minute, beats_missed_max: 2 }
const judged = (told: Parameters<typeof use>[0]) => uptime(use(told), limits)
const figure = (told: Parameters<typeof use>[0], name: string) => {
  const measured = judged(told)
  return measured._tag === "Counted" ? measured.figures?.[name] : measured.why
}
/** The server is there all the time, since before the hour. */
const always = { events: [epoch(-hour, 1)], summaries: [seen(hour + 500, 1, hour + 15_000)] }

describe("uptime", () => {
  it("counts the slices of an hour in which a server was there all the time", () => {
    expect(score(judged(always))).toBe("60/60")
  })

  it("counts no data as downtime: a log without any epoch, and one whose last epoch nobody looked at", () => {
    expect(score(judged({ events: [pressed(1)] }))).toBe("0/60")
    expect(score(judged({ events: [epoch(-hour, 1)] }))).toBe("0/60")
    expect(score(judged({ events: [epoch(-hour, 1)], summaries: [seen(hour, 2, hour + 15_000)] }))).toBe("0/60")
  })

  it("ends an epoch at its last heartbeat, as the next one tells it, and not where its lease ended", () => {
    // Killed after its heartbeat at minute 10; its lease held until 10:15, the next server came at 13:00.
    const events = [epoch(-hour, 1), epoch(13 * minute, 2, 10 * minute + 15_000)]
    expect(score(judged({ ...always, events, summaries: [seen(hour, 2, hour + 15_000)] }))).toBe("57/60")
    expect(offenders(judged({ ...always, events, summaries: [seen(hour, 2, hour + 15_000)] }))).toEqual([`window: no server was there for 180000 ms from ${start + 10 * minute} (Unix ms)`])
  })

  it("makes every slice bad that an outage touches", () => {
    const events = [epoch(-hour, 1), epoch(13 * minute + 1, 2, 10 * minute - 1 + 15_000)]
    expect(score(judged({ events, summaries: [seen(hour, 2, hour + 15_000)] }))).toBe("55/60")
  })

  it("sees a graceful end as the end, whatever the lease still held", () => {
    const events = [epoch(-hour, 1), ended(30 * minute, 1), epoch(40 * minute, 2, 30 * minute + 14_000)]
    expect(score(judged({ events, summaries: [seen(hour, 2, hour + 15_000)] }))).toBe("50/60")
  })

  it("passes over two missed heartbeats, and not over more", () => {
    const restarted = (ms: number) => [epoch(-hour, 1), epoch(10 * minute + ms, 2, 10 * minute + 15_000)]
    const summaries = [seen(hour, 2, hour + 15_000)]
    expect(score(judged({ events: restarted(7_500), summaries }))).toBe("60/60")
    expect(score(judged({ events: restarted(7_501), summaries }))).toBe("59/60")
  })

  it("counts the time behind the last sign of the last epoch, and that before the first", () => {
    expect(score(judged({ events: [epoch(-hour, 1)], summaries: [seen(30 * minute, 1, 30 * minute + 15_000)] }))).toBe("30/60")
    expect(score(judged({ events: [epoch(15 * minute, 1)], summaries: [seen(hour, 1, hour + 15_000)] }))).toBe("45/60")
    // The last heartbeat before the end is at most two heartbeats old.
    expect(score(judged({ events: [epoch(-hour, 1)], summaries: [seen(hour, 1, hour + 7_500)] }))).toBe("60/60")
    expect(score(judged({ events: [epoch(-hour, 1)], summaries: [seen(hour, 1, hour + 7_499)] }))).toBe("59/60")
  })

  it("knows nothing of an epoch whose event does not say how long its lease is, unless it ended gracefully", () => {
    const old = at(-hour, event("epoch.started", null, { epoch: 1, why: "boot" }))
    expect(score(judged({ events: [old, epoch(30 * minute, 2, 30 * minute)], summaries: [seen(hour, 2, hour + 15_000)] }))).toBe("30/60")
    expect(score(judged({ events: [old, ended(30 * minute, 1), epoch(30 * minute, 2, 30 * minute)], summaries: [seen(hour, 2, hour + 15_000)] }))).toBe("60/60")
  })

  it("leaves out maintenance that was announced before the window, and none that was announced in it", () => {
    const events = [epoch(-hour, 1), ended(30 * minute, 1), epoch(40 * minute, 2, 30 * minute)]
    const told = { events, summaries: [seen(hour, 2, hour + 15_000)] }
    const planned = { from: "2026-11-20T00:30:00Z", to: "2026-11-20T00:40:00Z", why: "a new disk" }
    const before = judged({ ...told, rules: { maintenance: [{ ...planned, announced: "2026-11-19T12:00:00Z" }] } })
    expect([score(before), before]).toEqual(["50/50", expect.objectContaining({ excluded: { "announced maintenance": 10 } })])
    expect(score(judged({ ...told, rules: { maintenance: [{ ...planned, announced: "2026-11-20T00:00:01Z" }] } }))).toBe("50/60")
  })

  it("shows commands and the longest outage beside", () => {
    const events = [epoch(-hour, 1), pressed(minute), at(2 * minute, event("command.timed_out", null, {})), ended(30 * minute, 1), epoch(40 * minute, 2, 30 * minute)]
    const told = { events, summaries: [seen(hour, 2, hour + 15_000)] }
    expect(["commands answered", "commands timed out", "longest outage, ms"].map((name) => figure(told, name))).toEqual([1, 1, 10 * minute])
  })

  it("is missing where the clock was set back, by its events or by what the product says of it", () => {
    expect(score(judged({ ...always, events: [epoch(-hour, 1), pressed(5000), pressed(3999)] }))).toBe("missing: window: the clock was set back before event 3, so the instants around it mean nothing")
    expect(score(judged({ ...always, events: [epoch(-hour, 1), pressed(5000), pressed(4000)] }))).toBe("60/60")
    expect(score(judged({ ...always, events: [epoch(-hour, 1), at(1, event("clock.stepped", null, { by_ms: -1001 }))] }))).toContain("the clock was set back before event 2")
    // What was before the window is over.
    expect(score(judged({ ...always, events: [epoch(-hour, 1), pressed(-2000), pressed(-9000)] }))).toBe("60/60")
  })

  it("is missing without log, without journal, without the rules and without its limits", () => {
    const whole = use(always)
    const but = (part: object) => ({ ...whole, scenarios: whole.scenarios.map((one) => ({ ...one, ...part })) })
    expect(score(uptime(but({ events: null }), limits))).toBe("missing: window: the event log is missing")
    expect(score(uptime(but({ journal: null }), limits))).toBe("missing: window: the journal is missing")
    expect(score(uptime(history({}), limits))).toBe("missing: the scorecard does not say how a span of use is counted")
    expect(score(uptime({ scenarios: whole.scenarios, rules }, { slice_ms: minute }))).toBe("missing: the scorecard does not say beats_missed_max")
  })

  it("needs no ledger of effects", () => {
    const whole = use(always)
    expect(score(uptime({ ...whole, scenarios: whole.scenarios.map((one) => ({ ...one, effects: null })) }, limits))).toBe("60/60")
  })
})
