/** The task kinds that are declared, and whether a payload fits one. */
import { Context, type Effect } from "effect"
import type { Json } from "../domain/Canonical.ts"
import type { Kind, KindUnknown, PayloadRefused } from "../domain/Kind.ts"

export class Kinds extends Context.Tag("opsgate/control/Kinds")<Kinds, {
  readonly get: (name: string) => Kind | undefined
  /** The kind, if it is declared and the payload fits its schema. */
  readonly check: (name: string, payload: Json) => Effect.Effect<Kind, KindUnknown | PayloadRefused>
}>() {}
