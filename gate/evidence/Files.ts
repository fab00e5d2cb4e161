/**
 * The files of a bundle as bytes: which names they may have, reading them all once, and writing them so that
 * a bundle appears whole or not at all. Everything after reading works on these bytes, so a file that changes
 * on disk during a check cannot be judged in two versions.
 */
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs"
import { dirname, join } from "node:path"
import { Either, Schema } from "effect"

/** Path inside the bundle, with `/`, to content. */
export type Files = ReadonlyMap<string, Uint8Array>

/** Raised when a bundle could not be written. No bundle is at `dir`, except if one was there before. */
export class BundleNotWritten extends Schema.TaggedError<BundleNotWritten>()("BundleNotWritten", {
  dir: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `no bundle was written to ${this.dir}: ${this.why}`
  }
}

/** Larger files are refused when reading: text of that size does not fit in a string. */
export const fileBytesMax = 400 * 1024 * 1024

/** Names that need no quoting anywhere: not in a shell, not in SHA256SUMS, not in a sentence. No part starts with a dot. */
export const isPath = (path: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/.test(path)

/** C order: by bytes, as `LC_ALL=C sort` does. Paths are ASCII, so code units are bytes. */
export const inOrder = (paths: Iterable<string>): ReadonlyArray<string> => [...paths].sort()

/** All files below `dir`. What is no regular file with a plain name is not read but named in `problems`. */
export const readFiles = (dir: string): { readonly files: Files; readonly problems: ReadonlyArray<string> } => {
  const files = new Map<string, Uint8Array>()
  const problems: Array<string> = []
  const visit = (folder: string) => {
    for (const entry of readdirSync(join(dir, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      if (entry.isSymbolicLink()) problems.push(`${path} is a symbolic link; a bundle holds plain files only`)
      else if (!isPath(path)) problems.push(`${path} is not a name that a bundle uses`)
      else if (entry.isDirectory()) visit(path)
      else if (!entry.isFile()) problems.push(`${path} is not a plain file`)
      else if (lstatSync(join(dir, path)).size > fileBytesMax) problems.push(`${path} is larger than ${fileBytesMax} bytes`)
      else files.set(path, readFileSync(join(dir, path)))
    }
  }
  visit("")
  return { files, problems }
}

/**
 * Writes a directory of files. They are written and synced under `<dir>.partial`, which is then renamed, so a
 * crash leaves either no bundle or a whole one. An existing `dir` is refused: evidence is never overwritten.
 */
export const writeFiles = (dir: string, files: Files): Either.Either<void, BundleNotWritten> =>
  Either.try({
    try: () => {
      if (lstatSync(dir, { throwIfNoEntry: false }) !== undefined) throw new Error("it exists already")
      const partial = `${dir}.partial`
      rmSync(partial, { recursive: true, force: true })
      const folders = new Set([partial])
      for (const [path, content] of files) {
        const file = join(partial, path)
        mkdirSync(dirname(file), { recursive: true })
        for (let folder = dirname(file); folder !== partial; folder = dirname(folder)) folders.add(folder)
        writeSynced(file, content)
      }
      for (const folder of folders) sync(folder)
      renameSync(partial, dir)
      sync(dirname(dir))
    },
    catch: (cause) => new BundleNotWritten({ dir, why: cause instanceof Error ? cause.message : String(cause) })
  })

const writeSynced = (file: string, content: Uint8Array): void => {
  const descriptor = openSync(file, "wx", 0o644)
  try {
    // One call may write less than it was given.
    for (let done = 0; done < content.byteLength;) done += writeSync(descriptor, content, done)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

const sync = (folder: string): void => {
  const descriptor = openSync(folder, "r")
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
