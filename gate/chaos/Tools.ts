/**
 * The tools of the operating system that scenarios of the profile `full` need. One that is missing ends its scenario before anything was
 * broken: that is missing evidence, and neither good nor bad.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Data, Effect } from "effect"

/** Nothing was played. */
export class ToolMissing extends Data.TaggedError("ToolMissing")<{ readonly what: string; readonly remedy: string }> {
  override get message() {
    return `${this.what}; ${this.remedy}`
  }
}

const can = (file: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>): boolean => {
  try {
    execFileSync(file, args, { stdio: "ignore", timeout: 10_000, env })
    return true
  } catch {
    return false
  }
}

type Env = Readonly<Record<string, string>>

/** strace, which makes system calls fail and tells which were made. */
export const needStrace = (env: Env): Effect.Effect<void, ToolMissing> =>
  can("strace", ["-o", "/dev/null", "true"], env)
    ? Effect.void
    : new ToolMissing({ what: "strace is not there, or may not trace", remedy: "apt-get install strace (Debian package strace); in a container it needs the capability SYS_PTRACE" })

/** Disks of one's own. `dir` is where one is tried. */
export const needMount = (dir: string, env: Env): Effect.Effect<void, ToolMissing> =>
  Effect.suspend(() => {
    const folder = mkdtempSync(join(dir, "mount-"))
    const mounted = can("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], env)
    if (mounted) execFileSync("umount", [folder], { env })
    rmSync(folder, { recursive: true, force: true })
    return mounted ? Effect.void : new ToolMissing({ what: "no disk can be mounted here", remedy: "apt-get install mount (Debian package mount) and run the gate as root; in a container it needs the capability SYS_ADMIN" })
  })

/** The library that gives a program another wall clock. */
export const needFaketime: Effect.Effect<string, ToolMissing> = Effect.suspend(() => {
  const found = folders("/usr/lib").map((name) => join("/usr/lib", name, "faketime", "libfaketimeMT.so.1")).find((file) => existsSync(file))
  return found === undefined ? new ToolMissing({ what: "libfaketime is not there", remedy: "apt-get install faketime (Debian package libfaketime)" }) : Effect.succeed(found)
})

const folders = (dir: string): ReadonlyArray<string> => {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
