/**
 * The machine's processes, as `/proc` shows them: who still runs, who carries a run's marker, and how such are ended.
 *
 * A pid alone names nobody, because it is given again; a pid with its start time does. What cannot be looked up
 * (another user's process, a table that is not there) is never taken for dead.
 */
import { Duration, Effect, Option, Schedule } from "effect"
import { readdir, readFile } from "node:fs/promises"
import { matrix } from "../domain/Matrix.ts"
import { isEnded, parseStat } from "./supervisor/ProcStat.ts"

/** A process, told apart from a later one with the same pid. */
export interface ProcessRef {
  readonly pid: number
  /** Clock ticks after boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: number
}

/** The variable whose value marks the processes of one run. Children inherit it. */
export const MARKER_VARIABLE = "OPSGATE_RUN"

/** How many processes are looked at together. */
const LOOKS_MAX = 16

/** How often ended processes are looked at while their grace runs. */
const GRACE_POLL = Duration.millis(matrix.survivors.roundMs)

/** How often the table is searched again for what was forked in the meantime. A fork bomb outlives it, and is still counted. */
const KILL_ROUNDS_MAX = 5

/** How long a killed process is given to disappear. */
const KILL_GRACE = Duration.millis(500)

type Look<A> = { readonly _tag: "Seen"; readonly value: A } | { readonly _tag: "Absent" } | { readonly _tag: "Hidden" }

const errorCode = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)

// ESRCH: the process ended between opening its file and reading it.
const isAbsence = (error: unknown): boolean => errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH"

const look = (pid: number, file: "stat" | "environ"): Effect.Effect<Look<string>> =>
  Effect.promise(() =>
    readFile(`/proc/${pid}/${file}`, "utf8").then(
      (value): Look<string> => ({ _tag: "Seen", value }),
      (error: unknown): Look<string> => (isAbsence(error) ? { _tag: "Absent" } : { _tag: "Hidden" })
    )
  )

const lookAtStart = (pid: number): Effect.Effect<Look<number>> =>
  Effect.map(look(pid, "stat"), (seen): Look<number> => {
    if (seen._tag !== "Seen") return seen
    const stat = parseStat(seen.value)
    if (stat === undefined) return { _tag: "Hidden" }
    return isEnded(stat) ? { _tag: "Absent" } : { _tag: "Seen", value: stat.startTicks }
  })

/**
 * When the process started. None when it has ended or cannot be looked at. A zombie has ended; the kernel may show one
 * a moment before the last of its threads is gone and its files are closed.
 */
export const startTicks = (pid: number): Effect.Effect<Option.Option<number>> =>
  Effect.map(lookAtStart(pid), (seen) => (seen._tag === "Seen" ? Option.some(seen.value) : Option.none()))

/** Whether exactly this process still runs. A process that cannot be looked at counts as alive: death is never assumed. */
export const isAlive = ({ pid, startTicks: ticks }: ProcessRef): Effect.Effect<boolean> =>
  Effect.map(lookAtStart(pid), (seen) => seen._tag === "Hidden" || (seen._tag === "Seen" && seen.value === ticks))

const hasMarker = (environ: string, marker: string): boolean => environ.split("\0").includes(`${MARKER_VARIABLE}=${marker}`)

/**
 * The living processes whose environment holds the marker, this one excepted. Not found: processes of another user,
 * and a process that has overwritten its environment. Costs two small reads for each process of the machine.
 */
export const findByMarker = (marker: string): Effect.Effect<ReadonlyArray<ProcessRef>> =>
  Effect.gen(function*() {
    const names = yield* Effect.promise(() => readdir("/proc").catch((): ReadonlyArray<string> => []))
    const pids = names.filter((name) => /^[0-9]+$/.test(name)).map(Number).filter((pid) => pid !== process.pid)
    const found = yield* Effect.forEach(pids, (pid) => marked(pid, marker), { concurrency: LOOKS_MAX })
    return found.flatMap(Option.toArray)
  })

// The start time is read first. Read last it could belong to a process that took over the pid of the one that
// had the marker, and a stranger would be ended.
const marked = (pid: number, marker: string): Effect.Effect<Option.Option<ProcessRef>> =>
  Effect.gen(function*() {
    const ticks = yield* startTicks(pid)
    if (Option.isNone(ticks)) return Option.none()
    const environ = yield* look(pid, "environ")
    const isMarked = environ._tag === "Seen" && hasMarker(environ.value, marker)
    return isMarked ? Option.some({ pid, startTicks: ticks.value }) : Option.none()
  })

/**
 * Signals exactly this process; false when it has ended. Between the look and the signal its pid could in principle be
 * given again; Node has no pidfd, and the gap is microseconds against a full turn of all pids.
 */
export const signal = (ref: ProcessRef, name: "SIGTERM" | "SIGKILL"): Effect.Effect<boolean> =>
  Effect.map(startTicks(ref.pid), (ticks) => {
    if (!Option.contains(ticks, ref.startTicks)) return false
    try {
      return process.kill(ref.pid, name)
    } catch {
      // It ended a moment ago, or runs as somebody else now; whoever counts the living afterwards sees which.
      return false
    }
  })

const living = (refs: ReadonlyArray<ProcessRef>): Effect.Effect<ReadonlyArray<ProcessRef>> =>
  Effect.filter(refs, isAlive, { concurrency: LOOKS_MAX })

/** Waits until all have ended, but no longer than that. */
const untilEnded = (refs: ReadonlyArray<ProcessRef>, atMost: Duration.DurationInput): Effect.Effect<void> =>
  living(refs).pipe(
    Effect.repeat({ until: (left) => left.length === 0, schedule: Schedule.spaced(GRACE_POLL) }),
    Effect.timeoutOption(atMost),
    Effect.asVoid
  )

/** The processes of both lists, each once. */
const union = (known: ReadonlyArray<ProcessRef>, more: ReadonlyArray<ProcessRef>): ReadonlyArray<ProcessRef> => [
  ...known,
  ...more.filter(({ pid, startTicks: ticks }) => !known.some((one) => one.pid === pid && one.startTicks === ticks))
]

/**
 * Ends all processes with this marker: SIGTERM, and SIGKILL for those that are left when the grace is over, and for what
 * they forked in the meantime. Answers how many ended; `findByMarker` tells who could not be ended.
 */
export const endAll = (marker: string, grace: Duration.DurationInput): Effect.Effect<number> =>
  Effect.gen(function*() {
    let known = yield* findByMarker(marker)
    if (known.length === 0) return 0
    yield* Effect.forEach(known, (ref) => signal(ref, "SIGTERM"), { discard: true })
    yield* untilEnded(known, grace)
    for (let round = 0; round < KILL_ROUNDS_MAX; round++) {
      const left = yield* findByMarker(marker)
      if (left.length === 0) break
      known = union(known, left)
      yield* Effect.forEach(left, (ref) => signal(ref, "SIGKILL"), { discard: true })
      yield* untilEnded(left, KILL_GRACE)
    }
    return known.length - (yield* living(known)).length
  })
