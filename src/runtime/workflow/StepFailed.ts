/** How the code of a task learns, and says, that a step failed. */
import { Schema } from "effect"

/**
 * A step failed, and it is known that it did. Thrown by a step, and by the body of a dangerous step that is sure that nothing
 * happened: whatever else such a body throws leaves its outcome unknown.
 */
export class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", {
  step: Schema.optionalWith(Schema.Int, { exact: true }),
  name: Schema.optionalWith(Schema.String, { exact: true }),
  code: Schema.optionalWith(Schema.String, { exact: true }),
  reason: Schema.String
}) {
  override get message() {
    return this.step === undefined ? this.reason : `step ${this.step} ${JSON.stringify(this.name)} failed: ${this.reason}`
  }
}

/** Ends a task as FAILED whatever attempts are left. */
export class TaskFailed extends Schema.TaggedError<TaskFailed>()("TaskFailed", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

// By their tags: the code of a task may have been bundled with a copy of this module of its own.
const isTagged = (thrown: unknown, tag: string): boolean => typeof thrown === "object" && thrown !== null && "_tag" in thrown && thrown._tag === tag

export const isStepFailed = (thrown: unknown): thrown is StepFailed => isTagged(thrown, "StepFailed")

/** Whether another attempt could not do better. */
export const isFinal = (thrown: unknown): boolean => isTagged(thrown, "TaskFailed") || isTagged(thrown, "Misfit")

/** What was thrown, in words; bodies may throw anything. */
export const wordsOf = (thrown: unknown): string => {
  if (thrown instanceof Error) return `${hasPlainName(thrown) || thrown.message === "" ? "" : `${thrown.name}: `}${thrown.message}` || thrown.name
  if (typeof thrown === "string") return `it threw the text ${JSON.stringify(thrown.slice(0, 500))}; throw an Error to say where`
  if (typeof thrown === "object" && thrown !== null && "_tag" in thrown && typeof thrown._tag === "string") return `${thrown._tag}: ${jsonOf(thrown)}`
  return `it threw ${jsonOf(thrown)}, which is not an Error`
}

// Our own failures say in their message what they are.
const hasPlainName = (error: Error): boolean => error.name === "Error" || isStepFailed(error) || isFinal(error)

const jsonOf = (value: unknown): string => {
  try {
    return typeof value === "bigint" ? `${value}n` : JSON.stringify(value)?.slice(0, 500) ?? typeof value
  } catch {
    return "a value that cannot be written"
  }
}

/** The short name of what was thrown. */
export const codeOf = (thrown: unknown, otherwise: string): string =>
  typeof thrown === "object" && thrown !== null && "_tag" in thrown && typeof thrown._tag === "string" && /^\w{1,64}$/.test(thrown._tag) ? thrown._tag : otherwise
