/** What belongs to a profile of the gate. Data: nothing here runs anything. */

export interface Profile {
  /** Folder below `scenarios/`. */
  readonly scenarios: string
  /** Another folder, of scenarios that are played beside them. */
  readonly also?: string
  /** File in `scorecards/`. */
  readonly scorecard: string
  /** How many seeds are simulated. */
  readonly seeds: number
  /** How long a stretch of virtual time is simulated in one piece. */
  readonly soak_hours: number
}

export const profiles: ReadonlyMap<string, Profile> = new Map([
  ["release", { scenarios: "release", scorecard: "v1.2.json", seeds: 1000, soak_hours: 72 }],
  ["spine", { scenarios: "spine", scorecard: "spine.json", seeds: 0, soak_hours: 0 }],
  ["quick", { scenarios: "quick", scorecard: "quick.json", seeds: 0, soak_hours: 0 }],
  ["full", { scenarios: "release", also: "full", scorecard: "v1.2-full.json", seeds: 10_000, soak_hours: 72 }]
])
