import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { capture } from "../../src/runtime/supervisor/Capture.ts"
import type { Job } from "../../src/runtime/supervisor/Job.ts"
import { makeStdio } from "../../src/runtime/supervisor/Stdio.ts"
import { bundle, filesIn, folder, monoMs, never, pidIn, pipesOf, recordIn, removeHome, runs, sha256, shell, sleep, startSupervisor, type Supervised, until } from "./supervised.ts"

let program = ""
beforeAll(async () => {
  program = await bundle()
})
afterAll(removeHome)

const prepared = async (job: Job): Promise<Supervised> => {
  const supervisor = startSupervisor(program)
  supervisor.say(job)
  expect(await supervisor.answer).toEqual({ ready: true })
  return supervisor
}

const started = async (job: Job): Promise<Supervised> => {
  const supervisor = await prepared(job)
  supervisor.say({ go: true, start_before_mono_ms: never() })
  return supervisor
}

const recordOf = async (job: Job) => {
  expect(await (await started(job)).ended).toBe(0)
  return recordIn(job.dir)
}

describe.concurrent("a supervisor before go", () => {
  it("ends without a trace when there is no job", async () => {
    const supervisor = startSupervisor(program)
    supervisor.hangUp()
    expect(await supervisor.ended).toBe(0)
  })

  it("ends without a trace when the server is gone", async () => {
    const job = shell("touch begun")
    const supervisor = await prepared(job)
    supervisor.hangUp()
    expect(await supervisor.ended).toBe(0)
    expect(filesIn(job.dir)).toEqual([])
  })

  it.each<[string, Record<string, unknown>]>([
    ["another version", { v: 2 }],
    ["no program", { argv: [] }],
    ["an empty program", { argv: [""] }],
    ["an argument that cannot be passed", { argv: ["echo", "a\0b"] }],
    ["a relative folder", { dir: "run" }],
    ["a relative working folder", { cwd: "." }],
    ["a variable that cannot be set", { env: { "A=B": "c" } }],
    ["a timeout no timer can count", { timeout_ms: 2 ** 31 }],
    ["a fractional grace", { kill_grace_ms: 0.5 }],
    ["no cap", { output_cap_bytes: null }],
    ["no marker", { marker: "" }]
  ])("refuses a job with %s", async (_what, wrong) => {
    const job = shell("touch begun")
    const supervisor = startSupervisor(program)
    supervisor.say({ ...job, ...wrong })
    expect(await supervisor.answer).toMatchObject({ ready: false })
    expect(await supervisor.ended).toBe(1)
    expect(filesIn(job.dir)).toEqual([])
  })

  it("refuses a folder that is not there, and says so", async () => {
    const supervisor = startSupervisor(program)
    supervisor.say({ ...shell("true"), dir: "/nonexistent/run" })
    expect(await supervisor.answer).toMatchObject({ ready: false, error: expect.stringContaining("ENOENT") })
  })

  it("refuses a folder that holds a run, and leaves that as it is", async () => {
    const job = shell("echo first")
    await recordOf(job)
    const supervisor = startSupervisor(program)
    supervisor.say(job)
    expect(await supervisor.answer).toMatchObject({ ready: false, error: expect.stringContaining("EEXIST") })
    expect(await supervisor.ended).toBe(1)
    expect(readFileSync(join(job.dir, "stdout.log"), "utf8")).toBe("first\n")
  })

  it.each(["{\"go\":false,\"start_before_mono_ms\":9e9}", "{\"go\":true}", "go"])("starts nothing at %s", async (line) => {
    const job = shell("touch begun")
    const supervisor = await prepared(job)
    supervisor.say(line)
    expect(await supervisor.ended).toBe(1)
    expect(filesIn(job.dir)).toEqual([])
  })

  it("remembers that it was told to end", async () => {
    const job = shell("touch begun")
    const supervisor = await prepared(job)
    supervisor.child.kill("SIGTERM")
    await sleep(50)
    supervisor.say({ go: true, start_before_mono_ms: never() })
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ status: "not_started", cause: "aborted", started_at_ms: null, command_pid: null })
    expect(existsSync(join(job.dir, "begun"))).toBe(false)
  })
})

describe.concurrent("a supervisor at go", () => {
  it("starts nothing after it was stopped beyond its instant", async () => {
    const job = shell("touch begun")
    const supervisor = await prepared(job)
    supervisor.child.kill("SIGSTOP")
    supervisor.say({ go: true, start_before_mono_ms: monoMs() + 100 })
    await sleep(150)
    supervisor.child.kill("SIGCONT")
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ status: "not_started", cause: "lease_expired", exit_code: null, stdout: { bytes: 0, sha256: sha256("") } })
    expect(existsSync(join(job.dir, "begun"))).toBe(false)
  })

  it("starts the command after it was stopped for a shorter time", async () => {
    const job = shell("touch begun")
    const supervisor = await prepared(job)
    supervisor.child.kill("SIGSTOP")
    supervisor.say({ go: true, start_before_mono_ms: monoMs() + 5_000 })
    await sleep(50)
    supervisor.child.kill("SIGCONT")
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ status: "exited", exit_code: 0 })
  })

  it("records a program that is not there", async () => {
    expect(await recordOf(shell("", folder(), { argv: ["no-such-program"] })))
      .toMatchObject({ status: "spawn_failed", error: expect.stringContaining("ENOENT"), command_pid: null, started_at_ms: null })
  })

  it("records a program that may not be executed", async () => {
    const dir = folder()
    writeFileSync(join(dir, "data"), "no program", { mode: 0o600 })
    expect(await recordOf(shell("", dir, { argv: [join(dir, "data")] }))).toMatchObject({ status: "spawn_failed", error: expect.stringContaining("EACCES") })
  })

  it("says that the working folder is missing, not the program", async () => {
    expect(await recordOf(shell("true", folder(), { cwd: "/nonexistent" })))
      .toMatchObject({ status: "spawn_failed", error: "the working folder does not exist: /nonexistent" })
  })

  it("records a long name that is not there in less than 2 kB", async () => {
    const { error, status } = await recordOf(shell("", folder(), { argv: [`/${"é".repeat(100)}`.repeat(18)] }))
    expect(status).toBe("spawn_failed")
    expect(Buffer.byteLength(error ?? "")).toBeLessThanOrEqual(2048)
  })
})

describe.concurrent("a command", () => {
  it("is recorded with its exit code, its instants and its digests", async () => {
    const before = Date.now()
    const job = shell("echo out; printf err >&2; exit 3")
    const record = await recordOf(job)
    expect(record).toEqual({
      v: 1, status: "exited", exit_code: 3, signal: null, cause: null, error: null,
      started_at_ms: expect.any(Number), ended_at_ms: expect.any(Number), command_pid: expect.any(Number),
      stdout: { bytes: 4, stored_bytes: 4, sha256: sha256("out\n"), file: "stdout.log" },
      stderr: { bytes: 3, stored_bytes: 3, sha256: sha256("err"), file: "stderr.log" }
    })
    expect(record.started_at_ms).toBeGreaterThanOrEqual(before)
    expect(record.ended_at_ms).toBeGreaterThanOrEqual(record.started_at_ms ?? Infinity)
    expect(filesIn(job.dir)).toEqual(["child.json", "exit.json", "stderr.log", "stdout.log"])
  })

  it("is recorded with the signal that ended it", async () => {
    expect(await recordOf(shell("kill -SEGV $$"))).toMatchObject({ status: "signaled", signal: "SIGSEGV", exit_code: null, cause: null })
  })

  it("is named in child.json while it runs", async () => {
    const job = shell("sleep 5")
    const supervisor = await started(job)
    const file = join(job.dir, "child.json")
    await until("child.json is there", () => existsSync(file))
    const { pid, start_ticks } = JSON.parse(readFileSync(file, "utf8"))
    expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[21]).toBe(String(start_ticks))
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toContain(`OPSGATE_RUN=${job.marker}\0`)
    // The supervisor keeps the ends it reads from and no other: the outputs end with the command.
    await until("the command's ends are closed", () => pipesOf(supervisor.child.pid).length === 2)
    supervisor.child.kill("SIGTERM")
    await supervisor.ended
  })

  it("sees the environment of its job and nothing else", async () => {
    const job = shell("", folder(), { argv: ["/usr/bin/env"], env: { A: "1", OPSGATE_RUN: "forged" } })
    await recordOf(job)
    expect(readFileSync(join(job.dir, "stdout.log"), "utf8").trim().split("\n").toSorted()).toEqual(["A=1", `OPSGATE_RUN=${job.marker}`])
  })

  it("is found without a PATH where the system keeps its programs", async () => {
    expect(await recordOf(shell("", folder(), { argv: ["true"], env: {} }))).toMatchObject({ status: "exited", exit_code: 0 })
  })

  it("reads its payload", async () => {
    expect((await recordOf(shell("cat", folder(), { stdin: "{\"name\":\"né\"}" }))).stdout.sha256).toBe(sha256("{\"name\":\"né\"}"))
  })

  it("may leave a large payload unread", async () => {
    expect(await recordOf(shell("exit 0", folder(), { stdin: "x".repeat(1_000_000) }))).toMatchObject({ status: "exited", exit_code: 0 })
  })

  it("may open its standard streams by their names", async () => {
    const record = await recordOf(shell("cat /dev/stdin >/dev/stdout; echo oh >/dev/stderr"))
    expect(record).toMatchObject({ exit_code: 0, stdout: { sha256: sha256("{}") }, stderr: { sha256: sha256("oh\n") } })
  })

  it("may close its outputs and go on", async () => {
    expect(await recordOf(shell("echo a; exec >&- 2>&-; sleep 0.1; exit 4"))).toMatchObject({ exit_code: 4, stdout: { bytes: 2 } })
  })
})

describe.concurrent("the output of a command", () => {
  it("is stored up to its cap, and counted and hashed beyond it", async () => {
    const job = shell("head -c 20000000 /dev/zero; printf tail", folder(), { output_cap_bytes: 100_001 })
    const { exit_code, stdout } = await recordOf(job)
    expect(exit_code).toBe(0)
    expect(stdout).toMatchObject({ bytes: 20_000_004, stored_bytes: 100_001, sha256: sha256(Buffer.concat([Buffer.alloc(20_000_000), Buffer.from("tail")])) })
    expect(readFileSync(join(job.dir, "stdout.log"))).toEqual(Buffer.alloc(100_001))
  })

  it("is only counted when nothing of it is kept", async () => {
    expect((await recordOf(shell("printf abc", folder(), { output_cap_bytes: 0 }))).stdout).toMatchObject({ bytes: 3, stored_bytes: 0, sha256: sha256("abc") })
  })

  it("is stored byte for byte, whatever the bytes are", async () => {
    const job = shell("printf '\\377\\000\\303'")
    await recordOf(job)
    expect(readFileSync(join(job.dir, "stdout.log"))).toEqual(Buffer.from([0xff, 0x00, 0xc3]))
  })
})

describe.concurrent("the end of a command", () => {
  it("comes at its timeout, with grace", async () => {
    const job = shell("trap 'echo bye; exit 9' TERM; sleep 30 & wait", folder(), { timeout_ms: 100 })
    expect(await recordOf(job)).toMatchObject({ status: "exited", exit_code: 9, cause: "timeout", stdout: { sha256: sha256("bye\n") } })
  })

  it("comes to the whole group when its grace is over", async () => {
    const job = shell("trap '' TERM; sh -c 'echo $$ >inner; sleep 30; sleep 30' & sleep 30; sleep 30", folder(), { timeout_ms: 200, kill_grace_ms: 150 })
    const supervisor = await started(job)
    const inner = await pidIn(join(job.dir, "inner"))
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ status: "signaled", signal: "SIGKILL", cause: "timeout" })
    await until("the inner process is dead", () => !runs(inner))
  })

  it("leaves the rest of the group its grace when the first process ends earlier", async () => {
    const job = shell("sh -c 'exec >&- 2>&-; trap \"sleep 0.2; touch cleaned; exit\" TERM; echo $$ >inner; while :; do sleep 0.02; done' & wait", folder(), { kill_grace_ms: 4_000 })
    const supervisor = await started(job)
    await pidIn(join(job.dir, "inner"))
    supervisor.child.kill("SIGTERM")
    await supervisor.ended
    expect(recordIn(job.dir)).toMatchObject({ status: "signaled", signal: "SIGTERM", cause: "aborted" })
    expect(existsSync(join(job.dir, "cleaned"))).toBe(true)
  })

  it("is asked for by SIGTERM, once", async () => {
    const job = shell("trap 'echo told; sleep 0.2; exit 0' TERM; echo $$ >ready; while :; do sleep 0.02; done")
    const supervisor = await started(job)
    await pidIn(join(job.dir, "ready"))
    supervisor.child.kill("SIGTERM")
    await sleep(50)
    supervisor.child.kill("SIGTERM")
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ status: "exited", exit_code: 0, cause: "aborted", stdout: { sha256: sha256("told\n") } })
  })

  it("keeps its first cause when a second one comes", async () => {
    const job = shell("trap 'echo told; sleep 0.5; exit 0' TERM; echo $$ >ready; while :; do sleep 0.02; done", folder(), { timeout_ms: 700 })
    const supervisor = await started(job)
    await pidIn(join(job.dir, "ready"))
    await sleep(300)
    supervisor.child.kill("SIGTERM")
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ cause: "aborted", stdout: { sha256: sha256("told\n") } })
  })

  it("does not wait for a dead process of the group that nobody collects", async () => {
    // The parent of the second sleep leaves the group and never looks at its child.
    const job = shell("sh -c 'sleep 30 & echo $$ >daemon; exec setsid sleep 30 >/dev/null 2>&1' & wait", folder(), { kill_grace_ms: 600_000 })
    const supervisor = await started(job)
    const daemon = await pidIn(join(job.dir, "daemon"))
    await until("it has left", () => readFileSync(`/proc/${daemon}/stat`, "utf8").split(" ")[5] === String(daemon))
    supervisor.child.kill("SIGTERM")
    // If it waited, it would do so for the whole grace, and this test would run out of time.
    expect(await supervisor.ended).toBe(0)
    process.kill(daemon, "SIGKILL")
  })

  it("does not come by a hang-up or an interrupt to its supervisor", async () => {
    const job = shell("echo $$ >ready; sleep 0.2")
    const supervisor = await started(job)
    await pidIn(join(job.dir, "ready"))
    for (const signal of ["SIGHUP", "SIGINT", "SIGPIPE"] as const) supervisor.child.kill(signal)
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ status: "exited", exit_code: 0, cause: null })
  })

  it("is recorded although the server is gone", async () => {
    const job = shell("sleep 0.1; echo on")
    const supervisor = await started(job)
    supervisor.hangUp()
    expect(await supervisor.ended).toBe(0)
    expect(recordIn(job.dir)).toMatchObject({ status: "exited", stdout: { bytes: 3 } })
  })

  it("kills what it left in its group", async () => {
    const job = shell("sleep 30 & echo $! >left; exit 0")
    const record = await recordOf(job)
    expect(record).toMatchObject({ status: "exited", exit_code: 0, cause: null })
    const left = await pidIn(join(job.dir, "left"))
    await until("what was left is dead", () => !runs(left))
  })

  it("does not cut off what a process that left the group writes a moment later", async () => {
    const job = shell("setsid sh -c 'echo $$ >daemon; sleep 0.1; echo late' & while ! test -s daemon; do sleep 0.01; done")
    expect(await recordOf(job)).toMatchObject({ status: "exited", stdout: { sha256: sha256("late\n") } })
  })

  it("does not wait for a daemon that left the group and holds the outputs", async () => {
    const job = shell("setsid sh -c 'echo $$ >daemon; exec sleep 30' & while ! test -s daemon; do sleep 0.01; done; echo done")
    expect(await recordOf(job)).toMatchObject({ status: "exited", exit_code: 0, stdout: { bytes: 5 } })
    const daemon = await pidIn(join(job.dir, "daemon"))
    expect(runs(daemon)).toBe(true)
    process.kill(daemon, "SIGKILL")
  })
})

describe.concurrent("a record that cannot be written", () => {
  it("is not claimed: the folder is gone", async () => {
    const job = shell("echo $$ >ready; sleep 0.2", folder(), { cwd: "/" })
    const supervisor = await started({ ...job, argv: ["/bin/sleep", "0.2"] })
    await until("the command runs", () => existsSync(join(job.dir, "child.json")))
    rmSync(job.dir, { recursive: true })
    expect(await supervisor.ended).toBe(1)
    expect(existsSync(job.dir)).toBe(false)
  })

  it.each(["exit.json", "exit.json.tmp"])("is not claimed: something is in the place of %s", async (name) => {
    const job = shell("exit 0")
    mkdirSync(join(job.dir, name))
    writeFileSync(join(job.dir, name, "something"), "")
    expect(await (await started(job)).ended).toBe(1)
    expect(filesIn(job.dir)).toContain(name)
    expect(filesIn(join(job.dir, name))).toEqual(["something"])
  })
})

describe("a log that cannot be written", () => {
  it("ends the storing, not the counting", async () => {
    const dir = folder()
    const { stderr, stdinFd, stdout } = makeStdio(dir, "")
    // A descriptor for reading only refuses every write, as a full disk does.
    const captured = capture(stdout.readFd, openSync(join(dir, "stdout.log"), "r"), "stdout.log", 1_000)
    writeSync(stdout.writeFd, "first")
    await sleep(20)
    writeSync(stdout.writeFd, "second")
    closeSync(stdout.writeFd)
    await captured.ended
    expect(captured.close()).toEqual({ bytes: 11, stored_bytes: 0, sha256: sha256("firstsecond"), file: "stdout.log" })
    for (const fd of [stdinFd, stdout.logFd, stderr.logFd, stderr.readFd, stderr.writeFd]) closeSync(fd)
  })
})
