/** What a repeat of an effect would do: `read` and `idempotent` nothing worse, `dangerous` harm. */
import { Schema } from "effect"

export const EffectClass = Schema.Literal("read", "idempotent", "dangerous")
export type EffectClass = typeof EffectClass.Type
