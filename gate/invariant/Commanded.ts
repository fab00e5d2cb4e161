/** The command that an event was caused by, as its payload names it. */
import type { LogEvent } from "../History.ts"

export interface Commanded {
  readonly op: string
  readonly key: string | null
  readonly reason: string | null
}

/** Null: the event is no first one of a command's decision. */
export const commandOf = ({ payload }: Pick<LogEvent, "payload">): Commanded | null => {
  const command = payload?.["command"]
  if (typeof command !== "object" || command === null || !("op" in command) || typeof command.op !== "string") return null
  const key = "key" in command && typeof command.key === "string" ? command.key : null
  const reason = "reason" in command && typeof command.reason === "string" ? command.reason : null
  return { op: command.op, key, reason }
}
