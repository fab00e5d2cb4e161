/** A bundle as one file that can be sent: the same bytes for the same bundle, whoever packs it and whatever touched its files since. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Either, Schema } from "effect"
import { readFiles } from "./Files.ts"
import { Manifest, manifestFile } from "./Manifest.ts"
import { tarOf } from "./Tar.ts"

/** Raised when a folder cannot be packed as a bundle. Nothing was written. */
export class BundleNotPacked extends Schema.TaggedError<BundleNotPacked>()("BundleNotPacked", {
  dir: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.dir} cannot be packed: ${this.why}`
  }
}

export interface Packed {
  /** `evidence-<version>-<commit12>.tar`; everything in it lies in a folder of that name. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** Packs the bundle in `dir`. It checks nothing of what the bundle says; refused when there is no manifest or a file that no bundle has. */
export const packBundle = (dir: string): Either.Either<Packed, BundleNotPacked> =>
  Either.gen(function*() {
    const refuse = (why: string) => new BundleNotPacked({ dir, why })
    const { manifest, read } = yield* Either.try({
      try: () => ({ manifest: readFileSync(join(dir, manifestFile), "utf8"), read: readFiles(dir) }),
      catch: (cause) => refuse(cause instanceof Error ? cause.message : String(cause))
    })
    const [problem] = read.problems
    if (problem !== undefined) return yield* Either.left(refuse(problem))
    const { commit, product } = yield* Either.mapLeft(Schema.decodeUnknownEither(Schema.parseJson(Manifest))(manifest), () => refuse(`its ${manifestFile} is not one`))
    // A version is free text in a manifest, and here part of a file name.
    const folder = `evidence-${product.version.replace(/[^A-Za-z0-9.+-]/g, "_")}-${commit.slice(0, 12)}`
    const entries = [...read.files].map(([path, content]) => [`${folder}/${path}`, { content, executable: false }] as const)
    const bytes = yield* Either.mapLeft(tarOf(new Map(entries)), ({ message }) => refuse(message))
    return { name: `${folder}.tar`, bytes }
  })
