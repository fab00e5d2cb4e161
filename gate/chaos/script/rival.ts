/** A second server on the same data folder: while the first works, and while it stands still and writes nothing. */
import { readFileSync, statSync } from "node:fs"
import { Clock, Effect } from "effect"
import { demand, job, quiet } from "../Door.ts"
import { begun, databaseOf, digestOf, meet, type Met, recordMet } from "../Encounters.ts"
import { processState, type Server, serve } from "../Product.ts"
import { effectsInProgress, type Stage, until } from "../Stage.ts"

/** Longer than a second server waits for the lock. */
const workMs = 7500
/** When the second one has started and waits. */
const lookMs = 1500

export const rival = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario, workspace } = stage
    const server = yield* serve(workspace)
    const count = scenario.faults.reduce((sum, fault) => sum + fault.count, 0)
    // All but the last come at once.
    const task = yield* demand(stage, job(stage, "heavy.sh", workMs))
    yield* begun(stage, task)
    const [at, hit] = [yield* Clock.currentTimeMillis, [...effectsInProgress(stage)]]
    const [holders, ...met] = yield* Effect.all([heldBy(stage), ...Array.from({ length: count - 1 }, () => meet(stage, "serve"))], { concurrency: "unbounded" })
    for (const one of met) yield* refused(stage, server, at, hit, holders, one)
    yield* quiet(stage)

    const last = yield* demand(stage, job(stage, "heavy.sh", workMs))
    yield* begun(stage, last)
    yield* server.signal("SIGSTOP")
    yield* until("the server to stand still", Effect.sync(() => (processState(server.pid) === "T" ? true : null)), 1, 5000)
    const before = digestOf(workspace)
    const stoppedAt = yield* Clock.currentTimeMillis
    const [still, one] = yield* Effect.all([heldBy(stage), meet(stage, "serve")], { concurrency: 2 })
    const files = { before, after: digestOf(workspace) }
    yield* server.signal("SIGCONT")
    yield* refused(stage, server, stoppedAt, [last], still, { ...one, files })
    yield* quiet(stage)
  })

const refused = (stage: Stage, { pid }: Server, at: number, hit: ReadonlyArray<string>, holders: ReadonlyArray<number>, met: Met): Effect.Effect<void> =>
  recordMet(stage, {
    class: "second_server",
    must_hit: "running",
    at,
    hit,
    witness: holders.includes(pid) ? { kind: "locks", detail: `/proc/locks: process ${pid} has the lock, process ${met.pid} ended with code ${met.code}` } : null
  }, [met])

/** Who has the instance lock, as the kernel lists it (proc(5), /proc/locks). */
const heldBy = ({ workspace }: Stage): Effect.Effect<ReadonlyArray<number>> =>
  Effect.delay(Effect.sync(() => {
    const inode = String(statSync(`${databaseOf(workspace)}.lock`).ino)
    return readFileSync("/proc/locks", "latin1").split("\n").flatMap((line) => {
      const match = /WRITE +(\d+) +\w+:\w+:(\d+) /.exec(line)
      return match !== null && match[2] === inode ? [Number(match[1])] : []
    })
  }), lookMs)
