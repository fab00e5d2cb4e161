/** The run that went well, as a bundle in memory, judged by the scorecard `spine`. */
import { readFileSync } from "node:fs"
import { Either } from "effect"
import { bundleFiles } from "../../../gate/evidence/Bundle.ts"
import type { Files } from "../../../gate/evidence/Files.ts"
import { readRun } from "../../../gate/evidence/Reader.ts"
import type { RunHistory } from "../../../gate/History.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import { keyFrom } from "../../../gate/selftest/Draft.ts"
import { lines, product, release } from "../evidence/SyntheticRun.ts"
import { healthy } from "../scorecard/Run.ts"

const scorecardText = (name: string) => readFileSync(new URL(`../../../scorecards/${name}.json`, import.meta.url), "utf8")

export const bundled = ({ scenarios }: RunHistory = healthy(), name = "spine"): Files => {
  const texts = scenarios.map(({ effects, events, id, journal }) => {
    if (journal === null) throw new Error(`${id} has no journal`)
    return { id, journal, eventsText: events === null ? null : lines(events), effectsText: effects === null ? null : lines(effects) }
  })
  const { history } = readRun(texts)
  const judged = (text: string) => judge(Either.getOrThrow(parseScorecard(JSON.parse(text))), history)
  const [card, board] = [scorecardText(name), scorecardText("v1.2")]
  return Either.getOrThrow(bundleFiles({
    dir: "/nowhere", run: "r1", commit: "0123456789abcdef0123456789abcdef01234567", profile: name, window: { start_ms: 0, end_ms: 10_000_000 }, scenarios: texts,
    scorecardText: card, boardText: board, result: judged(card), boardResult: judged(board), report: "# A report\n", junit: "<testsuites/>\n", sarif: "{}\n", key: keyFrom("the gate of a test"), product, release
  }))
}
