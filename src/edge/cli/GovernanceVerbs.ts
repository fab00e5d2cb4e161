/** The verbs by which people say how a task is to be done, whether that will do, and yes; and the card that they say it to. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander"
import { planPartMax } from "../../domain/AskLimits.ts"
import type { Json } from "../../domain/Canonical.ts"
import { type Checklist, type PlanParts, ReviewCode } from "../../domain/Command.ts"
import { asked, asking, type AskOptions, looking, type Place, placeOf, type Verbs, withGlobals } from "./Program.ts"

const digest = (text: string): string => {
  if (!/^[0-9a-f]{8,64}$/.test(text)) throw new InvalidArgumentError("the digest that the card shows is wanted, or at least its first 8 digits")
  return text
}

const checks = ["policy_safety", "correctness", "tests", "rollback", "approval_constraints"] as const
type Check = (typeof checks)[number]
const isCheck = (name: string): name is Check => checks.some((check) => check === name)

const unchecked = (text: string): ReadonlyArray<Check> => {
  const names = text.split(",").map((name) => name.trim())
  if (!names.every(isCheck)) throw new InvalidArgumentError(`names of ${checks.join(", ")}, separated by commas, are wanted`)
  return names
}

const checklistWithout = (missing: ReadonlyArray<Check>): typeof Checklist.Type => ({
  policy_safety: !missing.includes("policy_safety"),
  correctness: !missing.includes("correctness"),
  tests: !missing.includes("tests"),
  rollback: !missing.includes("rollback"),
  approval_constraints: !missing.includes("approval_constraints")
})

type Plan = typeof PlanParts.Type
const parts = ["scope", "risks", "test_plan", "rollback_plan", "approval_impact"] as const satisfies ReadonlyArray<keyof Plan>

/** The parts of a plan, or one sentence about what is wrong with them. */
const planOf = (value: Json): Plan | string => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "a plan is an object"
  const given = new Map(Object.entries(value))
  const extra = [...given.keys()].find((name) => !parts.some((part) => part === name))
  if (extra !== undefined) return `a plan has no ${JSON.stringify(extra)}; its parts are ${parts.join(", ")}`
  const texts = new Map<string, string>()
  for (const part of parts) {
    const text = given.get(part)
    if (typeof text !== "string" || text.trim() === "") return `the plan lacks ${part}`
    if (text.length > planPartMax) return `${part} has at most ${planPartMax} characters`
    texts.set(part, text)
  }
  const text = (part: (typeof parts)[number]): string => texts.get(part) ?? ""
  return { scope: text("scope"), risks: text("risks"), test_plan: text("test_plan"), rollback_plan: text("rollback_plan"), approval_impact: text("approval_impact") }
}

interface ApproveOptions extends AskOptions {
  readonly digest?: string
  readonly note?: string
}

interface ReviewOptions extends AskOptions {
  readonly code?: typeof ReviewCode.Type
  readonly notes?: string
  readonly unchecked: ReadonlyArray<Check>
}

// A plan has options of its own names; `--plan` is the dry run of every command.
interface PlanOptions extends AskOptions {
  readonly file?: string
  readonly scope?: string
  readonly risks?: string
  readonly testPlan?: string
  readonly rollbackPlan?: string
  readonly approvalImpact?: string
}

const filed = ({ approvalImpact, file, risks, rollbackPlan, scope, testPlan }: PlanOptions, verbs: Verbs): Plan | string => {
  const said = Object.entries({ scope, risks, test_plan: testPlan, rollback_plan: rollbackPlan, approval_impact: approvalImpact }).flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as const]))
  if (file === undefined) return planOf(Object.fromEntries(said))
  return said.length > 0 ? "the plan comes from a file or from the command line, not from both" : planOf(verbs.readFile(file, "the plan"))
}

/** What is only looked at, and by whom. */
export type GovernanceLook =
  | { readonly _tag: "Card"; readonly task: string }
  | { readonly _tag: "Whoami" }
  | { readonly _tag: "Policy" }
  | { readonly _tag: "PolicyCheck"; readonly file: string }
  | { readonly _tag: "PolicyExplain"; readonly kind: string; readonly payload: Json }

type Run = (look: GovernanceLook, place: Place) => Promise<void>

/** Adds them to `opsgate task`, and `opsgate whoami`. */
export const addGovernanceVerbs = (program: Command, verbs: Verbs, run: Run): Command => {
  const task = program.commands.find((command) => command.name() === "task") ?? program
  addWords(task, verbs)

  looking(task.command("card <task>"))
    .description("what an approver is shown: what would run, what people have said, and the difference to the last run that was approved")
    .action((id: string, _options: unknown, command: Command) => run({ _tag: "Card", task: id }, placeOf(command)))

  withGlobals(program.command("whoami"))
    .description("who you are to opsgate, with which roles, and what they may do")
    .action((_options: unknown, command: Command) => run({ _tag: "Whoami" }, placeOf(command)))
  return program
}

const addWords = (task: Command, verbs: Verbs): void => {
  asking(task.command("approve <task>"))
    .description("say yes to exactly this; it dispatches nothing")
    .addOption(new Option("--digest <digest>", "of what the card showed: refused when it is something else by now").argParser(digest))
    .option("--note <text>", "the same as --reason")
    .action((id: string, { note, ...options }: ApproveOptions, command: Command) => {
      if (note !== undefined && options.reason !== undefined) command.error("opsgate: --note and --reason are the same; one of them is enough")
      return verbs.run(asked({ op: "approve", task: id, reason: note ?? options.reason ?? null, ...(options.digest === undefined ? {} : { digest: options.digest }) }, options), placeOf(command))
    })

  asking(task.command("plan <task>"))
    .description("say how it is done; another plan voids what was said to the one before")
    .option("--file <file>", "JSON with scope, risks, test_plan, rollback_plan and approval_impact; - for standard input")
    .option("--scope <text>", "what is touched")
    .option("--risks <text>", "what may go wrong")
    .option("--test-plan <text>", "how it is seen that it went well")
    .option("--rollback-plan <text>", "how it is undone")
    .option("--approval-impact <text>", "what it means for whoever approves")
    .action((id: string, options: PlanOptions, command: Command) => {
      const plan = filed(options, verbs)
      if (typeof plan === "string") return command.error(`opsgate: ${plan}`)
      return verbs.run(asked({ op: "plan", task: id, reason: options.reason ?? null, plan }, options), placeOf(command))
    })

  asking(task.command("review <task>"))
    .description("let it pass, or not")
    .addArgument(new Argument("<verdict>", "whether it may go on").choices(["pass", "fail"]))
    .addOption(new Option("--code <code>", "why it fails").choices(ReviewCode.literals))
    .option("--notes <text>", "the same as --reason")
    .addOption(new Option("--unchecked <names>", `what is not fine, of ${checks.join(", ")}`).argParser<ReadonlyArray<Check>>(unchecked).default([], "everything is"))
    .action((id: string, verdict: "pass" | "fail", { notes, ...options }: ReviewOptions, command: Command) => {
      if (notes !== undefined && options.reason !== undefined) command.error("opsgate: --notes and --reason are the same; one of them is enough")
      const code = options.code === undefined ? {} : { code: options.code }
      return verbs.run(asked({ op: "review", task: id, reason: notes ?? options.reason ?? null, verdict, checklist: checklistWithout(options.unchecked), ...code }, options), placeOf(command))
    })

  asking(task.command("break-glass <task>"))
    .description("let it go without what it asks for, in an emergency; everybody is told; needs --reason")
    .action((id: string, options: AskOptions, command: Command) => verbs.run(asked({ op: "break_glass", task: id, reason: options.reason ?? null }, options), placeOf(command)))
}
