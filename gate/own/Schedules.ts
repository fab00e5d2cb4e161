/** Which schedules of a project fall into an hour that a change of clock takes away or gives twice, told by the product's own preview. */
import { Clock, DateTime, Effect } from "effect"
import { opsgateJson, type ProductFailed, type Workspace } from "../chaos/Product.ts"
import { isObject } from "../Json.ts"
import type { Project } from "./Project.ts"

/** A tick that a change of clock moves, takes away or doubles, or why a schedule could not be looked at. */
export interface ClockFinding {
  readonly schedule: string
  readonly what: string
}

const yearMs = 366 * 86_400_000
/** As many ticks as the product shows at once. */
const ticksAtOnce = 1000
/** One that fires more often is looked at as far as these looks reach. */
const looksMax = 12

const words = (entry: Readonly<Record<string, unknown>>): ReadonlyArray<string> =>
  [["cron", "--cron"], ["zone", "--zone"], ["on_gap", "--on-gap"], ["on_repeat", "--on-repeat"]].flatMap(([name = "", word = ""]) => (typeof entry[name] === "string" ? [word, entry[name]] : []))

/** Looks a year ahead. A plain interval knows no zone, and is not looked at. */
export const clockFindings = ({ json }: Project, workspace: Workspace): Effect.Effect<ReadonlyArray<ClockFinding>, ProductFailed> =>
  Effect.gen(function*() {
    const end = (yield* Clock.currentTimeMillis) + yearMs
    const schedules = Object.entries(isObject(json["schedules"]) ? json["schedules"] : {})
    const found: Array<ClockFinding> = []
    for (const [schedule, entry] of schedules) {
      if (!isObject(entry) || typeof entry["cron"] !== "string") continue
      let from: number | null = null
      for (let looks = 0; looks < looksMax && (from === null || from < end); looks++) {
        const at: ReadonlyArray<string> = from === null ? [] : ["--from", DateTime.formatIso(DateTime.unsafeMake(from))]
        const rows = rowsIn(yield* opsgateJson(workspace, "schedule", "preview", ...words(entry), "--count", String(ticksAtOnce), ...at))
        for (const { at_ms, local, mark } of rows) if (mark !== null && at_ms <= end) found.push({ schedule, what: `${local}: ${sentences[mark] ?? mark}` })
        from = rows.at(-1)?.at_ms ?? end
      }
      if (from !== null && from < end) found.push({ schedule, what: `fires so often that it was looked at only until ${DateTime.formatIso(DateTime.unsafeMake(from))}` })
    }
    return found
  })

const sentences: Readonly<Record<string, string>> = {
  shifted: "the clock jumps over this local time; the tick comes at the first instant after it",
  skipped: "the clock jumps over this local time; there is no tick",
  first: "this local time comes twice; the tick is the first",
  second: "this local time comes twice; this is the second tick"
}

interface PreviewRow {
  readonly at_ms: number
  readonly local: string
  readonly mark: string | null
}

const rowsIn = (preview: unknown): ReadonlyArray<PreviewRow> => {
  const rows = isObject(preview) && Array.isArray(preview["rows"]) ? preview["rows"] : []
  return rows.filter(isObject).map((row) => ({ at_ms: Number(row["at_ms"]), local: String(row["local"]), mark: typeof row["mark"] === "string" ? row["mark"] : null }))
}
