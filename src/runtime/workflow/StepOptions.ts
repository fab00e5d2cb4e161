/** Steps as people without a type checker write them: what the types refuse is refused here too, before anything happens. */
import { isAbsolute } from "node:path"
import { Duration, Schema } from "effect"
import { SignalName } from "../../domain/Command.ts"
import type { CommandOptions } from "./Context.ts"
import type { Mismatch } from "./Journal.ts"

/** The options of a step in either flavour, as far as they are looked at here. */
export interface Written {
  readonly effect: unknown
  readonly timeout?: Duration.DurationInput
  readonly atMostOnce?: unknown
  readonly probe?: unknown
  readonly compensate?: unknown
  readonly retry?: { readonly attempts: number; readonly base?: Duration.DurationInput; readonly cap?: Duration.DurationInput }
}

const effects: ReadonlyArray<unknown> = ["read", "idempotent", "dangerous"]
const isFunction = (value: unknown): boolean => typeof value === "function"

/** The longest time that is taken: what a row can hold and a clock will reach. */
const longestMs = 100 * 365 * 86_400_000

/** Why a duration is none, or null. */
export const durationIssue = (what: string, duration: Duration.DurationInput | undefined): string | null => {
  if (duration === undefined) return null
  try {
    const ms = Duration.toMillis(duration)
    return ms >= 0 && ms <= longestMs ? null : `${what} is longer than a hundred years`
  } catch {
    return `${what} is no duration: ${JSON.stringify(duration) ?? typeof duration}; write for example "5 seconds"`
  }
}

const issueOf = (options: Written | undefined, body: unknown): string | null => {
  if (typeof options !== "object" || options === null) return "it has no options: step(name, { effect: \"read\" | \"idempotent\" | \"dangerous\" }, body)"
  if (!isFunction(body)) return "its body is no function"
  const { atMostOnce, compensate, effect, probe, retry, timeout } = options
  if (!effects.includes(effect)) return "its effect is none of \"read\", \"idempotent\" and \"dangerous\""
  if (effect === "dangerous" && timeout === undefined) return "it is dangerous and has no timeout"
  if (effect === "dangerous" && (atMostOnce === true) === isFunction(probe)) return "it is dangerous and has to have either atMostOnce: true or a probe"
  if (compensate !== undefined && !isFunction(compensate)) return "compensate is no function"
  if (retry !== undefined && !(Number.isSafeInteger(retry.attempts) && retry.attempts >= 1)) return "retry.attempts counts from 1"
  return durationIssue("its timeout", timeout) ?? durationIssue("retry.base", retry?.base) ?? durationIssue("retry.cap", retry?.cap)
}

/** Why a step cannot be done as it is written, or null. */
export const unfit = (name: unknown, options: Written | undefined, body: unknown): Mismatch | null => {
  if (typeof name !== "string") return { code: "step_unfit", error: `a step is named by a text, not by a ${typeof name}` }
  const issue = issueOf(options, body)
  return issue === null ? null : { code: "step_unfit", error: `step ${JSON.stringify(name)}: ${issue}` }
}

const isText = (value: unknown): boolean => typeof value === "string"
const isArgument = (value: unknown): boolean => typeof value === "string" && !value.includes("\u0000")

const commandIssue = (options: CommandOptions | undefined): string | null => {
  if (typeof options !== "object" || options === null) return "it has no options: exec(name, { argv, effect, timeout, cwd })"
  const { argv, cwd, effect, env, timeout } = options
  if (!effects.includes(effect)) return "its effect is none of \"read\", \"idempotent\" and \"dangerous\""
  if (!Array.isArray(argv) || argv.length === 0 || !argv.every(isArgument)) return "argv is a list of texts, the program first"
  if (!isText(cwd) || !isAbsolute(cwd)) return "cwd is an absolute path"
  if (env !== undefined && !Object.values(env).every(isArgument)) return "env holds texts"
  const issue = timeout === undefined ? "it has no timeout" : durationIssue("its timeout", timeout) ?? durationIssue("killGrace", options.killGrace) ?? durationIssue("its heartbeat", options.heartbeat)
  if (issue !== null) return issue
  if (options.heartbeat !== undefined && Duration.toMillis(options.heartbeat) > commandMaxMs) return "its heartbeat is at most 24 days"
  return Duration.toMillis(timeout) > commandMaxMs ? "its timeout is at most 24 days" : null
}

/** What a supervisor can count: a timer of Node. */
const commandMaxMs = 24 * 86_400_000

/** Why a command cannot be run as it is written, or null. */
export const unfitCommand = (name: unknown, options: CommandOptions | undefined): Mismatch | null => {
  if (typeof name !== "string") return { code: "step_unfit", error: `a step is named by a text, not by a ${typeof name}` }
  const issue = commandIssue(options)
  return issue === null ? null : { code: "step_unfit", error: `step ${JSON.stringify(name)}: ${issue}` }
}

/** The same for what waits for a time. */
export const unfitTime = (name: unknown, what: string, duration: Duration.DurationInput | undefined): Mismatch | null => {
  if (typeof name !== "string") return { code: "step_unfit", error: `a step is named by a text, not by a ${typeof name}` }
  const issue = what === "its time" && duration === undefined ? "it has no time: sleep(name, duration)" : durationIssue(what, duration)
  return issue === null ? null : { code: "step_unfit", error: `step ${JSON.stringify(name)}: ${issue}` }
}

const isSignalName = Schema.is(SignalName)

/** The same for a wait for a signal, which somebody has to be able to send. */
export const unfitSignal = (signal: unknown, timeout: Duration.DurationInput | undefined, as: unknown = signal): Mismatch | null =>
  isSignalName(signal)
    ? unfitTime(as, "its timeout", timeout)
    : { code: "step_unfit", error: `a signal is named by 1 to 64 letters, digits and . _ -, beginning with a letter or digit; this name does not fit: ${JSON.stringify(signal)?.slice(0, 120) ?? typeof signal}` }
