/** What becomes of ticks: late ones, overlapping ones, and what people do to a schedule. */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import type { Decision } from "../../src/domain/Decision.ts"
import type { Now } from "../../src/domain/Now.ts"
import { type Schedule, type ScheduleEntry, type ScheduleSpec, specOf, type TickRange, type TickRow } from "../../src/domain/Schedule.ts"
import type { ScheduleAsk } from "../../src/domain/ScheduleAsk.ts"
import { afterLostPart, declare, scheduleCommand } from "../../src/domain/Scheduling.ts"
import type { Task } from "../../src/domain/Task.ts"
import type { Restored } from "../../src/domain/Restored.ts"
import { isTerminal } from "../../src/domain/TaskState.ts"
import { type Around, fire } from "../../src/domain/Ticking.ts"
import { commandOf, kindOf } from "../engine/tasks.ts"

const startMs = Date.parse("2026-06-01T00:00:00Z")
const minuteMs = 60_000
const dayMs = 86_400_000

const specFor = (entry: Partial<ScheduleEntry> = {}): ScheduleSpec => {
  const every = entry.cron === undefined && entry.everyMs === undefined ? { everyMs: minuteMs } : {}
  return Either.getOrThrow(specOf({ name: "nightly", kind: "report", ...every, ...entry }))
}

/** A schedule with its rows, as an engine would keep them. */
class Kept {
  nowMs = startMs
  schedule: Schedule | undefined
  readonly rows = new Map<number, TickRow>()
  readonly ranges: Array<TickRange> = []
  readonly tasks = new Map<string, Task>()
  readonly types: Array<string> = []
  restored: Restored | null = null
  trace = 0

  constructor(spec: ScheduleSpec | null = specFor()) {
    if (spec !== null) this.declare(spec)
  }

  get now(): Now {
    return { wallMs: this.nowMs, monoMs: this.nowMs, epoch: 1, leaseUntilMonoMs: this.nowMs + 1000, restored: this.restored }
  }

  around(from = (this.schedule?.cursorMs ?? 0) + 1, to = Infinity, kind: Around["kind"] = kindOf()): Around {
    return {
      kind,
      open: [...this.tasks.values()].filter(({ state }) => !isTerminal[state]),
      ticks: [...this.rows.values()].filter(({ nominalMs }) => nominalMs >= from && nominalMs <= to)
    }
  }

  keep<A>(decision: Decision<A>): Decision<A>["answer"] {
    for (const change of decision.schedules) {
      if (change._tag === "Put") this.schedule = change.schedule
      else if (change._tag === "Range") this.ranges.push(change.range)
      else {
        expect(this.rows.has(change.tick.nominalMs), "a new row for a new tick, the same row for the same").toBe(change._tag === "Retick")
        this.rows.set(change.tick.nominalMs, change.tick)
      }
    }
    decision.tasks.forEach((task) => this.tasks.set(task.id, task))
    this.types.push(...decision.events.map(({ type }) => type))
    return decision.answer
  }

  declare(spec: ScheduleSpec | undefined) {
    this.keep(declare(this.schedule, spec, this.around(), this.now))
  }

  at(afterMs: number, kind: Around["kind"] = kindOf()): this {
    this.nowMs = startMs + afterMs
    if (this.schedule !== undefined) this.keep(fire(this.schedule, this.around(undefined, undefined, kind), this.now))
    return this
  }

  /** A backup of now is restored at this instant. */
  restore(afterMs: number): this {
    this.nowMs = startMs + afterMs
    this.restored = { number: 1, atMs: this.nowMs, actor: "cli:ada", backupSeq: 1, backupHash: "0".repeat(64), generationFloor: 1000, releasedAtMs: null }
    return this
  }

  release(): this {
    if (this.restored !== null) this.restored = { ...this.restored, releasedAtMs: this.nowMs }
    return this
  }

  lose(reason: "restored" | "loss_accepted"): this {
    if (this.schedule !== undefined) this.keep(afterLostPart(this.schedule, reason, this.around(), this.now))
    return this
  }

  ask(ask: ScheduleAsk) {
    this.trace += 1
    const around = ask.op === "schedule-backfill" ? this.around(ask.from, ask.to) : this.around()
    return this.keep(scheduleCommand(this.schedule, commandOf(ask, { trace: String(this.trace).padStart(32, "0") }), around, this.now))
  }

  end() {
    for (const task of this.tasks.values()) this.tasks.set(task.id, { ...task, state: "SUCCEEDED" })
  }

  get found(): ReadonlyArray<string> {
    return [...this.rows.values()].sort((a, b) => a.nominalMs - b.nominalMs).map(({ nominalMs, outcome, reason }) => `${(nominalMs - startMs) / minuteMs} ${outcome}${reason === null ? "" : ` ${reason}`}`)
  }

  get spans(): ReadonlyArray<string> {
    return this.ranges.map(({ count, fromMs, outcome, reason, toMs }) => `${(fromMs - startMs) / minuteMs}-${(toMs - startMs) / minuteMs} ${count} ${outcome} ${reason}`)
  }

  get counts() {
    return this.schedule?.counts
  }
}

describe("a server that was down", () => {
  it.each([
    ["none", {}, [], ["1-10 10 skipped catch_up"]],
    ["latest", {}, ["10 late"], ["1-9 9 skipped catch_up"]],
    ["all", {}, ["1 late", "2 late", "3 late", "4 late", "5 late", "6 late", "7 late", "8 late", "9 late", "10 late"], []],
    ["all", { catchUpMax: 2 }, ["9 late", "10 late"], ["1-8 8 missed cap"]],
    ["all", { catchUpWindowMs: 3 * minuteMs }, ["8 late", "9 late", "10 late"], ["1-7 7 missed window"]],
    ["all", { catchUpWindowMs: 5 * minuteMs, catchUpMax: 2 }, ["9 late", "10 late"], ["1-5 5 missed window", "6-8 3 missed cap"]],
    ["latest", { catchUpWindowMs: 20_000 }, [], ["1-10 10 missed window"]]
  ] as const)("over ten ticks catches up as told: %s %o", (catchUp, more, found, spans) => {
    const kept = new Kept(specFor({ catchUp, overlap: "allow", ...more })).at(10.5 * minuteMs)
    expect(kept.found).toEqual(found)
    expect(kept.spans).toEqual(spans)
    // Once and for all.
    expect(kept.at(10.6 * minuteMs).found).toEqual(found)
    expect(kept.at(11 * minuteMs).found).toEqual([...found, "11 started"])
  })

  it("runs the tick that is just due for all that `latest` owes", () => {
    const kept = new Kept(specFor({ overlap: "allow" })).at(10 * minuteMs)
    expect([kept.found, kept.spans]).toEqual([["10 started"], ["1-9 9 skipped catch_up"]])
  })

  it("for a year writes one row for millions of missed ticks", () => {
    const kept = new Kept(specFor({ everyMs: 1000, catchUp: "all", overlap: "allow", catchUpMax: 3, catchUpWindowMs: dayMs })).at(365 * dayMs + 10_000)
    const late = [...kept.rows.values()].filter(({ outcome }) => outcome === "late").length
    expect(late).toBe(3)
    expect(kept.ranges.map(({ reason }) => reason)).toEqual(["window", "cap"])
    expect(kept.ranges.reduce((sum, { count }) => sum + count, 0) + kept.rows.size).toBe(365 * 86_400 + 10)
    expect(kept.types.length).toBeLessThan(50)
  })
})

describe("a restored file that waits for its release", () => {
  const every = { catchUp: "all", overlap: "allow" } as const

  it("has its ticks due, and runs none; the release runs them as the schedule says", () => {
    const kept = new Kept(specFor(every)).at(minuteMs).restore(3.5 * minuteMs).at(4.5 * minuteMs)
    expect([kept.found, kept.spans]).toEqual([["1 started"], []])
    expect(kept.release().at(4.6 * minuteMs).found).toEqual(["1 started", "2 late", "3 late", "4 late"])
  })

  it("has the ticks missed that the lost part may have run, once, and a backfill runs them", () => {
    const kept = new Kept(specFor(every)).at(minuteMs).restore(3.5 * minuteMs).lose("restored").lose("restored").release().at(4.5 * minuteMs)
    expect([kept.found, kept.spans]).toEqual([["1 started", "4 late"], ["2-3 2 missed restored"]])
    kept.ask({ op: "schedule-backfill", schedule: "nightly", from: startMs, to: startMs + 3 * minuteMs, reason: "they did not happen" })
    expect(kept.found).toEqual(["1 started", "2 backfilled", "3 backfilled", "4 late"])
  })

  it("gives up what waits for the end of a run, of a schedule that is paused too", () => {
    const waits = () => new Kept(specFor({ overlap: "queue" })).at(minuteMs).at(2 * minuteMs)
    expect(waits().restore(2.5 * minuteMs).lose("restored").found).toEqual(["1 started", "2 skipped restored"])
    const paused = waits()
    paused.ask({ op: "schedule-pause", schedule: "nightly", reason: "maintenance" })
    expect(paused.restore(3.5 * minuteMs).lose("loss_accepted").found).toEqual(["1 started", "2 skipped loss_accepted"])
    expect(paused.schedule?.waiting).toEqual([])
  })

  it.each([
    ["a declaration that changes", (kept: Kept) => kept.declare(specFor({ ...every, everyMs: 2 * minuteMs }))],
    ["a pause", (kept: Kept) => void kept.ask({ op: "schedule-pause", schedule: "nightly", reason: "maintenance" })]
  ])("runs nothing for %s: what was due is missed", (_what, act) => {
    const kept = new Kept(specFor(every)).at(minuteMs).restore(3.5 * minuteMs)
    act(kept)
    expect([kept.found, kept.spans]).toEqual([["1 started"], ["2-3 2 missed restored"]])
  })
})

describe("a clock that is set", () => {
  it("back fires no tick twice", () => {
    const kept = new Kept(specFor({ overlap: "allow" })).at(minuteMs).at(2 * minuteMs).at(0).at(minuteMs).at(2 * minuteMs)
    expect(kept.found).toEqual(["1 started", "2 started"])
    expect(kept.at(3 * minuteMs).found).toEqual(["1 started", "2 started", "3 started"])
  })

  it("far ahead and back again leaves the schedule silent, and a pause and a resume begin it anew", () => {
    const kept = new Kept(specFor({ overlap: "allow" })).at(1000 * dayMs).at(minuteMs)
    expect(kept.found.length).toBe(1)
    kept.ask({ op: "schedule-pause", schedule: "nightly", reason: "the clock was wrong" })
    kept.ask({ op: "schedule-resume", schedule: "nightly", reason: null })
    expect(kept.at(2 * minuteMs).found[0]).toBe("2 started")
  })
})

describe("a tick that comes while an earlier run has not ended", () => {
  it("is skipped", () => {
    const kept = new Kept().at(minuteMs).at(2 * minuteMs)
    expect(kept.found).toEqual(["1 started", "2 skipped overlap"])
    kept.end()
    expect(kept.at(3 * minuteMs).found.at(-1)).toBe("3 started")
  })

  it("waits for its end, as many as may, oldest first", () => {
    const kept = new Kept(specFor({ overlap: "queue", queueMax: 2, lateAfterMs: 3_600_000 })).at(minuteMs).at(2 * minuteMs).at(3 * minuteMs).at(4 * minuteMs)
    expect(kept.found).toEqual(["1 started", "2 waiting", "3 waiting", "4 skipped overlap"])
    kept.end()
    expect(kept.at(4.1 * minuteMs).found).toEqual(["1 started", "2 started", "3 waiting", "4 skipped overlap"])
    kept.end()
    expect(kept.at(5 * minuteMs).found).toEqual(["1 started", "2 started", "3 started", "4 skipped overlap", "5 waiting"])
  })

  it("cancels it, and takes the place of one that waits for the same", () => {
    const kept = new Kept(specFor({ overlap: "cancel-running", lateAfterMs: 3_600_000 })).at(minuteMs)
    for (const task of kept.tasks.values()) kept.tasks.set(task.id, { ...task, state: "RUNNING", lease: { epoch: 1, worker: "ada" } })
    kept.at(2 * minuteMs).at(3 * minuteMs)
    expect([...kept.tasks.values()].map(({ cancel }) => cancel?.actor)).toEqual(["system:schedule"])
    expect(kept.found).toEqual(["1 started", "2 skipped overlap", "3 waiting"])
    kept.end()
    expect(kept.at(3.1 * minuteMs).found.at(-1)).toBe("3 started")
  })

  it("cancels one that has not begun at once, and starts", () => {
    const kept = new Kept(specFor({ overlap: "cancel-running" })).at(minuteMs).at(2 * minuteMs)
    expect(kept.found).toEqual(["1 started", "2 started"])
    expect([...kept.tasks.values()].map(({ state }) => state)).toEqual(["CANCELED", "QUEUED"])
  })

  it("runs beside it", () => {
    expect(new Kept(specFor({ overlap: "allow" })).at(minuteMs).at(2 * minuteMs).found).toEqual(["1 started", "2 started"])
  })
})

describe("jitter", () => {
  it("starts each tick after its instant, always as much, in order", () => {
    const kept = new Kept(specFor({ jitterMs: 30_000, overlap: "allow" }))
    const started = new Map<number, number>()
    for (let atMs = 0; atMs <= 20 * minuteMs; atMs += 500) {
      kept.at(atMs)
      for (const nominalMs of kept.rows.keys()) if (!started.has(nominalMs)) started.set(nominalMs, startMs + atMs - nominalMs)
    }
    expect(started.size).toBeGreaterThanOrEqual(19)
    const delays = [...started.values()]
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...delays)).toBeLessThanOrEqual(30_500)
    expect(new Set(delays).size).toBeGreaterThan(10)
    expect(kept.counts?.late).toBe(0)
  })
})

describe("a declaration", () => {
  it("that is the same changes nothing, and keeps the anchor of a plain interval", () => {
    const kept = new Kept().at(1.5 * minuteMs)
    const before = kept.schedule
    kept.declare(specFor())
    expect(kept.schedule).toBe(before)
    expect(kept.types.filter((type) => type.startsWith("schedule."))).toEqual(["schedule.declared"])
  })

  it("that has changed is a new version, and what was due before is decided by the one before", () => {
    const kept = new Kept(specFor({ catchUp: "all", overlap: "allow" }))
    kept.nowMs = startMs + 3.5 * minuteMs
    kept.declare(specFor({ everyMs: 10 * minuteMs, overlap: "allow" }))
    expect([kept.found, kept.schedule?.version]).toEqual([["1 late", "2 late", "3 late"], 2])
    expect(kept.at(13.5 * minuteMs).found.at(-1)).toBe("13.5 started")
  })

  it("that is gone fires no more, and says what was missed; one that is back begins now", () => {
    const kept = new Kept().at(minuteMs)
    kept.end()
    kept.nowMs = startMs + 4 * minuteMs
    kept.declare(undefined)
    expect([kept.spans, kept.schedule?.dueMs, kept.at(10 * minuteMs).found]).toEqual([["2-4 3 missed gone"], null, ["1 started"]])
    kept.nowMs = startMs + 20.5 * minuteMs
    kept.declare(specFor())
    expect(kept.schedule).toMatchObject({ version: 2, gone: false, nextMs: startMs + 21.5 * minuteMs })
    expect(kept.types.filter((type) => type.startsWith("schedule."))).toEqual(["schedule.declared", "schedule.missed", "schedule.gone", "schedule.declared"])
  })

  it("whose kind is gone skips its ticks and says why", () => {
    const kept = new Kept()
    kept.nowMs = startMs + minuteMs
    if (kept.schedule !== undefined) kept.keep(fire(kept.schedule, { ...kept.around(), kind: undefined }, kept.now))
    expect(kept.found).toEqual(["1 skipped kind_gone"])
  })

  it.each<readonly [string, Partial<ScheduleEntry>, RegExp]>([
    ["both cron and every", { cron: "* * * * *", everyMs: 1000 }, /either cron or every/],
    ["neither", { cron: undefined, everyMs: undefined }, /either cron or every/],
    ["a zone that is none", { cron: "* * * * *", zone: "Mars/Olympus" }, /no zone/],
    ["an offset as a zone", { cron: "* * * * *", zone: "+02:00" }, /no zone/],
    ["a zone for a plain interval", { everyMs: 1000, zone: "UTC" }, /knows no zone/],
    ["an interval that is too short", { everyMs: 999 }, /whole number from 1000/],
    ["a day that never comes", { cron: "0 0 30 2 *" }, /no such day/],
    ["a cap that is none", { everyMs: 1000, catchUpMax: 0 }, /from 1 to 1000/],
    ["a name that is none", { name: "Nightly", everyMs: 1000 }, /is named by/]
  ])("is refused with a sentence: %s", (_, entry, sentence) => {
    expect(Either.getOrNull(Either.flip(specOf({ name: "nightly", kind: "report", ...entry })))).toMatch(sentence)
  })
})

describe("an operator", () => {
  const pause: ScheduleAsk = { op: "schedule-pause", schedule: "nightly", reason: "maintenance" }
  const resume: ScheduleAsk = { op: "schedule-resume", schedule: "nightly", reason: null }
  const backfill = (from: number, to: number): ScheduleAsk => ({ op: "schedule-backfill", schedule: "nightly", reason: "a hole", from: startMs + from * minuteMs, to: startMs + to * minuteMs })

  it("pauses, and the ticks in between are skipped at the resume, in one row", () => {
    const kept = new Kept(specFor({ overlap: "allow" })).at(minuteMs)
    expect(kept.ask(pause)).toMatchObject({ right: { state: "paused", moved: true } })
    expect(kept.ask(pause)).toMatchObject({ right: { moved: false } })
    expect(kept.at(5.5 * minuteMs).found).toEqual(["1 started"])
    expect(kept.ask(resume)).toMatchObject({ right: { state: "active", moved: true } })
    expect([kept.spans, kept.at(6 * minuteMs).found]).toEqual([["2-5 4 skipped paused"], ["1 started", "6 started"]])
  })

  it("runs it now, outside of its ticks", () => {
    const kept = new Kept()
    const answer = kept.ask({ op: "schedule-run", schedule: "nightly", reason: null })
    expect(answer).toMatchObject({ right: { tasks: [[...kept.tasks.keys()][0]] } })
    expect([kept.found, kept.counts?.manual, [...kept.tasks.values()][0]?.schedule?.by]).toEqual([[], 1, "manual"])
    expect(kept.types.slice(-3)).toEqual(["task.requested", "task.approved", "task.queued"])
  })

  it("fills up what had no run, once", () => {
    const kept = new Kept(specFor({ overlap: "skip" })).at(minuteMs).at(2 * minuteMs).at(8.5 * minuteMs)
    expect(kept.found).toEqual(["1 started", "2 skipped overlap", "8 skipped overlap"])
    expect(kept.ask(backfill(0, 5))).toMatchObject({ right: { existing: 1, tasks: { length: 4 } } })
    expect(kept.found).toEqual(["1 started", "2 backfilled", "3 backfilled", "4 backfilled", "5 backfilled", "8 skipped overlap"])
    expect(kept.ask(backfill(0, 5))).toMatchObject({ right: { existing: 5, tasks: [] } })
    expect(kept.counts?.backfilled).toBe(4)
  })

  it("fills up ticks of a pause, and the resume does not count them as skipped", () => {
    const kept = new Kept(specFor({ overlap: "allow" })).at(0)
    kept.ask(pause)
    kept.at(4.5 * minuteMs)
    kept.ask(backfill(2, 3))
    kept.ask(resume)
    expect([kept.found, kept.spans]).toEqual([["2 backfilled", "3 backfilled"], ["1-4 2 skipped paused"]])
  })

  it.each<readonly [string, ScheduleAsk, string]>([
    ["a range that is turned round", backfill(5, 4), "no_range"],
    ["the future", backfill(0, 100_000), "future"],
    ["too much", backfill(0, 5000), "too_many"]
  ])("is refused %s", (_, ask, why) => {
    const kept = new Kept().at(6000 * minuteMs)
    expect(kept.ask(ask)).toMatchObject({ left: { _tag: "ScheduleRefused", why } })
    expect(kept.types.at(-1)).toBe("command.refused")
  })

  it("is told that there is no such schedule, or no more", () => {
    expect(new Kept(null).ask(pause)).toMatchObject({ left: { _tag: "ScheduleNotFound" } })
    const kept = new Kept()
    kept.declare(undefined)
    expect(kept.ask(pause)).toMatchObject({ left: { _tag: "ScheduleRefused", why: "gone" } })
  })
})
