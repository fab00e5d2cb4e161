/** The small file beside a backup that says what the backup is, so that damage is found before anything is restored from it. */
import { createHash } from "node:crypto"
import { createReadStream, readFileSync } from "node:fs"
import { Effect, Either, Schema } from "effect"
import { writeWhole } from "./Durable.ts"

const Digest = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))
const Count = Schema.Int.pipe(Schema.nonNegative())

export const Sidecar = Schema.Struct({
  v: Schema.Literal(1),
  /** Names the event log that the backup is of. */
  stream: Schema.String,
  head: Schema.Struct({ seq: Count, hash: Digest }),
  /** Version of the schema of the file. */
  schema: Count,
  bytes: Count,
  sha256: Digest,
  /** When the backup was begun: it holds what was committed by then. Unix ms. */
  at_ms: Count,
  counts: Schema.Struct({ tasks: Count, steps: Count, events: Count, attempts: Count, keys: Count, messages: Count })
})
export type Sidecar = typeof Sidecar.Type

export const sidecarFile = (backup: string): string => `${backup}.json`

const decode = Schema.decodeUnknownEither(Schema.parseJson(Sidecar))

/** Null when it is not there or is not a sidecar. */
export const read = (backup: string): Sidecar | null => {
  try {
    return Either.getOrNull(decode(readFileSync(sidecarFile(backup), "utf8")))
  } catch {
    return null
  }
}

export const write = (backup: string, sidecar: Sidecar): void => writeWhole(sidecarFile(backup), `${JSON.stringify(sidecar, null, 2)}\n`)

/** Digest and length of a file, read in pieces. */
export const digestOf = (file: string): Effect.Effect<{ readonly sha256: string; readonly bytes: number }, unknown> =>
  Effect.tryPromise(async () => {
    const hash = createHash("sha256")
    let bytes = 0
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      hash.update(chunk)
      bytes += chunk.length
    }
    return { sha256: hash.digest("hex"), bytes }
  })
