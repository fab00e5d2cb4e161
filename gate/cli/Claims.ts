/**
 * What a bundle says of itself. Nothing here is verified, and a bundle of an earlier version is read as far as it can be: what cannot be read
 * is null or missing, never a guess.
 */
import { Either, Schema } from "effect"
import { scorecardFile } from "../evidence/Bundle.ts"
import { Environment, environmentFile } from "../evidence/Environment.ts"
import type { Files } from "../evidence/Files.ts"
import { Commit, manifestFile, Window } from "../evidence/Manifest.ts"
import { metricsFile } from "../evidence/Metrics.ts"
import { decodeJson, decodeUtf8, readBundle } from "../evidence/Reader.ts"
import { envelopeFile } from "../evidence/Sums.ts"
import { verificationExit, type Verification } from "../evidence/Verifier.ts"
import type { RunHistory } from "../History.ts"
import { type Card, cardOf } from "../scorecard/Diff.ts"
import { decisions, verdicts } from "../Verdict.ts"

const Count = Schema.NonNegativeInt

/** A judged check, as bundles of every version have it. */
const ClaimedCheck = Schema.Struct({
  id: Schema.String,
  verdict: Schema.Literal(...verdicts),
  good: Schema.optional(Count),
  total: Schema.optional(Count),
  excluded: Schema.optional(Schema.Record({ key: Schema.String, value: Count })),
  censored: Schema.optional(Count),
  bound_ppm: Schema.optional(Schema.NullOr(Schema.Finite))
})
export type ClaimedCheck = typeof ClaimedCheck.Type

const About = Schema.Struct({ run: Schema.String, commit: Commit, profile: Schema.String, window: Window })
const Decided = Schema.Struct({ result: Schema.Struct({ decision: Schema.Literal(...decisions), lines: Schema.Array(ClaimedCheck) }) })
const Enveloped = Schema.Struct({ signatures: Schema.Array(Schema.Struct({ keyid: Schema.optional(Schema.NullOr(Schema.String)) })) })

export interface Claims {
  readonly about: typeof About.Type | null
  /** Of Opsgate. */
  readonly version: string | null
  readonly decided: (typeof Decided.Type)["result"] | null
  /** The name of the key that is said to have signed; nobody has checked it. */
  readonly signer: string | null
  readonly scorecard: Card | null
  readonly history: RunHistory
}

export const claimsOf = (files: Files): Claims => ({
  about: document(files, manifestFile, About),
  version: document(files, environmentFile, Environment)?.version ?? null,
  decided: document(files, metricsFile, Decided)?.result ?? null,
  signer: document(files, envelopeFile, Enveloped)?.signatures[0]?.keyid ?? null,
  scorecard: cardOf(document(files, scorecardFile, Schema.Unknown)) ?? null,
  history: readBundle(files).history
})

const document = <A, I>(files: Files, file: string, schema: Schema.Schema<A, I>): A | null => {
  const bytes = files.get(file)
  if (bytes === undefined) return null
  return Either.getOrNull(Either.flatMap(decodeUtf8(file, bytes), (text) => decodeJson(schema, file, text)))
}

/** The title of a check in a scorecard; its id where it has none. */
export const titleIn = (scorecard: Card | null, id: string): string => {
  const title = scorecard?.checks.find((check) => check.id === id)?.["title"]
  return typeof title === "string" ? title : id
}

/** What `opsgate verify` says of it, in one line without a full stop. */
export const verifyLine = (found: Verification): string => {
  const exit = `exit ${verificationExit(found)}`
  if (found._tag === "NotABundle") return `it is no bundle (${exit})`
  if (found._tag === "Verified") return `${found.decision}, signed by ${found.by.fingerprint} (${found.by.name}), and what is claimed is borne out (${exit})`
  return `it does not verify, ${found.total} ${found.total === 1 ? "problem" : "problems"}, the first: ${found.problems[0] ?? "none is named"} (${exit})`
}
