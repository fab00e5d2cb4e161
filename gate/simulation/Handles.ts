/**
 * What processes of a simulation hold of the real machine, connections to SQLite and open files, and what the storage does to them. A
 * process that is killed loses both: the kernel of an operating system would close them.
 */
import * as fs from "node:fs"
import Sqlite from "better-sqlite3"
import type { Process } from "./Kernel.ts"

/** What the storage is asked before each transaction and each commit. It may throw what a disk would, or end the process. */
export interface Disk {
  readonly beforeBegin: () => void
  readonly beforeCommit: () => void
  readonly afterCommit: () => void
}

export const sqliteError = (code: "SQLITE_BUSY" | "SQLITE_FULL" | "SQLITE_IOERR_WRITE" | "SQLITE_IOERR_FSYNC"): Error => new Sqlite.SqliteError(words[code], code)

const words = {
  SQLITE_BUSY: "database is locked",
  SQLITE_FULL: "database or disk is full",
  SQLITE_IOERR_WRITE: "disk I/O error",
  SQLITE_IOERR_FSYNC: "disk I/O error"
} as const

interface Holding {
  readonly connections: Set<Sqlite.Database>
  readonly files: Set<number>
}

/** Whose turn it is, and the disk under it. */
export interface Around {
  readonly current: () => Process | null
  readonly disk: (process: Process) => Disk | null
}

const watched: ReadonlyMap<string, "begin" | "commit"> = new Map([["BEGIN IMMEDIATE", "begin"], ["COMMIT", "commit"]])

export class Handles {
  private readonly held = new Map<Process, Holding>()
  private readonly around: Around
  /** What the image imports instead of the machine's own. */
  readonly modules: Readonly<Record<"better-sqlite3" | "node:fs", unknown>>

  constructor(around: Around) {
    this.around = around
    this.modules = { "better-sqlite3": sqliteFor(around, (process) => this.of(process).connections), "node:fs": this.files() }
  }

  /** The operating system closes what a dead process had open. */
  readonly release = (process: Process): void => {
    const holding = this.held.get(process)
    if (holding === undefined) return
    this.held.delete(process)
    for (const connection of holding.connections) if (connection.open) connection.close()
    for (const file of holding.files) fs.closeSync(file)
  }

  private of(process: Process): Holding {
    const known = this.held.get(process)
    if (known !== undefined) return known
    const made: Holding = { connections: new Set(), files: new Set() }
    this.held.set(process, made)
    return made
  }

  private files(): unknown {
    return {
      ...fs,
      // Nothing here loses its power, and an answer of the real disk would come at an instant of its own.
      fdatasync: () => undefined,
      openSync: (...args: Parameters<typeof fs.openSync>) => {
        const opened = fs.openSync(...args)
        const process = this.around.current()
        if (process !== null) this.of(process).files.add(opened)
        return opened
      },
      closeSync: (file: number) => {
        for (const { files } of this.held.values()) files.delete(file)
        fs.closeSync(file)
      }
    }
  }
}

const sqliteFor = (around: Around, connectionsOf: (process: Process) => Set<Sqlite.Database>): unknown =>
  class extends Sqlite {
    constructor(file: string, options?: Sqlite.Options) {
      const process = around.current()
      if (process?.state === "dead") throw sqliteError("SQLITE_IOERR_WRITE")
      super(file, options)
      if (process === null) return
      connectionsOf(process).add(this)
      const disk = around.disk(process)
      if (disk === null) return
      const prepare = this.prepare.bind(this)
      // Only what the one writer begins and commits with: what it reads in between fails where it must, with the statement.
      Object.defineProperty(this, "prepare", { value: (text: string) => watch(prepare(text), watched.get(text), disk) })
    }
  }

const watch = (statement: Sqlite.Statement, what: "begin" | "commit" | undefined, disk: Disk): unknown => {
  if (what === undefined) return statement
  if (what === "begin") {
    return {
      run: () => {
        disk.beforeBegin()
        return statement.run()
      }
    }
  }
  return {
    run: () => {
      disk.beforeCommit()
      const done = statement.run()
      disk.afterCommit()
      return done
    }
  }
}
