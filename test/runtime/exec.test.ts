import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Fiber, Option, Schema } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Exec, layer, type JobRef } from "../../src/runtime/Exec.ts"
import { ExitRecord } from "../../src/runtime/ExecRecord.ts"
import * as ProcessTable from "../../src/runtime/ProcessTable.ts"
import type { Job } from "../../src/runtime/supervisor/Job.ts"
import { bundle, filesIn, folder, home, monoMs, never, pidIn, processesOf, removeHome, runs, shell, sleep, until } from "./supervised.ts"

let program = ""
/** This process, which stands for a supervisor that lives. */
let self = { pid: process.pid, startTicks: 0 }
beforeAll(async () => {
  program = await bundle()
  self = { ...self, startTicks: Option.getOrThrow(await Effect.runPromise(ProcessTable.startTicks(process.pid))) }
})
afterAll(removeHome)

type Service = Exec["Type"]

const using = <A, E>(use: (exec: Service) => Effect.Effect<A, E>, supervisorPath = program): Promise<A> =>
  Effect.runPromise(Effect.flatMap(Exec, use).pipe(Effect.provide(layer({ supervisorPath }))))

const begin = (exec: Service, job: Job) => Effect.tap(exec.prepare(job), ({ go }) => go(never()))

const runToEnd = (job: Job) => using((exec) => Effect.flatMap(begin(exec, job), exec.awaitEnd))

const inspect = (ref: JobRef) => using((exec) => exec.inspect(ref))

/** A run whose supervisor is dead: the pid exists, the start time does not fit. */
const dead = (dir: string): JobRef => ({ dir, marker: dir, pid: process.pid, startTicks: 1 })

/** A run whose supervisor was killed while its command, which a hang-up does not end, goes on. */
const orphaned = async (script: string) => {
  const job = shell(`echo $$ >ready; ${script}`)
  const ref = await using((exec) => begin(exec, job))
  const command = await pidIn(join(job.dir, "ready"))
  process.kill(ref.pid, "SIGKILL")
  return { ref, command }
}

describe("a supervisor of Exec", () => {
  it("has a session of its own, and does not keep its server from ending", async () => {
    const { discard, pid } = await using((exec) => exec.prepare(shell("true")))
    expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ").slice(4, 6)).toEqual([String(pid), String(pid)])
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toBe("PATH=/usr/bin:/bin\0")
    expect(process.getActiveResourcesInfo()).not.toContain("ProcessWrap")
    await Effect.runPromise(discard)
  })
})

describe.concurrent("Exec.prepare", () => {
  it("is unavailable when the supervisor's program is not there", async () => {
    // The job is longer than what a pipe takes: writing it fails, too.
    const job = shell("true", folder(), { stdin: "x".repeat(1_000_000) })
    const error = await using((exec) => Effect.flip(exec.prepare(job)), join(home, "missing.mjs"))
    expect(error).toMatchObject({ _tag: "ExecUnavailable", operation: "prepare", why: "ended" })
  })

  it("is unavailable when the folder cannot be made", async () => {
    const file = join(folder(), "file")
    writeFileSync(file, "")
    const error = await using((exec) => Effect.flip(exec.prepare(shell("true", join(file, "run"), { cwd: "/" }))))
    expect(error).toMatchObject({ _tag: "ExecUnavailable", why: "folder" })
  })

  it("is unavailable when the folder holds a run, and says why", async () => {
    const job = shell("true")
    await runToEnd(job)
    const error = await using((exec) => Effect.flip(exec.prepare(job)))
    expect(error).toMatchObject({ _tag: "ExecUnavailable", why: "refused" })
    expect(error.message).toContain("EEXIST")
  })

  it("makes the folder, with those above it", async () => {
    const job = shell("true", join(folder(), "task", "1-1"), { cwd: "/" })
    expect(await runToEnd(job)).toMatchObject({ _tag: "Finished", record: { exit_code: 0 } })
  })

  it("starts nothing before go", async () => {
    const job = shell("touch begun")
    await using((exec) => Effect.flatMap(exec.prepare(job), (prepared) => Effect.zipRight(Effect.sleep("100 millis"), prepared.discard)))
    expect(existsSync(join(job.dir, "begun"))).toBe(false)
  })

  it("can be discarded, and leaves nothing", async () => {
    const job = shell("touch begun")
    const { discard, go, pid } = await using((exec) => exec.prepare(job))
    await Effect.runPromise(discard)
    await until("the supervisor is gone", () => !runs(pid))
    expect(filesIn(job.dir)).toEqual([])
    expect(await Effect.runPromise(Effect.flip(go(never())))).toMatchObject({ _tag: "ExecUnavailable", operation: "go", why: "used" })
  })

  it("leaves no supervisor behind when it is interrupted", async () => {
    // A program of another name, so that the other tests' supervisors are not counted.
    const alias = join(home, "interrupted.mjs")
    symlinkSync(program, alias)
    await using((exec) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(exec.prepare(shell("true")))
        yield* Effect.promise(() => until("a supervisor runs", () => processesOf(alias).length > 0))
        yield* Fiber.interrupt(fiber)
      }), alias)
    await until("no supervisor runs", () => processesOf(alias).length === 0)
  })
})

describe.concurrent("Prepared.go", () => {
  it("fails when the supervisor has died", async () => {
    const { go, pid } = await using((exec) => exec.prepare(shell("touch begun")))
    process.kill(pid, "SIGKILL")
    // A zombie may still have its files open; once it is collected it has none.
    await until("the supervisor is collected", () => !existsSync(`/proc/${pid}`))
    expect(await Effect.runPromise(Effect.flip(go(never())))).toMatchObject({ _tag: "ExecUnavailable", operation: "go", why: "ended" })
  })

  it("can be given once", async () => {
    const job = shell("true")
    const error = await using((exec) => Effect.flatMap(begin(exec, job), ({ go }) => Effect.flip(go(never()))))
    expect(error.why).toBe("used")
  })

  it("starts nothing when the instant has passed", async () => {
    const job = shell("touch begun")
    const end = await using((exec) => exec.prepare(job).pipe(Effect.tap(({ go }) => go(1)), Effect.flatMap(exec.awaitEnd)))
    expect(end).toMatchObject({ _tag: "Finished", record: { status: "not_started", cause: "lease_expired" } })
    expect(existsSync(join(job.dir, "begun"))).toBe(false)
  })
})

describe.concurrent("Exec.awaitEnd", () => {
  it("answers Gone when the supervisor is killed in the middle, and its command is found and ended", async () => {
    const { ref, command } = await orphaned("sleep 30; sleep 30")
    expect(await using((exec) => exec.awaitEnd(ref))).toEqual({ _tag: "Gone", reason: "no_record" })
    expect(runs(command)).toBe(true)
    const found = await inspect(ref)
    expect(found).toMatchObject({ _tag: "Gone", survivors: 2 })
    expect(await using((exec) => exec.endSurvivors(ref))).toBe(2)
    expect(runs(command)).toBe(false)
    expect(await inspect(ref)).toEqual({ _tag: "Gone", reason: "no_record", survivors: 0 })
  })

  it("notices within its poll that a supervisor was killed while it waits", async () => {
    const job = shell("echo $$ >ready; sleep 30")
    const { end, ref } = await using((exec) =>
      Effect.gen(function*() {
        const ref = yield* begin(exec, job)
        const fiber = yield* Effect.fork(exec.awaitEnd(ref))
        yield* Effect.promise(() => pidIn(join(job.dir, "ready")))
        process.kill(ref.pid, "SIGKILL")
        return { ref, end: yield* Fiber.join(fiber).pipe(Effect.timeout("3 seconds")) }
      }))
    expect(end._tag).toBe("Gone")
    await using((exec) => exec.endSurvivors(ref))
  })

  it("answers the record of a command that outlived its server", async () => {
    const job = shell("sleep 0.3; echo late")
    // A server that prepares, lets go and is killed at once.
    const server = `
      const { spawn } = require("node:child_process")
      const child = spawn(process.execPath, [process.argv[1]], { detached: true, stdio: ["pipe", "pipe", "ignore"] })
      child.stdin.write(process.argv[2] + "\\n")
      child.stdout.once("data", () => {
        process.stdout.write(child.pid + " " + require("node:fs").readFileSync("/proc/" + child.pid + "/stat", "utf8").split(" ")[21])
        child.stdin.write(JSON.stringify({ go: true, start_before_mono_ms: ${never()} }) + "\\n", () => process.kill(process.pid, "SIGKILL"))
      })`
    const { signal, stdout } = spawnSync(process.execPath, ["-e", server, program, JSON.stringify(job)], { encoding: "utf8" })
    expect(signal).toBe("SIGKILL")
    const [pid = 0, startTicks = 0] = stdout.split(" ").map(Number)
    const ref = { dir: job.dir, marker: job.marker, pid, startTicks }
    expect(await inspect(ref)).toEqual({ _tag: "Alive" })
    expect(await using((exec) => exec.awaitEnd(ref))).toMatchObject({ _tag: "Finished", record: { exit_code: 0, stdout: { bytes: 5 } } })
  })

  it("sees the record long before its next poll", async () => {
    const latencies: Array<number> = []
    for (let round = 0; round < 3; round++) {
      const dir = folder()
      writeFileSync(join(dir, "written"), JSON.stringify(record))
      const waiting = using((exec) => exec.awaitEnd({ ...self, dir, marker: dir }))
      await sleep(50)
      const before = monoMs()
      renameSync(join(dir, "written"), join(dir, "exit.json"))
      expect((await waiting)._tag).toBe("Finished")
      latencies.push(monoMs() - before)
    }
    expect(Math.min(...latencies)).toBeLessThan(250)
  })

  it("finds the record without a watch on the folder", async () => {
    const dir = join(home, "later")
    const waiting = using((exec) => exec.awaitEnd({ ...self, dir, marker: dir }))
    await sleep(100)
    mkdirSync(dir)
    writeFileSync(join(dir, "exit.json"), JSON.stringify(record))
    expect(await waiting).toMatchObject({ _tag: "Finished" })
  })

  it("never answers Gone for a supervisor that ended right after its record", async () => {
    for (let round = 0; round < 12; round++) {
      const dir = folder()
      writeFileSync(join(dir, "written"), JSON.stringify(record))
      const script = "setTimeout(() => { require('node:fs').renameSync('written', 'exit.json'); process.kill(process.pid, 'SIGKILL') }, 5)"
      const { pid = 0 } = spawn(process.execPath, ["-e", script], { cwd: dir, stdio: "ignore" })
      const ref = { dir, marker: dir, pid, startTicks: Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[21]) }
      const end = await using((exec) => exec.inspect(ref).pipe(Effect.repeat({ until: ({ _tag }) => _tag !== "Alive" })))
      expect(end._tag).toBe("Finished")
    }
  })

  it("can be interrupted, and the command goes on", async () => {
    const job = shell("sleep 0.3")
    const ref = await using((exec) => Effect.tap(begin(exec, job), (ref) => exec.awaitEnd(ref).pipe(Effect.timeoutOption("50 millis"))))
    expect(await inspect(ref)).toEqual({ _tag: "Alive" })
    expect(await using((exec) => exec.awaitEnd(ref))).toMatchObject({ _tag: "Finished", record: { exit_code: 0, cause: null } })
  })
})

describe.concurrent("Exec.abort", () => {
  it("leaves a process alone that only has the supervisor's pid", async () => {
    const job = shell("echo $$ >ready; sleep 0.2")
    const end = await using((exec) =>
      Effect.gen(function*() {
        const ref = yield* begin(exec, job)
        yield* Effect.promise(() => pidIn(join(job.dir, "ready")))
        yield* exec.abort({ ...ref, startTicks: ref.startTicks - 1 })
        return yield* exec.awaitEnd(ref)
      }))
    expect(end).toMatchObject({ record: { status: "exited", cause: null } })
  })

  it("ends the command", async () => {
    const job = shell("echo $$ >ready; sleep 30")
    const end = await using((exec) =>
      Effect.gen(function*() {
        const ref = yield* begin(exec, job)
        yield* Effect.promise(() => pidIn(join(job.dir, "ready")))
        yield* exec.abort(ref)
        return yield* exec.awaitEnd(ref)
      }))
    expect(end).toMatchObject({ record: { status: "signaled", signal: "SIGTERM", cause: "aborted" } })
  })
})

describe.concurrent("Exec.endSurvivors", () => {
  it("touches nothing while the supervisor lives", async () => {
    const job = shell("echo $$ >ready; sleep 0.3")
    const end = await using((exec) =>
      Effect.gen(function*() {
        const ref = yield* begin(exec, job)
        yield* Effect.promise(() => pidIn(join(job.dir, "ready")))
        expect(yield* exec.endSurvivors(ref)).toBe(0)
        return yield* exec.awaitEnd(ref)
      }))
    expect(end).toMatchObject({ record: { status: "exited", exit_code: 0 } })
  })
})

const output = { bytes: 3, stored_bytes: 3, sha256: "a".repeat(64), file: "stdout.log" }
const record = {
  v: 1, status: "exited", exit_code: 0, signal: null, cause: null, error: null, started_at_ms: 1, ended_at_ms: 2, command_pid: 7, stdout: output, stderr: output
}

describe.concurrent("a record on the disk", () => {
  const found = async (content: string) => {
    const dir = folder()
    writeFileSync(join(dir, "exit.json"), content)
    return inspect(dead(dir))
  }

  it.each<[string, string]>([
    ["is empty", ""],
    ["was cut off", JSON.stringify(record).slice(0, -1)],
    ["has no exit code", JSON.stringify({ ...record, exit_code: null })],
    ["both exited and was signaled", JSON.stringify({ ...record, signal: "SIGTERM" })],
    ["exited because its lease expired", JSON.stringify({ ...record, cause: "lease_expired" })],
    ["never started and yet had a pid", JSON.stringify({ ...record, status: "not_started", exit_code: null, cause: "aborted", started_at_ms: null })],
    ["stored more than there was", JSON.stringify({ ...record, stdout: { ...output, stored_bytes: 4 } })],
    ["has half a digest", JSON.stringify({ ...record, stderr: { ...output, sha256: "a".repeat(32) } })],
    ["is of another version", JSON.stringify({ ...record, v: 2 })],
    ["says more than it may", JSON.stringify({ ...record, note: "" })],
    ["is too long", `${JSON.stringify(record)}${" ".repeat(20_000)}`]
  ])("is not trusted when it %s", async (_what, content) => {
    expect(await found(content)).toEqual({ _tag: "Gone", reason: "damaged_record", survivors: 0 })
  })

  it("is not invented when it cannot be read", async () => {
    const dir = folder()
    mkdirSync(join(dir, "exit.json"))
    expect(await inspect(dead(dir))).toMatchObject({ _tag: "Gone", reason: "unreadable_record" })
  })

  it("is taken when it is whole", async () => {
    expect(await found(JSON.stringify(record))).toEqual({ _tag: "Finished", record: Schema.decodeUnknownSync(ExitRecord)(record) })
  })

  it("appears under its name only when it is whole", async () => {
    const dir = folder()
    writeFileSync(join(dir, "exit.json.tmp"), JSON.stringify(record))
    expect(await inspect(dead(dir))).toMatchObject({ _tag: "Gone", reason: "no_record" })
    renameSync(join(dir, "exit.json.tmp"), join(dir, "exit.json"))
    expect(await inspect(dead(dir))).toMatchObject({ _tag: "Finished" })
  })
})

describe.concurrent("Exec.tail", () => {
  const tailOf = (dir: string, bytes: number) => using((exec) => exec.tail(dead(dir), "stderr.log", bytes))

  it("is empty when there is no log", async () => {
    expect(await tailOf(folder(), 10)).toBe("")
  })

  it("is the end of the log, from the first whole character on", async () => {
    const dir = folder()
    writeFileSync(join(dir, "stderr.log"), "aé€b")
    expect(await tailOf(dir, 100)).toBe("aé€b")
    expect(await tailOf(dir, 4)).toBe("€b")
    expect(await tailOf(dir, 3)).toBe("b")
    expect(await tailOf(dir, 5)).toBe("€b")
  })
})
