/**
 * How much a bot may send. Telegram's FAQ ("My bot is hitting limits") names one message a second in one chat, where short
 * bursts pass, 20 a minute in one group, and about 30 a second in all; edits count like messages. The exact numbers are not
 * public, so these can be set. Beyond them a call is refused with 429 and has no effect; each such call, and each that comes
 * before `retry_after` is over, is counted as a violation.
 */
import type { Clock } from "./Clock.ts"
import { ApiError } from "./Wire.ts"

export interface Limits {
  readonly enabled: boolean
  readonly per_chat_ms: number
  readonly burst: number
  readonly group_per_minute: number
  readonly per_second: number
}

export const usualLimits: Limits = { enabled: true, per_chat_ms: 1000, burst: 3, group_per_minute: 20, per_second: 30 }

/** A sender that keeps exact distances is not punished for a message that was quicker on its way than the one before. */
const toleranceMs = 100

export interface Violation {
  readonly at_ms: number
  readonly scope: string
  readonly method: string
  readonly retry_after: number
  /** It came before the end of a wait that had been asked for. */
  readonly early: boolean
}

export interface Flood {
  /** Counts a message; ApiError 429 where it is one too many. */
  readonly admit: (method: string, chat: number, isGroup: boolean) => void
  /** ApiError 429 while a wait that was asked for by a fault is not over. */
  readonly checkWait: (scope: string, method: string) => void
  /** Asks for a wait that `checkWait` and `admit` then insist on. */
  readonly ask: (scope: string, seconds: number) => void
  readonly violations: () => ReadonlyArray<Violation>
  readonly limits: () => Limits
  readonly set: (limits: Partial<Limits>) => void
  readonly reset: () => void
}

export const tooMany = (seconds: number): ApiError => new ApiError(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds })

export const makeFlood = (clock: Clock): Flood => {
  let limits = usualLimits
  let violations: Array<Violation> = []
  const waits = new Map<string, number>()
  const dueAt = new Map<string, number>()
  const lately = new Map<string, ReadonlyArray<number>>()

  const refuse = (scope: string, method: string, waitMs: number, early: boolean): ApiError => {
    const seconds = Math.max(1, Math.ceil(waitMs / 1000))
    violations.push({ at_ms: clock.nowMs(), scope, method, retry_after: seconds, early })
    if (!early) waits.set(scope, clock.steadyMs() + seconds * 1000)
    return tooMany(seconds)
  }

  const checkWait = (scope: string, method: string): void => {
    const left = (waits.get(scope) ?? 0) - clock.steadyMs()
    if (left > toleranceMs) throw refuse(scope, method, left, true)
  }

  /** How long a window of `span` is full; 0 when there is room. */
  const windowWait = (scope: string, most: number, span: number, now: number): number => {
    const inside = (lately.get(scope) ?? []).filter((at) => now - at < span - toleranceMs)
    lately.set(scope, inside)
    return inside.length < most ? 0 : Math.max(1, (inside[inside.length - most] ?? now) + span - now)
  }

  return {
    admit: (method, chat, isGroup) => {
      const now = clock.steadyMs()
      const own = `chat ${chat}`
      checkWait("all", method)
      checkWait(own, method)
      if (!limits.enabled) return
      // Generic cell rate algorithm (ITU-T I.371): `due` is when the chat would be free again at an even pace.
      const due = Math.max(dueAt.get(own) ?? 0, now)
      const chatWait = due - now - (limits.burst - 1) * limits.per_chat_ms - toleranceMs
      if (chatWait > 0) throw refuse(own, method, chatWait, false)
      const groupWait = isGroup ? windowWait(own, limits.group_per_minute, 60_000, now) : 0
      if (groupWait > 0) throw refuse(own, method, groupWait, false)
      const allWait = windowWait("all", limits.per_second, 1000, now)
      if (allWait > 0) throw refuse("all", method, allWait, false)
      dueAt.set(own, due + limits.per_chat_ms)
      for (const scope of isGroup ? [own, "all"] : ["all"]) lately.set(scope, [...(lately.get(scope) ?? []), now])
    },
    checkWait,
    ask: (scope, seconds) => void waits.set(scope, clock.steadyMs() + seconds * 1000),
    violations: () => violations,
    limits: () => limits,
    set: (changed) => {
      limits = { ...limits, ...changed }
    },
    reset: () => {
      limits = usualLimits
      violations = []
      waits.clear()
      dueAt.clear()
      lately.clear()
    }
  }
}
