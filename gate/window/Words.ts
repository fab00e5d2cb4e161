/** What is asked with `--window`: how long, and until when. Words that say neither are refused before anything is read. */
import { Data, DateTime, Either, Option } from "effect"

/** A window cannot be judged as it was asked for. Nothing was written. */
export class WindowRefused extends Data.TaggedError("WindowRefused")<{ readonly issue: string }> {
  override get message() {
    return this.issue
  }
}

export interface Window {
  /** As it was written. */
  readonly length: string
  readonly start_ms: number
  /** Not in the window any more. */
  readonly end_ms: number
}

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** The longest window, in milliseconds. */
const longestMs = 366 * unitMs.d

const refused = (issue: string) => Either.left(new WindowRefused({ issue }))

/** `length` is a whole number of seconds, minutes, hours or days (`90m`, `36h`, `7d`); without `until` the window ends now. */
export const windowOf = (length: string, until: string | undefined, nowMs: number): Either.Either<Window, WindowRefused> =>
  Either.gen(function*() {
    const spanMs = yield* lengthOf(length)
    const end_ms = until === undefined ? nowMs : yield* instantOf(until)
    if (end_ms > nowMs) return yield* refused(`--until ${until} lies in the future: what has not happened cannot be judged`)
    return { length, start_ms: end_ms - spanMs, end_ms }
  })

/** A length of time as it is written, `90m`, `36h`, `7d`, in milliseconds; null for other words. */
export const lengthMs = (text: string): number | null => {
  const [, amount, unit] = /^([1-9]\d{0,6})([smhd])$/.exec(text) ?? []
  return unit === "s" || unit === "m" || unit === "h" || unit === "d" ? Number(amount) * unitMs[unit] : null
}

const lengthOf = (text: string): Either.Either<number, WindowRefused> => {
  const ms = lengthMs(text)
  if (ms === null) return refused(`--window wants a whole number of seconds, minutes, hours or days, as in 90m, 36h or 7d, and not ${text}`)
  return ms > longestMs ? refused(`--window ${text} is longer than a year`) : Either.right(ms)
}

const instantOf = (text: string): Either.Either<number, WindowRefused> => {
  const made = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text) ? DateTime.make(text) : Option.none()
  return Option.match(made, {
    onNone: () => refused(`--until wants an instant with its zone, as in 2026-11-20T18:00:00Z, and not ${text}`),
    onSome: (instant) => Either.right(DateTime.toEpochMillis(instant))
  })
}

/** The longest length that a log which begins then can fill, as it is written; null when that is less than a second. */
export const longestLength = (sinceMs: number, endMs: number): string | null => {
  const fits = (["d", "h", "m", "s"] as const).map((unit) => ({ unit, amount: Math.floor((endMs - sinceMs) / unitMs[unit]) }))
  const best = fits.find(({ amount, unit }) => amount >= (unit === "s" ? 1 : 2))
  return best === undefined ? null : `${best.amount}${best.unit}`
}
