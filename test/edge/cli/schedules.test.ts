/** Schedules of the shipped program: killed in the middle, asked by hand, declared badly. */
import { setTimeout as sleep } from "node:timers/promises"
import { describe, it, vi } from "vitest"
import { breaksOf, logOf } from "../../runtime/workflow/Home.ts"
import { fold } from "../../../gate/invariant/Fold.ts"
import { type Home, light, opsgate, until } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 4, testTimeout: 90_000 })

const kinds = { beat: light(["/bin/sh", "-c", "echo $OPSGATE_DISPATCH_KEY >> ledger"]) }

interface Tick {
  readonly schedule: string
  readonly nominal_ms: number
  readonly outcome: string
  readonly task: string | null
}

const ticksOf = (home: Home, name: string) => home.query<Tick>(`SELECT * FROM tick WHERE schedule = '${name}' ORDER BY nominal_ms`)
const rangesOf = (home: Home, name: string) => home.query<{ readonly from_ms: number; readonly to_ms: number; readonly count: number }>(`SELECT * FROM tick_range WHERE schedule = '${name}' ORDER BY from_ms`)
const bodyOf = (home: Home, name: string): { readonly anchorMs: number; readonly cursorMs: number; readonly counts: Readonly<Record<string, number>> } =>
  JSON.parse(home.query<{ readonly body: string }>(`SELECT body FROM schedule WHERE name = '${name}'`)[0]?.body ?? "{}")

describe.concurrent("a schedule of a server", () => {
  it("that is killed again and again has each tick once, or says what became of it", async ({ expect, onTestFinished }) => {
    const schedules = {
      all: { kind: "beat", every: "1s", catch_up: "all", overlap: "allow", late_after_ms: 500 },
      latest: { kind: "beat", every: "1s", overlap: "allow", late_after_ms: 500 },
      none: { kind: "beat", cron: "* * * * * *", zone: "America/New_York", catch_up: "none", overlap: "allow", late_after_ms: 500 }
    }
    const home = opsgate(onTestFinished, kinds, { schedules })
    for (const [aliveMs, downMs] of [[1700, 0], [900, 2300], [1100, 100], [450, 1800]] as const) {
      const server = await home.serve()
      await sleep(aliveMs)
      server.signal("SIGKILL")
      await server.ended
      await sleep(downMs)
    }
    const last = await home.serve()
    const seen = home.events().length
    await until("ticks of the last server", () => home.events().length > seen + 20)
    await until("no run that is open", () => home.tasks().every(({ state }) => state === "SUCCEEDED"))
    last.signal("SIGTERM")
    await last.ended

    const totals: Record<string, number> = {}
    for (const name of Object.keys(schedules)) {
      const [ticks, ranges, { anchorMs, counts, cursorMs }] = [ticksOf(home, name), rangesOf(home, name), bodyOf(home, name)]
      // A whole second of the wall, or a whole second from the anchor.
      const firstMs = name === "none" ? Math.floor(anchorMs / 1000) * 1000 + 1000 : anchorMs + 1000
      const decided = [...ticks.map(({ nominal_ms }) => nominal_ms), ...ranges.flatMap(({ count, from_ms }) => Array.from({ length: count }, (_, index) => from_ms + index * 1000))].sort((a, b) => a - b)
      expect(decided).toEqual(Array.from({ length: (cursorMs - firstMs) / 1000 + 1 }, (_, index) => firstMs + index * 1000))
      for (const { count, from_ms, to_ms } of ranges) expect((to_ms - from_ms) / 1000 + 1).toBe(count)
      expect(counts["started"]! + counts["late"]! + counts["skipped"]! + counts["missed"]!).toBe(decided.length)
      totals[name] = ranges.length
    }
    // The downtime was seen: something was caught up, and something was not.
    expect([bodyOf(home, "all").counts["late"]! > 0, totals["all"] === 0, totals["latest"]! > 0, totals["none"]! > 0]).toEqual([true, true, true, true])
    const log = logOf(home.file)
    expect(breaksOf(home.file)).toEqual([])
    expect(fold(log).moves.filter(({ refusal }) => refusal !== null)).toEqual([])
    const requested = log.filter(({ payload, type }) => type === "task.requested" && payload?.["by"] === "schedule").map(({ payload }) => payload?.["dispatch_key"])
    expect(new Set(requested).size).toBe(requested.length)
    // Every run of a tick has come to its command, but for those that were asked for while the server stopped: they wait.
    const left = new Set(home.tasks().filter(({ state }) => state === "QUEUED").map(({ id }) => id))
    const begun = log.filter(({ payload, task, type }) => type === "task.requested" && payload?.["by"] === "schedule" && !left.has(task ?? "")).map(({ payload }) => payload?.["dispatch_key"])
    expect(left.size).toBeLessThan(10)
    expect(new Set(home.read("ledger").split("\n").filter((line) => line !== ""))).toEqual(new Set(begun))
  })

  it.for([true, false])("is looked at, paused, run and filled up with the server up: %s", async (up, { expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { schedules: { nightly: { kind: "beat", cron: "30 2 * * *", zone: "America/New_York" } } })
    const server = await home.serve()
    await until("the schedule", () => home.events("schedule.declared").length === 1)
    if (!up) {
      server.signal("SIGTERM")
      await server.ended
    }
    const asked = async (...words: ReadonlyArray<string>) => {
      const { code, stderr, stdout } = await home.run(["schedule", ...words, "--json"])
      return code === 0 ? [code, JSON.parse(stdout)] : [code, stderr.trim()]
    }
    expect(await asked("pause", "nightly")).toEqual([2, "opsgate: schedule pause needs a reason"])
    expect(await asked("pause", "nightly", "--reason", "maintenance")).toMatchObject([0, { state: "paused", moved: true }])
    expect(JSON.parse((await home.run(["schedules", "--json"])).stdout)).toMatchObject([{ name: "nightly", state: "paused", next: null, paused: { reason: "maintenance" } }])
    expect((await home.run(["schedules"])).stdout).toMatch(/nightly +paused +30 2 \* \* \* America\/New_York .*paused since .*: maintenance/)
    expect(await asked("resume", "nightly")).toMatchObject([0, { state: "active", moved: true }])
    const backfill = ["backfill", "nightly", "--from", "2026-03-07T00:00:00Z", "--to", "2026-03-09T23:00:00Z", "--reason", "a hole"]
    expect(await asked(...backfill, "--key", "b1")).toMatchObject([0, { tasks: { length: 3 }, existing: 0 }])
    expect(await asked(...backfill, "--key", "b1")).toMatchObject([0, { tasks: { length: 3 }, existing: 0 }])
    expect(await asked(...backfill)).toMatchObject([0, { tasks: [], existing: 3 }])
    expect(await asked("run", "nightly")).toMatchObject([0, { tasks: { length: 1 } }])
    expect(await asked("pause", "weekly", "--reason", "x")).toEqual([4, "opsgate: there is no schedule weekly"])
    expect(home.tasks().length).toBe(4)
    expect(await asked("ticks", "nightly")).toMatchObject([0, [{ from: "2026-03-09T06:30:00.000Z", outcome: "backfilled" }, { from: "2026-03-08T07:00:00.000Z" }, { from: "2026-03-07T07:30:00.000Z" }]])
    expect(await asked("preview", "nightly", "--from", "2027-03-13T12:00:00Z", "--count", "2")).toMatchObject([0, {
      zone: "America/New_York",
      rows: [{ at: "2027-03-14T07:00:00.000Z", local: "2027-03-14 02:30:00", mark: "shifted" }, { at: "2027-03-15T06:30:00.000Z", mark: null }]
    }])
  })

  it("is tried without a file, and refused with a sentence when it makes no sense", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished)
    const preview = (...words: ReadonlyArray<string>) => home.run(["schedule", "preview", ...words])
    expect((await preview("--cron", "30 1 * * *", "--zone", "Europe/Berlin", "--count", "1", "--from", "2026-01-01T00:00:00Z", "--json")).stdout).toContain("2026-01-01T00:30:00.000Z")
    expect((await preview("--every", "90m", "--from", "2026-01-01T00:00:00Z", "--count", "1")).stdout).toContain("2026-01-01T01:30:00.000Z")
    for (const [words, sentence] of [
      [["--cron", "99 * * * *"], /^opsgate: cron: Invalid value for minute: 99\n$/],
      [["--cron", "* * * * *", "--zone", "Mars/Olympus"], /no zone of the IANA database/],
      [["--every", "soon"], /--every is a duration/],
      [["--every", "10s", "--zone", "UTC"], /a plain interval knows no zone/],
      [[], /either cron or every/],
      [["nightly", "--cron", "* * * * *"], /a schedule has its own times/],
      [["--cron", "* * * * *", "--from", "tomorrow"], /an instant is written like/]
    ] as const) {
      const { code, stderr, stdout } = await preview(...words)
      expect([code, stdout]).toEqual([2, ""])
      expect(stderr).toMatch(sentence)
    }
  })

  it.for<readonly [string, object, RegExp]>([
    ["an unknown kind", { kind: "nope", every: "1s" }, /schedules\.one: there is no task kind "nope"/],
    ["a payload that does not fit", { kind: "picky", every: "1s" }, /schedules\.one: the payload does not fit the kind picky/],
    ["a pattern that is none", { kind: "beat", cron: "* *" }, /schedules\.one: cron: a pattern has 5 fields/],
    ["a duration that is none", { kind: "beat", every: "1 fortnight" }, /schedules\.one: every is a duration/],
    ["a word that is none", { kind: "beat", every: "1s", overlap: "maybe" }, /schedules\.one\.overlap must be equal to one of the allowed values/]
  ])("is not declared with %s", async ([, one, sentence], { expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { ...kinds, picky: light(["/bin/true"], { payload: { type: "object", required: ["n"], properties: { n: { type: "number" } } } }) }, { schedules: { one } })
    const { code, stderr } = await home.run(["serve"])
    expect(code).toBe(2)
    expect(stderr).toMatch(sentence)
  })
})
