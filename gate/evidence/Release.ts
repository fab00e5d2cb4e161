/**
 * The thing that is judged, as bytes with a name: what the package ships, packed the same way every time, or a file that somebody
 * names. Whoever deploys compares its digest with what was signed, so it must be the bytes that go out.
 */
import { createHash } from "node:crypto"
import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs"
import { basename, join } from "node:path"
import { Either, Schema } from "effect"
import { sha256 } from "./Canonical.ts"
import { isPath } from "./Files.ts"
import { isReleaseName } from "./Manifest.ts"
import { gzipped, type TarEntry, tarOf } from "./Tar.ts"

/** Raised when there is no artifact that could be judged. Nothing was written. */
export class ReleaseRefused extends Schema.TaggedError<ReleaseRefused>()("ReleaseRefused", { why: Schema.String }) {
  override get message() {
    return `there is no release artifact: ${this.why}`
  }
}

export interface Release {
  /** A file name; subjects of statements are called by it. */
  readonly name: string
  /** A package URL (purl). */
  readonly uri: string
  readonly sha256: string
  readonly bytes: number
  /** Of the archive before it was compressed; null for a file that was not packed here, of whose making nothing is known. */
  readonly tar_sha256: string | null
  /** Null when it is too large to be kept with the evidence. */
  readonly content: Uint8Array | null
}

/** Where it lies in a bundle that keeps it. */
export const releaseFileOf = (name: string): string => `release/${name}`

/** Larger files are named by their digest alone; no bundle could hold them. */
export const artifactBytesMax = 20_000_000

const Package = Schema.parseJson(Schema.Struct({ name: Schema.NonEmptyString, version: Schema.NonEmptyString, files: Schema.Array(Schema.NonEmptyString) }))

/** What `npm pack` adds to every package whether it is asked for or not. */
const always: ReadonlyArray<string> = ["package.json", "README.md", "LICENSE"]

/**
 * Packs what `package.json` in `root` ships, under `package/` as npm does, so that `npm install FILE` takes it. Of the patterns of npm it knows
 * names, and names behind a `!`. Refused when something that is shipped is missing, is no plain file, or has a name that needs quoting.
 */
export const packRelease = (root: string): Either.Either<Release, ReleaseRefused> =>
  Either.gen(function*() {
    const text = yield* attempt(() => readFileSync(join(root, "package.json"), "utf8"))
    const { files, name, version } = yield* Either.mapLeft(Schema.decodeUnknownEither(Package)(text), () => new ReleaseRefused({ why: "package.json does not say what is shipped" }))
    const entries = new Map<string, TarEntry>()
    const without = new Set(files.filter((path) => path.startsWith("!")).map((path) => path.slice(1)))
    for (const path of [...always, ...files.filter((one) => !one.startsWith("!"))]) yield* collect(root, path, without, entries)
    const tar = yield* Either.mapLeft(tarOf(entries), ({ message }) => new ReleaseRefused({ why: message }))
    const content = gzipped(tar)
    const uri = `pkg:npm/${name.replace("@", "%40")}@${version}`
    return { name: `${name.replace("@", "").replace("/", "-")}-${version}.tgz`, uri, sha256: sha256(content), bytes: content.byteLength, tar_sha256: sha256(tar), content }
  })

const collect = (root: string, path: string, without: ReadonlySet<string>, entries: Map<string, TarEntry>): Either.Either<void, ReleaseRefused> =>
  Either.gen(function*() {
    if (without.has(path)) return
    const place = join(root, path)
    const stats = yield* attempt(() => lstatSync(place))
    if (!isPath(path)) return yield* Either.left(new ReleaseRefused({ why: `${path} is not a plain name` }))
    if (stats.isDirectory()) {
      for (const name of yield* attempt(() => readdirSync(place))) yield* collect(root, `${path}/${name}`, without, entries)
      return
    }
    if (!stats.isFile()) return yield* Either.left(new ReleaseRefused({ why: `${path} is not a plain file` }))
    entries.set(`package/${path}`, { content: yield* attempt(() => readFileSync(place)), executable: (stats.mode & 0o111) !== 0 })
  })

/** A file that somebody wants judged. It is read once, in pieces; one that is too large for a bundle is named by its digest. */
export const readRelease = (file: string): Either.Either<Release, ReleaseRefused> =>
  Either.gen(function*() {
    const name = basename(file)
    if (!isReleaseName(name)) return yield* Either.left(new ReleaseRefused({ why: `${name} is not a name that an artifact may have` }))
    const { bytes, content, digest } = yield* attempt(() => readOnce(file))
    return { name, uri: `pkg:generic/${name}?checksum=sha256:${digest}`, sha256: digest, bytes, tar_sha256: null, content }
  })

const pieceBytes = 1024 * 1024

/** The digest of a file that may be large; throws when it is no plain file. */
export const readOnce = (file: string): { readonly digest: string; readonly bytes: number; readonly content: Uint8Array | null } => {
  const descriptor = openSync(file, "r")
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${file} is not a plain file`)
    const hash = createHash("sha256")
    const pieces: Array<Uint8Array> = []
    let bytes = 0
    for (;;) {
      const piece = Buffer.alloc(pieceBytes)
      const read = readSync(descriptor, piece)
      if (read === 0) break
      hash.update(piece.subarray(0, read))
      bytes += read
      if (bytes <= artifactBytesMax) pieces.push(piece.subarray(0, read))
    }
    return { digest: hash.digest("hex"), bytes, content: bytes <= artifactBytesMax ? Buffer.concat(pieces) : null }
  } finally {
    closeSync(descriptor)
  }
}

const attempt = <A>(act: () => A): Either.Either<A, ReleaseRefused> =>
  Either.try({ try: act, catch: (cause) => new ReleaseRefused({ why: cause instanceof Error ? cause.message : String(cause) }) })
