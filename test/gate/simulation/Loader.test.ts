import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it } from "vitest"
import { hostSymbol, imageText, loadImage, ported } from "../../../gate/simulation/Loader.ts"

const built = readFileSync(fileURLToPath(new URL("../../../dist/image.js", import.meta.url)), "utf8")
const dir = mkdtempSync(join(tmpdir(), "opsgate-loader-test-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const importsIn = (text: string): ReadonlyArray<string> => [...text.matchAll(/^\s*import\b[^"';]*?["']([^"']+)["']/gm)].map(([, name = ""]) => name)

describe("a patch", () => {
  it("that fits once is made, whatever the signs of its text", () => {
    expect(imageText("const a = 1\nconst b = 2\n", [{ find: "a = 1", replace: "a = $& $1" }])).toBe("const a = $& $1\nconst b = 2\n")
  })

  it.each([["nowhere", 0], ["const", 2]])("that fits not once is refused: %s", (find, count) => {
    expect(() => imageText("const a = 1\nconst b = 2\n", [{ find, replace: "" }])).toThrow(`the built product cannot be simulated: a patch fits ${count} times: ${find}`)
  })
})

describe("the imports of the image", () => {
  it("of what reaches the machine are taken from the host, all of them, and none of it is left", () => {
    const before = importsIn(built)
    const after = importsIn(imageText(built, []))
    // As it was built it reaches for the machine, or this says nothing.
    expect(before).toEqual(expect.arrayContaining(["better-sqlite3", "node:fs", "node:timers"]))
    expect(after.filter((name) => ported.some((known) => known === name || `node:${name}` === known))).toEqual([])
  })

  it.each([
    [`import * as fs from "node:fs";`, "node:fs"],
    [`import Sqlite, { SqliteError } from "better-sqlite3";`, "better-sqlite3"],
    [`import "node:dgram";`, "node:dgram"],
    [`import { createServer } from "node:tls";`, "node:tls"],
    [`import {\n  readFileSync\n} from 'node:fs';`, "node:fs"],
    [`const threads = await import("node:worker_threads");`, "node:worker_threads"]
  ])("are refused where no host gives what they ask for: %s", (line, name) => {
    expect(() => imageText(`const a = 1;\n${line}\n`, [])).toThrow(`it imports ${name}, which no host gives`)
  })

  it("are bound by the names that the image has for them", async () => {
    const symbol = Symbol.for(hostSymbol)
    const before: unknown = Reflect.get(globalThis, symbol)
    Reflect.set(globalThis, symbol, { modules: { "node:fs": { readFileSync: "a", statSync: "b" }, "better-sqlite3": "driver" } })
    writeFileSync(join(dir, "image.js"), `import { readFileSync as read, statSync } from "node:fs";\nimport Sqlite from "better-sqlite3";\nexport const found = [read, statSync, Sqlite];\n`)
    const { image } = await loadImage(join(dir, "image.js"), dir, "bound")
    Reflect.set(globalThis, symbol, before)
    expect(image).toMatchObject({ found: ["a", "b", "driver"] })
  })
})
