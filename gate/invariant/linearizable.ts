/**
 * What clients were told of a task is what one client after the other could have been told, each answer given at an instant between the
 * question and the answer, with faults or without. One task at a time: the answers about one say nothing about another.
 *
 * A task that somebody else acted on too, whose words are not on record, is left out: its changes would have no author.
 *
 * Unit: a task that a client asked for, and was answered about.
 */
import { type LogEvent, type Operation, operationNames } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { commandOf } from "./Commanded.ts"
import { type Fold, whole } from "./Fold.ts"
import { linearize } from "./Linearization.ts"
import { groupedBy } from "./Ledger.ts"
import { type Facts, type View, viewOf } from "./TaskModel.ts"
import { overFolds, undone } from "./Units.ts"

export const linearizable: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, log, units) => {
    const byTask = groupedBy((journal.operations ?? []).flatMap((operation) => aboutOf(operation, log)), ({ task }) => task ?? "")
    const strangers = actedOnByOthers(events, journal.operations ?? [])
    const facts = factsIn(events)
    for (const [task, operations] of byTask) {
      if (!operations.some(({ op }) => op === "submit")) units.excluded("nobody on record asked for it")
      else if (!operations.some(({ answered }) => answered !== null)) units.excluded("no answer came")
      else if (strangers.has(task)) units.excluded("somebody else acted on it too")
      else {
        const found = linearize(operations, facts.get(task) ?? { hidden: new Map(), needed: null })
        if (found._tag === "Linearizable") units.good()
        else if (found._tag === "Undecided") units.missing(`${id}, task ${task}: after ${found.nodes} steps it is not known whether its ${operations.length} operations have an order`)
        else undone(journal, units, `${id}, task ${task}: no order explains the answers; ${found.stuck.op} (key ${found.stuck.key ?? "none"}), asked at ${found.stuck.invoked}, cannot have been answered ${found.stuck.answer}`)
      }
    }
  })

// A submit without an answer is about the task that the log has under its key, if there is one. Nothing came of it otherwise.
const aboutOf = (operation: Operation, { byKey }: Fold): ReadonlyArray<Operation> => {
  if (operation.task !== null) return [operation]
  const [made] = operation.key === null ? [] : byKey.get(operation.key) ?? []
  return made === undefined ? [] : [{ ...operation, task: made.id }]
}

// What a person does that is no operation here (recovery, reconcile, kill) is in the log, and counts as a move of the runtime.
const asked: ReadonlySet<string> = new Set(operationNames)

const actedOnByOthers = (events: ReadonlyArray<LogEvent>, operations: ReadonlyArray<Operation>): ReadonlySet<string> => {
  const recorded = new Set(operations.map(({ key, op, task }) => `${op} ${key ?? task}`))
  const strangers = new Set<string>()
  for (const event of events) {
    const command = commandOf(event)
    if (event.task === null || command === null || !changes.has(event.type)) continue
    if (asked.has(command.op) && !recorded.has(`${command.op} ${command.key ?? event.task}`)) strangers.add(event.task)
  }
  return strangers
}

/** Changes of what clients see. */
const changes: ReadonlySet<string> = new Set(["task.requested", "task.approved", "task.queued", "task.canceled", "hold.released", "approval.given", "task.cancel_requested", "task.debounced"])

/** Triggers of clients: what they do is an operation, and no move of the runtime. */
const triggers: ReadonlySet<unknown> = new Set(["submit", "fork", "resume", "reject", "release"])

/** Makes the number of yeses that a task needs something else than its request says. */
const remakes: ReadonlySet<string> = new Set(["approval.voided", "hold.opened", "hold.broken", "plan.filed", "review.failed"])

const neededBy = ({ payload }: LogEvent): number | null => {
  const holds = Array.isArray(payload?.["holds"]) ? payload["holds"] : []
  if (holds.length === 0) return 0
  return holds.length === 1 && holds[0] === "approval" ? whole(payload, "approvals") ?? 1 : null
}

// What the log has of the moves of the runtime, task by task. An operation explains its own.
const factsIn = (events: ReadonlyArray<LogEvent>): ReadonlyMap<string, Facts> => {
  const facts = new Map<string, { hidden: Map<View, Set<View>>; needed: number | null }>()
  const at = new Map<string, View>()
  for (const event of events) {
    const { payload, task, type } = event
    if (task === null) continue
    const own = facts.get(task) ?? { hidden: new Map(), needed: neededBy(event) }
    if (remakes.has(type) || (type === "task.requested" && facts.has(task))) own.needed = null
    facts.set(task, own)
    const to = type === "task.outcome_unknown" ? "OUTCOME_UNKNOWN" : type.startsWith("task.") ? viewOf(type.slice("task.".length).toUpperCase()) : undefined
    if (to === undefined) continue
    const from = at.get(task)
    at.set(task, to)
    const byClient = triggers.has(payload?.["by"]) || (payload?.["by"] === "cancel" && commandOf(event)?.op === "cancel")
    if (from !== undefined && from !== to && !byClient) own.hidden.set(from, (own.hidden.get(from) ?? new Set()).add(to))
  }
  return facts
}
