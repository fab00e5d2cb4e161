/** What strace writes becomes steps, and steps become a disk after a power cut. */
import { describe, expect, it } from "vitest"
import { digestOf, Disk } from "../../../gate/chaos/power/Disk.ts"
import { type Step, stepsOf } from "../../../gate/chaos/power/Trace.ts"
import { seeded } from "../../../gate/chaos/Seed.ts"

const hex = (text: string): string => [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")
const fd = (path: string): string => `20<${hex(path)}>`

const trace = [
  `7 openat(AT_FDCWD<${hex("/d")}>, "${hex("/d/a")}", O_RDWR|O_CREAT, 0644) = ${fd("/d/a")}`,
  `7 pwrite64(${fd("/d/a")}, "${hex("abcd")}", 4, 2) = 4`,
  `8 write(9<${hex("/elsewhere")}>, "${hex("x")}", 1 <unfinished ...>`,
  `7 pwrite64(${fd("/d/a")}, "${hex("ef")}", 2, 0 <unfinished ...>`,
  "8 <... write resumed>) = 1",
  `7 <... pwrite64 resumed>) = 2`,
  `7 fsync(${fd("/d/a")}) = -1 EIO (Input/output error) (INJECTED)`,
  `7 fdatasync(${fd("/d/a")}) = 0`,
  `7 write(21<${hex("socket:[5]")}>, "${hex("{\"ok\":{}}")}", 9 <unfinished ...>`,
  `7 ftruncate(${fd("/d/a")}, 3) = 0`,
  `7 write(${fd("/d/b")}, "${hex("12")}", 2) = 1`,
  `7 rename("${hex("/d/b")}", "${hex("/d/c")}") = 0`,
  `7 unlink("${hex("/d/a")}") = 0`,
  `7 write(${fd("/d/runs/1/exit")}, "${hex("1")}", 1) = 1`,
  "7 +++ killed by SIGKILL +++"
].join("\n")

describe("a trace", () => {
  it("becomes what was done in the data folder and answered on sockets; what failed, or lies elsewhere, is left out", () => {
    expect(stepsOf(trace, "/d").map(({ line, op, ...step }) => [line, op, "file" in step ? step.file : step.text])).toEqual([
      [1, "create", "a"], [2, "write", "a"], [6, "write", "a"], [8, "sync", "a"], [10, "truncate", "a"], [11, "write", "b"], [12, "rename", "b"], [13, "unlink", "a"]
    ])
    expect(stepsOf(trace, "/d")[2]).toMatchObject({ offset: 0, data: Buffer.from("ef") })
    // What was written is what the kernel took.
    expect(stepsOf(trace, "/d")[5]).toMatchObject({ offset: null, data: Buffer.from("1") })
  })

  it("counts an answer from its beginning, since a client may have it from there on", () => {
    const answered = stepsOf(`${trace.split("\n").slice(0, 9).join("\n")}\n8 fsync(${fd("/d/a")}) = 0\n7 <... write resumed>) = 9`, "/d")
    expect(answered.slice(-2)).toMatchObject([{ op: "answer", line: 9, text: "{\"ok\":{}}" }, { op: "sync", line: 10 }])
  })
})

const write = (text: string, offset: number | null = null, file = "a"): Step => ({ op: "write", line: 1, file, offset, data: Buffer.from(text) })
const sync: Step = { op: "sync", line: 1, file: "a" }
const after = (steps: ReadonlyArray<Step>, fate: "cut" | "all" | "none", { honest = true, seed = 1 } = {}) => {
  const disk = new Disk(honest)
  for (const step of steps) disk.apply(step)
  return disk.cut(fate, seeded(seed))
}
const text = (files: ReadonlyMap<string, Buffer>, file = "a") => files.get(file)?.toString("latin1")

describe("a disk", () => {
  it("keeps what was synced, whatever the chance, and of the rest what fate says", () => {
    const steps = [write("kept"), sync, write("gone")]
    expect(text(after(steps, "none"))).toBe("kept")
    expect(text(after(steps, "all"))).toBe("keptgone")
    for (let seed = 1; seed <= 50; seed++) expect(text(after(steps, "cut", { seed }))?.slice(0, 4)).toBe("kept")
    expect(text(after([write("whole"), { op: "truncate", line: 1, file: "a", size: 2 }, sync], "none"))).toBe("wh")
  })

  it("loses what a lying one said to have synced", () => {
    expect(text(after([write("kept"), sync], "none", { honest: false }))).toBe("")
  })

  it("lets each write survive, vanish or tear at a sector by itself", () => {
    const steps = [write("A".repeat(1024), 0), write("B".repeat(1024), 1024)]
    const seen = new Set(Array.from({ length: 200 }, (_, seed) => [...(text(after(steps, "cut", { seed })) ?? "")].filter((_, at) => at % 512 === 0).map((one) => (one === "\0" ? "-" : one)).join("")))
    expect([...seen]).toEqual(expect.arrayContaining(["", "AABB", "AA", "--BB", "A", "-A", "AA-B"]))
    expect([...seen].filter((state) => !/^[A-][A-]?[B-]?[B-]?$|^$/.test(state))).toEqual([])
  })

  it("takes names for durable: what was renamed or deleted is so", () => {
    const files = after([write("x", null, "a"), { op: "rename", line: 1, file: "a", to: "b" }, write("y", null, "c"), { op: "unlink", line: 1, file: "c" }], "all")
    expect([...files].map(([name, content]) => `${name} ${content.toString()}`)).toEqual(["b x"])
    expect(digestOf(files)).not.toBe(digestOf(new Map([["b", Buffer.from("y")]])))
  })
})
