/**
 * How far a run of the gate has come. Whoever does long work reports to this; where and how it is shown, and that it may be
 * shown nowhere, is for `gate/report/Terminal.ts`. Nothing that is reported here can change a verdict.
 */

/** A part of the run that takes time. */
export interface Stage {
  /** So many are done by now, of the total; not how many more. The note is a few words about what is being done. */
  readonly step: (done: number, note?: string) => void
  /** It is over. Its time is on record from here on; what is reported afterwards is not shown. */
  readonly done: (note?: string) => void
}

/** How long a stage took. */
export interface Timing {
  readonly stage: string
  readonly ms: number
}

export interface Progress {
  /** Begins a stage. `total` is null where nobody can know it; `unit` names what is counted, `seeds`, `h`. Several may be under way. */
  readonly stage: (name: string, total: number | null, unit?: string) => Stage
  /** A line that stays, above what is redrawn. */
  readonly say: (text: string) => void
  /** The stages that are over, in the order of their ends. */
  readonly timings: () => ReadonlyArray<Timing>
}

/** Shows nothing and keeps no times. */
export const silent: Progress = { stage: () => ({ step: () => {}, done: () => {} }), say: () => {}, timings: () => [] }
