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

export const faultClasses = ["sigkill", "sigstop", "replay", "poll_fault", "send_fault"] as const
export type FaultClass = (typeof faultClasses)[number]

export const targets = ["running", "claimed", "effect", "stored", "poll", "update", "report"] as const
export type Target = (typeof targets)[number]

/** How a scenario goes: `gate/chaos/script/` has one file for each. */
export const scripts = ["restart", "pause", "replay", "standstill", "polls", "reports"] as const
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
  readonly limits: { readonly wall_ms: number; readonly lease_ms: number; readonly summaries: number }
}

export interface Request {
  readonly key: string
  readonly kind: string
  readonly class: "light" | "heavy"
  /** The id that was answered; null when no answer came. */
  readonly task: string | null
  readonly expect: { readonly states: ReadonlyArray<string>; readonly done_min: number; readonly done_max: number }
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
  readonly witness: { readonly kind: "exit" | "proc_stat" | "answer" | "record"; readonly detail: string } | null
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
}

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
}

/** What a chat service saw. */
export interface ChatHistory {
  readonly commands: ReadonlyArray<ChatCommand>
  readonly bursts: ReadonlyArray<Burst>
  readonly calls: ReadonlyArray<ChatCall>
  /** Calls beyond the limits of the service. */
  readonly violations: ReadonlyArray<{ readonly at: number; readonly scope: string; readonly method: string; readonly early: boolean }>
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
}

/** What one scenario left behind. A part that is `null` was not found. */
export interface ScenarioHistory {
  readonly id: string
  readonly journal: Journal | null
  readonly events: ReadonlyArray<LogEvent> | null
  readonly effects: ReadonlyArray<Effect> | null
}

export interface RunHistory {
  readonly scenarios: ReadonlyArray<ScenarioHistory>
}
