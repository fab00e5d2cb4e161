/** Every key figure, by the name under which a scorecard asks for it. */
import type { Measure } from "../Verdict.ts"
import { interruptedRecovered } from "./interruptedRecovered.ts"
import { pollRecovery } from "./pollRecovery.ts"

export const kpis = { interruptedRecovered, pollRecovery } as const satisfies Readonly<Record<string, Measure>>
