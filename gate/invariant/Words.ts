/**
 * What people have said about each task, as the log tells it, and what is missing when a run begins. Nothing that the product says about
 * its holds is believed: a yes counts when somebody gave it to what is to run, and it is not his own work.
 */
import type { LogEvent } from "../History.ts"
import { text } from "./Fold.ts"

/** A run that began, and what was missing for it; null: nothing. */
export interface Begin {
  readonly seq: number
  readonly task: string
  /** Whether people were asked about it at all. */
  readonly asked: boolean
  /** It was asked to end before: it begins nothing but what undoes its steps. */
  readonly ending: boolean
  readonly missing: string | null
}

interface Word {
  readonly actor: string
  readonly digest: string | null
  readonly self: boolean
}

/** What was said about one task since people were asked last. */
interface Said {
  readonly authors: Set<string>
  holds: ReadonlySet<string>
  approvals: number
  yes: ReadonlyArray<Word>
  plan: Word | null
  passed: Word | null
  broken: Word | null
  ending: boolean
}

/** Every run that began, in the order of the log. */
export const beginsIn = (events: ReadonlyArray<LogEvent>): ReadonlyArray<Begin> => {
  const tasks = new Map<string, Said>()
  const begins: Array<Begin> = []
  for (const event of events) {
    if (event.task === null) continue
    const said = tasks.get(event.task) ?? newcomer()
    tasks.set(event.task, said)
    if (event.type === "task.running") begins.push({ seq: event.seq, task: event.task, asked: said.holds.size > 0, ending: said.ending, missing: missingFor(said) })
    else listen(said, event)
  }
  return begins
}

const newcomer = (): Said => ({ authors: new Set(), holds: new Set(), approvals: 0, yes: [], plan: null, passed: null, broken: null, ending: false })

const wordOf = ({ actor, payload }: LogEvent): Word => ({ actor, digest: text(payload, "digest"), self: payload?.["self"] === true })

const strings = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.map(String) : [])

const listen = (said: Said, event: LogEvent): void => {
  switch (event.type) {
    case "task.requested":
      if ((event.payload?.["from"] ?? null) === null) for (const author of [event.actor, ...strings(event.payload?.["authors"])]) said.authors.add(author)
      return askAnew(said, event)
    case "approval.voided":
      return askAnew(said, event)
    case "task.debounced":
      said.authors.add(event.actor)
      return
    case "plan.filed":
      said.plan = wordOf(event)
      return forget(said)
    case "approval.given":
      said.yes = [...said.yes, wordOf(event)]
      return
    case "review.passed":
      said.passed = wordOf(event)
      return
    case "review.failed":
      said.passed = null
      if (!said.holds.has("plan")) return
      said.plan = null
      return forget(said)
    case "hold.broken":
      said.broken = wordOf(event)
      return
    case "task.cancel_requested":
      said.ending = true
      return
    case "task.canceled":
      if (text(event.payload, "by") === "reject") forget(said)
      said.ending = false
      return
    case "task.succeeded":
    case "task.failed":
    case "task.expired":
      said.ending = false
  }
}

const forget = (said: Said): void => {
  said.yes = []
  said.passed = null
  said.broken = null
}

const askAnew = (said: Said, { payload }: LogEvent): void => {
  forget(said)
  said.holds = new Set(strings(payload?.["holds"]))
  const approvals = payload?.["approvals"]
  // A hold for approval that names no number asks for one.
  said.approvals = typeof approvals === "number" ? approvals : said.holds.has("approval") ? 1 : 0
}

const missingFor = ({ approvals, authors, broken, holds, passed, plan, yes }: Said): string | null => {
  if (broken !== null && !authors.has(broken.actor)) return null
  if (holds.has("policy")) return "the policy held it back"
  if (holds.has("plan") && plan === null) return "there was no plan"
  if (holds.has("review") && (passed === null || authors.has(passed.actor) || passed.actor === plan?.actor)) return "nobody else had let it pass a review"
  // What was said to something else, or before it changed, has another digest.
  const about = yes.at(-1)?.digest
  const counted = new Set(yes.filter(({ actor, digest, self }) => digest === about && (self || !authors.has(actor))).map(({ actor }) => actor))
  return counted.size < approvals ? `it had ${counted.size} of ${approvals} approvals that count` : null
}
