/** Asking for a pass of pruning: the wire form of the request, and what it is answered with. */
import { Schema } from "effect"
import { reasonMax } from "./AskLimits.ts"

export const PruneAsk = Schema.Struct({ op: Schema.Literal("prune"), reason: Schema.NullOr(Schema.String.pipe(Schema.maxLength(reasonMax))) })
export type PruneAsk = typeof PruneAsk.Type

/** The end of the pass is an event `retention.ended` under this trace. */
export const PruneAnswer = Schema.Struct({ pruning: Schema.String })
export type PruneAnswer = typeof PruneAnswer.Type
