/**
 * Loads the built product into a simulation: the text of `dist/image.js` as it was built, with the imports through which it would reach
 * the machine taken from the host. Mutants are patches of the same text.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Data } from "effect"
import { sha256 } from "../evidence/Canonical.ts"

/** Raised when the built product is not what the simulation, or a mutant, expects. */
export class ImageRefused extends Data.TaggedError("ImageRefused")<{ readonly why: string }> {
  override get message() {
    return `the built product cannot be simulated: ${this.why}`
  }
}

/** The modules that the host gives. Through no other one does the product reach the machine. */
export const ported = ["better-sqlite3", "node:fs", "node:fs/promises", "node:timers", "node:child_process", "node:net", "node:http", "node:https"] as const
export type Ported = (typeof ported)[number]

/** Where the loaded text finds its host. */
export const hostSymbol = "opsgate.simulation"

export interface Patch {
  readonly find: string
  readonly replace: string
}

/** Modules that only compute, or that say what stands in the image itself. Whatever is in neither list is refused. */
const own = new Set(["node:crypto", "node:module", "node:path", "node:url"])

const importLine = /^import (.+) from "([^"]+)";$/gm
// However it is written. `import(…)` of a name that is computed is of configured modules, and stays; one of a file beside it is in a comment.
const anyImport = /(?:^[ \t]*import\b[^"'`;]*|(?:await|return|=>|[=(,:])\s*import\(\s*)["'`]([^"'`.][^"'`]*)["'`]/gm

const isPorted = (specifier: string): boolean => ported.some((known) => known === specifier)

const bindingOf = (line: string, what: string, specifier: string): string => {
  const from = `globalThis[Symbol.for(${JSON.stringify(hostSymbol)})].modules[${JSON.stringify(specifier)}]`
  if (/^\{[^{}]+\}$/.test(what)) return `const ${what.replaceAll(" as ", ": ")} = ${from};`
  // One name: the default export. Any other form stays as it is, and is refused.
  return /^[\w$]+$/.test(what) ? `const ${what} = ${from};` : line
}

/** The text with its patches and its host. Throws `ImageRefused` when a patch does not fit exactly once, or an import would reach the machine. */
export const imageText = (text: string, patches: ReadonlyArray<Patch>): string => {
  const patched = patches.reduce((before, { find, replace }) => {
    const count = before.split(find).length - 1
    if (count !== 1) throw new ImageRefused({ why: `a patch fits ${count} times: ${find.slice(0, 80)}` })
    return before.replace(find, () => replace)
  }, text)
  const hosted = patched.replace(importLine, (line: string, what: string, specifier: string) => (isPorted(specifier) ? bindingOf(line, what, specifier) : line))
  for (const [, specifier = ""] of hosted.matchAll(anyImport)) {
    if (!own.has(specifier)) throw new ImageRefused({ why: `it imports ${specifier}, which no host gives` })
  }
  return hosted
}

/** Reads, patches and imports the image; a folder of the caller holds the copy. `name` tells copies apart. */
export const loadImage = async (file: string, dir: string, name: string, patches: ReadonlyArray<Patch> = []): Promise<{ readonly image: unknown; readonly digest: string }> => {
  const text = readFileSync(file, "utf8")
  const copy = join(dir, `image-${name}.mjs`)
  writeFileSync(copy, imageText(text, patches))
  const image: unknown = await import(pathToFileURL(copy).href)
  return { image, digest: sha256(text) }
}
