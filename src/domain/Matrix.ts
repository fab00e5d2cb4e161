/**
 * The timeout and retry matrix: for each subsystem how long it waits, how often and after which pauses it tries again, what it tries
 * again after, what happens when that is exhausted, and who may try then. The loops of the product take their figures from here;
 * `test/policy/matrix.test.ts` finds the ones that do not. Pure data.
 */
import type { Pauses } from "./Backoff.ts"

/** What a timeout bounds. */
export const timeoutClasses = {
  decision: "from the arrival of a command to its commit",
  queue: "schedule to start: a task that is due waits for a worker",
  run: "start to close: one attempt, step or pass, from its start to its end",
  silence: "heartbeat: since the last sign of life",
  exchange: "one request to somebody outside, until its answer is complete",
  long_poll: "one request that is answered when there is news, its own waiting time included",
  lock: "until somebody else lets go of something, or gets ready"
} as const
export type TimeoutClass = keyof typeof timeoutClasses

/** Who tries again when the budget is exhausted. */
export type Retrier = "engine" | "operator" | "nobody"

export interface Row {
  readonly what: string
  readonly class: TimeoutClass
  /** Null: no limit, or only one that `setting` names. */
  readonly timeoutMs: number | null
  /** The setting that says otherwise; a member of the configuration. */
  readonly setting: string | null
  /** Null: one try. */
  readonly retry: Pauses | null
  /** The codes after which it is tried again. The list is closed: any other code ends it at once. `*` stands for all of them. */
  readonly transient: ReadonlyArray<string>
  readonly exhausted: string
  readonly then: Retrier
  /** The least time from the begin of one round to the begin of the next, for what goes on for ever. */
  readonly roundMs: number | null
  /** False: the figures are fixed, what they are for is not built yet. */
  readonly inForce: boolean
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Codes of the operating system for a connection that may be there a moment later. */
const network = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EAI_AGAIN", "ENOTFOUND"] as const
/** Answers of a server that may be another one a moment later. */
const serverTrouble = ["http_429", "http_500", "http_502", "http_503", "http_504"] as const

/** A call over HTTP that may be answered a moment later. */
const callTrouble = ["timeout", "unreadable", ...network, ...serverTrouble] as const
/** What the Bot API refuses while something else has its turn, or is not set up yet; only an unknown token is for good. */
const refusedForNow = ["http_400", "http_403", "http_409"] as const

/** Why a store does not take a change now. Not `closed`: then this process stops. */
const storeTrouble = ["busy", "full", "read_only", "io", "damaged", "other"] as const

/** Any failure of work that is not ours to know, unless it says that it is final. Stands alone. */
const anything = ["*"] as const

/** The default of attempts of a task, by its class. */
export const attemptsByDefault = { light: 3, heavy: 1 } as const

/** A task that lost so many runs with their worker is ended: it may be what ends its server. */
export const lossesMax = 10

const nothing: ReadonlyArray<string> = []
const usual = { setting: null, retry: null, transient: nothing, roundMs: null, inForce: true } as const satisfies Partial<Row>

export const matrix = {
  command: {
    ...usual,
    what: "a command at a door of the program, whatever its channel",
    class: "decision",
    timeoutMs: 10 * second,
    setting: "command_timeout_ms",
    exhausted: "it is withdrawn from the writer's queue: nothing of it is stored, the caller is told so, `command.timed_out` is recorded",
    then: "operator"
  },
  command_answer: {
    ...usual,
    what: "a client that waits for the server's answer on the socket",
    class: "exchange",
    timeoutMs: 30 * second,
    exhausted: "exit code 69; it may or may not have been decided: a repeat with the same key is safe",
    then: "operator"
  },
  instance_lock: {
    ...usual,
    what: "a command or server that waits for another process to let go of the instance lock",
    class: "lock",
    timeoutMs: 5 * second,
    retry: { baseMs: 50, capMs: 100, attemptsMax: null, totalMs: 5 * second, askedMaxMs: null },
    transient: ["InstanceLocked"],
    exhausted: "exit code 5",
    then: "operator"
  },
  dispatch: {
    ...usual,
    what: "a queued task that is due, until a worker claims it",
    class: "queue",
    timeoutMs: null,
    setting: "kinds.<name>.schedule_to_start_ms",
    exhausted: "EXPIRED, `schedule_to_start_timeout`",
    then: "operator",
    roundMs: 50
  },
  prepare: {
    ...usual,
    what: "a supervisor that gets ready before its command may start",
    class: "lock",
    timeoutMs: 10 * second,
    retry: { baseMs: 100, capMs: minute, attemptsMax: lossesMax, totalMs: null, askedMaxMs: null },
    transient: ["lease_lost", "exec_unavailable", "lease_expired"],
    exhausted: "FAILED, `recovery_attempts_exceeded`; no attempt was spent",
    then: "operator"
  },
  attempt: {
    ...usual,
    what: "one attempt of a task",
    class: "run",
    timeoutMs: 10 * minute,
    setting: "kinds.<name>.timeout_ms",
    retry: { baseMs: second, capMs: minute, attemptsMax: attemptsByDefault.light, totalMs: null, askedMaxMs: null },
    transient: anything,
    exhausted: "FAILED and in the dead letter; EXPIRED where `schedule_to_close_ms` has passed; in the middle of something dangerous: unknown outcome",
    then: "operator"
  },
  attempt_in_code: {
    ...usual,
    what: "the same for a task in code, without the time in which it is parked",
    class: "run",
    timeoutMs: hour,
    setting: "Task.define(…, { timeouts: { startToClose } })",
    retry: { baseMs: second, capMs: minute, attemptsMax: attemptsByDefault.light, totalMs: null, askedMaxMs: null },
    transient: anything,
    exhausted: "as above",
    then: "operator"
  },
  heartbeat: {
    ...usual,
    what: "a run without a sign of life",
    class: "silence",
    timeoutMs: null,
    setting: "kinds.<name>.heartbeat_ms",
    exhausted: "a failed attempt, `heartbeat_timeout`, tried again as attempts are; in the middle of something dangerous: unknown outcome",
    then: "engine"
  },
  step: {
    ...usual,
    what: "one try of a step in code",
    class: "run",
    timeoutMs: null,
    setting: "ctx.step(…, { timeout })",
    retry: { baseMs: 100, capMs: 5 * second, attemptsMax: 1, totalMs: null, askedMaxMs: null },
    transient: anything,
    exhausted: "the step fails with its code, `step_timeout` for its time; a dangerous one asks its probe, then a person",
    then: "engine"
  },
  undo: {
    ...usual,
    what: "one try to undo a step",
    class: "run",
    timeoutMs: 10 * minute,
    retry: { baseMs: 100, capMs: 5 * second, attemptsMax: 3, totalMs: null, askedMaxMs: null },
    transient: anything,
    exhausted: "FAILED, `undo_failed`; what is left to undo stands in its steps",
    then: "operator"
  },
  lease: {
    ...usual,
    what: "the lease of a server's epoch, renewed four times in its length",
    class: "silence",
    timeoutMs: 15 * second,
    setting: "lease_ms",
    exhausted: "a new epoch; the runs of the old one are looked after, then taken back",
    then: "engine"
  },
  store_lock: {
    ...usual,
    what: "a change that waits for a lock of another program on the file",
    class: "lock",
    timeoutMs: 5 * second,
    retry: { baseMs: 2, capMs: 50, attemptsMax: null, totalMs: 5 * second, askedMaxMs: null },
    transient: ["SQLITE_BUSY", "SQLITE_LOCKED"],
    exhausted: "nothing of it is stored, `busy`; the store is in trouble until a change gets through",
    then: "engine"
  },
  store_write: {
    ...usual,
    what: "a change of the runtime's own (a result, an epoch, a tick), and what its loops read",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: 20, capMs: 2 * second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: storeTrouble,
    exhausted: "never: it goes on until it is stored or refused, or the process stops; then the next start finds out",
    then: "engine"
  },
  storage_look: {
    ...usual,
    what: "a look whether a store in trouble takes changes again",
    class: "run",
    timeoutMs: null,
    exhausted: "never; nothing is begun meanwhile, and `ops-summary` says since when",
    then: "engine",
    roundMs: 250
  },
  runs_look: {
    ...usual,
    what: "a look whether the storage of runs can be written again",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: 250, capMs: 10 * second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: ["full", "read_only", "io", "no_handles"],
    exhausted: "never; no command is begun meanwhile",
    then: "engine"
  },
  exit_record: {
    ...usual,
    what: "a record of a command that is there and cannot be read",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: 200, capMs: 200, attemptsMax: 6, totalMs: null, askedMaxMs: null },
    transient: ["Unreadable"],
    exhausted: "as if there were none: dangerous, an unknown outcome; otherwise a failed attempt",
    then: "operator"
  },
  command_end: {
    ...usual,
    what: "a look whether a command has ended, besides the word of its folder",
    class: "run",
    timeoutMs: null,
    exhausted: "never: its supervisor ends it at the timeout of its attempt",
    then: "engine",
    roundMs: 500
  },
  survivors: {
    ...usual,
    what: "processes that outlived their supervisor, from SIGTERM to SIGKILL",
    class: "lock",
    timeoutMs: 2 * second,
    exhausted: "SIGKILL, five rounds; who is left is counted",
    then: "nobody",
    roundMs: 20
  },
  schedule_tick: {
    ...usual,
    what: "a schedule that could not be decided",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: 5 * second, capMs: 5 * second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: anything,
    exhausted: "never; the others go on, and its late ticks are caught up as it says",
    then: "engine",
    roundMs: 20
  },
  expiry: {
    ...usual,
    what: "what time alone ends: approvals, queued tasks",
    class: "run",
    timeoutMs: null,
    exhausted: "never",
    then: "engine",
    roundMs: 20
  },
  bulk_batch: {
    ...usual,
    what: "a batch of a bulk command of which something could not be stored",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: second, capMs: second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: storeTrouble,
    exhausted: "a task that fails again and again is given up; the rest goes on",
    then: "operator"
  },
  retention_pass: {
    ...usual,
    what: "a pass that gives up what is old",
    class: "run",
    timeoutMs: null,
    setting: "retention",
    retry: { baseMs: 10 * second, capMs: 10 * second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: storeTrouble,
    exhausted: "never; the next pass goes on where it was",
    then: "engine",
    roundMs: 5 * minute
  },
  health_check: {
    ...usual,
    what: "a look whether a server answers on its socket",
    class: "exchange",
    timeoutMs: 3 * second,
    exhausted: "it is reported as silent",
    then: "operator"
  },
  storage_question: {
    ...usual,
    what: "a verb that asks the server how its storage is",
    class: "exchange",
    timeoutMs: second,
    exhausted: "the storage is looked at from outside",
    then: "nobody"
  },
  wait_look: {
    ...usual,
    what: "a look of somebody who waits for the end of a task, besides its word",
    class: "run",
    timeoutMs: null,
    setting: "--wait",
    exhausted: "exit code 124",
    then: "operator",
    roundMs: 100
  },
  module_load: {
    ...usual,
    what: "a module of workflows that is imported at the start",
    class: "run",
    timeoutMs: 10 * second,
    exhausted: "the configuration is refused, exit code 2",
    then: "operator"
  },
  telegram_poll: {
    ...usual,
    what: "one long poll for updates; Telegram is asked to hold it for 25 s",
    class: "long_poll",
    timeoutMs: 35 * second,
    retry: { baseMs: second, capMs: 15 * second, attemptsMax: null, totalMs: null, askedMaxMs: hour },
    // 409: the long poll of the process before may still hang.
    transient: [...callTrouble, ...refusedForNow, ...storeTrouble],
    exhausted: "never, but for 401 and 404: the service does not know the token; no update is lost, since one is confirmed only after it is stored",
    then: "engine",
    roundMs: 25
  },
  telegram_start: {
    ...usual,
    what: "a call with which the bot begins: its name, the webhook set or taken away",
    class: "exchange",
    timeoutMs: 15 * second,
    retry: { baseMs: second, capMs: minute, attemptsMax: null, totalMs: null, askedMaxMs: hour },
    transient: [...callTrouble, ...refusedForNow],
    exhausted: "never, but for 401 and 404: the bot stops, and /ops says so",
    then: "engine"
  },
  chat_inbox: {
    ...usual,
    what: "a look for updates that wait to be worked off",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: 250, capMs: 10 * second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: storeTrouble,
    exhausted: "never",
    then: "engine",
    roundMs: 1
  },
  chat_update: {
    ...usual,
    what: "one update that is worked off",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: second, capMs: minute, attemptsMax: 6, totalMs: null, askedMaxMs: null },
    transient: anything,
    exhausted: "it is dead: it is kept, those behind it go on, `opsgate telegram dead` shows it and `replay` tries it again",
    then: "operator"
  },
  chat_outbox: {
    ...usual,
    what: "a look for messages that wait to be sent; and the mark of one that was",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: 250, capMs: 10 * second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: storeTrouble,
    exhausted: "never; a message that was sent is not sent again because its mark could not be stored",
    then: "engine",
    roundMs: 1
  },
  chat_relay: {
    ...usual,
    what: "a look for what people are to be told, and for cards whose task has changed",
    class: "run",
    timeoutMs: null,
    retry: { baseMs: 250, capMs: 10 * second, attemptsMax: null, totalMs: null, askedMaxMs: null },
    transient: storeTrouble,
    exhausted: "never",
    then: "engine",
    roundMs: 200
  },
  telegram_send: {
    ...usual,
    what: "one message to one chat",
    class: "exchange",
    timeoutMs: 15 * second,
    retry: { baseMs: second, capMs: 30 * second, attemptsMax: 5, totalMs: 5 * minute, askedMaxMs: 5 * minute },
    transient: callTrouble,
    exhausted: "it goes on at the pace of `outbox_delivery`",
    then: "engine"
  },
  telegram_toast: {
    ...usual,
    what: "the word of a moment that answers a press; the service takes it for about 15 s",
    class: "exchange",
    timeoutMs: 12 * second,
    retry: { baseMs: 500, capMs: 2 * second, attemptsMax: 5, totalMs: 12 * second, askedMaxMs: 12 * second },
    transient: callTrouble,
    exhausted: "nothing: what became of the press is told by its card",
    then: "nobody"
  },
  outbox_delivery: {
    ...usual,
    what: "one delivery of a stored message",
    class: "run",
    timeoutMs: 6 * minute,
    retry: { baseMs: 5 * second, capMs: 15 * minute, attemptsMax: 200, totalMs: day, askedMaxMs: hour },
    transient: ["timeout", "spent"],
    exhausted: "it stays stored as undelivered, and is on record as `chat.undeliverable`",
    then: "operator"
  }
} as const satisfies Record<string, Row>

export type Subsystem = keyof typeof matrix

const isSubsystem = (name: string): name is Subsystem => Object.hasOwn(matrix, name)

/** All rows by name, in the order of the document. */
export const rows: ReadonlyArray<readonly [Subsystem, Row]> = Object.entries(matrix).flatMap(([name, row]): ReadonlyArray<readonly [Subsystem, Row]> => (isSubsystem(name) ? [[name, row]] : []))
