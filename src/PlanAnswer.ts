/** Answers `--plan`: whoever would decide about the command says what it would come to. */
import type { DoorAsk } from "./control/Door.ts"
import { isPlan } from "./edge/cli/CommandClient.ts"
import { printPlan } from "./edge/cli/PlanOutput.ts"
import type { Place, Print } from "./edge/cli/Program.ts"
import type { Plan } from "./domain/Plan.ts"
import type { Failed } from "./Launch.ts"
import { reach } from "./Reach.ts"

const isFailed = (value: Plan | Failed): value is Failed => "tag" in value

export const answerPlan = async (ask: DoorAsk, key: string | null, place: Place, print: Print): Promise<number | Failed> => {
  const planned = await reach(ask, key, place, isPlan, async () => (await import("./Launch.ts")).plan(ask, key, place), { plan: true })
  return isFailed(planned) ? planned : printPlan(print, planned)
}
