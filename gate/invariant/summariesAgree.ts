/**
 * What `ops-summary` printed is what the log alone gives at that event: every count of `docs/event-log.md`, recounted.
 * Stale leases cannot be recounted, since a renewal leaves no event; they are bounded by the active ones, and the status must
 * follow from what is printed. A restored file that waits for its release is said to do so, by its reason.
 *
 * Unit: a sample.
 */
import type { LogEvent, Sample } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { Recount, type Recounted } from "./Recount.ts"
import { overFolds } from "./Units.ts"

export const summariesAgree: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, _log, units) => {
    const recount = new Recount(events)
    // In the order of the log, so that one walk serves them all.
    for (const sample of [...journal.summaries].sort((one, other) => seqOf(one) - seqOf(other))) {
      const problem = problemOf(sample, recount, events)
      if (problem === null) units.good()
      else units.bad(`${id}, seq ${seqOf(sample)}, summary of ${sample.at}: ${problem}`)
    }
  })

const seqOf = ({ summary }: Sample): number => numberAt(summary, "as_of_seq") ?? -1

const problemOf = (sample: Sample, recount: Recount, events: ReadonlyArray<LogEvent>): string | null => {
  const { summary } = sample
  const [asOf, since] = [numberAt(summary, "as_of_seq"), numberAt(summary, "since_ms")]
  if (asOf === null || asOf < 0) return "it does not say of which event it is (as_of_seq)"
  if (since === null || since > sample.at) return "its window does not start before it was taken (since_ms)"
  const last = events.at(-1)?.seq ?? 0
  if (asOf > last) return `it saw event ${asOf}, and the log ends at ${last}`
  const counts = recount.at(asOf, since)
  for (const [path, count] of Object.entries(counts)) {
    const printed = numberAt(summary, path)
    if (printed !== count) return `${path} is ${printed ?? "not printed"}, the log has ${count}`
  }
  const held = recount.held || lingers(recount.releasedAt, summary)
  return heldProblem(summary, held) ?? staleProblem(summary, counts, held)
}

/** A reason of the product's own stays for so long after its condition has ended. */
const lingerMs = 60_000

const lingers = (endedAt: number | null, summary: unknown): boolean => {
  const generatedAt = memberAt(summary, "generated_at")
  const since = endedAt === null || typeof generatedAt !== "string" ? Number.NaN : Date.parse(generatedAt) - endedAt
  return since >= 0 && since < lingerMs
}

const heldProblem = (summary: unknown, held: boolean): string | null => {
  const says = reasonsOf(summary).includes("restore_hold")
  if (says === held) return null
  return held ? "it does not say restore_hold, and nobody has released the restored file" : "it says restore_hold, and the log has no restore that waits for its release"
}

const staleProblem = (summary: unknown, counts: Recounted, held: boolean): string | null => {
  const stale = numberAt(summary, "leases.stale")
  const active = counts["leases.active"]
  if (stale === null || stale < 0 || stale > active) return `leases.stale is ${stale ?? "not printed"}, of ${active} active`
  const degraded = held || stale > 0 || counts["idempotency.conflict_window"] > 0 || counts["timeouts.dispatch_window"] > 0
  const status = degraded || saysMore(summary) ? "degraded" : "healthy"
  const printed = memberAt(summary, "status")
  return printed === status ? null : `the status is ${String(printed)}, and the counts make it ${status}`
}

// What the storage does, and how long something is due at this instant, is seen by whoever prints the summary, and stands in no event.
const seen: ReadonlySet<string> = new Set(["events_lost", "queue_age", "schedules_overdue"])
const saysMore = (summary: unknown): boolean => reasonsOf(summary).some((code) => code.startsWith("storage_") || seen.has(code))

const reasonsOf = (summary: unknown): ReadonlyArray<string> => {
  const reasons = memberAt(summary, "reasons")
  return Array.isArray(reasons) ? reasons.filter((code) => typeof code === "string") : []
}

const numberAt = (value: unknown, path: string): number | null => {
  const member = path.split(".").reduce<unknown>(memberAt, value)
  return typeof member === "number" && Number.isSafeInteger(member) ? member : null
}

const memberAt = (value: unknown, name: string): unknown => {
  const entry = typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, name) : undefined
  return entry?.value
}
