/** A plan that no server made: made here, on the file as it is, without the instance lock. Loaded when that is needed. */
import { existsSync } from "node:fs"
import { Effect, Layer } from "effect"
import { localCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import type { DoorAsk } from "./control/Door.ts"
import { planFor } from "./control/Plans.ts"
import { databaseFile } from "./DataDir.ts"
import { refusedBy } from "./edge/cli/CommandSocket.ts"
import * as Live from "./engine/Live.ts"
import * as MemoryEngine from "./engine/MemoryEngine.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"
import * as SqliteRehearser from "./engine/SqliteRehearser.ts"
import { readVersion } from "./engine/sqlite/Database.ts"
import * as Layers from "./Layers.ts"

const onFile = (file: string) => Layer.merge(SqliteReader.layer(file), SqliteRehearser.layer(file)).pipe(Layer.provideMerge(Live.instants))

/** Plans what is asked about this very file, where kinds play no part. */
export const planOnFile = (ask: DoorAsk, key: string | null, file: string, governed: Config.Governed) =>
  planFor({ ask, key, ...localCaller(governed), channel: "cli" }).pipe(Effect.provide(Layer.merge(onFile(file), Layers.kindsOf(new Map()))))

/** Plans a command without a server. */
export const planHere = (ask: DoorAsk, key: string | null, configFile: string | undefined) =>
  Effect.gen(function*() {
    const config = yield* Config.load(configFile)
    const file = databaseFile(config.dataDir)
    // The first request of all makes the file; its plan does not.
    const isFirst = ask.op === "submit" && (!existsSync(file) || (yield* readVersion(file)) === 0)
    const store = isFirst ? MemoryEngine.layer().pipe(Layer.provideMerge(Live.instants)) : onFile(file)
    return yield* Effect.provide(planFor({ ask, key, ...localCaller(config), channel: "cli" }), Layer.merge(store, Layers.kinds(config)))
  }).pipe(Effect.mapError(refusedBy))
