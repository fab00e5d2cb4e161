/**
 * The tour of the README with the shipped program, from the first request to the audit: what an operator does on an ordinary day. One
 * server, every verb once, in some seconds.
 */
import { cpSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it, vi } from "vitest"
import { opsgate } from "../edge/cli/Opsgate.ts"

vi.setConfig({ testTimeout: 60_000 })

const hello = fileURLToPath(new URL("../../docs/examples/hello", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "opsgate-tour-"))
const ends: Array<() => void> = []
afterAll(() => ends.forEach((end) => end()))
const { run, serve } = opsgate((end) => void ends.push(end), {}, {}, folder)
cpSync(hello, folder, { recursive: true })

const said = async (...words: ReadonlyArray<string>): Promise<string> => {
  const { code, stderr, stdout } = await run(words)
  expect([words.join(" "), code, stderr]).toEqual([words.join(" "), 0, ""])
  return stdout
}
const json = async (...words: ReadonlyArray<string>) => JSON.parse(await said(...words, "--json"))

describe("the tour", () => {
  it("goes from a request over a yes to the audit; operator can identify queue health in <10s", async () => {
    await serve()
    expect(await said("task", "submit", "greet", "{\"name\":\"Ada\"}", "--key", "greet-1", "--wait", "20")).toContain("SUCCEEDED")

    const { task } = await json("task", "submit", "release", "{\"version\":\"1.2.0\"}", "--key", "release-1")
    expect((await run(["task", "resume", task])).code).toBe(6)
    expect(await said("why", task)).toContain("approv")
    expect(await said("task", "approve", task, "--plan")).toContain("APPROVED")
    expect(await said("task", "approve", task)).toContain("APPROVED")
    expect(await said("task", "resume", task)).toContain("QUEUED")
    expect(await said("task", "submit", "release", "{\"version\":\"1.2.0\"}", "--key", "release-1", "--wait", "20")).toContain("SUCCEEDED")

    const summary = await said("ops-summary")
    expect(summary.split("\n").slice(0, 6).map((line) => line.split(":")[0])).toEqual(["OPS", "tasks", "leases", "idempotency(24h)", "timeouts(24h)", "status"])
    expect(await said("trace", task)).toContain("release")
    expect(await said("audit", "list")).toContain("approve")
    expect(await said("audit", "export", "--out", join(folder, "audit.jsonl"))).not.toBe("")
    expect(await said("audit", "verify", join(folder, "audit.jsonl"))).not.toBe("")
    expect((await json("task", "show", task)).state).toBe("SUCCEEDED")
    expect(await said("policy")).toContain("supervised")
    expect((await run(["logs"])).code).toBe(0)
  })
})
