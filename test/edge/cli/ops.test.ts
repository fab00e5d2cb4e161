/** `/ops` and `why` of the shipped program: real processes, real files. */
import { chmodSync, readFileSync } from "node:fs"
import { Ajv2020 } from "ajv/dist/2020.js"
import { describe, it } from "vitest"
import type { OpsSummary } from "../../../src/control/OpsSummary.ts"
import { heavy, ledger, light, opsgate, until, waiting, type Home } from "./Opsgate.ts"

const schema: Record<string, unknown> = JSON.parse(readFileSync(new URL("../../../src/ops-summary.schema.json", import.meta.url), "utf8"))
const fits = new Ajv2020({ strict: true, strictTypes: false, formats: { "date-time": true } }).compile(schema)

const asked = { class: "heavy", exec: { argv: ["/bin/true"] } }
const kinds = { report: light(["/bin/true"]), asked, wait: heavy(waiting) }

const summaryOf = async (home: Home, ...words: ReadonlyArray<string>): Promise<{ readonly code: number | null; readonly summary: OpsSummary }> => {
  const { code, stdout } = await home.run(["ops-summary", "--json", "--check", ...words])
  return { code, summary: JSON.parse(stdout) }
}
const whyOf = async (home: Home, task: string): Promise<ReadonlyArray<{ readonly code: string; readonly next: string | null; readonly text: string }>> => {
  const { stdout } = await home.run(["why", task, "--json"])
  return JSON.parse(stdout).reasons
}

describe.concurrent("ops-summary", () => {
  it("\"Operator can run /ops and determine health in <10 seconds\": six lines when all is well, with the server up and down", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { lease_ms: 60_000 })
    const server = await home.serve()
    await home.untilTask(await home.submit("report"), "SUCCEEDED")
    // One look, and no more to type: what it takes is measured by the benches.
    const up = await home.run(["ops-summary"])
    expect(up).toMatchObject({ code: 0, stderr: "" })
    expect(up.stdout).toBe("OPS\ntasks: blocked=0 running=0 queued=0 failed_24h=0\nleases: active=0 stale=0\nidempotency(24h): replay=0 conflict=0\ntimeouts(24h): command=0 dispatch=0\nstatus: healthy\n")
    server.signal("SIGTERM")
    await server.ended
    expect((await home.run(["ops-summary"])).stdout).toBe(up.stdout)
  })

  it("\"ops-summary command returns stable JSON for automation\": what is printed fits the published schema, also of a backup", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 1, lease_ms: 60_000 })
    await home.serve()
    for (const kind of ["asked", "wait", "report"]) await home.submit(kind)
    await until("a run", () => ledger(home).includes("start"))
    const { code, summary } = await summaryOf(home)
    expect({ code, issues: fits(summary) ? null : fits.errors }).toEqual({ code: 0, issues: null })
    expect(summary).toMatchObject({ tasks: { blocked: 1, blocked_by: { approval: 1 }, running: 1, queued: 1, failed_window: 0 }, leases: { active: 1, stale: 0 }, status: "healthy" })
    for (const age of [summary.tasks.blocked_oldest_ms, summary.tasks.running_oldest_ms, summary.tasks.queued_oldest_ms]) expect(age).toBeGreaterThanOrEqual(0)
    expect(summary.window_truncated_at).toMatch(/^20/)
    expect((await home.run(["backup", home.path("copy.db")])).code).toBe(0)
    chmodSync(home.path("copy.db"), 0o400)
    const copy = await summaryOf(home, "--db", home.path("copy.db"))
    expect(fits(copy.summary) ? null : fits.errors).toBeNull()
    expect(copy.summary).toMatchObject({ tasks: { blocked: 1, running: 1, queued: 1 }, as_of_seq: summary.as_of_seq })
  })

  it("\"Stale lease and conflict conditions are surfaced without log diving\"", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const server = await home.serve()
    const task = await home.submit("wait")
    await until("a run", () => ledger(home).includes("start"))
    const submit = (payload: string) => home.run(["task", "submit", "report", payload, "--key", "k"])
    expect((await submit("{}")).code).toBe(0)
    expect((await submit("{\"other\":1}")).code).toBe(5)
    server.signal("SIGKILL")
    await server.ended
    const { code, summary } = await (async () => {
      for (;;) {
        const look = await summaryOf(home)
        if (look.summary.leases.stale > 0) return look
      }
    })()
    expect(code).toBe(7)
    expect(summary).toMatchObject({ status: "degraded", reasons: ["stale_leases", "running_with_stale_leases", "idempotency_conflicts"] })
    summary.reason_details.forEach(({ next, since }) => expect({ next, since }).toEqual({ next: expect.stringMatching(/^opsgate /), since: expect.stringMatching(/^20/) }))
    expect((await home.run(["ops-summary"])).stdout).toMatch(/\nstatus: degraded\nwhy: stale_leases: observed 1 since \S+; next: opsgate serve\n/)
    expect((await whyOf(home, task)).map((reason) => reason.code)).toEqual(["lease_stale", "step_runs"])
    home.write("release", "")
    await home.serve()
    await home.untilTask(task, "SUCCEEDED")
    expect((await summaryOf(home)).summary).toMatchObject({ reasons: ["idempotency_conflicts"], leases: { active: 0, stale: 0 } })
  })
})

describe.concurrent("why", () => {
  it("says what each task waits for, what to type, and that it worked", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 1, lease_ms: 60_000, approvals: { self: true } })
    await home.serve()
    const busy = await home.submit("wait")
    await until("a run", () => ledger(home).includes("start"))
    const held = await home.submit("asked")
    const next = await home.submit("report")
    expect(await whyOf(home, busy)).toMatchObject([{ code: "runs" }, { code: "step_runs" }])
    expect(await whyOf(home, next)).toMatchObject([{ code: "slots_full" }])
    expect((await home.run(["queue", "pause", "light", "--reason", "bounces"])).code).toBe(0)
    expect(await whyOf(home, next)).toMatchObject([{ code: "queue_paused" }, { code: "slots_full" }])
    const shown = await home.run(["why", next])
    expect(shown).toMatchObject({ code: 0, stderr: "" })
    expect(shown.stdout).toMatch(/^\S+ \(\w{6}\) QUEUED, report\n {2}queue_paused: cli:\S+ paused the queue light: bounces\n {4}since 20\S+\n {4}next: opsgate queue resume light --reason "<why>"\n/)
    const [hold] = await whyOf(home, held)
    expect(hold?.code).toBe("hold_approval")
    // What it says is what works.
    expect((await home.run((hold?.next ?? "").split(" ").slice(1))).code).toBe(0)
    const [resumable] = await whyOf(home, held)
    expect(resumable?.code).toBe("not_resumed")
    expect((await home.run((resumable?.next ?? "").split(" ").slice(1))).code).toBe(0)
    home.write("release", "")
    await home.untilTask(held, "SUCCEEDED")
    expect(await whyOf(home, held)).toMatchObject([{ code: "ended_succeeded" }])
    // Fifteen programs, one after the other.
  }, 180_000)

  it("works without a server, says that none runs, and refuses what is no task", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const task = await home.submit("report")
    expect(await whyOf(home, task)).toMatchObject([{ code: "not_served", next: "opsgate serve" }])
    expect(await home.run(["why", "ZZZZZZ"])).toMatchObject({ code: 4, stdout: "", stderr: "opsgate: there is no task ZZZZZZ\n" })
    expect((await home.run(["why"])).code).toBe(2)
    home.write("opsgate.config.json", JSON.stringify({ v: 1, kinds: { other: light(["/bin/true"]) } }))
    expect((await whyOf(home, task)).map(({ code }) => code)).toEqual(["not_served", "kind_gone"])
  })
})
