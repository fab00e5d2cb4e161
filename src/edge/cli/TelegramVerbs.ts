/** The verbs about what chats brought and are to be sent: their words, and what people read of it. */
import { type Command, Option } from "commander"
import { DateTime } from "effect"
import type { ChatReplayAnswer, ChatReplayAsk } from "../../domain/ChatReplay.ts"
import type { How } from "../../domain/Plan.ts"
import { oneLine } from "../../domain/Redaction.ts"
import { howOf, planning, type PlanOptions } from "./PlanWords.ts"
import { looking, type Place, placeOf, wholeNumber, withGlobals } from "./Program.ts"

export type TelegramAction =
  | { readonly _tag: "Status" }
  | { readonly _tag: "Dead"; readonly limit: number }
  | { readonly _tag: "Replay"; readonly ask: ChatReplayAsk; readonly key: string | null; readonly how: How }

type Run = (action: TelegramAction, place: Place) => Promise<void>

const updateNumber = wholeNumber(0, Number.MAX_SAFE_INTEGER)

/** Adds the verbs to the program, and answers it. */
export const addTelegramVerbs = (program: Command, run: Run): Command => {
  const telegram = program.commands.find((command) => command.name() === "telegram") ?? withGlobals(program.command("telegram"))

  looking(telegram.command("status"))
    .description("what was received and is not worked off, and what is not sent yet")
    .action((_options: unknown, command: Command) => run({ _tag: "Status" }, placeOf(command)))

  looking(telegram.command("dead"))
    .description("updates that were given up since the bot failed at them again and again")
    .addOption(new Option("--limit <n>", "how many").default(50).argParser(wholeNumber(1, 100_000)))
    .action((options: { readonly limit: number }, command: Command) => run({ _tag: "Dead", limit: options.limit }, placeOf(command)))

  planning(withGlobals(telegram.command("replay").argument("<update>", "its number, as telegram dead shows it", updateNumber)))
    .description("let an update that was given up be worked off once more; needs --reason")
    .option("--reason <text>", "why; on record for ever")
    .option("--key <key>", "idempotency key: the same key and request give the same answer")
    .action((update: number, options: PlanOptions & { readonly reason?: string; readonly key?: string }, command: Command) =>
      run({ _tag: "Replay", ask: { op: "chat_replay", update, reason: options.reason ?? null }, key: options.key ?? null, how: howOf(options) }, placeOf(command)))
  return program
}

/** Ages are milliseconds. */
export interface StatusRow {
  readonly bots: ReadonlyArray<{ readonly bot: string; readonly pending: number; readonly dead: number; readonly oldest_pending_ms: number | null; readonly offset: number | null }>
  readonly unsent: number
  readonly oldest_unsent_ms: number | null
  readonly buried: ReadonlyArray<{ readonly chat: string; readonly why: string; readonly at: number }>
}

export interface DeadUpdateRow {
  readonly bot: string
  readonly update: number
  readonly chat: string
  readonly tries: number
  readonly received_at: number
  readonly error: string | null
}

const when = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))
const oldest = (ms: number | null): string => (ms === null ? "" : `, oldest ${Math.floor(ms / 1000)} s`)

export const statusText = ({ bots, buried, oldest_unsent_ms: unsentMs, unsent }: StatusRow): string =>
  [
    ...(bots.length === 0 ? ["nothing was ever received"] : bots.map(({ bot, dead, oldest_pending_ms: pendingMs, offset, pending }) =>
      `bot ${oneLine(bot)}: ${pending} not worked off${oldest(pendingMs)}; ${dead} given up${offset === null ? "" : `; next update ${offset}`}`)),
    `outbox: ${unsent} not sent${oldest(unsentMs)}`,
    ...buried.map(({ at, chat, why }) => `chat ${oneLine(chat)} cannot be written to since ${when(at)}: ${oneLine(why)}`)
  ].join("\n")

export const deadText = (rows: ReadonlyArray<DeadUpdateRow>): string =>
  rows.length === 0
    ? "no update was given up"
    : rows.map(({ chat, error, received_at: atMs, tries, update }) => `${update} of chat ${oneLine(chat)}, received ${when(atMs)}, ${tries} tries: ${oneLine(error ?? "")}`.slice(0, 500)).join("\n")

export const replayedText = ({ chat, replayed }: ChatReplayAnswer): string => `update ${replayed} of chat ${oneLine(chat)} waits to be worked off again`
