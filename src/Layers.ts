/** The layers of a process that writes: the engine on its file, and the kinds of its configuration. */
import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { Effect, Layer } from "effect"
import type { Config } from "./Config.ts"
import { Kinds } from "./control/Kinds.ts"
import { databaseFile } from "./DataDir.ts"
import type { Json } from "./domain/Canonical.ts"
import { type Kind, KindUnknown, PayloadRefused } from "./domain/Kind.ts"
import { Chance } from "./engine/Engine.ts"
import * as Live from "./engine/Live.ts"
import * as Log from "./Log.ts"
import * as SqliteEngine from "./engine/SqliteEngine.ts"
import { orUnavailable } from "./engine/sqlite/SqliteError.ts"

/** The kinds that are declared, by name, wherever they come from. */
export const kindsOf = (known: ReadonlyMap<string, { readonly kind: Kind; readonly issueOf: (payload: Json) => string | null }>): Layer.Layer<Kinds> =>
  Layer.succeed(
    Kinds,
    Kinds.of({
      get: (name) => known.get(name)?.kind,
      check: (name, payload) => {
        const declared = known.get(name)
        if (declared === undefined) return new KindUnknown({ kind: name, known: [...known.keys()] })
        const issue = declared.issueOf(payload)
        return issue === null ? Effect.succeed(declared.kind) : new PayloadRefused({ kind: name, issue })
      }
    })
  )

export const kinds = (config: Config): Layer.Layer<Kinds> => kindsOf(config.kinds)

/** Names a new event stream: it only has to differ from every other. */
const drawStreamId = Effect.map(Chance, ({ next }) => {
  const half = () => Math.floor(next() * 2 ** 32).toString(16).padStart(8, "0")
  return `db-${half()}${half()}`
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

/** The engine on a file, on the ports that are given. */
export const engineOver = (file: string, behind = false) =>
  Layer.unwrapEffect(
    Effect.gen(function*() {
      yield* orUnavailable("make the data folder", () => makeFolder(dirname(file)))
      return SqliteEngine.layer({ file, streamId: yield* drawStreamId, behind })
    })
  )

const opened = (file: string, behind: boolean, logged = file) => engineOver(file, behind).pipe(Layer.provideMerge(Log.layer(logged)), Layer.provideMerge(Live.layer))

/** The engine on a file, which is made with its folder if it is not there. `logged`: the file in whose log it is told what happens, if that is another one. */
export const engineOn = (file: string, logged = file) => opened(file, false, logged)

/** The engine on a file that is behind its watermark, for whoever accepts the loss. */
export const engineBehind = (file: string) => opened(file, true)

export const engine = (config: Config) => engineOn(databaseFile(config.dataDir))
