/**
 * The signed statement: an in-toto Statement v1 whose predicate is the decision of the gate, with every count
 * it was made from. It names the digests of SHA256SUMS and manifest.json, and these name everything else.
 */
import { Schema } from "effect"
import { rules } from "../scorecard/Scorecard.ts"
import type { Line, Result } from "../scorecard/Scorecard.ts"
import { decisions, verdicts } from "../Verdict.ts"
import { sha256 } from "./Canonical.ts"
import { Digest, Logs, type Manifest, manifestFile, Window } from "./Manifest.ts"
import { sumsFile } from "./Sums.ts"

export const statementType = "https://in-toto.io/Statement/v1"
export const predicateType = "https://opsgate.dev/attestation/gate-decision/v0.1"

const Count = Schema.NonNegativeInt

/** What is compared when a check is judged anew. Titles and reasons are words and are not part of it. */
export const CheckCounts = Schema.Struct({
  id: Schema.NonEmptyString,
  verdict: Schema.Literal(...verdicts),
  good: Count,
  total: Count,
  excluded: Schema.Record({ key: Schema.String, value: Count }),
  censored: Count,
  strata: Schema.Record({ key: Schema.String, value: Count }),
  rule: Schema.Literal(...rules),
  bound_ppm: Schema.NullOr(Schema.Finite),
  n_min: Count
})
export type CheckCounts = typeof CheckCounts.Type

export const Predicate = Schema.Struct({
  decision: Schema.Literal(...decisions),
  profile: Schema.NonEmptyString,
  scorecard: Schema.Struct({ name: Schema.String, digest: Schema.Struct({ sha256: Digest }) }),
  logs: Logs,
  checks: Schema.Array(CheckCounts),
  /** Ids of all checks of the scorecard. */
  declaredChecks: Schema.Array(Schema.String),
  /** Ids of those that reached a verdict about the product, PASS or FAIL. GO needs all that are not waived. */
  evaluatedChecks: Schema.Array(Schema.String),
  /** Checks that the decision goes without, and who answers for it. */
  waivers: Schema.Array(Schema.Struct({ check: Schema.String, owner: Schema.String, reason: Schema.String, expires: Schema.String, state: Schema.Literal("applied", "unused", "expired") })),
  /** Seed per scenario. */
  seeds: Schema.Record({ key: Schema.String, value: Schema.Int }),
  window: Window,
  /** SHA-256 of config/effective-config.json. */
  configHash: Digest
})
export type Predicate = typeof Predicate.Type

const Subject = Schema.Struct({
  name: Schema.NonEmptyString,
  digest: Schema.Struct({
    sha256: Schema.optional(Digest),
    gitCommit: Schema.optional(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{40}$/)))
  })
})

export const Statement = Schema.Struct({
  _type: Schema.Literal(statementType),
  subject: Schema.Array(Subject),
  predicateType: Schema.Literal(predicateType),
  predicate: Predicate
})
export type Statement = typeof Statement.Type
export type Subject = typeof Subject.Type

/** What the predicate and metrics.json keep of a judged check. */
export const countsOf = ({ bound_ppm, censored, excluded, good, id, n_min, rule, strata, total, verdict }: Line): CheckCounts =>
  ({ id, verdict, good, total, excluded, censored, strata, rule, bound_ppm, n_min })

/** Ids of the checks that said something about the product; the others say that evidence is missing. */
export const evaluated = (checks: ReadonlyArray<Pick<CheckCounts, "id" | "verdict">>): ReadonlyArray<string> =>
  checks.filter(({ verdict }) => verdict === "PASS" || verdict === "FAIL").map(({ id }) => id)

/** What is judged: the artifact and the commit. A run of a tree without a commit has no `source`: a digest may not be made up. */
export const judgedIn = ({ commit, release }: Pick<Manifest, "commit" | "release">): ReadonlyArray<Subject> => [
  { name: release.name, digest: { sha256: release.sha256 } },
  ...(commit === "unknown" ? [] : [{ name: "source", digest: { gitCommit: commit } }])
]

/** The subjects of the decision for these bytes; without a manifest that can be read, only the two files that name all others. */
export const subjectsOf = (sums: string | Uint8Array, manifestText: string | Uint8Array, manifest: Pick<Manifest, "commit" | "release"> | null): ReadonlyArray<Subject> => [
  { name: sumsFile, digest: { sha256: sha256(sums) } },
  { name: manifestFile, digest: { sha256: sha256(manifestText) } },
  ...(manifest === null ? [] : judgedIn(manifest))
]

export interface StatementInput {
  readonly sums: string
  readonly manifestText: string
  readonly manifest: Manifest
  readonly scorecardText: string
  readonly declaredChecks: ReadonlyArray<string>
  readonly result: Result
  readonly seeds: Readonly<Record<string, number>>
}

export const statementOf = (input: StatementInput): Statement => ({
  _type: statementType,
  subject: subjectsOf(input.sums, input.manifestText, input.manifest),
  predicateType,
  predicate: {
    decision: input.result.decision,
    profile: input.manifest.profile,
    scorecard: { name: input.result.scorecard, digest: { sha256: sha256(input.scorecardText) } },
    logs: input.manifest.logs,
    checks: input.result.lines.map(countsOf),
    declaredChecks: input.declaredChecks,
    evaluatedChecks: evaluated(input.result.lines),
    waivers: input.result.waivers,
    seeds: input.seeds,
    window: input.manifest.window,
    configHash: input.manifest.configHash
  }
})
