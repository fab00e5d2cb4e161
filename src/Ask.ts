/** A command that no server answered: decided here, under the instance lock. And waiting for a task to end. */
import { userInfo } from "node:os"
import { Effect, Layer } from "effect"
import * as Config from "./Config.ts"
import { handleCommand } from "./control/Door.ts"
import { Kinds } from "./control/Kinds.ts"
import { databaseFile, locate } from "./DataDir.ts"
import type { Ask } from "./domain/Command.ts"
import type { Answer } from "./domain/Decision.ts"
import type { ScheduleAsk } from "./domain/ScheduleAsk.ts"
import { TaskId } from "./domain/Task.ts"
import { isTerminal } from "./domain/TaskState.ts"
import { EngineReader } from "./engine/Engine.ts"
import { DatabaseRefused, readVersion } from "./engine/sqlite/Database.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"
import { refusedBy } from "./edge/cli/CommandSocket.ts"
import * as Layers from "./Layers.ts"

/** Who acts on this machine: the operating system says so. */
export const localActor = (): string => `cli:${userInfo().username}`

/** Decides without a server. Fails with `InstanceLocked` when another process keeps the lock, as a server does that is about to listen. */
export const decideHere = (ask: Ask | ScheduleAsk, key: string | null, configFile: string | undefined) =>
  Effect.gen(function*() {
    const config = yield* Config.load(configFile)
    const file = databaseFile(config.dataDir)
    // Refused before the file is opened or made: a request that cannot be granted leaves nothing behind.
    if (ask.op === "submit") yield* Effect.flatMap(Kinds, (kinds) => kinds.check(ask.kind, ask.payload)).pipe(Effect.provide(Layers.kinds(config)))
    else if ((yield* readVersion(file)) === 0) return yield* DatabaseRefused.absent(file)
    return yield* handleCommand({ ask, key, actor: localActor(), channel: "cli" }).pipe(
      Effect.provide(Layer.merge(Layers.engine(config), Layers.kinds(config)))
    )
  }).pipe(Effect.mapError(refusedBy))

/** Pauses between looks at a task that is waited for. */
const lookMs = 100

/** Waits for the end of the task that an answer names; answers how it stood then, or after the time was up. */
export const awaitEnd = (answer: Answer, waitMs: number, configFile: string | undefined) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const id = TaskId.make(answer.task)
    yield* reader.get(id).pipe(
      Effect.delay(lookMs),
      Effect.repeat({ until: (task) => task !== undefined && isTerminal[task.state] }),
      Effect.timeoutOption(waitMs)
    )
    return yield* reader.get(id)
  }).pipe(Effect.provide(SqliteReader.layer(databaseFile(locate(configFile)))), Effect.mapError(refusedBy))
