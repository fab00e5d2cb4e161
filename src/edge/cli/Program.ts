/**
 * The command line: verbs, their words, and what is printed where. It decides nothing: each verb names an action that
 * `main.ts` carries out with the engine that fits it.
 */
import { Argument, Command, InvalidArgumentError, Option } from "commander"
import { isBlank, reasonMax } from "../../domain/AskLimits.ts"
import type { Json } from "../../domain/Canonical.ts"
import type { Ask } from "../../domain/Command.ts"
import type { Answer, QueueAnswer } from "../../domain/Decision.ts"
import type { ScheduleAsk } from "../../domain/ScheduleAsk.ts"
import { addQueueVerbs, placedBy, placing, type PlaceOptions } from "./QueueVerbs.ts"
import type { How } from "../../domain/Plan.ts"
import { howOf, planning, type PlanOptions } from "./PlanWords.ts"
import { isTerminal, shortId, type TaskState, taskStates } from "../../domain/TaskState.ts"
import { addFileVerbs, type FileAction } from "./FileVerbs.ts"
import { addTraceVerbs, type TraceLook } from "./TraceVerbs.ts"
import { addWhyVerb, type WhyLook } from "./WhyVerbs.ts"

/** Where a verb writes: results to stdout, JSON if it was asked for, words to stderr. */
export interface Print {
  readonly out: (text: string) => void
  readonly say: (sentence: string) => void
  readonly result: (json: unknown, text: () => string) => void
}

export interface Place {
  readonly config: string | undefined
  readonly db: string | undefined
  readonly json: boolean
}

/** When something would run, as it was written. */
export interface TriedTiming {
  readonly cron?: string
  readonly every?: string
  readonly zone?: string
  readonly onGap?: "skip" | "shift"
  readonly onRepeat?: "once" | "twice"
}

/** A verb that only looks. */
export type Look =
  | TraceLook
  | WhyLook
  | { readonly _tag: "Summary"; readonly hours: number; readonly check: boolean; readonly everyMs: number | null }
  | { readonly _tag: "Show"; readonly task: string; readonly raw: boolean }
  | { readonly _tag: "Steps"; readonly task: string }
  | { readonly _tag: "List"; readonly state: TaskState | undefined; readonly limit: number; readonly everyMs: number | null }
  | { readonly _tag: "Queues"; readonly everyMs: number | null }
  | { readonly _tag: "Events"; readonly after: number; readonly type: string | undefined }
  | { readonly _tag: "Schedules" }
  | { readonly _tag: "Ticks"; readonly schedule: string; readonly limit: number }
  /** Of a schedule by its name, or of a timing that is only tried. */
  | { readonly _tag: "Preview"; readonly of: string | TriedTiming; readonly count: number; readonly fromMs: number | null }

export type Action =
  | Look
  | FileAction
  | { readonly _tag: "Serve" }
  | { readonly _tag: "AcceptLoss"; readonly reason: string }
  | { readonly _tag: "Ask"; readonly ask: Ask | ScheduleAsk; readonly key: string | null; readonly waitMs: number | null; readonly how?: How }

/** Carries out an action; the payload of a submit is still text, or the name of a file to read it from. */
export interface Verbs {
  readonly run: (action: Action, place: Place) => Promise<void>
  readonly readPayload: (text: string | undefined, file: string | undefined) => Json
  /** Reads JSON from the command line; `what` names it to whoever wrote something else. */
  readonly readJson: (text: string, what: string) => Json
  /** The same from a file, `-` for standard input. */
  readonly readFile: (file: string, what: string) => Json
}

export const wholeNumber = (from: number, to: number) => (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < from || value > to) throw new InvalidArgumentError(`a whole number from ${from} to ${to} is wanted`)
  return value
}

const every = (): Option => new Option("--every <ms>", "print it again and again, until interrupted").argParser(wholeNumber(10, 3_600_000))

interface Globals {
  readonly json?: boolean
  readonly config?: string
  readonly db?: string
}

export const placeOf = (command: Command): Place => {
  const { config, db, json } = command.optsWithGlobals<Globals>()
  return { config, db, json: json ?? false }
}

export const withGlobals = (command: Command): Command =>
  command
    .exitOverride()
    .option("--json", "print JSON on stdout, and nothing else there")
    .option("--config <file>", "the configuration (default: opsgate.config.json)")

/** Verbs that only look may be pointed at any file, a backup for example. */
export const looking = (command: Command): Command => withGlobals(command).option("--db <file>", "read this database instead of the configured one")

/** The program. `verbs` does the work; a word that is not understood makes commander exit with a sentence, given to `say`. */
export const make = (verbs: Verbs, version: string, say: (text: string) => void): Command => {
  // Before the first verb is added, because verbs inherit it.
  const program = withGlobals(new Command("opsgate").configureOutput({ writeErr: say }))
    .description("Run risky work on your own machine, say yes from your phone, and ship only what can prove it is fit.")
    .version(version)
    .showSuggestionAfterError(true)
    .showHelpAfterError("(opsgate --help lists the verbs)")

  withGlobals(program.command("serve"))
    .description("run the server: it alone claims and runs tasks")
    .action((_options: unknown, command: Command) => verbs.run({ _tag: "Serve" }, placeOf(command)))

  addTaskVerbs(withGlobals(program.command("task").description("ask for work, say yes or no to it, follow it")), verbs)

  addQueueVerbs(withGlobals(program.command("queue").description("pause and resume queues")), withGlobals, (ask, key, how, command) =>
    verbs.run({ _tag: "Ask", ask, key, waitMs: null, how }, placeOf(command)))

  looking(program.command("queues"))
    .description("what waits and runs in each queue, and under which limits")
    .addOption(every())
    .action((options: { readonly every?: number }, command: Command) => verbs.run({ _tag: "Queues", everyMs: options.every ?? null }, placeOf(command)))

  looking(program.command("ops-summary"))
    .description("is the system healthy right now?")
    .addOption(new Option("--hours <n>", "the window").default(24).argParser(wholeNumber(1, 24 * 365)))
    .option("--check", "exit with 7 when it is degraded")
    .addOption(every())
    .action((options: { readonly hours: number; readonly check?: boolean; readonly every?: number }, command: Command) =>
      verbs.run({ _tag: "Summary", hours: options.hours, check: options.check ?? false, everyMs: options.every ?? null }, placeOf(command)))

  looking(program.command("events"))
    .description("print the event log, one JSON object a line")
    .addOption(new Option("--after <seq>", "only events behind this one").default(0).argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)))
    .option("--type <type>", "only events of this type")
    .action((options: { readonly after: number; readonly type?: string }, command: Command) =>
      verbs.run({ _tag: "Events", after: options.after, type: options.type }, placeOf(command)))

  addTraceVerbs(program, looking, (look, command) => verbs.run(look, placeOf(command)))
  addWhyVerb(program, looking, (look, command) => verbs.run(look, placeOf(command)))
  addFileVerbs(program, looking, withGlobals, (action, command) => verbs.run(action, placeOf(command)))
  withGlobals(program.command("accept-loss"))
    .description("go on with a file that is behind its watermark; puts on record what is missing, parks what may have run; needs --reason")
    .addOption(new Option("--reason <text>", "why; on record for ever").argParser(lossReason).makeOptionMandatory())
    .action((options: { readonly reason: string }, command: Command) => verbs.run({ _tag: "AcceptLoss", reason: options.reason }, placeOf(command)))

  // Reached only when they are not the first word: to do nothing then, and to exit with 0, would pass for a verdict.
  const first = (word: string) => (_options: unknown, command: Command) => command.error(`opsgate: the word ${word} comes first, and its options behind it`, { exitCode: gateUsage })
  program.command("gate").description("judge a release: run the scenarios and print GO, NO-GO or INSUFFICIENT").helpOption(false).allowUnknownOption().allowExcessArguments().action(first("gate"))
  program.command("verify").description("check an evidence bundle: signature, digests, chains, and the verdict anew").helpOption(false).allowUnknownOption().allowExcessArguments().action(first("verify"))
  program.command("evidence").description("look into bundles: inspect, verify, diff, replay, require, pack, audits").helpOption(false).allowUnknownOption().allowExcessArguments().action(first("evidence"))
  program.command("keys").description("make, show and rotate the key that signs evidence").helpOption(false).allowUnknownOption().allowExcessArguments().action(first("keys"))
  // Answered by a program of its own as well, so that only its words are here.
  withGlobals(program.command("telegram").description("the Telegram bot"))
    .command("simulate")
    .description("run a Telegram of its own on this machine, with a chat page, to try the bot without a token")
    .helpOption(false)
    .action((_options: unknown, command: Command) => command.error("opsgate: the words telegram simulate come first, and its options behind them"))
  return program
}

/** What `gate` and the verbs around its evidence exit with when they are used wrongly. */
export const gateUsage = 254

const lossReason = (text: string): string => {
  if (isBlank(text)) throw new InvalidArgumentError("it says why")
  if (text.length > reasonMax) throw new InvalidArgumentError(`a reason has at most ${reasonMax} characters`)
  return text
}

export interface AskOptions extends PlanOptions {
  readonly reason?: string
  readonly key?: string
  readonly wait?: number
}

/** Adds the options that every verb has that asks for something about a task. */
export const asking = (command: Command): Command =>
  planning(withGlobals(command))
    .option("--reason <text>", "why; on record for ever")
    .option("--key <key>", "idempotency key: the same key and request give the same answer")
    .addOption(new Option("--wait <seconds>", "wait until the task has ended").argParser(wholeNumber(1, 86_400)))

export const asked = (ask: Ask, { key, wait, ...how }: AskOptions): Action => ({ _tag: "Ask", ask, key: key ?? null, waitMs: wait === undefined ? null : wait * 1000, how: howOf(how) })

const addTaskVerbs = (task: Command, verbs: Verbs): void => {
  placing(asking(task.command("submit <kind> [payload]")))
    .description("ask for work; the payload is JSON")
    .option("--payload-file <file>", "read the payload from a file, - for standard input")
    .action((kind: string, payload: string | undefined, options: AskOptions & PlaceOptions & { readonly payloadFile?: string }, command: Command) => {
      const place = placedBy(options, command)
      return verbs.run(asked({ op: "submit", kind, payload: verbs.readPayload(payload, options.payloadFile), reason: options.reason ?? null, ...place }, options), placeOf(command))
    })

  const simple = (op: "reject" | "resume" | "kill" | "recover" | "dismiss", description: string) =>
    asking(task.command(`${op} <task>`))
      .description(description)
      .action((id: string, options: AskOptions, command: Command) =>
        verbs.run(asked({ op, task: id, reason: options.reason ?? null }, options), placeOf(command)))

  simple("reject", "say no; needs --reason")
  simple("resume", "dispatch a task whose holds are all released")
  asking(task.command("cancel <task>"))
    .description("end a task, at its next step boundary if it runs; needs --reason")
    .option("--compensate", "undo first what it has done, as far as its steps say how")
    .action((id: string, options: AskOptions & { readonly compensate?: boolean }, command: Command) =>
      verbs.run(asked({ op: "cancel", task: id, reason: options.reason ?? null, ...(options.compensate === true ? { compensate: true } : {}) }, options), placeOf(command)))
  simple("kill", "end a task at once, in the middle of its step; needs --reason")
  simple("dismiss", "take a failed task out of the dead letter; needs --reason")
  simple("recover", "bring an ended task back; needs --reason")
  addStepVerbs(task, verbs)

  looking(task.command("show <task>"))
    .description("everything about one task")
    .option("--raw", "its payload as it is stored, secrets included")
    .action((id: string, { raw }: { readonly raw?: boolean }, command: Command) => verbs.run({ _tag: "Show", task: id, raw: raw ?? false }, placeOf(command)))

  looking(task.command("steps <task>"))
    .description("the steps of one task, by number")
    .action((id: string, _options: unknown, command: Command) => verbs.run({ _tag: "Steps", task: id }, placeOf(command)))

  looking(task.command("list"))
    .description("tasks, newest first")
    .addOption(new Option("--state <state>", "only tasks in this state").choices(taskStates))
    .addOption(new Option("--limit <n>", "how many").default(50).argParser(wholeNumber(1, 100_000)))
    .addOption(every())
    .action((options: { readonly state?: TaskState; readonly limit: number; readonly every?: number }, command: Command) =>
      verbs.run({ _tag: "List", state: options.state, limit: options.limit, everyMs: options.every ?? null }, placeOf(command)))
}

const evidence = (text: string): string => {
  if (text.length > reasonMax) throw new InvalidArgumentError(`evidence has at most ${reasonMax} characters`)
  return text
}

const signalName = (text: string): string => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) throw new InvalidArgumentError("a signal is named by 1 to 64 letters, digits and . _ -, beginning with a letter or digit")
  return text
}

interface ReconcileOptions extends AskOptions {
  readonly outcome: "succeeded" | "failed" | "retry"
  readonly evidence?: string
  readonly result?: string
}

/** The verbs about the steps of a run. */
const addStepVerbs = (task: Command, verbs: Verbs): void => {
  asking(task.command("reconcile <task>"))
    .description("settle a step of which nobody knows whether it happened; needs --reason")
    .addOption(new Option("--outcome <outcome>", "what a look at the outside world showed").choices(["succeeded", "failed", "retry"]).makeOptionMandatory())
    .addOption(new Option("--evidence <text>", "what was looked at: an address, an id of the outside system").argParser(evidence))
    .option("--result <json>", "what the step answered, for the code behind it; only if it succeeded")
    .action((id: string, options: ReconcileOptions, command: Command) => {
      const { outcome, reason, result } = options
      if (result !== undefined && outcome !== "succeeded") command.error("opsgate: --result goes with --outcome succeeded only")
      const more = { ...(options.evidence === undefined ? {} : { evidence: options.evidence }), ...(result === undefined ? {} : { result: verbs.readJson(result, "the result") }) }
      return verbs.run(asked({ op: "reconcile", task: id, reason: reason ?? null, outcome, ...more }, options), placeOf(command))
    })

  asking(task.command("signal <task>"))
    .description("send a run the word that it waits for; the payload is JSON")
    .addArgument(new Argument("<name>", "what the run waits for").argParser(signalName))
    .argument("[payload]", "JSON", "null")
    .action((id: string, name: string, payload: string, options: AskOptions, command: Command) =>
      verbs.run(asked({ op: "signal", task: id, reason: options.reason ?? null, name, payload: verbs.readJson(payload, "the payload") }, options), placeOf(command)))

  asking(task.command("fork <task>"))
    .description("begin a new task that takes over the steps before --step, and does the rest anew; needs --reason")
    .addOption(new Option("--step <n>", "the first step that is done anew; steps count from 1").argParser(wholeNumber(1, 1_000_000)).makeOptionMandatory())
    .option("--payload <json>", "instead of the payload of the task that is forked")
    .action((id: string, options: AskOptions & { readonly step: number; readonly payload?: string }, command: Command) => {
      const payload = options.payload === undefined ? {} : { payload: verbs.readJson(options.payload, "the payload") }
      return verbs.run(asked({ op: "fork", task: id, reason: options.reason ?? null, step: options.step, ...payload }, options), placeOf(command))
    })
}

/** One line about what a command did to a queue. */
export const queueAnswerText = ({ moved, paused, queue }: QueueAnswer): string => `queue ${queue} is ${paused ? "paused" : "open"}${moved ? "" : ", unchanged"}`

/** One line about what a command did. */
export const answerText = ({ existing, holds, moved, state, task }: Answer): string => {
  const waits = holds.length > 0 && !isTerminal[state] ? `, waits for ${holds.join(", ")}` : ""
  return `${task} (${shortId(task)}) ${state}${waits}${existing === true ? ", was there already" : ""}${moved ? "" : ", unchanged"}`
}
