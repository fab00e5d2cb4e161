/**
 * Rehearsing on the file: through a read-only connection that is opened for one rehearsal and closed after it. Its one read
 * transaction sees what was committed last, waits for no writer, and keeps none waiting.
 */
import Database from "better-sqlite3"
import { Effect, Layer } from "effect"
import type { Decision } from "../domain/Decision.ts"
import { type Change, type EngineUnavailable, Instants } from "./Engine.ts"
import { type Rehearsal, Rehearser } from "./Rehearsal.ts"
import { DatabaseRefused, readVersion } from "./sqlite/Database.ts"
import { load, pure, RuleDefect } from "./sqlite/Loading.ts"
import { latestVersion } from "./sqlite/Migrations.ts"
import { unavailable } from "./sqlite/SqliteError.ts"
import * as Store from "./sqlite/Store.ts"
import * as Watermark from "./sqlite/Watermark.ts"

/** Nothing is written through a connection that could not, and the decision is not applied. */
const rehearsed = <A>(file: string, instants: Instants["Type"], change: Change<A>): Rehearsal<A> => {
  const db = new Database(file, { readonly: true, fileMustExist: true })
  try {
    db.exec("BEGIN")
    const { found, now } = load(Store.make(db, instants, Watermark.silent), change)
    const decision: Decision<A> = pure(() => change.rule(found, now))
    return { found, now, decision }
  } finally {
    db.close()
  }
}

export const make = (file: string, instants: Instants["Type"]): Rehearser["Type"] => ({
  rehearse: <A>(change: Change<A>) =>
    Effect.suspend((): Effect.Effect<Rehearsal<A>, EngineUnavailable> => {
      try {
        return Effect.succeed(rehearsed(file, instants, change))
      } catch (cause) {
        return cause instanceof RuleDefect ? Effect.die(cause.cause) : unavailable("read", cause)
      }
    })
})

/**
 * On a file that is there. Fails with `DatabaseRefused` where there is none, or it is not ours, or an older program wrote it last: what
 * its rules need is not in it yet, and a rehearsal does not bring a file up to date.
 */
export const layer = (file: string) =>
  Layer.effect(
    Rehearser,
    Effect.gen(function*() {
      const version = yield* readVersion(file)
      if (version === 0) return yield* DatabaseRefused.absent(file)
      if (version < latestVersion) return yield* new DatabaseRefused({ file, why: "older_version", version })
      return make(file, yield* Instants)
    })
  )
