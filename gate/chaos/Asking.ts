/**
 * Commands over the server's socket, as the command line sends them, without a process for each. Whoever asks goes on asking under
 * the same key while the server is away, as a careful user does; every try is on record.
 */
import { Clock, Effect, Option } from "effect"
import type { OperationName } from "../History.ts"
import { isObject } from "../Json.ts"
import { ProductFailed } from "./Product.ts"
import { sendLine } from "./Socket.ts"
import type { Stage } from "./Stage.ts"

/** What was answered. */
export interface Told {
  readonly task: string
  readonly state: string
  /** Whether something holds it that people have to release. */
  readonly held: boolean
}

const pauseMs = 20
const triesMax = 1500

/** Told of each try; `answer` is null when none came. */
type Noted = (answer: Told | null, invoked: number, answered: number) => void

const untilAnswered = ({ workspace }: Stage, what: string, line: unknown, noted: Noted): Effect.Effect<Told, ProductFailed> =>
  Effect.gen(function*() {
    for (let tries = 0; tries < triesMax; tries++) {
      const invoked = yield* Clock.currentTimeMillis
      const told = Option.match(yield* Effect.option(sendLine(workspace, line)), { onNone: () => null, onSome: toldIn })
      if (told !== "later") {
        if (told !== null && "why" in told) return yield* new ProductFailed({ what, detail: told.why })
        noted(told, invoked, yield* Clock.currentTimeMillis)
        if (told !== null) return told
      }
      yield* Effect.sleep(pauseMs)
    }
    return yield* new ProductFailed({ what, detail: `nobody answered ${triesMax} tries` })
  })

/** One command, under its key, until somebody answers it. Fails when it is refused. */
export const ask = (stage: Stage, op: OperationName, words: Readonly<Record<string, unknown>>, key: string): Effect.Effect<Told, ProductFailed> => {
  const about = typeof words["task"] === "string" ? words["task"] : null
  return untilAnswered(stage, `${op} over the socket`, { v: 1, ask: { op, reason: null, ...words }, key }, (answer, invoked, answered) =>
    void stage.operations.push(answer === null ? { op, key, task: about, invoked, answered: null, answer } : { op, key, task: answer.task, invoked, answered, answer: answer.state }))
}

// Null: an answer that is none. Later: the first request under the key is still being decided.
const toldIn = (reply: unknown): Told | { readonly why: string } | "later" | null => {
  if (!isObject(reply)) return null
  const { ok, refused } = reply
  if (isObject(refused)) {
    const text = String(refused["text"])
    return text.includes("still being decided") ? "later" : { why: `${String(refused["tag"])}: ${text.slice(0, 300)}` }
  }
  if (!isObject(ok) || typeof ok["task"] !== "string" || typeof ok["state"] !== "string") return null
  return { task: ok["task"], state: ok["state"], held: Array.isArray(ok["holds"]) && ok["holds"].length > 0 }
}

/** A command whose answer nobody holds against the log, under its key, until somebody answers it. Fails when it is refused. */
export const instruct = (stage: Stage, words: Readonly<Record<string, unknown>>, key: string): Effect.Effect<void, ProductFailed> =>
  Effect.asVoid(untilAnswered(stage, "a command over the socket", { v: 1, ask: words, key }, () => undefined))

/** What is asked for in a scenario that kills at every commit. */
export interface Errand {
  readonly key: string
  readonly kind: string
  readonly payload: unknown
}

/** Asks for a task, says yes where people have to, and lets it go. Answers the task, which may not have ended. */
export const dispatch = (stage: Stage, { key, kind, payload }: Errand): Effect.Effect<string, ProductFailed> =>
  Effect.gen(function*() {
    const { held, state, task } = yield* ask(stage, "submit", { kind, payload }, key)
    if (state !== "REQUESTED" || !held) return task
    yield* ask(stage, "approve", { task }, `${key}:approve`)
    yield* ask(stage, "resume", { task }, `${key}:resume`)
    return task
  })
