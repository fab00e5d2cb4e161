/** What the words of a command may be. Checked where they come in, before anything is sent or stored. */

/** The longest reason, idempotency key and task name, in UTF-16 units. */
export const reasonMax = 2000
export const keyMax = 255
/** The longest part of a plan. */
export const planPartMax = 4000
export const taskNameMax = 64
/** The longest name of a kind that is looked up. */
export const kindNameMax = 200

// What has no shape on paper: spaces of all sorts, controls, formats, and the letters that Unicode calls ignorable or blank.
const invisible = /^[\s\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]*$/u

/** Whether a reason says nothing. */
export const isBlank = (reason: string | null): boolean => reason === null || invisible.test(reason)

// What a terminal obeys, and what turns the direction of a line so that it reads as something else.
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

/** Whether text holds a control character other than a tab or a line feed, or one that turns the direction of a line. */
export const isUnprintable = (text: string): boolean => obeyed.test(text)

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
  readonly evidence?: string
  readonly plan?: Readonly<Record<string, string>>
}

const placeIssueOf = ({ at_ms, concurrency_key, debounce, delay_ms, unique }: PlaceWords): string | null => {
  for (const key of [concurrency_key, unique?.key, debounce?.key]) {
    if (key !== undefined && (key === "" || key.length > keyMax)) return `a concurrency, unique or debounce key has 1 to ${keyMax} characters`
    if (/\p{Cs}/u.test(key ?? "")) return "a key is well-formed Unicode: one of them holds half of a surrogate pair"
    if (isUnprintable(key ?? "")) return "a concurrency, unique or debounce key holds no control character"
  }
  if (at_ms !== undefined && delay_ms !== undefined) return "a delay and an instant do not go together: give one of them"
  if (debounce !== undefined && unique !== undefined) return "a debounce key is a unique key already: give one of them"
  return debounce !== undefined && (at_ms ?? delay_ms) !== undefined ? "a debounce has a delay of its own: give no other" : null
}

/** Why a command is not sent, in one sentence, or null. It never repeats the text that is too long. */
export const issueOf = (words: Words, key: string | null): string | null => {
  const { evidence, kind, plan, reason, task } = words
  if (reason !== null && reason.length > reasonMax) return `a reason has at most ${reasonMax} characters`
  if (key === "") return "an idempotency key is not empty"
  if (key !== null && key.length > keyMax) return `an idempotency key has at most ${keyMax} characters`
  if (evidence !== undefined && evidence.length > reasonMax) return `evidence has at most ${reasonMax} characters`
  const texts = [reason, evidence, key, kind, task, ...Object.values(plan ?? {})]
  if (texts.some((text) => /\p{Cs}/u.test(text ?? ""))) return "the words of a command are well-formed Unicode: one of them holds half of a surrogate pair"
  if (texts.some((text) => isUnprintable(text ?? ""))) return "the words of a command hold no control characters and none that turn the direction of a line"
  if (/[\t\n]/.test(key ?? "")) return "an idempotency key stands in one line"
  if (kind === "") return "a kind has a name"
  if (kind !== undefined && kind.length > kindNameMax) return `the name of a kind has at most ${kindNameMax} characters`
  return task !== undefined && (task === "" || task.length > taskNameMax) ? "a task is named by its id or the end of it" : placeIssueOf(words)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null
const wordIn = (value: Readonly<Record<string, unknown>>, name: string): string | undefined => (typeof value[name] === "string" ? value[name] : undefined)

/** What is said of a request that cannot be read and whose words are otherwise well. */
export const unreadable = "the request is not a command"

/** The same for something that is no command as it stands: which one it looks like, and what is wrong with it. It repeats nothing else of it. */
export const issueOfUnread = (ask: unknown, key: unknown): { readonly op: string | null; readonly issue: string } => {
  if (!isObject(ask)) return { op: null, issue: unreadable }
  const [kind, task, evidence] = [wordIn(ask, "kind"), wordIn(ask, "task"), wordIn(ask, "evidence")]
  const words = { reason: wordIn(ask, "reason") ?? null, ...(kind === undefined ? {} : { kind }), ...(task === undefined ? {} : { task }), ...(evidence === undefined ? {} : { evidence }) }
  return { op: wordIn(ask, "op") ?? null, issue: issueOf(words, typeof key === "string" ? key : null) ?? unreadable }
}
