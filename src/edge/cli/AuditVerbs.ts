/** The verbs of the audit: their words, and what people read of it. */
import { type Command, InvalidArgumentError, Option } from "commander"
import { DateTime } from "effect"
import type { CommandRecord } from "../../domain/Artifact.ts"
import type { AuditReport } from "../../domain/AuditFile.ts"
import { oneLine } from "../../domain/Redaction.ts"
import { shortId } from "../../domain/TaskState.ts"
import { looking, type Place, placeOf, wholeNumber, withGlobals } from "./Program.ts"
import { age } from "./UpkeepVerbs.ts"

export type AuditAction =
  | { readonly _tag: "List"; readonly task: string | null; readonly actor: string | null; readonly op: string | null; readonly sinceMs: number | null; readonly limit: number }
  | { readonly _tag: "Export"; readonly out: string | null; readonly force: boolean; readonly after: number }
  | { readonly _tag: "Verify"; readonly file: string; readonly head: string | null }
  | { readonly _tag: "Keys"; readonly key: string | null; readonly actor: string | null; readonly limit: number }

type Run = (action: AuditAction, place: Place) => Promise<void>

const digest = (text: string): string => {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError("a hash has 64 hex digits, in small letters")
  return text
}

interface ListOptions {
  readonly task?: string
  readonly actor?: string
  readonly op?: string
  readonly since?: number
  readonly limit: number
}

/** Adds the verbs to the program, and answers it. */
export const addAuditVerbs = (program: Command, run: Run): Command => {
  const audit = withGlobals(program.command("audit").description("who asked for what, and what came of it"))

  looking(audit.command("list"))
    .description("commands, newest first: accepted, refused, denied, and repeats; that you looked is on record")
    .option("--task <task>", "only those about this task")
    .option("--actor <actor>", "only those of this actor, such as cli:ada")
    .option("--op <op>", "only this command, such as cancel")
    .addOption(new Option("--since <time>", "only those since so long ago, such as 90s, 15m, 1h, 7d").argParser(age))
    .addOption(new Option("--limit <n>", "how many").default(50).argParser(wholeNumber(1, 100_000)))
    .action(({ actor, limit, op, since, task }: ListOptions, command: Command) =>
      run({ _tag: "List", task: task ?? null, actor: actor ?? null, op: op ?? null, sinceMs: since ?? null, limit }, placeOf(command)))

  looking(audit.command("export"))
    .description("write the log as JSON lines that anybody can check; that you did is on record")
    .option("--out <file>", "to this file, which is there as a whole or not at all; without it to standard output")
    .option("--force", "replace a file of that name")
    .addOption(new Option("--after <seq>", "only events behind this one").default(0).argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)))
    .action(({ after, force, out }: { readonly out?: string; readonly force?: boolean; readonly after: number }, command: Command) =>
      run({ _tag: "Export", out: out ?? null, force: force ?? false, after }, placeOf(command)))

  withGlobals(audit.command("verify <file>"))
    .description("check an exported log; needs no server, no configuration and no database")
    .addOption(new Option("--head <hash>", "a hash that is known from elsewhere, such as the head of an earlier export: it has to be in this one").argParser(digest))
    .action((file: string, { head }: { readonly head?: string }, command: Command) => run({ _tag: "Verify", file, head: head ?? null }, placeOf(command)))

  looking(audit.command("keys [key]"))
    .description("idempotency keys: whose they are, what they stand for, when they may be forgotten; that you looked is on record")
    .option("--actor <actor>", "only keys of this actor")
    .addOption(new Option("--limit <n>", "how many").default(50).argParser(wholeNumber(1, 100_000)))
    .action((key: string | undefined, { actor, limit }: { readonly actor?: string; readonly limit: number }, command: Command) =>
      run({ _tag: "Keys", key: key ?? null, actor: actor ?? null, limit }, placeOf(command)))
  return program
}

const when = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

const aboutText = ({ forkedWorkflowID, target, targetWorkflowID }: CommandRecord): string => {
  const named = targetWorkflowID === null ? "" : `${targetWorkflowID} (${shortId(targetWorkflowID)})`
  return [named, forkedWorkflowID === undefined ? "" : `made ${forkedWorkflowID} (${shortId(forkedWorkflowID)})`, target === undefined ? "" : oneLine(target)].filter((word) => word !== "").join(" ")
}

/** One line for each command. */
export const recordsText = (records: ReadonlyArray<CommandRecord>): string =>
  records.length === 0
    ? "no command fits"
    : records.map((record) => {
      const { actor, at, channel, code, op, reason, result, seq } = record
      return `${seq} ${when(at)} ${oneLine(actor)} by ${channel ?? "?"}: ${oneLine(op)} ${result}${code === undefined ? "" : ` (${code})`} ${aboutText(record)}${reason === null ? "" : `: ${oneLine(reason)}`}`.trimEnd()
    }).join("\n")

/** An idempotency key, as it is listed. */
export interface KeyRow {
  readonly actor: string
  readonly key: string
  readonly op: string
  readonly fingerprint: string
  readonly channel: string
  /** Unix time in milliseconds. */
  readonly first_use: number
  /** The earliest instant at which it may be forgotten, and never before the payload of its task is; null: not known here. */
  readonly expires_after: number | null
  readonly replays: number
  readonly conflicts: number
}

export const keysText = (rows: ReadonlyArray<KeyRow>): string =>
  rows.length === 0
    ? "no key fits"
    : rows.map(({ actor, conflicts, expires_after, first_use, fingerprint, key, op, replays }) =>
      `${oneLine(key)} of ${oneLine(actor)}: ${op} ${fingerprint.slice(0, 12)}, first used ${when(first_use)}, given again ${replays} times, in conflict ${conflicts}${
        expires_after === null ? "" : `, kept until ${when(expires_after)} at least`
      }`).join("\n")

/** What was checked, and what that does not show. */
export const verifiedText = ({ count, fromSeq, head, pinnedSeq, pruned, stream, toSeq }: AuditReport): string =>
  [
    `verified: ${count} events of ${oneLine(stream)}, ${fromSeq} to ${toSeq}${pruned === 0 ? "" : `, ${pruned} of them without payload: it was pruned`}`,
    `head ${head}`,
    pinnedSeq === null
      ? "no event was changed, left out or added since the head was made; who made it is not shown: whoever owns the file can write all of it anew. Compare the head with one that is kept elsewhere: --head <hash>"
      : `the hash that you gave is that of event ${pinnedSeq}: up to there the log is the one that it was taken from; what follows is chained to it, and whoever owns the file could have written that anew`
  ].join("\n")
