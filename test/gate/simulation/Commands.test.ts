import { describe, expect, it } from "vitest"
import { drawsFrom } from "../../../gate/simulation/Chance.ts"
import { Commands, type ExitRecord, type Job } from "../../../gate/simulation/Commands.ts"
import { Kernel, type Process } from "../../../gate/simulation/Kernel.ts"

const never = Number.MAX_SAFE_INTEGER

const world = () => {
  const kernel = new Kernel(drawsFrom(1), 1_000_000)
  const commands = new Commands(kernel, drawsFrom(2))
  const job = (task: string, work: object = { ms: 1000 }, attempt = 1): Job => ({
    dir: `runs/${task}/${attempt}`,
    env: { OPSGATE_TASK: task, OPSGATE_ATTEMPT: String(attempt), OPSGATE_GENERATION: "1", OPSGATE_DISPATCH_KEY: `${task}:1` },
    stdin: JSON.stringify(work),
    timeout_ms: 60_000,
    kill_grace_ms: 2000
  })
  const begun = (server: Process, task: string, work?: object, attempt?: number): Job => {
    const made = job(task, work, attempt)
    commands.prepare(server, made)
    commands.go(made, never)
    return made
  }
  const until = (ms: number): Promise<boolean> => kernel.run(() => false, ms)
  const phases = () => commands.ledger.map(({ attempt, phase, task }) => `${task} ${attempt} ${phase}`)
  return { kernel, commands, job, begun, until, phases, server: kernel.spawn() }
}

describe("a supervisor that is ready", () => {
  it("ends with its server, and does nothing", async () => {
    const { commands, job, phases, server, until } = world()
    const made = job("a")
    commands.prepare(server, made)
    expect(commands.inspect(made)).toBe("alive")
    commands.serverDied(server)
    expect(commands.inspect(made)).toBe("gone")
    expect(commands.go(made, never)).toBe(false)
    await until(200_000)
    expect(phases()).toEqual([])
  })

  it("is not concerned by the end of another server", () => {
    const { commands, job, kernel, server } = world()
    commands.prepare(server, job("a"))
    commands.serverDied(kernel.spawn())
    expect(commands.inspect(job("a"))).toBe("alive")
  })

  it("is let go once, and not after it was discarded", () => {
    const { commands, job, server } = world()
    for (const task of ["a", "b"]) commands.prepare(server, job(task))
    expect([commands.go(job("a"), never), commands.go(job("a"), never)]).toEqual([true, false])
    commands.discard(job("b"))
    expect([commands.go(job("b"), never), commands.inspect(job("b"))]).toEqual([false, "gone"])
    commands.discard(job("a"))
    expect(commands.inspect(job("a"))).toBe("alive")
  })

  it("that nobody prepared is gone, and cannot be let go", async () => {
    const { commands, job, server } = world()
    expect([commands.inspect(job("a")), commands.go(job("a"), never), await commands.awaitEnd(server, job("a"))]).toEqual(["gone", false, "gone"])
  })
})

describe("a command", () => {
  it("outlives its server, and leaves a record to the next one", async () => {
    const { begun, commands, phases, server, until } = world()
    const made = begun(server, "a")
    commands.serverDied(server)
    await until(500)
    expect([commands.working(), phases()]).toEqual([["a"], ["a 1 start"]])
    await until(5000)
    expect(commands.inspect(made)).toMatchObject({ status: "exited", exit_code: 0, cause: null })
    expect([commands.working(), phases()]).toEqual([[], ["a 1 start", "a 1 done"]])
  })

  it("does not start once the lease has run out, though it was let go before", async () => {
    const { commands, job, kernel, phases, server, until } = world()
    commands.prepare(server, job("a"))
    await until(1000)
    commands.go(job("a"), kernel.monoMs + 1)
    await until(5000)
    expect([phases(), commands.inspect(job("a"))]).toMatchObject([[], { status: "not_started", cause: "lease_expired", started_at_ms: null }])
  })

  it("fails as often as its input says, and works at the next attempt", async () => {
    const { begun, commands, phases, server, until } = world()
    for (const attempt of [1, 2, 3]) {
      const made = begun(server, "a", { ms: 10, fails: 2 }, attempt)
      await until(attempt * 10_000)
      expect(commands.inspect(made)).toMatchObject({ status: "exited", exit_code: attempt <= 2 ? 3 : 0 })
    }
    expect(phases()).toEqual(["a 1 start", "a 2 start", "a 3 start", "a 3 done"])
  })

  it("ends when its time is over", async () => {
    const { begun, commands, phases, server, until } = world()
    const made = begun(server, "a", { ms: 600_000 })
    await until(59_000)
    expect(commands.inspect(made)).toBe("alive")
    await until(700_000)
    expect(commands.inspect(made)).toMatchObject({ status: "signaled", cause: "timeout" })
    expect(phases()).toEqual(["a 1 start"])
  })

  it("that is aborted ends within its grace, and does nothing any more", async () => {
    const { begun, commands, phases, server, until } = world()
    const made = begun(server, "a", { ms: 30_000 })
    await until(1000)
    commands.abort(made)
    await until(3000)
    expect(commands.inspect(made)).toMatchObject({ status: "signaled", cause: "aborted" })
    await until(100_000)
    expect(phases()).toEqual(["a 1 start"])
  })

  it("tells whoever waits for its end, and nobody who was killed meanwhile", async () => {
    const { begun, commands, kernel, server, until } = world()
    const other = kernel.spawn()
    const made = begun(server, "a")
    const told: Array<string> = []
    const tell = (name: string) => (found: ExitRecord | "gone") => void told.push(`${name}: ${found === "gone" ? found : String(found["status"])}`)
    void commands.awaitEnd(server, made).then(tell("killed"))
    void commands.awaitEnd(other, made).then(tell("waiting"))
    kernel.kill(server)
    await until(5000)
    expect(told).toEqual(["waiting: exited"])
    expect(await commands.awaitEnd(other, made)).toMatchObject({ status: "exited" })
  })
})

describe("a supervisor that is killed with its command", () => {
  it("leaves no record, tells whoever waits, and is none of those that are there to be killed", async () => {
    const { begun, commands, phases, server, until } = world()
    const made = begun(server, "a", { ms: 30_000 })
    const told: Array<unknown> = []
    void commands.awaitEnd(server, made).then((found) => told.push(found))
    await until(1000)
    expect(commands.killOne(0.5)).toBe("a")
    expect(commands.killOne(0.5)).toBeNull()
    await until(100_000)
    expect([told, commands.inspect(made), phases()]).toEqual([["gone"], "gone", ["a 1 start"]])
    expect(commands.lostAfterDone.get("a") ?? 0).toBe(0)
  })

  it("is counted when its effect was done and its record was not yet written, and only then", async () => {
    const { begun, commands, kernel, server } = world()
    const lost = (task: string) => commands.lostAfterDone.get(task) ?? 0
    begun(server, "kept", { ms: 500 })
    await kernel.run(() => commands.working().length === 0)
    const made = begun(server, "lost", { ms: 500 })
    await kernel.run(() => commands.ledger.some(({ phase, task }) => phase === "done" && task === "lost"))
    expect([commands.killOne(0), commands.inspect(made)]).toEqual(["lost", "gone"])
    await kernel.run(() => false)
    expect([lost("kept"), lost("lost")]).toEqual([0, 1])
  })
})
