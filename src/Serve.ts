/** The server as a process: takes the lock, listens for commands, and runs work until it is told to stop. */
import { Deferred, Effect, Layer } from "effect"
import { localCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import { socketFile } from "./DataDir.ts"
import { serve as serveCommands } from "./edge/cli/CommandSocket.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import { matrix } from "./domain/Matrix.ts"
import { scheduleOf } from "./engine/Patience.ts"
import * as Layers from "./Layers.ts"
import * as Log from "./Log.ts"
import * as AlarmsLive from "./runtime/Alarms.ts"
import * as Exec from "./runtime/Exec.ts"
import { serving } from "./Server.ts"

/** Completes at the first signal; a second one ends the process at once. */
const untilSignaled = Effect.gen(function*() {
  const stop = yield* Deferred.make<void>()
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      let signaled = false
      const onSignal = () => {
        if (signaled) process.exit(exitCode.interrupted)
        signaled = true
        Deferred.unsafeDone(stop, Effect.void)
      }
      process.on("SIGTERM", onSignal)
      process.on("SIGINT", onSignal)
      return onSignal
    }),
    (onSignal) => Effect.sync(() => void process.off("SIGTERM", onSignal).off("SIGINT", onSignal))
  )
  return stop
})

/** How long a command that holds the lock is waited for at the start. */
const patience = scheduleOf(matrix.instance_lock.retry)

/** Serves until SIGTERM or SIGINT; commands run under the program at `supervisorPath`. Answers the exit code. */
export const serve = (configFile: string | undefined, supervisorPath: string) =>
  Effect.gen(function*() {
    const config = yield* Config.load(configFile)
    const stop = yield* untilSignaled
    const machine = Layer.mergeAll(Exec.layer({ supervisorPath }), AlarmsLive.layer, Layer.provideMerge(Log.ofServer, Layers.engine(config)))
    yield* serving(config, process.pid, stop, serveCommands(socketFile(config.dataDir), localCaller(config))).pipe(
      Effect.provide(machine),
      Effect.retry({ schedule: patience, while: (error) => error._tag === "InstanceLocked" })
    )
    return exitCode.ok
  }).pipe(Effect.scoped, Effect.provide(Log.onStderr))
