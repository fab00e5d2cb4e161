#!/usr/bin/env node
/**
 * The `opsgate` program: reads the words and finds who answers them. A command goes to the server if one listens, with
 * nothing loaded but what that needs; everything else is `Launch.ts`.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { CommanderError } from "commander"
import { NotLocated } from "./DataDir.ts"
import type { Json } from "./domain/Canonical.ts"
import type { Ask } from "./domain/Command.ts"
import type { Answer, QueueAnswer } from "./domain/Decision.ts"
import type { How } from "./domain/Plan.ts"
import type { ScheduleAnswer, ScheduleAsk } from "./domain/ScheduleAsk.ts"
import { payloadIssueOf } from "./domain/PayloadLimits.ts"
import { escapedJson, printable, redact } from "./domain/Redaction.ts"
import { isTerminal } from "./domain/TaskState.ts"
import { isAnswer, isQueueAnswer, isScheduleAnswer, lineIssueOf } from "./edge/cli/CommandClient.ts"
import { addAuditVerbs, type AuditAction } from "./edge/cli/AuditVerbs.ts"
import { exitCode, exitCodeOf } from "./edge/cli/ExitCode.ts"
import type { FileAction } from "./edge/cli/FileVerbs.ts"
import { addGovernanceVerbs, type GovernanceLook } from "./edge/cli/GovernanceVerbs.ts"
import { type Action, answerText, gateUsage, make, queueAnswerText, type Place, type Print } from "./edge/cli/Program.ts"
import { addPolicyVerbs } from "./edge/cli/PolicyVerbs.ts"
import { addScheduleVerbs, scheduleAnswerText } from "./edge/cli/ScheduleVerbs.ts"
import { addTelegramVerbs, type TelegramAction } from "./edge/cli/TelegramVerbs.ts"
import { addUpkeepVerbs, type UpkeepAction } from "./edge/cli/UpkeepVerbs.ts"
import type { Failed } from "./Launch.ts"
import { answerPlan } from "./PlanAnswer.ts"
import { reach } from "./Reach.ts"
import packageJson from "../package.json" with { type: "json" }

/** The program that watches over a command; it is bundled beside this one. */
const supervisor = fileURLToPath(new URL("./supervisor.js", import.meta.url))

/** What the words ask for cannot be done as they stand. */
class Usage extends Error {}

const say = (sentence: string): void => void process.stderr.write(`opsgate: ${printable(redact(sentence))}\n`)

/** Commander's own words, which may repeat what was typed. */
const sayRaw = (text: string): void => void process.stderr.write(printable(redact(text)))

const printTo = ({ json }: Place): Print => ({
  out: (text) => void process.stdout.write(escapedJson(text)),
  say,
  result: (value, text) => void process.stdout.write(json ? `${escapedJson(JSON.stringify(value))}\n` : `${text()}\n`)
})

const isFailed = (value: number | Answer | QueueAnswer | ScheduleAnswer | Failed): value is Failed => typeof value === "object" && "tag" in value

const finish = (failed: Failed): number => {
  say(failed.text)
  return exitCodeOf(failed.tag)
}

const isOne = (value: unknown): value is Answer | QueueAnswer | ScheduleAnswer => isAnswer(value) || isQueueAnswer(value) || isScheduleAnswer(value)

const decide = (ask: Ask | ScheduleAsk, key: string | null, place: Place, how: How): Promise<Answer | QueueAnswer | ScheduleAnswer | Failed> =>
  reach(ask, key, place, isOne, async () => (await import("./Launch.ts")).decide(ask, key, place, how), how)

const answerAsk = async (action: Action & { readonly _tag: "Ask" }, place: Place): Promise<number> => {
  const { how = {} } = action
  const issue = lineIssueOf(action.ask, action.key, how)
  if (issue !== null) throw new Usage(issue)
  if (how.plan === true) {
    const code = await answerPlan(action.ask, action.key, place, printTo(place))
    return typeof code === "number" ? code : finish(code)
  }
  const decided = await decide(action.ask, action.key, place, how)
  if (isFailed(decided)) return finish(decided)
  const print = printTo(place)
  if ("schedule" in decided) {
    print.result(decided, () => scheduleAnswerText(decided))
    return exitCode.ok
  }
  if ("queue" in decided) {
    print.result(decided, () => queueAnswerText(decided))
    return exitCode.ok
  }
  if (action.waitMs === null) {
    print.result(decided, () => answerText(decided))
    return exitCode.ok
  }
  const ended = await (await import("./Launch.ts")).awaitTask(decided, action.waitMs, place)
  if (isFailed(ended)) return finish(ended)
  print.result(ended, () => answerText(ended))
  if (!isTerminal[ended.state]) return exitCode.waitTimeout
  return ended.state === "SUCCEEDED" ? exitCode.ok : exitCode.failure
}

const isAboutFile = (action: Action): action is FileAction =>
  action._tag === "Backup" || action._tag === "Restore" || action._tag === "Release" || action._tag === "Doctor"

const run = async (action: Action, place: Place): Promise<void> => {
  if (action._tag === "Ask") {
    // A module of workflows may keep the event loop busy, with a connection that it opened when it was loaded.
    process.exit(await answerAsk(action, place))
  }
  const launch = await import("./Launch.ts")
  const code = action._tag === "Serve"
    ? await launch.serveUntilStopped(place, supervisor)
    : isAboutFile(action)
    ? await launch.onFile(printTo(place), action, place)
    : action._tag === "AcceptLoss"
    ? await launch.accept(printTo(place), action.reason, place)
    : action._tag === "Show" && action.raw
    ? await (await import("./Audit.ts")).recordedFirst("payload", action.task, place, printTo(place), () => launch.look(printTo(place), action, place))
    : await launch.look(printTo(place), action, place)
  process.exitCode = isFailed(code) ? finish(code) : code
  // A server that has stopped is done, whatever still holds the event loop.
  if (action._tag === "Serve") process.exit()
}

const runAudit = async (action: AuditAction, place: Place): Promise<void> => {
  const { carryOutAudit } = await import("./Audit.ts")
  const code = await carryOutAudit(action, place, printTo(place))
  process.exitCode = isFailed(code) ? finish(code) : code
}

const runTelegram = async (action: TelegramAction, place: Place): Promise<void> => {
  const { carryOutTelegram } = await import("./Telegram.ts")
  const code = await carryOutTelegram(action, place, printTo(place))
  // As after every verb that has loaded the configuration.
  process.exit(isFailed(code) ? finish(code) : code)
}

const runUpkeep = async (action: UpkeepAction, place: Place): Promise<void> => {
  const upkeep = await import("./Upkeep.ts")
  const code = await upkeep.carryOut(action, place, printTo(place))
  // As after every command: a module of workflows may keep the event loop busy.
  process.exit(isFailed(code) ? finish(code) : code)
}

const runGovernance = async (look: GovernanceLook, place: Place): Promise<void> => {
  const governance = await import("./Governance.ts")
  const code = await governance.carryOut(look, place, printTo(place))
  // As after every verb that has loaded the configuration.
  process.exit(isFailed(code) ? finish(code) : code)
}

/** The largest payload that is read, in bytes. */
const payloadMax = 1_000_000

const readPayload = (text: string | undefined, file: string | undefined): Json => {
  if (text !== undefined && file !== undefined) throw new Usage("the payload comes from the command line or from a file, not from both")
  return readJson(file === undefined ? text ?? "{}" : readText(file), "the payload")
}

const readJson = (source: string, what: string): Json => {
  if (Buffer.byteLength(source) > payloadMax) throw new Usage(`${what} is longer than ${payloadMax} bytes`)
  const json = parsed(source, what)
  const issue = payloadIssueOf(json, what)
  if (issue !== null) throw new Usage(issue)
  return json
}

const readFile = (file: string, what: string): Json => readJson(readText(file), what)

const parsed = (source: string, what: string): Json => {
  try {
    return JSON.parse(source)
  } catch {
    throw new Usage(`${what} is not JSON`)
  }
}

const readText = (file: string): string => {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8")
  } catch {
    throw new Usage(`${file} cannot be read`)
  }
}

/** `gate` and the verbs around its evidence are a program of their own, which shares no code with this one. */
const gateVerbs: ReadonlyArray<string | undefined> = ["gate", "verify", "evidence", "keys"]

const main = async (): Promise<void> => {
  process.stdout.on("error", (error) => {
    if ("code" in error && error.code === "EPIPE") process.exit()
  })
  if (gateVerbs.includes(process.argv[2])) {
    await import(new URL("./gate.js", import.meta.url).href)
    return
  }
  // So is the simulator of Telegram, which is there to try the bot with.
  if (process.argv[2] === "telegram" && process.argv[3] === "simulate") {
    await import(new URL("./telegram-fake.js", import.meta.url).href)
    return
  }
  try {
    const verbs = { run, readPayload, readJson, readFile }
    const program = addScheduleVerbs(addUpkeepVerbs(make(verbs, packageJson.version, sayRaw), verbs, runUpkeep), verbs)
    await addTelegramVerbs(addAuditVerbs(addPolicyVerbs(addGovernanceVerbs(program, verbs, runGovernance), verbs, printTo, runGovernance), runAudit), runTelegram).parseAsync(process.argv)
  } catch (cause) {
    process.exitCode = exitCodeFor(cause)
  }
}

const exitCodeFor = (cause: unknown): number => {
  if (cause instanceof CommanderError) return cause.exitCode === 0 || cause.exitCode === gateUsage ? cause.exitCode : exitCode.usage
  const usage = cause instanceof Usage || cause instanceof NotLocated
  say(usage ? cause.message : `internal error: ${String(cause)}`)
  return usage ? exitCode.usage : exitCode.failure
}

await main()
