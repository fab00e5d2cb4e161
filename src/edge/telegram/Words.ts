/**
 * What somebody typed in a chat, as a command or a look. Pure, and never fails: whatever is not understood is answered with what to type.
 * Nothing is quoted or escaped: what follows the words that a command wants is its text, as it is.
 */
import { Either, Schema } from "effect"
import { planPartMax } from "../../domain/AskLimits.ts"
import type { Json } from "../../domain/Canonical.ts"
import { type Ask, PlanParts, ReviewCode, Verdict } from "../../domain/Command.ts"
import { payloadIssueOf } from "../../domain/PayloadLimits.ts"
import { taskStates, type TaskState } from "../../domain/TaskState.ts"
import { isName, type Name, nearest, usageOf } from "./Vocabulary.ts"

export type Look =
  | { readonly _tag: "Start" | "Help" | "Board" | "Ops" | "Cron" | "Queues" | "Gate" }
  | { readonly _tag: "Status" | "Why" | "Trace"; readonly task: string }
  | { readonly _tag: "List"; readonly state: TaskState | null; readonly limit: number }

export type Said =
  | { readonly _tag: "Ask"; readonly name: Name; readonly ask: Ask }
  | { readonly _tag: "Look"; readonly name: Name; readonly look: Look }
  /** It looks like a command and is none. `name`: the one that was meant, as far as anybody can tell. */
  | { readonly _tag: "Wrong"; readonly name: Name | null; readonly why: string }
  /** Plain talk. */
  | { readonly _tag: "Talk" }
  /** It is meant for another bot. */
  | { readonly _tag: "Theirs" }

// Characters without shape come along when something is copied.
const shapeless = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu
const bare = (text: string): string => text.replace(shapeless, "")

/** The first word, and what stands behind it. */
const split = (text: string): readonly [string, string] => {
  const [, first = "", rest = ""] = /^\s*(\S*)([\s\S]*)$/.exec(text) ?? []
  return [first, rest.trim()]
}

type Made = Either.Either<Said, string>

const looked = (name: Name, look: Look): Made => Either.right({ _tag: "Look", name, look })
const asked = (name: Name, ask: Ask): Made => Either.right({ _tag: "Ask", name, ask })

const idPattern = /^[0-9a-z]{4,26}$/i

/** A task that is named first, and what follows. */
const onTask = (rest: string, make: (task: string, rest: string) => Made): Made => {
  const [word, more] = split(rest)
  const id = bare(word).replace(/^#/, "").replace(/[,:;]$/, "")
  if (id === "") return Either.left("it wants the id of a task, or 4 or more characters of its end")
  return idPattern.test(id) ? make(id, more) : Either.left("the id of a task has letters and digits only, at least 4 of its end")
}

const withReason = (rest: string, make: (task: string, reason: string) => Made): Made =>
  onTask(rest, (task, reason) => (reason === "" ? Either.left("it wants a reason behind the id") : make(task, reason)))

const parsed = (text: string, what: string): Either.Either<Json, string> =>
  Either.flatMap(
    Either.try({ try: (): Json => JSON.parse(text), catch: () => `${what} begins with { and is not JSON` }),
    (json): Either.Either<Json, string> => {
      const issue = payloadIssueOf(json, what)
      return issue === null ? Either.right(json) : Either.left(issue)
    }
  )

const newTask = (rest: string): Made => {
  const [word, prompt] = split(rest)
  const kind = bare(word)
  if (kind === "") return Either.left("it wants the type of the task, then what is to be done")
  const payload: Either.Either<Json, string> = prompt === "" ? Either.right({}) : prompt.startsWith("{") ? parsed(prompt, "the payload") : Either.right({ prompt })
  return Either.flatMap(payload, (json) => asked("newtask", { op: "submit", kind, payload: json, reason: null }))
}

type Part = keyof typeof PlanParts.Type
const parts: ReadonlyArray<Part> = ["scope", "risks", "test_plan", "rollback_plan", "approval_impact"]

const partOf = (line: string): readonly [Part, string] | null => {
  const [, label = "", text = ""] = /^[\s\-*•]*([a-z]+(?:[ _-][a-z]+)?)\s*:\s*(.*)$/i.exec(line) ?? []
  const name = label.toLowerCase().replace(/[ -]/, "_")
  const part = parts.find((one) => one === name)
  return part === undefined ? null : [part, text]
}

// What follows a part without a name of its own belongs to it.
const linesOf = (text: string): Partial<Record<Part, string>> => {
  const found: Partial<Record<Part, string>> = {}
  let last: Part | null = null
  for (const line of text.split("\n")) {
    const part = partOf(line)
    if (part !== null) [last, found[part[0]]] = part
    else if (last !== null) found[last] = `${found[last] ?? ""}\n${line}`
  }
  return found
}

const isPlan = Schema.decodeUnknownEither(PlanParts, { onExcessProperty: "error" })

const memberOf = (json: Json, name: string): string => {
  const value = typeof json === "object" && json !== null ? new Map<string, unknown>(Object.entries(json)).get(name) : undefined
  return typeof value === "string" ? value.trim() : ""
}

const planOf = (rest: string): Made =>
  onTask(rest, (task, text) =>
    Either.flatMap(text.startsWith("{") ? parsed(text, "the plan") : Either.right<Json>({ ...linesOf(text) }), (given) => {
      const missing = parts.filter((part) => memberOf(given, part) === "")
      if (missing.length > 0) return Either.left(`the plan misses ${missing.join(", ")}`)
      const plan = Object.fromEntries(parts.map((part) => [part, memberOf(given, part)]))
      const long = parts.find((part) => memberOf(given, part).length > planPartMax)
      if (long !== undefined) return Either.left(`${long} has at most ${planPartMax} characters`)
      return Either.match(isPlan(plan), { onLeft: (): Made => Either.left("the plan cannot be read"), onRight: (whole) => asked("plan", { op: "plan", task, plan: whole, reason: null }) })
    }))

const isCode = Schema.is(ReviewCode)
const isVerdict = Schema.is(Verdict)
const codes = "policy_conflict, missing_tests, insufficient_plan, high_risk_unmitigated, artifact_incomplete or other"

// A pass says yes to each point; whoever fails it in a chat has not gone through them one by one.
const checklist = (fine: boolean) => ({ policy_safety: fine, correctness: fine, tests: fine, rollback: fine, approval_constraints: fine })

const reviewOf = (rest: string): Made =>
  onTask(rest, (task, more) => {
    const [word, text] = split(more)
    const verdict = word.toLowerCase()
    if (verdict === "pass") return asked("review", { op: "review", task, verdict, checklist: checklist(true), reason: text === "" ? null : text })
    if (verdict !== "fail") return Either.left("it wants pass or fail behind the id")
    const [code, notes] = split(text)
    const lower = code.toLowerCase()
    if (!isCode(lower)) return Either.left(`a review that fails says why: ${codes}`)
    return asked("review", { op: "review", task, verdict, checklist: checklist(false), code: lower, reason: notes === "" ? null : notes })
  })

const forkOf = (rest: string): Made =>
  onTask(rest, (task, more) => {
    const [word, reason] = split(more)
    const step = /^\d{1,9}$/.test(word) ? Number(word) : 0
    if (step < 1) return Either.left("it wants the number of a step behind the id, from 1 on")
    return reason === "" ? Either.left("it wants a reason behind the step") : asked("fork", { op: "fork", task, step, reason })
  })

const reconcileOf = (rest: string): Made =>
  onTask(rest, (task, more) => {
    const [word, reason] = split(more)
    const outcome = word.toLowerCase()
    if (!isVerdict(outcome)) return Either.left("it wants succeeded, failed or retry behind the id")
    return reason === "" ? Either.left("it wants a reason: what was looked at") : asked("reconcile", { op: "reconcile", task, outcome, reason })
  })

export const listByDefault = 10
export const listMax = 20

const listOf = (rest: string): Made => {
  const [first, more] = split(rest)
  const state = taskStates.find((one) => one === first.toUpperCase()) ?? null
  const count = state === null ? first : split(more)[0]
  if (count === "") return looked("list", { _tag: "List", state, limit: listByDefault })
  if (!/^\d{1,3}$/.test(count) || Number(count) < 1) return Either.left(`it wants a state (${taskStates.join(", ")}), a number from 1 to ${listMax}, or both`)
  return looked("list", { _tag: "List", state, limit: Math.min(listMax, Number(count)) })
}

const orNull = (text: string): string | null => (text === "" ? null : text)
const recovering = (name: Name) => (rest: string): Made => withReason(rest, (task, reason) => asked(name, { op: "recover", task, reason }))
const canceling = (name: Name) => (rest: string): Made => withReason(rest, (task, reason) => asked(name, { op: "cancel", task, reason }))

const readers: Readonly<Record<Name, (rest: string) => Made>> = {
  start: () => looked("start", { _tag: "Start" }),
  help: () => looked("help", { _tag: "Help" }),
  newtask: newTask,
  status: (rest) => onTask(rest, (task) => looked("status", { _tag: "Status", task })),
  list: listOf,
  approve: (rest) => onTask(rest, (task, note) => asked("approve", { op: "approve", task, reason: orNull(note) })),
  reject: (rest) => withReason(rest, (task, reason) => asked("reject", { op: "reject", task, reason })),
  plan: planOf,
  review: reviewOf,
  resume: (rest) => onTask(rest, (task, note) => asked("resume", { op: "resume", task, reason: orNull(note) })),
  recover: recovering("recover"),
  redrive: recovering("redrive"),
  dismiss: (rest) => withReason(rest, (task, reason) => asked("dismiss", { op: "dismiss", task, reason })),
  stop: canceling("stop"),
  cancel: canceling("cancel"),
  fork: forkOf,
  reconcile: reconcileOf,
  board: () => looked("board", { _tag: "Board" }),
  ops: () => looked("ops", { _tag: "Ops" }),
  why: (rest) => onTask(rest, (task) => looked("why", { _tag: "Why", task })),
  trace: (rest) => {
    const [word] = split(rest)
    return /^[0-9a-f]{32}$/i.test(word) ? looked("trace", { _tag: "Trace", task: word }) : onTask(rest, (task) => looked("trace", { _tag: "Trace", task }))
  },
  cron: () => looked("cron", { _tag: "Cron" }),
  queues: () => looked("queues", { _tag: "Queues" }),
  gate: () => looked("gate", { _tag: "Gate" })
}

/** What a text says. `botName`: what follows the @ of a command that is for this bot only. */
export const understood = (text: string, botName: string | null): Said => {
  const [word, rest] = split(text.replace(/^[\s\p{Cf}\p{Default_Ignorable_Code_Point}]+/u, ""))
  const head = bare(word)
  if (!head.startsWith("/")) return { _tag: "Talk" }
  const at = head.indexOf("@")
  if (at >= 0 && head.slice(at + 1).toLowerCase() !== botName?.toLowerCase()) return { _tag: "Theirs" }
  const name = head.slice(1, at < 0 ? undefined : at).toLowerCase()
  if (!isName(name)) return { _tag: "Wrong", name: nearest(name), why: "there is no such command" }
  return Either.match(readers[name](rest), { onLeft: (why): Said => ({ _tag: "Wrong", name, why }), onRight: (said) => said })
}

/** What is answered to a command that is none: one sentence, and what to type. */
export const correction = ({ name, why }: Extract<Said, { _tag: "Wrong" }>): string => `${why}${name === null ? "; /help lists them" : `\n${usageOf(name)}`}`
