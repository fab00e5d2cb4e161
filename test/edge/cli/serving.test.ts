import { existsSync, statSync } from "node:fs"
import { describe, it, vi } from "vitest"
import { heavy, type Home, ledger, light, opsgate, type Stored, until, waiting } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 5, testTimeout: 60_000 })

const kinds = {
  quick: light(["/bin/true"]),
  wait: light(waiting),
  danger: heavy(waiting),
  careful: { class: "heavy", exec: { argv: ["/bin/sh", "-c", "echo done >> ledger"] } }
}

/** A heavy command that runs, with its server and its supervisor. */
const underWay = async (home: Home, kind = "danger") => {
  const server = await home.serve()
  const id = await home.submit(kind)
  await until("the command", () => ledger(home).length > 0)
  const { intents } = await home.untilTask(id, (task) => task.intents.length > 0)
  return { server, id, supervisor: intents[0]?.supervisor?.pid ?? 0 }
}

const kill = (pid: number): void => void process.kill(pid, "SIGKILL")

/** Whether the process has ended; one that nobody has collected has. */
const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

const isUnknown = (task: Stored): boolean => task.unknown !== null

describe.concurrent("a command line", () => {
  for (const up of [false, true]) {
    it(`submits, approves, resumes and cancels with the server ${up ? "up" : "down"}`, async ({ expect, onTestFinished }) => {
      const home = opsgate(onTestFinished, kinds, { approvals: { self: true }, workers: 0 })
      if (up) await home.serve()
      const id = await home.submit("careful")
      const moved: Array<unknown> = []
      for (const args of [["approve", id], ["resume", id], ["resume", id.slice(-6)], ["cancel", id, "--reason", "enough"], ["recover", id, "--reason", "again"]]) {
        const { code, stdout } = await home.run(["task", ...args, "--json"])
        moved.push([code, JSON.parse(stdout).state])
      }
      expect(moved).toEqual([[0, "APPROVED"], [0, "QUEUED"], [0, "QUEUED"], [0, "CANCELED"], [0, "QUEUED"]])
      expect(existsSync(home.socket)).toBe(up)
      if (up) expect(statSync(home.socket).mode & 0o777).toBe(0o600)
    })
  }

  it("waits for the end that it was told to wait for, and says with its exit code what it was", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { ...kinds, broken: light(["/bin/false"], { retry: { attempts: 1 } }) })
    await home.serve()
    expect((await home.run(["task", "submit", "quick", "--wait", "15"])).code).toBe(0)
    expect((await home.run(["task", "submit", "broken", "--wait", "15"])).code).toBe(1)
    expect(await home.run(["task", "submit", "wait", "--wait", "1", "--json"])).toMatchObject({ code: 124, stdout: expect.stringContaining("\"RUNNING\"") })
  })
})

describe.concurrent("a server that is told to stop", () => {
  it("lets a command finish within its grace, settles it, and ends with 0", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const { id, server } = await underWay(home)
    server.signal("SIGTERM")
    home.write("release", "")
    expect(await server.ended).toMatchObject({ code: 0, signal: null })
    expect(home.task(id)).toMatchObject({ state: "SUCCEEDED", lease: null })
    expect(home.events("epoch.ended")).toHaveLength(1)
  })

  it("claims nothing more", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 1 })
    const { server } = await underWay(home)
    const second = await home.submit("quick")
    server.signal("SIGTERM")
    home.write("release", "")
    expect((await server.ended).code).toBe(0)
    expect(home.task(second)).toMatchObject({ state: "QUEUED", attempt: 0 })
  })

  it("leaves a longer command to its supervisor; the next server adopts it, and it succeeds, once", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { stop_grace_ms: 100 })
    const { id, server } = await underWay(home)
    server.signal("SIGTERM")
    expect((await server.ended).code).toBe(0)
    expect(home.task(id)?.state).toBe("RUNNING")
    await home.serve()
    await until("the adoption", () => home.events("effect.adopted").length === 1)
    home.write("release", "")
    expect(await home.untilTask(id, "SUCCEEDED")).toMatchObject({ attempt: 1, generation: 2 })
    expect(ledger(home)).toEqual(["start", "done"])
  })

  it("ends at once when it is told twice", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { stop_grace_ms: 600_000 })
    const { server } = await underWay(home)
    server.signal("SIGTERM")
    const second = setInterval(() => server.signal("SIGTERM"), 100)
    onTestFinished(() => clearInterval(second))
    expect((await server.ended).code).toBe(130)
  })
})

describe.concurrent("a server that is killed", () => {
  it("in the middle of a heavy command is followed by one that adopts it; it succeeds, once", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const { id, server } = await underWay(home)
    server.signal("SIGKILL")
    await server.ended
    await home.serve()
    home.write("release", "")
    await home.untilTask(id, "SUCCEEDED")
    expect(home.events("effect.adopted")).toHaveLength(1)
    expect(ledger(home)).toEqual(["start", "done"])
  })

  it("is followed by one that settles what has finished in the meantime, without starting it again", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const { id, server, supervisor } = await underWay(home)
    server.signal("SIGKILL")
    await server.ended
    home.write("release", "")
    await until("the end of the supervisor", () => isGone(supervisor))
    await home.serve()
    await home.untilTask(id, "SUCCEEDED")
    expect(home.events("effect.adopted")).toEqual([])
    expect(ledger(home)).toEqual(["start", "done"])
  })

  for (const outcome of ["succeeded", "failed", "retry"] as const) {
    it(`together with the supervisor of a heavy command leaves its outcome unknown, until it is reconciled as ${outcome}`, async ({ expect, onTestFinished }) => {
      const home = opsgate(onTestFinished, kinds)
      const { id, server, supervisor } = await underWay(home)
      server.signal("SIGKILL")
      kill(supervisor)
      await server.ended
      await home.serve()
      expect(await home.untilTask(id, isUnknown)).toMatchObject({ state: "RUNNING", lease: null, unknown: { code: "supervisor_gone" } })
      const summary = await home.run(["ops-summary", "--json"])
      expect(JSON.parse(summary.stdout)).toMatchObject({ tasks: { blocked: 1, running: 0 }, leases: { active: 0 } })
      for (const args of [["resume", id], ["recover", id, "--reason", "x"]]) expect((await home.run(["task", ...args])).code).toBe(5)
      expect(ledger(home)).toEqual(["start"])
      home.write("release", "")
      await until("the end of what survived", () => ledger(home).includes("done"))
      expect((await home.run(["task", "reconcile", id, "--outcome", outcome, "--reason", "looked"])).code).toBe(0)
      await home.untilTask(id, outcome === "failed" ? "FAILED" : "SUCCEEDED")
      expect(ledger(home)).toHaveLength(outcome === "retry" ? 4 : 2)
    })
  }

  it("together with the supervisor of a light command is followed by one that ends what survived, and runs it again", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const { id, server, supervisor } = await underWay(home, "wait")
    server.signal("SIGKILL")
    kill(supervisor)
    await server.ended
    await home.serve()
    await until("the second start", () => ledger(home).length === 2)
    home.write("release", "")
    await home.untilTask(id, "SUCCEEDED")
    expect(ledger(home)).toEqual(["start", "start", "done"])
  })
})

describe.concurrent("a supervisor that is killed under a server that lives", () => {
  it("leaves the outcome of a heavy command unknown", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const { id, supervisor } = await underWay(home)
    kill(supervisor)
    expect(await home.untilTask(id, isUnknown)).toMatchObject({ state: "RUNNING", unknown: { code: "supervisor_gone" } })
    expect(ledger(home)).toEqual(["start"])
  })
})

describe.concurrent("a command that is canceled while it runs", () => {
  it("is ended when it is light", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const { id } = await underWay(home, "wait")
    expect((await home.run(["task", "cancel", id, "--reason", "enough"])).code).toBe(0)
    await home.untilTask(id, "CANCELED")
    expect(ledger(home)).toEqual(["start"])
  })

  it("has an unknown outcome when it is heavy, and the cancel is remembered", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const { id } = await underWay(home)
    expect((await home.run(["task", "cancel", id, "--reason", "enough"])).code).toBe(0)
    expect(await home.untilTask(id, isUnknown)).toMatchObject({ state: "RUNNING", cancel: { reason: "enough" }, unknown: { code: "aborted" } })
    expect((await home.run(["task", "reconcile", id, "--outcome", "retry", "--reason", "it did not happen"])).code).toBe(0)
    await home.untilTask(id, "CANCELED")
    expect(ledger(home)).toEqual(["start"])
  })
})

describe.concurrent("a command that takes too long", () => {
  it("has an unknown outcome when it is heavy", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { danger: heavy(waiting, { timeout_ms: 200 }) })
    await home.serve()
    const id = await home.submit("danger")
    expect(await home.untilTask(id, isUnknown)).toMatchObject({ state: "RUNNING", unknown: { code: "start_to_close_timeout" } })
  })

  it("is tried again when it is light, and fails after its last attempt; show names each", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { wait: light(waiting, { timeout_ms: 100, retry: { attempts: 2, base_ms: 10 } }) })
    await home.serve()
    const id = await home.submit("wait")
    await home.untilTask(id, "FAILED")
    const { stdout } = await home.run(["task", "show", id, "--json"])
    expect(JSON.parse(stdout)).toMatchObject({
      attempt: 2,
      failure: { code: "start_to_close_timeout" },
      attempts: [{ number: 1, generation: 1, code: "start_to_close_timeout" }, { number: 2, generation: 2, code: "start_to_close_timeout" }]
    })
    const shown = await home.run(["task", "show", id])
    expect(shown.stdout).toMatch(/attempt {3}1 \(generation 1\) start_to_close_timeout at \S+\n.*ended by SIGTERM \(timeout\)/)
    const checked = await home.run(["ops-summary", "--check", "--json"])
    expect(checked.code).toBe(7)
    expect(JSON.parse(checked.stdout)).toMatchObject({ status: "degraded", reasons: ["dispatch_timeouts"], timeouts: { dispatch_window: 2 } })
  })
})

describe.concurrent("the command of a kind", () => {
  it("that is not there fails the task, with the reason", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { missing: heavy(["/no/such/program"]), nowhere: heavy(["/bin/true"], {}, { cwd: "no/such/folder" }) })
    await home.serve()
    const missing = await home.submit("missing")
    const nowhere = await home.submit("nowhere")
    expect(await home.untilTask(missing, "FAILED")).toMatchObject({ failure: { code: "spawn_failed", error: expect.stringContaining("ENOENT") } })
    expect(await home.untilTask(nowhere, "FAILED")).toMatchObject({ failure: { code: "spawn_failed", error: expect.stringContaining("no/such/folder") } })
  })

  it("finds the variables that are listed and those of its run, and nothing else of the server's", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { env: light(["/usr/bin/env"], {}, { env: ["PATH", "LISTED", "ABSENT"], set: { FIXED: "1" } }) })
    await home.serve({ env: { LISTED: "yes", SECRET: "do not tell", OPSGATE_SECRET: "neither" } })
    const id = await home.submit("env")
    await home.untilTask(id, "SUCCEEDED")
    const names = home.read(`.opsgate/runs/${id}/1-1/stdout.log`).split("\n").filter((line) => line !== "").map((line) => line.split("=")[0])
    expect(names.sort()).toEqual(["FIXED", "LISTED", "OPSGATE_ATTEMPT", "OPSGATE_DISPATCH_KEY", "OPSGATE_GENERATION", "OPSGATE_RUN", "OPSGATE_TASK", "OPSGATE_TRACE", "PATH", "TRACEPARENT"])
  })

  it("gets a placeholder as one argument, whatever it holds, and the payload as its input", async ({ expect, onTestFinished }) => {
    const script = "process.stdout.write(JSON.stringify([process.argv.slice(1), require('fs').readFileSync(0, 'utf8')]))"
    const home = opsgate(onTestFinished, { echo: light([process.execPath, "-e", script, "--", "{{text}}", "n={{n}}", "{{yes}}{{text}}"]) })
    const payload = { n: 1.5, text: "a b \"c\" 'd' $(touch hacked) `touch hacked`; touch hacked\n{{n}} * ~ $HOME && -x", yes: true }
    await home.serve()
    const id = await home.submit("echo", payload)
    await home.untilTask(id, "SUCCEEDED")
    const [argv, input]: readonly [unknown, unknown] = JSON.parse(home.read(`.opsgate/runs/${id}/1-1/stdout.log`))
    expect(argv).toEqual([payload.text, "n=1.5", `true${payload.text}`])
    expect(input).toBe(JSON.stringify(payload))
    expect(existsSync(home.path("hacked"))).toBe(false)
  })
})
