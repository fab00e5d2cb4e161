/** `opsgate verify` and `opsgate evidence verify`: checks a bundle and judges it anew. */
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect } from "effect"
import { sha256 } from "../evidence/Canonical.ts"
import { verificationExit, verify } from "../evidence/Verifier.ts"
import { profiles } from "../Profiles.ts"
import { ownCard } from "../own/Gate.ts"
import { windowCard } from "../window/Gate.ts"
import { type House, pinnedOf, places, printJson, printLine, words, type WordsRefused } from "./House.ts"

export const verifyUsage = "opsgate verify BUNDLE [--key PUBLIC_KEY]… [--json]"

export const verifyVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { key: { type: "string", multiple: true, default: [] }, json: { type: "boolean", default: false } } })
    const [dir] = yield* places(positionals, ["BUNDLE"], `usage: ${verifyUsage}`)
    const { progress: { say }, root } = house
    const found = verify(resolve(dir), { pinned: yield* pinnedOf(house, values.key) })
    if (values.json) {
      const { statement: _, ...told } = found._tag === "Verified" ? found : { ...found, statement: null }
      printJson(house, told)
    }
    if (found._tag === "NotABundle") say(found.why)
    else if (found._tag === "Refuted") {
      found.problems.forEach(say)
      say(`${dir} does not verify: ${found.total} ${found.total === 1 ? "problem" : "problems"}`)
    } else if (!values.json) {
      printLine(house, `${found.decision}  run ${found.run}, profile ${found.profile}, commit ${found.commit}`)
      printLine(house, `signed by ${found.by.fingerprint} (${found.by.name}); every digest, chain and count was checked, and the verdict was judged anew`)
      printLine(house, `about ${found.release.name}, sha256 ${found.release.sha256}`)
      printLine(house, scorecardLine(root, found.scorecardSha256))
      if (!found.ownCheckers) printLine(house, "CAUTION: verify/recheck.sh or verify/verify.mjs of this bundle is not the one of this version; take both from a clone")
      for (const objection of found.result.objections ?? []) printLine(house, objection)
    }
    return verificationExit(found)
  })

/** The signer chose the scorecard; whoever relies on the verdict wants to know whether it is one of his own. */
const scorecardLine = (root: string, digest: string): string => {
  const own = [...[...profiles.values()].map(({ scorecard }) => scorecard), windowCard, ownCard].find((name) => sha256(readFileSync(join(root, "scorecards", name))) === digest)
  return own === undefined ? `CAUTION: the scorecard (sha256 ${digest}) is none of those in ${join(root, "scorecards")}` : `judged by scorecards/${own} as it stands here`
}
