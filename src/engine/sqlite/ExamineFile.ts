/** What can be seen of a database without opening it: its header, its name's rights, its log, its disk, and who holds its lock. */
import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import Database from "better-sqlite3"
import type { Finding } from "../../domain/Reports.ts"
import { readHeader } from "./Database.ts"
import { latestVersion } from "./Migrations.ts"
import * as Sidecar from "./Sidecar.ts"
import { isBusy } from "./SqliteError.ts"

/** Commits need room; below this many bytes somebody should make some. */
export const diskLowBytes = 100 * 1024 * 1024
/** A log is brought back into the file every 4 MB; one as long as this is held back by somebody who reads. */
export const walLargeBytes = 64 * 1024 * 1024

/** A path as a shell takes it. */
export const quoted = (path: string): string => (/^[A-Za-z0-9_./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`)

const damage = (code: string, found: string, remedy: string): Finding => ({ code, severity: "damage", found, since_ms: null, remedy })
const warning = (code: string, found: string, remedy: string, sinceMs: number | null = null): Finding => ({ code, severity: "warning", found, since_ms: sinceMs, remedy })

const restoring = (file: string): string => `opsgate restore <backup> --to ${quoted(file)} --force`

/** Whether SQL can be asked of it at all, by its header. Offsets: sqlite.org/fileformat.html, "The Database Header". */
export const headerFindings = (file: string, header: { readonly why: string; readonly version: number } | null): ReadonlyArray<Finding> => {
  if (header === null) return []
  if (header.why === "newer_version") return [damage("schema_newer", `it has schema ${header.version}, and this program knows up to ${latestVersion}`, "use the newer opsgate, or restore a backup from before the upgrade: opsgate restore <backup> --force")]
  if (header.why === "empty") return [damage("database_empty", `${file} is empty: it has 0 bytes`, restoring(file))]
  if (header.why === "missing") return [damage("database_missing", `${file} does not exist`, restoring(file))]
  return [damage(header.why, `${file} ${header.why === "not_a_database" ? "is not a database" : "is a database of another program"}`, restoring(file))]
}

/** Rights that let other users of the machine read the file: its own and those of its folder together. */
export const rightsFindings = (file: string): ReadonlyArray<Finding> => {
  const folder = dirname(file)
  const others = (mode: number, group: number, other: number): boolean => (mode & group) !== 0 || (mode & other) !== 0
  const open = statSync(folder).mode
  const names = ["", "-wal", "-shm"].map((end) => `${file}${end}`).concat(join(folder, "opsgate.sock"))
  const readable = names.filter((name) => {
    // A log goes when the last program closes the file.
    const mode = statSync(name, { throwIfNoEntry: false })?.mode ?? 0
    return others(open & 0o010 ? mode : 0, 0o060, 0) || others(open & 0o001 ? mode : 0, 0, 0o006)
  })
  const [first] = readable
  return first === undefined ? [] : [damage("readable_by_others", `other users of this machine can open ${first}, with the payloads of all tasks`, `chmod 600 ${readable.map(quoted).join(" ")}`)]
}

/** Journal mode, by the header: a backup is one file, a database that is written has a write-ahead log. */
export const journalFindings = (file: string): ReadonlyArray<Finding> => {
  const header = readHeader(file)
  if (header === null || header.length < 20 || header[18] === 2 || Sidecar.read(file) !== null) return []
  return [damage("journal_mode", "it has no write-ahead log: another program set its journal mode", "opsgate serve   # sets it again; find out who changed it")]
}

export const logFindings = (file: string): ReadonlyArray<Finding> => {
  const size = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
  return size < walLargeBytes ? [] : [warning("wal_large", `its write-ahead log has ${size} bytes: somebody reads for a long time, so it cannot be brought back`, `fuser -v ${quoted(file)}   # end who reads, then restart: opsgate serve`)]
}

export const diskFindings = (file: string): ReadonlyArray<Finding> => {
  const { bavail, bsize } = statfsSync(dirname(file))
  const free = bavail * bsize
  return free >= diskLowBytes ? [] : [warning("disk_low", `the disk has ${free} bytes left`, `df -h ${quoted(dirname(file))}   # make room: a full disk refuses every command`)]
}

/** What an interrupted restore left. */
export const leftoverFindings = (file: string): ReadonlyArray<Finding> => {
  const parts = readdirSync(dirname(file)).filter((name) => name.startsWith(`.${basename(file)}.`) && name.endsWith(".part") && !existsSync(`/proc/${/\.(\d+)\.part$/.exec(name)?.[1] ?? "none"}`))
  const [first] = parts
  return first === undefined ? [] : [warning("unfinished_file", `a backup or restore was interrupted and left ${first}`, `rm ${quoted(join(dirname(file), first))}*`)]
}

/** Whether a process holds the instance lock, and which, if the kernel tells. */
export const lockHolder = (file: string): { readonly held: boolean; readonly pid: number | null } => {
  const lock = `${file}.lock`
  if (!existsSync(lock)) return { held: false, pid: null }
  const db = new Database(lock, { readonly: true, timeout: 0 })
  try {
    db.prepare("SELECT COUNT(*) FROM sqlite_master").get()
    return { held: false, pid: null }
  } catch (cause) {
    if (!isBusy(cause)) throw cause
    return { held: true, pid: pidOf(lock) }
  } finally {
    db.close()
  }
}

// "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF", see proc(5). Locks of other pid namespaces have no pid here.
const pidOf = (lock: string): number | null => {
  const inode = `:${statSync(lock).ino} `
  const line = readFileSync("/proc/locks", "utf8").split("\n").find((text) => text.includes(inode) && text.includes("WRITE"))
  const pid = Number(line === undefined ? NaN : /WRITE\s+(\d+)/.exec(line)?.[1])
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null
}
