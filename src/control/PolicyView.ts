/** The policy in force as people and programs see it: what it says, what each declared kind needs and why, and who may do what. */
import type { Json } from "../domain/Canonical.ts"
import type { Caller } from "../domain/Authorization.ts"
import type { Kind } from "../domain/Kind.ts"
import type { People, RoleNames } from "../domain/People.ts"
import { type Demand, type Denial, needsPeople, type Policy } from "../domain/Policy.ts"
import type { PolicyEntry } from "../domain/PolicyEntry.ts"
import { isRole, mayAsk, permissions, type Role, roles } from "../domain/Role.ts"
import { atRest, governanceFor, rulingOn } from "../domain/Ruling.ts"

export interface PolicyFacts {
  readonly policy: Policy
  readonly roles: RoleNames
  /** As it was written; null without a file. */
  readonly entry: PolicyEntry | null
  readonly people: People
  readonly kinds: ReadonlyArray<Kind>
}

const demandOf = ({ approvals, approver, plan, review, ttlMs }: Demand) => ({ approvals, approver, plan, review, ttl_ms: ttlMs })

// Where what a kind needs comes from, besides its risks.
const sourceOf = (policy: Policy, kind: Kind): string => {
  if (policy.kinds.has(kind.name)) return "the policy names it"
  if (!kind.needsApproval) return kind.class === "heavy" ? "its definition asks for nobody" : "light work needs nobody"
  if (kind.asksForApproval === true) return "its definition asks for approval"
  return policy.mode === "auto" ? "auto asks nobody for heavy work" : "heavy work needs people"
}

const kindOf = (policy: Policy) => (kind: Kind) => {
  const { demand, denied, risks, self } = rulingOn(kind, null)
  return {
    kind: kind.name,
    class: kind.class,
    risk: kind.risk,
    denied: denied ?? atRest(kind),
    needs: demandOf(demand),
    self_approval: self,
    why: [sourceOf(policy, kind), ...risks.map((risk) => `risk ${risk}`)]
  }
}

const isOp = (name: string): name is keyof typeof permissions => name in permissions
/** Every op that can be asked for. */
export const ops = Object.keys(permissions).filter(isOp)

/** What somebody with these roles may ask for, and what only about what he asked for himself. */
export const mayDo = (held: ReadonlyArray<string>) => {
  const may = ops.filter((op) => mayAsk(op, held, false))
  return { may, own: ops.filter((op) => !may.includes(op) && mayAsk(op, held, true)) }
}

const roleRow = (names: RoleNames) => (role: string) => {
  const base: Role | undefined = isRole(role) ? role : names.get(role)
  return { role, is: base ?? role, ...mayDo(base === undefined ? [] : [base]) }
}

// People who may approve with this role.
const countWith = (people: NonNullable<People>, role: string): number =>
  new Set([...people.values()].filter((person) => person.roles.includes(role) && person.roles.includes("approver")).map(({ name }) => name)).size

const tooFew = (people: People) => (place: string, { approvals, approver }: Demand): ReadonlyArray<string> => {
  const there = people === null ? 1 : countWith(people, approver)
  if (approvals <= there) return []
  return [`${place} needs ${approvals} people with the role ${approver}, and ${people === null ? "nobody but the owner of this machine is declared" : `${there} ${there === 1 ? "is" : "are"} declared`}`]
}

// What is legal and yet can hardly be meant.
const warningsOf = ({ kinds, people, policy }: PolicyFacts): ReadonlyArray<string> => {
  const few = tooFew(people)
  const known = new Set(policy.risks.map(({ name }) => name))
  return [
    ...few("heavy", policy.heavy),
    ...policy.risks.flatMap(({ demand, name }) => few(`risks.${name}`, demand)),
    ...[...policy.kinds].flatMap(([name, demand]) => few(`kinds.${name}`, demand)),
    ...kinds.flatMap(({ name, risk }) => (risk === "none" || risk.split(/[\s,]+/).some((one) => known.has(one)) ? [] : [`the kind ${name} names the risk ${JSON.stringify(risk)}, which the policy does not know`]))
  ]
}

/** `policy --json`. */
export const policyView = (facts: PolicyFacts) => {
  const { entry, kinds, policy, roles: names } = facts
  return {
    v: 1,
    version: policy.version,
    mode: policy.mode,
    allow: { light: entry?.allow?.light ?? null, heavy: entry?.allow?.heavy ?? null },
    deny: (entry?.deny ?? []).map(({ name, paths = [], why, words = [] }) => ({ name, why, words, paths })),
    risks: policy.risks.map(({ demand, name }) => ({ risk: name, needs: demandOf(demand), words: entry?.risks?.[name]?.words ?? [], paths: entry?.risks?.[name]?.paths ?? [] })),
    heavy: demandOf(policy.heavy),
    self_approval: [...policy.selfApproval],
    kinds: kinds.map(kindOf(policy)),
    roles: [...roles, ...names.keys()].map(roleRow(names)),
    warnings: warningsOf(facts)
  }
}

export type PolicyView = ReturnType<typeof policyView>
export type DemandView = PolicyView["heavy"]

/** `policy explain --json`: what the policy says of one request. */
export const explained = (policy: Policy, kind: Kind, payload: Json) => {
  const { demand, denied, policyVersion, risks, self } = rulingOn(kind, payload)
  const governance = governanceFor(kind, payload, 0)
  const why: Denial | null = denied ?? atRest(kind)
  return {
    v: 1,
    kind: kind.name,
    version: policyVersion,
    mode: policy.mode,
    // What is denied is refused when it is asked for; in readonly it is taken and waits.
    refused: denied !== null,
    denied: why,
    risks,
    needs: demandOf(demand),
    self_approval: self,
    holds: governance === null ? [] : [...(demand.plan ? ["plan"] : []), ...(demand.review ? ["review"] : []), ...(demand.approvals > 0 ? ["approval"] : []), ...(why === null ? [] : ["policy"])],
    dispatched_by_itself: why === null && !needsPeople(demand),
    why: [sourceOf(policy, kind), ...risks.map((risk) => `risk ${risk}`)]
  }
}

export type Explained = ReturnType<typeof explained>

/** `whoami --json`. */
export const whoami = (identity: string, { actor, roles: held }: Caller) => ({ v: 1, identity, actor, roles: held, ...mayDo(held) })
export type Whoami = ReturnType<typeof whoami>
