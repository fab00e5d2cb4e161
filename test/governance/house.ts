/** An engine with the door in front of it, clocks that are moved, and kinds that change: what a whole command does, whoever asks. */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either, Layer, ManagedRuntime } from "effect"
import { type DoorAnswer, type DoorAsk, handleAny } from "../../src/control/Door.ts"
import { Kinds } from "../../src/control/Kinds.ts"
import type { CommandFailed } from "../../src/control/Commands.ts"
import type { Channel } from "../../src/domain/Command.ts"
import { type Kind, KindUnknown } from "../../src/domain/Kind.ts"
import type { Task, TaskId } from "../../src/domain/Task.ts"
import type { TaskEvent } from "../../src/domain/TaskEvent.ts"
import { Engine, EngineReader, Flush, Instants } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"

export interface Person {
  readonly actor: string
  readonly roles: ReadonlyArray<string>
  readonly channel?: Channel
}

export type Answered = Either.Either<DoorAnswer, CommandFailed>
export type Run = <A, E>(effect: Effect.Effect<A, E, Engine | EngineReader | Instants | Kinds>) => Promise<A>

const everything = 1_000_000

const shared = "/dev/shm"
/** A place for files, in memory where there is one: syncs are the matter of other tests. */
export const folder = (): string => mkdtempSync(join(existsSync(shared) ? shared : tmpdir(), "opsgate-governance-"))

// A turn as soon as there is something to write: whatever is asked in one piece shares it.
const flush = Layer.succeed(Flush, { soon: (run) => queueMicrotask(run), later: () => undefined })

const sqlite = (dir: string, turns: Layer.Layer<Flush>) => SqliteEngine.layer({ file: join(dir, "opsgate.db"), streamId: "governance" }).pipe(Layer.provide(Layer.merge(turns, Live.fatal)))

export type Flavour = "memory" | "SQLite"

/** An empty one, or what stands in `files`. `kinds` are those that are declared; the map may be changed at any time. `turns` says when a file is written. */
export const house = (flavour: Flavour, kinds: ReadonlyMap<string, Kind>, turns: Layer.Layer<Flush> = flush, files = flavour === "memory" ? null : folder()) => {
  const clocks = { wallMs: 1_800_000_000_000, monoMs: 1_000_000 }
  const dir = files
  const instants = Layer.succeed(Instants, { wallMs: () => clocks.wallMs, monoMs: () => clocks.monoMs })
  const declared = Layer.succeed(Kinds, {
    get: (name) => kinds.get(name),
    check: (name) => {
      const kind = kinds.get(name)
      return kind === undefined ? new KindUnknown({ kind: name, known: [...kinds.keys()] }) : Effect.succeed(kind)
    }
  })
  const runtime = ManagedRuntime.make(Layer.mergeAll(dir === null ? MemoryEngine.layer("governance") : sqlite(dir, turns), declared).pipe(Layer.provideMerge(instants)))
  const run: Run = (effect) => runtime.runPromise(effect)
  return {
    clocks,
    dir,
    run,
    fork: <A, E>(effect: Effect.Effect<A, E, Engine | EngineReader | Instants | Kinds>) => runtime.runFork(effect),
    pass: (ms: number): void => {
      clocks.wallMs += ms
      clocks.monoMs += ms
    },
    ask: ({ actor, channel = "cli", roles }: Person, ask: DoorAsk, key: string | null = null): Promise<Answered> => run(Effect.either(handleAny({ actor, roles, channel, key, ask }))),
    tasks: (): Promise<ReadonlyArray<Task>> => run(Effect.flatMap(EngineReader, (reader) => reader.list({ limit: everything }))),
    task: (id: TaskId): Promise<Task | undefined> => run(Effect.flatMap(EngineReader, (reader) => reader.get(id))),
    events: (after = 0): Promise<ReadonlyArray<TaskEvent>> => run(Effect.flatMap(EngineReader, (reader) => reader.events(after, everything))),
    /** Ends it and leaves its files, as a process that ends does. */
    end: () => runtime.dispose(),
    close: async (): Promise<void> => {
      await runtime.dispose()
      if (dir !== null) rmSync(dir, { recursive: true, force: true })
    }
  }
}
export type House = ReturnType<typeof house>

/** All that can be read, but for the events and what says how many there are. */
export const stateOf = (at: House): Promise<unknown> =>
  at.run(Effect.gen(function*() {
    const reader = yield* EngineReader
    const engine = yield* Engine
    const tasks = yield* reader.list({ limit: everything })
    const { asOfSeq: _seq, sizes: _sizes, ...summary } = yield* reader.summary(0)
    const bulks = yield* reader.bulks({ running: false, limit: everything })
    const schedules = yield* reader.schedules
    return {
      tasks,
      summary,
      bulks,
      schedules,
      steps: yield* Effect.forEach(tasks, ({ id }) => reader.steps(id)),
      attempts: yield* Effect.forEach(tasks, ({ id }) => reader.attempts(id)),
      items: yield* Effect.forEach(bulks, ({ id }) => reader.bulkItems(id, { after: 0, pending: false, limit: everything })),
      ticks: yield* Effect.forEach(schedules, ({ name }) => reader.ticks(name, everything)),
      queues: yield* reader.queues(at.clocks.wallMs),
      due: yield* engine.nextDue
    }
  }))

export const tagOf = (answer: Answered): string => Either.match(answer, { onLeft: ({ _tag }) => _tag, onRight: () => "granted" })

/** What an event says. */
export const payloadOf = ({ payload }: TaskEvent): { readonly [name: string]: unknown } => JSON.parse(payload ?? "null")
