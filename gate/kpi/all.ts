/** Every key figure, by the name under which a scorecard asks for it. */
import type { Measure } from "../Verdict.ts"
import { interruptedRecovered } from "./interruptedRecovered.ts"

export const kpis = { interruptedRecovered } as const satisfies Readonly<Record<string, Measure>>
