import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Either } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { compared } from "../../gate/Compared.ts"
import { parseScorecard } from "../../gate/scorecard/Decode.ts"
import { profiles } from "../../gate/Profiles.ts"
import { run, scorecard, written } from "./evidence/SyntheticRun.ts"

const repository = fileURLToPath(new URL("../..", import.meta.url))
const root = mkdtempSync(join(tmpdir(), "opsgate-compared-"))
process.once("exit", () => rmSync(root, { recursive: true, force: true }))
const put = (file: string, content: unknown) => {
  mkdirSync(join(root, file, ".."), { recursive: true })
  writeFileSync(join(root, file), typeof content === "string" ? content : JSON.stringify(content))
}
const card = (change: object = {}) => {
  const json = { ...scorecard, ...change }
  return { text: JSON.stringify(json), scorecard: Either.getOrThrow(parseScorecard(json)) }
}
const more = { ...scorecard, checks: scorecard.checks.map((check) => ({ ...check, n_min: check.n_min + 1 })) }
const ids = scorecard.checks.map(({ id }) => id).join(" ")

beforeEach(() => readdirSync(root).forEach((name) => rmSync(join(root, name), { recursive: true })))

describe("a scorecard", () => {
  it("is held against nothing where none of its name was released", () => {
    put("scorecards/released/other.json", more)
    expect(compared(root, "full", card(), false)).toMatchObject({ released: null, changes: null, objections: [] })
  })

  it("is held against the released one of its name, and against the ADR that it names, found by its number", () => {
    put("scorecards/released/synthetic.json", more)
    put("docs/adr/00160-other.md", `About ${ids}.`)
    expect(compared(root, "full", card({ adr: 16 }), false).objections).toEqual([expect.stringContaining("its ADR 16 is not in docs/adr")])
    put("docs/adr/0016-less.md", `About ${ids}.`)
    expect(compared(root, "full", card(), false).objections).toHaveLength(1)
    expect(compared(root, "full", card({ adr: 160 }), false).objections).toEqual([expect.stringContaining("its ADR 160 is not in docs/adr")])
    expect(compared(root, "full", card({ adr: 16 }), false)).toMatchObject({ objections: [], released: { adrText: `About ${ids}.` }, changes: { length: scorecard.checks.length } })
  })

  it("may not say GO when what was released cannot be read", () => {
    put("scorecards/released/synthetic.json", "{")
    expect(compared(root, "full", card(), false)).toMatchObject({ changes: null, objections: [expect.stringContaining("cannot be read")] })
  })
})

describe("a run", () => {
  it("is compared with the newest of its profile, and its scorecard with that one's", () => {
    cpSync(written(), join(root, "evidence/runs/20261101T000000000Z-full"), { recursive: true })
    const less = compared(root, "full", card({ checks: scorecard.checks.slice(1) }), false)
    expect(less.earlier).toHaveLength(1)
    expect(less.sinceLast).toMatchObject([{ kind: "check_removed", check: "chain" }])
    expect(compared(root, "full", card({ name: "other", checks: scorecard.checks.slice(1) }), false).sinceLast).toEqual([])
    expect(compared(root, "quick", { text: run.scorecardText, scorecard: card().scorecard }, false)).toMatchObject({ earlier: [], sinceLast: [] })
  })

  it("of single scenarios is compared with none", () => {
    expect(compared(root, "full", card(), true)).toMatchObject({ earlier: null, sinceLast: [] })
  })
})

describe("the scorecards of this repository", () => {
  const folder = join(repository, "scorecards")
  const names = readdirSync(join(folder, "released")).filter((name) => name.endsWith(".json"))

  it("stand in scorecards/released as they were last released, for every profile", () => {
    for (const { scorecard: file } of profiles.values()) expect(names).toContain(file)
    expect(names.length).toBeGreaterThan(0)
  })

  it.each(names)("%s asks for no less than it did then, or says why in an ADR", (name) => {
    const text = readFileSync(join(folder, name), "utf8")
    expect(compared(repository, "", { text, scorecard: Either.getOrThrow(parseScorecard(JSON.parse(text))) }, true).objections).toEqual([])
  })
})
