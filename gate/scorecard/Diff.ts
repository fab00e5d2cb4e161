/**
 * What a scorecard asks otherwise than the one that was last released under its name, and whether it may say GO in spite of it.
 *
 * Whoever asks for less has to say why: in an ADR that the scorecard names and that names every check concerned. Where
 * nobody can tell by machine whether less is asked (another population, another rule), it counts as less. The words of
 * a check, its title and its remedy, are not compared; its acceptance table follows from the threshold and is recomputed whenever it is read.
 */
import { Either, Schema } from "effect"
import type { Result } from "./Scorecard.ts"

const CardSchema = Schema.Struct(
  {
    name: Schema.String,
    adr: Schema.optional(Schema.Int),
    checks: Schema.Array(Schema.Struct({ id: Schema.String }, Schema.Record({ key: Schema.String, value: Schema.Unknown })))
  },
  Schema.Record({ key: Schema.String, value: Schema.Unknown })
)

/** A scorecard as its JSON stands there: also one of an earlier format, which the schema of today refuses. */
export type Card = typeof CardSchema.Type

/** Undefined for what is no scorecard of any format. */
export const cardOf = (json: unknown): Card | undefined => Either.getOrUndefined(Schema.decodeUnknownEither(CardSchema)(json))

export const changeKinds = [
  "threshold_loosened", "threshold_tightened", "population", "exclusions", "check_removed", "check_added", "n_min", "rule", "measure", "traffic_class", "weight", "key", "waiver", "ceiling", "other"
] as const
export type ChangeKind = (typeof changeKinds)[number]

/** `loosened`: less is asked, or it may be; red, and wants an ADR. `changed`: red. `noted`: to be known. */
export const severities = ["loosened", "changed", "noted"] as const
export type Severity = (typeof severities)[number]

export interface Change {
  readonly kind: ChangeKind
  readonly severity: Severity
  /** Null for what concerns the scorecard as a whole. */
  readonly check: string | null
  /** How it was and how it is, in words; null for what is not there. */
  readonly from: string | null
  readonly to: string | null
}

/** Every change from the released scorecard to this one, those that loosen first. */
export const diff = (released: Card, current: Card): ReadonlyArray<Change> => {
  const now = new Map(current.checks.map((check) => [check.id, check]))
  const before = new Map(released.checks.map((check) => [check.id, check]))
  const changes = [
    ...membersOf(released, current).flatMap((member) => ofCard(member, released[member], current[member])),
    ...released.checks.flatMap((check): ReadonlyArray<Change> => {
      const to = now.get(check.id)
      return to === undefined ? [{ kind: "check_removed", severity: "loosened", check: check.id, from: words(check["title"]), to: null }] : ofCheck(check, to)
    }),
    ...current.checks.filter(({ id }) => !before.has(id)).map((check): Change => ({ kind: "check_added", severity: "noted", check: check.id, from: null, to: words(check["title"]) }))
  ]
  return severities.flatMap((severity) => changes.filter((change) => change.severity === severity))
}

/** A change in one sentence without its full stop: `command-success: threshold loosened, 990000 ppm → 980000 ppm`. */
export const sentenceOf = ({ check, from, kind, to }: Change): string => {
  const what = kind.replaceAll("_", " ")
  return `${check ?? "the scorecard"}: ${what}, ${from ?? "none"} → ${to ?? "none"}`
}

/** The ADR that a scorecard names, as it stands in `docs/adr`; null when there is none. */
export type AdrText = string | null

/** Why this scorecard may not say GO, one sentence each; nothing when it asks for no less than what was released, or says why. */
export const objectionsTo = (released: Card, current: Card, adr: AdrText): ReadonlyArray<string> => {
  const loosened = diff(released, current).filter(({ severity }) => severity === "loosened")
  if (loosened.length === 0) return []
  const less = `The scorecard asks for less than the one last released (${loosened.map(sentenceOf).join("; ")})`
  if (current.adr === undefined) return [`${less}, and names no ADR that says why.`]
  if (current.adr === released.adr) return [`${less}, and ADR ${current.adr} was written for the released one.`]
  if (adr === null) return [`${less}, and its ADR ${current.adr} is not in docs/adr.`]
  const named = new Set(adr.split(/[^a-z0-9-]+/))
  const unnamed = [...new Set(loosened.flatMap(({ check }) => (check === null || named.has(check) ? [] : [check])))]
  return unnamed.length === 0 ? [] : [`${less}, and ADR ${current.adr} does not name ${unnamed.join(", ")}.`]
}

/** A result that may say GO only where nothing is objected to. What failed stays failed. */
export const restrained = (result: Result, objections: ReadonlyArray<string>): Result =>
  objections.length === 0 ? result : { ...result, decision: result.decision === "GO" ? "INSUFFICIENT" : result.decision, objections }

// Words, and what follows from other members or is compared by itself.
const wordsOnly = new Set(["$schema", "v", "id", "name", "title", "remedy", "acceptance", "adr", "checks"])

const membersOf = (a: object, b: object): ReadonlyArray<string> => [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((member) => !wordsOnly.has(member)).sort()

const ofCard = (member: string, from: unknown, to: unknown): ReadonlyArray<Change> => {
  if (same(from, to)) return []
  if (member === "waivers") return ofWaivers(from, to)
  const change = { check: null, from: labelled(member, from), to: labelled(member, to) }
  if (member === "ceiling") return [{ ...change, kind: "ceiling", severity: to === "GO" ? "loosened" : "changed" }]
  return [{ ...change, kind: "other", severity: "loosened" }]
}

// A waiver is no quiet loosening: it has an owner and an end, and stands in the line of the decision. So it wants no ADR.
const ofWaivers = (from: unknown, to: unknown): ReadonlyArray<Change> => {
  const [before, now] = [listOf(from), listOf(to)]
  return [
    ...now.filter((waiver) => !before.some((one) => same(one, waiver))).map((waiver): Change => ({ kind: "waiver", severity: "changed", check: null, from: null, to: words(waiver) })),
    ...before.filter((waiver) => !now.some((one) => same(one, waiver))).map((waiver): Change => ({ kind: "waiver", severity: "noted", check: null, from: words(waiver), to: null }))
  ]
}

type Check = Card["checks"][number]

const ofCheck = (from: Check, to: Check): ReadonlyArray<Change> =>
  membersOf(from, to).flatMap((member): ReadonlyArray<Change> => {
    const [before, now] = [from[member], to[member]]
    if (same(before, now)) return []
    const change = { check: to.id, from: labelled(member, before), to: labelled(member, now) }
    return [{ ...change, ...judged(member, before, now, to["rule"]) }]
  })

const judged = (member: string, from: unknown, to: unknown, rule: unknown): Pick<Change, "kind" | "severity"> => {
  // What was not said before takes nothing back: a population that is stated for the first time, a measure where there was none.
  const first = from === undefined || from === null
  switch (member) {
    case "threshold_ppm": {
      const looser = typeof to !== "number" || (typeof from === "number" && (rule === "rate_at_most" ? to > from : to < from))
      return looser ? { kind: "threshold_loosened", severity: "loosened" } : { kind: "threshold_tightened", severity: "changed" }
    }
    case "n_min":
    case "strata_min":
      return { kind: "n_min", severity: first ? "noted" : typeof from === "number" && typeof to === "number" && to > from ? "changed" : "loosened" }
    case "exclusions":
      return { kind: "exclusions", severity: first ? "noted" : reasonsOf(to).every((reason) => reasonsOf(from).includes(reason)) && to !== undefined ? "changed" : "loosened" }
    case "traffic_classes":
    case "worlds":
      return { kind: "traffic_class", severity: first ? "noted" : "loosened" }
    case "rule":
      return { kind: "rule", severity: "loosened" }
    case "population":
    case "measure":
    case "weight":
      return { kind: member, severity: first ? "noted" : "loosened" }
    case "key":
      return { kind: "key", severity: to === true ? "changed" : "loosened" }
    default:
      return { kind: "other", severity: "loosened" }
  }
}

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** Declared exclusions, as a list of reasons or as a record by reason. */
const reasonsOf = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.map((reason) => words(reason) ?? "") : typeof value === "object" && value !== null ? Object.keys(value) : []

const units: Readonly<Record<string, string>> = { threshold_ppm: " ppm" }

const labelled = (member: string, value: unknown): string | null => {
  const text = words(value)
  return text === null ? null : wordy.has(member) ? `${text}${units[member] ?? ""}` : `${member} ${text}`
}
// Members whose kind already says what the value is.
const wordy = new Set(["threshold_ppm", "n_min", "exclusions", "traffic_classes", "rule", "population", "measure", "weight", "key", "ceiling"])

/** The same value, whatever the order of members and of what a list holds: every list here is a set. */
const same = (a: unknown, b: unknown): boolean => spelled(a) === spelled(b)

const spelled = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(spelled).sort().join()}]`
  if (typeof value === "object" && value !== null) return `{${Object.entries(value).map(([member, one]) => `${JSON.stringify(member)}:${spelled(one)}`).sort().join()}}`
  return JSON.stringify(value) ?? "null"
}

/** A value in words, for people; null for none. */
const words = (value: unknown): string | null => {
  if (value === undefined || value === null) return null
  if (typeof value === "string") return value
  if (Array.isArray(value)) return value.map((one) => words(one) ?? "none").sort().join(", ")
  if (typeof value === "object") return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([member, one]) => `${member} ${words(one) ?? "none"}`).join(", ")
  return JSON.stringify(value)
}
