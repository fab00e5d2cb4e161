/** The layers of a process that writes: the engine on its file, and the kinds of its configuration. */
import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { Effect, Layer } from "effect"
import type { Config } from "./Config.ts"
import { Kinds } from "./control/Kinds.ts"
import { databaseFile } from "./DataDir.ts"
import { KindUnknown, PayloadRefused } from "./domain/Kind.ts"
import * as Live from "./engine/Live.ts"
import * as SqliteEngine from "./engine/SqliteEngine.ts"
import { orUnavailable } from "./engine/sqlite/SqliteError.ts"

export const kinds = (config: Config): Layer.Layer<Kinds> =>
  Layer.succeed(
    Kinds,
    Kinds.of({
      get: (name) => config.kinds.get(name)?.kind,
      check: (name, payload) => {
        const declared = config.kinds.get(name)
        if (declared === undefined) return new KindUnknown({ kind: name, known: [...config.kinds.keys()] })
        const issue = declared.issueOf(payload)
        return issue === null ? Effect.succeed(declared.kind) : new PayloadRefused({ kind: name, issue })
      }
    })
  )

/** Names a new event stream: it only has to differ from every other. */
export const drawStreamId = Effect.sync(() => {
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return `db-${Buffer.from(bytes).toString("hex")}`
})

// Folder by folder: node's recursive mkdir never comes back where a file system refuses names, as /proc does.
export const makeFolder = (path: string): void => {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (cause) {
    // Another process was faster.
    if (!existsSync(path)) throw cause
  }
}

/** The engine on the configured file, which is made if it is not there. */
export const engine = (config: Config) =>
  Layer.unwrapEffect(
    Effect.gen(function*() {
      yield* orUnavailable("make the data folder", () => makeFolder(config.dataDir))
      return SqliteEngine.layer({ file: databaseFile(config.dataDir), streamId: yield* drawStreamId })
    })
  ).pipe(Layer.provideMerge(Live.layer))
