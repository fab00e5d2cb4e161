/**
 * How the storage is, for verbs that only look: asked of the server that runs, seen from outside where none does, and compared with
 * the watermark in both cases.
 */
import { accessSync, constants, statfsSync } from "node:fs"
import { dirname } from "node:path"
import { Effect, Layer } from "effect"
import { opsSummary, type OpsSummary, type ReasonDetail, withReasons } from "./control/OpsSummary.ts"
import { diskReasons, lossReason } from "./control/StorageReasons.ts"
import { databaseFile, locate, socketFile } from "./DataDir.ts"
import type { Place } from "./edge/cli/Program.ts"
import { storageOf, summaryOf } from "./edge/cli/StorageClient.ts"
import * as Live from "./engine/Live.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"
import { codeOf } from "./engine/sqlite/SqliteError.ts"
import { type EventsLost, examine } from "./engine/sqlite/Watermark.ts"

/** The file that a verb reads. */
export const fileOf = (place: Place): string => place.db ?? databaseFile(locate(place.config))

/** What is missing in a file, by its watermark; null when nothing is, or nobody can tell. */
export const lossIn = (file: string): Effect.Effect<EventsLost | null> =>
  examine(file).pipe(
    Effect.map((found) => (found._tag === "Behind" ? found.lost : null)),
    // Whoever reads next meets the same obstacle, and says so.
    Effect.orElseSucceed(() => null)
  )

const isReadOnly = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK)
    return false
  } catch (cause) {
    return codeOf(cause) === "EROFS"
  }
}

const freeBytes = (folder: string): number | null => {
  try {
    const { bavail, blocks, bsize } = statfsSync(folder)
    // Some file systems count no blocks at all.
    return blocks === 0 ? null : bavail * bsize
  } catch {
    return null
  }
}

// The socket belongs to the configured file: of another one its server knows nothing.
const socketOf = (place: Place): string | null => (place.db === undefined ? socketFile(locate(place.config)) : null)

const reasonsAt = (file: string, socket: string | null, lost: EventsLost | null) =>
  Effect.gen(function*() {
    const asked = socket === null ? null : yield* Effect.promise(() => storageOf(socket))
    const folder = dirname(file)
    const seen: ReadonlyArray<ReasonDetail> = asked ?? (socket === null ? [] : diskReasons(folder, { isReadOnly: isReadOnly(folder), freeBytes: freeBytes(folder) }))
    return lost === null ? seen : [...seen, lossReason(lost)]
  })

/** What keeps a file from taking changes, as far as it is known. */
export const storageAt = (place: Place) => Effect.flatMap(lossIn(fileOf(place)), (lost) => reasonsAt(fileOf(place), socketOf(place), lost))

/** The summary with what is known of the storage. A server that runs is asked for it when the file cannot be read here. */
export const summaryAt = (place: Place, hours: number) => summaryOn(fileOf(place), socketOf(place), hours)

const summaryOn = (file: string, socket: string | null, hours: number) =>
  Effect.gen(function*() {
    const lost = yield* lossIn(file)
    const reasons = yield* reasonsAt(file, socket, lost)
    const own = yield* Effect.either(Effect.provide(opsSummary(hours), Layer.merge(SqliteReader.layer(file), Live.instants)))
    if (own._tag === "Right") return withReasons(own.right, reasons)
    const server: OpsSummary | null = socket === null ? null : yield* Effect.promise(() => summaryOf(socket, hours))
    // A file that is gone has lost all that it had: that says more than that it is not there.
    return server === null ? yield* lost ?? own.left : withReasons(server, reasons)
  })
