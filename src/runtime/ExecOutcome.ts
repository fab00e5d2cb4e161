/** What the exit record of a command means for its task. */
import type { Outcome } from "../domain/Execution.ts"
import type { EffectClass } from "../domain/EffectClass.ts"
import { redact, storedError } from "../domain/Redaction.ts"
import type { Task } from "../domain/Task.ts"
import { withoutSecretsOf } from "../domain/TaskSecrets.ts"
import { timeoutCode } from "../domain/Timeout.ts"

interface Output {
  readonly bytes: number
  readonly stored_bytes: number
  readonly sha256: string
  readonly file: string
}

/** The part of an exit record that decides. */
export interface Record {
  readonly status: "exited" | "signaled" | "not_started" | "spawn_failed"
  readonly exit_code: number | null
  readonly signal: string | null
  readonly cause: "timeout" | "heartbeat" | "aborted" | "lease_expired" | null
  readonly error: string | null
  readonly stdout: Output
  readonly stderr: Output
}

/** How much of the end of stderr is read, and how much of it goes into the record of a failure, in bytes. */
export const tailRead = 8000
const tailKept = 1500

/** The end of what a command said: redacted before it is cut, so that neither half a secret stays, nor one whose name was cut off. */
export const tailFor = (task: Task, text: string): string => {
  const bytes = new TextEncoder().encode(redact(withoutSecretsOf(task, text)))
  const start = Math.max(0, bytes.length - tailKept)
  const from = bytes.findIndex((byte, index) => index >= start && (byte & 0xc0) !== 0x80)
  return new TextDecoder().decode(bytes.subarray(Math.max(0, from)))
}

/**
 * A command that ended by itself has said how it went. One that was ended from outside, in the middle of something
 * dangerous, has not: then the outcome is unknown, and is never guessed.
 */
export const outcomeOf = (record: Record, effect: EffectClass, stderrTail: string): Outcome => {
  const error = storedError([sentenceFor(record), stderrTail.trim()].filter((text) => text !== "").join("\n"))
  if (record.status === "not_started") return { _tag: "NotStarted", code: record.cause ?? "not_started", error }
  if (record.status === "spawn_failed") return { _tag: "Failed", code: "spawn_failed", error }
  if (record.cause === "timeout") return interrupted(effect, timeoutCode.startToClose, error)
  if (record.cause === "heartbeat") return interrupted(effect, timeoutCode.heartbeat, error)
  if (record.status === "signaled") return interrupted(effect, record.cause === "aborted" ? "aborted" : "killed", error)
  if (record.exit_code === 0) return { _tag: "Succeeded", result: resultOf(record) }
  return { _tag: "Failed", code: record.cause === "aborted" ? "aborted" : "exit_nonzero", error }
}

const interrupted = (effect: EffectClass, code: string, error: string): Outcome =>
  effect === "dangerous" ? { _tag: "Unknown", code, error } : { _tag: "Failed", code, error }

const resultOf = ({ exit_code, stderr, stdout }: Record) => ({
  exit_code,
  stdout_bytes: stdout.bytes,
  stdout_sha256: stdout.sha256,
  stdout_file: stdout.file,
  stderr_bytes: stderr.bytes,
  stderr_sha256: stderr.sha256
})

const sentenceFor = ({ cause, error, exit_code, signal, status }: Record): string => {
  switch (status) {
    case "exited":
      return `the command ended with exit code ${exit_code}${cause === null ? "" : ` after ${cause}`}`
    case "signaled":
      return `the command was ended by ${signal}${cause === null ? "" : ` (${cause})`}`
    case "not_started":
      return `the command was not started: ${cause ?? "unknown"}`
    case "spawn_failed":
      return `the command could not be started: ${error ?? ""}`
  }
}
