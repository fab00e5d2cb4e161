/**
 * The commands of a simulated machine, with their supervisors: they outlive the server, write the ledger themselves, and leave a record.
 * What a command does stands in its standard input: how long it works, and how many attempts of it fail.
 */
import type { Effect } from "../History.ts"
import { between, type Draw } from "./Chance.ts"
import type { Kernel, Process } from "./Kernel.ts"

/** The parts of a job that a command sees. */
export interface Job {
  readonly dir: string
  readonly env: Readonly<Record<string, string>>
  readonly stdin: string
  readonly timeout_ms: number
  readonly kill_grace_ms: number
}

export interface Ref {
  readonly dir: string
}

/** What a supervisor leaves, in the form of the product's own (docs/supervisor.md). */
export type ExitRecord = Readonly<Record<string, unknown>>
export type Seen = ExitRecord | "alive" | "gone"

interface Run {
  readonly job: Job
  readonly pid: number
  readonly owner: Process
  readonly task: string
  readonly attempt: number
  readonly generation: number
  state: "ready" | "alive" | "ended" | "gone"
  startedMs: number
  record: ExitRecord | null
  readonly waiting: Array<{ readonly process: Process; readonly tell: (found: ExitRecord | "gone") => void }>
  readonly cancels: Array<() => void>
}

const emptySha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
const output = (file: string) => ({ bytes: 0, stored_bytes: 0, sha256: emptySha, file })

const startTicks = 1
/** A supervisor is ready, and a command starts, within so many milliseconds. */
const startMs = [2, 60] as const

const workOf = (stdin: string): { readonly ms: number; readonly fails: number } => {
  const payload: unknown = JSON.parse(stdin)
  const numberIn = (name: string): number => {
    const value: unknown = typeof payload === "object" && payload !== null ? Reflect.get(payload, name) : undefined
    return typeof value === "number" ? value : 0
  }
  return { ms: numberIn("ms"), fails: numberIn("fails") }
}

export class Commands {
  readonly ledger: Array<Effect> = []
  /** Runs whose supervisor was killed, by task: how many after their effect was done. */
  readonly lostAfterDone = new Map<string, number>()
  private readonly killed = new Set<string>()
  private readonly runs = new Map<string, Run>()
  private readonly kernel: Kernel
  private readonly draw: Draw
  private pids = 50_000

  constructor(kernel: Kernel, draw: Draw) {
    this.kernel = kernel
    this.draw = draw
  }

  /** Tasks whose command works at this instant. */
  readonly working = (): ReadonlyArray<string> => [...new Set([...this.runs.values()].filter(({ state }) => state === "alive").map(({ task }) => task))]

  readonly prepare = (owner: Process, job: Job): { readonly pid: number; readonly startTicks: number } => {
    const pid = ++this.pids
    const { OPSGATE_ATTEMPT, OPSGATE_GENERATION, OPSGATE_TASK = "" } = job.env
    this.runs.set(job.dir, { job, pid, owner, task: OPSGATE_TASK, attempt: Number(OPSGATE_ATTEMPT), generation: Number(OPSGATE_GENERATION), state: "ready", startedMs: 0, record: null, waiting: [], cancels: [] })
    return { pid, startTicks }
  }

  readonly go = ({ dir }: Ref, startBeforeMonoMs: number): boolean => {
    const run = this.runs.get(dir)
    if (run?.state !== "ready") return false
    run.state = "alive"
    this.after(run, between(this.draw, ...startMs), () => this.start(run, startBeforeMonoMs))
    return true
  }

  readonly discard = ({ dir }: Ref): void => {
    const run = this.runs.get(dir)
    if (run?.state === "ready") run.state = "gone"
  }

  readonly inspect = ({ dir }: Ref): Seen => {
    const run = this.runs.get(dir)
    if (run?.state === "alive" || run?.state === "ready") return "alive"
    return run?.record ?? "gone"
  }

  readonly awaitEnd = (process: Process, { dir }: Ref): Promise<ExitRecord | "gone"> =>
    new Promise((resolve) => {
      const found = this.inspect({ dir })
      if (found !== "alive") resolve(found)
      else this.runs.get(dir)?.waiting.push({ process, tell: resolve })
    })

  readonly abort = ({ dir }: Ref): void => {
    const run = this.runs.get(dir)
    if (run?.state === "alive") this.after(run, between(this.draw, 1, run.job.kill_grace_ms), () => this.end(run, { status: "signaled", exit_code: null, signal: "SIGTERM", cause: "aborted" }))
  }

  /** A step in code has its effect: it begins and is done in one instant. */
  readonly note = (line: Omit<Effect, "phase" | "mono_ms">): void => {
    this.ledger.push({ phase: "start", ...line, mono_ms: this.kernel.monoMs }, { phase: "done", ...line, mono_ms: this.kernel.monoMs })
  }

  /** The input of a supervisor ends with its server: one that was not let go ends too. */
  readonly serverDied = (process: Process): void => {
    for (const run of this.runs.values()) if (run.owner === process && run.state === "ready") run.state = "gone"
  }

  /** SIGKILL for a supervisor and its command, once for each task: lost runs are counted, and too many end it. Answers the task, or null when none was at work. */
  readonly killOne = (chance: number): string | null => {
    const alive = [...this.runs.values()].filter(({ state, task }) => state === "alive" && !this.killed.has(task))
    const run = alive[Math.floor(chance * alive.length)]
    if (run === undefined) return null
    this.killed.add(run.task)
    this.over(run, "gone")
    return run.task
  }

  private after(run: Run, ms: number, then: () => void): void {
    run.cancels.push(this.kernel.later(null, ms, () => {
      if (run.state === "alive") then()
    }))
  }

  private start(run: Run, startBeforeMonoMs: number): void {
    if (this.kernel.monoMs >= startBeforeMonoMs) return this.over(run, "ended", { status: "not_started", exit_code: null, signal: null, cause: "lease_expired", error: null, started_at_ms: null, command_pid: null })
    run.startedMs = this.kernel.wallMs()
    this.write(run, "start")
    const { fails, ms } = workOf(run.job.stdin)
    this.after(run, ms, () => {
      if (run.attempt <= fails) return this.end(run, { status: "exited", exit_code: 3, signal: null, cause: null })
      this.write(run, "done")
      this.lostAfterDone.set(run.task, (this.lostAfterDone.get(run.task) ?? 0) + 1)
      // The effect is there before the record of it is: whoever dies in between leaves a question.
      this.after(run, between(this.draw, 1, 20), () => {
        this.lostAfterDone.set(run.task, (this.lostAfterDone.get(run.task) ?? 1) - 1)
        this.end(run, { status: "exited", exit_code: 0, signal: null, cause: null })
      })
    })
    this.after(run, run.job.timeout_ms, () => this.end(run, { status: "signaled", exit_code: null, signal: "SIGTERM", cause: "timeout" }))
  }

  private end(run: Run, how: Readonly<Record<string, unknown>>): void {
    this.over(run, "ended", { ...how, error: null, started_at_ms: run.startedMs, command_pid: run.pid + 1_000_000 })
  }

  private over(run: Run, state: "ended" | "gone", how: Readonly<Record<string, unknown>> | null = null): void {
    for (const cancel of run.cancels.splice(0)) cancel()
    run.state = state
    run.record = how === null ? null : { v: 1, ended_at_ms: this.kernel.wallMs(), stdout: output("stdout.log"), stderr: output("stderr.log"), ...how }
    for (const { process, tell } of run.waiting.splice(0)) this.kernel.soon(process, () => tell(run.record ?? "gone"))
  }

  private write({ attempt, generation, job, pid, task }: Run, phase: "start" | "done"): void {
    this.ledger.push({ phase, task, dispatch_key: job.env["OPSGATE_DISPATCH_KEY"] ?? "", attempt, generation, pid, mono_ms: this.kernel.monoMs })
  }
}
