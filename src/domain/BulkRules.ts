/**
 * The rules of bulk commands. Which tasks one is about is fixed when it is stored; what arrives later is not touched. An item is
 * carried out by the very rule of the single command, in one transaction with its own result, so it is done once however often the
 * process dies. People approve one by one: there is no bulk approval.
 */
import { Either } from "effect"
import { isBlank } from "./AskLimits.ts"
import {
  type Bulk,
  type BulkAnswer,
  bulkAnswerFor,
  type BulkAskTo,
  type BulkChange,
  type BulkCounts,
  bulkMax,
  type BulkVerb,
  fits,
  type FoundBulk,
  type ItemOutcome,
  type Matching
} from "./Bulk.ts"
import type { Command } from "./Command.ts"
import { about, type Answer, byCommand, type Decision, granted, refuseCommand } from "./Decision.ts"
import { resume } from "./Dispatch.ts"
import type { Kind } from "./Kind.ts"
import type { Now } from "./Now.ts"
import { cancel, recover } from "./Recovery.ts"
import { BulkNotFound, NothingMatched, ReasonMissing, type Refusal, TooManyMatched } from "./Refusal.ts"
import { reject } from "./Request.ts"
import type { LostReason } from "./Schedule.ts"
import type { Task, TaskId } from "./Task.ts"
import type { EventDraft } from "./TaskEvent.ts"

const noneYet = (pending: number): BulkCounts => ({ done: 0, skipped: 0, refused: 0, pending, lastAtMs: null })

const aboutBulk = (bulk: Bulk, type: "bulk.requested" | "bulk.ended", actor: string, payload: EventDraft["payload"]): EventDraft =>
  ({ type, task: null, trace: bulk.trace, actor, payload: { bulk: bulk.id, ...payload } })

/** Stores a bulk command about exactly these tasks. */
export const requestBulk = (command: Command<BulkAskTo<"bulk">>, matching: Matching, ids: ReadonlyArray<TaskId>, id: string, now: Now): Decision<BulkAnswer> => {
  const { actor, ask, channel, trace } = command
  const reason = ask.reason ?? ""
  if (isBlank(reason)) return refuseCommand(command, null, new ReasonMissing({ op: `bulk ${ask.verb}` }))
  if (ids.length === 0) return refuseCommand(command, null, new NothingMatched({ verb: ask.verb }))
  if (ids.length > bulkMax) return refuseCommand(command, null, new TooManyMatched({ max: bulkMax }))
  const bulk: Bulk = {
    id,
    verb: ask.verb,
    matching,
    ratePerS: ask.rate_per_s,
    reason,
    actor,
    channel,
    trace,
    state: "running",
    matched: ids.length,
    requestedAtMs: now.wallMs,
    endedAtMs: null
  }
  const { states, tasks: named, ...filter } = matching
  const facts = { verb: ask.verb, matched: ids.length, rate_per_s: ask.rate_per_s, filter: { states, ...filter, named: named?.length ?? null } }
  return granted(bulkAnswerFor(bulk, noneYet(ids.length)), {
    bulks: [{ _tag: "Put", bulk, items: ids }],
    events: [byCommand(aboutBulk(bulk, "bulk.requested", actor, facts), command)]
  })
}

const endedBulk = (bulk: Bulk, state: "ended" | "stopped", counts: BulkCounts, actor: string, now: Now) => {
  const after: Bulk = { ...bulk, state, endedAtMs: now.wallMs }
  const { done, pending, refused, skipped } = counts
  return { after, event: aboutBulk(after, "bulk.ended", actor, { state, matched: bulk.matched, done, skipped, refused, left: pending }) }
}

/** Ends a bulk command of which nothing is left to do. Nothing, while there is. */
export const endBulk = (found: FoundBulk | undefined, now: Now): Decision<boolean> => {
  if (found?.counts === undefined || found.bulk.state !== "running" || found.counts.pending > 0) return granted(false, {})
  const { after, event } = endedBulk(found.bulk, "ended", found.counts, "system:runtime", now)
  return granted(true, { bulks: [{ _tag: "Put", bulk: after, items: [] }], events: [event] })
}

/** Stops a bulk command that the lost part of the log may have carried out, and people may have changed their minds since. */
export const bulkAfterLostPart = (found: FoundBulk | undefined, code: LostReason, actor: string, now: Now): Decision<boolean> => {
  if (found?.counts === undefined || found.bulk.state !== "running") return granted(false, {})
  const { after, event } = endedBulk(found.bulk, "stopped", found.counts, actor, now)
  return granted(true, { bulks: [{ _tag: "Put", bulk: after, items: [] }], events: [{ ...event, payload: { ...event.payload, code } }] })
}

/** Stops a bulk command: what is done stays done, what waits is left alone. One that is over already is answered as it is. */
export const stopBulk = (found: FoundBulk | undefined, command: Command<BulkAskTo<"bulk.stop">>, now: Now): Decision<BulkAnswer> => {
  if (isBlank(command.ask.reason)) return refuseCommand(command, null, new ReasonMissing({ op: "bulk stop" }))
  if (found?.counts === undefined) return refuseCommand(command, null, new BulkNotFound({ bulk: command.ask.bulk }))
  const { bulk, counts } = found
  if (bulk.state !== "running") {
    return granted(bulkAnswerFor(bulk, counts), {
      events: [byCommand({ type: "command.accepted", task: null, trace: bulk.trace, actor: command.actor, payload: { bulk: bulk.id, state: bulk.state } }, command)]
    })
  }
  const { after, event } = endedBulk(bulk, "stopped", counts, command.actor, now)
  return granted(bulkAnswerFor(after, counts), { bulks: [{ _tag: "Put", bulk: after, items: [] }], events: [byCommand(event, command)] })
}

/** What the rule of an item is given beside its task. */
export interface KnownOfTask {
  /** The kind as it is declared now. */
  readonly kind: Kind | undefined
  /** The task that has the unique key which a recovery would take back. */
  readonly holder: Task | undefined
}

const byVerb = (bulk: Bulk, task: Task, { holder, kind }: KnownOfTask, now: Now): Decision<Answer> => {
  const { actor, channel, id, reason, trace, verb } = bulk
  // Whether its actor may do so was asked when it was stored.
  const as = <O extends BulkVerb>(op: O) => ({ ask: { op, task: task.id, reason }, actor, roles: [], channel, key: null, trace, bulk: id })
  switch (verb) {
    case "cancel":
      return cancel(task, as("cancel"), now)
    case "resume":
      return resume(task, as("resume"), kind, now)
    case "recover":
      return recover(task, as("recover"), kind, now, holder)
    case "reject":
      return reject(task, as("reject"), now)
  }
}

// Nothing, when the bulk command was stopped or the item has its result.
const waiting = (found: FoundBulk | undefined) =>
  found?.item === undefined || found.bulk.state !== "running" || found.item.outcome !== null ? undefined : { bulk: found.bulk, item: found.item }

/** Gives up one item that cannot be carried out, without a look at its task: that may be what fails. */
export const giveUpItem = (found: FoundBulk | undefined, refusal: Refusal, now: Now): Decision<ItemOutcome | null> => {
  const { bulk, item } = waiting(found) ?? {}
  if (bulk === undefined || item === undefined) return granted(null, {})
  const { actor, channel, id, reason, trace, verb } = bulk
  const decision = refuseCommand({ ask: { op: verb, reason }, actor, roles: [], channel, key: null, trace, bulk: id }, null, refusal)
  return {
    ...decision,
    answer: Either.right("refused"),
    bulks: [{ _tag: "Item", bulk: id, number: item.number, outcome: "refused", code: refusal._tag, atMs: now.wallMs }]
  }
}

/**
 * Carries out one item by the rule of its verb, and stores what came of it along. Nothing, when the bulk command was stopped or the
 * item has its result.
 */
export const carryOutItem = (found: FoundBulk | undefined, task: Task, known: KnownOfTask, now: Now): Decision<ItemOutcome | null> => {
  const { bulk, item } = waiting(found) ?? {}
  if (bulk === undefined || item === undefined) return granted(null, {})
  const ends = (outcome: ItemOutcome, code: string | null): BulkChange => ({ _tag: "Item", bulk: bulk.id, number: item.number, outcome, code, atMs: now.wallMs })
  if (!fits(task, bulk.matching)) {
    const event = about(task, "bulk.skipped", bulk.actor, { number: item.number, state: task.state, code: noLongerFits })
    return granted("skipped", { events: [event], bulks: [ends("skipped", noLongerFits)] })
  }
  const decision = byVerb(bulk, task, known, now)
  const outcome: ItemOutcome = Either.match(decision.answer, { onLeft: () => "refused" as const, onRight: ({ moved }) => (moved ? "done" as const : "skipped" as const) })
  const code = Either.match(decision.answer, { onLeft: ({ _tag }) => _tag, onRight: ({ moved }) => (moved ? null : nothingToDo) })
  return { ...decision, answer: Either.right(outcome), bulks: [ends(outcome, code)] }
}

const noLongerFits = "no_longer_fits"
const nothingToDo = "nothing_to_do"

/** The decision about an item: each of its events names the bulk command. */
export const namingBulk = <A>(decision: Decision<A>, bulk: string): Decision<A> => ({
  ...decision,
  events: decision.events.map((event) => ({ ...event, payload: { ...event.payload, bulk } }))
})

