/** Lays public keys, and the ends of keys, where verifiers look for them. Committing them is the act of trust. */
import type { KeyObject } from "node:crypto"
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs"
import { dirname, join } from "node:path"
import { Either } from "effect"
import { fingerprint, KeyRefused, type PinnedKey, publicPem } from "../evidence/Keys.ts"
import { rotationsFolder, rotationSuffix } from "../evidence/Pinned.ts"

/** A short name for files, from the fingerprint. */
const shortName = (print: string): string => print.slice("SHA256:".length).replace(/[^A-Za-z0-9]/g, "").slice(0, 12).toLowerCase()

export const pinName = (key: KeyObject): string => `${shortName(fingerprint(key))}.pub.pem`

/** Lays the public half beside the pinned ones. Answers the name of the file; null when the key is pinned already. */
export const pinPublic = (dir: string, pinned: ReadonlyArray<PinnedKey>, key: KeyObject): Either.Either<string | null, KeyRefused> => {
  if (pinned.some((candidate) => candidate.fingerprint === fingerprint(key))) return Either.right(null)
  return Either.map(lay(join(dir, pinName(key)), publicPem(key)), () => pinName(key))
}

/** Lays the statement of a rotation. Answers its path. */
export const pinRotation = (dir: string, retired: KeyObject, successor: KeyObject, text: string): Either.Either<string, KeyRefused> => {
  const file = join(dir, rotationsFolder, `${shortName(fingerprint(retired))}-${shortName(fingerprint(successor))}${rotationSuffix}`)
  return Either.map(lay(file, text), () => file)
}

// Whole or not at all: half a key among the pinned ones would refuse all of them.
const lay = (file: string, text: string): Either.Either<void, KeyRefused> =>
  Either.try({
    try: () => {
      mkdirSync(dirname(file), { recursive: true })
      const descriptor = openSync(`${file}.partial`, "w", 0o644)
      try {
        writeSync(descriptor, text)
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      renameSync(`${file}.partial`, file)
    },
    catch: (cause) => new KeyRefused({ file, why: cause instanceof Error ? cause.message : String(cause) })
  })
