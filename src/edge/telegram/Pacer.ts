/**
 * When the next message may go, so that the limits of the service are never exceeded: one a second in a chat, 20 a minute in a group, 30 a
 * second in all; edits count, and one message is edited every two seconds at most. The clock is an argument, in milliseconds of a
 * monotonic clock; nothing here waits.
 *
 * The service counts at an instant that only it knows, somewhere between the begin of a call and its end. So a call takes up its place
 * from its begin until its end and the length of the window behind it: then no window of the service's can hold more than the limit,
 * however long calls are on their way. Source of the figures: Telegram's "Bots FAQ", "My bot is hitting limits".
 */

export const chatGapMs = 1000
export const editGapMs = 2000
export const groupMax = 20
export const groupWindowMs = 60_000
export const allMax = 30
export const allWindowMs = 1000
/** The longest that everything waits because one chat was told to: nobody says whether it was meant for all. */
const allCareMs = 1000

export interface Target {
  readonly chat: string
  /** The message that is edited; null: a new one. */
  readonly message: number | null
}

/** A call that is on its way, or was: `endMs` is null until it was answered. */
interface Call {
  endMs: number | null
}

interface ChatPace {
  /** Calls that may lie in a window still; of a chat without a limit a minute only the last one. */
  calls: Array<Call>
  /** The service asked to be left alone until then. */
  heldMs: number
  edits: Map<number, Call>
}

export interface Pacer {
  /** The earliest instant at which this may be sent, `nowMs` or before when that is now; Infinity: not before a call has ended. */
  readonly at: (target: Target, nowMs: number) => number
  /** It is sent now. The answer is to be called when its call has ended, however it did. */
  readonly begin: (target: Target, nowMs: number) => (endMs: number) => void
  /** The service asked for a pause in this chat. */
  readonly hold: (chat: string, untilMs: number, nowMs: number) => void
  /** How many chats are remembered. */
  readonly size: () => number
}

/** Groups, supergroups and channels: their ids are negative. */
const isGroup = (chat: string): boolean => chat.startsWith("-")

const endOf = ({ endMs }: Call): number => endMs ?? Infinity

/** When there is room for one more of so many in a window. */
const roomAt = (calls: ReadonlyArray<Call>, most: number, windowMs: number): number => {
  if (calls.length < most) return -Infinity
  const ends = calls.map(endOf).sort((a, b) => a - b)
  return (ends[calls.length - most] ?? Infinity) + windowMs
}

const inWindow = (calls: ReadonlyArray<Call>, windowMs: number, nowMs: number): Array<Call> => calls.filter((call) => endOf(call) > nowMs - windowMs)

/**
 * `lately`: when something was sent to groups within the last minute, of the same clock, as far as it is known. What the process before
 * sent last nobody knows; so it is taken that it sent something just now, in every chat.
 */
export const make = (startMs: number, lately: ReadonlyArray<{ readonly chat: string; readonly atMs: number }> = []): Pacer => {
  const chats = new Map<string, ChatPace>()
  // Empty, since no chat is written to within a second of the start.
  let all: Array<Call> = []
  let allHeldMs = -Infinity
  let sweptMs = startMs

  const paceOf = (chat: string): ChatPace => {
    const known = chats.get(chat)
    if (known !== undefined) return known
    const fresh: ChatPace = { calls: [{ endMs: startMs }], heldMs: -Infinity, edits: new Map() }
    chats.set(chat, fresh)
    return fresh
  }
  for (const { atMs, chat } of lately) paceOf(chat).calls.unshift({ endMs: Math.min(atMs, startMs) })

  const isIdle = ({ calls, edits, heldMs }: ChatPace, nowMs: number): boolean =>
    heldMs <= nowMs && inWindow(calls, groupWindowMs, nowMs).length === 0 && [...edits.values()].every((call) => endOf(call) <= nowMs - editGapMs)

  // Memory is bounded by what was sent within a minute.
  const sweep = (nowMs: number): void => {
    if (nowMs - sweptMs < groupWindowMs) return
    sweptMs = nowMs
    for (const [chat, pace] of chats) if (isIdle(pace, nowMs)) chats.delete(chat)
  }

  const at = ({ chat, message }: Target, nowMs: number): number => {
    const pace = paceOf(chat)
    pace.calls = inWindow(pace.calls, groupWindowMs, nowMs)
    all = inWindow(all, allWindowMs, nowMs)
    const last = pace.calls.at(-1)
    const edit = message === null ? undefined : pace.edits.get(message)
    return Math.max(
      pace.heldMs,
      allHeldMs,
      roomAt(all, allMax, allWindowMs),
      last === undefined ? -Infinity : endOf(last) + chatGapMs,
      isGroup(chat) ? roomAt(pace.calls, groupMax, groupWindowMs) : -Infinity,
      edit === undefined ? -Infinity : endOf(edit) + editGapMs
    )
  }

  return {
    at,
    begin: ({ chat, message }, nowMs) => {
      sweep(nowMs)
      const pace = paceOf(chat)
      const call: Call = { endMs: null }
      pace.calls = isGroup(chat) ? [...inWindow(pace.calls, groupWindowMs, nowMs), call] : [call]
      for (const [edited, before] of pace.edits) if (endOf(before) <= nowMs - editGapMs) pace.edits.delete(edited)
      if (message !== null) pace.edits.set(message, call)
      all = [...inWindow(all, allWindowMs, nowMs), call]
      return (endMs) => {
        call.endMs ??= endMs
      }
    },
    hold: (chat, untilMs, nowMs) => {
      // Two chats at once: then it was meant for all.
      const isOther = [...chats].some(([other, { heldMs }]) => other !== chat && heldMs > nowMs)
      const pace = paceOf(chat)
      pace.heldMs = Math.max(pace.heldMs, untilMs)
      allHeldMs = Math.max(allHeldMs, isOther ? untilMs : Math.min(untilMs, nowMs + allCareMs))
    },
    size: () => chats.size
  }
}
