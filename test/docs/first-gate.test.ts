import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { blocksOf, commandsOf, comparing, project, read, root, shell } from "./Tutorial.ts"

const page = "docs/your-first-gate.md"
const blocks = blocksOf(read(page))
const folder = project()
// A gate of its own: it lays the public half of a new key beside the pinned ones.
const house = mkdtempSync(join(tmpdir(), "opsgate-first-gate-"))
for (const part of ["dist", "scorecards"]) cpSync(join(root, part), join(house, part), { recursive: true })
for (const file of ["README.md", "LICENSE"]) cpSync(join(root, file), join(house, file))
writeFileSync(join(house, "package.json"), JSON.stringify({ ...JSON.parse(read("package.json")), files: ["dist", "scorecards"] }))
mkdirSync(join(house, "evidence", "keys"), { recursive: true })
symlinkSync(join(root, "node_modules"), join(house, "node_modules"))
const session = shell(folder)
const compare = comparing()

afterAll(() => {
  session.end()
  for (const one of [folder, house]) rmSync(one, { recursive: true, force: true, maxRetries: 5 })
})

describe("your-first-gate.md", () => {
  it("has files and sessions, and nothing else", () => {
    expect(new Set(blocks.map(({ kind }) => kind))).toEqual(new Set(["file", "console"]))
  })

  it.each(blocks.filter(({ kind }) => kind === "file").map(({ name, text }) => [name, text] as const))("shows %s as it stands in the example project", (name, text) => {
    expect(read(`test/projects/shop/${name}`)).toBe(text)
    writeFileSync(join(folder, name), text)
  })

  for (const { kind, line, text } of blocks) {
    if (kind !== "console") continue
    // Servers are started some fifty times.
    it(`types a session (${page}:${line})`, { timeout: 600_000 }, async () => {
      await session.run(`export HOME="${house}"; alias opsgate='node "${join(house, "dist/opsgate.js")}"'`)
      for (const { command, shown } of commandsOf(text)) {
        const came = await session.run(command)
        if (!compare.matches(shown, came)) expect(`$ ${command}\n${came}`).toBe(`$ ${command}\n${shown}`)
      }
    })
  }
})
