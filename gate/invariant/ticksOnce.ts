/**
 * A tick of a schedule is decided once: it asks for one task at most, whatever happens to the process and the clock, and none when it was
 * skipped by itself. A run that a person asked for is no tick.
 *
 * Unit: a tick that asked for a task.
 */
import type { Measure } from "../Verdict.ts"
import { text, whole } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const ticksOnce: Measure = (history) =>
  overFolds(history, ({ events, id }, _log, units) => {
    const decided = new Map<string, string>()
    for (const { payload, seq, task, type } of events) {
      const schedule = text(payload, "schedule")
      if (schedule === null) continue
      const skips = type === "schedule.skipped" && payload?.["count"] === 1 && payload["from_ms"] === payload["to_ms"]
      const starts = type === "task.requested" && text(payload, "by") === "schedule" && text(payload, "tick_by") !== "manual"
      if (!skips && !starts) continue
      const tick = `${schedule} ${whole(payload, skips ? "from_ms" : "tick_ms")}`
      const before = decided.get(tick)
      if (starts && before === undefined) units.good()
      else if (starts) units.bad(`${id}, seq ${seq}, task ${task}: the tick ${tick} was ${before} already`)
      if (before === undefined) decided.set(tick, skips ? `skipped at seq ${seq}` : `started at seq ${seq}`)
    }
  })
