/** Every invariant, by the name under which a scorecard asks for it. */
import type { Measure } from "../Verdict.ts"
import { chainIntact } from "./chainIntact.ts"
import { chatCommandsOnce } from "./chatCommandsOnce.ts"
import { chatLimitsKept } from "./chatLimitsKept.ts"
import { commandsDeduplicated } from "./commandsDeduplicated.ts"
import { effectsPermitted } from "./effectsPermitted.ts"
import { faultsHit } from "./faultsHit.ts"
import { jobsConserved } from "./jobsConserved.ts"
import { lateWritesSeen } from "./lateWritesSeen.ts"
import { legalTransitions } from "./legalTransitions.ts"
import { noDuplicateHeavy } from "./noDuplicateHeavy.ts"
import { reportsArrive } from "./reportsArrive.ts"
import { restartsKeepState } from "./restartsKeepState.ts"
import { runsApproved } from "./runsApproved.ts"
import { scenariosComplete } from "./scenariosComplete.ts"
import { singleOwner } from "./singleOwner.ts"
import { summariesAgree } from "./summariesAgree.ts"
import { tasksEndRight } from "./tasksEndRight.ts"
import { writesFenced } from "./writesFenced.ts"

export const invariants = {
  chainIntact,
  chatCommandsOnce,
  chatLimitsKept,
  commandsDeduplicated,
  effectsPermitted,
  faultsHit,
  jobsConserved,
  lateWritesSeen,
  legalTransitions,
  noDuplicateHeavy,
  reportsArrive,
  restartsKeepState,
  runsApproved,
  scenariosComplete,
  singleOwner,
  summariesAgree,
  tasksEndRight,
  writesFenced
} as const satisfies Readonly<Record<string, Measure>>
