/** Whether what is simulated is what is shipped: the files of src that each program was built from, as the build wrote them down. */
import { readFileSync } from "node:fs"
import { Either, Schema } from "effect"
import { sha256 } from "../evidence/Canonical.ts"
import { ImageRefused } from "./Loader.ts"

const Files = Schema.Record({ key: Schema.String, value: Schema.String })
const Modules = Schema.parseJson(Schema.Struct({ opsgate: Files, index: Files, image: Files }))

/** What stands in for the machine, and is not shipped. */
export const ports: ReadonlyArray<string> = ["src/Image.ts"]

export interface SameProduct {
  /** Files of src in the image, without its ports. */
  readonly modules: number
  /** SHA-256 over the names and digests of these, in the image and as they are shipped. Equal, or the image is refused. */
  readonly image: string
  readonly shipped: string
}

const digestOf = (files: ReadonlyArray<readonly [string, string]>): string => sha256(files.map(([name, digest]) => `${digest}  ${name}\n`).join(""))

/** Compares by `dist/modules.json`. Throws `ImageRefused` when the image holds what is not shipped, or nothing. */
export const sameProduct = (modulesFile: string): SameProduct => {
  const read = Either.try(() => readFileSync(modulesFile, "utf8"))
  const decoded = Either.flatMap(read, Schema.decodeUnknownEither(Modules))
  if (Either.isLeft(decoded)) throw new ImageRefused({ why: `${modulesFile} does not say what was built from what: npm run build` })
  const { image, index, opsgate } = decoded.right
  const own = Object.entries(image).filter(([name]) => !ports.includes(name))
  const shipped = own.map(([name]) => [name, opsgate[name] ?? index[name] ?? ""] as const)
  const [one, other] = [digestOf(own), digestOf(shipped)]
  const odd = shipped.find(([name, digest]) => digest !== image[name])
  if (odd !== undefined || own.length === 0) throw new ImageRefused({ why: odd === undefined ? "its list of files is empty" : `${odd[0]} is not what is shipped` })
  return { modules: own.length, image: one, shipped: other }
}
