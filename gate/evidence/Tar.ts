/**
 * A tar writer that gives the same bytes for the same files, whoever packs them, when and where: POSIX.1-2017 `ustar`
 * (pax, "ustar Interchange Format"), names in C order, no time, no owner, mode 0644 or 0755.
 */
import { gzipSync } from "node:zlib"
import { Either, Schema } from "effect"
import { inOrder } from "./Files.ts"

/** Raised when a name has no place in a `ustar` header. Nothing was packed. */
export class NotPackable extends Schema.TaggedError<NotPackable>()("NotPackable", {
  path: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.path} cannot be packed: ${this.why}`
  }
}

export interface TarEntry {
  readonly content: Uint8Array
  readonly executable: boolean
}

const block = 512
/** An archive is filled up to a multiple of this, as `tar` does by default. */
const record = 20 * block
const nameBytesMax = 100
const prefixBytesMax = 155
// Eleven octal digits.
const contentBytesMax = 8 ** 11 - 1

/** The archive of these files, by path with `/`. Refused when a name is longer than `ustar` can spell. */
export const tarOf = (entries: ReadonlyMap<string, TarEntry>): Either.Either<Uint8Array, NotPackable> =>
  Either.gen(function*() {
    const parts: Array<Uint8Array> = []
    let bytes = 0
    const add = (part: Uint8Array) => {
      parts.push(part)
      bytes += part.byteLength
    }
    for (const path of inOrder(entries.keys())) {
      const { content, executable } = entries.get(path) ?? { content: new Uint8Array(), executable: false }
      add(yield* headerOf(path, content.byteLength, executable))
      add(content)
      add(new Uint8Array((block - (content.byteLength % block)) % block))
    }
    // Two empty blocks are the end.
    add(new Uint8Array(2 * block))
    add(new Uint8Array((record - (bytes % record)) % record))
    return Buffer.concat(parts)
  })

/** The same, compressed: no name and no time in its header. Its bytes depend on the zlib at hand, those of the tar do not. */
export const gzipped = (tar: Uint8Array): Uint8Array => gzipSync(tar, { level: 9 })

const headerOf = (path: string, size: number, executable: boolean): Either.Either<Uint8Array, NotPackable> =>
  Either.gen(function*() {
    if (!/^[\x21-\x7e]+$/.test(path)) return yield* Either.left(new NotPackable({ path, why: "its name is not plain ASCII" }))
    if (size > contentBytesMax) return yield* Either.left(new NotPackable({ path, why: "it is larger than a tar can say" }))
    const { name, prefix } = yield* splitOf(path)
    const header = Buffer.alloc(block)
    header.write(name, 0, "ascii")
    header.write(`${executable ? "0000755" : "0000644"}\0`, 100, "ascii")
    header.write("0000000\0", 108, "ascii")
    header.write("0000000\0", 116, "ascii")
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "ascii")
    header.write("00000000000\0", 136, "ascii")
    // The sum is taken with blanks in its own place.
    header.write("        ", 148, "ascii")
    header.write("0", 156, "ascii")
    header.write("ustar\x0000", 257, "ascii")
    header.write("0000000\0", 329, "ascii")
    header.write("0000000\0", 337, "ascii")
    header.write(prefix, 345, "ascii")
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "ascii")
    return header
  })

// A path of more than 100 bytes is cut at a slash: what is before it goes into the prefix.
const splitOf = (path: string): Either.Either<{ readonly name: string; readonly prefix: string }, NotPackable> => {
  if (path.length <= nameBytesMax) return Either.right({ name: path, prefix: "" })
  const cut = path.indexOf("/", path.length - nameBytesMax - 1)
  return cut > 0 && cut <= prefixBytesMax
    ? Either.right({ name: path.slice(cut + 1), prefix: path.slice(0, cut) })
    : Either.left(new NotPackable({ path, why: "its name is too long" }))
}
