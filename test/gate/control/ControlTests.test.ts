import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Either } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import { runControlTests } from "../../../gate/control/ControlTests.ts"
import { renderControlJunit } from "../../../gate/report/Junit.ts"

const home = fileURLToPath(new URL("../../..", import.meta.url))
const roots: Array<string> = []

/** A folder with tests of its own, and the runner of this one. */
const rootWith = (tests: ReadonlyArray<{ readonly file: string; readonly name: string }>, files: Readonly<Record<string, string>>): string => {
  const root = mkdtempSync(join(tmpdir(), "control-"))
  roots.push(root)
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  put("scorecards/control-tests.json", JSON.stringify({ v: 1, tests }))
  put("vitest.control.config.ts", "export default { test: { include: [\"test/**/*.test.ts\"], watch: false } }\n")
  for (const [name, text] of Object.entries(files)) put(name, text)
  symlinkSync(join(home, "node_modules"), join(root, "node_modules"))
  return root
}
const run = (root: string) => Effect.runPromise(runControlTests({ root, env: { PATH: dirname(process.execPath), HOME: root } }))

const file = "test/a.test.ts"
const text = `import { describe, expect, it } from "vitest"
describe("a thing (of two)", () => {
  it("holds", () => expect(1).toBe(1))
  it("holds no more", () => expect(1).toBe(2))
  it.skip("is for later", () => {})
  it("is nobody's business", () => expect(1).toBe(2))
})
`
const named = (name: string) => ({ file, name: `a thing (of two) > ${name}` })

afterEach(() => roots.splice(0).forEach((root) => rmSync(root, { recursive: true, force: true })))

describe("the control tests", () => {
  it("are run by name, and nothing else is; what is not there is not among the results", async () => {
    const tests = [named("holds"), named("holds no more"), named("is for later"), named("is gone")]
    const found = Either.getOrThrow(await run(rootWith(tests, { [file]: text })))
    expect(found).toEqual({
      v: 1,
      declared: tests,
      results: [{ ...named("holds"), status: "passed" }, { ...named("holds no more"), status: "failed" }, { ...named("is for later"), status: "skipped" }]
    })
    const junit = renderControlJunit(found)
    expect(junit).toContain(`tests="4" failures="1" errors="1" skipped="1"`)
    expect(junit).toContain(`name="a thing (of two) &gt; is gone"><error`)
  })

  it("answer nothing where a file, the list or the runner is not there", async () => {
    expect(await run(rootWith([{ file: "test/b.test.ts", name: "x" }], { [file]: text }))).toEqual(Either.left("the tests or their runner are not there"))
    const root = rootWith([named("holds")], { [file]: text })
    writeFileSync(join(root, "scorecards/control-tests.json"), "{}")
    expect(Either.isLeft(await run(root))).toBe(true)
    const bare = rootWith([named("holds")], { [file]: text })
    rmSync(join(bare, "node_modules"))
    expect(await run(bare)).toEqual(Either.left("the tests or their runner are not there"))
  })

  it("answer nothing for a file that cannot be read, rather than that all is well", async () => {
    const found = await run(rootWith([named("holds")], { [file]: "this is no program" }))
    expect(Either.match(found, { onLeft: () => [], onRight: ({ results }) => results })).toEqual([])
  })
})
