/** Every key figure, by the name under which a scorecard asks for it. */
import type { Measure } from "../Verdict.ts"
import { approveToResume } from "./approveToResume.ts"
import { commandSuccess } from "./commandSuccess.ts"
import { controlInvariants } from "./controlInvariants.ts"
import { faultClassesHit } from "./faultClassesHit.ts"
import { heavySuccess } from "./heavySuccess.ts"
import { humanIntervention } from "./humanIntervention.ts"
import { interruptedRecovered } from "./interruptedRecovered.ts"
import { mttr } from "./mttr.ts"
import { mttrMean } from "./mttrMean.ts"
import { operatorTime } from "./operatorTime.ts"
import { outcomeConsistency } from "./outcomeConsistency.ts"
import { pollRecovery } from "./pollRecovery.ts"
import { seedsHold } from "./seedsHold.ts"
import { seedsRepeat } from "./seedsRepeat.ts"
import { traceability } from "./traceability.ts"
import { uptime } from "./uptime.ts"
import { virtualHours } from "./virtualHours.ts"

export const kpis = {
  approveToResume,
  commandSuccess,
  controlInvariants,
  faultClassesHit,
  heavySuccess,
  humanIntervention,
  interruptedRecovered,
  mttr,
  mttrMean,
  operatorTime,
  outcomeConsistency,
  pollRecovery,
  seedsHold,
  seedsRepeat,
  traceability,
  uptime,
  virtualHours
} as const satisfies Readonly<Record<string, Measure>>
