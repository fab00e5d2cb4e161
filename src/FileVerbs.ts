/** Backup, restore, release and doctor, as the command line asks for them. Loaded for these verbs only. */
import { existsSync, realpathSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { Effect, Layer } from "effect"
import { localCaller } from "./Ask.ts"
import { governance, type Governed } from "./Config.ts"
import { release } from "./control/Commands.ts"
import { withDeadline } from "./control/Deadline.ts"
import { atTheDoor } from "./control/Door.ts"
import { onlyAs } from "./control/Plans.ts"
import { databaseFile, defaultConfigFile, defaultDataDir, locate, NotLocated, socketFile } from "./DataDir.ts"
import { doctor } from "./Doctor.ts"
import { matrix } from "./domain/Matrix.ts"
import { CommandRefused } from "./edge/cli/CommandSocket.ts"
import { isPlan, isReleased, type Reply, send } from "./edge/cli/CommandClient.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import type { Place, Print } from "./edge/cli/Program.ts"
import { backupText, doctorCode, doctorText, restoreText, type FileAction } from "./edge/cli/FileVerbs.ts"
import { Instants } from "./engine/Engine.ts"
import * as Live from "./engine/Live.ts"
import { scheduleOf } from "./engine/Patience.ts"
import { backup } from "./engine/sqlite/Backup.ts"
import { DatabaseRefused, readVersion } from "./engine/sqlite/Database.ts"
import * as Layers from "./Layers.ts"
import type { How, Plan } from "./domain/Plan.ts"
import { printPlan } from "./edge/cli/PlanOutput.ts"
import { planOnFile } from "./Planning.ts"
import { restore } from "./Restore.ts"
import type { Released } from "./domain/Restore.ts"

/** The database that is meant: the one that was named, or the configured one. The lock and the socket lie beside it. */
const fileOf = ({ config, db }: Place): string => {
  const named = resolve(db ?? databaseFile(locate(config)))
  return existsSync(named) ? realpathSync(named) : named
}

/** Where the data lies by default, for a look at a configuration that cannot tell. */
const fileByDefault = ({ config, db }: Place): string => resolve(db ?? databaseFile(resolve(dirname(resolve(config ?? defaultConfigFile)), defaultDataDir)))

const locatedFile = (action: FileAction, place: Place): string => {
  try {
    return fileOf(place)
  } catch (cause) {
    if (action._tag === "Doctor" && cause instanceof NotLocated) return fileByDefault(place)
    throw cause
  }
}

type Ask = Extract<FileAction, { readonly _tag: "Release" }>

const releaseHere = (file: string, ask: { readonly op: "release"; readonly reason: string | null }, key: string | null, how: How, governed: Governed) =>
  Effect.gen(function*() {
    if ((yield* readVersion(file)) === 0) return yield* DatabaseRefused.absent(file)
    const asked = { ask, ...localCaller(governed), channel: "cli", key } as const
    return yield* Effect.provide(withDeadline(asked, onlyAs(asked, how.if_plan, atTheDoor(asked, release(asked)))), Layer.merge(Layers.engineOn(file), Layers.kindsOf(new Map())))
  })

/** How long a process that holds the lock without listening is waited for: a command, or a server that is about to listen. */
const patience = scheduleOf(matrix.instance_lock.retry)

const planRelease = (print: Print, { key, reason }: Ask, file: string, config: string | undefined) =>
  Effect.gen(function*() {
    const ask = { op: "release" as const, reason }
    const reply: Reply<Plan> = yield* Effect.promise(() => send(socketFile(dirname(file)), ask, key, isPlan, { plan: true }))
    if (reply._tag === "Refused") return yield* new CommandRefused({ tag: reply.tag, text: reply.text })
    if (reply._tag === "Broken") return yield* new CommandRefused({ tag: "Broken", text: reply.why })
    return printPlan(print, reply._tag === "Granted" ? reply.answer : yield* planOnFile(ask, key, file, yield* governance(config)))
  })

const releaseIt = (print: Print, action: Ask, file: string, config: string | undefined) =>
  Effect.gen(function*() {
    const { how, key, reason } = action
    if (how.plan === true) return yield* planRelease(print, action, file, config)
    const ask = { op: "release" as const, reason }
    const asked = Effect.gen(function*() {
      const reply: Reply<Released> = yield* Effect.promise(() => send(socketFile(dirname(file)), ask, key, isReleased, how))
      if (reply._tag === "Granted") return reply.answer
      if (reply._tag === "Nobody") return yield* releaseHere(file, ask, key, how, yield* governance(config))
      return yield* new CommandRefused(reply._tag === "Refused" ? { tag: reply.tag, text: reply.text } : { tag: "Broken", text: reply.why })
    })
    const released = yield* Effect.retry(asked, { schedule: patience, while: (error) => error._tag === "InstanceLocked" })
    print.result({ file, ...released }, () => (released.moved ? "released: work begins again" : "nothing waits to be released"))
    return exitCode.ok
  })

/** Whether a signal asked this process to stop since. Until the scope closes it does not end the process by itself. */
const stopAsked = Effect.acquireRelease(
  Effect.sync(() => {
    let asked = false
    const onSignal = (): void => {
      asked = true
    }
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal)
    return { onSignal, givenUp: () => asked }
  }),
  ({ onSignal }) => Effect.sync(() => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal))
).pipe(Effect.map(({ givenUp }) => givenUp))

const carryOut = (print: Print, action: FileAction, place: Place) =>
  Effect.gen(function*() {
    const file = yield* Effect.try({ try: () => locatedFile(action, place), catch: (cause) => new CommandRefused({ tag: "Usage", text: cause instanceof NotLocated ? cause.message : String(cause) }) })
    switch (action._tag) {
      case "Backup": {
        const { wallMs } = yield* Instants
        const report = yield* Effect.scoped(Effect.flatMap(stopAsked, (givenUp) => backup({ source: file, target: action.target, force: action.force, nowMs: wallMs(), givenUp })))
        print.result(report, () => backupText(report))
        return exitCode.ok
      }
      case "Restore": {
        const report = yield* restore({ backup: resolve(action.backup), target: action.to ?? file, force: action.force, old: action.old, configFile: place.config })
        print.result(report, () => restoreText(report))
        return exitCode.ok
      }
      case "Release":
        return yield* releaseIt(print, action, file, place.config)
      case "Doctor": {
        const report = yield* doctor({ file, configFile: place.config, configured: place.db === undefined })
        print.result(report, () => doctorText(report))
        return doctorCode(report)
      }
    }
  })

/** Answers the exit code. */
export const carryOutOnFile = (print: Print, action: FileAction, place: Place) => Effect.provide(carryOut(print, action, place), Live.layer)
