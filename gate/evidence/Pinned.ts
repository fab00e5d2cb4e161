/** The keys that a verifier trusts: the public keys of a folder, and which of them are retired (`rotations/` in it). */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Either } from "effect"
import { KeyRefused, type PinnedKey, publicKeysIn } from "./Keys.ts"
import { readRotation, type Rotation } from "./Rotation.ts"

export const rotationsFolder = "rotations"
export const rotationSuffix = ".dsse.json"

/** Refused as a whole when a file in it is no Ed25519 public key, or a rotation is not what its key signed. */
export const loadPinnedKeys = (dir: string): Either.Either<ReadonlyArray<PinnedKey>, KeyRefused> =>
  Either.gen(function*() {
    const keys = yield* publicKeysIn(dir)
    const rotations = yield* rotationsIn(dir, keys)
    return keys.map((key): PinnedKey => {
      // The first end counts: a key that was retired cannot sign itself a longer life.
      const [first] = rotations.filter(({ retired }) => retired === key.fingerprint).sort((a, b) => a.at_ms - b.at_ms)
      return first === undefined ? key : { ...key, retired: { at_ms: first.at_ms, successor: first.successor } }
    })
  })

const rotationsIn = (dir: string, keys: ReadonlyArray<PinnedKey>): Either.Either<ReadonlyArray<Rotation>, KeyRefused> =>
  namesIn(join(dir, rotationsFolder)).pipe(
    Either.flatMap((names) => Either.all(names.map((name) => rotationAt(join(dir, rotationsFolder, name), keys)))),
    Either.map((found) => found.filter((rotation) => rotation !== null))
  )

const rotationAt = (file: string, keys: ReadonlyArray<PinnedKey>) =>
  Either.try({ try: () => readFileSync(file, "utf8"), catch: (cause) => new KeyRefused({ file, why: String(cause) }) }).pipe(Either.flatMap((text) => readRotation(file, text, keys)))

const namesIn = (folder: string): Either.Either<ReadonlyArray<string>, KeyRefused> => {
  try {
    return Either.right(readdirSync(folder).filter((name) => name.endsWith(rotationSuffix)).sort())
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? Either.right([]) : Either.left(new KeyRefused({ file: folder, why: String(cause) }))
  }
}
