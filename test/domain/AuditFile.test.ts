import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { auditVerifier, rangeLine } from "../../src/domain/AuditFile.ts"
import { chained, chainStart, type TaskEvent, toLine } from "../../src/domain/TaskEvent.ts"

const events: ReadonlyArray<TaskEvent> = ["ünï\u200bcode", "plain", "\u001b[2J", "last"].reduce<ReadonlyArray<TaskEvent>>((made, reason, index) => [
  ...made,
  chained({ type: "command.refused", task: index === 1 ? null : "01ARZ3NDEKTSV4RRFFQ69G5FAV", trace: "1".repeat(32), actor: "cli:ada", payload: { reason, n: index + 0.5, list: [null, true, { z: 1, a: "é" }] } }, {
    stream: "db-1",
    seq: index + 1,
    at: 1_800_000_000_000 + index,
    prev: made.at(-1)?.hash ?? chainStart
  })
], [])

const fileOf = (all: ReadonlyArray<TaskEvent>) => {
  const [first, last] = [all[0], all.at(-1)]
  const range = { stream: "db-1", fromSeq: first?.seq ?? 1, toSeq: last?.seq ?? 0, count: all.length, prev: first?.prev ?? chainStart, head: last?.hash ?? chainStart }
  return `${[rangeLine(range), ...all.map(toLine)].join("\n")}\n`
}
const whole = fileOf(events)

/** As the program reads it; what is no UTF-8 is refused there. */
const check = (text: string, pinned: string | null = null): string => {
  const verifier = auditVerifier(pinned)
  const lines = text.split("\n")
  const rest = lines.pop()
  for (const line of lines) {
    const issue = verifier.line(line)
    if (issue !== null) return issue
  }
  return Either.match(verifier.end(rest === ""), { onLeft: (issue) => issue, onRight: ({ pinnedSeq }) => `ok ${pinnedSeq}` })
}

const decoded = (bytes: Uint8Array): string | null => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

describe("an exported log", () => {
  it("is verified as a whole and in parts, also with a payload that was pruned", () => {
    expect([check(whole), check(fileOf(events.slice(2))), check(fileOf([]))]).toEqual(["ok null", "ok null", "ok null"])
    expect(check(fileOf(events.map((event) => ({ ...event, payload: event.seq === 2 ? null : event.payload }))))).toBe("ok null")
  })

  it("is refused in one sentence when any byte of it is another", () => {
    const bytes = new TextEncoder().encode(whole)
    let tried = 0
    for (let index = 0; index < bytes.length; index++) {
      for (const change of [1, 0x20, 0x80]) {
        const other = bytes.slice()
        other[index] = (bytes[index] ?? 0) ^ change
        const text = decoded(other)
        if (text === null) continue
        const said = check(text)
        expect(said, `byte ${index} ^ ${change}`).not.toMatch(/^ok/)
        expect(said.split("\n"), said).toHaveLength(1)
        tried += 1
      }
    }
    expect(tried).toBeGreaterThan(2 * bytes.length - 100)
  })

  it("is refused when any byte of it is missing, or one more is there", () => {
    for (let index = 0; index < whole.length; index++) {
      expect(check(whole.slice(0, index) + whole.slice(index + 1)), `without ${index}`).not.toMatch(/^ok/)
      expect(check(`${whole.slice(0, index)} ${whole.slice(index)}`), `with a space at ${index}`).not.toMatch(/^ok/)
    }
  })

  it("tells what is wrong: cut, missing, doubled, out of order, of another log, or written anew", () => {
    const lines = whole.trimEnd().split("\n")
    const [first = "", one = "", two = "", three = "", four = ""] = lines
    const of = (...some: ReadonlyArray<string>) => `${some.join("\n")}\n`
    expect(check("")).toBe("the file is empty")
    expect(check(of("{}"))).toBe("the first line is not that of an exported log")
    expect(check(of(first, one, two, three))).toBe("the file was cut: events 4 to 4 are missing")
    expect(check(whole.slice(0, -1))).toBe("the last line has no end: the file was cut")
    expect(check(of(first, one, three, four))).toBe("before line 3 event 2 is missing")
    expect(check(of(first, one, four))).toBe("before line 3 events 2 to 3 are missing")
    expect(check(of(first, one, two, two, three, four))).toBe("line 4 holds event 2, which stands before it already")
    expect(check(of(first, one, two, three, four, one))).toBe("line 6 holds event 1, which stands before it already")
    expect(check(of(first, one, two.replaceAll("db-1", "db-2"), three, four))).toBe("line 3 belongs to another log, \"db-2\"")
    expect(check(of(first, one, two.replace("plain", "other"), three, four))).toBe("line 3 has another payload than was recorded")
    expect(check(of(first, one, two.replace("cli:ada", "cli:eve"), three, four))).toBe("line 3 is not what was recorded: its hash does not fit")
    expect(check(of(first.replace(/"head":"[0-9a-f]{64}"/, `"head":"${"a".repeat(64)}"`), one, two, three, four))).toBe("the head in the first line is not the hash of the last event")
  })

  it("is held against a hash that is known from elsewhere: that of any of its events, or of the one before it", () => {
    expect([check(whole, events[3]?.hash), check(whole, events[1]?.hash), check(fileOf(events.slice(2)), events[1]?.hash)]).toEqual(["ok 4", "ok 2", "ok 2"])
    expect(check(whole, "a".repeat(64))).toMatch(/that of no event in the file/)
    expect(check(whole, chainStart)).toMatch(/that of no event in the file/)
  })
})
