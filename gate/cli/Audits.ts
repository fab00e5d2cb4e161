/** `opsgate evidence audits`: writes the audit reports anew from the bundles of this machine. It runs and decides nothing. */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect } from "effect"
import { plain } from "../evidence/Plain.ts"
import { profiles } from "../Profiles.ts"
import { collect, publishAudits } from "../report/audit/Publish.ts"
import { trendMax } from "../report/audit/Runs.ts"
import { windowProfile } from "../window/Gate.ts"
import { type House, pinnedOf, printJson, printLine, places, refused, words, type WordsRefused } from "./House.ts"

export const auditsUsage = "opsgate evidence audits [--profile release] [--runs DIR] [--out DIR] [--key PUBLIC_KEY]… [--json]"

/** Below the root of a clone. */
export const auditsFolder = "docs/audits"

export const auditsVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({
      args: [...given],
      allowPositionals: true,
      options: { profile: { type: "string", default: "release" }, runs: { type: "string" }, out: { type: "string" }, key: { type: "string", multiple: true, default: [] }, json: { type: "boolean", default: false } }
    })
    yield* places(positionals, [], `usage: ${auditsUsage}`)
    const { profile } = values
    if (!profiles.has(profile)) return yield* refused(`there is no profile ${plain(profile)}; there are: ${[...profiles.keys()].join(", ")}`)
    const out = resolve(values.out ?? join(house.root, auditsFolder))
    const folder = resolve(values.runs ?? join(house.root, "evidence", "runs"))
    if (!existsSync(folder)) return yield* refused(`${plain(folder)} does not exist: run the gate first (npm run gate)`)
    const stage = house.progress.stage("audit reports", null, "bundles")
    const found = collect({ folder, profile, windowProfile, pinned: yield* pinnedOf(house, values.key), step: (done) => stage.step(done) })
    stage.done()
    const unused = found._tag === "Nothing" ? found.unused : found.input.unused
    unused.forEach(({ name, why }) => house.progress.say(`${name} does not verify and is not used: ${why}`))
    if (found._tag === "Nothing") return yield* refused(`${plain(folder)} has no whole run of profile ${profile} that verifies`)
    const { runs } = found.input
    const files = yield* Effect.try({ try: () => publishAudits(out, found.input), catch: (cause) => refused(`the audit reports were not written: ${cause instanceof Error ? cause.message : String(cause)}`) })
    if (values.json) printJson(house, { files, runs: runs.length, unused })
    else printLine(house, `audit reports of ${runs[0].run}, with the trend over ${runs.length} of at most ${trendMax} runs: ${files[0] ?? ""}`)
    return 0
  })

/** Profiles whose runs are released by. */
const audited: ReadonlySet<string> = new Set(["release", "full"])

/** Whether a run writes audit reports: a whole one, of a profile that is released by, whose bundle lies where the others are. */
export const isAudited = ({ out, partial, profile }: { readonly profile: string; readonly partial: boolean; readonly out: string | undefined }): boolean => audited.has(profile) && !partial && out === undefined

export const notAudited = `audit reports are written by whole runs of the profiles ${[...audited].join(" and ")} whose bundle lies in evidence/runs; run this one without --audits`
