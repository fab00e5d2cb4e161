/** All that a scorecard can ask for, by name. */
import { invariants } from "../invariant/all.ts"
import { kpis } from "../kpi/all.ts"
import type { Measure } from "../Verdict.ts"

const all: ReadonlyMap<string, Measure> = new Map<string, Measure>([...Object.entries(invariants), ...Object.entries(kpis)])

/** Undefined when nothing has that name. */
export const measureNamed = (name: string): Measure | undefined => all.get(name)

/** Every name, for those who write scorecards. */
export const measureNames: ReadonlyArray<string> = [...all.keys()].sort()

const beside: ReadonlyMap<string, "seeds" | "tests" | "mutants"> = new Map([
  ["checksCanFail", "mutants"],
  ["controlInvariants", "tests"],
  ["faultClassesHit", "seeds"],
  ["mutantsCaught", "mutants"],
  ["runtimeMutantsCaught", "mutants"],
  ["seedsHold", "seeds"],
  ["seedsRepeat", "seeds"]
])

/** What a measure looks at: scenarios, unless it is about what is run beside them. */
export const subjectOf = (name: string): "scenarios" | "seeds" | "tests" | "mutants" => beside.get(name) ?? "scenarios"
