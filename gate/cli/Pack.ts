/** `opsgate evidence pack`: a bundle as one file, the same bytes whoever packs it. */
import { existsSync, linkSync, rmSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { Effect, Either } from "effect"
import { digestOf } from "../evidence/Canonical.ts"
import { type Files, isPath } from "../evidence/Files.ts"
import { tarOf } from "../evidence/Tar.ts"
import { verifyOpened } from "../evidence/Verifier.ts"
import { claimsOf, verifyLine } from "./Claims.ts"
import { type House, orRefused, pinnedOf, places, printJson, printLine, refused, words, type WordsRefused } from "./House.ts"
import { opened } from "./Inspect.ts"

export const packUsage = "opsgate evidence pack BUNDLE [--out FILE] [--key PUBLIC_KEY]… [--json]"

/** Packs whatever it says; a folder that holds more than plain files is refused, since not all of it could be packed. */
export const packVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { out: { type: "string" }, key: { type: "string", multiple: true, default: [] }, json: { type: "boolean", default: false } } })
    const [named] = yield* places(positionals, ["BUNDLE"], `usage: ${packUsage}`)
    const dir = resolve(named)
    const bundle = yield* opened(dir)
    const [problem] = bundle.problems
    if (problem !== undefined) return yield* refused(`${named} cannot be packed: ${problem}`)
    const verification = verifyOpened(bundle, { pinned: yield* pinnedOf(house, values.key) })
    const file = resolve(values.out ?? `${dir}.tar`)
    if (existsSync(file)) return yield* refused(`${file} is there already`)
    const top = topOf(bundle.files)
    const tar = yield* orRefused(tarOf(new Map([...bundle.files].map(([path, content]) => [`${top}/${path}`, { content, executable: isProgram(content) }]))))
    yield* orRefused(laid(file, tar))
    const told = { file, bytes: tar.byteLength, sha256: digestOf(tar), files: bundle.files.size, verify: verifyLine(verification) }
    if (values.json) printJson(house, told)
    else [`${told.sha256}  ${file}`, `${told.files} files, ${told.bytes} bytes; opsgate verify of the folder: ${told.verify}`].forEach((line) => printLine(house, line))
    return 0
  })

/** The folder in the archive: by what the bundle is about and not by where it lay, so that copies give the same bytes. */
const topOf = (files: Files): string => {
  const { about, version } = claimsOf(files)
  const name = `evidence-${version ?? "unknown"}-${about?.commit.slice(0, 12) ?? "unknown"}`
  return isPath(name) && !name.includes("/") ? name : "evidence"
}

// A file is a program by what it says, not by its mode: copies lose modes, and the bytes of the archive must not depend on them.
const isProgram = (content: Uint8Array): boolean => content[0] === 0x23 && content[1] === 0x21

// Whole or not at all, and never over a file that is there.
const laid = (file: string, content: Uint8Array): Either.Either<void, { readonly message: string }> =>
  Either.try({
    try: () => {
      const partial = `${file}.${process.pid}.partial`
      try {
        writeFileSync(partial, content, { flag: "wx" })
        linkSync(partial, file)
      } finally {
        rmSync(partial, { force: true })
      }
    },
    catch: (cause) => ({ message: `${file} was not written: ${cause instanceof Error ? cause.message : String(cause)}` })
  })
