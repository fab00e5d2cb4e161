/**
 * What was acknowledged before a power cut is there after it, and the file is whole. A checker of that may be blind, so the run also cuts
 * the power of a disk that lies about its syncs: where no loss is found there, evidence is missing.
 *
 * Unit: a state of the disk that a power cut left; a state that was seen before is no further sample.
 */
import type { Measure } from "../Verdict.ts"
import { brokenBy, countTrials } from "./Trials.ts"
import { overScenarios } from "./Units.ts"

export const powerLossKept: Measure = (history) => {
  const kept = countTrials(history, "power_loss")
  let [lies, found] = [0, 0]
  const looked = overScenarios(history, (scenario) => {
    const planted = (scenario.journal.trials ?? []).filter(({ kind, lie }) => kind === "power_loss" && lie === true)
    lies += planted.length
    found += planted.filter((trial) => brokenBy(trial, scenario) !== null).length
  })
  if (kept._tag === "Missing" || looked._tag === "Missing") return kept
  if (kept.total > 0 && found === 0) return { _tag: "Missing", why: `no loss was found on a disk that ignores syncs, in ${lies} cuts: the checker may be blind` }
  return { ...kept, figures: { cuts_of_a_lying_disk: lies, of_them_found_as_loss: found } }
}
