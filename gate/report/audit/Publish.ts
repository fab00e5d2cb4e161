/** Writes the audit reports of a folder (`docs/audits`): the latest, and those of the day of the run; a later run of a day takes the place of an earlier one. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { PinnedKey } from "../../evidence/Keys.ts"
import { type AuditInput, renderAudit } from "./Audit.ts"
import { renderMetrics } from "./Metrics.ts"
import { type AuditRuns, auditRuns } from "./Runs.ts"
import { dayOf } from "./Table.ts"

/** Where the bundles are, and for which profile. */
export interface AuditSource {
  /** `evidence/runs`. */
  readonly folder: string
  readonly profile: string
  /** The profile of windows of production. */
  readonly windowProfile: string
  readonly pinned: ReadonlyArray<PinnedKey>
  /** Called for each bundle that was looked at. */
  readonly step?: (done: number) => void
}

export type Collected = { readonly _tag: "Input"; readonly input: AuditInput } | { readonly _tag: "Nothing"; readonly unused: AuditRuns["unused"] }

/** What a report is made from; nothing where no whole run of the profile verifies. */
export const collect = ({ folder, pinned, profile, step, windowProfile }: AuditSource): Collected => {
  const { detail, runs: [newest, ...earlier], unused } = auditRuns(folder, profile, pinned, undefined, step)
  if (newest === undefined || detail === null) return { _tag: "Nothing", unused }
  const [production = null] = auditRuns(folder, windowProfile, pinned, 1).runs
  return { _tag: "Input", input: { profile, runs: [newest, ...earlier], detail, unused, production } }
}

/** The files, by their paths in the folder. */
export const auditFiles = (input: AuditInput): ReadonlyMap<string, string> => {
  const day = dayOf(input.runs[0])
  return new Map(["latest", day].flatMap((name) => [
    [`${name}_report.md`, renderAudit(input, `metrics/${name}_metrics.md`)],
    [`metrics/${name}_metrics.md`, renderMetrics(input, `../${name}_report.md`)]
  ]))
}

/** Each file appears whole or stays as it was. Answers the paths, in the order in which they were written. */
export const publishAudits = (folder: string, input: AuditInput): ReadonlyArray<string> =>
  [...auditFiles(input)].map(([path, text]) => {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(`${file}.tmp`, text)
    renameSync(`${file}.tmp`, file)
    return file
  })
