import { Either } from "effect"
import { describe, it } from "vitest"
import type { Json } from "../../src/domain/Canonical.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import { globPattern, namePattern, wordsPattern } from "../../src/domain/Pattern.ts"
import { policyByDefault } from "../../src/domain/Policy.ts"
import { rulingOn } from "../../src/domain/Ruling.ts"
import { heavyKind } from "../engine/tasks.ts"

const glob = (text: string) => Either.getOrThrowWith(globPattern(text), (why) => new Error(why))

const denying = (words: ReadonlyArray<string>, paths: ReadonlyArray<string> = [], more: Partial<Kind> = {}): Kind => ({
  ...heavyKind(),
  ...more,
  policy: { ...policyByDefault, version: "v", deny: [{ name: "no", why: "not here", words: words.length === 0 ? [] : [wordsPattern(words)], paths: paths.map(glob) }] }
})

const isDenied = (of: Kind, payload: Json): boolean => rulingOn(of, payload).denied !== null

describe("a word of a policy", () => {
  const gitPush = denying(["git push"])
  const found: ReadonlyArray<readonly [string, Json]> = [
    ["as it is", { run: "please git push now" }],
    ["with other white space", { run: "git \t  push" }],
    ["with other spaces of Unicode", { run: "git\u00a0\u2003push" }],
    ["in capitals", { run: "GIT Push" }],
    ["in full-width letters", { run: "\uff47\uff49\uff54 \uff50\uff55\uff53\uff48" }],
    ["with characters without width in it", { run: "g\u200bi\u2060t p\ufeffu\u00ads\u200dh" }],
    ["with a mark that turns the line in it", { run: "git pu\u202esh" }],
    ["with a variation selector in it", { run: "git pus\ufe0fh" }],
    ["as words of a command line", { argv: ["git", "push"] }],
    ["as words of a command line deep in lists", { a: [[{ b: [["git", "push", "--force"]] }]] }],
    ["in quotes", { run: "git \"push\" origin" }],
    ["over a line that is continued", { run: "git \\\n  push" }],
    ["as the name of a member", { "git push": true }],
    ["between signs", { run: "(git push);" }]
  ]
  it("is found in every disguise of the table, and is not in words that only hold it", ({ expect }) => {
    for (const [how, payload] of found) expect.soft({ how, denied: isDenied(gitPush, payload) }).toEqual({ how, denied: true })
    for (const run of ["digit push", "digit pushed", "git pushes", "gitpush", "git pull", "push git"]) expect.soft({ run, denied: isDenied(gitPush, { run }) }).toEqual({ run, denied: false })
  })

  it("is found at any depth that a payload may have", ({ expect }) => {
    const deep = Array.from({ length: 99 }).reduce<Json>((inner) => ({ a: [inner] }), "git push")
    expect(isDenied(gitPush, deep)).toBe(true)
  })

  it("is found in what a command line becomes with its payload", ({ expect }) => {
    const verb = denying(["git push"], [], { words: "/usr/bin/git {{verb}} origin" })
    expect(isDenied(verb, { verb: "push" })).toBe(true)
    expect(isDenied(verb, { verb: "fetch" })).toBe(false)
  })

  it("is a text and nothing else: signs of expressions stand for themselves", ({ expect }) => {
    const literal = denying(["a.c", "(x+)+y", "--force", "rm -rf /"])
    for (const run of ["a.c", "(x+)+y", "git --force", "rm  -rf /"]) expect.soft({ run, denied: isDenied(literal, { run }) }).toEqual({ run, denied: true })
    for (const run of ["abc", "xxxy", "-force", "rm -r /"]) expect.soft({ run, denied: isDenied(literal, { run }) }).toEqual({ run, denied: false })
  })
})

describe("a path of a policy", () => {
  const table: ReadonlyArray<readonly [string, ReadonlyArray<string>, ReadonlyArray<string>]> = [
    ["/etc/**", ["/etc/passwd", "/etc", "/etc/", "//etc/./ssh/config", "/srv/../etc/hosts", "/etc/a/b/c"], ["/etcetera", "/srv/etc/x", "etc/passwd"]],
    ["*.pem", ["key.pem", "/srv/tls/key.pem", "./a/b.pem", "/x.pem/inside"], ["key.pem.txt", "pem", "/srv/pem"]],
    ["**/.ssh/**", ["/home/ada/.ssh/id", "~/.ssh", ".ssh/config"], ["/home/ada/ssh/id"]],
    ["deploy/*.sh", ["deploy/a.sh", "/srv/app/deploy/b.sh"], ["deploy/x/a.sh", "deploy/.sh/a"]],
    ["/var/lib/*/data", ["/var/lib/app/data"], ["/var/lib/data", "/var/lib/a/b/data"]],
    ["/a/**/z", ["/a/z", "/a/b/z", "/a/b/c/z"], ["/a/b", "/z", "/b/a/z"]],
    ["id_?sa", ["~/.ssh/id_rsa", "id_dsa"], ["id_ecdsa"]]
  ]
  it.each(table)("%s fits what a reader expects", (pattern, fitting, other) => {
    const { test } = glob(pattern)
    const wrong = [...fitting.filter((path) => !test(path)), ...other.filter(test)]
    if (wrong.length > 0) throw new Error(`${pattern} is wrong about ${wrong.join(", ")}`)
  })

  it("is no longer than the system takes one", ({ expect }) => {
    const { test } = glob("*.pem")
    expect([test(`/${"a/".repeat(2000)}x.pem`), test(`/${"a/".repeat(2100)}x.pem`)]).toEqual([true, false])
  })

  it("is found in commands, lists and settings", ({ expect }) => {
    const etc = denying([], ["/etc/**"])
    for (const run of ["cat /etc/passwd", "cp x '/etc/cron.d/y'", "--file=/etc/hosts", "docker run -v /etc:/mnt", "a,/etc/b;c", ">/etc/motd"]) {
      expect.soft({ run, denied: isDenied(etc, { run }) }).toEqual({ run, denied: true })
    }
    expect(isDenied(etc, { run: "see /srv/etc/x" })).toBe(false)
    expect(isDenied(etc, ["rm", "-rf", "/etc"])).toBe(true)
  })

  it.each(["", "/", "**", "a/**b", "a//b", "[ab]", "{a,b}", "!x", "a b", "../x", "a\\b", "*a*b*c*d*e", "**/*/**"])("is refused when it is no glob: %j", (text) => {
    if (Either.isRight(globPattern(text))) throw new Error(`${JSON.stringify(text)} was taken`)
  })
})

describe("a name pattern", () => {
  it("fits whole names", ({ expect }) => {
    const release = Either.getOrThrow(namePattern("release-*"))
    expect(["release-", "release-app", "release-a-b"].every(release.test)).toBe(true)
    expect(["release", "my-release-app", "Release-app"].some(release.test)).toBe(false)
    expect(Either.getOrThrow(namePattern("*")).test("anything")).toBe(true)
    expect(Either.getOrThrow(namePattern("a*b*c")).test("a-b-b-c")).toBe(true)
  })
})

describe("what a policy looks at", () => {
  const hostile: ReadonlyArray<readonly [string, Json]> = [
    ["one word again and again", "git ".repeat(250_000)],
    ["a word and a million spaces", `git${" ".repeat(1_000_000)}x`],
    ["one letter", "a".repeat(1_000_000)],
    ["one path that is far too long", `/etc${"/a".repeat(500_000)}`],
    ["paths that almost fit", `${"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab ".repeat(14_000)}`],
    ["half a million numbers", Array.from({ length: 500_000 }, () => 1)],
    ["a list of many texts", Array.from({ length: 200_000 }, () => "git")],
    ["many members", Object.fromEntries(Array.from({ length: 80_000 }, (_, index) => [`git${index}`, "x"]))]
  ]
  it.each(hostile)("takes a payload of 1 MB without losing itself: %s", (_what, payload) => {
    const of = denying(["git push --force", "x y x y x z", "a a a a a a b"], ["/etc/**/b/**/c", "*a*a*a*c", "/*a*a*a*c/x"])
    // Back-tracking would take longer than the test may; the figure itself is nobody's promise.
    if (isDenied(of, payload)) throw new Error("nothing of it is there")
  })
})
