import { describe, expect, it } from "vitest"
import { queueLimitsKept } from "../../../gate/invariant/queueLimitsKept.ts"
import { approved, type Draft, epoch, event, history, offenders, queued, requested, running, score, succeeded } from "./Story.ts"

const first = 1_000_000
const at = (ms: number, draft: Draft): Draft => ({ ...draft, at: first + ms })

const limits = (queues: object, over: object = {}) => ({ slots: 9, heavy_slots: 9, queues, ...over })
const narrow = (over: object) => limits({ narrow: { concurrency: null, per_key: 1, rate: null, paused: false, ...over } })

const inQueue = (task: string, over: object = {}): ReadonlyArray<Draft> => [requested(task, { class: "light", queue: "narrow", ...over }), approved(task), queued(task)].map((draft) => at(0, draft))
const judged = (declared: object, ...drafts: ReadonlyArray<Draft | ReadonlyArray<Draft>>) =>
  queueLimitsKept(history({ events: [at(0, epoch(1, { ...declared })), ...["a", "b", "c"].flatMap((task) => inQueue(task)), ...drafts.flat()] }))
const begins = (task: string, ms: number, number = 1) => at(ms, running(task, 1, { epoch: number }))
const ends = (task: string, ms: number) => at(ms, succeeded(task))

describe("queueLimitsKept", () => {
  it("finds a task that runs beside as many as its queue may have", () => {
    const found = judged(narrow({ concurrency: 1 }), begins("a", 1), begins("b", 2))
    expect(score(found)).toBe("1/2")
    expect(offenders(found)[0]).toContain("task b: it is number 2 at a time in the queue narrow, and 1 is the limit")
  })

  it("counts what ended, what nobody knows the outcome of, and what an epoch before began, no more", () => {
    expect(score(judged(narrow({ concurrency: 1 }), begins("a", 1), ends("a", 2), begins("b", 3)))).toBe("2/2")
    expect(score(judged(narrow({ concurrency: 1 }), begins("a", 1), at(2, event("task.outcome_unknown", "a", { generation: 1 })), begins("b", 3)))).toBe("2/2")
    expect(score(judged(narrow({ concurrency: 1 }), begins("a", 1), at(2, epoch(2, narrow({ concurrency: 1 }))), begins("b", 3, 2)))).toBe("2/2")
  })

  it("counts a run that was adopted", () => {
    expect(score(judged(narrow({ concurrency: 1 }), at(2, event("effect.adopted", "a", { generation: 2, from_generation: 1, epoch: 1 })), begins("b", 3)))).toBe("0/1")
  })

  it("finds more under one key than may be, in queues that declare nothing too", () => {
    const keyed = [...inQueue("d", { concurrency_key: "k", queue: "wide" }), ...inQueue("e", { concurrency_key: "k", queue: "wide" })]
    expect(score(judged(limits({}), keyed, begins("d", 1), begins("e", 2)))).toBe("1/2")
    expect(score(judged(limits({ wide: { concurrency: null, per_key: 2, rate: null } }), keyed, begins("d", 1), begins("e", 2)))).toBe("2/2")
  })

  it("finds a start too many in a span, to the millisecond", () => {
    const rate = narrow({ rate: { count: 2, per_ms: 100 } })
    expect(score(judged(rate, begins("a", 1), ends("a", 2), begins("b", 3), begins("c", 100)))).toBe("2/3")
    expect(score(judged(rate, begins("a", 1), ends("a", 2), begins("b", 3), begins("c", 101)))).toBe("3/3")
  })

  it("says nothing of a span that the clock went through twice", () => {
    expect(score(judged(narrow({ rate: { count: 1, per_ms: 100 } }), begins("a", 50), begins("b", 10)))).toBe("2/2")
  })

  it("finds more than there are slots, and more heavy ones than theirs", () => {
    expect(score(judged(limits({}, { slots: 1 }), begins("a", 1), begins("b", 2)))).toBe("1/2")
    const heavy = [...inQueue("d", { class: "heavy", queue: "heavy" }), ...inQueue("e", { class: "heavy", queue: "heavy" })]
    expect(score(judged(limits({}, { heavy_slots: 1 }), heavy, begins("d", 1), begins("a", 2)))).toBe("2/2")
    expect(score(judged(limits({}, { heavy_slots: 1 }), heavy, begins("d", 1), begins("e", 2)))).toBe("1/2")
  })

  it("counts nothing where no limits are declared", () => {
    expect(score(judged({}, begins("a", 1), begins("b", 2)))).toBe("0/0")
  })
})
