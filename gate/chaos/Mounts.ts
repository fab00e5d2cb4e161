/** Disks of one's own for a scenario: only on folders of its workspace, and never left mounted. */
import { execFile, execFileSync } from "node:child_process"
import { closeSync, cpSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statfsSync, writeSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { ProductFailed, type Workspace } from "./Product.ts"

export const dataDir = ({ dir }: Workspace): string => join(dir, ".opsgate")

const run = (env: Readonly<Record<string, string>>, file: string, ...args: ReadonlyArray<string>): Effect.Effect<void, ProductFailed> =>
  Effect.async((resume) => {
    execFile(file, args, { env }, (error, _, stderr) => resume(error === null ? Effect.void : new ProductFailed({ what: file, detail: stderr.trim().slice(0, 200) })))
  })

/** Mounts a small disk as the data folder. When the scope closes, what is on it is kept where it was. */
export const smallDisk = (workspace: Workspace, kilobytes: number): Effect.Effect<void, ProductFailed, Scope.Scope> => {
  const folder = dataDir(workspace)
  return Effect.acquireRelease(
    Effect.zipRight(Effect.sync(() => mkdirSync(folder, { mode: 0o700 })), run(workspace.env, "mount", "-t", "tmpfs", "-o", `size=${kilobytes}k,mode=700`, "tmpfs", folder)),
    () => Effect.sync(() => {
      const kept = `${folder}.kept`
      try {
        rmSync(ballastIn(folder), { force: true })
        cpSync(folder, kept, { recursive: true, filter: (file) => !file.endsWith(".sock") })
      } finally {
        execFileSync("umount", ["-l", folder], { env: workspace.env })
      }
      rmSync(folder, { recursive: true })
      renameSync(kept, folder)
    })
  )
}

const ballastIn = (folder: string): string => join(folder, "ballast")

/** Takes all the room that is left, until `free`. Answers how many bytes the kernel says are left. */
export const fill = (workspace: Workspace): number => {
  const folder = dataDir(workspace)
  const descriptor = openSync(ballastIn(folder), "a")
  for (const size of [65_536, 4096]) while (canWrite(descriptor, size)) continue
  closeSync(descriptor)
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

export const free = (workspace: Workspace): void => rmSync(ballastIn(dataDir(workspace)))

const canWrite = (descriptor: number, size: number): boolean => {
  try {
    return writeSync(descriptor, Buffer.alloc(size, 1)) === size
  } catch {
    return false
  }
}

/** Lays the data folder over itself, to be read only. What was open before stays as it was: that is how Linux mounts. */
export const readOnly = (workspace: Workspace): Effect.Effect<void, ProductFailed, Scope.Scope> => {
  const folder = dataDir(workspace)
  return Effect.zipRight(
    Effect.acquireRelease(run(workspace.env, "mount", "--bind", folder, folder), () => Effect.sync(() => void execFileSync("umount", ["-l", folder], { env: workspace.env }))),
    run(workspace.env, "mount", "-o", "remount,bind,ro", folder)
  )
}

/** What the kernel says of the mount that lies on the data folder, without paths of this machine; null: there is none. */
export const mountLine = (workspace: Workspace): string | null => {
  const folder = dataDir(workspace)
  const fields = readFileSync("/proc/self/mountinfo", "utf8").split("\n").map((line) => line.split(" ")).findLast(([, , , , point]) => point === folder)
  return fields === undefined ? null : `the data folder is mounted ${fields[5] ?? ""}, ${fields.slice(fields.indexOf("-") + 1, fields.indexOf("-") + 2).join("")}`
}
