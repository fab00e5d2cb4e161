/** What comes of a scenario whose tool is not there: nothing is broken, and its check is neither green nor red. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { play } from "../../../gate/chaos/Runner.ts"
import { readScenarios } from "../../../gate/chaos/Scenarios.ts"
import { readRun } from "../../../gate/evidence/Reader.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"

const repository = new URL("../../../", import.meta.url).pathname
const scenarios = Either.getOrThrow(readScenarios(join(repository, "scenarios/full")))
const card = Either.getOrThrow(parseScorecard(JSON.parse(readFileSync(join(repository, "scorecards/v1.2-full.json"), "utf8"))))

/** On a machine that has none of the tools that are programs. */
const played = (id: string) => {
  const dir = mkdtempSync(join(tmpdir(), "opsgate-tools-"))
  const scenario = scenarios.find((one) => one.id === id)
  if (scenario === undefined) throw new Error(`there is no ${id}`)
  return Effect.runPromise(play(scenario, { dir, program: join(dir, "none.js"), chatService: "", env: { PATH: dir } })).finally(() => rmSync(dir, { recursive: true }))
}

describe.concurrent("a scenario without its tool", () => {
  it.each([
    ["power-loss", "power-loss-kept", "strace"],
    ["io-errors", "io-errors-survived", "strace"],
    ["full-disk", "full-disk-survived", "mount"],
    ["read-only-disk", "read-only-survived", "mount"]
  ])("%s shows nothing: %s is INSUFFICIENT and names the package %s, and no other check turns red", async (id, check, tool) => {
    const texts = await played(id)
    expect(texts).toMatchObject({ eventsText: "", journal: { status: "aborted", note: expect.stringContaining(`(Debian package ${tool})`) } })
    const { lines } = judge(card, readRun([texts]).history)
    expect(lines.find((line) => line.id === check)).toMatchObject({ verdict: "INSUFFICIENT", total: 0, remedy: expect.stringContaining(`Debian package ${tool}`) })
    expect(lines.filter(({ verdict }) => verdict === "FAIL" || verdict === "PASS")).toEqual([])
  })
})
