import { describe, expect, it } from "vitest"
import type { Operation } from "../../../gate/History.ts"
import { linearizable } from "../../../gate/invariant/linearizable.ts"
import { linearize } from "../../../gate/invariant/Linearization.ts"
import { seeded } from "../../../gate/chaos/Seed.ts"
import { play, withWrongAnswer } from "./Clients.ts"
import { asked, event, history, lived, offenders, requested, running, score } from "./Story.ts"

/** An operation that is asked at one instant and answered at the next but one. */
const op = (name: Operation["op"], at: number, answer: string | null, over: Partial<Operation> = {}): Operation =>
  ({ op: name, key: name === "read" ? null : `key-${name}-${at}`, task: "t1", invoked: at, answered: answer === null ? null : at + 2, answer, ...over })
const submitted = op("submit", 0, "REQUESTED", { key: "key-t1" })
const command = (name: string, key: string) => ({ command: { op: name, channel: "cli", key, reason: null } })
const judged = (operations: ReadonlyArray<Operation>, events = [requested("t1", { holds: ["approval"] })]) => linearizable(history({ events, journal: { operations } }))

describe("linearizable", () => {
  it("accepts what one client after the other could have been told", () => {
    expect(score(judged([submitted, op("read", 3, "REQUESTED"), op("approve", 6, "APPROVED"), op("read", 9, "APPROVED"), op("cancel", 12, "CANCELED"), op("read", 15, "CANCELED")]))).toBe("1/1")
  })

  it.each<[string, ReadonlyArray<Operation>]>([
    ["an approval that is forgotten", [op("approve", 6, "APPROVED"), op("read", 9, "REQUESTED")]],
    ["a read of what nobody has done", [op("read", 6, "APPROVED")]],
    ["a resume of what nobody approved", [op("resume", 6, "QUEUED")]],
    ["a task that comes back from its end", [op("reject", 6, "CANCELED"), op("read", 9, "REQUESTED")]],
    ["a key that answers otherwise the second time", [op("approve", 6, "APPROVED", { key: "k" }), op("approve", 9, "refused", { key: "k" })]],
    ["a key that acts a second time", [op("cancel", 6, "CANCELED", { key: "k" }), op("read", 8.5, "CANCELED"), op("cancel", 12, "refused", { key: "k" })]],
    ["a second task for the submit", [op("submit", 6, "REQUESTED", { key: "other" })]],
    ["a state that does not exist", [op("read", 6, "SLEEPING")]]
  ])("finds %s", (_, operations) => {
    const found = judged([submitted, ...operations])
    expect(score(found)).toBe("0/1")
    expect(offenders(found)[0]).toContain("one, task t1: no order explains the answers")
  })

  it("takes operations at the same time in any order", () => {
    expect(score(judged([submitted, op("read", 6, "REQUESTED"), op("approve", 5, "APPROVED")]))).toBe("1/1")
    expect(score(judged([submitted, op("approve", 5, "APPROVED"), op("read", 7, "REQUESTED")]))).toBe("1/1")
    expect(score(judged([submitted, op("approve", 5, "APPROVED"), op("read", 7.1, "REQUESTED")]))).toBe("0/1")
  })

  it("allows that what was never answered happened, at once or later, or did not", () => {
    const lost = op("approve", 3, null)
    expect(score(judged([submitted, lost, op("read", 6, "REQUESTED"), op("read", 9, "APPROVED")]))).toBe("1/1")
    expect(score(judged([submitted, lost, op("read", 6, "REQUESTED")]))).toBe("1/1")
    expect(score(judged([submitted, lost, op("read", 6, "APPROVED"), op("read", 9, "REQUESTED")]))).toBe("0/1")
  })

  it("gives a repeat the answer that nobody heard the first time", () => {
    const [lost, again] = [op("approve", 3, null, { key: "k" }), op("approve", 6, "APPROVED", { key: "k" })]
    expect(score(judged([submitted, lost, again, op("approve", 9, "APPROVED", { key: "k" })]))).toBe("1/1")
  })

  it("allows the runtime what the log has of it, and nothing else", () => {
    const reads = [op("submit", 0, "QUEUED", { key: "key-t1" }), op("read", 6, "RUNNING"), op("read", 9, "SUCCEEDED")]
    expect(score(judged(reads, lived("t1")))).toBe("1/1")
    expect(score(judged(reads, [...asked("t1"), running("t1")]))).toBe("0/1")
  })

  it("leaves out a task that somebody else acted on, and one that nobody on record asked for", () => {
    const canceled = event("task.canceled", "t1", { from: "REQUESTED", by: "cancel", ...command("cancel", "of somebody else") })
    const events = [requested("t1", { holds: ["approval"] }), canceled]
    expect(judged([submitted, op("read", 6, "CANCELED")], events)).toMatchObject({ total: 0, excluded: { "somebody else acted on it too": 1 } })
    expect(judged([op("read", 6, "CANCELED")], events)).toMatchObject({ total: 0, excluded: { "nobody on record asked for it": 1 } })
    expect(judged([submitted, op("cancel", 3, "CANCELED", { key: "of somebody else" })], events)).toMatchObject({ good: 1, total: 1 })
  })

  it("counts nothing without operations", () => {
    expect(score(linearizable(history({ events: lived("t1") })))).toBe("0/0")
  })

  it("finds a submit without an answer by its key", () => {
    expect(score(judged([op("submit", 0, null, { key: "key-t1", task: null }), op("read", 3, "REQUESTED"), op("read", 9, "SUCCEEDED")]))).toBe("0/1")
  })
})

describe("linearize", () => {
  it("accepts 4,000 histories that were carried out, and finds 96 % of the answers in them that were not given", () => {
    let [accepted, rejected, steps, operations] = [0, 0, 0, 0]
    for (let seed = 1; seed <= 4000; seed++) {
      const chance = seeded(seed)
      const played = play(chance)
      const found = linearize(played.operations, played.facts)
      operations += played.operations.length
      if (found._tag === "Linearizable") [accepted, steps] = [accepted + 1, steps + found.nodes]
      const wrong = withWrongAnswer(played, chance)
      if (linearize(wrong.operations, wrong.facts)._tag === "Contradiction") rejected += 1
    }
    process.stdout.write(`${accepted} accepted, ${rejected} wrong answers found, ${(steps / operations).toFixed(2)} steps for an operation\n`)
    expect(accepted).toBe(4000)
    expect(rejected).toBeGreaterThanOrEqual(3840)
  })

  it("gives up, and says so, where there are too many orders", () => {
    // Twelve clients at the same time repeat two keys each, and no order explains the last answer.
    const facts = { hidden: new Map(), needed: 40 }
    const pairs = Array.from({ length: 12 }, (_, n) => [op("approve", 1, null, { key: `k${n}` }), op("approve", 1, "REQUESTED", { key: `k${n}`, answered: 100 })]).flat()
    const history = [op("submit", 0, "REQUESTED", { answered: 0.5 }), ...pairs, op("read", 200, "CANCELED")]
    expect(linearize(history, facts, 1000)).toEqual({ _tag: "Undecided", nodes: 1001 })
    expect(linearize(history.slice(0, 5).concat(history.slice(-1)), facts, 1000)._tag).toBe("Contradiction")
  })
})
