/** What a program that embeds Opsgate asked for and is not taken: on record first, as every refusal is, then told. */
import { Effect } from "effect"
import { refuseMalformed } from "./control/EarlyRefusal.ts"
import { issueOfUnread, unreadable } from "./domain/AskLimits.ts"
import type { Caller } from "./domain/Authorization.ts"
import type { Engine, Instants } from "./engine/Engine.ts"

type Given = <A, E>(effect: Effect.Effect<A, E, Engine | Instants>) => Effect.Effect<A, E>

/** `failed` is how the program is told; `given` provides the engine. */
export const refusals = <F>(given: Given, failed: (op: string, reason: string) => F) => {
  /** `inFull` may hold words of the request: it is told to the program, and not stored. */
  const refuse = (as: Caller, op: string, reason: string, inFull = reason) =>
    given(refuseMalformed({ ...as, channel: "code" }, op, reason)).pipe(Effect.catchTag("AskMalformed", () => Effect.fail(failed(op, inFull))))
  return {
    refuse,
    /** For a request that could not be read. */
    unread: (as: Caller, op: string, ask: object, key: string | null, inFull: string) => {
      const { issue } = issueOfUnread(ask, key)
      return refuse(as, op, issue, issue === unreadable ? inFull : issue)
    }
  }
}

/** For a submit whose words or payload do not fit: what is said of a payload may hold words of it, so only that it does not is stored. */
export const notSubmitted = <F>(as: Caller, failure: F) =>
  refuseMalformed({ ...as, channel: "code" }, "submit", "the words or the payload of the request do not fit, or its kind is not known").pipe(Effect.catchTag("AskMalformed", () => Effect.fail(failure)))
