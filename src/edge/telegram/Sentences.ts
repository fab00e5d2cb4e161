/** What is answered to a command: one sentence, and what to type next. Nothing from outside is shown raw. Pure. */
import type { Caller } from "../../domain/Authorization.ts"
import type { Answer } from "../../domain/Decision.ts"
import { oneLine, printable, type Redactor } from "../../domain/Redaction.ts"
import type { Refusal } from "../../domain/Refusal.ts"
import { nextFor } from "../../domain/Request.ts"
import { mayAsk } from "../../domain/Role.ts"
import type { Task } from "../../domain/Task.ts"
import { shortId } from "../../domain/TaskState.ts"
import { cut, stateOf } from "./TaskCard.ts"
import { isName, type Name, usageOf, vocabulary } from "./Vocabulary.ts"

/** The longest sentence. */
const sentenceMax = 1500

const named: Readonly<Record<string, Name>> = { cancel: "stop" }
/** Words of the command line about the dead letter, as they are typed in a chat. */
const deadLetter = /^opsgate (?:(redrive) --task|dead (dismiss)) (\S+) --reason (?:<text>|"<why>")$/

/** What to type for a command about a task. */
const typed = (op: string, id: string): ReadonlyArray<string> => {
  const name = named[op] ?? op
  return isName(name) ? [usageOf(name).replace("<id>", id).split(",")[0] ?? ""] : []
}

/** What may be typed about a task as it stands, by anybody. */
export const nextInChat = (task: Task): ReadonlyArray<string> => nextFor(task).flatMap((op) => typed(op, shortId(task.id)))

/** Whether this person may do it. Nobody approves what he asked for himself, unless that is allowed. */
const may = (name: string, task: Task, { actor, roles }: Caller): boolean => {
  const op = isName(name) ? vocabulary[name].op : null
  const isOwn = task.requester === actor
  return op !== null && mayAsk(op, roles, isOwn) && !(op === "approve" && isOwn && task.governance?.self === false)
}

/** What this person may type about a task as it stands; where others have to act, he can look. */
const nextForCaller = (task: Task, caller: Caller): string => {
  const mine = nextFor(task).filter((op) => may(named[op] ?? op, task, caller)).flatMap((op) => typed(op, shortId(task.id)))
  return mine.length === 0 ? `/status ${shortId(task.id)}` : mine.join(" | ")
}

/**
 * A command of the command line as it is typed in a chat; null where a chat has none for it.
 */
export const inChat = (next: string): string | null => {
  const words = next.replace(/ --reason "<why>"/, " <reason>").replace(/ --(?:step|outcome) /, " ")
  const [, op = "", rest = ""] = /^opsgate task (\S+) ?(.*)$/.exec(words) ?? []
  const [, state] = /^--state ([A-Z]+)$/.exec(rest) ?? []
  if (op === "list") return state === undefined ? "/list" : `/list ${state}`
  if (op === "submit") return null
  const name = named[op] ?? op
  if (op !== "") return isName(name) ? `/${name} ${rest}`.trimEnd() : null
  const [, redrive, dismiss, id] = deadLetter.exec(next) ?? []
  if (id !== undefined) return `/${redrive ?? dismiss} ${id} <reason>`
  if (/^opsgate queues$/.test(words)) return "/queues"
  if (/^opsgate schedules$/.test(words)) return "/cron"
  const [, task] = /^opsgate why (\S+)$/.exec(words) ?? []
  return task === undefined ? null : `/why ${task}`
}

const done = {
  submit: "asked for",
  approve: "approved",
  reject: "rejected",
  plan: "the plan is filed",
  review: "the review is filed",
  resume: "resumed",
  cancel: "stop",
  recover: "recovered",
  dismiss: "dismissed",
  fork: "forked",
  reconcile: "settled"
} as const satisfies Record<string, string>

const isDone = (op: string): op is keyof typeof done => Object.hasOwn(done, op)

/** The word for what a command did. */
export const wordFor = (op: string): string => (isDone(op) ? done[op] : op)

/** The answer to a command that was granted. */
export const grantedText = (op: string, answer: Answer, task: Task): string => {
  const next = nextInChat(task)
  const told = [
    `${wordFor(op)}: ${cut(oneLine(task.kind), 64)} ${shortId(task.id)}, ${stateOf(task)}`,
    answer.existing === true ? "it was there already under its key" : answer.moved ? "" : "nothing was left to do",
    answer.self === true ? "SELF-APPROVAL: it was your own work" : ""
  ].filter((part) => part !== "").join("; ")
  return next.length === 0 ? told : `${told}\nnext: ${next.join(" | ")}`
}

/** What to type after a refusal, if there is something. */
const afterRefusal = (refusal: Refusal, task: Task | null, caller: Caller): string | null => {
  const id = task === null ? null : shortId(task.id)
  switch (refusal._tag) {
    case "TaskNotFound":
      return "/list shows the latest"
    case "TaskAmbiguous":
      return "type more of its end"
    case "NotAllowed":
      return "/help shows what you may do"
    case "ApprovalStale":
    case "ApprovalVoid":
    case "AlreadyApproved":
      return id === null ? null : `/status ${id}`
    case "KindUnknown":
    case "PayloadRefused":
      return usageOf("newtask")
    case "ReviewRefused":
      return usageOf("review")
    case "KeyConflict":
      return "send it again"
    default:
      return task === null ? null : nextForCaller(task, caller)
  }
}

/** The answer to a command that was refused to this person. */
export const refusedText = (refusal: Refusal, task: Task | null, { text }: Redactor, caller: Caller): string => {
  const next = afterRefusal(refusal, task, caller)
  const said = cut(printable(text(refusal.message)), sentenceMax)
  return `not done: ${said}${next === null || next === "" ? "" : `\nnext: ${next}`}`
}
