/** A person is the same one under another name: the configuration may be changed while tasks wait. */
import { assert, describe, it } from "vitest"
import { approve } from "../../src/domain/Approval.ts"
import { callerOf, type People } from "../../src/domain/People.ts"
import { oneApproval, policyByDefault } from "../../src/domain/Policy.ts"
import { submit } from "../../src/domain/Request.ts"
import type { Task } from "../../src/domain/Task.ts"
import { ask, now, refusalOf, taskAfter } from "../domain/runs.ts"
import { commandOf, heavyKind, nextId } from "../engine/tasks.ts"

const twice = heavyKind({ policy: { ...policyByDefault, version: "p", heavy: { ...oneApproval, approvals: 2 } } })
const people = (name: string, ...identities: ReadonlyArray<string>): People => new Map(identities.map((identity) => [identity, { name, roles: ["requester", "approver"], service: false, identities }]))
const nobodyKnown: People = null

const asked = (known: People, identity: string, kind = heavyKind()): Task =>
  taskAfter(submit(commandOf({ op: "submit", kind: kind.name, payload: {}, reason: null }, callerOf(known, new Map(), identity)), kind, nextId(), now))
const approves = (task: Task, known: People, identity: string, kind = heavyKind()) => approve(task, commandOf(ask("approve"), callerOf(known, new Map(), identity)), kind, now)

describe("a person under another name", () => {
  it("is still the requester: named after he had asked, renamed, or come by another way", () => {
    assert.strictEqual(refusalOf(approves(asked(nobodyKnown, "cli:ada"), people("ada", "cli:ada"), "cli:ada")), "SelfApproval")
    assert.strictEqual(refusalOf(approves(asked(people("bob", "cli:bob"), "cli:bob"), people("robert", "cli:bob"), "cli:bob")), "SelfApproval")
    assert.strictEqual(refusalOf(approves(asked(people("bob", "cli:bob", "telegram:7"), "cli:bob"), people("robert", "telegram:7"), "telegram:7")), "SelfApproval")
  })

  it("has said yes once", () => {
    const first = taskAfter(approves(asked(people("cyd", "cli:cyd"), "cli:cyd", twice), people("eve", "cli:eve"), "cli:eve", twice))
    assert.strictEqual(refusalOf(approves(first, people("evelyn", "cli:eve"), "cli:eve", twice)), "AlreadyApproved")
    assert.strictEqual(taskAfter(approves(first, people("fay", "cli:fay"), "cli:fay", twice)).state, "APPROVED")
  })

  it("may not even repeat a yes that is not his: an approved task refuses its requester and whoever lacks the role", () => {
    const approved = taskAfter(approves(asked(people("cyd", "cli:cyd"), "cli:cyd"), people("eve", "cli:eve"), "cli:eve"))
    assert.strictEqual(refusalOf(approves(approved, people("cyd", "cli:cyd"), "cli:cyd")), "SelfApproval")
    assert.strictEqual(refusalOf(approves(approved, new Map([["cli:x", { name: "x", roles: ["requester"], service: false }]]), "cli:x")), "NotAllowed")
  })
})
