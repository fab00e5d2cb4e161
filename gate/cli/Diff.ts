/** `opsgate evidence diff`: what is otherwise in one bundle than in an earlier one, and whether anything is worse. */
import { Effect } from "effect"
import { verifyOpened } from "../evidence/Verifier.ts"
import { turns } from "../report/Changes.ts"
import { sentenceOf } from "../scorecard/Diff.ts"
import { type Claims, claimsOf, verifyLine } from "./Claims.ts"
import { type Difference, difference } from "./Difference.ts"
import { type House, pinnedOf, places, printJson, printLine, words, type WordsRefused } from "./House.ts"
import { opened } from "./Inspect.ts"
import { table } from "./Table.ts"

export const diffUsage = "opsgate evidence diff OLD NEW [--key PUBLIC_KEY]… [--json]"

export const diffVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { key: { type: "string", multiple: true, default: [] }, json: { type: "boolean", default: false } } })
    const dirs = yield* places(positionals, ["OLD", "NEW"], `usage: ${diffUsage}`)
    const pinned = yield* pinnedOf(house, values.key)
    const [old, now] = [yield* opened(dirs[0]), yield* opened(dirs[1])]
    const verified = { old: verifyOpened(old, { pinned }), new: verifyOpened(now, { pinned }) }
    const unverified = [...(verified.old._tag === "Verified" ? [] : [`OLD: ${verifyLine(verified.old)}`]), ...(verified.new._tag === "Verified" ? [] : [`NEW: ${verifyLine(verified.new)}`])]
    const [before, after] = [claimsOf(old.files), claimsOf(now.files)]
    const found = difference(before, after, unverified)
    if (values.json) printJson(house, { old: { dir: dirs[0], run: before.about?.run ?? null, verifies: verified.old._tag === "Verified" }, new: { dir: dirs[1], run: after.about?.run ?? null, verifies: verified.new._tag === "Verified" }, ...found })
    else linesOf(found, before, after).forEach((line) => printLine(house, line))
    return found.worse ? 1 : 0
  })

const linesOf = ({ decision, figures, findings, red, scorecard, worse }: Difference, before: Claims, after: Claims): ReadonlyArray<string> => {
  const noted = scorecard.filter((change) => !change.red)
  return [
    `OLD ${named(before)}: ${decision.old ?? "?"}`,
    `NEW ${named(after)}: ${decision.new ?? "?"}`,
    worse ? "something is worse, or red" : "nothing is worse",
    ...section("RED", red.map((sentence) => `  ${sentence}`)),
    ...(findings === null ? [] : turns.flatMap((turn) => {
      const turned = findings.filter((finding) => finding.turn === turn)
      return section(turn, table(turned.map(({ before: was, id, now, title }) => [id, `${was ?? "not there"} → ${now}`, title])))
    })),
    ...section("Changed figures", table(figures.map((figure) => [figure.check, `${figure.old} → ${figure.new}`]), 120)),
    ...section("To be known", noted.map((change) => `  ${sentenceOf(change)}`))
  ]
}

const named = ({ about, version }: Claims): string => (about === null ? "?" : `run ${about.run}, profile ${about.profile}, commit ${about.commit.slice(0, 12)}${version === null ? "" : `, version ${version}`}`)

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> => (lines.length === 0 ? [] : ["", `${title} (${lines.length})`, ...lines])
