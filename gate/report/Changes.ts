/**
 * What is otherwise than in earlier runs of the same profile: which checks came to fail, which no longer do, and since when
 * each has not passed.
 */
import type { Line } from "../scorecard/Scorecard.ts"
import type { Verdict } from "../Verdict.ts"
import type { Earlier } from "./Earlier.ts"

export const turns = ["New", "Newly insufficient", "Ongoing", "Resolved"] as const
export type Turn = (typeof turns)[number]

export interface CheckChange {
  readonly turn: Turn
  readonly id: string
  readonly title: string
  /** Null: the last run did not have it. */
  readonly before: Verdict | null
  readonly now: Verdict
}

/** Against the newest earlier run; checks that passed then and now are not in it. */
export const changesSince = (result: { readonly lines: ReadonlyArray<Pick<Line, "id" | "title" | "verdict">> }, last: Pick<Earlier, "verdicts">): ReadonlyArray<CheckChange> => {
  const changes = result.lines.flatMap(({ id, title, verdict }): ReadonlyArray<CheckChange> => {
    const before = last.verdicts.get(id) ?? null
    const turn = turnOf(before, verdict)
    return turn === null ? [] : [{ turn, id, title, before, now: verdict }]
  })
  return turns.flatMap((turn) => changes.filter((change) => change.turn === turn))
}

const turnOf = (before: Verdict | null, now: Verdict): Turn | null => {
  if (now === "PASS") return before === null || before === "PASS" ? null : "Resolved"
  if (now === "FAIL") return before === "FAIL" ? "Ongoing" : "New"
  return before === "INSUFFICIENT" || before === "ERROR" ? "Ongoing" : "Newly insufficient"
}

/** Since when a check has not passed, in words without a full stop. `earlier` is newest first. */
export const sinceWhen = (id: string, verdict: Verdict, earlier: ReadonlyArray<Pick<Earlier, "commit" | "run" | "verdicts" | "version">>): string => {
  const passedAt = earlier.findIndex(({ verdicts }) => verdicts.get(id) === "PASS")
  const streak = passedAt === -1 ? earlier : earlier.slice(0, passedAt)
  const first = streak.findLast(({ verdicts }) => verdicts.get(id) === verdict)
  const passed = passedAt === -1 ? undefined : earlier[passedAt]
  const began = first === undefined ? "this run" : named(first)
  if (passed !== undefined) return `${began}; it last passed in ${named(passed)}`
  return earlier.length === 0 ? "this run, and no earlier run of this profile is on record" : `${began}; it passed in none of the ${earlier.length} earlier runs on record`
}

/** `version 0.1.0, commit 6ba0522e8f22, run …` */
export const named = ({ commit, run, version }: Pick<Earlier, "commit" | "run" | "version">): string =>
  `${version === null ? "" : `version ${version}, `}commit ${commit.slice(0, 12)}, run ${run}`
