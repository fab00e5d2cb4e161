/** What `/ops` says of the way to the chats. A poll that fails once says nothing: Telegram answers 409 while the poll of a process before still hangs. */
import { DateTime } from "effect"
import type { Trouble } from "../engine/ChatTrouble.ts"
import type { ReasonDetail } from "./OpsReasons.ts"

/** So long it may fail before it is told. */
export const chatTroubleMs = 120_000

const codeOf = ({ code, stopped }: Trouble): "telegram_stopped" | "telegram_conflict" | "telegram_unreachable" =>
  stopped ? "telegram_stopped" : code === "http_409" ? "telegram_conflict" : "telegram_unreachable"

const next = {
  telegram_stopped: "opsgate logs --level error",
  telegram_conflict: "opsgate logs --level warn",
  telegram_unreachable: "opsgate logs --level warn"
} as const

/** The reason, if it has lasted long enough at `nowMs`. Observed and threshold are milliseconds. */
export const chatReason = (trouble: Trouble, nowMs: number): ReadonlyArray<ReasonDetail> => {
  const code = codeOf(trouble)
  const observed = Math.max(0, nowMs - trouble.sinceMs)
  const threshold = trouble.stopped ? 0 : chatTroubleMs
  return !trouble.stopped && observed <= threshold
    ? []
    : [{ code, threshold, observed, since: DateTime.formatIso(DateTime.unsafeMake(trouble.sinceMs)), next: next[code] }]
}
