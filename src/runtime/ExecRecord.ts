/**
 * The exit record of a command as the server reads it.
 *
 * Anybody who runs as the same user can write in a run's folder, and disks forget: what is not exactly a record is
 * `Damaged`, and no part of it is used.
 */
import { Effect, Either, Schema } from "effect"
import { type FileHandle, open } from "node:fs/promises"
import { join } from "node:path"
import { matrix } from "../domain/Matrix.ts"
import { scheduleOf } from "../engine/Patience.ts"
import type { ExitRecord as Written } from "./supervisor/ExitRecord.ts"

/** Name of the record in the folder of its run. */
export const RECORD_FILE = "exit.json"

/** No record is longer; what is was not written by a supervisor. */
const RECORD_BYTES_MAX = 16 * 1024

/** How often a record that is there but cannot be read (no descriptors left, an error of the disk) is tried again. */
const patience = scheduleOf(matrix.exit_record.retry)

const Count = Schema.Number.pipe(Schema.filter((n) => Number.isSafeInteger(n) && n >= 0))
const Pid = Count.pipe(Schema.greaterThan(0))

const Output = Schema.Struct({
  bytes: Count,
  stored_bytes: Count,
  sha256: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)),
  file: Schema.NonEmptyString
}).pipe(Schema.filter(({ bytes, stored_bytes }) => stored_bytes <= bytes))

const always = { v: Schema.Literal(1), ended_at_ms: Count, stdout: Output, stderr: Output }
const ran = { ...always, cause: Schema.NullOr(Schema.Literal("timeout", "heartbeat", "aborted")), error: Schema.Null, started_at_ms: Count, command_pid: Pid }
const neverRan = { ...always, exit_code: Schema.Null, signal: Schema.Null, started_at_ms: Schema.Null, command_pid: Schema.Null }

/** How a command ended, or that it never began. Instants are Unix time in milliseconds. */
export const ExitRecord = Schema.Union(
  Schema.Struct({ ...ran, status: Schema.Literal("exited"), exit_code: Count, signal: Schema.Null }),
  Schema.Struct({ ...ran, status: Schema.Literal("signaled"), exit_code: Schema.Null, signal: Schema.NonEmptyString }),
  Schema.Struct({ ...neverRan, status: Schema.Literal("not_started"), cause: Schema.Literal("lease_expired", "aborted"), error: Schema.Null }),
  Schema.Struct({ ...neverRan, status: Schema.Literal("spawn_failed"), cause: Schema.Null, error: Schema.String })
  // What the supervisor writes and what is read here are the same type, or this line does not compile.
) satisfies Schema.Schema<Written>
export type ExitRecord = typeof ExitRecord.Type

const decode = Schema.decodeUnknownEither(Schema.parseJson(ExitRecord), { onExcessProperty: "error" })

/** What was found under the record's name. */
export type Reading =
  | { readonly _tag: "Record"; readonly record: ExitRecord }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Damaged"; readonly detail: string }
  | { readonly _tag: "Unreadable"; readonly detail: string }

/** Reads at most `bytes` of a file, from where `from` says for its size. */
const readPart = async (path: string, bytes: number, from: (size: number) => number): Promise<Buffer> => {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, "r")
    const { size } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(bytes, size)), 0, Math.min(bytes, size), from(size))
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle?.close()
  }
}

type Failure = Extract<Reading, { readonly _tag: "Absent" | "Unreadable" }>

const failure = (cause: unknown): Failure =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR")
    ? { _tag: "Absent" }
    : { _tag: "Unreadable", detail: String(cause) }

const interpret = (content: Buffer): Reading => {
  if (content.length > RECORD_BYTES_MAX) return { _tag: "Damaged", detail: "it is too long" }
  return Either.match(decode(content.toString("utf8")), {
    onLeft: ({ message }) => ({ _tag: "Damaged", detail: message }),
    onRight: (record) => ({ _tag: "Record", record })
  })
}

/** Looks for the record of a run. */
export const read = (dir: string): Effect.Effect<Reading> =>
  Effect.tryPromise({ try: () => readPart(join(dir, RECORD_FILE), RECORD_BYTES_MAX + 1, () => 0), catch: failure }).pipe(
    Effect.retry({ schedule: patience, while: ({ _tag }) => _tag === "Unreadable" }),
    Effect.match({ onFailure: (seen): Reading => seen, onSuccess: interpret })
  )

/** The end of a log, without the fragment of a character at its beginning. Empty when there is none: it only illustrates. */
export const tail = (dir: string, file: string, bytes: number): Effect.Effect<string> =>
  Effect.tryPromise(() => readPart(join(dir, file), bytes, (size) => Math.max(0, size - bytes))).pipe(
    Effect.map((content) => content.subarray(Math.max(0, content.findIndex((byte) => (byte & 0xc0) !== 0x80))).toString("utf8")),
    Effect.orElseSucceed(() => "")
  )
