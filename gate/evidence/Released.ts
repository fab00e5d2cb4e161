/**
 * What a scorecard is held against: the one that was last released under its name, and the ADR that says why less may be asked.
 * Both lie in the bundle, so that whoever judges anew comes to the same.
 */
import { Either } from "effect"
import { cardOf, objectionsTo } from "../scorecard/Diff.ts"

export const releasedFile = "policy/released.json"
export const adrFile = "policy/adr.md"

export interface Released {
  readonly text: string
  /** Null where the scorecard names no ADR, or one that is not there. */
  readonly adrText: string | null
}

/** Why the scorecard may not say GO. Null: no scorecard of its name was released, and there is nothing to hold it against. */
export const objectionsIn = (scorecardText: string, released: Released | null): ReadonlyArray<string> => {
  if (released === null) return []
  const [before, now] = [cardIn(released.text), cardIn(scorecardText)]
  // What cannot be read can ask for anything.
  if (before === undefined || now === undefined) return ["The scorecard that was last released cannot be read, so nobody knows whether this one asks for less."]
  return objectionsTo(before, now, released.adrText)
}

const cardIn = (text: string) => Either.getOrUndefined(Either.map(Either.try((): unknown => JSON.parse(text)), cardOf))
