/** Every mutant of the evidence that is made from a bundle. */
import { absence } from "./Absence.ts"
import { ancestor } from "./Ancestor.ts"
import { boards } from "./Board.ts"
import { brokenRuns } from "./Broken.ts"
import type { Mutant } from "./Mutant.ts"
import { plantedRuns } from "./Planted.ts"
import { aboutStatements } from "./Statements.ts"
import { tampering } from "./Tampering.ts"
import { triedRuns } from "./Tried.ts"

export const evidenceMutants: ReadonlyArray<Mutant> = [...tampering, ...brokenRuns, ...plantedRuns, ...boards, ...triedRuns, ...absence, ...aboutStatements, ...ancestor]
