import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { make, whyOf } from "../../src/runtime/RunsDisk.ts"

describe("the storage of runs", () => {
  it("is to blame for what the machine lacks, in its own words and in those of a supervisor, and for nothing else", () => {
    const named = (code: string): Error => Object.assign(new Error("it failed"), { code })
    assert.deepEqual(["ENOSPC", "EDQUOT", "EROFS", "EIO", "EMFILE", "ENFILE", "ENOENT"].map((code) => whyOf(named(code))), ["full", "full", "read_only", "io", "no_handles", "no_handles", null])
    assert.strictEqual(whyOf(new Error("ENOSPC: no space left on device, open '/a'")), "full")
    assert.strictEqual(whyOf(new Error("the line is not JSON, ENOSPC")), null)
    assert.strictEqual(whyOf(undefined), null)
  })

  it.live("is well again when a look could make a folder, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const dir = mkdtempSync(join(tmpdir(), "opsgate-runs-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(dir, { recursive: true, force: true })))
      const disk = make(dir, () => 7)
      disk.failed("full")
      disk.failed("full")
      assert.deepEqual(disk.trouble(), { why: "full", sinceMs: 7, failures: 2 })
      yield* disk.look
      assert.isNull(disk.trouble())
      assert.deepEqual(readdirSync(dir), [])
    }).pipe(Effect.scoped))
})
