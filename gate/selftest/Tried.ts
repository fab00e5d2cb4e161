/** What breaks the checks of trials: a look that was not as promised, a log that ends before what was acknowledged. */
import type { Trial, TrialKind } from "../History.ts"
import { broken, inJournal } from "./Broken.ts"
import type { Mutant } from "./Mutant.ts"

const first = (name: string, what: string, measured: string, kind: TrialKind, change: (trial: Trial) => Trial | null): Mutant =>
  broken(name, what, measured, `a trial of the kind ${kind}`, inJournal(({ trials = [] }) => {
    const at = trials.findIndex((trial) => trial.kind === kind && trial.lie !== true && trial.witness !== null && change(trial) !== null)
    const found = trials[at]
    const changed = found === undefined ? null : change(found)
    return changed === null ? null : { trials: trials.map((trial, index) => (index === at ? changed : trial)) }
  }))

const otherwise = (trial: Trial): Trial | null => {
  const [look, ...rest] = trial.looks
  return look === undefined ? null : { ...trial, looks: [{ ...look, seen: `not ${look.seen}` }, ...rest] }
}

export const triedRuns: ReadonlyArray<Mutant> = [
  first("power-cut-lost", "A power cut took back an event that had been acknowledged.", "powerLossKept", "power_loss", (trial) => {
    const { acknowledged = 0 } = trial.log ?? {}
    return trial.log === undefined || acknowledged === 0 ? null : { ...trial, log: { acknowledged, found: null } }
  }),
  first("sync-survived", "A server did something else than is promised after a call that failed.", "ioErrorsSurvived", "io_error", otherwise),
  first("full-disk-ignored", "Something else than is promised was seen on a full disk.", "fullDiskSurvived", "full_disk", otherwise),
  first("read-only-ignored", "Something else than is promised was seen on a disk that may only be read.", "readOnlySurvived", "read_only", otherwise),
  first("clock-followed", "A jump of the clock did something else than is promised.", "clockSurvived", "clock", otherwise)
]
