/**
 * The fence was tried: late writes did arrive and were refused. It keeps `writesFenced` from holding because nobody was
 * ever late.
 *
 * Unit: a `write.fenced` in a scenario that stops processes; all of them are good, their number is what counts.
 */
import type { Measure } from "../Verdict.ts"
import { overFolds } from "./Units.ts"

export const lateWritesSeen: Measure = (history) =>
  overFolds(history, ({ journal }, { fenced }, units) => {
    if (journal.faults.some((fault) => fault.class === "sigstop")) units.good(fenced.length)
  })
