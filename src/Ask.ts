/** A command that no server answered: decided here, under the instance lock. And waiting for a task to end. */
import { userInfo } from "node:os"
import { Effect, Either, Layer } from "effect"
import * as Config from "./Config.ts"
import { CommandDeadline, withDeadline } from "./control/Deadline.ts"
import { handleCommand } from "./control/Door.ts"
import { Kinds } from "./control/Kinds.ts"
import { onlyAs } from "./control/Plans.ts"
import { databaseFile, locate } from "./DataDir.ts"
import { issueOf } from "./domain/AskLimits.ts"
import type { Caller } from "./domain/Authorization.ts"
import type { Ask } from "./domain/Command.ts"
import type { Answer } from "./domain/Decision.ts"
import { callerOf } from "./domain/People.ts"
import { type AnyOp, mayAsk, rolesFor } from "./domain/Role.ts"
import type { How } from "./domain/Plan.ts"
import { AskMalformed, NotAllowed } from "./domain/Refusal.ts"
import type { ScheduleAsk } from "./domain/ScheduleAsk.ts"
import { matrix } from "./domain/Matrix.ts"
import { TaskId } from "./domain/Task.ts"
import { isTerminal } from "./domain/TaskState.ts"
import { EngineReader } from "./engine/Engine.ts"
import { DatabaseRefused, readVersion } from "./engine/sqlite/Database.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"
import { refusedBy } from "./edge/cli/CommandSocket.ts"
import * as Layers from "./Layers.ts"

/** Who acts on this machine: the operating system says so. */
export const localActor = (): string => `cli:${userInfo().username}`

/** The same as the configuration knows him: by his own name, with what he may do. */
export const localCaller = ({ people, policy }: Config.Governed): Caller => callerOf(people, policy.roles, localActor())

/** Who acts here, if he may do this. Where there is no log to speak of, nobody records that he asked. */
export const allowedCaller = (op: AnyOp, governed: Config.Governed): Either.Either<Caller, NotAllowed> => {
  const caller = localCaller(governed)
  return mayAsk(op, caller.roles, false) ? Either.right(caller) : Either.left(new NotAllowed({ op, actor: caller.actor, needs: rolesFor(op) }))
}

/** Decides without a server. Fails with `InstanceLocked` when another process keeps the lock, as a server does that is about to listen. */
export const decideHere = (ask: Ask | ScheduleAsk, key: string | null, configFile: string | undefined, how: How = {}) =>
  Effect.gen(function*() {
    const config = yield* Config.load(configFile)
    const file = databaseFile(config.dataDir)
    // Refused before the file is made: a request that cannot be granted leaves nothing behind where there is nothing yet.
    if ((yield* readVersion(file)) === 0) {
      const issue = issueOf(ask, key)
      if (issue !== null) return yield* new AskMalformed({ op: ask.op, issue })
      if (ask.op !== "submit") return yield* DatabaseRefused.absent(file)
      yield* Effect.flatMap(Kinds, (kinds) => kinds.check(ask.kind, ask.payload)).pipe(Effect.provide(Layers.kinds(config)))
    }
    const asked = { ask, key, ...localCaller(config), channel: "cli" } as const
    return yield* withDeadline(asked, onlyAs(asked, how.if_plan, handleCommand(asked))).pipe(
      Effect.provideService(CommandDeadline, { afterMs: config.commandTimeoutMs }),
      Effect.provide(Layer.merge(Layers.engine(config), Layers.kinds(config)))
    )
  }).pipe(Effect.mapError(refusedBy))

/** Pauses between looks at a task that is waited for. */
const lookMs = matrix.wait_look.roundMs

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
