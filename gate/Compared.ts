/**
 * Finds what a run is compared with: the scorecard that was last released under the name of its own, the ADR that its own names, and
 * the earlier runs of its profile on this machine.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { objectionsIn, type Released } from "./evidence/Released.ts"
import { type Earlier, earlierRuns } from "./report/Earlier.ts"
import { type Card, cardOf, type Change, diff } from "./scorecard/Diff.ts"
import type { Scorecard } from "./scorecard/Scorecard.ts"

export interface Compared {
  /** Null when no scorecard of this name was released. */
  readonly released: Released | null
  /** Why the scorecard may not say GO. */
  readonly objections: ReadonlyArray<string>
  /** Against the released scorecard; null when there is none, or it cannot be read. */
  readonly changes: ReadonlyArray<Change> | null
  /** Newest first; null for a run that is compared with none. */
  readonly earlier: ReadonlyArray<Earlier> | null
  /** How many earlier bundles could not be read. */
  readonly unreadable: number
  /** Against the scorecard of the newest earlier run. */
  readonly sinceLast: ReadonlyArray<Change>
}

/** `root` holds `scorecards`, `docs` and `evidence`. A partial run is compared with no other. */
export const compared = (root: string, profile: string, card: { readonly scorecard: Scorecard; readonly text: string }, partial: boolean): Compared => {
  const released = releasedFor(root, card.scorecard)
  const [now, before] = [cardIn(card.text), released === null ? undefined : cardIn(released.text)]
  const { runs, unreadable } = partial ? { runs: null, unreadable: 0 } : earlierRuns(join(root, "evidence", "runs"), profile)
  const last = runs?.[0]?.scorecard
  return {
    released,
    objections: objectionsIn(card.text, released),
    changes: now === undefined || before === undefined ? null : diff(before, now),
    earlier: runs,
    unreadable,
    // Another scorecard, asked for by --scorecard, is no change of this one.
    sinceLast: now === undefined || last === undefined || last.name !== now.name ? [] : diff(last, now)
  }
}

const releasedFor = (root: string, { adr, name }: Scorecard): Released | null => {
  const file = join(root, "scorecards", "released", `${name}.json`)
  return existsSync(file) ? { text: readFileSync(file, "utf8"), adrText: adr === undefined ? null : adrIn(join(root, "docs", "adr"), adr) } : null
}

const adrIn = (folder: string, adr: number): string | null => {
  const prefix = `${String(adr).padStart(4, "0")}-`
  const name = existsSync(folder) ? readdirSync(folder).find((one) => one.startsWith(prefix) && one.endsWith(".md")) : undefined
  return name === undefined ? null : readFileSync(join(folder, name), "utf8")
}

const cardIn = (text: string): Card | undefined => {
  try {
    return cardOf(JSON.parse(text))
  } catch {
    return undefined
  }
}
