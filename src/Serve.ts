/** The server: takes the lock, listens for commands, and runs work until it is told to stop. */
import { Deferred, Effect, Layer } from "effect"
import { localCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import { CommandDeadline } from "./control/Deadline.ts"
import { Kinds } from "./control/Kinds.ts"
import { runsDir, socketFile } from "./DataDir.ts"
import { serve as serveCommands } from "./edge/cli/CommandSocket.ts"
import * as ChatHealth from "./edge/telegram/ChatHealth.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import { matrix } from "./domain/Matrix.ts"
import { Instants, RunsStorage } from "./engine/Engine.ts"
import { scheduleOf } from "./engine/Patience.ts"
import * as Layers from "./Layers.ts"
import * as Log from "./Log.ts"
import * as AlarmsLive from "./runtime/Alarms.ts"
import * as Exec from "./runtime/Exec.ts"
import * as ExecHandler from "./runtime/ExecHandler.ts"
import { type Handler, Handlers } from "./runtime/Handler.ts"
import * as Runs from "./runtime/Runs.ts"
import * as RunsDisk from "./runtime/RunsDisk.ts"
import { Schedules } from "./runtime/Scheduler.ts"
import * as Runtime from "./runtime/Runtime.ts"
import * as WorkflowHandler from "./runtime/WorkflowHandler.ts"

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

const handlers = (config: Config.Config, supervisorPath: string) =>
  Layer.effect(
    Handlers,
    Effect.gen(function*() {
      const exec = yield* Exec.Exec
      const { wallMs } = yield* Instants
      const disk = yield* RunsStorage
      const services = yield* WorkflowHandler.services(disk.dir, (yield* Kinds).check)
      const handlerOf = (declared: Config.DeclaredKind): Handler =>
        declared._tag === "Code"
          ? WorkflowHandler.make(services, declared.task, declared.kind)
          : ExecHandler.make(exec, declared.kind, declared.exec, disk, wallMs)
      return new Map([...config.kinds].map(([name, declared]) => [name, handlerOf(declared)] as const))
    })
  ).pipe(Layer.provide([Exec.layer({ supervisorPath }), AlarmsLive.layer]))

const schedules = ({ schedules: declared }: Config.Config) => Layer.effect(Schedules, Effect.map(Kinds, ({ get }) => ({ declared, kindOf: get })))

/** How long a command that holds the lock is waited for at the start. */
const patience = scheduleOf(matrix.instance_lock.retry)

/** Serves until SIGTERM or SIGINT; commands run under the program at `supervisorPath`. Answers the exit code. */
export const serve = (configFile: string | undefined, supervisorPath: string) =>
  Effect.gen(function*() {
    const config = yield* Config.load(configFile)
    const stop = yield* untilSignaled
    const layer = Layer.mergeAll(handlers(config, supervisorPath), schedules(config), Runs.layer, ChatHealth.layer).pipe(Layer.provideMerge(Layers.kinds(config)), Layer.provideMerge(RunsDisk.layer(runsDir(config.dataDir))), Layer.provideMerge(Layers.engine(config)))
    yield* Effect.gen(function*() {
      yield* Effect.provideService(serveCommands(socketFile(config.dataDir), localCaller(config)), CommandDeadline, { afterMs: config.commandTimeoutMs })
      if (config.telegram !== null) {
        // Loaded only where there is one: what speaks to Telegram is half of the program.
        const Bot = yield* Effect.promise(() => import("./Bot.ts"))
        yield* Effect.forkScoped(Bot.run(config.telegram, config))
      }
      const { leaseMs, queues, retention, stopGraceMs, workers: slots } = config
      yield* Runtime.run({ slots, leaseMs, stopGraceMs, name: `${process.pid}`, pid: process.pid, queues, retention }, stop)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Log.ofServer, layer)), Effect.retry({ schedule: patience, while: (error) => error._tag === "InstanceLocked" }))
    return exitCode.ok
  }).pipe(Effect.scoped, Effect.provide(Log.onStderr))
