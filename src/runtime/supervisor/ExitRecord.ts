/**
 * What a supervisor leaves behind: `child.json` while its command runs, `exit.json` when all is over.
 *
 * A file is complete under its name or not there at all. `exit.json` is on the disk, and the logs it speaks of
 * before it, when `writeExit` returns; a supervisor that cannot get it there leaves none.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Why the command was ended or not begun; null when it ended by itself. */
export type Cause = "timeout" | "heartbeat" | "aborted" | "lease_expired"

/** One output of the command. */
export interface Output {
  /** What the command wrote, the part that was not stored included. */
  readonly bytes: number
  readonly stored_bytes: number
  /** SHA-256 of all `bytes`, not only of those stored. */
  readonly sha256: string
  /** Name of the log in the run's folder. */
  readonly file: string
}

interface Outputs {
  readonly stdout: Output
  readonly stderr: Output
}

/** How the command ended, or that it never began. */
export type Ending =
  | { readonly status: "exited"; readonly exit_code: number; readonly signal: null; readonly cause: "timeout" | "heartbeat" | "aborted" | null; readonly error: null; readonly started_at_ms: number; readonly command_pid: number }
  | { readonly status: "signaled"; readonly exit_code: null; readonly signal: string; readonly cause: "timeout" | "heartbeat" | "aborted" | null; readonly error: null; readonly started_at_ms: number; readonly command_pid: number }
  | { readonly status: "not_started"; readonly exit_code: null; readonly signal: null; readonly cause: "lease_expired" | "aborted"; readonly error: null; readonly started_at_ms: null; readonly command_pid: null }
  | { readonly status: "spawn_failed"; readonly exit_code: null; readonly signal: null; readonly cause: null; readonly error: string; readonly started_at_ms: null; readonly command_pid: null }

/** The record, as it is written. Instants are Unix time. */
export type ExitRecord = Ending & Outputs & { readonly v: 1; readonly ended_at_ms: number }

export const EXIT_FILE = "exit.json"
export const CHILD_FILE = "child.json"

const syncFolder = (dir: string): void => {
  const fd = openSync(dir, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const replace = (dir: string, name: string, value: unknown, durable: boolean): void => {
  const temporary = join(dir, `${name}.tmp`)
  try {
    const fd = openSync(temporary, "w", 0o600)
    try {
      writeFileSync(fd, `${JSON.stringify(value)}\n`)
      if (durable) fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, join(dir, name))
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  if (durable) syncFolder(dir)
}

/** Writes the record. Throws when it may not be on the disk. */
export const writeExit = (dir: string, record: ExitRecord): void => {
  try {
    replace(dir, EXIT_FILE, record, true)
  } catch (error) {
    // The folder's sync may fail after the rename: a record that a power cut can take back must not be read now.
    rmSync(join(dir, EXIT_FILE), { force: true })
    throw error
  }
}

/** Names the running command for whoever comes after a supervisor that was killed. Need not survive the machine: neither does the command. */
export const writeChild = (dir: string, child: { readonly pid: number; readonly start_ticks: number }): void =>
  replace(dir, CHILD_FILE, child, false)
