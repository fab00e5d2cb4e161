import { assert, describe, it } from "@effect/vitest"
import { progressText, specText, taskOf } from "../../src/engine/sqlite/Rows.ts"
import type { Task } from "../../src/domain/Task.ts"
import { submit } from "../../src/domain/Request.ts"
import { commandOf, heavyKind, nextId } from "./tasks.ts"

const now = { wallMs: 1, monoMs: 1, epoch: 1, leaseUntilMonoMs: 2 }
const [plain] = submit(commandOf({ op: "submit", kind: "deploy", payload: { text: "\u2028 \"quoted\" ü" }, reason: null }), heavyKind(), nextId(), now).tasks

describe("a task in a row", () => {
  it("comes back as it was, whatever stands in it", () => {
    if (plain === undefined) throw new Error("nothing was submitted")
    const full: Task = {
      ...plain,
      state: "RUNNING",
      lease: { epoch: 3, worker: "a \"worker\"" },
      intents: [
        { step: 1, name: "ü \"1\"", effect: "dangerous", answers: true, attempt: 2, generation: 4, supervisor: { pid: 1, startTicks: 2, dir: "/d/ü", marker: "m" }, atMs: 5 },
        { step: 2, name: "two", effect: "read", answers: false, attempt: 2, generation: 4, supervisor: null, atMs: 6 }
      ],
      steps: 2,
      waits: ["signal:go", `child:${plain.id}`],
      signals: [{ name: "go", payload: "{\"a\":\"\\\"\"}", actor: "cli:ü", atMs: 6 }],
      parent: { task: plain.id, step: 3 },
      forkedFrom: { task: plain.id, step: 1 },
      unknown: { step: 2, code: "killed", attempt: 1, generation: 2, sinceMs: 3 },
      cancel: { actor: "cli:ü", reason: "line\nbreak", atMs: 7, kill: true, compensate: true },
      failure: { code: "exit_nonzero", error: "\u0000 \\ \" \ud800" },
      result: "{}",
      expiresAtMs: 8,
      queuedAtMs: 9,
      startedAtMs: 10
    }
    for (const task of [plain, full]) assert.deepStrictEqual(taskOf({ id: task.id, spec: specText(task), progress: progressText(task) }), task)
  })

  it("is refused when it is damaged", () => {
    if (plain === undefined) throw new Error("nothing was submitted")
    assert.throws(() => taskOf({ id: plain.id, spec: specText(plain), progress: progressText(plain).replace("REQUESTED", "REQUESTEF") }), SyntaxError)
    assert.throws(() => taskOf({ id: plain.id, spec: specText(plain).slice(0, 20), progress: progressText(plain) }), SyntaxError)
  })
})
