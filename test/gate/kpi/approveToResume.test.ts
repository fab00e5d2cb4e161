import { describe, expect, it } from "vitest"
import { approveToResume } from "../../../gate/kpi/approveToResume.ts"
import { asked, type Draft, event, offenders, queued, requested, running, score } from "../invariant/Story.ts"
import { at, commanded, hour, use } from "./Use.ts"

const limits = { limit_ms: 90_000 }
interface Way {
  readonly approved?: number
  readonly resumed?: number
  readonly due?: number
  readonly ran?: number
}
/** A task about which people were asked, by the milliseconds of its steps. */
const way = (task: string, { approved = 0, due, ran, resumed }: Way, payload = {}): ReadonlyArray<Draft> => [
  at(approved - 5000, requested(task, { holds: ["approval"], ...payload })),
  at(approved, commanded("approve", event("hold.released", task, { hold: "approval" }))),
  at(approved, event("task.approved", task, { from: "REQUESTED", by: "release" })),
  ...(resumed === undefined ? [] : [at(resumed, commanded("resume", queued(task, { available_at_ms: due === undefined ? 0 : at(due, queued(task)).at })))]),
  ...(ran === undefined ? [] : [at(ran, running(task))])
]
const judged = (...events: ReadonlyArray<Draft>) => approveToResume(use({ events: [...events].sort((one, other) => one.at - other.at) }), limits)

describe("approveToResume", () => {
  it("counts tasks that ran within 90 s of their approval", () => {
    expect(score(judged(...way("t", { resumed: 80_000, ran: 90_000 })))).toBe("1/1")
    const late = judged(...way("t", { resumed: 80_000, ran: 90_001 }))
    expect([score(late), offenders(late)]).toEqual(["0/1", ["window, task t: it ran 90001 ms after its approval (seq 3): 80000 ms until it was resumed, 10001 ms until it ran"]])
  })

  it("counts as bad what never ran, whoever is to blame", () => {
    expect(offenders(judged(...way("t", {})))).toEqual(["window, task t: approved by seq 3, and it never ran"])
    expect(score(judged(...way("t", { resumed: 1000 })))).toBe("0/1")
    expect(score(judged(...way("t", {}), at(1000, event("task.canceled", "t", { from: "APPROVED", by: "cancel" }))))).toBe("0/1")
  })

  it("shows the part of people and that of the system apart", () => {
    const figures = (events: ReadonlyArray<Draft>) => {
      const measured = judged(...events)
      return measured._tag === "Counted" ? measured.figures : null
    }
    const many = Array.from({ length: 20 }, (_, n) => way(`t${n}`, { resumed: 1000 * (n + 1), ran: 1000 * (n + 1) + 10 * (n + 1) })).flat()
    expect(figures([...many, ...way("u", {})])).toEqual({
      "human part, median, ms": 10_000, "human part, p95, ms": 19_000,
      "system part, median, ms": 100, "system part, p95, ms": 190,
      "whole, p95, ms": 19_190, "never ran": 1
    })
  })

  it("shows no figure of what nothing was measured of", () => {
    expect(judged(...way("t", {}))).toMatchObject({ figures: { "never ran": 1 } })
    expect(judged()).toEqual(expect.objectContaining({ figures: { "never ran": 0 } }))
  })

  it("does not count the time for which the task itself wanted to wait", () => {
    expect(score(judged(...way("t", { resumed: 10_000, due: 600_000, ran: 610_000 })))).toBe("1/1")
    expect(score(judged(...way("t", { resumed: 10_000, due: 600_000, ran: 680_001 })))).toBe("0/1")
  })

  it("counts the first approval only, and the first run after it", () => {
    const [first, ...rest] = way("t", { resumed: 1000, ran: 2000 })
    const again = [at(200_000, event("task.requested", "t", { from: "QUEUED", by: "void", holds: ["approval"] })), at(300_000, event("task.approved", "t", { from: "REQUESTED", by: "release" }))]
    expect(score(judged(...(first === undefined ? [] : [first]), ...rest, ...again))).toBe("1/1")
  })

  it("is about tasks that people were asked about", () => {
    expect(score(judged(...asked("t").map((draft, index) => at(index, draft)), at(hour - 1, running("t"))))).toBe("0/0")
    const [begun, ...rest] = asked("t")
    expect(score(judged(...(begun === undefined ? [] : [at(0, begun)]), at(1, event("hold.opened", "t", { hold: "review" })), ...rest.map((draft) => at(2, draft)), at(3, running("t"))))).toBe("1/1")
  })

  it("belongs to the window in which its time runs out; what is due behind its end is counted apart", () => {
    expect(judged(...way("t", { approved: hour - 90_000, resumed: hour - 89_000, ran: hour - 88_000 }))).toMatchObject({ total: 0, censored: 1 })
    expect(judged(...way("t", { approved: hour - 90_001, resumed: hour - 89_000, ran: hour - 88_000 }))).toMatchObject({ total: 1, censored: 0 })
    expect(score(judged(...way("t", { approved: -90_000, resumed: -1, ran: 0 })))).toBe("1/1")
    expect(score(judged(...way("t", { approved: -90_001, resumed: -1, ran: 0 })))).toBe("0/0")
  })

  it("leaves out tests, and counts them", () => {
    const events = way("t", { resumed: 1000, ran: 2000 }, { kind: "smoke" })
    expect(approveToResume(use({ events, rules: { tests: { kinds: ["smoke"], actors: [] } } }), limits)).toMatchObject({ total: 0, excluded: { "marked as a test": 1 } })
  })

  it("is missing without its limit", () => {
    expect(score(approveToResume(use({}), {}))).toBe("missing: the scorecard does not say limit_ms")
  })
})
