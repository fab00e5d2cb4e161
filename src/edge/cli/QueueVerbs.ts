/** The words about queues: where a task stands, and pausing, resuming and looking at queues. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander"
import { keyMax, priorityMax, queuePattern, tenantPattern } from "../../domain/AskLimits.ts"
import type { AskTo, QueueAsk } from "../../domain/Command.ts"
import type { How } from "../../domain/Plan.ts"
import { howOf, planning, type PlanOptions } from "./PlanWords.ts"

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const isUnit = (text: string): text is keyof typeof unitMs => text in unitMs
/** Ten years, as `Placement.ts` has it. */
const longestMs = 315_576_000_000

/** `1500ms`, `30s`, `5m`, `2h`, `1d`, as milliseconds. */
const span = (text: string): number => {
  const [, digits = "", unit = ""] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = isUnit(unit) ? Number(digits) * unitMs[unit] : Infinity
  if (ms > longestMs) throw new InvalidArgumentError("a span is wanted, up to ten years: 1500ms, 30s, 5m, 2h or 1d")
  return ms
}

const instant = (text: string): number => {
  // Without its zone it would be another instant on another machine.
  const ms = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN
  if (!(ms >= 0)) throw new InvalidArgumentError("an instant with its zone is wanted: 2027-01-31T09:00:00Z or 2027-01-31T10:00+01:00")
  return ms
}

const fitting = (pattern: RegExp, sentence: string) => (text: string): string => {
  if (!pattern.test(text)) throw new InvalidArgumentError(sentence)
  return text
}
export const queueName = fitting(queuePattern, "a queue is named by 1 to 64 small letters, digits and . _ -, beginning with a letter or digit")
const tenantName = fitting(tenantPattern, "a tenant is named by 1 to 64 letters, digits and . _ @ : -, beginning with a letter or digit")

const key = (text: string): string => {
  if (text === "" || text.length > keyMax) throw new InvalidArgumentError(`a key has 1 to ${keyMax} characters`)
  return text
}

const priority = (text: string): number => {
  const value = Number(text)
  if (!/^[+-]?\d{1,3}$/.test(text) || Math.abs(value) > priorityMax) throw new InvalidArgumentError(`a whole number from ${-priorityMax} to ${priorityMax} is wanted`)
  return value
}

export interface PlaceOptions {
  readonly queue?: string
  readonly tenant?: string
  readonly priority?: number
  readonly concurrencyKey?: string
  readonly delay?: number
  readonly at?: number
  readonly unique?: string
  readonly uniqueScope?: "queued" | "active"
  readonly debounce?: string
  readonly maxWait?: number
}

/** Adds the words of a submit. */
export const placing = (command: Command): Command =>
  command
    .addOption(new Option("--queue <name>", "where it stands (default: as its kind says)").argParser(queueName))
    .addOption(new Option("--tenant <name>", "for whom; tenants of a queue share it evenly").argParser(tenantName))
    .addOption(new Option("--priority <n>", `from ${-priorityMax} to ${priorityMax}, the highest first`).argParser(priority))
    .addOption(new Option("--concurrency-key <key>", "runs beside no other task of its queue with this key").argParser(key))
    .addOption(new Option("--delay <span>", "not before this time has passed: 30s, 5m").argParser(span))
    .addOption(new Option("--at <instant>", "not before this instant: 2027-01-31T09:00:00Z").argParser(instant).conflicts("delay"))
    .addOption(new Option("--unique <key>", "answer the task of this kind that has the key already, if there is one").argParser(key))
    .addOption(new Option("--unique-scope <scope>", "for how long: until it starts, or until it has ended (default: active)").choices(["queued", "active"]))
    .addOption(new Option("--debounce <key>", "wait for --delay; a further request under the key replaces the payload and waits anew").argParser(key).conflicts(["unique", "at"]))
    .addOption(new Option("--max-wait <span>", "with --debounce: how long after the first request at most").argParser(span))

type Placed = Pick<AskTo<"submit">, "queue" | "tenant" | "priority" | "concurrency_key" | "delay_ms" | "at_ms" | "unique" | "debounce">

/** What the words come to. A word without the one that it goes with makes commander exit with a sentence. */
export const placedBy = (options: PlaceOptions, command: Command): Placed => {
  const { at, concurrencyKey, debounce, delay, maxWait, priority: wanted, queue, tenant, unique, uniqueScope } = options
  if (uniqueScope !== undefined && unique === undefined) command.error("opsgate: --unique-scope goes with --unique only")
  if (maxWait !== undefined && debounce === undefined) command.error("opsgate: --max-wait goes with --debounce only")
  if (debounce !== undefined && delay === undefined) command.error("opsgate: --debounce goes with --delay: how long it waits")
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(wanted === undefined ? {} : { priority: wanted }),
    ...(concurrencyKey === undefined ? {} : { concurrency_key: concurrencyKey }),
    ...(delay === undefined || debounce !== undefined ? {} : { delay_ms: delay }),
    ...(at === undefined ? {} : { at_ms: at }),
    ...(unique === undefined ? {} : { unique: { key: unique, scope: uniqueScope ?? "active" } }),
    ...(debounce === undefined ? {} : { debounce: { key: debounce, delay_ms: delay ?? 0, ...(maxWait === undefined ? {} : { max_wait_ms: maxWait }) } })
  }
}

interface SteerOptions extends PlanOptions {
  readonly reason?: string
  readonly key?: string
}

/** The verbs that pause and resume a queue. */
export const addQueueVerbs = (
  queue: Command,
  withGlobals: (command: Command) => Command,
  run: (ask: QueueAsk, key: string | null, how: How, command: Command) => Promise<void>
): void => {
  const steering = (op: QueueAsk["op"], verb: string, description: string) =>
    planning(withGlobals(queue.command(verb)).addArgument(new Argument("<queue>").argParser(queueName)))
      .description(description)
      .option("--reason <text>", "why; on record for ever")
      .option("--key <key>", "idempotency key: the same key and request give the same answer")
      .action((name: string, options: SteerOptions, command: Command) =>
        run({ op, queue: name, reason: options.reason ?? null }, options.key ?? null, howOf(options), command))
  steering("pause_queue", "pause", "hand out nothing more of a queue, what runs goes on; needs --reason")
  steering("resume_queue", "resume", "hand out its tasks again; needs --reason")
}
