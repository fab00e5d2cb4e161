import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { describe, it, vi } from "vitest"
import * as Opsgate from "../../src/Opsgate.ts"
import * as Task from "../../src/runtime/TaskDefinition.ts"
import type { PolicyEntry } from "../../src/domain/PolicyEntry.ts"
import { type Home, light, opsgate } from "../edge/cli/Opsgate.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 120_000 })

const me = `cli:${userInfo().username}`
const ran = (name: string) => ["/bin/sh", "-c", `echo ${name} >> ledger`]
const kinds = { tidy: light(ran("tidy")), ship: { class: "heavy", exec: { argv: ran("ship") } }, git: light(["/bin/echo", "{{verb}}"]) }
const all = { identities: [me], roles: ["requester", "operator", "admin", "approver", "reviewer"] }

const withPolicy = (home: Home, policy: object): void => home.write("policy.json", JSON.stringify({ v: 1, ...policy }))
const governed = (atTheEnd: (act: () => void) => void, policy: object, settings: object = {}): Home => {
  const home = opsgate(atTheEnd, kinds, { policy: "policy.json", approvals: { self: true }, ...settings })
  withPolicy(home, policy)
  return home
}
const said = async (home: Home, ...args: ReadonlyArray<string>): Promise<readonly [number | null, string]> => {
  const { code, stderr, stdout } = await home.run(args)
  return [code, stdout + stderr]
}
const stateOf = (home: Home, id: string): string | undefined => home.task(id)?.state
const json = async (home: Home, ...args: ReadonlyArray<string>) => JSON.parse((await home.run([...args, "--json"])).stdout)

describe.concurrent("a policy that cannot be used", () => {
  it("starts nothing: no server, no command, no database; exit 2 and one sentence", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, {})
    const wrong: ReadonlyArray<readonly [string, string, string]> = [
      ["no JSON", "{", "policy.json: is not JSON"],
      ["an unknown role", "{\"v\":1,\"heavy\":{\"approver\":\"boss\"}}", "policy.json: heavy.approver is the unknown role \"boss\""],
      ["an unknown kind", "{\"v\":1,\"kinds\":{\"shp\":{}}}", "policy.json: kinds.shp is not declared"],
      ["one name twice", "{\"v\":1,\"mode\":\"readonly\",\"mode\":\"auto\"}", "policy.json: names \"mode\" twice in one place"],
      ["a bad glob", "{\"v\":1,\"deny\":[{\"name\":\"a\",\"why\":\"b\",\"paths\":[\"[x]\"]}]}", "is not a glob: only *, ** and ? are understood"]
    ]
    for (const [what, text, sentence] of wrong) {
      home.write("policy.json", text)
      const [code, words] = await said(home, "task", "submit", "tidy")
      expect.soft({ what, code }).toEqual({ what, code: 2 })
      expect.soft(words, what).toContain(sentence)
    }
    for (const verb of ["serve", "whoami", "policy"]) {
      home.write("policy.json", "{")
      expect.soft([verb, ...await said(home, verb)]).toEqual([verb, 2, expect.stringContaining("policy.json: is not JSON")])
    }
    rmSync(home.path("policy.json"))
    expect((await said(home, "serve"))[0]).toBe(2)
    expect(home.read(".opsgate/opsgate.db")).toBe("")
  })

  it("is also what declares people wrongly", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, { roles: { dba: "approver" } }, { people: { bot: { identities: ["http:bot"], roles: ["dba"], service: true } } })
    expect(await said(home, "whoami")).toEqual([2, expect.stringContaining("people.bot is a service, which can never be approver")])
  })
})

describe.concurrent("the modes of a policy", () => {
  it("readonly dispatches nothing, light or heavy, over a restart; back to supervised a resume lets it go", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, { mode: "readonly" })
    const first = await home.serve()
    const [tidy, ship] = [await home.submit("tidy"), await home.submit("ship")]
    expect((await said(home, "task", "resume", tidy))[0]).toBe(6)
    expect((await said(home, "task", "approve", ship))[0]).toBe(0)
    expect((await said(home, "task", "resume", ship))[0]).toBe(6)
    first.signal("SIGTERM")
    await first.ended
    const second = await home.serve()
    expect([stateOf(home, tidy), stateOf(home, ship), home.read("ledger")]).toEqual(["REQUESTED", "REQUESTED", ""])
    second.signal("SIGTERM")
    await second.ended
    withPolicy(home, { mode: "supervised" })
    await home.serve()
    expect((await said(home, "task", "resume", tidy))[0]).toBe(0)
    await home.untilTask(tidy, "SUCCEEDED")
    // What was said under the other policy counts no more.
    expect((await said(home, "task", "resume", ship))[0]).toBe(6)
    await said(home, "task", "approve", ship)
    expect((await said(home, "task", "resume", ship))[0]).toBe(0)
    await home.untilTask(ship, "SUCCEEDED")
    expect(home.read("ledger")).toBe("tidy\nship\n")
  })

  it("auto asks nobody for heavy work, and people for the risks that it names", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, { mode: "auto", risks: { git_push: { words: ["git push"] } }, kinds: {} })
    await home.serve()
    await home.untilTask(await home.submit("ship"), "SUCCEEDED")
    const pushing = await home.submit("tidy", { run: "git push" })
    expect(stateOf(home, pushing)).toBe("REQUESTED")
    expect((await json(home, "task", "card", pushing)).governance.risks).toEqual(["git_push"])
  })

  it("that changes voids what waits, is approved, is queued, and asks anew; what needs nobody any more goes by a resume", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, { heavy: { approvals: 1 } }, { workers: 0 })
    const [asked, approved, queued] = [await home.submit("ship"), await home.submit("ship"), await home.submit("ship")]
    for (const id of [approved, queued]) await said(home, "task", "approve", id)
    await said(home, "task", "resume", queued)
    expect([asked, approved, queued].map((id) => stateOf(home, id))).toEqual(["REQUESTED", "APPROVED", "QUEUED"])
    withPolicy(home, { heavy: { approvals: 1, plan: true } })
    expect(await said(home, "task", "approve", asked)).toEqual([6, expect.stringContaining("the policy was changed")])
    expect(await said(home, "task", "resume", approved)).toEqual([6, expect.stringContaining("the policy was changed")])
    home.write("opsgate.config.json", home.read("opsgate.config.json").replace("\"workers\":0", "\"workers\":2"))
    const server = await home.serve()
    await home.untilTask(queued, "REQUESTED")
    expect([asked, approved, queued].map((id) => stateOf(home, id))).toEqual(["REQUESTED", "REQUESTED", "REQUESTED"])
    for (const id of [asked, approved, queued]) expect.soft((await json(home, "task", "show", id)).holds).toEqual(["plan", "approval"])
    server.signal("SIGTERM")
    await server.ended
    withPolicy(home, { heavy: { approvals: 0 } })
    await home.serve()
    expect((await said(home, "task", "resume", asked))[0]).toBe(0)
    await home.untilTask(asked, "SUCCEEDED")
    expect(home.read("ledger")).toBe("ship\n")
  })
})

describe.concurrent("what a policy denies", () => {
  it("is refused when it is asked for, in every disguise, and leaves nothing but the refusal", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, { deny: [{ name: "no-push", why: "not from here", words: ["git push"], paths: ["/etc/**"] }] })
    await home.submit("tidy")
    const before = home.tasks().length
    const deep = Array.from({ length: 60 }).reduce<unknown>((inner) => [inner], "cat /etc/../etc/passwd")
    for (const payload of [{ run: "git\u200b push" }, { run: "\uff47\uff49\uff54 push" }, { argv: ["git", "push"] }, { deep }]) {
      const { code, stderr, stdout } = await home.run(["task", "submit", "tidy", JSON.stringify(payload)])
      expect.soft({ payload, code, stdout }).toEqual({ payload, code: 3, stdout: "" })
      expect.soft(stderr).toContain("the policy refuses this tidy (no-push): not from here")
    }
    const big = await home.run(["task", "submit", "tidy", "--payload-file", "-"], { input: JSON.stringify({ text: `${"git ".repeat(240_000)} push` }) })
    expect([big.code, home.tasks().length]).toEqual([3, before])
    expect(home.events("command.refused").length).toBe(5)
    expect(await json(home, "policy", "explain", "tidy", "{\"run\":\"git push\"}")).toMatchObject({ refused: true, denied: { rule: "no-push" }, dispatched_by_itself: false })
    expect((await said(home, "policy", "explain", "git", "{}"))[0]).toBe(2)
  })
})

describe.concurrent("an approval", () => {
  it("of something else than what was shown is refused, and the card shows what differs from the last one", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, { heavy: { approvals: 1, plan: true, review: true } }, { people: { ada: all, bob: { identities: ["telegram:1"], roles: ["approver"] } } })
    const id = await home.submit("ship", { version: 1, note: "x" })
    const parts = { scope: "a", risks: "b", test_plan: "c", rollback_plan: "d", approval_impact: "e" }
    const card = await json(home, "task", "card", id)
    expect([card.requester, card.since_last, card.holds]).toEqual(["ada", null, ["plan", "review", "approval"]])
    home.write("plan.json", JSON.stringify(parts))
    expect((await said(home, "task", "plan", id, "--file", "plan.json"))[0]).toBe(0)
    // The plan has changed what is said yes to.
    expect(await said(home, "task", "approve", id, "--digest", card.governance.digest)).toEqual([5, expect.stringContaining("look at it again")])
    home.write("plan.json", JSON.stringify({ ...parts, more: "f" }))
    expect(await said(home, "task", "plan", id, "--file", "plan.json")).toEqual([2, expect.stringContaining("a plan has no \"more\"")])
    expect((await said(home, "task", "review", id, "pass"))[0]).toBe(3)
    const again = await json(home, "task", "card", id)
    expect((await said(home, "task", "approve", id, "--digest", again.governance.digest.slice(0, 12)))[0]).toBe(0)
    expect((await json(home, "task", "show", id)).governance.approvals).toMatchObject({ given: [{ actor: "ada", self: true }], missing: 0 })
    expect((await said(home, "task", "show", id))[1]).toContain("ada (SELF-APPROVAL)")
    expect((await said(home, "task", "break-glass", id, "--reason", "fire"))[0]).toBe(3)
  })

  it("that let a run go is what the next card is compared with", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, {})
    const first = await home.submit("ship", { version: 1, token: "hunter2hunter2", note: "x" })
    await said(home, "task", "approve", first)
    await said(home, "task", "resume", first)
    const second = await home.submit("ship", { version: 2, token: "hunter2hunter2", note: "x" })
    const { since_last: since } = await json(home, "task", "card", second)
    expect([since.task, since.payload, since.lines.filter((line: string) => !line.startsWith(" ")), since.kind_version, since.self]).toEqual([first, "changed", ["-   \"version\": 1", "+   \"version\": 2"], null, true])
    expect(JSON.stringify(since)).not.toContain("hunter2")
    const words = (await said(home, "task", "card", second))[1]
    expect(words).toContain("difference to the last run that was approved by")
    expect(words).toContain("+   \"version\": 2")
  })
})

describe.concurrent("people", () => {
  it("whom nobody names only look: every verb that changes something is denied, on record where there is a log", async ({ expect, onTestFinished }) => {
    const home = governed(onTestFinished, {})
    const id = await home.submit("ship")
    const config = home.read("opsgate.config.json")
    home.write("opsgate.config.json", config.replace("\"policy\"", "\"people\":{\"ada\":{\"identities\":[\"cli:nobody-here\"],\"roles\":[\"admin\"]}},\"policy\""))
    expect((await json(home, "whoami"))).toMatchObject({ actor: me, roles: ["viewer"], may: [] })
    const denied = [["task", "submit", "tidy"], ["task", "approve", id], ["task", "cancel", id, "--reason", "x"], ["queue", "pause", "heavy", "--reason", "x"], ["bulk", "cancel", "--kind", "ship", "--reason", "x"], ["prune"], ["release", "--reason", "x"], ["accept-loss", "--reason", "x"], ["restore", "nowhere.db"], ["prune", "--rebuild"]]
    for (const args of denied) expect.soft([args, (await said(home, ...args))[0]]).toEqual([args, 3])
    expect(home.events("command.denied").length).toBe(7)
    expect(stateOf(home, id)).toBe("REQUESTED")
    expect((await said(home, "task", "list"))[0]).toBe(0)
  })
})

const policy: PolicyEntry = { v: 1, roles: { dba: "approver" }, heavy: { approvals: 2, approver: "dba" }, risks: { deploy_restart: { approvals: 1, approver: "release" } } }
const ship = Task.define("ship", { payload: Schema.Struct({ n: Schema.Number }), class: "heavy" }, () => Effect.succeed(null))
const risky = Task.define("risky", { payload: Schema.Struct({}), class: "heavy", risk: "deploy_restart" }, () => Effect.succeed(null))

const embedded = async (atTheEnd: (act: () => Promise<void>) => void, entry: PolicyEntry | string = { ...policy, roles: { dba: "approver", release: "approver" } }) => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-governed-"))
  const client = await Opsgate.open({ file: join(folder, "opsgate.db"), tasks: [ship, risky], policy: entry })
  atTheEnd(async () => {
    await client.close()
    rmSync(folder, { recursive: true })
  })
  const tagOf = (asked: Promise<unknown>): Promise<string> => asked.then(() => "granted", (error: { readonly _tag?: string }) => error._tag ?? String(error))
  return { client, tagOf, person: (actor: string, ...roles: ReadonlyArray<string>) => ({ as: { actor, roles } }) }
}

describe.concurrent("a program with a policy", () => {
  it("needs two people with the role; the same person twice is one, and neither the requester nor somebody without the role counts", async ({ expect, onTestFinished }) => {
    const { client, person, tagOf } = await embedded(onTestFinished)
    const { task } = await client.submit(ship, { n: 1 }, person("ada", "requester", "dba"))
    const approve = (actor: string, ...roles: ReadonlyArray<string>) => tagOf(client.command({ op: "approve", task }, person(actor, ...roles)))
    expect(await approve("ada", "dba")).toBe("SelfApproval")
    expect(await approve("eve", "approver")).toBe("NotAllowed")
    expect(await approve("bob", "dba")).toBe("granted")
    expect(await approve("bob", "dba")).toBe("AlreadyApproved")
    expect(await tagOf(client.command({ op: "resume", task }))).toBe("HoldsOpen")
    expect(await approve("cyd", "dba")).toBe("granted")
    expect(await tagOf(client.command({ op: "resume", task }))).toBe("granted")
    expect((await client.ended(task)).state).toBe("SUCCEEDED")
  })

  it("asks whoever approves for the roles of every rule that fits", async ({ expect, onTestFinished }) => {
    const { client, person, tagOf } = await embedded(onTestFinished)
    const { task } = await client.submit(risky, {}, person("ada", "requester"))
    const approve = (actor: string, ...roles: ReadonlyArray<string>) => tagOf(client.command({ op: "approve", task }, person(actor, ...roles)))
    expect((await client.get(task)).governance?.demand).toMatchObject({ approvals: 2, approver: "dba+release" })
    expect([await approve("bob", "dba"), await approve("bob", "release"), await approve("bob", "dba", "release")]).toEqual(["NotAllowed", "NotAllowed", "granted"])
  })

  it("cannot be opened with a policy that cannot be used, and runs no task that it was not opened with", async ({ expect, onTestFinished }) => {
    await expect(Opsgate.open({ file: "/nowhere/x.db", tasks: [ship], policy: { v: 1, heavy: { approver: "boss" } } })).rejects.toThrow("heavy.approver is the unknown role")
    await expect(Opsgate.open({ file: "/nowhere/x.db", tasks: [ship], policy: "/nowhere/policy.json" })).rejects.toThrow("cannot be read")
    await expect(Opsgate.open({ file: "/nowhere/x.db", tasks: [ship], policy: { v: 1, kinds: { shp: {} } } })).rejects.toThrow("kinds.shp is not declared")
    const { client, tagOf } = await embedded(onTestFinished)
    const stranger = Task.define("ship", { payload: Schema.Struct({ n: Schema.Number }), class: "heavy", approval: "none" }, () => Effect.succeed(null))
    expect(await tagOf(client.submit(stranger, { n: 1 }))).toBe("KindUnknown")
  })
})

describe("the example of the docs", () => {
  it("can be used, and tells all seven risks by their words", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished)
    cpSync(new URL("../../docs/examples/policy", import.meta.url), home.folder, { recursive: true })
    const samples = { git_push: "git push origin main", deploy_restart: "systemctl restart app", delete: "psql -c 'DROP TABLE users'", schedule_change: "crontab -e", compliance: "export customers", customer_outbound: "send email to all", browser: "playwright test" }
    for (const [risk, command] of Object.entries(samples)) {
      expect.soft([risk, (await json(home, "policy", "explain", "run", JSON.stringify({ command }))).risks]).toEqual([risk, expect.arrayContaining([risk])])
    }
    expect(await json(home, "policy", "explain", "run", JSON.stringify({ command: "cat ~/.ssh/id_ed25519" }))).toMatchObject({ refused: true, denied: { rule: "secrets-and-system" } })
    expect((await json(home, "policy")).warnings).toEqual([])
    writeFileSync(home.path("other.json"), "{\"v\":1,\"mode\":\"off\"}")
    expect(await said(home, "policy", "check", "other.json")).toEqual([2, expect.stringContaining("mode must be equal to one of the allowed values (readonly, supervised, auto)")])
  })
})
