/** The verbs about many tasks: bulk commands, the dead letter, retention. */
import { type Command, InvalidArgumentError, Option } from "commander"
import { type BulkAsk, type BulkAskTo, bulkMax, type BulkVerb, bulkVerbs, namedMax, narrows, rateByDefault, rateMax, type Wanted } from "../../domain/Bulk.ts"
import { type TaskState, taskStates } from "../../domain/TaskState.ts"
import type { How } from "../../domain/Plan.ts"
import { howOf, planning, type PlanOptions } from "./PlanWords.ts"
import { looking, type Place, placeOf, type Verbs, wholeNumber, withGlobals } from "./Program.ts"

export type UpkeepAction =
  | { readonly _tag: "Bulk"; readonly ask: BulkAsk; readonly key: string | null; readonly wait: boolean; readonly how: How }
  | { readonly _tag: "Plan"; readonly wanted: Pick<BulkAskTo<"bulk">, "filter" | "verb"> }
  | { readonly _tag: "BulkShow"; readonly bulk: string; readonly limit: number; readonly after: number }
  | { readonly _tag: "BulkList"; readonly limit: number }
  | { readonly _tag: "Dead"; readonly kind: string | null; readonly code: string | null; readonly limit: number }
  | { readonly _tag: "Prune"; readonly dryRun: boolean; readonly rebuild: boolean; readonly how: How }

type Run = (action: UpkeepAction, place: Place) => Promise<void>

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export const age = (text: string): number => {
  const [, count = "", unit = ""] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? []
  const unitMs = units[unit]
  if (unitMs === undefined) throw new InvalidArgumentError("a whole number and s, m, h or d is wanted, such as 90s or 1h")
  return Number(count) * unitMs
}

const rate = (text: string): number => wholeNumber(1, rateMax)(text.replace(/\/s$/, ""))

const word = (text: string): string => {
  if (text === "" || text.length > 200) throw new InvalidArgumentError("1 to 200 characters are wanted")
  return text
}

const tasks = (text: string, before: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (text === "" || text.length > 64) throw new InvalidArgumentError("a task is named by its id or the end of it")
  if (before.length >= namedMax) throw new InvalidArgumentError(`at most ${namedMax} tasks are named one by one`)
  return [...before, text]
}

interface BulkOptions extends PlanOptions {
  readonly state?: TaskState
  readonly kind?: string
  readonly code?: string
  readonly older?: number
  readonly task: ReadonlyArray<string>
  readonly reason?: string
  readonly rate: number
  readonly key?: string
  readonly dryRun?: boolean
  readonly wait: boolean
}

const filtering = (command: Command): Command =>
  planning(withGlobals(command))
    .addOption(new Option("--kind <kind>", "only tasks of this kind").argParser(word))
    .addOption(new Option("--code <code>", "only tasks whose last failure has this code").argParser(word))
    .addOption(new Option("--older <time>", "only tasks of which nothing has changed for so long, such as 90s, 15m, 1h, 7d").argParser(age))
    .addOption(new Option("--task <id>", "only this task; may be repeated").argParser<ReadonlyArray<string>>(tasks).default([], "any"))
    .addOption(new Option("--rate <n/s>", "the most tasks a second").argParser(rate).default(rateByDefault))
    .option("--reason <text>", "why; on record for ever, with each task")
    .option("--key <key>", "idempotency key: the same key and request give the same answer")
    .option("--dry-run", "say how many tasks fit and which come first, and do nothing")
    .option("--no-wait", "do not wait for the end; the server carries it out")

const filterOf = ({ code, kind, older, state, task }: BulkOptions, dead: boolean): Wanted => ({
  state: state ?? null,
  kind: kind ?? null,
  code: code ?? null,
  older_ms: older ?? null,
  tasks: task,
  dead
})

const asked = (verb: BulkVerb, filter: Wanted, options: BulkOptions): UpkeepAction =>
  options.dryRun === true
    ? { _tag: "Plan", wanted: { verb, filter } }
    : { _tag: "Bulk", ask: { op: "bulk", verb, filter, rate_per_s: options.rate, reason: options.reason ?? null }, key: options.key ?? null, wait: options.wait, how: howOf(options) }

const meanings = {
  cancel: "end the tasks that fit",
  resume: "dispatch the approved tasks that fit",
  recover: "bring back the ended tasks that fit",
  reject: "say no to the tasks that fit"
} as const satisfies Record<BulkVerb, string>

/** Adds the verbs to the program, and answers it. */
export const addUpkeepVerbs = (program: Command, verbs: Verbs, run: Run): Command => {
  const bulk = withGlobals(program.command("bulk").description(`one command about many tasks, at most ${bulkMax}, carried out one by one under the rules of the single command`))
  for (const verb of bulkVerbs) {
    filtering(bulk.command(verb))
      .description(`${meanings[verb]}; needs --reason and a filter`)
      .addOption(new Option("--state <state>", "only tasks in this state").choices(taskStates))
      .action((options: BulkOptions, command: Command) => {
        const filter = filterOf(options, false)
        if (!narrows(filter)) command.error("opsgate: a bulk command needs a filter: --state, --kind, --code, --older or --task")
        return run(asked(verb, filter, options), placeOf(command))
      })
  }
  bulk.command("approve", { hidden: true }).allowUnknownOption().allowExcessArguments()
    .action((_options: unknown, command: Command) => command.error("opsgate: there is no bulk approval: people approve one by one, with opsgate task approve <task>"))

  planning(withGlobals(bulk.command("stop <bulk>")))
    .description("stop a bulk command: what is done stays done, the rest is left alone; needs --reason")
    .option("--reason <text>", "why; on record for ever")
    .option("--key <key>", "idempotency key")
    .action((id: string, options: { readonly reason?: string; readonly key?: string } & PlanOptions, command: Command) =>
      run({ _tag: "Bulk", ask: { op: "bulk.stop", bulk: id, reason: options.reason ?? null }, key: options.key ?? null, wait: false, how: howOf(options) }, placeOf(command)))

  looking(bulk.command("show <bulk>"))
    .description("a bulk command and what came of each of its tasks")
    .addOption(new Option("--limit <n>", "how many tasks").default(100).argParser(wholeNumber(1, bulkMax)))
    .addOption(new Option("--after <n>", "only those behind this number").default(0).argParser(wholeNumber(0, bulkMax)))
    .action((id: string, options: { readonly limit: number; readonly after: number }, command: Command) =>
      run({ _tag: "BulkShow", bulk: id, limit: options.limit, after: options.after }, placeOf(command)))

  looking(bulk.command("list"))
    .description("bulk commands, newest first")
    .addOption(new Option("--limit <n>", "how many").default(20).argParser(wholeNumber(1, 1000)))
    .action((options: { readonly limit: number }, command: Command) => run({ _tag: "BulkList", limit: options.limit }, placeOf(command)))

  addDeadLetter(program, verbs, run)

  planning(withGlobals(program.command("prune")))
    .description("give up payloads and results of finished tasks whose retention has ended, now")
    .option("--dry-run", "say how many tasks that would be, and do nothing")
    .option("--rebuild", "write the file anew without its free pages, once, so that it can shrink by itself; no server may run")
    .action((options: { readonly dryRun?: boolean; readonly rebuild?: boolean } & PlanOptions, command: Command) => {
      if (options.rebuild === true && (options.dryRun === true || options.plan === true || options.ifPlan !== undefined)) command.error("opsgate: --rebuild has no --dry-run and no plan")
      return run({ _tag: "Prune", dryRun: options.dryRun ?? false, rebuild: options.rebuild ?? false, how: howOf(options) }, placeOf(command))
    })
  return program
}

const addDeadLetter = (program: Command, verbs: Verbs, run: Run): void => {
  const dead = looking(program.command("dead"))
    .description("the dead letter: tasks that failed, and that nobody has redriven or dismissed")
    .addOption(new Option("--kind <kind>", "only tasks of this kind").argParser(word))
    .addOption(new Option("--code <code>", "only tasks whose failure has this code").argParser(word))
    .addOption(new Option("--limit <n>", "how many").default(50).argParser(wholeNumber(1, 100_000)))
    .action((options: { readonly kind?: string; readonly code?: string; readonly limit: number }, command: Command) =>
      run({ _tag: "Dead", kind: options.kind ?? null, code: options.code ?? null, limit: options.limit }, placeOf(command)))

  planning(withGlobals(dead.command("dismiss <task>")))
    .description("take a task out of the dead letter; needs --reason")
    .option("--reason <text>", "why; on record for ever")
    .option("--key <key>", "idempotency key")
    .action((id: string, options: { readonly reason?: string; readonly key?: string } & PlanOptions, command: Command) =>
      verbs.run({ _tag: "Ask", ask: { op: "dismiss", task: id, reason: options.reason ?? null }, key: options.key ?? null, waitMs: null, how: howOf(options) }, placeOf(command)))

  filtering(program.command("redrive"))
    .description("bring back the tasks of the dead letter that fit: a bulk recover; needs --reason and a filter")
    .option("--all", "everything in the dead letter")
    .action((options: BulkOptions & { readonly all?: boolean }, command: Command) => {
      if (options.all !== true && !narrows(filterOf(options, false))) command.error("opsgate: redrive needs a filter: --kind, --code, --older, --task, or --all for everything in the dead letter")
      return run(asked("recover", filterOf(options, true), options), placeOf(command))
    })
}
