/** How the product met a fault: its processes, their ends and their words, put on record as they were. What was promised is judged later. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect } from "effect"
import type { Encounter, Fault } from "../History.ts"
import { opsgate, type Server, type Workspace } from "./Product.ts"
import { effectsInProgress, record, type ScenarioStuck, type Stage, until } from "./Stage.ts"

export type Met = Omit<Encounter, "fault">

const saidMax = 1200

/** Runs one verb to its end, whatever that is. One that does not end in time is killed, and that is its end. */
export const meet = (stage: Stage, ...words: ReadonlyArray<string>): Effect.Effect<Met> =>
  Effect.gen(function*() {
    const from = yield* Clock.currentTimeMillis
    const { code, pid, signal, stderr, stdout } = yield* Effect.catchAll(opsgate(stage.workspace, ...words), ({ message }) =>
      Effect.succeed({ pid: 0, code: null, signal: "SIGKILL", stdout: "", stderr: message }))
    return { asked: words.join(" "), pid, from, to: yield* Clock.currentTimeMillis, code, signal, said: `${stdout}${stderr}`.slice(-saidMax) }
  })

/** The end of a server to which something was done at `from`. */
export const endOf = ({ ended, pid, said }: Server, from: number): Effect.Effect<Met> =>
  Effect.gen(function*() {
    const { code, signal } = yield* ended
    return { asked: "serve", pid, from, to: yield* Clock.currentTimeMillis, code, signal, said: said().slice(-saidMax) }
  })

/** Puts a fault on record, with everything that met it. */
export const recordMet = (stage: Stage, fault: Omit<Fault, "id" | "seed">, met: ReadonlyArray<Met>): Effect.Effect<void> =>
  Effect.zipRight(record(stage, fault), Effect.sync(() => {
    const id = stage.faults.at(-1)?.id ?? ""
    stage.encounters.push(...met.map((one) => ({ fault: id, ...one })))
  }))

export const databaseOf = ({ dir }: Workspace): string => join(dir, ".opsgate", "opsgate.db")

/** SHA-256 over the database and its write-ahead log. One that is not there is as good as empty: SQLite makes it where it looks for one. */
export const digestOf = (workspace: Workspace): string => {
  const hash = createHash("sha256")
  for (const file of ["", "-wal"].map((end) => databaseOf(workspace) + end)) {
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.of()
    hash.update(`${bytes.length} `).update(bytes)
  }
  return hash.digest("hex")
}

/** Waits until the effect of a task has started, as the command itself says. */
export const begun = (stage: Stage, task: string): Effect.Effect<void, ScenarioStuck> =>
  until(`the effect of ${task}`, Effect.sync(() => (effectsInProgress(stage).has(task) ? true : null)), 5, 15_000).pipe(Effect.asVoid)
