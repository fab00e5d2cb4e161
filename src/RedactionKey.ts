/**
 * The key under which redacted values are marked: drawn once for a data folder, readable by its owner alone. Whoever has it can try
 * what a mark stands for; without it equal values still look alike, and nothing can be tried. Lost, it is drawn anew: old marks and new
 * ones then differ.
 */
import { linkSync, lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { plainly, type Redactor, redactorFor } from "./domain/Redaction.ts"

const keyBytes = 32
const form = /^[0-9a-f]{64}\n?$/

export const redactionKeyFile = (folder: string): string => join(folder, "redaction.key")

/** The key of a folder; null when there is none that can be read and that nobody else can. */
const readKey = (folder: string): string | null => {
  const path = redactionKeyFile(folder)
  try {
    const stat = lstatSync(path)
    // What others can read tells them what the marks stand for: then the marks tell nothing.
    if (!stat.isFile() || (stat.mode & 0o077) !== 0) return null
    const text = readFileSync(path, "utf8")
    return form.test(text) ? text.trim() : null
  } catch {
    return null
  }
}

// A whole file appears under the name, or none: two processes that begin together end up with one key.
const drawKey = (folder: string): void => {
  const path = redactionKeyFile(folder)
  const draft = `${path}.${process.pid}`
  try {
    writeFileSync(draft, `${Buffer.from(crypto.getRandomValues(new Uint8Array(keyBytes))).toString("hex")}\n`, { mode: 0o600, flag: "wx" })
    linkSync(draft, path)
  } catch {
    // Another process was faster, or the folder takes no files: then secrets all look alike.
  } finally {
    rmSync(draft, { force: true })
  }
}

/** For whoever only reads: nothing is made. */
export const redactorIn = (folder: string): Redactor => redactorFor(readKey(folder))

/** For whoever writes: draws the key if there is none. */
export const keyedRedactorIn = (folder: string): Redactor => {
  const known = readKey(folder)
  if (known !== null) return redactorFor(known)
  drawKey(folder)
  const drawn = readKey(folder)
  return drawn === null ? plainly : redactorFor(drawn)
}
