/**
 * Pauses between tries: capped exponential backoff with full jitter and a budget. Pure: the caller says what the monotonic clock and
 * chance say, and sleeps. `Matrix.ts` has the figures.
 */

export interface Pauses {
  /** Ceiling of the first pause; it doubles with each failure. At least 1 ms. */
  readonly baseMs: number
  /** The highest ceiling. */
  readonly capMs: number
  /** Tries in all, the first included; null: no limit. */
  readonly attemptsMax: number | null
  /** No try begins later than this after the first; null: no limit. */
  readonly totalMs: number | null
  /** The longest pause that the other side may ask for (`retry_after`); what is longer is cut. Null: nobody asks. */
  readonly askedMaxMs: number | null
}

/** For so many times the cap all has to go well before the backoff begins anew: one success does not reset it. */
const calmCaps = 2

/** The part of a ceiling below which no pause falls, whatever chance says. */
export const floorPart = 10

/** The longest pause after so many failures in a row, in milliseconds. */
export const ceilingMs = ({ baseMs, capMs }: Pick<Pauses, "baseMs" | "capMs">, failures: number): number =>
  Math.min(capMs, baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, 30)) // 2^30 is beyond any cap and still an exact number

/** The shortest pause after so many failures in a row: never zero. */
export const floorMs = (pauses: Pick<Pauses, "baseMs" | "capMs">, failures: number): number => Math.max(1, Math.ceil(ceilingMs(pauses, failures) / floorPart))

/**
 * Full jitter: uniform in [0, ceiling], whole milliseconds; what falls below a tenth of the ceiling is raised to it, so that no run of
 * luck makes a tight loop. `chance` is uniform in [0, 1).
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export const jitteredMs = (pauses: Pick<Pauses, "baseMs" | "capMs">, failures: number, chance: number): number =>
  Math.max(floorMs(pauses, failures), Math.floor(chance * (ceilingMs(pauses, failures) + 1)))

/** How it went so far. Instants are of a monotonic clock, in milliseconds. */
export interface Tries {
  readonly tried: number
  /** Failures that the next pause counts. */
  readonly failures: number
  readonly startedMs: number
  /** Since when nothing has failed; null: nothing has gone well since the last failure. */
  readonly wellSinceMs: number | null
  /** Pauses so far: what a clock that goes backwards cannot take back. */
  readonly pausedMs: number
}

export const noTries = (nowMs: number): Tries => ({ tried: 0, failures: 0, startedMs: nowMs, wellSinceMs: null, pausedMs: 0 })

export const afterSuccess = (tries: Tries, nowMs: number): Tries => (tries.wellSinceMs === null ? { ...tries, wellSinceMs: nowMs } : tries)

export type Next =
  | { readonly _tag: "Pause"; readonly ms: number; readonly tries: Tries }
  | { readonly _tag: "Spent"; readonly why: "attempts" | "time"; readonly tries: Tries }

/** What the other side asks for, if that makes sense: NaN, zero and negative values do not. */
const askedMs = ({ askedMaxMs }: Pauses, asked: number | undefined): number =>
  askedMaxMs !== null && asked !== undefined && asked > 0 ? Math.min(askedMaxMs, Math.ceil(asked)) : 0

/**
 * What follows a failure: a pause of at least 1 ms, or the end of the budget. A pause that is asked for is honoured where it is longer
 * than the own one; when the budget ends before it would, there is no further try.
 */
export const afterFailure = (pauses: Pauses, before: Tries, nowMs: number, chance: number, asked?: number): Next => {
  const calm = before.wellSinceMs !== null && nowMs - before.wellSinceMs >= pauses.capMs * calmCaps
  const failures = calm ? 1 : before.failures + 1
  const tries = { ...before, tried: before.tried + 1, failures, wellSinceMs: null }
  if (pauses.attemptsMax !== null && tries.tried >= pauses.attemptsMax) return { _tag: "Spent", why: "attempts", tries }
  const ms = Math.max(jitteredMs(pauses, failures, chance), askedMs(pauses, asked))
  const tookMs = Math.max(nowMs - before.startedMs, before.pausedMs)
  if (pauses.totalMs !== null && tookMs + ms > pauses.totalMs) return { _tag: "Spent", why: "time", tries }
  return { _tag: "Pause", ms, tries: { ...tries, pausedMs: before.pausedMs + ms } }
}

const hourMs = 3_600_000

/**
 * The most tries that can fall into one hour, whatever fails, at the worst of chance: the first ones come as the ceiling grows, the others
 * a tenth of the cap apart.
 */
export const triesPerHourMax = (pauses: Pauses): number => {
  let [tries, atMs, failures] = [1, 0, 0]
  for (; ceilingMs(pauses, failures + 1) < pauses.capMs && failures < 64; failures++) {
    atMs += floorMs(pauses, failures + 1)
    tries += 1
  }
  const all = tries + Math.max(0, Math.floor((hourMs - atMs) / floorMs(pauses, failures + 1)))
  return Math.min(all, pauses.attemptsMax ?? Infinity)
}
