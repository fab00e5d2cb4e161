/**
 * What keeps a task from being dispatched. Open holds are released by people or by policy, never by a worker.
 *
 * - `plan`: somebody has to say how it is done, tested and rolled back.
 * - `review`: somebody else has to have looked at that and let it pass.
 * - `approval`: people have to say yes to exactly this.
 * - `policy`: the policy does not let it run as it stands.
 */
import { Schema } from "effect"

export const holds = ["plan", "review", "approval", "policy"] as const
export const Hold = Schema.Literal(...holds)
export type Hold = typeof Hold.Type
