/**
 * The policy as people write it (`policy.schema.json`) becomes the policy that the rules ask (`domain/Policy.ts`). All of it is checked
 * first: a policy that cannot be read, or that says something else than its author can have meant, starts nothing.
 */
import { readFileSync } from "node:fs"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { Either, Schema } from "effect"
import { canonical, Json, sha256 } from "./domain/Canonical.ts"
import { globPattern, namePattern, type Pattern, wordIssue, wordsPattern } from "./domain/Pattern.ts"
import type { DemandEntry, MatcherEntry, PolicyEntry } from "./domain/PolicyEntry.ts"
import { type Demand, type DenyRule, type Matcher, oneApproval, type Policy, policyByDefault, riskCategories, type RiskRule } from "./domain/Policy.ts"
import { ageOf } from "./domain/Retention.ts"
import { isRole, type Role, roles } from "./domain/Role.ts"
import { namedTwice, sentence } from "./SchemaIssue.ts"
import schema from "./policy.schema.json" with { type: "json" }

/** Part of the version of every policy: another reading of the same file voids what was approved under the old one. */
const interpretation = 1

/** The policy that is in force, and what belongs to it without being asked by rules. */
export interface PolicyInForce {
  readonly policy: Policy
  /** The roles that it names, each with the one that it is as well. */
  readonly roles: ReadonlyMap<string, Role>
  /** As it was written; null without a file. */
  readonly entry: PolicyEntry | null
}

export const noPolicyFile: PolicyInForce = { policy: policyByDefault, roles: new Map(), entry: null }

const isEntry: ValidateFunction<PolicyEntry> = new Ajv2020({ allErrors: false, verbose: true, strict: true, strictTypes: false, validateSchema: false }).compile(schema)
const isJson = Schema.is(Json)

type Read<A> = Either.Either<A, string>

/** Reads a policy file, or says in one sentence why it cannot be used. */
export const readPolicy = (path: string): Read<PolicyInForce> => {
  const text = textOf(path)
  if (text === null) return Either.left("cannot be read")
  const twice = namedTwice(text)
  const json = Either.try({ try: (): unknown => JSON.parse(text), catch: () => "is not JSON" })
  return Either.flatMap(json, (value) => (twice === null ? policyFrom(value) : Either.left(`names ${JSON.stringify(twice)} twice in one place`)))
}

const textOf = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return null
  }
}

/** The same for a policy that a program has made. */
export const policyFrom = (value: unknown): Read<PolicyInForce> => {
  if (!isEntry(value)) return Either.left(sentence(isEntry.errors))
  if (!isJson(value)) return Either.left("is not plain JSON")
  const roleNames = new Map(Object.entries(value.roles ?? {}))
  const builtIn = [...roleNames.keys()].find(isRole)
  if (builtIn !== undefined) return Either.left(`roles.${builtIn} is there already and cannot be another one`)
  return Either.gen(function*() {
    const demand = demandIn(roleNames)
    const risks = yield* risksOf(value.risks ?? {}, demand)
    const policy: Policy = {
      version: versionOf(value),
      mode: value.mode ?? policyByDefault.mode,
      allow: { light: yield* namesOf("allow.light", value.allow?.light), heavy: yield* namesOf("allow.heavy", value.allow?.heavy) },
      deny: yield* denialsOf(value.deny ?? []),
      risks,
      kinds: new Map(yield* Either.all(Object.entries(value.kinds ?? {}).map(([name, entry]) => Either.map(demand(`kinds.${name}`, entry), (one) => [name, one] as const)))),
      heavy: yield* demand("heavy", value.heavy ?? {}),
      selfApproval: yield* selfApprovalOf(value.self_approval ?? [], risks)
    }
    return { policy, roles: roleNames, entry: value }
  })
}

// Not the name of its schema, which says nothing.
const versionOf = (value: Json): string => {
  const said = typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value).filter(([name]) => name !== "$schema")) : value
  return sha256(canonical({ interpretation, policy: said })).slice(0, 12)
}

const demandIn = (roleNames: ReadonlyMap<string, Role>) => (place: string, { approvals, approver, plan = false, review = false, ttl }: DemandEntry): Read<Demand> => {
  if (approvals === 0 && approver !== undefined) return Either.left(`${place} names an approver and asks for no approvals`)
  const role = approver ?? oneApproval.approver
  const base = roleNames.get(role) ?? (isRole(role) ? role : undefined)
  if (base === undefined) return Either.left(`${place}.approver is the unknown role ${JSON.stringify(role)}; known are: ${[...roles, ...roleNames.keys()].join(", ")}`)
  if (base !== "approver") return Either.left(`${place}.approver is ${role}, who may not approve: name approver, or a role that is one`)
  return Either.right({ approvals: approvals ?? 1, approver: role, plan, review, ttlMs: ttl === undefined ? null : ageOf(ttl) ?? null })
}

const matcherOf = (place: string, { paths = [], words = [] }: MatcherEntry): Read<Matcher> => {
  const [bad] = words.flatMap((word) => {
    const issue = wordIssue(word)
    return issue === null ? [] : [`${place}.words: ${JSON.stringify(word)} ${issue}`]
  })
  if (bad !== undefined) return Either.left(bad)
  const globs = Either.all(paths.map((path) => Either.mapLeft(globPattern(path), (issue) => `${place}.paths: ${JSON.stringify(path)} ${issue}`)))
  return Either.map(globs, (compiled) => ({ words: words.length === 0 ? [] : [wordsPattern(words)], paths: compiled }))
}

const denialsOf = (rules: NonNullable<PolicyEntry["deny"]>): Read<ReadonlyArray<DenyRule>> =>
  Either.all(rules.map((rule, index): Read<DenyRule> => {
    const place = `deny.${index} (${rule.name})`
    if (rules.findIndex(({ name }) => name === rule.name) !== index) return Either.left(`${place} has the name of an earlier rule`)
    if ((rule.words ?? []).length + (rule.paths ?? []).length === 0) return Either.left(`${place} has neither words nor paths, so it denies nothing`)
    return Either.map(matcherOf(place, rule), (matcher) => ({ name: rule.name, why: rule.why, ...matcher }))
  }))

// The seven are there in any case: a policy that names one of them says it in its own words.
const risksOf = (named: NonNullable<PolicyEntry["risks"]>, demand: ReturnType<typeof demandIn>): Read<ReadonlyArray<RiskRule>> => {
  const names = [...riskCategories, ...Object.keys(named).filter((name) => !riskCategories.some((category) => category === name))]
  return Either.all(names.map((name): Read<RiskRule> => {
    const entry = named[name] ?? {}
    return Either.flatMap(demand(`risks.${name}`, entry), (one) => Either.map(matcherOf(`risks.${name}`, entry), (matcher) => ({ name, demand: one, ...matcher })))
  }))
}

const namesOf = (place: string, patterns: ReadonlyArray<string> | undefined): Read<ReadonlyArray<Pattern> | null> =>
  patterns === undefined
    ? Either.right(null)
    : Either.all(patterns.map((pattern) => Either.mapLeft(namePattern(pattern), (issue) => `${place}: ${JSON.stringify(pattern)} ${issue}`)))

const selfApprovalOf = (names: ReadonlyArray<string>, risks: ReadonlyArray<RiskRule>): Read<ReadonlySet<string>> => {
  const unknown = names.find((name) => !risks.some((risk) => risk.name === name))
  return unknown === undefined
    ? Either.right(new Set(names))
    : Either.left(`self_approval names the unknown risk ${JSON.stringify(unknown)}; known are: ${risks.map(({ name }) => name).join(", ")}`)
}

/** A kind that the policy speaks of and nobody declares: then its rule would protect nothing. */
export const undeclaredKind = ({ policy }: PolicyInForce, declared: (name: string) => boolean): string | null => {
  const name = [...policy.kinds.keys()].find((one) => !declared(one))
  return name === undefined ? null : `kinds.${name} is not declared`
}
