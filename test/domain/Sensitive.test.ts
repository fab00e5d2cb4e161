import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import type { Json } from "../../src/domain/Canonical.ts"
import { plainly, redactorFor } from "../../src/domain/Redaction.ts"
import { Sensitive, sensitiveInJsonSchema, sensitiveInSchema, valuesAt } from "../../src/domain/Sensitive.ts"

const secret = { "x-sensitive": true }

describe("what a JSON Schema marks", () => {
  const cases: ReadonlyArray<readonly [string, object, Json, Json]> = [
    ["a member", { properties: { a: secret } }, { a: "x1234", b: "y" }, { a: "[redacted]", b: "y" }],
    ["an object as a whole", { properties: { a: secret } }, { a: { b: "x" } }, { a: "[redacted]" }],
    ["members of items", { items: { properties: { a: secret } } }, [{ a: 1 }, { a: 2, b: 3 }], [{ a: "[redacted]" }, { a: "[redacted]", b: 3 }]],
    ["one place of a list", { properties: { l: { prefixItems: [{}, secret] } } }, { l: ["a", "b"] }, { l: ["[redacted]", "[redacted]"] }],
    ["whatever has another name", { properties: { a: {} }, additionalProperties: secret }, { b: "x" }, { b: "[redacted]" }],
    ["a branch", { anyOf: [{ properties: { a: {} } }, { properties: { b: secret } }] }, { b: "x" }, { b: "[redacted]" }],
    ["a branch that has a condition", { if: {}, then: { properties: { b: secret } } }, { b: "x" }, { b: "[redacted]" }],
    ["what a reference leads to", { $defs: { s: secret }, properties: { a: { $ref: "#/$defs/s" } } }, { a: "x" }, { a: "[redacted]" }],
    ["every level of what holds itself", { $defs: { n: { properties: { s: secret, next: { $ref: "#/$defs/n" } } } }, $ref: "#/$defs/n" }, { s: "x", next: { s: "y", next: { s: "z" } } }, { s: "[redacted]", next: { s: "[redacted]", next: { s: "[redacted]" } } }],
    ["everything, where a reference cannot be followed", { properties: { a: { $ref: "other.json" }, b: secret } }, { a: { c: "x" }, b: 1 }, { a: "[redacted]", b: "[redacted]" }],
    ["the whole payload", secret, { a: "x" }, "[redacted]"],
    ["nothing", { properties: { a: { "x-sensitive": false } } }, { a: "x" }, { a: "x" }]
  ]
  it.each(cases)("is taken out: %s", (_what, schema, value, shown) => {
    expect(plainly.json(value, sensitiveInJsonSchema(schema))).toEqual(shown)
  })
})

interface Tree {
  readonly word: string
  readonly below: ReadonlyArray<Tree>
}

describe("what a schema of Effect marks", () => {
  const Word = Sensitive(Schema.String)
  const TreeSchema: Schema.Schema<Tree> = Schema.Struct({ word: Word, below: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => TreeSchema)) })
  const cases: ReadonlyArray<readonly [string, Schema.Schema.All, Json, Json]> = [
    ["a member", Schema.Struct({ a: Word, b: Schema.String }), { a: "x", b: "y" }, { a: "[redacted]", b: "y" }],
    ["an optional member", Schema.Struct({ a: Schema.optional(Word) }), { a: "x" }, { a: "[redacted]" }],
    ["a member that is refined", Schema.Struct({ a: Sensitive(Schema.String.pipe(Schema.minLength(1))) }), { a: "x" }, { a: "[redacted]" }],
    ["a member that is refined afterwards", Schema.Struct({ a: Word.pipe(Schema.filter(() => true)) }), { a: "x" }, { a: "[redacted]" }],
    ["a member whose name is another when it is kept", Schema.Struct({ a: Schema.propertySignature(Word).pipe(Schema.fromKey("kept_as")) }), { kept_as: "x" }, { kept_as: "[redacted]" }],
    ["items", Schema.Array(Word), ["x"], ["[redacted]"]],
    ["values of a record", Schema.Record({ key: Schema.String, value: Word }), { k: "x" }, { k: "[redacted]" }],
    ["one of several", Schema.Union(Schema.Struct({ a: Word }), Schema.Number), { a: "x" }, { a: "[redacted]" }],
    ["what is Redacted", Schema.Struct({ a: Schema.Redacted(Schema.String) }), { a: "x" }, { a: "[redacted]" }],
    ["every level of what holds itself", TreeSchema, { word: "x", below: [{ word: "y", below: [] }] }, { word: "[redacted]", below: [{ word: "[redacted]", below: [] }] }],
    ["nothing", Schema.Struct({ a: Schema.String }), { a: "x" }, { a: "x" }]
  ]
  it.each(cases)("is taken out: %s", (_what, schema, value, shown) => {
    expect(plainly.json(value, sensitiveInSchema(schema))).toEqual(shown)
  })

  it("changes nothing of what the schema takes", () => {
    expect(Schema.decodeUnknownSync(Schema.Struct({ a: Word }))({ a: "x" })).toEqual({ a: "x" })
  })
})

describe("the values that are marked", () => {
  it("are found wherever they are, each once, the longest first", () => {
    expect(valuesAt({ a: ["short", "longer one"], b: { c: "short" }, d: "not" }, [["a"], ["b", "c"]])).toEqual(["longer one", "short"])
  })
})

describe("a mark", () => {
  const one = redactorFor("key one")
  it("is the same for the same secret, in JSON and in text, and tells different ones apart", () => {
    const mark = one.json({ password: "hunter2" })
    expect(mark).toEqual({ password: expect.stringMatching(/^\[redacted:[0-9a-f]{6}\]$/) })
    const [shown] = Object.values(mark ?? {})
    expect(one.text("password=hunter2")).toBe(`password=${shown}`)
    expect(one.text("{\"password\":\"hunter2\"}")).toBe(`{"password":"${shown}"}`)
    expect(one.text("postgres://hunter2@db")).toBe(`postgres://${shown}@db`)
    expect(one.json({ word: "hunter2" }, [["word"]])).toEqual({ word: shown })
    expect(one.knowing(["hunter2"]).text("he said hunter2")).toBe(`he said ${shown}`)
    expect(one.text("password=hunter3")).not.toContain(String(shown))
  })

  it("is another one under another key, so that nobody without the key can try what it stands for", () => {
    expect(redactorFor("key two").text("password=hunter2")).not.toBe(one.text("password=hunter2"))
  })

  it("stays as it is when it is redacted again, with the same key, another one or none", () => {
    for (const text of ["password=hunter2", "postgres://a:b@c", "Cookie: sid=abc", "--token abcdefgh", "{\"token\":\"abc\"}"]) {
      const once = one.text(text)
      expect([one.text(once), redactorFor("key two").text(once), plainly.text(once)]).toEqual([once, once, once])
    }
  })
})

describe("what is no secret", () => {
  it("stays: ids, digests, traces, instants, amounts and words", () => {
    const ordinary: Json = {
      id: "01KAJ3Q7ZC6Z3Q5T7V9WX0YZ12",
      trace: "0193f4a1c2d3e4f5a6b7c8d9e0f1a2b3",
      span: "00f067aa0ba902b7",
      payload_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      dispatch_key: "01KAJ3Q7ZC6Z3Q5T7V9WX0YZ12:1",
      key: "telegram:7",
      concurrency_key: "main",
      at: 1_795_250_000_000,
      at_us: 1_795_250_000_000_123,
      big: "4111111111111112",
      uuid: "4b825dc6-42cb-4eb9-a060-e54bf8d69288",
      commit: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
      max_tokens: 4096,
      tokens: 512,
      token_type: "bearer",
      password_expires_at: 5,
      has_password: true,
      secret: null,
      author: "ada",
      path: "/srv/app/tokenizer.ts",
      address: "https://example.org/a?b=c&page=2",
      note: "basic understanding of a session; exit code 3 at 12:30:45, 1234 5678 rows",
      version: "12.11.1",
      compass: "north",
      pinned: "yes",
      passed: 3
    }
    expect(plainly.json(ordinary)).toEqual(ordinary)
    expect(JSON.parse(plainly.text(JSON.stringify(ordinary)))).toEqual(ordinary)
  })

  it("is not looked for below the deepest level, which is not shown either", () => {
    let deep: Json = { password: "hunter2" }
    for (let level = 0; level < 150; level++) deep = [deep]
    const shown = JSON.stringify(plainly.json(deep))
    expect(shown).not.toContain("hunter2")
    expect(shown).toContain("[too deep]")
  })
})
