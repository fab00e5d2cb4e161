import { describe, expect, it } from "vitest"
import type { Trial } from "../../../gate/History.ts"
import { ioErrorsSurvived } from "../../../gate/invariant/ioErrorsSurvived.ts"
import { powerLossKept } from "../../../gate/invariant/powerLossKept.ts"
import { trial } from "../Garden.ts"
import { epoch, lived, offenders, run, scenario, score } from "./Story.ts"

const played = (...trials: ReadonlyArray<Trial>) => run(scenario({ id: "s", events: [epoch(1), ...lived("t1")], journal: { trials } }))
const [first, ...more] = scenario({ id: "s", events: [epoch(1), ...lived("t1")] }).events ?? []
const second = more[0]?.hash ?? ""
const lost = trial("power_loss", { id: "lie/1", digest: "f".repeat(64), log: { acknowledged: 2, found: null }, lie: true })
const cut = (log: Trial["log"], digest: string) => trial("power_loss", { id: "cut/1", digest: digest.repeat(64), looks: [], ...(log === undefined ? {} : { log }) })

describe("trials", () => {
  it("count once each, by what was tried, and only where a witness says that they struck", () => {
    const struck = trial("io_error")
    expect(score(ioErrorsSurvived(played(struck, struck, trial("io_error", { digest: "c".repeat(64), witness: null }), trial("clock"))))).toBe("1/1")
    expect(ioErrorsSurvived(played(struck, struck))).toMatchObject({ excluded: { "the same was tried before": 1 }, strata: { once: 1 } })
    expect(ioErrorsSurvived(played(trial("io_error", { witness: null })))).toMatchObject({ total: 0, excluded: { "it did not strike": 1 } })
  })

  it("are nothing, and no pass, where the scenario made none", () => {
    expect(ioErrorsSurvived(played())).toMatchObject({ _tag: "Counted", total: 0 })
  })

  it("are bad where something else was seen than is promised, in words", () => {
    expect(offenders(ioErrorsSurvived(played(trial("io_error", { looks: [{ what: "the server", promised: ["exited with 1: in doubt"], seen: "goes on" }] }))))).toEqual([
      "s, io_error/1: the server: goes on; promised is exited with 1: in doubt"
    ])
  })

  it("are missing evidence where nothing was looked at", () => {
    expect(score(ioErrorsSurvived(played(trial("io_error", { looks: [] }))))).toBe("missing: s: nothing was looked at in io_error/1")
  })
})

describe("a power cut", () => {
  it("is survived when the log goes as far as was acknowledged, and is that of the run", () => {
    expect(score(powerLossKept(played(cut({ acknowledged: 2, found: { seq: 2, hash: second } }, "1"), cut({ acknowledged: 1, found: { seq: 2, hash: second } }, "2"), cut({ acknowledged: 0, found: null }, "3"), lost)))).toBe("3/3")
  })

  it("is not when it lost something, or has another event", () => {
    const measured = powerLossKept(played(cut({ acknowledged: 2, found: { seq: 1, hash: first?.hash ?? "" } }, "1"), cut({ acknowledged: 1, found: null }, "2"), cut({ acknowledged: 1, found: { seq: 2, hash: first?.hash ?? "" } }, "3"), lost))
    expect(offenders(measured)).toEqual([
      "s, cut/1: the log ended at event 1, and event 2 had been acknowledged",
      "s, cut/1: no log was there, and 1 events had been acknowledged",
      "s, cut/1: its event 2 is not the one of the run"
    ])
  })

  it("shows nothing where a disk that ignores syncs loses nothing either", () => {
    const honest = cut({ acknowledged: 2, found: { seq: 2, hash: second } }, "1")
    expect(score(powerLossKept(played(honest)))).toMatch(/^missing: no loss was found on a disk that ignores syncs, in 0 cuts/)
    expect(score(powerLossKept(played(honest, { ...lost, looks: [], log: { acknowledged: 2, found: { seq: 2, hash: second } } })))).toMatch(/^missing: no loss was found .* in 1 cuts/)
  })
})
