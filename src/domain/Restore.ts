/**
 * What a restore from a backup means for the tasks in it. The backup cannot know what ran after it was made, so whatever may have
 * done something dangerous since is parked as an unknown outcome, and every lease is void. Where the log of the lost file can still
 * be read, exactly what it shows is parked. `docs/adr/0013-restore.md` has the reasons.
 */
import { Schema } from "effect"
import { isBlank } from "./AskLimits.ts"
import { about, type Decision, entered, granted, refused } from "./Decision.ts"
import { type Command, commandFacts, type StoreAsk } from "./Command.ts"
import { opened, reclaim, unanswered } from "./Execution.ts"
import type { Intent } from "./Intent.ts"
import { askedAnew, openHolds } from "./Governance.ts"
import type { Now } from "./Now.ts"
import { asked } from "./Request.ts"
import { ReasonMissing } from "./Refusal.ts"
import { generationLeap, isHeld, nextGeneration, type Restored, restoredCode } from "./Restored.ts"
import type { Step, StepChange, StepDraft } from "./Step.ts"
import { isIn, type Task, type TaskIn } from "./Task.ts"
import type { EventDraft } from "./TaskEvent.ts"
import { move } from "./Transition.ts"

const worker = "restore"

/** The backup that a file was restored from, and what is known of the file that it replaces. */
export interface Origin {
  readonly file: string
  readonly seq: number
  readonly hash: string
  readonly madeAtMs: number
  /** The highest generation in the backup. */
  readonly generationMax: number
  /** The last event that was acknowledged before, if the watermark of the replaced file tells. */
  readonly knownSeq: number | null
  /** Whether the log of the lost file told what began after the backup. */
  readonly oldLog: boolean
}

/** The first decision in a restored file: where it comes from, and that nothing begins until somebody says so. */
export const restoredFrom = (origin: Origin, actor: string, now: Now): Decision<Restored> => {
  const before = now.restored ?? null
  const restored: Restored = {
    number: (before?.number ?? 0) + 1,
    atMs: now.wallMs,
    actor,
    backupSeq: origin.seq,
    backupHash: origin.hash,
    generationFloor: Math.max(origin.generationMax, before?.generationFloor ?? 0) + generationLeap,
    releasedAtMs: null
  }
  const payload = {
    number: restored.number,
    backup: origin.file,
    backup_made_at_ms: origin.madeAtMs,
    backup_head_seq: origin.seq,
    backup_head_hash: origin.hash,
    known_head_seq: origin.knownSeq,
    old_log: origin.oldLog,
    generation_floor: restored.generationFloor,
    command: { op: "restore", channel: "cli", key: null, reason: null }
  }
  return granted(restored, { restored, events: [ofStore("store.restored", actor, null, payload)] })
}

const ofStore = (type: "store.restored" | "store.released" | "command.accepted" | "command.refused", actor: string, trace: string | null, payload: EventDraft["payload"]): EventDraft =>
  ({ type, task: null, trace, actor, payload })

export interface ReleaseCommand extends Pick<Command, "actor" | "channel" | "key" | "trace"> {
  readonly ask: StoreAsk
}

/** The answer to a release. `moved`: whether this very command let work begin again. */
export const Released = Schema.Struct({
  held: Schema.Literal(false),
  /** Whether this very command released it. */
  moved: Schema.Boolean
})
export type Released = typeof Released.Type

/** Lets claims, ticks, expiries and deliveries begin again after a restore. A repeat finds it done. Needs a reason. */
export const release = (command: ReleaseCommand, now: Now): Decision<Released> => {
  const { actor, ask, trace } = command
  const facts = { command: commandFacts(command) }
  if (isBlank(ask.reason)) {
    const refusal = new ReasonMissing({ op: ask.op })
    return refused(refusal, { events: [ofStore("command.refused", actor, trace, { refusal: { _tag: refusal._tag, op: refusal.op }, state: null, ...facts })] })
  }
  const restored = now.restored ?? null
  if (restored === null || !isHeld(restored)) return granted({ held: false, moved: false }, { events: [ofStore("command.accepted", actor, trace, facts)] })
  return granted({ held: false, moved: true }, {
    restored: { ...restored, releasedAtMs: now.wallMs },
    events: [ofStore("store.released", actor, trace, { number: restored.number, reason: ask.reason, held_ms: now.wallMs - restored.atMs, ...facts })]
  })
}

/** What the declaration of its kind says of a task. A kind that is not declared any more may do anything. */
export interface KindFacts {
  readonly mayBeDangerous: boolean
  /** Its one step is a command. Of code nobody knows here how many steps it has, nor which come next. */
  readonly oneStep: boolean
}

/** What the log of the lost file shows: the dangerous steps of this task that began after the backup, by number; empty: none did. */
export type BegunSince = ReadonlyArray<Step>

/** What became of a task. `kept`: as it is in the backup. */
export type Fate = "kept" | "requeued" | "parked" | "asks_anew" | "canceled"

/**
 * Decides one task of a restored file, under the epoch that the restore opened. `steps` are those in the backup; `since` is null when
 * there is no log that tells what began after it.
 */
export const afterRestore = (task: Task, steps: ReadonlyArray<Step>, kind: KindFacts, since: BegunSince | null, now: Now): Decision<Fate> => {
  const parts = suspects(task, steps, kind, since, now)
  if (isIn(task, "RUNNING") && parts !== null) return parked(task, task, parts, now)
  if (isIn(task, "QUEUED") && parts !== null) return parked(task, held(task, now), parts, now)
  if (isIn(task, "RUNNING") && task.lease !== null) {
    return { ...reclaim(task, { _tag: "Gone", error: "the file was restored from a backup" }, worker, now, 0), answer: granted<Fate>("requeued", {}).answer }
  }
  if (isIn(task, "REQUESTED", "APPROVED") && since !== null && since.length > 0) return canceled(task, since, now)
  if (isIn(task, "APPROVED") && since === null && kind.mayBeDangerous) return asksAnew(task, now)
  return granted("kept", {})
}

/** What of a run may have happened since: effects to ask a person about, and the steps that stand for them. */
interface Suspects {
  readonly intents: ReadonlyArray<Intent>
  readonly steps: ReadonlyArray<StepChange>
  readonly highest: number
}

const suspects = (task: Task, steps: ReadonlyArray<Step>, kind: KindFacts, since: BegunSince | null, now: Now): Suspects | null => {
  const open = task.intents.filter(({ effect }) => effect === "dangerous")
  if (since !== null) {
    if (open.length === 0 && since.length === 0 && task.unknown === null) return null
    const begun = since.map((step): Step => ({ ...step, task: task.id, state: "open", result: null, code: null, error: null, endedAtMs: null }))
    return {
      intents: [...task.intents.filter(({ step }) => begun.every(({ number }) => number !== step)), ...begun.map((step) => intentOf(step, now))],
      steps: begun.map((step) => ({ _tag: "Put", step })),
      highest: begun.reduce((highest, { number }) => Math.max(highest, number), task.steps)
    }
  }
  if (!kind.mayBeDangerous && open.length === 0 && task.unknown === null) return null
  if (!mayHaveRun(task, now)) return null
  if (kind.oneStep) return theOneStep(task, steps, now)
  const beyond = task.steps + 1
  const intent: Intent = { step: beyond, name: "whatever came after the backup", effect: "dangerous", answers: false, attempt: task.attempt, generation: task.generation, supervisor: null, atMs: now.wallMs }
  return { intents: [...task.intents, intent], steps: [], highest: task.steps }
}

// Due by now, or waiting for a word that may have come: somebody may have claimed it since the backup.
const mayHaveRun = (task: Task, now: Now): boolean => task.state === "RUNNING" || task.availableAtMs <= now.wallMs || task.waits.length > 0

// A command is on record, so that what a person says of it can be kept with its step.
const theOneStep = (task: Task, steps: ReadonlyArray<Step>, now: Now): Suspects | null => {
  const known = steps.find(({ number }) => number === 1)
  if (known?.state === "succeeded") return null
  if (task.intents.length > 0) return { intents: task.intents, steps: [], highest: task.steps }
  const draft: StepDraft = {
    number: 1,
    scope: "",
    index: 0,
    name: "exec",
    sort: "exec",
    effect: "dangerous",
    dispatchKey: task.dispatchKey,
    inputSha256: task.payloadSha256,
    drawn: "[]",
    answers: false,
    supervisor: null
  }
  const step = opened(task, draft, now)
  return { intents: [intentOf(step, now)], steps: [{ _tag: "Put", step }], highest: 1 }
}

// Nobody is asked but a person: a probe of the restored run could not tell which of its runs it speaks of.
const intentOf = ({ attempt, effect, generation, name, number, supervisor }: Step, now: Now): Intent =>
  ({ step: number, name, effect, answers: false, attempt, generation, supervisor, atMs: now.wallMs })

const error = "the file was restored from a backup: this may have happened since it was made"

// Held under a claim of the restore, which fences every run of the time after the backup, and then known to nobody.
const parked = (task: Task, claimed: TaskIn<"RUNNING">, { highest, intents, steps }: Suspects, now: Now): Decision<Fate> => {
  const step = (unanswered({ intents }) ?? intents.find(({ effect }) => effect === "dangerous") ?? intents[0])?.step ?? 1
  const { attempt, generation } = claimed
  const after: Task = {
    ...claimed,
    lease: null,
    intents,
    steps: highest,
    waits: [],
    expiresAtMs: null,
    failure: { code: restoredCode, error },
    unknown: { step, code: restoredCode, attempt, generation, sinceMs: now.wallMs },
    updatedAtMs: now.wallMs
  }
  const lost = task.lease === null ? [] : [{ task: task.id, number: attempt, generation, code: restoredCode, error, startedAtMs: task.startedAtMs, endedAtMs: now.wallMs }]
  const claims = isIn(task, "QUEUED") ? [entered(after, "QUEUED", "claim", actor, { attempt, generation, epoch: now.epoch, worker })] : []
  return granted("parked", {
    tasks: [after],
    steps,
    attempts: lost,
    events: [...claims, about(after, "task.outcome_unknown", actor, { step, attempt, generation, code: restoredCode, error })],
    messages: [{ topic: "outcome_unknown", task: task.id, text: `${task.kind}: restored from a backup, it is not known whether it happened since; look, then reconcile` }]
  })
}

const actor = "system:restore"

// It spends no attempt: it is held, not run.
const held = (task: TaskIn<"QUEUED">, now: Now): TaskIn<"RUNNING"> =>
  move(task, "RUNNING", "claim", { attempt: task.attempt + 1, generation: nextGeneration(task, now.restored), startedAtMs: now.wallMs })

// It was approved before the backup; whether it was run since nobody can tell, so people are asked again.
const asksAnew = (task: TaskIn<"APPROVED">, now: Now): Decision<Fate> => {
  const governance = askedAnew(task.governance, task.limits, now.wallMs)
  const asking: Task = { ...move(task, "REQUESTED", "void"), governance, holds: openHolds(task, governance), held: true, expiresAtMs: now.wallMs + governance.ttlMs, updatedAtMs: now.wallMs }
  return granted("asks_anew", { tasks: [asking], events: [entered(asking, "APPROVED", "void", actor, { holds: asking.holds, kind_version: asking.kindVersion, ...asked(governance), code: restoredCode })] })
}

// It waits for people in the backup, and the old log shows that they said yes and what began then: whoever wants it again says so.
const canceled = (task: TaskIn<"REQUESTED" | "APPROVED">, since: BegunSince, now: Now): Decision<Fate> => {
  const reason = `the file was restored from a backup; after it was made step ${since.map(({ number }) => number).join(", ")} of this task began`
  const ended: Task = { ...move(task, "CANCELED", "cancel"), waits: [], expiresAtMs: null, failure: { code: restoredCode, error: reason }, updatedAtMs: now.wallMs }
  return granted("canceled", {
    tasks: [ended],
    events: [entered(ended, task.state, "cancel", actor, { reason })],
    messages: [{ topic: "task_ended", task: task.id, text: `${task.kind} was canceled: ${reason}` }]
  })
}
