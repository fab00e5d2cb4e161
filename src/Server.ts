/**
 * The server, whatever it runs on: commands, bot and runtime on one file, until it is told to stop. What touches the machine comes from
 * outside: a process of its own (`Serve.ts`), or one of many in a simulation (`Image.ts`).
 */
import { type Deferred, Effect, Layer } from "effect"
import type * as Config from "./Config.ts"
import { CommandDeadline } from "./control/Deadline.ts"
import { Kinds } from "./control/Kinds.ts"
import { runsDir } from "./DataDir.ts"
import * as ChatHealth from "./edge/telegram/ChatHealth.ts"
import { Instants, RunsStorage } from "./engine/Engine.ts"
import * as Layers from "./Layers.ts"
import { Exec } from "./runtime/Exec.ts"
import * as ExecHandler from "./runtime/ExecHandler.ts"
import { type Handler, Handlers } from "./runtime/Handler.ts"
import * as Runs from "./runtime/Runs.ts"
import * as RunsDisk from "./runtime/RunsDisk.ts"
import { Schedules } from "./runtime/Scheduler.ts"
import * as Runtime from "./runtime/Runtime.ts"
import * as WorkflowHandler from "./runtime/WorkflowHandler.ts"

const handlers = (config: Config.Config) =>
  Layer.effect(
    Handlers,
    Effect.gen(function*() {
      const exec = yield* Exec
      const { wallMs } = yield* Instants
      const disk = yield* RunsStorage
      const services = yield* WorkflowHandler.services(disk.dir, (yield* Kinds).check)
      const handlerOf = (declared: Config.DeclaredKind): Handler =>
        declared._tag === "Code"
          ? WorkflowHandler.make(services, declared.task, declared.kind)
          : ExecHandler.make(exec, declared.kind, declared.exec, disk, wallMs)
      return new Map([...config.kinds].map(([name, declared]) => [name, handlerOf(declared)] as const))
    })
  )

const schedules = ({ schedules: declared }: Config.Config) => Layer.effect(Schedules, Effect.map(Kinds, ({ get }) => ({ declared, kindOf: get })))

/** What is made anew for each server, on an engine. */
const parts = (config: Config.Config) =>
  Layer.mergeAll(handlers(config), schedules(config), Runs.layer, ChatHealth.layer).pipe(Layer.provideMerge(Layers.kinds(config)), Layer.provideMerge(RunsDisk.layer(runsDir(config.dataDir))))

/** Serves until `stop` is completed. `door` takes commands for as long as its scope is open; `pid` names the process in leases. */
export const serving = <E, R>(config: Config.Config, pid: number, stop: Deferred.Deferred<void>, door: Effect.Effect<void, E, R>) =>
  Effect.gen(function*() {
    yield* Effect.provideService(door, CommandDeadline, { afterMs: config.commandTimeoutMs })
    if (config.telegram !== null) {
      // Loaded only where there is one: what speaks to Telegram is half of the program.
      const Bot = yield* Effect.promise(() => import("./Bot.ts"))
      yield* Effect.forkScoped(Bot.run(config.telegram, config))
    }
    const { leaseMs, queues, retention, stopGraceMs, workers: slots } = config
    yield* Runtime.run({ slots, leaseMs, stopGraceMs, name: `${pid}`, pid, queues, retention }, stop)
  }).pipe(Effect.scoped, Effect.provide(parts(config)))
