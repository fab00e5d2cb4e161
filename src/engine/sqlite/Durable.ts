/** Files that are there as a whole or not at all: written aside, synced, and moved into place with their folder synced. */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"

const synced = (path: string, flags: string): void => {
  const descriptor = openSync(path, flags)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

export const syncFile = (path: string): void => synced(path, "r+")

/** Makes names that were given in a folder survive a power cut. */
export const syncFolder = (path: string): void => synced(path, "r")

/** Moves a synced file to its name. What bore the name is gone. */
export const place = (from: string, to: string): void => {
  renameSync(from, to)
  syncFolder(dirname(to))
}

/** A name beside `file` for what is not finished; the process that writes it is in the name. */
export const unfinished = (file: string): string => join(dirname(file), `.${basename(file)}.${process.pid}.part`)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return !(cause instanceof Error && "code" in cause && cause.code === "ESRCH")
  }
}

/** Removes what processes that have ended left unfinished beside `file`. */
export const sweep = (file: string): void => {
  const folder = dirname(file)
  const start = `.${basename(file)}.`
  for (const name of readdirSync(folder)) {
    const [, pid] = name.startsWith(start) ? /^(\d+)\.part(?:-journal|-wal|-shm|\.lock|\.watermark)?$/.exec(name.slice(start.length)) ?? [] : []
    if (pid !== undefined && (Number(pid) === process.pid || !isAlive(Number(pid)))) rmSync(join(folder, name), { force: true })
  }
}

/** What SQLite and Opsgate keep beside a database, by the ends of their names. */
export const companions = ["-wal", "-shm", "-journal", ".watermark", ".lock"] as const

/** Removes a database that is not finished, with all that is beside it. */
export const discard = (file: string): void => ["", ...companions].forEach((end) => rmSync(`${file}${end}`, { force: true }))

/** Writes a small file so that it is there as a whole. */
export const writeWhole = (file: string, text: string): void => {
  const part = unfinished(file)
  try {
    writeFileSync(part, text, { mode: 0o600 })
    syncFile(part)
    place(part, file)
  } finally {
    if (existsSync(part)) rmSync(part, { force: true })
  }
}
