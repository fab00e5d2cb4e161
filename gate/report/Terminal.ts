/**
 * Progress as text. On a terminal every stage that is under way has one line, which is redrawn; elsewhere a stage says a
 * plain line now and then, so that a log of CI stays readable. What comes from outside cannot move the cursor.
 */
import { clip, plain } from "../evidence/Plain.ts"
import type { Progress, Timing } from "../Progress.ts"

export interface TerminalOptions {
  readonly write: (text: string) => void
  /** Milliseconds, of a clock that is not set back. */
  readonly now: () => number
  /** Of the terminal; null when it is none, and plain lines are written. */
  readonly columns: () => number | null
}

export interface Terminal extends Progress {
  /** Draws anew, so that times go on while nothing is reported. */
  readonly redraw: () => void
  /** Takes the redrawn lines away, for whoever writes next. Stages under way draw them again. */
  readonly clear: () => void
}

/** How often a line of a stage is written where there is no terminal, and how often it is redrawn where there is one. */
export const plainEveryMs = 5000
export const redrawEveryMs = 100
/** Widest line that is redrawn: longer ones are hard to follow, and one that wraps would be redrawn wrongly. */
const widest = 100
/** Where a terminal says that it has no columns, it does not know how many it has. */
const unsized = 79

interface Live {
  readonly name: string
  readonly total: number | null
  readonly unit: string
  readonly startedAt: number
  shownAt: number
  done: number
  note: string
}

export const terminal = ({ columns, now, write }: TerminalOptions): Terminal => {
  const live = new Set<Live>()
  const timings: Array<Timing> = []
  let drawn = 0
  let drawnAt = Number.NEGATIVE_INFINITY

  const clear = () => {
    // Up to the first drawn line, then everything below it away.
    if (drawn > 0) write(`\u001b[${drawn}A\r\u001b[J`)
    drawn = 0
  }
  const draw = () => {
    const width = columns()
    if (width === null) return
    clear()
    const room = width > 0 ? Math.max(1, Math.min(width - 1, widest)) : unsized
    const lines = [...live].map((stage) => clip(lineOf(stage, now()), room))
    write(lines.map((line) => `${line}\n`).join(""))
    drawn = lines.length
    drawnAt = now()
  }
  const say = (text: string) => {
    clear()
    write(`${plain(text)}\n`)
    draw()
  }
  // On a terminal too often is slow; in a log too often is unreadable.
  const show = (stage: Live) => {
    if (columns() !== null) {
      if (now() - drawnAt >= redrawEveryMs) draw()
    } else if (now() - stage.shownAt >= plainEveryMs) {
      stage.shownAt = now()
      write(`${plain(lineOf(stage, now()))}\n`)
    }
  }
  return {
    stage: (name, total, unit = "") => {
      const stage: Live = { name, total, unit, startedAt: now(), shownAt: now(), done: 0, note: "" }
      live.add(stage)
      draw()
      return {
        step: (done, note = "") => {
          if (!live.has(stage)) return
          stage.done = done
          stage.note = note
          show(stage)
        },
        done: (note = "") => {
          if (!live.delete(stage)) return
          const ms = now() - stage.startedAt
          timings.push({ stage: name, ms })
          say(`${name}: ${counted(stage) || "done"} in ${duration(ms)}${note === "" ? "" : `; ${note}`}`)
        }
      }
    },
    say,
    timings: () => timings,
    redraw: () => (live.size > 0 ? draw() : undefined),
    clear
  }
}

const lineOf = (stage: Live, now: number): string => {
  const { done, name, note, startedAt, total } = stage
  const elapsed = now - startedAt
  // A rate of nothing says nothing about how long the rest will take.
  const rate = done > 0 && elapsed > 0 ? done / elapsed : null
  const left = rate === null || total === null || done >= total ? "" : `${duration((total - done) / rate)} left`
  const parts = [counted(stage), rate === null ? "" : perSecond(rate * 1000), left === "" ? `${duration(elapsed)} so far` : left, note]
  return `${name}: ${parts.filter((part) => part !== "").join(", ")}`
}

const counted = ({ done, total, unit }: Live): string => {
  const units = unit === "" ? "" : ` ${unit}`
  if (total !== null) return `${done}/${total}${units}`
  return done === 0 ? "" : `${done}${units}`
}

const perSecond = (rate: number): string => `${rate >= 10 ? rate.toFixed(0) : rate.toFixed(1)}/s`

/** `48 s`, `2 min 05 s`; below ten seconds with one decimal. */
export const duration = (ms: number): string => {
  const seconds = Math.round(ms / 1000)
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`
}
