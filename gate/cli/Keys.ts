/** `opsgate keys create | show | rotate`: the key that signs evidence, and where it is trusted (`docs/adr/0006-signing-keys.md`, `0017-key-rotation.md`). */
import { createPublicKey, type KeyObject } from "node:crypto"
import { existsSync, linkSync, readFileSync, renameSync } from "node:fs"
import { join, resolve } from "node:path"
import { Clock, DateTime, Effect, Either } from "effect"
import { fingerprint, generateKey, loadPrivateKey, loadPublicKey, type PinnedKey, publicPem, publicSsh } from "../evidence/Keys.ts"
import { loadPinnedKeys } from "../evidence/Pinned.ts"
import { signRotation } from "../evidence/Rotation.ts"
import { type House, orRefused, places, printJson, printLine, refused, words, type WordsRefused } from "./House.ts"
import { pinName, pinPublic, pinRotation } from "./Pin.ts"

export const createUsage = "opsgate keys create [--out FILE] [--json]"
export const showUsage = "opsgate keys show [FILE] [--json]"
export const rotateUsage = "opsgate keys rotate [--key FILE] [--json]"

const json = { type: "boolean", default: false } as const

/** Makes a key; one that is there is left alone. */
export const createVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { out: { type: "string" }, json } })
    yield* places(positionals, [], `usage: ${createUsage}`)
    const file = resolve(values.out ?? house.keyFile)
    const pinned = yield* orRefused(loadPinnedKeys(house.pinnedDir))
    if (existsSync(file)) return yield* refused(`${file} is there already, and no key is overwritten: opsgate keys show, or opsgate keys rotate`)
    const key = yield* orRefused(generateKey(file))
    const told = about(file, key, pinned)
    if (values.json) printJson(house, told)
    else [`made ${file}, which its owner alone may read: whoever reads it can sign a GO`, ...linesOf(told, house.pinnedDir, pinName(key))].forEach((line) => printLine(house, line))
    return 0
  })

/** Shows a key, private or public, and whether it is trusted here. Exit 1 when the folder of trusted keys cannot be trusted itself. */
export const showVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { json } })
    const [named] = positionals.length === 0 ? [undefined] : yield* places(positionals, ["FILE"], `usage: ${showUsage}`)
    const file = resolve(named ?? house.keyFile)
    if (!existsSync(file)) return yield* refused(`there is no key ${file}: opsgate keys create makes one`)
    const key = yield* orRefused(isPrivate(file) ? loadPrivateKey(file) : Either.map(loadPublicKey(file), (found) => found.key))
    const pinned = loadPinnedKeys(house.pinnedDir)
    if (Either.isLeft(pinned)) {
      house.progress.say(pinned.left.message)
      return 1
    }
    const told = about(file, key, pinned.right)
    if (values.json) printJson(house, told)
    else linesOf(told, house.pinnedDir, pinName(key)).forEach((line) => printLine(house, line))
    return 0
  })

/**
 * A new key takes the place of the old one, which signs that it is retired from now on. The old file is kept beside. A rotation that was
 * interrupted is finished by the next one: nothing is ever without a key, and no key is made twice.
 */
export const rotateVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { key: { type: "string" }, json } })
    yield* places(positionals, [], `usage: ${rotateUsage}`)
    const file = resolve(values.key ?? house.keyFile)
    if (!existsSync(file)) return yield* refused(`there is no key ${file} to rotate: opsgate keys create makes one`)
    const dir = house.pinnedDir
    const old = yield* orRefused(loadPrivateKey(file))
    const pinned = yield* orRefused(loadPinnedKeys(dir))
    const next = `${file}.next`
    const begun = existsSync(next) ? yield* orRefused(loadPrivateKey(next)) : null
    const { retired } = pinned.find((one) => one.fingerprint === fingerprint(old)) ?? {}
    if (retired !== undefined && (begun === null || retired.successor !== fingerprint(begun))) return yield* refused(`${fingerprint(old)} was retired on ${instant(retired.at_ms)} already, and ${retired.successor} signs in its place`)
    const key = begun ?? (yield* orRefused(generateKey(next)))
    const atMs = retired?.at_ms ?? (yield* Clock.currentTimeMillis)
    // Both halves first: a statement about a key that nobody trusts would retire nothing.
    yield* orRefused(pinPublic(dir, pinned, old))
    yield* orRefused(pinPublic(dir, pinned, key))
    const statement = yield* orRefused(Either.flatMap(signRotation(old, key, atMs), (text) => pinRotation(dir, old, key, text)))
    const kept = `${file}.retired-${instant(atMs).replace(/[-:.]/g, "")}`
    yield* Effect.try({
      try: () => {
        if (!existsSync(kept)) linkSync(file, kept)
        renameSync(next, file)
      },
      catch: (cause) => refused(`${fingerprint(old)} is retired, and ${next} did not take its place yet (${cause instanceof Error ? cause.message : String(cause)}): opsgate keys rotate goes on from there`)
    })
    const told = { ...about(file, key, yield* orRefused(loadPinnedKeys(dir))), retired_key: { fingerprint: fingerprint(old), at_ms: atMs, file: kept, statement } }
    if (values.json) printJson(house, told)
    else {
      const lines = [`retired    ${fingerprint(old)} on ${instant(atMs)}; its private key is now ${kept}`, `statement  ${statement}, signed by the retired key`, ...linesOf(told, dir, pinName(key)), `commit what is new in ${dir}: evidence that ended before verifies as before, and what the old key signs from now on does not`]
      lines.forEach((line) => printLine(house, line))
    }
    return 0
  })

interface About {
  readonly file: string
  readonly private: boolean
  readonly fingerprint: string
  readonly ssh: string
  readonly pem: string
  /** The file that pins it; null when none here does. */
  readonly pinned_as: string | null
  readonly retired: { readonly at_ms: number; readonly successor: string } | null
  /** Keys that were retired in favour of this one. */
  readonly succeeds: ReadonlyArray<{ readonly fingerprint: string; readonly at_ms: number }>
}

const about = (file: string, key: KeyObject, pinned: ReadonlyArray<PinnedKey>): About => {
  const print = fingerprint(key)
  const known = pinned.find((one) => one.fingerprint === print)
  return {
    file,
    private: key.type === "private",
    fingerprint: print,
    ssh: publicSsh(key),
    pem: publicPem(key.type === "private" ? createPublicKey(key) : key),
    pinned_as: known?.name ?? null,
    retired: known?.retired ?? null,
    succeeds: pinned.flatMap((one) => (one.retired?.successor === print ? [{ fingerprint: one.fingerprint, at_ms: one.retired.at_ms }] : []))
  }
}

const linesOf = ({ file, fingerprint: print, pem, pinned_as, private: isSecret, retired, ssh, succeeds }: About, dir: string, name: string): ReadonlyArray<string> => [
  `key        ${file} (${isSecret ? "private" : "public"}, ed25519)`,
  `name       ${print}`,
  `pinned     ${pinned_as ?? `NOT HERE: lay its public half as ${join(dir, name)} and commit it (the first gate run with this key lays it there)`}`,
  ...(retired === null ? [] : [`retired    on ${instant(retired.at_ms)}; ${retired.successor} signs in its place`]),
  ...succeeds.map((one) => `succeeds   ${one.fingerprint}, retired on ${instant(one.at_ms)}, as that key has signed`),
  `ssh        ${ssh}`,
  ...pem.trimEnd().split("\n")
]

const instant = (ms: number): string => DateTime.make(ms).pipe((at) => (at._tag === "Some" ? DateTime.formatIso(at.value) : `${ms} ms`))

const isPrivate = (file: string): boolean => {
  try {
    return /PRIVATE KEY/.test(readFileSync(file, "utf8"))
  } catch {
    return false
  }
}
