/**
 * The supervisor: a small program of its own that runs one command and outlives the server that asked for it.
 *
 * Job, ready, go, start, record. Before go it can be dropped without a trace by closing its input; after go it
 * answers to nobody but SIGTERM, and leaves one record, written last. Without a record nothing is claimed.
 */
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { type Capture, capture } from "./Capture.ts"
import { type EndCause, type Running, start } from "./Command.ts"
import { type Ending, writeChild, writeExit } from "./ExitRecord.ts"
import { decodeGo, decodeJob, type Go, type Job } from "./Job.ts"
import { parseStat } from "./ProcStat.ts"
import { onSilence } from "./Silence.ts"
import { closeCommandEnds, makeStdio, removeLogs, type Stdio } from "./Stdio.ts"

/** How long an ended command's output is still read. Only a daemon that left the group can hold the pipe open that long. */
const DRAIN_MS = 500

/** Longest line that is read, in characters: a job with its payload. */
const LINE_LENGTH_MAX = 8 * 1024 * 1024

const DONE = 0
const FAILED = 1

/** A program that outlives its server needs the wall clock for its record, and has nobody to get it from. */
// @effect-diagnostics-next-line globalDate:off
const wallMs = (): number => Date.now()

/** The lines of the standard input. Ends at its end, also when reading fails: either way nobody is there any more. */
async function* linesOf(input: NodeJS.ReadStream): AsyncGenerator<string, undefined> {
  input.setEncoding("utf8")
  let text = ""
  try {
    for await (const chunk of input) {
      text += String(chunk)
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        yield text.slice(0, end)
        text = text.slice(end + 1)
      }
      if (text.length > LINE_LENGTH_MAX) return undefined
    }
  } catch {
    return undefined
  }
  return undefined
}

const say = (line: unknown): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** Makes the streams and says so. Undefined when the job cannot be run; the answer says why. */
const prepare = (line: string): { readonly job: Job; readonly stdio: Stdio } | undefined => {
  try {
    const job = decodeJob(line)
    const stdio = makeStdio(job.dir, job.stdin)
    say({ ready: true })
    return { job, stdio }
  } catch (error) {
    say({ ready: false, error: error instanceof Error ? error.message : String(error) })
    return undefined
  }
}

/** Reads the permission. Undefined when the server went away, or said something else, instead of giving it. */
const permission = (line: string | undefined): Go | undefined => {
  if (line === undefined) return undefined
  try {
    return decodeGo(line)
  } catch {
    return undefined
  }
}

/** Leaves the word by which the command is found when this process is killed. */
const introduce = (dir: string, pid: number): void => {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"))
    if (stat !== undefined) writeChild(dir, { pid, start_ticks: stat.startTicks })
  } catch {
    // The command runs by now. Its marker still finds it, and a full disk will show when the record is written.
  }
}

const isLate = (go: Go): boolean => process.hrtime.bigint() >= BigInt(go.start_before_mono_ms) * 1_000_000n

const notStarted = (cause: "lease_expired" | "aborted"): Ending => ({
  status: "not_started", exit_code: null, signal: null, cause, error: null, started_at_ms: null, command_pid: null
})

/** How the command ended, in the words of the record. */
const follow = async (running: Running, captures: ReadonlyArray<Capture>, startedAtMs: number): Promise<readonly [Ending, number]> => {
  const { code, signal, cause } = await running.ended
  const endedAtMs = wallMs()
  await Promise.race([Promise.all(captures.map((one) => one.ended)), sleep(DRAIN_MS)])
  const common = { cause, error: null, started_at_ms: startedAtMs, command_pid: running.pid } as const
  const ending: Ending = code === null
    ? { status: "signaled", exit_code: null, signal: signal ?? "unknown", ...common }
    : { status: "exited", exit_code: code, signal: null, ...common }
  return [ending, endedAtMs]
}

/** Starts the command, unless it is too late or no longer wanted, and waits for its end. */
const run = async (job: Job, stdio: Stdio, go: Go, captures: ReadonlyArray<Capture>, abort: AbortSignal): Promise<readonly [Ending, number]> => {
  if (abort.aborted) return [notStarted("aborted"), wallMs()]
  const startedAtMs = wallMs()
  // The fence: a process that was stopped after go must not start what another may have started since. It is the
  // last thing before the start. A stop that hits between this line and the kernel's exec is not caught.
  if (isLate(go)) return [notStarted("lease_expired"), wallMs()]
  const started = await start(job, stdio)
  if ("error" in started) {
    const failed: Ending = { status: "spawn_failed", exit_code: null, signal: null, cause: null, error: started.error, started_at_ms: null, command_pid: null }
    return [failed, wallMs()]
  }
  const { running } = started
  const end = (cause: EndCause) => (): void => running.end(cause)
  abort.addEventListener("abort", end("aborted"))
  if (abort.aborted) running.end("aborted")
  introduce(job.dir, running.pid)
  closeCommandEnds(stdio)
  const over = new AbortController()
  if (job.heartbeat_ms !== undefined) void onSilence(job.heartbeat_ms, job.dir, captures, over.signal, end("heartbeat"))
  return follow(running, captures, startedAtMs).finally(() => over.abort())
}

const supervise = async (abort: AbortSignal): Promise<number> => {
  const lines = linesOf(process.stdin)
  const first = await lines.next()
  if (first.value === undefined) return DONE
  const prepared = prepare(first.value)
  if (prepared === undefined) return FAILED
  const { job, stdio } = prepared

  const second = (await lines.next()).value
  const go = permission(second)
  if (go === undefined) {
    removeLogs(job.dir)
    return second === undefined ? DONE : FAILED
  }
  // The server may die from here on: nothing below reads from it or needs it.
  const stdout = capture(stdio.stdout.readFd, stdio.stdout.logFd, stdio.stdout.file, job.output_cap_bytes)
  const stderr = capture(stdio.stderr.readFd, stdio.stderr.logFd, stdio.stderr.file, job.output_cap_bytes)
  const [ending, endedAtMs] = await run(job, stdio, go, [stdout, stderr], abort)
  // Without the disk there is no record and so no claim: the process ends with a failure instead.
  writeExit(job.dir, { v: 1, ...ending, ended_at_ms: endedAtMs, stdout: stdout.close(), stderr: stderr.close() })
  return DONE
}

const aborted = new AbortController()
// SIGTERM before go is remembered until go, so that it leaves a record like any other end.
process.on("SIGTERM", () => aborted.abort())
for (const signal of ["SIGHUP", "SIGINT", "SIGPIPE"] as const) process.on(signal, () => undefined)
// The server may be dead; what it does not read is lost to nobody.
process.stdout.on("error", () => undefined)

process.exit(await supervise(aborted.signal).catch(() => FAILED))
