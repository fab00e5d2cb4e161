/**
 * The memory engine and a SQLite file side by side, under the same pair of clocks. What is asked of one is asked of the other, and
 * whatever differs afterwards is an error.
 *
 * The file's turns of the event loop are made by hand: what is asked together shares one transaction, and a crash can fall between
 * the asking and the commit.
 */
import assert from "node:assert/strict"
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { Cause, Context, Effect, Either, Exit, type Fiber, FiberId, Layer, Option, Scope } from "effect"
import type { ClaimPolicy } from "../../../src/domain/Claiming.ts"
import type { Ask } from "../../../src/domain/Command.ts"
import type { QueueLimits } from "../../../src/domain/Queue.ts"
import type { Epoch, Held } from "../../../src/domain/Lease.ts"
import type { Refusal } from "../../../src/domain/Refusal.ts"
import type { Task, TaskId } from "../../../src/domain/Task.ts"
import { taskStates } from "../../../src/domain/TaskState.ts"
import type { Asked as Commanded } from "../../../src/control/Commands.ts"
import { Engine, EngineReader, EngineUnavailable, Flush, Instants, type Summary, type TaskFilter } from "../../../src/engine/Engine.ts"
import * as Live from "../../../src/engine/Live.ts"
import * as MemoryEngine from "../../../src/engine/MemoryEngine.ts"
import * as SqliteEngine from "../../../src/engine/SqliteEngine.ts"
import { type Acknowledged, checkLog } from "./Log.ts"
import { scheduleNames } from "./Declared.ts"

export type Side = "model" | "file"

type Asked = Effect.Effect<unknown, Refusal | EngineUnavailable>
type Answered = Exit.Exit<unknown, Refusal | EngineUnavailable>

/** One write that is asked of an engine. */
export interface Act {
  readonly name: string
  readonly on: (engine: Engine["Type"], side: Side) => Asked
  /** Its idempotency key, with whoever asked. */
  readonly key?: string | null
  /** Set when it consists of several changes, each with its key and its answer. */
  readonly parts?: ReadonlyArray<string | null>
  /** Nothing of it may be stored, and its caller learns that. */
  readonly broken?: true
  /** Its caller is gone before the commit; it is stored all the same. */
  readonly left?: true
  /** Told what the model granted. */
  readonly heard?: (answer: unknown) => void
}

/** How the file is closed: `closed` as by a shutdown, which writes what is pending; `crashed` as by SIGKILL, which does not. */
export type Ending = "closed" | "crashed"

interface Store {
  readonly engine: Engine["Type"]
  readonly reader: EngineReader["Type"]
}

interface OpenFile extends Store {
  readonly path: string
  /** Makes the turns that the engine asked for. */
  readonly flush: () => void
  readonly close: () => Promise<void>
}

/** The name of both event streams: it is part of every hash. */
const stream = "model"
const everything = 1_000_000

const storeOf = (context: Context.Context<Engine | EngineReader>): Store => ({
  engine: Context.get(context, Engine),
  reader: Context.get(context, EngineReader)
})

const openFile = async (path: string, instants: Layer.Layer<Instants>): Promise<OpenFile> => {
  const turns: Array<() => void> = []
  const flush = Layer.succeed(Flush, {
    soon: (run) => void turns.push(run),
    // Nothing waits here but checkpoints for a quiet moment, and there is none.
    later: () => undefined
  })
  const layer = SqliteEngine.layer({ file: path, streamId: stream }).pipe(Layer.provide(Layer.mergeAll(flush, Live.fatal, instants)))
  const scope = Effect.runSync(Scope.make())
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  return {
    ...storeOf(context),
    path,
    flush: () => {
      for (let run = turns.shift(); run !== undefined; run = turns.shift()) run()
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** How many turns of the event loop an answer may take once its transaction is committed. */
const turnsMax = 100

const answersOf = async (fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown, Refusal | EngineUnavailable>>): Promise<ReadonlyArray<Answered>> => {
  for (let turn = 0; turn < turnsMax && fibers.some((fiber) => fiber.unsafePoll() === null); turn++) await setImmediate()
  return fibers.map((fiber) => fiber.unsafePoll() ?? assert.fail("what was committed was not answered"))
}

export type Verdict = "granted" | "refused" | "broken"

/** A refusal as it is compared. A rule that throws and a change that cannot be stored have no words in common. */
const plainRefusal = (refusal: Refusal | EngineUnavailable | null): unknown =>
  refusal === null || refusal instanceof EngineUnavailable ? "broken" : { refused: { ...refusal, _tag: refusal._tag, message: refusal.message } }

/** An answer as it is compared. */
export const plainEither: (answer: Either.Either<unknown, Refusal | EngineUnavailable>) => unknown = Either.match({
  onLeft: plainRefusal,
  onRight: (granted): unknown => ({ granted })
})

const plain = (answer: Answered): unknown =>
  Exit.match(answer, { onFailure: (cause) => plainRefusal(Option.getOrNull(Cause.failureOption(cause))), onSuccess: (granted): unknown => ({ granted }) })

const verdictOf = (plain: unknown): Verdict => (plain === "broken" ? "broken" : "granted" in Object(plain) ? "granted" : "refused")

const byText = (a: string, b: string): number => (a < b ? -1 : 1)

const limited: QueueLimits = { concurrency: 1, perKey: 1, rate: { count: 1, perMs: 20_000 }, paused: false }
const policies: ReadonlyArray<ClaimPolicy> = [
  {},
  { kinds: new Set(["report"]), heavyMax: 1 },
  { queues: new Map([["light", { ...limited, concurrency: null }], ["mail", limited], ["heavy", { ...limited, paused: true }]]) }
]

/** All that can be read, as plain data. What the contract leaves open is put in order. */
const snapshot = async ({ engine, reader }: Store, nowMs: number) => {
  const read = Effect.gen(function*() {
    const list = (filter: Omit<TaskFilter, "limit">, limit = everything) => reader.list({ ...filter, limit })
    const tasks = yield* list({})
    const some = tasks[Math.floor(tasks.length / 2)]?.id
    const due = yield* engine.due(nowMs, everything)
    const instantOf = (id: TaskId) => tasks.find((task) => task.id === id)?.expiresAtMs
    // A file was made before its model was, and has a size.
    // Chats are kept in files only.
    const comparable = ({ chats: _chats, ...summary }: Summary): Summary => ({ ...summary, sizes: null, standing: summary.standing === null ? null : { ...summary.standing, madeAtMs: 0 } })
    const summary = comparable(yield* reader.summary(nowMs - 60_000, nowMs))
    return {
      tasks,
      steps: yield* Effect.forEach(tasks, ({ id }) => reader.steps(id)),
      attempts: yield* Effect.forEach(tasks, ({ id }) => reader.attempts(id)),
      events: yield* reader.events(0, everything),
      laterEvents: (yield* reader.events(3, 2)).map(({ hash, prev }) => [prev, hash]),
      summary,
      allSummary: comparable(yield* reader.summary(0)),
      due: [...due].sort(byText),
      dueInstants: due.map(instantOf),
      firstDueInstants: (yield* engine.due(nowMs, 2)).map(instantOf),
      nextDue: yield* engine.nextDue,
      nextClaims: yield* Effect.forEach(policies, engine.nextClaim),
      queues: yield* reader.queues(nowMs),
      contention: yield* Effect.forEach(tasks, ({ concurrencyKey, queue }) => reader.contention(queue, concurrencyKey, 3)),
      schedules: yield* reader.schedules,
      schedulesDue: yield* engine.schedulesDue(nowMs, 10),
      ticks: yield* Effect.forEach(scheduleNames, (name) => reader.ticks(name, everything)),
      tickRanges: yield* Effect.forEach(scheduleNames, (name) => Effect.map(reader.tickRanges(name, everything), (ranges) => ranges.map((range) => JSON.stringify(range)).sort(byText))),
      listed: some === undefined ? [] : yield* Effect.all([
        ...taskStates.map((state) => list({ state }, 3)),
        list({ leasedBefore: summary.epoch?.epoch ?? 0 }),
        list({ suffix: some.slice(-6) }),
        list({ suffix: some.slice(-4) }),
        list({ parent: some }),
        list({ forkedFrom: some })
      ]).pipe(Effect.map((all) => all.map((found) => found.map(({ id }) => id)))),
      one: some === undefined ? undefined : yield* reader.get(some)
    }
  })
  return Effect.runPromise(read)
}

export class World {
  /** Everything that any worker ever held, oldest first. */
  readonly helds: Array<{ readonly task: TaskId; readonly held: Held }> = []
  /** Every command that was asked under a key, oldest first. */
  readonly keyed: Array<Commanded<Ask>> = []
  /** The version in which every kind is declared now. */
  version = 1
  /** How many writes were asked of both engines. */
  asked = 0

  readonly #acknowledged: Array<Acknowledged> = []
  #files = 1
  #draws = 0

  readonly clocks: { wallMs: number; monoMs: number }
  /** For building what is asked: nothing is to be changed through it. */
  readonly model: Store
  readonly #folder: string
  readonly #instants: Layer.Layer<Instants>
  readonly #onVerdict: (name: string, verdict: Verdict) => void
  #file: OpenFile

  private constructor(made: Pick<World, "clocks" | "model"> & {
    readonly folder: string
    readonly instants: Layer.Layer<Instants>
    readonly onVerdict: (name: string, verdict: Verdict) => void
    readonly file: OpenFile
  }) {
    this.clocks = made.clocks
    this.model = made.model
    this.#folder = made.folder
    this.#instants = made.instants
    this.#onVerdict = made.onVerdict
    this.#file = made.file
  }

  /** Both engines, empty. `folder` is the world's own; `onVerdict` is told what became of each write. */
  static async make(folder: string, onVerdict: (name: string, verdict: Verdict) => void): Promise<World> {
    mkdirSync(folder, { recursive: true })
    const clocks = { wallMs: 1_800_000_000_000, monoMs: 1_000_000 }
    const instants = Layer.succeed(Instants, { wallMs: () => clocks.wallMs, monoMs: () => clocks.monoMs })
    const model = storeOf(await Effect.runPromise(Effect.scoped(Layer.build(MemoryEngine.layer(stream).pipe(Layer.provide(instants))))))
    return new World({ folder, clocks, instants, model, onVerdict, file: await openFile(join(folder, "0.db"), instants) })
  }

  /** A seed for what the next write draws by chance: the same in every replay of a sequence. */
  get seed(): number {
    return this.#draws++
  }

  /** Newest first. */
  get tasks(): ReadonlyArray<Task> {
    return Effect.runSync(this.model.reader.list({ limit: everything }))
  }

  get epoch(): Epoch | null {
    return Effect.runSync(this.model.reader.summary(0)).epoch
  }

  /** Whether the last epoch may still run work. */
  get inForce(): boolean {
    return this.clocks.monoMs < (this.epoch?.leaseUntilMonoMs ?? 0)
  }

  /** Asks both engines for all of it at once, in this order, and compares the answers. */
  async ask(acts: ReadonlyArray<Act>): Promise<void> {
    const fibers = this.#begin(acts)
    // Whoever leaves is gone before anything is written.
    if (acts.some(({ left }) => left === true)) await setImmediate()
    this.#file.flush()
    this.#compare(acts, await answersOf(fibers))
  }

  /** Ends the file with these still pending, opens what is left of it, and compares everything. */
  async reopen(ending: Ending, pending: ReadonlyArray<Act>): Promise<void> {
    const before = this.#file
    const fibers = this.#begin(pending)
    const path = ending === "closed" ? before.path : join(this.#folder, `${this.#files++}.db`)
    if (ending === "closed") {
      await before.close()
      this.#compare(pending, await answersOf(fibers))
    } else {
      await setImmediate()
      const early = fibers.filter((fiber, index) => pending[index]?.left !== true && fiber.unsafePoll() !== null)
      assert.equal(early.length, 0, "nobody is answered before the commit")
      for (const suffix of ["", "-wal"]) if (existsSync(before.path + suffix)) copyFileSync(before.path + suffix, path + suffix)
      await before.close()
    }
    this.#file = await openFile(path, this.#instants)
    await this.look()
  }

  /** Compares all that can be read of both. */
  async look(): Promise<void> {
    const [model, file] = [await snapshot(this.model, this.clocks.wallMs), await snapshot(this.#file, this.clocks.wallMs)]
    assert.deepEqual(file, model)
  }

  /** Compares once more, and checks the log of the file by itself. */
  async end(): Promise<void> {
    await this.look()
    const { reader } = this.#file
    const [events, tasks] = await Effect.runPromise(Effect.all([reader.events(0, everything), reader.list({ limit: everything })]))
    checkLog(events, tasks, this.#acknowledged)
  }

  /** Closes the file and removes it. */
  async close(): Promise<void> {
    await this.#file.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #begin(acts: ReadonlyArray<Act>) {
    const fibers = acts.map((act) => Effect.runFork(act.on(this.#file.engine, "file")))
    fibers.forEach((fiber, index) => {
      if (acts[index]?.left === true) fiber.unsafeInterruptAsFork(FiberId.none)
    })
    return fibers
  }

  #compare(acts: ReadonlyArray<Act>, answers: ReadonlyArray<Answered>): void {
    const from = this.#seq
    const expected = acts.map((act) => Effect.runSyncExit(act.on(this.model.engine, "model")))
    const to = this.#seq
    acts.forEach((act, index) => {
      const wanted = expected[index] ?? assert.fail("as many answers as questions")
      assert.equal(plain(wanted) === "broken", act.broken === true, `the model: ${String(wanted)}`)
      if (Exit.isSuccess(wanted)) act.heard?.(wanted.value)
      this.#onVerdict(act.name, verdictOf(plain(wanted)))
      this.asked += act.parts?.length ?? 1
      if (act.left === true) return
      const answer = plain(answers[index] ?? assert.fail("as many answers as questions"))
      assert.deepEqual(answer, plain(wanted))
      const each: ReadonlyArray<unknown> = act.parts === undefined ? [answer] : Object(answer).granted
      each.forEach((one, part) => this.#acknowledged.push({ from, to, key: (act.parts === undefined ? act.key : act.parts[part]) ?? null, answer: one }))
    })
  }

  get #seq(): number {
    return Effect.runSync(this.model.reader.summary(0)).asOfSeq
  }
}
