/** What the words of a command may be. Checked where they come in, before anything is sent or stored. */

/** The longest reason, idempotency key and task name, in UTF-16 units. */
export const reasonMax = 2000
export const keyMax = 255
export const taskNameMax = 64

/** The words of a command. A submit names a kind, all others a task. */
interface Words {
  readonly reason: string | null
  readonly kind?: string
  readonly task?: string
}

/** Why a command is not sent, in one sentence, or null. It never repeats the text that is too long. */
export const issueOf = ({ kind, reason, task }: Words, key: string | null): string | null => {
  if (reason !== null && reason.length > reasonMax) return `a reason has at most ${reasonMax} characters`
  if (key === "") return "an idempotency key is not empty"
  if (key !== null && key.length > keyMax) return `an idempotency key has at most ${keyMax} characters`
  if ([reason, key, kind, task].some((text) => /\p{Cs}/u.test(text ?? ""))) return "the words of a command are well-formed Unicode: one of them holds half of a surrogate pair"
  if (kind === "") return "a kind has a name"
  return task !== undefined && (task === "" || task.length > taskNameMax) ? "a task is named by its id or the end of it" : null
}
