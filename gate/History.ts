/**
 * The history of a run: log, ledger and journal of every scenario, as read from the files in the bundle.
 * `docs/gate.md` and `docs/event-log.md` describe the formats. Nothing here comes from the product's code.
 */

/** One line of `events/<scenario>.jsonl`. */
export interface LogEvent {
  readonly v: number
  readonly stream: string
  readonly seq: number
  readonly at: number
  readonly type: string
  readonly task: string | null
  readonly trace: string | null
  readonly actor: string
  readonly payload: Readonly<Record<string, unknown>> | null
  readonly payload_sha256: string
  readonly prev: string
  readonly hash: string
}

/** One line of `effects/<scenario>.jsonl`, written by the executed command itself. */
export interface Effect {
  readonly phase: "start" | "done"
  readonly task: string
  readonly dispatch_key: string
  readonly attempt: number
  readonly generation: number
  readonly pid: number
  /** Monotonic clock of the machine, milliseconds. */
  readonly mono_ms: number
}

export const faultClasses = ["sigkill", "sigstop", "replay", "poll_fault", "send_fault", "command_lost", "busy", "full", "io", "sync", "clock",
  "sigterm", "sigterm_twice", "second_server", "wal_damage", "read_only"] as const
export type FaultClass = (typeof faultClasses)[number]

export const targets = ["running", "claimed", "effect", "stored", "poll", "update", "report", "commit"] as const
export type Target = (typeof targets)[number]

/** How a scenario goes: `gate/chaos/script/` has one file for each. */
export const scripts = ["restart", "pause", "replay", "standstill", "polls", "reports", "commits", "own", "full_disk", "io_errors", "read_only", "clock", "power_loss", "terminate", "rival", "clock_set", "damage", "file_protected", "window", "simulated"] as const
export type Script = (typeof scripts)[number]

/** `scenarios/<profile>/<id>.json`; the schema is `scenarios/scenario.schema.json`. */
export interface Scenario {
  readonly v: 1
  readonly id: string
  readonly title: string
  /** What must hold in spite of the faults, in one sentence. */
  readonly hypothesis: string
  readonly traffic_class: "fault" | "prodlike" | "operator"
  readonly seed: number
  readonly workload: {
    readonly script: Script
    readonly tasks: number
    readonly heavy_ppm: number
    readonly concurrency: number
  }
  readonly faults: ReadonlyArray<{ readonly class: FaultClass; readonly must_hit: Target; readonly count: number }>
  readonly limits: {
    readonly wall_ms: number
    readonly lease_ms: number
    readonly summaries: number
    /** How long the answer to a command may take; a scenario that does not say it has no commands with a deadline. */
    readonly command_ms?: number
    /** How many trials to make; only of a scenario that makes trials. */
    readonly trials?: number
  }
}

export interface Request {
  readonly key: string
  readonly kind: string
  readonly class: "light" | "heavy"
  /** The id that was answered; null when no answer came. */
  readonly task: string | null
  readonly expect: { readonly states: ReadonlyArray<string>; readonly done_min: number; readonly done_max: number }
  /** When its end is due, Unix milliseconds. */
  readonly due_at?: number
  /** Requests of one spec ask for the same work again; what comes of them is compared. */
  readonly spec?: string
}

/** A command that was sent again on purpose. `task` is what the repeat answered, `first_task` what the first answered. */
export interface Replay {
  readonly key: string
  readonly op: string
  readonly same_payload: boolean
  readonly exit: number
  readonly task: string | null
  readonly first_task: string | null
}

export interface Fault {
  readonly id: string
  readonly class: FaultClass
  readonly must_hit: Target
  readonly at: number
  readonly seed: number
  /**
   * Tasks that were in the state the fault must hit, as seen from outside. Of `poll` the polls that it struck, of `update` the keys of
   * commands in chats that the log did not have yet. Empty: the fault did not hit.
   */
  readonly hit: ReadonlyArray<string>
  /** Written by the operating system or the subject, never by the injector. */
  readonly witness: { readonly kind: WitnessKind; readonly detail: string } | null
  /** When it was taken away again; without it, it is over as soon as it struck. */
  readonly until?: number
  /** Of `commit` the point of the run at which it struck, one of the points of the journal. */
  readonly point?: string
  /** `at` and `until` on the clock of the chat service, where that of the machine had been set and shows another time. */
  readonly service_at?: number
  readonly service_until?: number
  /** Of a clock that was set on this machine: by how many milliseconds. */
  readonly by_ms?: number
}

/** `exit`, `proc_stat`, `locks` and `errno` are the kernel's; `answer` and `record` are the subject's. */
export const witnessKinds = ["exit", "proc_stat", "locks", "errno", "answer", "record"] as const
export type WitnessKind = (typeof witnessKinds)[number]

/** A process of the product that met a fault: what it was asked for, how it ended, and what it printed. Judged by `promisesKept`. */
export interface Encounter {
  /** The id of the fault. */
  readonly fault: string
  /** The words of its command line. */
  readonly asked: string
  readonly pid: number
  /** When the fault met it, and when it had ended, Unix milliseconds. */
  readonly from: number
  readonly to: number
  readonly code: number | null
  readonly signal: string | null
  /** What it printed to people, the end of it. */
  readonly said: string
  /** SHA-256 of the database and its write-ahead log before and after, where nobody else wrote meanwhile. */
  readonly files?: { readonly before: string; readonly after: string }
}

export interface Sample {
  readonly at: number
  /** The JSON that `ops-summary --json` printed. */
  readonly summary: unknown
}

export interface Row {
  readonly id: string
  readonly state: string
  readonly [column: string]: unknown
}

export interface Restart {
  readonly before: ReadonlyArray<Row>
  readonly after: ReadonlyArray<Row>
}

/** A command that a person gave in a chat, by words or by a button. */
export interface ChatCommand {
  readonly update: number
  /** Under which the log must have it. */
  readonly key: string
  readonly chat: number
  readonly person: string
  readonly op: "submit" | "approve" | "resume"
  /** What it is about; null for what it asks for, or where that is nothing. */
  readonly task: string | null
  /** What must come of it. `nothing`: a button pressed twice, somebody who may not, a stranger. */
  readonly expect: "once" | "nothing"
  /** When it was given, Unix milliseconds. */
  readonly at?: number
  /** The message that it was; null for a pressed button. */
  readonly message?: number | null
  /** The press of a button; null for words. */
  readonly query?: string | null
  /** What it is to the product, as whoever gave it knows; without it, `valid` where it must have an effect and `repeat` else. */
  readonly standing?: Standing
}

/** `malformed`: words that are no command or make none; `unauthorised`: somebody who may not; `over_quota`: more than he may give; `repeat`: once more. */
export const standings = ["valid", "malformed", "unauthorised", "over_quota", "repeat"] as const
export type Standing = (typeof standings)[number]

/** Polls that went wrong one after the other, and the commands that were given meanwhile. */
export interface Burst {
  readonly id: string
  /** What went wrong, in the words of the chat service. */
  readonly kind: string
  readonly at: number
  /** The calls that it struck, by `seq`. */
  readonly struck: ReadonlyArray<number>
  /** Keys of the commands that were given while it lasted. */
  readonly keys: ReadonlyArray<string>
}

/** A call of the product, as the chat service has it on record. */
export interface ChatCall {
  readonly seq: number
  readonly at: number
  /** Null: it never ended. */
  readonly took_ms: number | null
  readonly method: string
  readonly chat: number | null
  readonly text: string | null
  /** Updates that it brought. */
  readonly updates: ReadonlyArray<number>
  readonly faults: ReadonlyArray<string>
  /** 200: it was carried out, whether or not its answer arrived. */
  readonly status: number | null
  readonly answered: boolean
  /** The message that it replies to; null when it replies to none. */
  readonly replies?: number | null
  /** The press of a button that it answers; null when it answers none. */
  readonly query?: string | null
}

/** What a chat service saw. */
export interface ChatHistory {
  readonly commands: ReadonlyArray<ChatCommand>
  readonly bursts: ReadonlyArray<Burst>
  readonly calls: ReadonlyArray<ChatCall>
  /** Calls beyond the limits of the service. */
  readonly violations: ReadonlyArray<{ readonly at: number; readonly scope: string; readonly method: string; readonly early: boolean }>
}

/** What clients ask of a task and read of it, as far as its linearizability is checked. */
export const operationNames = ["submit", "approve", "reject", "resume", "cancel", "read"] as const
export type OperationName = (typeof operationNames)[number]

/** One try of a client. A repeat, also of the same client, is an operation of its own with the same key. */
export interface Operation {
  readonly op: OperationName
  /** Its idempotency key; null where it has none, as reads. */
  readonly key: string | null
  /** The task that it is about; of a submit the one that was answered, null when none was. */
  readonly task: string | null
  /** Milliseconds of one clock for all operations of a scenario, fractions allowed. Between the two instants it took effect, if it did. */
  readonly invoked: number
  /** Null: no answer came, so it may have happened, then or later, or not at all. */
  readonly answered: number | null
  /**
   * The state that was answered, `OUTCOME_UNKNOWN`, or `refused`, which is said of the state of the task; null exactly where no answer came.
   * What is refused because of who asked, or because its key stands for something else, says nothing of the task, and is not recorded.
   */
  readonly answer: string | null
}

/** What the configuration of a scenario says of a kind. */
export interface DeclaredKind {
  /** Attempts in all; what is lost with a worker is none. */
  readonly attempts: number
  /** The pause after the n-th failure is at most the lesser of `cap_ms` and `base_ms` × 2^(n − 1). */
  readonly base_ms: number
  readonly cap_ms: number
  /** How long a request waits for people, and an approval stays good. */
  readonly approval_ttl_ms: number
  /** Whether its work may fail although nothing breaks. */
  readonly fails: boolean
}

/** Where a scenario was played: by processes of this machine, in the simulation, or by people with the product in use. */
export const worlds = ["machine", "simulation", "production"] as const
export type World = (typeof worlds)[number]

/** What is known of a window of production beside its log. Its start and end are those of its journal. */
export interface WindowFacts {
  /** Time zone of the machine on which the log was read, an IANA name. */
  readonly zone: string
  /** Events in the window whose payload retention had cut away. */
  readonly pruned: number
}

/** How a span of use is counted: part of a scorecard that is judged on production, and so fixed beforehand. */
export interface WindowRules {
  /** Whose days count, an IANA name; null: the zone of the machine on which the log is read. */
  readonly zone: string | null
  /** What is no use but a test: kinds, where a final `*` stands for any ending, and actors who asked. */
  readonly tests: { readonly kinds: ReadonlyArray<string>; readonly actors: ReadonlyArray<string> }
  /** Actors that are programs, and take nobody's time. */
  readonly machines: ReadonlyArray<string>
  /** Instants in ISO 8601. One that was announced after the start of the window does not count. */
  readonly maintenance: ReadonlyArray<{ readonly from: string; readonly to: string; readonly announced: string; readonly why: string }>
}

/** A step that a project declares, as its code said it when it was taken. */
export interface OwnStep {
  /** `step "charge"`, or the command of a kind. */
  readonly place: string
  readonly effect: string
  readonly timeout: boolean
  readonly probe: boolean
}

/**
 * What a repeat of an act comes to. `begins`: the body of a step began. `append`, `request`, `program`: twice is twice. `replace`, `safe`, `keyed`:
 * once and twice are the same, or the act carries a key of its own.
 */
export const actSorts = ["begins", "append", "request", "program", "replace", "safe", "keyed"] as const

/** The code of a project acted on the world outside, or a body began; written down within its process, and not by the product. */
export interface Act {
  readonly task: string
  /** A step, or between which steps. */
  readonly place: string
  /** Whether the place is a step. */
  readonly step: boolean
  /** One time through the place. */
  readonly pass: string
  /** Counts the acts of a pass. */
  readonly n: number
  /** Null: the body began. */
  readonly what: string | null
  readonly sort: (typeof actSorts)[number]
  /** Whether it carried the dispatch key of its step. */
  readonly keyed: boolean
}

/** What is known of a kind of a project that was killed at every commit. */
export interface OwnHistory {
  readonly kind: string
  /** Every kind of the project, and why it was not played; null for what was. */
  readonly kinds: ReadonlyArray<{ readonly kind: string; readonly unjudged: string | null }>
  readonly steps: ReadonlyArray<OwnStep>
  readonly acts: ReadonlyArray<Act>
}

export interface Journal {
  readonly v: 1
  readonly scenario: Scenario
  readonly seed: number
  readonly started_at: number
  readonly ended_at: number
  /** Whether the scenario ran to its end, not whether all was well. */
  readonly status: "completed" | "aborted"
  readonly note: string | null
  readonly requests: ReadonlyArray<Request>
  readonly replays: ReadonlyArray<Replay>
  readonly faults: ReadonlyArray<Fault>
  readonly summaries: ReadonlyArray<Sample>
  readonly restarts: ReadonlyArray<Restart>
  /** Only of a scenario with chats. */
  readonly chat?: ChatHistory
  /** `machine` when it is not said. */
  readonly world?: World
  /** Only of a window of production. */
  readonly window?: WindowFacts
  /** What clients asked and were told, in the order in which they asked; a scenario that does not record it has none. */
  readonly operations?: ReadonlyArray<Operation>
  /** Every point at which the process was to be killed, as a run without a kill enumerated them. */
  readonly points?: ReadonlyArray<string>
  /** Only of a project of somebody's own. */
  readonly own?: OwnHistory
  /** By name, the kinds of its configuration. */
  readonly kinds?: Readonly<Record<string, DeclaredKind>>
  /** How the product met faults that it has to answer in a certain way. */
  readonly encounters?: ReadonlyArray<Encounter>
  /** Only of a scenario that breaks what the product stands on, with tools of the operating system. */
  readonly trials?: ReadonlyArray<Trial>
}

/** What a trial takes away: what is not synced, a read or write of a file, room, the right to write, the right time. */
export const trialKinds = ["power_loss", "io_error", "full_disk", "read_only", "clock"] as const
export type TrialKind = (typeof trialKinds)[number]

/** One look at the product in a trial: what may be seen there by what the docs promise, and what was seen. */
export interface Look {
  readonly what: string
  readonly promised: ReadonlyArray<string>
  readonly seen: string
}

/** Something that was broken once with a tool of the operating system, and everything that was looked at then. */
export interface Trial {
  readonly id: string
  readonly kind: TrialKind
  /** What was broken, in a few words. */
  readonly sort: string
  /** SHA-256 of what was tried. What was tried before is no further sample. */
  readonly digest: string
  /** Written by the operating system or the subject, never by the injector; null: it did not strike. */
  readonly witness: Fault["witness"]
  readonly looks: ReadonlyArray<Look>
  /** Only of a power cut: the last event that had been acknowledged, and the end of the log that was there afterwards; null: none could be read. */
  readonly log?: { readonly acknowledged: number; readonly found: { readonly seq: number; readonly hash: string } | null }
  /** Syncs were ignored on purpose: a checker that can fail finds a loss here. */
  readonly lie?: true
}

/** What one scenario left behind. A part that is `null` was not found. */
export interface ScenarioHistory {
  readonly id: string
  readonly journal: Journal | null
  readonly events: ReadonlyArray<LogEvent> | null
  readonly effects: ReadonlyArray<Effect> | null
}

/** A test by its file and its whole name, the names of its suites before it, divided by ` > `. */
export interface TestName {
  readonly file: string
  readonly name: string
}

/** `tests/control.json`: the tests that were declared to hold the control invariants, and what became of each that was run. */
export interface ControlTests {
  readonly v: 1
  readonly declared: ReadonlyArray<TestName>
  readonly results: ReadonlyArray<TestName & { readonly status: "passed" | "failed" | "skipped" }>
}

/** One seed of the simulation. Its log is kept only when something failed; its digest always. */
export interface SeedRun {
  readonly seed: number
  /** SHA-256 of its event log. */
  readonly digest: string
  readonly events: number
  readonly virtual_ms: number
  /** Names of the measures that found something bad, or could not be measured. */
  readonly failed: ReadonlyArray<string>
  /** By class, how many fault instants struck what they had to strike. */
  readonly hits: Readonly<Record<string, number>>
  /** What came about in it, by name: tasks that succeeded, failed, were rescued; writes that were fenced … */
  readonly seen: Readonly<Record<string, number>>
  /** Whether a second run of the seed gave the same digest; null when there was none. */
  readonly twice: boolean | null
}

/** `simulation/seeds.json`: what was declared before the run, and every seed that was run. */
export interface Simulation {
  readonly v: 1
  readonly declared: {
    readonly seeds: number
    readonly twice: number
    readonly fault_classes: ReadonlyArray<string>
    /** Names of the measures by which every seed is judged. */
    readonly measures: ReadonlyArray<string>
  }
  readonly seeds: ReadonlyArray<SeedRun>
}

/** What is broken on purpose: what a bundle holds, what it lacks, what was once passed off as a pass, the product itself. */
export const mutantFamilies = ["tampering", "absence", "ancestor", "runtime"] as const
export type MutantFamily = (typeof mutantFamilies)[number]

/** What a checker said, by the name of the check. `PASS` is green, anything else is not. */
export type VerdictMap = Readonly<Record<string, string>>

/** Something that was broken on purpose, and everything that the checker said then. */
export interface Mutation {
  readonly id: string
  readonly family: MutantFamily
  /** What was broken, in one sentence. */
  readonly what: string
  /** Which baseline it was made from. */
  readonly baseline: string
  /** What has to turn red. */
  readonly must_flip: ReadonlyArray<string>
  /** What else may change, and why; `*` stands for everything. */
  readonly may_flip: Readonly<Record<string, string>>
  /** SHA-256 of what was changed, after the change; null when it was not executed: for an error, or because no check asks for it. */
  readonly digest: string | null
  /** The whole map of verdicts; empty when it was not executed. */
  readonly after: VerdictMap
  /** Why it could not be executed. */
  readonly error: string | null
}

/** `selftest/mutations.json`: what the checker says of what was not broken, and of everything that was. */
export interface SelfTest {
  readonly v: 1
  readonly baselines: Readonly<Record<string, { readonly digest: string; readonly verdicts: VerdictMap }>>
  readonly mutations: ReadonlyArray<Mutation>
}

/** A part that is null or absent was not there. */
export interface RunHistory {
  readonly scenarios: ReadonlyArray<ScenarioHistory>
  readonly control?: ControlTests | null
  readonly simulation?: Simulation | null
  /** Those of the scorecard that judges, if it has any. */
  readonly rules?: WindowRules
  readonly selfTest?: SelfTest | null
}
