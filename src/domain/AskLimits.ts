/** What the words of a command may be. Checked where they come in, before anything is sent or stored. */

/** The longest reason, idempotency key and task name, in UTF-16 units. */
export const reasonMax = 2000
export const keyMax = 255
export const taskNameMax = 64

/** The highest priority and, negated, the lowest. */
export const priorityMax = 100
/** How queues and tenants are named. */
export const queuePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/
export const tenantPattern = /^[A-Za-z0-9][A-Za-z0-9._@:-]{0,63}$/

/** What a submit says of where its task stands, see `Placement.ts`. */
interface PlaceWords {
  readonly concurrency_key?: string
  readonly delay_ms?: number
  readonly at_ms?: number
  readonly unique?: { readonly key: string }
  readonly debounce?: { readonly key: string }
}

/** The words of a command. A submit names a kind, those about a queue its name, all others a task. */
interface Words extends PlaceWords {
  readonly reason: string | null
  readonly kind?: string
  readonly task?: string
}

const placeIssueOf = ({ at_ms, concurrency_key, debounce, delay_ms, unique }: PlaceWords): string | null => {
  for (const key of [concurrency_key, unique?.key, debounce?.key]) {
    if (key !== undefined && (key === "" || key.length > keyMax)) return `a concurrency, unique or debounce key has 1 to ${keyMax} characters`
    if (/\p{Cs}/u.test(key ?? "")) return "a key is well-formed Unicode: one of them holds half of a surrogate pair"
  }
  if (at_ms !== undefined && delay_ms !== undefined) return "a delay and an instant do not go together: give one of them"
  if (debounce !== undefined && unique !== undefined) return "a debounce key is a unique key already: give one of them"
  return debounce !== undefined && (at_ms ?? delay_ms) !== undefined ? "a debounce has a delay of its own: give no other" : null
}

/** Why a command is not sent, in one sentence, or null. It never repeats the text that is too long. */
export const issueOf = (words: Words, key: string | null): string | null => {
  const { kind, reason, task } = words
  if (reason !== null && reason.length > reasonMax) return `a reason has at most ${reasonMax} characters`
  if (key === "") return "an idempotency key is not empty"
  if (key !== null && key.length > keyMax) return `an idempotency key has at most ${keyMax} characters`
  if ([reason, key, kind, task].some((text) => /\p{Cs}/u.test(text ?? ""))) return "the words of a command are well-formed Unicode: one of them holds half of a surrogate pair"
  if (kind === "") return "a kind has a name"
  return task !== undefined && (task === "" || task.length > taskNameMax) ? "a task is named by its id or the end of it" : placeIssueOf(words)
}
