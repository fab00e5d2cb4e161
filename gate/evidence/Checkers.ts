/**
 * The two programs that lie in every bundle, so that a stranger can decide it anew without the gate: `verify/recheck.sh` (jq and coreutils)
 * and `verify/verify.mjs` (node alone). They share no code with what they check, so they are bytes here and are never imported.
 *
 * A bundle could bring a program that agrees with everything. Whoever has this version can tell: `isOwn` compares bytes.
 */
import { readFileSync } from "node:fs"
import type { Files } from "./Files.ts"

export const checkerFiles = ["verify/recheck.sh", "verify/verify.mjs"] as const

let read: Files | null = null

/** The programs as this version ships them: beside this file, and beside the built program in `dist`. */
export const checkers = (): Files => (read ??= new Map(checkerFiles.map((path) => [path, readFileSync(new URL(`./${path}`, import.meta.url))])))

/** Whether both programs of a bundle are the ones that this version ships. */
export const isOwn = (files: Files): boolean =>
  [...checkers()].every(([path, bytes]) => {
    const there = files.get(path)
    return there !== undefined && Buffer.compare(there, bytes) === 0
  })
