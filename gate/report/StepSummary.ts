/** The report on the page of a run of GitHub Actions, which takes at most 1 MiB a step (GitHub docs, "Adding a job summary"). */
import { appendFileSync } from "node:fs"

// As `imageOf` and `linkTo` write them; in text from outside every bracket is escaped.
const imageLine = /^!\[[^\n]*\]\([A-Za-z0-9._/-]+\)\n\n?/gm
const link = /(?<!\\)\[([^\n[\]]*)\]\([A-Za-z0-9._/-]+\)/g

/** The most of a report that goes there, in bytes. */
export const stepSummaryBytesMax = 900_000

/** The report, cut at the end of a line to what a step summary takes; a cut one says so. What links into the bundle is text, since the page has no bundle beside it. */
export const stepSummary = (whole: string): string => {
  const report = whole.replace(imageLine, "").replace(link, "$1")
  const bytes = Buffer.from(report, "utf8")
  if (bytes.byteLength <= stepSummaryBytesMax) return report
  const said = "\n\nThe report is longer than a step summary may be. The whole is REPORT.md in the bundle.\n"
  const kept = bytes.subarray(0, stepSummaryBytesMax - Buffer.byteLength(said))
  return `${kept.subarray(0, kept.lastIndexOf(0x0a)).toString("utf8")}${said}`
}

/** Adds the report to the file that `GITHUB_STEP_SUMMARY` names. Answers why it could not; a page changes no verdict. */
export const publishStepSummary = (file: string | undefined, report: string): string | null => {
  if (file === undefined) return null
  try {
    appendFileSync(file, stepSummary(report))
    return null
  } catch (cause) {
    return `the step summary was not written: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}
