import { execFileSync, spawnSync } from "node:child_process"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { program } from "../edge/cli/Opsgate.ts"
import { blocksOf, commandsOf, comparing, project, read, root, shell } from "./Tutorial.ts"

const page = "docs/first-task.md"
const examples = "docs/examples/first-task"
const tsc = join(root, "node_modules/.bin/tsc")

const blocks = blocksOf(read(page))
const folder = project()
const session = shell(folder)
const compare = comparing()

afterAll(() => {
  session.end()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** What only looks is looked at until it is as shown: work goes on meanwhile. */
const looks = /^(opsgate task (show|steps|list)|cat) /

const patienceMs = 20_000

const typed = async (command: string, shown: string): Promise<void> => {
  const words = compare.translated(command)
  const deadline = performance.now() + (looks.test(command) ? patienceMs : 0)
  let came = await session.run(words)
  while (!compare.matches(shown, came)) {
    if (performance.now() > deadline) expect(`$ ${words}\n${came}`).toBe(`$ ${words}\n${shown}`)
    came = await session.run(words)
  }
}

describe("first-task.md", () => {
  it("has something of every kind to run", () => {
    expect(new Set(blocks.map(({ kind }) => kind))).toEqual(new Set(["", "file", "console", "run", "output", "check"]))
    expect(blocks.filter(({ kind, language }) => kind === "" && language !== "sh").map(({ line }) => line)).toEqual([])
  })

  it.each(blocks.filter(({ kind }) => kind === "file").map(({ name, text }) => [name, text] as const))(
    "shows %s as it stands in the examples", (name, text) => {
      expect(read(`${examples}/${name}`)).toBe(text)
    })

  it("finds the package from the folder of the example, where nothing is installed", () => {
    const { stderr } = spawnSync(process.execPath, [program, "task", "submit", "invoice", "{}"], { cwd: join(root, examples), encoding: "utf8" })
    expect(stderr).toContain("the payload does not fit the kind invoice")
  })

  for (const [index, { kind, line, name, text }] of blocks.entries()) {
    const title = `${page}:${line}`
    if (kind === "file") it(`writes ${name} (${title})`, () => writeFileSync(join(folder, name), text))
    if (kind === "console") {
      it(`types a session (${title})`, async () => {
        for (const { command, shown } of commandsOf(text)) await typed(command, shown)
      }, 90_000)
    }
    if (kind === "run") {
      it(`runs ${name} (${title})`, () => {
        const output = blocks[index + 1]
        expect(output).toMatchObject({ kind: "output", name })
        writeFileSync(join(folder, name), text)
        const came = execFileSync(process.execPath, [name], { cwd: folder, encoding: "utf8", timeout: 20_000 })
        if (!compare.matches(output?.text ?? "", came)) expect(came).toBe(output?.text)
      })
    }
    if (kind === "check") {
      it(`compiles ${name} (${title})`, () => {
        writeFileSync(join(folder, name), text)
        const words = ["--noEmit", "--strict", "--module", "NodeNext", "--target", "ES2022", "--skipLibCheck", "--allowJs", "--types", "", name]
        const { status, stdout } = spawnSync(tsc, words, { cwd: folder, encoding: "utf8" })
        expect(stdout).toBe("")
        expect(status).toBe(0)
      })
    }
  }
})
