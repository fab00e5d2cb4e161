import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Either } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { copyProject, kindsOfCommands, readProject } from "../../../gate/own/Project.ts"

const dir = mkdtempSync(join(tmpdir(), "opsgate-project-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const file = join(dir, "mine", "opsgate.config.json")
mkdirSync(join(dir, "mine", ".opsgate"), { recursive: true })
for (const name of [".env", "token.txt", ".opsgate/opsgate.db", "tasks.mjs"]) writeFileSync(join(dir, "mine", name), "x")

const config = {
  v: 1, workflows: ["tasks.mjs"], people: { ada: {} }, policy: "policy.json", schedules: { s: {} }, queues: { light: { paused: true } },
  telegram: { token_file: "token.txt" },
  kinds: { deploy: { class: "heavy", payload: { type: "object", required: ["n"], examples: [{ n: 1 }] }, exec: { argv: ["./deploy.sh", "{{n}}"] } }, tidy: { class: "light", exec: { argv: ["true"] } }, ask: { class: "light", payload: { type: "object", required: ["n"] }, exec: { argv: ["true"] } } }
}
const read = (json: unknown) => {
  writeFileSync(file, JSON.stringify(json))
  return readProject(file)
}

describe("the copy of a project", () => {
  it("has neither its database nor its secrets, and nothing that starts work by itself or asks other people", () => {
    const copy = join(dir, "copy")
    mkdirSync(copy)
    expect(Either.isRight(copyProject(Either.getOrThrow(read(config)), copy))).toBe(true)
    expect([".env", "token.txt", ".opsgate", "tasks.mjs"].filter((name) => existsSync(join(copy, name)))).toEqual(["tasks.mjs"])
    const made = JSON.parse(readFileSync(join(copy, "opsgate.config.json"), "utf8"))
    expect(Object.keys(made).toSorted()).toEqual(["approvals", "data_dir", "kinds", "lease_ms", "v", "workflows"])
    expect(made.kinds.deploy.exec.argv).toEqual(["/bin/sh", join(copy, "observed.sh"), "./deploy.sh", "{{n}}"])
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(config)
  })

  it("tries a command with the example of its schema, or with nothing where nothing is asked for", () => {
    expect(kindsOfCommands(Either.getOrThrow(read(config))).map(({ command, example, kind }) => [kind, command, example])).toEqual([["deploy", "dangerous", { n: 1 }], ["tidy", "idempotent", {}], ["ask", "idempotent", undefined]])
  })

  it("is refused for what is no configuration, or reaches beyond its folder", () => {
    const issue = (json: unknown) => Either.match(read(json), { onLeft: ({ message }) => message, onRight: () => "taken" })
    expect(issue([])).toContain("is no configuration")
    expect(issue({ v: 1, workflows: ["../tasks.mjs"] })).toContain("../tasks.mjs lies outside of the folder")
  })
})
