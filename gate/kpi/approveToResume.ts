/**
 * Tasks that people approved and that ran soon after.
 *
 * Unit: a task that asked people and was approved for the first time, so that its time ran out in the span. Good: it ran within
 * `limit_ms` of that. Bad: later or never, whatever the reason. Its own wish to begin later (`available_at_ms`) is not counted
 * against it. The human part (approved until resumed) and the part of the system (resumed, or due, until it runs) are shown apart.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { asTest, overSpans, ranked, type Span, type Tally, type TaskStory, wholeIn } from "./Window.ts"

export const approveToResume: Measure = (history, parameters = {}) => {
  const human: Array<number> = []
  const system: Array<number> = []
  let never = 0
  const count = (span: Span, { limit_ms: limitMs }: { readonly limit_ms: number }, tally: Tally) => {
    for (const story of span.tasks.values()) {
      const approved = approvedIn(story)
      if (approved === undefined || approved.at + limitMs < span.fromMs) continue
      if (story.isTest) {
        tally.excluded(asTest)
        continue
      }
      if (approved.at + limitMs >= span.toMs) {
        tally.censored()
        continue
      }
      const way = wayOf(story, approved)
      if (way === null) {
        never += 1
        tally.bad(`${span.id}, task ${story.id}: approved by seq ${approved.seq}, and it never ran`)
        continue
      }
      human.push(way.humanMs)
      system.push(way.systemMs)
      const tookMs = way.humanMs + way.systemMs
      if (tookMs <= limitMs) tally.good()
      else tally.bad(`${span.id}, task ${story.id}: it ran ${tookMs} ms after its approval (seq ${approved.seq}): ${way.humanMs} ms until it was resumed, ${way.systemMs} ms until it ran`)
    }
  }
  const figures = () => ({
    ...ranked("human part, median, ms", 50, human),
    ...ranked("human part, p95, ms", 95, human),
    ...ranked("system part, median, ms", 50, system),
    ...ranked("system part, p95, ms", 95, system),
    ...ranked("whole, p95, ms", 95, human.map((ms, index) => ms + (system[index] ?? 0))),
    "never ran": never
  })
  return overSpans(history, parameters, { needs: ["limit_ms"], count, figures })
}

/** The first time that it had all that it needed, of a task about which people were asked. */
const approvedIn = ({ events }: TaskStory): LogEvent | undefined => {
  const at = events.findIndex(({ type }) => type === "task.approved")
  const asked = events.slice(0, at).some(({ payload, type }) =>
    type === "hold.opened" || ((type === "task.requested" || type === "approval.voided") && Array.isArray(payload?.["holds"]) && payload["holds"].length > 0))
  return asked ? events[at] : undefined
}

const wayOf = ({ events }: TaskStory, approved: LogEvent): { readonly humanMs: number; readonly systemMs: number } | null => {
  const after = events.slice(events.indexOf(approved))
  const ran = after.findIndex(({ type }) => type === "task.running")
  const running = after[ran]
  const queued = after.slice(0, Math.max(ran, 0)).findLast(({ type }) => type === "task.queued")
  if (running === undefined || queued === undefined) return null
  const dueMs = Math.max(queued.at, wholeIn(queued.payload, "available_at_ms") ?? queued.at)
  return { humanMs: queued.at - approved.at, systemMs: Math.max(0, running.at - dueMs) }
}
