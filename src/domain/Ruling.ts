/** What the policy says of a task: whether it may run at all, which risks it has, and what people have to do first. */
import type { Json } from "./Canonical.ts"
import { atLeastOne, type Governance } from "./Governance.ts"
import type { Kind } from "./Kind.ts"
import { approverRoles, approverSeparator, type Demand, type Denial, type Matcher, needsPeople, noDemand, oneApproval, type Policy, policyByDefault, type RiskRule } from "./Policy.ts"

/** What a policy says of one task. */
export interface Ruling {
  readonly policyVersion: string
  /** Why it may not run at all. */
  readonly denied: Denial | null
  readonly demand: Demand
  /** The risks that were found, by name. */
  readonly risks: ReadonlyArray<string>
  /** Whether the requester may approve it himself. */
  readonly self: boolean
}

/** The policy under which a kind was declared. */
export const policyOf = (kind: Kind): Policy => kind.policy ?? policyByDefault

// Whoever approves has to be what each of the two asks for. Every role of a policy that approves is the usual one as well.
const bothApprovers = (one: Demand, other: Demand): string => {
  const asked = [one, other].flatMap(({ approvals, approver }) => (approvals > 0 ? approverRoles(approver) : [])).filter((role) => role !== oneApproval.approver)
  return asked.length === 0 ? oneApproval.approver : [...new Set(asked)].sort().join(approverSeparator)
}

const stricter = (one: Demand, other: Demand): Demand => ({
  approvals: Math.max(one.approvals, other.approvals),
  approver: bothApprovers(one, other),
  plan: one.plan || other.plan,
  review: one.review || other.review,
  ttlMs: one.ttlMs === null ? other.ttlMs : other.ttlMs === null ? one.ttlMs : Math.min(one.ttlMs, other.ttlMs)
})

/** What is looked at: one text, and what in it looks like a path. */
interface Reading {
  readonly text: string
  readonly paths: () => ReadonlyArray<string>
}

const matches = ({ paths, words }: Matcher, { paths: pathsIn, text }: Reading): boolean =>
  words.some((word) => word.test(text)) || paths.some((path) => pathsIn().some((one) => path.test(one)))

// Stands between texts: neither a word nor a path goes on behind it. A character of nobody (Unicode 23.5, private use).
const border = "\ue000"

/** What looks like a path: every run of characters without white space, quotes, and what stands around paths in commands and lists. */
const pathsOf = (text: string): ReadonlyArray<string> => [...new Set(text.split(/[\s\ue000"'`,;:=()<>|&{}[\]]+/))].filter((part) => part !== "")

const readingOf = (texts: ReadonlyArray<string>): Reading => {
  const text = folded(texts.join(border))
  let paths: ReadonlyArray<string> | null = null
  return { text, paths: () => (paths ??= pathsOf(text)) }
}

// Compatibility forms, such as full-width letters, and characters that cannot be seen would hide a word. Letters of other scripts that
// look alike still do.
const folded = (text: string): string => text.normalize("NFKC").replace(/\p{Default_Ignorable_Code_Point}/gu, "")

/** The texts of a JSON value: its strings and the names of its members. A list of strings counts as one text too, as a command line does. */
const textsOf = (value: Json): ReadonlyArray<string> => {
  const texts: Array<string> = []
  // No recursion, and no list as arguments of a call: what comes from outside may be deep, and long.
  const left: Array<Json> = [value]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next === "string") texts.push(next)
    else if (isList(next)) {
      if (next.length > 1 && next.every((item) => typeof item === "string")) texts.push(next.join(" "))
      else for (const item of next) left.push(item)
    } else if (typeof next === "object" && next !== null) {
      for (const [name, member] of Object.entries(next)) {
        texts.push(name)
        left.push(member)
      }
    }
  }
  return texts
}

const isList = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

/** The fixed words of a kind with what the payload puts into them: `git {{verb}}` is what it becomes. */
const wordsOf = ({ words = "" }: Kind, payload: Json): string =>
  words.includes("{{") && typeof payload === "object" && payload !== null && !isList(payload)
    ? words.replace(/\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}/g, (all, name: string) => {
      const value = Object.hasOwn(payload, name) ? payload[name] : undefined
      return value === undefined || (typeof value === "object" && value !== null) ? all : String(value)
    })
    : words

const looksAtWords = ({ deny, risks }: Policy): boolean => deny.length > 0 || risks.some(({ paths, words }) => paths.length + words.length > 0)

const namesOf = (risk: string): ReadonlyArray<string> => risk.split(/[\s,]+/)

const notAllowed = ({ allow }: Policy, kind: Kind): Denial | null => {
  const list = allow[kind.class]
  return list === null || list.some((pattern) => pattern.test(kind.name)) ? null : { rule: `allow.${kind.class}`, why: `${kind.name} is not on the list of ${kind.class} kinds` }
}

const noRisks: ReadonlyArray<RiskRule> = []

const readonlyDenial: Denial = { rule: "mode.readonly", why: "the policy dispatches nothing" }

const ofClass = (policy: Policy, kind: Kind): Demand => {
  const own = policy.kinds.get(kind.name)
  if (own !== undefined) return own
  if (!kind.needsApproval) return noDemand
  // What is heavy asks for approval unless its kind says otherwise; `auto` takes that back where only the class asked.
  return policy.mode === "auto" && !kind.asksForApproval ? noDemand : policy.heavy
}

/** What the policy of a kind says of one task with this payload. */
export const rulingOn = (kind: Kind, payload: Json): Ruling => {
  const policy = policyOf(kind)
  const declared = kind.risk === "none" ? [] : namesOf(kind.risk)
  const reading = looksAtWords(policy) ? readingOf([kind.name, wordsOf(kind, payload), ...textsOf(payload)]) : null
  const found = declared.length === 0 && reading === null
    ? noRisks
    : policy.risks.filter((risk) => declared.includes(risk.name) || (reading !== null && matches(risk, reading)))
  const denial = reading === null ? undefined : policy.deny.find((rule) => matches(rule, reading))
  const risks = found.map(({ name }) => name)
  return {
    policyVersion: policy.version,
    denied: notAllowed(policy, kind) ?? (denial === undefined ? null : { rule: denial.name, why: denial.why }),
    demand: found.reduce((demand, risk) => stricter(demand, risk.demand), ofClass(policy, kind)),
    risks,
    self: kind.selfApproval || (risks.length > 0 && risks.every((name) => policy.selfApproval.has(name)))
  }
}

/** Why the policy lets nothing of this kind begin now, whatever people have said. */
export const atRest = (kind: Kind): Denial | null => (policyOf(kind).mode === "readonly" ? readonlyDenial : null)

/** What a task of this kind needs before it may run, or null: nothing. With `anyway` it needs one yes at least. */
export const governanceFor = (kind: Kind, payload: Json, nowMs: number, anyway = false): Governance | null => {
  const { demand: wanted, denied, policyVersion, risks, self } = rulingOn(kind, payload)
  const demand = anyway ? atLeastOne(wanted) : wanted
  const why = denied ?? atRest(kind)
  if (why === null && !needsPeople(demand)) return null
  return {
    policyVersion,
    demand,
    risks,
    self,
    denied: why,
    askedAtMs: nowMs,
    ttlMs: demand.ttlMs ?? kind.limits.approvalTtlMs,
    approvals: [],
    plan: null,
    review: null,
    broken: null,
    anyway
  }
}

