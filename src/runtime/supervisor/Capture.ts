/**
 * One output of the command on its way to a log: all of it is counted and hashed, the beginning is stored.
 *
 * Writing is synchronous, which is the backpressure: while the disk is busy nothing is read, and the command
 * waits at a full pipe. A disk that is full ends the storing, not the command: the digest still covers all.
 */
import { createHash } from "node:crypto"
import { closeSync, fsyncSync, writeSync } from "node:fs"
import { Socket } from "node:net"
import type { Output } from "./ExitRecord.ts"

export interface Capture {
  /** Resolves when nobody can write to the pipe any more. */
  readonly ended: Promise<void>
  /** Bytes that came so far. */
  readonly seen: () => number
  /** Stops reading, syncs the log and says what was seen. Throws when the log may not be on the disk. */
  readonly close: () => Output
}

/** Stores what fits below the cap. Answers how much that was and whether there is room for more. */
const store = (fd: number, chunk: Buffer, room: number): { readonly stored: number; readonly open: boolean } => {
  const wanted = Math.min(room, chunk.length)
  let stored = 0
  try {
    while (stored < wanted) stored += writeSync(fd, chunk, stored, wanted - stored)
  } catch {
    // Full or broken: `stored_bytes` below `bytes` says so, and a log with a hole would be worse than a short one.
    return { stored, open: false }
  }
  return { stored, open: stored < room }
}

/** Reads the pipe until its end. Takes over both descriptors. */
export const capture = (pipeFd: number, logFd: number, file: string, capBytes: number): Capture => {
  const hash = createHash("sha256")
  const socket = new Socket({ fd: pipeFd, readable: true, writable: false })
  let bytes = 0
  let storedBytes = 0
  let open = true
  socket.on("data", (chunk: Buffer) => {
    hash.update(chunk)
    bytes += chunk.length
    if (!open) return
    const step = store(logFd, chunk, capBytes - storedBytes)
    storedBytes += step.stored
    open = step.open
  })
  const ended = new Promise<void>((resolve) => {
    // An error on reading a pipe ends it as its end does; "close" follows either.
    socket.on("error", () => resolve())
    socket.on("close", () => resolve())
  })
  return {
    ended,
    seen: () => bytes,
    close: () => {
      socket.destroy()
      fsyncSync(logFd)
      closeSync(logFd)
      return { bytes, stored_bytes: storedBytes, sha256: hash.digest("hex"), file }
    }
  }
}
