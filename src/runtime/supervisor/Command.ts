/**
 * The command as a process group: how it is started and how it is ended.
 *
 * It leads a group and a session of its own. Ending it means the whole group: SIGTERM, and SIGKILL for who is
 * left when the grace is over. The run is over when the first process ends by itself: what it left in its group is
 * killed, because nobody would watch over it. Not reached is a process that left the group (a daemon's setsid);
 * it keeps the marker in its environment, by which the server finds it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import type { Job } from "./Job.ts"
import { isEnded, parseStat } from "./ProcStat.ts"
import { HEARTBEAT_VARIABLE, heartbeatFile } from "./Silence.ts"
import type { Stdio } from "./Stdio.ts"

/** How often an ended command's group is looked at while its other processes still have their grace. */
const GROUP_POLL_MS = 20

/** Longest text of an error in code units, so that it stays below 2 kB in UTF-8. */
const ERROR_LENGTH_MAX = 512

export type EndCause = "timeout" | "heartbeat" | "aborted"

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly cause: EndCause | null
}

export interface Running {
  readonly pid: number
  /** Resolves when the first process has ended and its group is empty or killed. */
  readonly ended: Promise<Ended>
  /** Ends the group, with grace. Only the first cause counts. */
  readonly end: (cause: EndCause) => void
}

export type Started = { readonly running: Running } | { readonly error: string }

const signalGroup = (pgid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-pgid, signal)
  } catch {
    // ESRCH: nobody is left. EPERM: it runs as somebody else now, and nobody here can end it.
    return false
  }
}

const isLivingMember = (pid: string, pgid: number): boolean => {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"))
    return stat !== undefined && stat.pgrp === pgid && !isEnded(stat)
  } catch {
    return false
  }
}

/**
 * Whether a process of the group still runs. A signal reaches also those that have ended and wait to be collected, and
 * in a container nobody may ever collect them: so when it does, the table of processes decides.
 */
const groupLives = (pgid: number): boolean => {
  if (!signalGroup(pgid, 0)) return false
  try {
    return readdirSync("/proc").some((name) => /^[0-9]+$/.test(name) && isLivingMember(name, pgid))
  } catch {
    // Nothing can be seen: whoever is there gets the grace.
    return true
  }
}

/** Starts the command. Its descriptors are still open here afterwards. */
export const start = async (job: Job, stdio: Stdio): Promise<Started> => {
  const [program, ...args] = job.argv
  if (program === undefined) return { error: "argv is empty" }
  try {
    const child = spawn(program, args, {
      cwd: job.cwd,
      env: { ...job.env, ...(job.heartbeat_ms === undefined ? {} : { [HEARTBEAT_VARIABLE]: heartbeatFile(job.dir) }), OPSGATE_RUN: job.marker },
      detached: true,
      stdio: [stdio.stdinFd, stdio.stdout.writeFd, stdio.stderr.writeFd]
    })
    const { pid } = child
    return pid === undefined ? { error: await failure(child, job) } : { running: watch(child, pid, job) }
  } catch (error) {
    return { error: sentence(error) }
  }
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, ERROR_LENGTH_MAX)

const failure = (child: ChildProcess, job: Job): Promise<string> =>
  new Promise((resolve) => {
    child.once("error", (error) => {
      // ENOENT of a missing working folder names the program, which would send the reader the wrong way.
      resolve(existsSync(job.cwd) ? sentence(error) : `the working folder does not exist: ${job.cwd}`.slice(0, ERROR_LENGTH_MAX))
    })
  })

/** Acts once after a delay, unless the signal comes first. */
const later = (ms: number, canceled: AbortSignal, act: () => void): void => {
  void sleep(ms, undefined, { signal: canceled }).then(act, () => undefined)
}

const watch = (child: ChildProcess, pid: number, job: Job): Running => {
  const exited = new AbortController()
  const emptied = new AbortController()
  let cause: EndCause | null = null
  let graceIsOver = false

  const killAll = (): void => {
    graceIsOver = true
    signalGroup(pid, "SIGKILL")
  }
  const end = (wanted: EndCause): void => {
    if (cause !== null || exited.signal.aborted) return
    cause = wanted
    signalGroup(pid, "SIGTERM")
    later(job.kill_grace_ms, emptied.signal, killAll)
  }
  later(job.timeout_ms, exited.signal, () => end("timeout"))

  // The number of an empty group can be given to another one. Between two looks that would take a full turn of
  // all pids, which is not guarded against.
  const untilEmpty = async (): Promise<void> => {
    while (!graceIsOver && groupLives(pid)) await sleep(GROUP_POLL_MS)
    emptied.abort()
  }
  const ended = new Promise<Ended>((resolve) => {
    child.once("exit", (code, signal) => {
      exited.abort()
      if (cause === null) killAll()
      void untilEmpty().then(() => resolve({ code, signal, cause }))
    })
  })
  // Of a process that was started this tells at most that a message to it failed, and none is ever sent.
  child.on("error", () => undefined)
  return { pid, ended, end }
}
