/** What a payload may be. Checked where it comes in, before anything is sent or stored. */
import type { Json } from "./Canonical.ts"

/** The deepest payload, in levels: what is read, checked, digested and printed by recursion must not exhaust the stack. */
const depthMax = 100

// `JSON.parse` makes 1e400 infinite, and infinity has no JSON: it would be stored as something else than was asked for.
const isPlain = (value: Json, depth: number): boolean => {
  if (typeof value === "number") return Number.isFinite(value)
  if (typeof value !== "object" || value === null) return true
  return depth < depthMax && Object.values(value).every((member: Json) => isPlain(member, depth + 1))
}

/** Why a payload, or what else is JSON in a command, is not taken, at any door, or null. */
export const payloadIssueOf = (payload: Json, what = "the payload"): string | null =>
  isPlain(payload, 0) ? null : `${what} holds a number that is too large, or is nested deeper than ${depthMax} levels`
