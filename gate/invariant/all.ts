/** Every invariant, by the name under which a scorecard asks for it. */
import type { Measure } from "../Verdict.ts"
import { acknowledgedKept } from "./acknowledgedKept.ts"
import { approvalsInForce } from "./approvalsInForce.ts"
import { attemptsCapped } from "./attemptsCapped.ts"
import { chainIntact } from "./chainIntact.ts"
import { chatCommandsOnce } from "./chatCommandsOnce.ts"
import { chatLimitsKept } from "./chatLimitsKept.ts"
import { clockSurvived } from "./clockSurvived.ts"
import { checksCanFail } from "./checksCanFail.ts"
import { commandsDeduplicated } from "./commandsDeduplicated.ts"
import { conservation } from "./conservation.ts"
import { effectsPermitted } from "./effectsPermitted.ts"
import { endsFinal } from "./endsFinal.ts"
import { endsNoticed } from "./endsNoticed.ts"
import { endsReported } from "./endsReported.ts"
import { everythingOccurs } from "./everythingOccurs.ts"
import { failuresEarned } from "./failuresEarned.ts"
import { faultlessQuiet } from "./faultlessQuiet.ts"
import { faultsHit } from "./faultsHit.ts"
import { fullDiskSurvived } from "./fullDiskSurvived.ts"
import { ioErrorsSurvived } from "./ioErrorsSurvived.ts"
import { jobsConserved } from "./jobsConserved.ts"
import { kindsJudged } from "./kindsJudged.ts"
import { lateWritesSeen } from "./lateWritesSeen.ts"
import { leasesEnd } from "./leasesEnd.ts"
import { leasesRespected } from "./leasesRespected.ts"
import { legalTransitions } from "./legalTransitions.ts"
import { linearizable } from "./linearizable.ts"
import { mutantsCaught } from "./mutantsCaught.ts"
import { noDuplicateHeavy } from "./noDuplicateHeavy.ts"
import { powerLossKept } from "./powerLossKept.ts"
import { promisesKept } from "./promisesKept.ts"
import { queueLimitsKept } from "./queueLimitsKept.ts"
import { readOnlySurvived } from "./readOnlySurvived.ts"
import { repeatsExplained } from "./repeatsExplained.ts"
import { reportsArrive } from "./reportsArrive.ts"
import { restartsKeepState } from "./restartsKeepState.ts"
import { retriesWait } from "./retriesWait.ts"
import { runsApproved } from "./runsApproved.ts"
import { runtimeMutantsCaught } from "./runtimeMutantsCaught.ts"
import { scenariosComplete } from "./scenariosComplete.ts"
import { singleOwner } from "./singleOwner.ts"
import { stepsActOnce } from "./stepsActOnce.ts"
import { stepsCommittedOnce } from "./stepsCommittedOnce.ts"
import { stepsNotRestarted } from "./stepsNotRestarted.ts"
import { summariesAgree } from "./summariesAgree.ts"
import { tasksEndRight } from "./tasksEndRight.ts"
import { ticksOnce } from "./ticksOnce.ts"
import { ticksWhole } from "./ticksWhole.ts"
import { tokensMonotonic } from "./tokensMonotonic.ts"
import { workEnds } from "./workEnds.ts"
import { writesFenced } from "./writesFenced.ts"

export const invariants = {
  acknowledgedKept,
  approvalsInForce,
  attemptsCapped,
  chainIntact,
  chatCommandsOnce,
  chatLimitsKept,
  clockSurvived,
  checksCanFail,
  commandsDeduplicated,
  conservation,
  effectsPermitted,
  endsFinal,
  endsNoticed,
  endsReported,
  everythingOccurs,
  failuresEarned,
  faultlessQuiet,
  faultsHit,
  fullDiskSurvived,
  ioErrorsSurvived,
  jobsConserved,
  kindsJudged,
  lateWritesSeen,
  leasesEnd,
  leasesRespected,
  legalTransitions,
  linearizable,
  mutantsCaught,
  noDuplicateHeavy,
  powerLossKept,
  promisesKept,
  queueLimitsKept,
  readOnlySurvived,
  repeatsExplained,
  reportsArrive,
  restartsKeepState,
  retriesWait,
  runsApproved,
  runtimeMutantsCaught,
  scenariosComplete,
  singleOwner,
  stepsActOnce,
  stepsCommittedOnce,
  stepsNotRestarted,
  summariesAgree,
  tasksEndRight,
  ticksOnce,
  ticksWhole,
  tokensMonotonic,
  workEnds,
  writesFenced
} as const satisfies Readonly<Record<string, Measure>>
