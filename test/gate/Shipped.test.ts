import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Either } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { shippedFrom, stillShipped } from "../../gate/Shipped.ts"

const all = mkdtempSync(join(tmpdir(), "opsgate-shipped-"))
afterAll(() => rmSync(all, { recursive: true, force: true }))

/** A package that was built. */
const house = (): string => {
  const root = mkdtempSync(join(all, "root-"))
  mkdirSync(join(root, "dist"))
  const files = { "package.json": JSON.stringify({ name: "opsgate", version: "0.1.0", files: ["dist"] }), "README.md": "", "LICENSE": "", "dist/run.js": "1", "dist/package-lock.json": "{}" }
  for (const [path, content] of Object.entries(files)) writeFileSync(join(root, path), content)
  return root
}

const shipped = (root: string, artifact?: string) => Either.getOrThrow(shippedFrom(root, "0.1.0", artifact))

describe("what is judged", () => {
  it("is noticed when what is shipped changes while it is judged", () => {
    const root = house()
    const before = shipped(root)
    utimesSync(join(root, "dist/run.js"), 1, 1)
    expect(Either.isRight(stillShipped(root, before))).toBe(true)
    writeFileSync(join(root, "dist/run.js"), "2")
    expect(Either.getLeft(stillShipped(root, before))).toMatchObject({ value: { why: expect.stringContaining("was changed while it was judged") } })
    rmSync(join(root, "dist/run.js"))
    writeFileSync(join(root, "dist/run.js"), "1")
    expect(Either.isRight(stillShipped(root, before))).toBe(true)
    rmSync(join(root, "LICENSE"))
    expect(Either.getLeft(stillShipped(root, before))).toMatchObject({ value: { why: expect.stringContaining("was changed while it was judged") } })
  })

  it("may be a file of somebody's own, which is what it was when it was read", () => {
    const root = house()
    const file = join(all, "image.bin")
    writeFileSync(file, "image")
    const before = shipped(root, file)
    writeFileSync(file, "another")
    expect(before.release).toMatchObject({ name: "image.bin", bytes: 5, tar_sha256: null })
    expect(Either.isRight(stillShipped(root, before))).toBe(true)
  })

  it("is refused when the product was not built, or the file is not there", () => {
    const root = house()
    expect(Either.getLeft(shippedFrom(root, "0.1.0", join(all, "gone")))).toMatchObject({ value: { why: expect.stringContaining("there is no release artifact") } })
    rmSync(join(root, "dist/package-lock.json"))
    expect(Either.getLeft(shippedFrom(root, "0.1.0", undefined))).toMatchObject({ value: { why: expect.stringContaining("npm run build") } })
  })

  it("knows when its commit was made, if there is one", () => {
    const root = house()
    expect(shipped(root).product.committed_ms).toBeNull()
    const git = (...words: ReadonlyArray<string>) =>
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...words], { cwd: root, env: { ...process.env, GIT_COMMITTER_DATE: "2026-11-20T10:00:00Z", GIT_AUTHOR_DATE: "2020-01-01T00:00:00Z" }, stdio: "ignore" })
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "a")
    expect(shipped(root).product.committed_ms).toBe(Date.parse("2026-11-20T10:00:00Z"))
  })
})
