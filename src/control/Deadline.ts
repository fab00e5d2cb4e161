/**
 * The deadline of a command at a door. A command that is not decided in time is withdrawn from the queue of the writer, so that nothing of
 * it is stored and its caller can be told so; one that is decided is answered, however late. That the deadline was reached is recorded as
 * soon as the store takes it.
 */
import { Context, Effect, Fiber, Option, Schema } from "effect"
import { commandFacts, type AnyAsk, type Channel } from "../domain/Command.ts"
import { granted } from "../domain/Decision.ts"
import { matrix } from "../domain/Matrix.ts"
import type { EventDraft } from "../domain/TaskEvent.ts"
import { cleaned } from "../domain/TaskSecrets.ts"
import { type Change, Engine, EngineUnavailable, Instants } from "../engine/Engine.ts"
import { withPatience } from "../engine/Patience.ts"
import { endWithin } from "../engine/Waiting.ts"
import { newTrace } from "./NewTrace.ts"

/** The command was not decided in time and was withdrawn. Nothing of it is stored, nor will be. */
export class CommandTimedOut extends Schema.TaggedError<CommandTimedOut>()("CommandTimedOut", { op: Schema.String, afterMs: Schema.Number }) {
  override get message() {
    return `${this.op} was not decided within ${this.afterMs} ms and was withdrawn: nothing of it is stored, so it can be asked again`
  }
}

/** How long a command may take at the doors of this process, in milliseconds. */
export class CommandDeadline extends Context.Reference<CommandDeadline>()("opsgate/control/CommandDeadline", {
  defaultValue: (): { readonly afterMs: number } => ({ afterMs: matrix.command.timeoutMs })
}) {}

/** Deadlines that wait to be recorded. */
class Unrecorded extends Context.Reference<Unrecorded>()("opsgate/control/Unrecorded", { defaultValue: () => ({ count: 0 }) }) {}

/** More are not kept: a store that is stuck for so many commands has said enough. */
const unrecordedMax = 1000

interface Asked {
  readonly ask: AnyAsk
  readonly actor: string
  readonly channel: Channel
  readonly key: string | null
}

const isLate = (error: unknown): error is EngineUnavailable => error instanceof EngineUnavailable && error.why === "late"
const late = new EngineUnavailable({ operation: "take the command", why: "late", cause: null })

// An effect that commits until the deadline.
const commitUntil = (engine: Engine["Type"], leftMs: () => number): Engine["Type"]["commit"] => <A>(change: Change<A>) =>
  Effect.suspend(() => {
    if (leftMs() <= 0) return Effect.fail(late)
    let withdraw: () => boolean = () => false
    const decided = engine.commit({ ...change, waits: (how) => {
      withdraw = how
    } })
    return Effect.flatMap(Effect.fork(decided), (fiber) => {
      const decision = Fiber.join(fiber)
      return endWithin(fiber, leftMs()).pipe(
        Effect.flatMap((ended) => (Option.isNone(ended) && withdraw() ? Effect.zipRight(Fiber.interruptFork(fiber), Effect.fail(late)) : decision))
      )
    })
  })

/** Takes a command, and gives it up when it is not decided within the time of `CommandDeadline`. `handled` is the command. */
export const withDeadline = <A, E, R>(asked: Asked, handled: Effect.Effect<A, E, R>): Effect.Effect<A, E | CommandTimedOut, R | Engine | Instants> =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const { afterMs } = yield* CommandDeadline
    const { monoMs } = yield* Instants
    const untilMs = monoMs() + afterMs
    const commit = commitUntil(engine, () => Math.min(afterMs, untilMs - monoMs()))
    return yield* Effect.provideService(handled, Engine, { ...engine, commit }).pipe(
      Effect.catchIf(isLate, () => Effect.zipRight(recorded(engine, asked, afterMs), new CommandTimedOut({ op: asked.ask.op, afterMs })))
    )
  })

// Recorded by a fiber of its own: whoever asked is answered now. It ends with the engine, at the latest.
const recorded = (engine: Engine["Type"], asked: Asked, afterMs: number): Effect.Effect<void, never, Instants> =>
  Effect.gen(function*() {
    const unrecorded = yield* Unrecorded
    if (unrecorded.count >= unrecordedMax) return yield* Effect.logError("that a command reached its deadline is not recorded: too many wait for it", { op: asked.ask.op })
    const event: EventDraft = {
      type: "command.timed_out",
      task: null,
      trace: yield* newTrace,
      actor: asked.actor,
      // Not `command`: that names what was decided, and its key was not used.
      payload: { after_ms: afterMs, asked: commandFacts({ ...asked, ask: cleaned(asked.ask) }) }
    }
    unrecorded.count += 1
    yield* engine.commit({ tasks: [], key: null, rule: () => granted(null, { events: [event] }) }).pipe(
      withPatience("store_write", { codeOf: (error) => (error._tag === "EngineUnavailable" ? error.why : error._tag), onFailure: () => Effect.void }),
      Effect.catchAll((error) => Effect.logWarning("that a command reached its deadline was not recorded", { op: asked.ask.op, reason: error.message })),
      Effect.ensuring(Effect.sync(() => {
        unrecorded.count -= 1
      })),
      Effect.forkDaemon
    )
  })
