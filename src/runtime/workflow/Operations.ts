/** The context of a run, for Effect: each member is an operation on the run, at the next place of its scope. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs"
import { createHash } from "node:crypto"
import { join } from "node:path"
import { Duration, Effect, Either, Exit, type Schema } from "effect"
import type { Json } from "../../domain/Canonical.ts"
import { progress } from "../../domain/Checkpoint.ts"
import { onTask } from "../../domain/OnTask.ts"
import { storedError } from "../../domain/Redaction.ts"
import { command, type CommandTools } from "./Command.ts"
import type { CommandEnded, Context, StepContext, StepOptions, Stored } from "./Context.ts"
import { isMismatch, type Scope } from "./Journal.ts"
import { forever } from "./Run.ts"
import { StepFailed, wordsOf } from "./StepFailed.ts"
import { unfit, unfitCommand, unfitSignal, unfitTime } from "./StepOptions.ts"
import { mismatch, step, store, type Tools, type Wanted } from "./Steps.ts"
import { type Codec, encodedJson, schemaCodec } from "./Values.ts"
import { child, type KindOf, sleep, waitFor } from "./Waiting.ts"

export interface Surroundings extends CommandTools {
  readonly kindOf: KindOf
  /** Aborted when the run is to stop. */
  readonly signal: AbortSignal
}

const branchesAtOnce = 8
const progressEveryMs = 1000

// The value is plain JSON, and its type is whatever the caller says: he wrote the step that made it.
const plain = <A>(): Codec<A> => ({
  encode: (value) => encodedJson(value),
  // What was kept is what the step returned, in its plain form.
  decode: (json) => Either.right(unchecked<A>(json))
})

const unchecked = <A>(json: Json): A => {
  const box: { readonly value: A } = JSON.parse(JSON.stringify({ value: json }))
  return box.value
}

export const codecOf = <A, I>(schema: Schema.Schema<A, I> | undefined): Codec<A> => (schema === undefined ? plain<A>() : schemaCodec(schema))

/** Draws a value, or answers what was drawn at this point before. */
const drawn = <V extends number | string>({ journal, run }: Tools, scope: Scope, isValue: (value: unknown) => value is V, draw: Effect.Effect<V>): Effect.Effect<V> =>
  Effect.suspend(() => {
    if (run.stopped() !== null) return forever
    const before = journal.drawnBefore(scope)
    return Effect.tap(isValue(before) ? Effect.succeed(before) : draw, (value) => Effect.sync(() => journal.draw(scope, value)))
  })

const isNumber = (value: unknown): value is number => typeof value === "number"
const isText = (value: unknown): value is string => typeof value === "string"

const hexDigits = "0123456789abcdef"

// RFC 9562, version 4: 122 bits of chance.
const uuidFrom = (chances: ReadonlyArray<number>): string => {
  const digit = (index: number) => Math.floor((chances[index] ?? 0) * 16)
  const at = (index: number) => hexDigits.charAt(index === 12 ? 4 : index === 16 ? 8 + (digit(index) % 4) : digit(index))
  const text = Array.from({ length: 32 }, (_, index) => at(index)).join("")
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
}

const fileName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

const storeFile = (dir: string, name: string, content: string | Uint8Array): Stored => {
  if (!fileName.test(name)) throw new Error(`an artifact is named by 1 to 100 letters, digits and . _ -; this name does not fit: ${JSON.stringify(name).slice(0, 120)}`)
  const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const file = join(dir, name)
  writeFileSync(`${file}.part`, bytes, { mode: 0o600, flush: true })
  renameSync(`${file}.part`, file)
  return { file, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }
}

const progressOf = (tools: Tools) => {
  let saidAtMs = -Infinity
  return (note: string, percent?: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      tools.run.beat(null)
      const nowMs = tools.wallMs()
      if (tools.run.stopped() !== null || (nowMs - saidAtMs < progressEveryMs && percent !== 100)) return Effect.void
      saidAtMs = nowMs
      const words = { note: storedError(note).slice(0, 500), percent: percent === undefined ? null : Math.max(0, Math.min(100, Math.round(percent))) }
      return store(tools, onTask(tools.run.task.id, (task) => progress(task, tools.run.held, words)))
    })
}

/** What both flavours of a step ask for alike. */
export const wantedOf = <A, I>(name: string, { effect, interruptible = false, output, retry, timeout }: Asked<A, I>) => ({
  name,
  effect,
  codec: codecOf(output),
  timeoutMs: timeout === undefined ? null : Duration.toMillis(timeout),
  retry,
  interruptible
})

type Asked<A, I> = Pick<StepOptions<A, never, I>, "effect" | "interruptible" | "output" | "retry" | "timeout">

const artifactOf = (dir: string, name: string, content: string | Uint8Array): Wanted<Stored, never> => ({
  name: `artifact ${name}`,
  effect: "idempotent",
  codec: plain<Stored>(),
  timeoutMs: null,
  retry: undefined,
  interruptible: false,
  body: () => Effect.try({ try: () => storeFile(join(dir, "artifacts"), name, content), catch: (cause) => new StepFailed({ code: "artifact_failed", reason: wordsOf(cause) }) }),
  probe: undefined,
  compensate: undefined,
  failsHonestly: true
})

/** Runs branches, each in a scope of its own, and answers all results or the first failure, in the order of the branches. */
export const sideBySide = <B, A, E, R>(
  { journal, run }: Tools,
  scope: Scope,
  branches: ReadonlyArray<B>,
  runOne: (branch: B, scope: Scope) => Effect.Effect<A, E, R>,
  concurrency = branchesAtOnce
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.suspend(() => {
    if (run.stopped() !== null) return forever
    const scopeOf = journal.branch(scope)
    if (isMismatch(scopeOf)) return mismatch(run, scopeOf)
    // Each goes to its end: to interrupt a branch because another failed would be to stop a step in its middle.
    return Effect.flatMap(Effect.forEach(branches, (branch, index) => Effect.exit(runOne(branch, scopeOf(index))), { concurrency }), allOf)
  })

const allOf = <A, E>(exits: ReadonlyArray<Exit.Exit<A, E>>): Effect.Effect<ReadonlyArray<A>, E> => {
  const failed = exits.find(Exit.isFailure)
  return failed === undefined ? Effect.succeed(exits.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value] : []))) : Effect.failCause(failed.cause)
}

// Members are made when they are asked for: most code asks for few, and takes some of them apart.
class RunContext<P> implements Context<P> {
  readonly payload: P
  private readonly around: Surroundings
  private readonly scope: Scope
  private said: Context<P>["progress"] | null = null

  constructor(around: Surroundings, scope: Scope, payload: P) {
    this.payload = payload
    this.around = around
    this.scope = scope
  }

  get task(): string {
    return this.around.run.task.id
  }

  get attempt(): number {
    return this.around.run.task.attempt
  }

  get generation(): number {
    return this.around.run.held.generation
  }

  get dispatchKey(): string {
    return this.around.run.task.dispatchKey
  }

  get trace(): string {
    return this.around.run.task.trace
  }

  get signal(): AbortSignal {
    return this.around.signal
  }

  get step(): Context<P>["step"] {
    const { around, scope } = this
    return <A, E, R, R2 = never, I = unknown>(name: string, options: StepOptions<A, R2, I>, body: (step: StepContext) => Effect.Effect<A, E, R>) => {
      const issue = unfit(name, options, body)
      if (issue !== null) return mismatch(around.run, issue)
      const { compensate, probe } = options
      return step<A, R | R2>(around, scope, { ...wantedOf(name, options), body, probe, compensate, failsHonestly: true })
    }
  }

  get exec(): Context<P>["exec"] {
    const { around, scope } = this
    return (name, options) => {
      const issue = unfitCommand(name, options)
      return issue === null ? command(around, scope, name, options, plain<CommandEnded>()) : mismatch(around.run, issue)
    }
  }

  get sleep(): Context<P>["sleep"] {
    const { around, scope } = this
    return (name, duration) => {
      const issue = unfitTime(name, "its time", duration)
      return issue === null ? sleep(around, scope, name, duration) : mismatch(around.run, issue)
    }
  }

  get waitFor(): Context<P>["waitFor"] {
    const { around, scope } = this
    return (signal, options = {}) => {
      const issue = unfitSignal(signal, options.timeout, options.as)
      return issue === null ? waitFor(around, scope, signal, options, codecOf(options.schema)) : mismatch(around.run, issue)
    }
  }

  get child(): Context<P>["child"] {
    const { around, scope } = this
    return (name, kind, childPayload) => child(around, around.kindOf, scope, name, kind, childPayload)
  }

  get all(): Context<P>["all"] {
    const { around, payload, scope } = this
    return (branches, options) => sideBySide(around, scope, branches, (branch, inner) => branch(contextOf(around, inner, payload)), options?.concurrency)
  }

  get now(): Context<P>["now"] {
    return drawn(this.around, this.scope, isNumber, Effect.sync(this.around.wallMs))
  }

  get random(): Context<P>["random"] {
    return drawn(this.around, this.scope, isNumber, Effect.sync(this.around.chance))
  }

  get uuid(): Context<P>["uuid"] {
    const { chance } = this.around
    return drawn(this.around, this.scope, isText, Effect.sync(() => uuidFrom(Array.from({ length: 32 }, chance))))
  }

  get progress(): Context<P>["progress"] {
    this.said ??= progressOf(this.around)
    return this.said
  }

  get heartbeat(): Context<P>["heartbeat"] {
    const { run } = this.around
    return (note) => Effect.sync(() => run.beat(typeof note === "string" ? note.slice(0, 200) : null))
  }

  get artifact(): Context<P>["artifact"] {
    const { around, scope } = this
    return (name, content) => step(around, scope, artifactOf(around.dir, name, content))
  }
}

/** The context of the run in one scope. */
export const contextOf = <P>(around: Surroundings, scope: Scope, payload: P): Context<P> => new RunContext(around, scope, payload)
