/** How a plan is asked for on the command line. What people read of it is in `PlanOutput.ts`. */
import { type Command, InvalidArgumentError, Option } from "commander"
import type { How } from "../../domain/Plan.ts"

export interface PlanOptions {
  readonly plan?: boolean
  readonly ifPlan?: string
}

const digest = (text: string): string => {
  if (!/^[0-9a-f]{16,64}$/.test(text)) throw new InvalidArgumentError("a plan is named by its hash, or at least the first 16 digits of it")
  return text
}

/** Adds the options that every verb has that changes something. */
export const planning = (command: Command): Command =>
  command
    .option("--plan", "say what it would do, and do nothing")
    .addOption(new Option("--if-plan <hash>", "do it only if it would still do what --plan said under this hash").argParser(digest).conflicts("plan"))

/** How the options want the command taken. */
export const howOf = ({ ifPlan, plan }: PlanOptions): How => ({ ...(plan === true ? { plan } : {}), ...(ifPlan === undefined ? {} : { if_plan: ifPlan }) })
