/** Disks and files that fail, for tests. */
import { execFileSync } from "node:child_process"
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { AtTheEnd } from "./edge/cli/Opsgate.ts"

/** A disk of its own, of so many kilobytes; undefined where we may not mount one. */
export const disk = (kilobytes: number, atTheEnd: AtTheEnd): string | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", folder], { stdio: "ignore" })
  } catch {
    rmSync(folder, { recursive: true, force: true })
    return undefined
  }
  atTheEnd(() => {
    execFileSync("umount", ["-l", folder])
    rmSync(folder, { recursive: true, force: true })
  })
  const inside = join(folder, "inside")
  mkdirSync(inside)
  return inside
}

export const remount = (inside: string, options: string): void => void execFileSync("mount", ["-o", `remount,${options}`, dirname(inside)])

/** Writes over a place in a file, as a disk does that forgets. */
export const scribble = (file: string, at: number, text: string): void => {
  const descriptor = openSync(file, "r+")
  writeSync(descriptor, text, at, "latin1")
  closeSync(descriptor)
}
