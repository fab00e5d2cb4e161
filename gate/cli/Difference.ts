/**
 * What is otherwise in one bundle than in an earlier one: verdicts, figures, and what was asked. It compares what the two say of themselves;
 * whether that is true is told by their verification, and a bundle that does not verify is red.
 */
import type { Simulation } from "../History.ts"
import { changesSince, type CheckChange } from "../report/Changes.ts"
import { percent } from "../report/Wording.ts"
import { type Change, diff, sentenceOf } from "../scorecard/Diff.ts"
import { type Decision, decisions } from "../Verdict.ts"
import { type ClaimedCheck, type Claims, titleIn } from "./Claims.ts"

export interface Difference {
  /** Null: one of them has no verdicts that can be read. */
  readonly findings: ReadonlyArray<CheckChange> | null
  readonly decision: { readonly old: Decision | null; readonly new: Decision | null }
  /** Figures of checks that both have: what was measured, in words. */
  readonly figures: ReadonlyArray<{ readonly check: string; readonly old: string; readonly new: string }>
  /** What the scorecards ask otherwise, and whether that is red. */
  readonly scorecard: ReadonlyArray<Change & { readonly red: boolean }>
  /** What nobody may overlook, one sentence each. */
  readonly red: ReadonlyArray<string>
  readonly worse: boolean
}

/** Red however it is meant: a bundle that asks otherwise cannot be compared by its verdicts alone. */
const alwaysRed: ReadonlySet<Change["kind"]> = new Set(["check_added", "check_removed", "population", "traffic_class", "weight", "threshold_loosened", "threshold_tightened"])

export const difference = (old: Claims, now: Claims, unverified: ReadonlyArray<string>): Difference => {
  const findings = old.decided === null || now.decided === null ? null : changesSince(
    { lines: now.decided.lines.map(({ id, verdict }) => ({ id, verdict, title: titleIn(now.scorecard, id) })) },
    { verdicts: new Map(old.decided.lines.map(({ id, verdict }) => [id, verdict])) }
  )
  const scorecard = old.scorecard === null || now.scorecard === null ? [] : diff(old.scorecard, now.scorecard).map((change) => ({ ...change, red: change.severity !== "noted" || alwaysRed.has(change.kind) }))
  const decision = { old: old.decided?.decision ?? null, new: now.decided?.decision ?? null }
  const red = [
    ...unverified,
    ...unreadable("OLD", old),
    ...unreadable("NEW", now),
    ...(old.scorecard !== null && now.scorecard !== null && old.scorecard.name !== now.scorecard.name ? [`another scorecard: ${old.scorecard.name} → ${now.scorecard.name}`] : []),
    ...(old.about !== null && now.about !== null && old.about.profile !== now.about.profile ? [`another profile: ${old.about.profile} → ${now.about.profile}`] : []),
    ...scorecard.filter((change) => change.red).map(sentenceOf),
    ...lostPopulation(old, now)
  ]
  const fell = decision.old !== null && decision.new !== null && decisionRank[decision.new] > decisionRank[decision.old]
  const turned = (findings ?? []).some(({ turn }) => turn === "New" || turn === "Newly insufficient")
  return { findings, decision, figures: figuresOf(old, now), scorecard, red, worse: fell || turned || red.length > 0 }
}

const decisionRank = { "GO": 0, "INSUFFICIENT": 1, "NO-GO": 2 } as const satisfies Record<(typeof decisions)[number], number>

const unreadable = (which: string, { about, decided, scorecard }: Claims): ReadonlyArray<string> =>
  Object.entries({ manifest: about, verdicts: decided, scorecard }).flatMap(([what, found]) => (found === null ? [`${which} has no ${what} that can be read`] : []))

// Less was played than before: what does not fail there proves less.
const lostPopulation = (old: Claims, now: Claims): ReadonlyArray<string> => {
  const there = new Set(now.history.scenarios.map(({ id }) => kindOf(id)))
  const gone = [...new Set(old.history.scenarios.map(({ id }) => kindOf(id)))].filter((id) => !there.has(id) && id !== kept)
  const [before, after] = [old.history.simulation ?? null, now.history.simulation ?? null]
  return [
    ...gone.map((id) => `population: scenario ${id} is gone`),
    ...(before === null ? [] : after === null ? ["population: nothing was simulated any more"] : fewer(before, after))
  ]
}

// The logs of seeds are kept when they failed; that one is gone is good news.
const kept = "seeds"
const kindOf = (id: string): string => (/^seeds-\d+$/.test(id) ? kept : id)

const fewer = (before: Simulation, after: Simulation): ReadonlyArray<string> => {
  const lost = (was: ReadonlyArray<string>, is: ReadonlyArray<string>): ReadonlyArray<string> => was.filter((name) => !is.includes(name))
  return [
    ...(after.seeds.length < before.seeds.length ? [`population: fewer seeds, ${before.seeds.length} → ${after.seeds.length}`] : []),
    ...lost(before.declared.fault_classes, after.declared.fault_classes).map((name) => `population: seeds without the fault ${name}`),
    ...lost(before.declared.measures, after.declared.measures).map((name) => `population: seeds not judged by ${name}`)
  ]
}

const figuresOf = (old: Claims, now: Claims): Difference["figures"] => {
  const before = new Map(old.decided?.lines.map((line) => [line.id, line]))
  return (now.decided?.lines ?? []).flatMap((line) => {
    const was = before.get(line.id)
    return was === undefined || figure(was) === figure(line) ? [] : [{ check: line.id, old: figure(was), new: figure(line) }]
  })
}

const figure = ({ bound_ppm, censored = 0, excluded = {}, good, total }: ClaimedCheck): string => {
  const left = Object.entries(excluded).filter(([, count]) => count > 0).sort(([a], [b]) => (a < b ? -1 : 1)).map(([reason, count]) => `${count} left out as ${reason}`)
  const bound = bound_ppm === null || bound_ppm === undefined ? [] : [`bound ${percent(bound_ppm)}`]
  return [`${good ?? "?"}/${total ?? "?"}`, ...bound, ...left, ...(censored === 0 ? [] : [`${censored} with no end seen`])].join(", ")
}
