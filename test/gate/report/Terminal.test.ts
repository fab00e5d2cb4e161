import { describe, expect, it } from "vitest"
import { duration, plainEveryMs, terminal } from "../../../gate/report/Terminal.ts"

/** A clock that is moved, and what was written. */
const on = (columns: number | null) => {
  let at = 0
  const written: Array<string> = []
  const shown = terminal({ write: (text) => written.push(text), now: () => at, columns: () => columns })
  return { shown, written: () => written.join(""), pass: (ms: number) => { at += ms } }
}

/** What a terminal shows in the end: it knows line feeds, `up n`, carriage return and `erase below`. */
const screen = (text: string): ReadonlyArray<string> => {
  const rows = [""]
  let row = 0
  for (const [, up, erase, feed, character] of text.replaceAll("\u001b", "^").matchAll(/\^\[(\d+)A|(\^\[J)|(\n)|([\s\S])/g)) {
    if (up !== undefined) row -= Number(up)
    else if (erase !== undefined) rows.splice(row, rows.length - row, "")
    else if (feed !== undefined) { row += 1; rows[row] ??= "" }
    else if (character !== "\r") rows[row] = `${rows[row] ?? ""}${character ?? ""}`
  }
  return rows.filter((line) => line !== "")
}

describe("progress on a terminal", () => {
  it("has one line for each stage under way, redrawn, and one that stays for each that is over", () => {
    const { pass, shown, written } = on(80)
    const scenarios = shown.stage("scenarios", 2)
    const seeds = shown.stage("simulation", 1000, "seeds")
    pass(2000)
    seeds.step(100)
    pass(2000)
    scenarios.step(1, "paused-worker")
    expect(screen(written())).toEqual(["scenarios: 1/2, 0.3/s, 4.0 s left, paused-worker", "simulation: 100/1000 seeds, 25/s, 36 s left"])
    shown.say("a line that stays")
    seeds.step(1000)
    seeds.done("none failed")
    expect(screen(written())).toEqual(["a line that stays", "simulation: 1000/1000 seeds in 4.0 s; none failed", "scenarios: 1/2, 0.3/s, 4.0 s left, paused-worker"])
    scenarios.done()
    expect(screen(written()).at(-1)).toBe("scenarios: 1/2 in 4.0 s")
  })

  it("is cut where it would wrap, since a wrapped line is redrawn wrongly", () => {
    const { shown, written } = on(20)
    shown.stage("x".repeat(300), 5)
    expect(screen(written())).toEqual([`${"x".repeat(18)}…`])
  })

  it("is of the usual width where the terminal does not know its own", () => {
    const { shown, written } = on(0)
    shown.stage("x".repeat(300), 5)
    expect(screen(written())).toEqual([`${"x".repeat(78)}…`])
  })

  it("redraws at most ten times a second", () => {
    const { pass, shown, written } = on(80)
    const stage = shown.stage("seeds", 1000)
    for (let done = 1; done <= 1000; done++) { pass(1); stage.step(done) }
    expect(written().match(/\n/g)).toHaveLength(11)
  })

  it("goes on while nothing is reported, and is taken away for whoever writes next", () => {
    const { pass, shown, written } = on(80)
    shown.stage("bundle", null)
    pass(3000)
    shown.redraw()
    expect(screen(written())).toEqual(["bundle: 3.0 s so far"])
    shown.clear()
    expect(screen(written())).toEqual([])
  })
})

describe("progress elsewhere", () => {
  it("is plain lines, one every few seconds and one at the end, without any control character", () => {
    const { pass, shown, written } = on(null)
    const stage = shown.stage("soak \u001b[2J", 72, "h")
    for (let hour = 1; hour <= 72; hour++) { pass(250); stage.step(hour, "\u001b[31m") }
    stage.done()
    expect(written()).not.toMatch(/[^\P{Cc}\n]/u)
    expect(written().split("\n")).toEqual([
      "soak ⟨U+001B⟩[2J: 20/72 h, 4.0/s, 13 s left, ⟨U+001B⟩[31m",
      "soak ⟨U+001B⟩[2J: 40/72 h, 4.0/s, 8.0 s left, ⟨U+001B⟩[31m",
      "soak ⟨U+001B⟩[2J: 60/72 h, 4.0/s, 3.0 s left, ⟨U+001B⟩[31m",
      "soak ⟨U+001B⟩[2J: 72/72 h in 18 s", ""
    ])
    expect(plainEveryMs).toBe(5000)
  })

  it("never redraws", () => {
    const { shown, written } = on(null)
    shown.stage("seeds", 10)
    shown.redraw()
    shown.clear()
    expect(written()).toBe("")
  })
})

describe("a stage", () => {
  it("is on record with its time once it is over, and what is reported afterwards counts nothing", () => {
    const { pass, shown, written } = on(null)
    const stage = shown.stage("judge", null)
    pass(1234)
    expect(shown.timings()).toEqual([])
    stage.done()
    pass(60_000)
    stage.step(3)
    stage.done()
    expect(shown.timings()).toEqual([{ stage: "judge", ms: 1234 }])
    expect(written()).toBe("judge: done in 1.2 s\n")
  })

  it("claims no rate before anything is done", () => {
    const { pass, shown, written } = on(null)
    const stage = shown.stage("seeds", 10)
    pass(6000)
    stage.step(0)
    expect(written()).toBe("seeds: 0/10, 6.0 s so far\n")
  })
})

it.each([[0, "0.0 s"], [9949, "9.9 s"], [59_400, "59 s"], [65_000, "1 min 05 s"]])("%i ms are %s", (ms, text) => {
  expect(duration(ms)).toBe(text)
})
