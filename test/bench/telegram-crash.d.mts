/** For the tests that run a small load. */
export interface CrashGiven {
  readonly commands: number
  readonly kills: number
  readonly people: number
  readonly seed: number
}

export interface CrashFound {
  readonly given: number
  readonly presses: number
  readonly kills: number
  readonly lost: ReadonlyArray<string>
  readonly doubled: ReadonlyArray<string>
  readonly wrong: ReadonlyArray<string>
  readonly disordered: ReadonlyArray<string>
  readonly unanswered: ReadonlyArray<string>
  readonly dead: number
  readonly givenUp: number
  readonly violations: ReadonlyArray<unknown>
  readonly struck: Readonly<Record<string, number>>
}

export const crashRun: (given: CrashGiven) => Promise<CrashFound>
