/** What keeps a task from being dispatched. Open holds are released by people or by policy, never by a worker. */
import { Schema } from "effect"

export const Hold = Schema.Literal("approval")
export type Hold = typeof Hold.Type
