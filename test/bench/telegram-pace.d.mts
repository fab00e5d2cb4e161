/** For the test of a crowd. */
export interface FloodGiven {
  readonly commands?: number
  readonly groups?: ReadonlyArray<number>
  readonly inGroups?: number
  readonly people?: number
  readonly seed?: number
  readonly withinMs?: number
}

export const flood: (given?: FloodGiven) => Promise<{ readonly given: number; readonly unanswered: number; readonly violations: ReadonlyArray<unknown> }>
