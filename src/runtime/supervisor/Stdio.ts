/**
 * The three standard streams of a command, made before anything is started.
 *
 * They are a plain file and two real pipes. What `spawn` makes by itself are sockets, and a command that opens
 * `/dev/stdin` or `/dev/stderr` (shell scripts do) is refused on a socket by Linux with ENXIO. Node cannot make
 * a pipe, so two FIFOs are made by coreutils' `mkfifo` and lose their names as soon as both ends are open.
 */
import { spawnSync } from "node:child_process"
import { closeSync, constants, openSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export const STDOUT_FILE = "stdout.log"
export const STDERR_FILE = "stderr.log"

/** One output: what the command writes to, what the supervisor reads from, what is kept. */
export interface Channel {
  readonly file: string
  readonly writeFd: number
  readonly readFd: number
  readonly logFd: number
}

export interface Stdio {
  /** Standard input, at its beginning. */
  readonly stdinFd: number
  readonly stdout: Channel
  readonly stderr: Channel
}

const input = (dir: string, text: string): number => {
  const path = join(dir, "stdin")
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o600 })
    return openSync(path, "r")
  } finally {
    rmSync(path, { force: true })
  }
}

const channel = (dir: string, file: string, fifo: string): Channel => {
  const logFd = openSync(join(dir, file), "wx", 0o600)
  // The end to read from is opened first and does not wait, so that the other one need not wait either.
  const readFd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  const writeFd = openSync(fifo, constants.O_WRONLY)
  return { file, writeFd, readFd, logFd }
}

/** Makes the streams. Throws when the folder holds a run already or cannot be written; then nothing was started. */
export const makeStdio = (dir: string, stdin: string): Stdio => {
  const stdinFd = input(dir, stdin)
  const fifos = [join(dir, "stdout.pipe"), join(dir, "stderr.pipe")] as const
  try {
    const made = spawnSync("mkfifo", ["-m", "600", ...fifos], { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" })
    if (made.error !== undefined) throw made.error
    if (made.status !== 0) throw new Error(made.stderr.trim())
    return { stdinFd, stdout: channel(dir, STDOUT_FILE, fifos[0]), stderr: channel(dir, STDERR_FILE, fifos[1]) }
  } finally {
    for (const fifo of fifos) rmSync(fifo, { force: true })
  }
}

/** Closes what only the command holds from now on: its pipes end when its last process has closed them. */
export const closeCommandEnds = (stdio: Stdio): void => {
  for (const fd of [stdio.stdinFd, stdio.stdout.writeFd, stdio.stderr.writeFd]) closeSync(fd)
}

/** Takes away the empty logs of a run that never began. The folder is as it was. */
export const removeLogs = (dir: string): void => {
  for (const file of [STDOUT_FILE, STDERR_FILE]) rmSync(join(dir, file), { force: true })
}
