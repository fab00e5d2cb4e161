/**
 * The database may not be written any more. Under a running server, where the machine lets us: the files are made immutable (chattr, which
 * wants root). Else, and once in any case, while none runs: then the mode of the files is enough.
 */
import { execFile } from "node:child_process"
import { chmodSync, closeSync, existsSync, openSync } from "node:fs"
import { Clock, Effect, type Scope } from "effect"
import { demand, job, quiet } from "../Door.ts"
import { begun, databaseOf, meet, type Met, recordMet } from "../Encounters.ts"
import { serve } from "../Product.ts"
import { effectsInProgress, type Stage, type StageFailed, until } from "../Stage.ts"

const workMs = 900
/** How much longer than the lease nothing can be stored, in milliseconds. */
const beyondMs = 300

export const protectedFile = (stage: Stage): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { scenario, workspace } = stage
    const count = scenario.faults.reduce((sum, fault) => sum + fault.count, 0)
    for (let n = 0; n < count; n++) yield* n < count - 1 && process.getuid?.() === 0 ? underServer(stage) : withoutServer(stage)
    yield* serve(workspace)
    yield* quiet(stage)
  })

/** A command ends, another is asked for, and the lease runs out while nothing can be stored. */
const underServer = (stage: Stage): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { scenario, workspace } = stage
    const server = yield* serve(workspace)
    yield* quiet(stage)
    const task = yield* demand(stage, job(stage, "heavy.sh", workMs))
    yield* begun(stage, task)
    const hit = [...effectsInProgress(stage)]
    const at = yield* Clock.currentTimeMillis
    const [witness, met] = yield* Effect.scoped(Effect.gen(function*() {
      yield* protectedFrom(stage)
      const witness = refusal(stage)
      // It may be written: nothing to meet.
      if (witness === null) return [witness, []] as const
      const words = ["task", "submit", "light.sh", JSON.stringify({ n: 0, ms: 0 })]
      const met: ReadonlyArray<Met> = yield* Effect.all([meet(stage, ...words), meet(stage, "ops-summary", "--check")], { concurrency: 2 })
      yield* until("the command to be done", Effect.sync(() => (effectsInProgress(stage).has(task) ? null : true)), 20, 15_000)
      yield* Effect.sleep(scenario.limits.lease_ms + beyondMs)
      return [witness, met] as const
    }))
    yield* recordMet(stage, { class: "read_only", must_hit: "running", at, hit, witness, until: yield* Clock.currentTimeMillis }, met)
    yield* quiet(stage)
    yield* server.signal("SIGTERM")
    yield* server.ended
  })

/** A server that was killed cannot be started again until the file may be written. */
const withoutServer = (stage: Stage): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { workspace } = stage
    const server = yield* serve(workspace)
    yield* quiet(stage)
    const task = yield* demand(stage, job(stage, "heavy.sh", workMs))
    yield* begun(stage, task)
    const hit = [...effectsInProgress(stage)]
    yield* server.signal("SIGKILL")
    yield* server.ended
    const at = yield* Clock.currentTimeMillis
    const [witness, met] = yield* Effect.scoped(Effect.gen(function*() {
      yield* protectedFrom(stage)
      const witness = refusal(stage)
      return [witness, witness === null ? [] : [yield* meet(stage, "serve")]] as const
    }))
    yield* recordMet(stage, { class: "read_only", must_hit: "running", at, hit, witness, until: yield* Clock.currentTimeMillis }, met)
  })

const filesOf = ({ workspace }: Stage): ReadonlyArray<string> => ["", "-wal"].map((end) => databaseOf(workspace) + end).filter((file) => existsSync(file))

/** Nobody may write the files until the scope closes. Whether that came about is told by `refusal`. */
const protectedFrom = (stage: Stage): Effect.Effect<void, never, Scope.Scope> => {
  const files = filesOf(stage)
  const set = process.getuid?.() === 0
    ? (on: boolean) => chattr(on ? "+i" : "-i", files)
    : (on: boolean) => Effect.sync(() => files.forEach((file) => chmodSync(file, on ? 0o400 : 0o600)))
  return Effect.asVoid(Effect.acquireRelease(set(true), () => set(false)))
}

const chattr = (flag: string, files: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.async((resume) => {
    // A file system without the flag, or a machine without the program: then nothing is refused, and the fault has no witness.
    execFile("chattr", [flag, ...files], () => resume(Effect.void))
  })

/** What the kernel says to whoever wants to write the database; null when it lets him. */
const refusal = ({ workspace }: Stage) => {
  try {
    closeSync(openSync(databaseOf(workspace), "r+"))
    return null
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "an error"
    return { kind: "errno" as const, detail: `open(opsgate.db, O_RDWR): ${code}` }
  }
}
