/**
 * A restart changes no state: the tasks before and after it are the same, row for row and column for column. Only a RUNNING
 * row may differ, and only in what its lease wrote.
 *
 * Unit: a row.
 */
import type { Restart, Row } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { canonical } from "./Canonical.ts"
import { groupedBy } from "./Ledger.ts"
import { overScenarios } from "./Units.ts"

const leaseColumns: ReadonlySet<string> = new Set(["lease", "generation", "epoch", "updated_at", "updated_at_ms"])

export const restartsKeepState: Measure = (history) =>
  overScenarios(history, ({ id, journal }, units) => {
    for (const [index, { after, before }] of journal.restarts.entries()) {
      for (const [task, rows] of pairs({ after, before })) {
        const problem = problemOf(rows)
        if (problem === null) units.good()
        else units.bad(`${id}, restart ${index + 1}, task ${task}: ${problem}`)
      }
    }
  })

interface Pair {
  readonly before: ReadonlyArray<Row>
  readonly after: ReadonlyArray<Row>
}

const pairs = ({ after, before }: Restart): ReadonlyMap<string, Pair> => {
  const ids = [...new Set([...before, ...after].map((row) => row.id))]
  const [was, is] = [groupedBy(before, byId), groupedBy(after, byId)]
  return new Map(ids.map((id) => [id, { before: was.get(id) ?? [], after: is.get(id) ?? [] }]))
}

const byId = ({ id }: Row): string => id

const problemOf = ({ after, before }: Pair): string | null => {
  const [was, is] = [before[0], after[0]]
  if (was === undefined) return "it was not there before"
  if (is === undefined) return "it is gone"
  if (before.length > 1 || after.length > 1) return "it is listed more than once"
  const columns = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((column) => was.state !== "RUNNING" || !leaseColumns.has(column))
  const changed = columns.find((column) => was[column] !== is[column] && canonical(was[column]) !== canonical(is[column]))
  return changed === undefined ? null : `${changed} was ${canonical(was[changed])} and is ${canonical(is[changed])}`
}
