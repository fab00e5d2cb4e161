import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Either } from "effect"
import { describe, it } from "vitest"
import { callerOf, expanded, peopleFrom, type PersonEntry } from "../../src/domain/People.ts"
import { policyFrom, type PolicyInForce, readPolicy, undeclaredKind } from "../../src/PolicyFile.ts"

const read = (policy: object): PolicyInForce => Either.getOrThrowWith(policyFrom({ v: 1, ...policy }), (why) => new Error(why))
const issue = (policy: unknown): string => Either.match(policyFrom(policy), { onLeft: (why) => why, onRight: () => "taken" })

/** What is wrong, and the whole sentence about it. */
const errors: ReadonlyArray<readonly [string, object, string]> = [
  ["no version", { mode: "auto" }, "must have required property 'v'"],
  ["another version", { v: 2 }, "v must be equal to constant"],
  ["an unknown member", { v: 1, modes: "auto" }, "must NOT have additional properties (\"modes\")"],
  ["an unknown mode", { v: 1, mode: "yolo" }, "mode must be equal to one of the allowed values (readonly, supervised, auto)"],
  ["an unknown role as approver", { v: 1, kinds: { deploy: { approver: "dba" } } }, "kinds.deploy.approver is the unknown role \"dba\"; known are: viewer, requester, approver, reviewer, operator, admin"],
  ["an approver who may not approve", { v: 1, heavy: { approver: "operator" } }, "heavy.approver is operator, who may not approve: name approver, or a role that is one"],
  ["a role of the policy that may not approve", { v: 1, roles: { sre: "operator" }, heavy: { approver: "sre" } }, "heavy.approver is sre, who may not approve: name approver, or a role that is one"],
  ["an approver of nothing", { v: 1, risks: { delete: { approvals: 0, approver: "approver" } } }, "risks.delete names an approver and asks for no approvals"],
  ["too many approvals", { v: 1, heavy: { approvals: 11 } }, "heavy.approvals must be <= 10"],
  ["half an approval", { v: 1, heavy: { approvals: 1.5 } }, "heavy.approvals must be integer"],
  ["a time that is none", { v: 1, heavy: { ttl: "4h" } }, "heavy.ttl is not a time such as 90 seconds, 15 minutes, 4 hours or 7 days"],
  ["a time of nothing", { v: 1, risks: { delete: { ttl: "0 hours" } } }, "risks.delete.ttl is not a time such as 90 seconds, 15 minutes, 4 hours or 7 days"],
  ["a rule without a name", { v: 1, deny: [{ why: "x", words: ["y"] }] }, "deny.0 must have required property 'name'"],
  ["two rules of one name", { v: 1, deny: [{ name: "a", why: "x", words: ["y"] }, { name: "a", why: "x", words: ["z"] }] }, "deny.1 (a) has the name of an earlier rule"],
  ["a rule that denies nothing", { v: 1, deny: [{ name: "a", why: "x" }] }, "deny.0 (a) has neither words nor paths, so it denies nothing"],
  ["a word of nothing", { v: 1, deny: [{ name: "a", why: "x", words: [" "] }] }, "deny.0 (a).words: \" \" is empty"],
  ["a word that cannot be seen", { v: 1, deny: [{ name: "a", why: "x", words: ["rm\u200b"] }] }, "deny.0 (a).words: \"rm\u200b\" has a character that cannot be seen"],
  ["a bad glob", { v: 1, risks: { delete: { paths: ["/a/**b"] } } }, "risks.delete.paths: \"/a/**b\" is not a glob: ** stands alone between two /"],
  ["a bad name pattern", { v: 1, allow: { heavy: ["a*b*c*d*e*f"] } }, "allow.heavy: \"a*b*c*d*e*f\" has more than 4 stars"],
  ["a risk with a name that is none", { v: 1, risks: { "Git Push": {} } }, "risks \"Git Push\" is not a name of small letters, digits and _"],
  ["self-approval of an unknown risk", { v: 1, self_approval: ["deletes"] }, "self_approval names the unknown risk \"deletes\"; known are: git_push, deploy_restart, delete, schedule_change, compliance, customer_outbound, browser"],
  ["a role that is there already", { v: 1, roles: { admin: "viewer" } }, "roles.admin is there already and cannot be another one"],
  ["a role of an unknown sort", { v: 1, roles: { dba: "root" } }, "roles.dba must be equal to one of the allowed values (viewer, requester, approver, reviewer, operator, admin)"],
  ["a list", [], "must be object"],
  ["nothing", null, "must be object"]
].map(([what, policy, words]) => [String(what), Object(policy), String(words)] as const)

describe("a policy file", () => {
  it("is refused in one sentence with the place: unknown roles and risks, duplicate names, bad globs, words, times and figures", ({ expect }) => {
    for (const [what, policy, words] of errors) expect.soft({ what, issue: issue(what === "nothing" ? null : policy) }).toEqual({ what, issue: words })
  })

  it("is refused when it cannot be read, is no JSON, or names something twice", ({ expect, onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "opsgate-policy-"))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, "p.json")
    const said = (text: string): string => {
      writeFileSync(file, text)
      return Either.match(readPolicy(file), { onLeft: (why) => why, onRight: () => "taken" })
    }
    expect(Either.getOrThrow(Either.flip(readPolicy(join(folder, "nowhere.json"))))).toBe("cannot be read")
    expect(said("{")).toBe("is not JSON")
    expect(said("{\"v\":1,\"risks\":{\"delete\":{\"approvals\":2},\"browser\":{},\"delete\":{\"approvals\":0}}}")).toBe("names \"delete\" twice in one place")
    expect(said("{\"v\":1,\"heavy\":{\"plan\":true,\"pl\\u0061n\":false}}")).toBe("names \"plan\" twice in one place")
    expect(said("{\"v\":1,\"deny\":[{\"name\":\"a\",\"why\":\"{\\\"v\\\":1,\\\"v\\\":2}\",\"words\":[\"x\"]},{\"name\":\"b\",\"why\":\"v\",\"words\":[\"x\"]}]}")).toBe("taken")
  })

  it("has all seven risks, with one approval where it says nothing else", ({ expect }) => {
    const { policy } = read({ risks: { delete: { approvals: 2, plan: true, ttl: "2 hours" }, payroll: {} } })
    expect(policy.risks.map(({ name }) => name)).toEqual(["git_push", "deploy_restart", "delete", "schedule_change", "compliance", "customer_outbound", "browser", "payroll"])
    expect(policy.risks.find(({ name }) => name === "delete")?.demand).toEqual({ approvals: 2, approver: "approver", plan: true, review: false, ttlMs: 7_200_000 })
    expect(policy.risks.find(({ name }) => name === "browser")?.demand).toEqual({ approvals: 1, approver: "approver", plan: false, review: false, ttlMs: null })
  })

  it("has a version that follows its meaning, not its spelling", ({ expect }) => {
    const version = (policy: object): string => read(policy).policy.version
    const one = { mode: "auto", heavy: { approvals: 2, plan: true } }
    expect(version(one)).toMatch(/^[0-9a-f]{12}$/)
    expect(version({ heavy: { plan: true, approvals: 2 }, mode: "auto" })).toBe(version(one))
    expect(version({ $schema: "x", ...one })).toBe(version(one))
    for (const other of [{ ...one, mode: "supervised" }, { ...one, heavy: { approvals: 3, plan: true } }, { ...one, self_approval: ["delete"] }]) expect(version(other)).not.toBe(version(one))
  })

  it("that speaks of a kind that nobody declares is told", ({ expect }) => {
    expect(undeclaredKind(read({ kinds: { relase: {} } }), (name) => name === "release")).toBe("kinds.relase is not declared")
    expect(undeclaredKind(read({ kinds: { release: {} } }), (name) => name === "release")).toBeNull()
  })
})

const person = (identities: ReadonlyArray<string>, roles: ReadonlyArray<string>, service = false): PersonEntry => ({ identities, roles, service })
const names = new Map([["dba", "approver"] as const, ["runner", "operator"] as const])
const wrong = (entries: Readonly<Record<string, PersonEntry>>): string => Either.match(peopleFrom(entries, names), { onLeft: (why) => why, onRight: () => "taken" })

describe("people", () => {
  it("are one actor by whichever identity they come, with the roles that roles of the policy stand for", ({ expect }) => {
    const people = Either.getOrThrow(peopleFrom({ ada: person(["cli:ada", "telegram:7"], ["dba", "viewer"]), bot: person(["http:bot"], ["requester", "runner"], true) }, names))
    expect(callerOf(people, names, "cli:ada")).toEqual({ actor: "ada", identities: ["cli:ada", "telegram:7"], roles: ["dba", "approver", "viewer"] })
    expect(callerOf(people, names, "telegram:7")).toEqual(callerOf(people, names, "cli:ada"))
    expect(callerOf(people, names, "http:bot")).toEqual({ actor: "bot", identities: ["http:bot"], roles: ["requester", "runner", "operator"] })
  })

  it("whom nobody names only look, and without any names the user of the machine is its owner", ({ expect }) => {
    const people = Either.getOrThrow(peopleFrom({}, names))
    expect(callerOf(people, names, "cli:root")).toEqual({ actor: "cli:root", roles: ["viewer"] })
    expect(callerOf(null, names, "telegram:9")).toEqual({ actor: "telegram:9", roles: ["viewer"] })
    expect(callerOf(null, names, "cli:root")).toEqual({ actor: "cli:root", roles: ["viewer", "requester", "approver", "reviewer", "operator", "admin", "dba", "runner"] })
    expect(expanded(["dba", "approver"], names)).toEqual(["dba", "approver"])
  })

  it("are refused with an unknown role, with an identity of somebody else, and as programs that would say yes", ({ expect }) => {
    expect(wrong({ ada: person(["cli:ada"], ["boss"]) })).toMatch(/^people\.ada has the unknown role "boss"; known are: viewer, .*, dba, runner$/)
    expect(wrong({ ada: person(["cli:a"], []), bob: person(["cli:b", "cli:a"], []) })).toBe("people.bob has the identity cli:a, which is ada's")
    expect(wrong({ ada: person(["cli:a", "cli:a"], []) })).toBe("people.ada has the identity cli:a, which is named twice")
    for (const role of ["approver", "reviewer", "admin", "dba"]) {
      expect.soft(wrong({ bot: person(["http:bot"], [role], true) })).toBe(`people.bot is a service, which can never be ${role === "dba" ? "approver" : role}`)
    }
    expect(wrong({ bot: person(["http:bot"], ["operator"], true) })).toBe("taken")
  })
})
