/**
 * The history of an ancestor of this gate, which declared a pass. Its figures (`ancestor.json`, with their source) are judged line by
 * line, and the ways in which they became a pass are tried on a bundle of ours.
 */
import { Schema } from "effect"
import { scorecardFile } from "../evidence/Bundle.ts"
import { sha256 } from "../evidence/Canonical.ts"
import { Metrics, metricsFile } from "../evidence/Metrics.ts"
import type { Burst, ChatHistory, Mutation, VerdictMap } from "../History.ts"
import { judgeCheck } from "../scorecard/Judge.ts"
import type { Check, Line } from "../scorecard/Scorecard.ts"
import { rules } from "../scorecard/Scorecard.ts"
import { decide, type Decision, type Measurement, verdicts } from "../Verdict.ts"
import history from "./ancestor.json" with { type: "json" }
import { type Draft, NotMade } from "./Draft.ts"
import { aspect, measure, type Mutant } from "./Mutant.ts"
import { better } from "./Tampering.ts"

const AncestorLine = Schema.Struct({
  id: Schema.String,
  shape: Schema.String,
  check: Schema.Struct({
    rule: Schema.Literal(...rules),
    n_min: Schema.Int,
    threshold_ppm: Schema.optionalWith(Schema.Int, { exact: true }),
    acceptance: Schema.optionalWith(Schema.Array(Schema.Tuple(Schema.Int, Schema.Int)), { exact: true })
  }),
  measured: Schema.NullOr(Schema.Union(
    Schema.Struct({ good: Schema.Number, total: Schema.Number, excluded: Schema.Record({ key: Schema.String, value: Schema.Int }) }),
    Schema.Struct({ missing: Schema.String })
  )),
  judged: Schema.Literal(...verdicts)
})
type AncestorLine = typeof AncestorLine.Type

const decoded = Schema.decodeUnknownSync(Schema.Struct({ source: Schema.String, lines: Schema.Array(AncestorLine), synthetic: Schema.Struct({ ...AncestorLine.fields, id: Schema.optional(Schema.String) }) }))(history)

const judged = ({ check, id, measured, shape }: AncestorLine): Line => {
  const asked: Check = { ...check, id, title: shape, measure: measured === null ? null : id, population: shape, traffic_classes: ["operator"], worlds: ["production"], exclusions: Object.keys(measured !== null && "excluded" in measured ? measured.excluded : {}), remedy: "Measure it." }
  return judgeCheck(asked, measured === null ? null : measurementOf(measured))
}

const measurementOf = (measured: Exclude<AncestorLine["measured"], null>): Measurement =>
  "missing" in measured ? { _tag: "Missing", why: measured.missing } : { _tag: "Counted", ...measured, offenders: [] }

/** Each line of the ancestor, with the verdict of our judge and the one that it should have. */
export const ancestorJudged: ReadonlyArray<{ readonly line: Line; readonly expected: string; readonly shape: string }> =
  decoded.lines.map((line) => ({ line: judged(line), expected: line.judged, shape: line.shape }))

export const ancestorDecision: Decision = decide(ancestorJudged.map(({ line }) => line.verdict))

/** What its synthetic commands are worth as such. */
export const ancestorSynthetic: Line = judged({ ...decoded.synthetic, id: "synthetic" })

const claimed: VerdictMap = Object.fromEntries(decoded.lines.map(({ id }) => [id, "PASS"]))

/** The ancestor in its own words: everything passes. */
export const ancestorBaseline = { digest: sha256(JSON.stringify(history)), verdicts: claimed }

/** Each line judged by us instead: one that passes after all is a mutant that was not caught. */
export const ancestorLines: ReadonlyArray<Mutation> = decoded.lines.map((line) => ({
  id: `ancestor/${line.id}`,
  family: "ancestor",
  what: `${line.shape}. (Figures of an ancestor, which called it a pass.)`,
  baseline: "ancestor",
  must_flip: [line.id],
  may_flip: {},
  digest: sha256(JSON.stringify(line)),
  after: { ...claimed, [line.id]: judged(line).verdict },
  error: null
}))

const mutant = (hand: Mutant["hand"], name: string, what: string, flips: Mutant["flips"], apply: Mutant["apply"], also?: Mutant["also"]): Mutant =>
  ({ id: `ancestor/${name}`, family: "ancestor", hand, what, flips, apply, ...(also === undefined ? {} : { also }) })

/** The bursts of the scenario that has some, and what the chat service saw. */
const inBursts = (draft: Draft, change: (bursts: ReadonlyArray<Burst>, chat: ChatHistory) => ReadonlyArray<Burst>): void =>
  draft.rewriteAll(({ journal }) => (journal.chat === undefined ? {} : { journal: { ...journal, chat: { ...journal.chat, bursts: change(journal.chat.bursts, journal.chat) } } }))

const sealed = (draft: Draft): void => {
  draft.relist()
  draft.resign()
}

// The last poll of all struck as well: no poll can be answered after it.
const unrecovered = ({ calls }: ChatHistory) => (burst: Burst, index: number): Burst => {
  const last = calls.findLast(({ method }) => method === "getUpdates")
  return index === 0 || last === undefined ? burst : { ...burst, struck: [...burst.struck, last.seq] }
}

const lastPollWrong = (draft: Draft): void =>
  draft.rewriteAll(({ journal }) => {
    if (journal.chat === undefined) return {}
    const last = journal.chat.calls.findLastIndex(({ method }) => method === "getUpdates")
    const calls = journal.chat.calls.map((call, index) => (index === last ? { ...call, answered: false } : call))
    return { journal: { ...journal, chat: { ...journal.chat, calls } } }
  })

export const ancestor: ReadonlyArray<Mutant> = [
  mutant("run", "bundle-1-of-12", "Twelve bursts of polls that went wrong, of which one recovered.", [measure("pollRecovery")], (draft) => {
    lastPollWrong(draft)
    inBursts(draft, (bursts, chat) => bursts.slice(0, 12).map(unrecovered(chat)))
  }),
  mutant("signer", "bundle-survivors-only", "The bursts that never recovered are left out of the count, which is signed as a pass.", [aspect("counts"), measure("pollRecovery")], (draft) => {
    lastPollWrong(draft)
    inBursts(draft, (bursts, chat) => bursts.slice(0, 12).map(unrecovered(chat)))
    sealed(draft)
  }),
  mutant("signer", "bundle-0-of-0", "There is no incident to recover from, and 0 of 0 is signed as a pass.", [aspect("counts"), measure("pollRecovery")], (draft) => {
    inBursts(draft, () => [])
    draft.relist()
    const asked = new Set(draft.scorecard().checks.filter((check) => check.measure === "pollRecovery").map(({ id }) => id))
    draft.claim((checks) => checks.map((check) => (asked.has(check.id) ? { ...check, good: 0, total: 0, bound_ppm: null } : check)))
  }),
  mutant("signer", "bundle-scope-narrowed", "After the run the population is narrowed to what went well; the rest of the bundle is made to fit and signed.", [aspect("scorecard")], (draft) => {
    const { checks, ...rest } = draft.scorecard()
    draft.writeJson(scorecardFile, { ...rest, checks: checks.map((check) => ({ ...check, traffic_classes: check.traffic_classes.slice(0, 1) })) })
    draft.remake()
  }),
  mutant("signer", "bundle-hand-typed", "The counts of a check are typed by hand, 95 of 100, in the decision and in metrics.json.", [aspect("counts")], (draft) => {
    const typed = <A extends { readonly good: number; readonly total: number }>(lines: ReadonlyArray<A>): ReadonlyArray<A> => lines.map((line, index) => (index === 0 ? { ...line, good: 95, total: 100 } : line))
    const metrics = draft.read(metricsFile, Metrics)
    draft.writeJson(metricsFile, { ...metrics, result: { ...metrics.result, lines: typed(metrics.result.lines) } })
    draft.relist()
    draft.claim(typed)
  }),
  mutant("signer", "bundle-rate-without-counts", "metrics.json holds rounded rates and no counts.", [aspect("counts")], (draft) => {
    const metrics = draft.read(metricsFile, Metrics)
    draft.writeJson(metricsFile, { ...metrics, result: { ...metrics.result, lines: metrics.result.lines.map(({ good, id, total, verdict }) => ({ id, verdict, rate: total === 0 ? 1 : good / total })) } })
    sealed(draft)
  }),
  mutant("signer", "bundle-silently-ineligible", "How many units a check leaves out is not said.", [aspect("counts")], (draft) => {
    if (!draft.statement().predicate.checks.some(({ excluded }) => Object.keys(excluded).length > 0)) throw new NotMade({ why: "no check leaves anything out" })
    draft.claim((checks) => checks.map((check) => ({ ...check, excluded: {} })))
  }),
  mutant("signer", "bundle-sample-padded", "A check counts one unit more than there was.", [aspect("counts")], (draft) => draft.claim((checks) => checks.map((check, index) => (index === checks.length - 1 ? better(check) : check))))
]
