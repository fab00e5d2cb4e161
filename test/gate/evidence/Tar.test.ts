import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { sha256 } from "../../../gate/evidence/Canonical.ts"
import { artifactBytesMax, packRelease, readRelease } from "../../../gate/evidence/Release.ts"
import { tarOf } from "../../../gate/evidence/Tar.ts"
import { freshDir } from "./SyntheticRun.ts"

const plain = (content: string) => ({ content: Buffer.from(content), executable: false })

const archive = (bytes: Uint8Array): string => {
  const dir = freshDir()
  mkdirSync(dir)
  writeFileSync(join(dir, "a.tar"), bytes)
  return dir
}

const listed = (bytes: Uint8Array): ReadonlyArray<string> =>
  execFileSync("tar", ["--list", "--verbose", "--numeric-owner", "--full-time", "--utc", "-f", "a.tar"], { cwd: archive(bytes), encoding: "utf8" }).trim().split("\n").map((line) => line.replace(/ +/g, " "))

describe("a tar", () => {
  it("is read by GNU tar: names in C order, no time, no owner, two modes", () => {
    const tar = Either.getOrThrow(tarOf(new Map([["b", plain("two")], ["a/run", { content: Buffer.from("#!"), executable: true }], ["B", plain("")]])))
    expect(listed(tar)).toEqual(["-rw-r--r-- 0/0 0 1970-01-01 00:00:00 B", "-rwxr-xr-x 0/0 2 1970-01-01 00:00:00 a/run", "-rw-r--r-- 0/0 3 1970-01-01 00:00:00 b"])
  })

  it.each([1, 511, 512, 513, 10_240])("keeps a file of %d bytes, and ends at a full record", (bytes) => {
    const content = Buffer.alloc(bytes, "x")
    const tar = Either.getOrThrow(tarOf(new Map([["f", { content, executable: false }]])))
    expect(tar.byteLength % 10_240).toBe(0)
    expect(execFileSync("tar", ["-xOf", "a.tar", "f"], { cwd: archive(tar) }).equals(content)).toBe(true)
  })

  it("cuts a long name at a slash", () => {
    const path = `${"d".repeat(90)}/${"e".repeat(60)}/${"f".repeat(39)}`
    expect(execFileSync("tar", ["-tf", "a.tar"], { cwd: archive(Either.getOrThrow(tarOf(new Map([[path, plain("x")]])))), encoding: "utf8" })).toBe(`${path}\n`)
  })

  it.each([
    ["a name that is too long", "x".repeat(101), "its name is too long"],
    ["a folder that is too long", `${"d/".repeat(80)}${"x".repeat(99)}`, "its name is too long"],
    ["a name with a blank", "two words", "its name is not plain ASCII"],
    ["a name beyond ASCII", "żółw", "its name is not plain ASCII"]
  ])("refuses %s", (_, path, why) => {
    expect(Either.getLeft(tarOf(new Map([[path, plain("x")]])))).toMatchObject({ value: { path, why } })
  })
})

/** A package as it lies on a disk: what it ships, and what it does not. */
const folder = (): string => {
  const dir = freshDir()
  for (const name of ["chunks", "drafts"]) mkdirSync(join(dir, "dist", name), { recursive: true })
  const files = { "package.json": `${JSON.stringify({ name: "@us/thing", version: "1.2.3", files: ["dist", "!dist/drafts", "notes.md"] })}\n`, "README.md": "read", "LICENSE": "free", "notes.md": "notes", "dist/run.js": "#!/usr/bin/env node\n", "dist/chunks/a.js": "a", "dist/drafts/b.js": "b", "secret.md": "not shipped" }
  for (const [path, content] of Object.entries(files)) writeFileSync(join(dir, path), content)
  chmodSync(join(dir, "dist/run.js"), 0o755)
  return dir
}

describe("the release artifact", () => {
  it("is what the package ships, as npm would install it", () => {
    const { bytes, content, name, sha256: digest, tar_sha256, uri } = Either.getOrThrow(packRelease(folder()))
    expect({ name, uri, bytes, digest }).toEqual({ name: "us-thing-1.2.3.tgz", uri: "pkg:npm/%40us/thing@1.2.3", bytes: content?.byteLength, digest: sha256(content ?? "") })
    const tar = gunzipSync(content ?? "")
    expect(tar_sha256).toBe(sha256(tar))
    expect(listed(tar).map((line) => line.replace(/^(\S+) .* (\S+)$/, "$1 $2"))).toEqual([
      "-rw-r--r-- package/LICENSE", "-rw-r--r-- package/README.md", "-rw-r--r-- package/dist/chunks/a.js", "-rwxr-xr-x package/dist/run.js", "-rw-r--r-- package/notes.md", "-rw-r--r-- package/package.json"
    ])
  })

  it("has the same bytes elsewhere, later, and after its files were touched", () => {
    const dir = folder()
    const first = Either.getOrThrow(packRelease(dir))
    utimesSync(join(dir, "notes.md"), 1_000_000, 1_000_000)
    chmodSync(join(dir, "notes.md"), 0o600)
    expect(Either.getOrThrow(packRelease(dir))).toEqual(first)
    expect(Either.getOrThrow(packRelease(folder()))).toEqual(first)
  })

  it.each([
    ["something that it ships is missing", (dir: string) => rmSync(join(dir, "notes.md")), "notes.md"],
    ["a file is a symbolic link", (dir: string) => symlinkSync("run.js", join(dir, "dist", "link.js")), "dist/link.js is not a plain file"],
    ["a name needs quoting", (dir: string) => writeFileSync(join(dir, "dist", "two words"), ""), "dist/two words is not a plain name"],
    ["package.json does not say what it ships", (dir: string) => writeFileSync(join(dir, "package.json"), "{}"), "package.json does not say what is shipped"]
  ])("is refused when %s", (_, change, why) => {
    const dir = folder()
    change(dir)
    expect(Either.getLeft(packRelease(dir))).toMatchObject({ value: { message: expect.stringContaining(why) } })
  })

  it("may be a file of somebody's own, of whose making nothing is said", () => {
    const dir = folder()
    expect(Either.getOrThrow(readRelease(join(dir, "dist", "run.js")))).toEqual({
      name: "run.js", uri: `pkg:generic/run.js?checksum=sha256:${sha256("#!/usr/bin/env node\n")}`, sha256: sha256("#!/usr/bin/env node\n"), bytes: 20, tar_sha256: null, content: Buffer.from("#!/usr/bin/env node\n")
    })
  })

  it("is named by its digest alone when it is larger than a bundle", () => {
    const file = join(folder(), "image.bin")
    writeFileSync(file, "")
    truncateSync(file, artifactBytesMax + 1)
    const { bytes, content, sha256: digest } = Either.getOrThrow(readRelease(file))
    expect({ bytes, content, digest }).toEqual({ bytes: artifactBytesMax + 1, content: null, digest: sha256(Buffer.alloc(artifactBytesMax + 1)) })
  })

  it.each(["manifest.json", "SHA256SUMS", "source", "two words", ".hidden"])("may not be called %s", (name) => {
    const file = join(folder(), name)
    writeFileSync(file, "x")
    expect(Either.getLeft(readRelease(file))).toMatchObject({ value: { why: `${name} is not a name that an artifact may have` } })
  })

  it("may not be a folder, and not nothing", () => {
    expect(Either.isLeft(readRelease(join(folder(), "dist")))).toBe(true)
    expect(Either.isLeft(readRelease(join(folder(), "gone")))).toBe(true)
  })
})
