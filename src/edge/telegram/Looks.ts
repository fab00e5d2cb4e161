/** What is answered to those who only look. Everything is redacted, and nothing from outside is shown raw. */
import { Effect } from "effect"
import { opsSummary, opsText, storageReasons } from "../../control/OpsSummary.ts"
import { type LimitsInForce, queueRowsOf } from "../../control/QueueViews.ts"
import { Redacting } from "../../control/Redacting.ts"
import { schedulesNow } from "../../control/ScheduleViews.ts"
import { traceText } from "../../control/TraceText.ts"
import { traceOf } from "../../control/Tracing.ts"
import { whyText } from "../../control/Why.ts"
import { whyTask } from "../../control/WhyLook.ts"
import type { Caller } from "../../domain/Authorization.ts"
import { oneLine, printable, type Redactor } from "../../domain/Redaction.ts"
import type { TaskAmbiguous, TaskNotFound } from "../../domain/Refusal.ts"
import type { Task } from "../../domain/Task.ts"
import { shortId, taskStates } from "../../domain/TaskState.ts"
import { secretsOf } from "../../domain/TaskSecrets.ts"
import { EngineReader, type EngineUnavailable, Instants } from "../../engine/Engine.ts"
import { resolve } from "../../control/Commands.ts"
import type { Look, LookButton } from "./Look.ts"
import { type Part, say, sayOrPaper } from "./Parts.ts"
import { inChat } from "./Sentences.ts"
import { clockOf, cut, stateOf } from "./TaskCard.ts"
import type { Verdict } from "./Verdict.ts"
import { helpFor } from "./Vocabulary.ts"
import type { Look as Wanted } from "./Words.ts"

export interface Looking {
  readonly caller: Caller
  readonly private: boolean
  /** How a task looks as a card. */
  readonly card: (task: Task) => Effect.Effect<Look, EngineUnavailable, EngineReader>
  readonly limits: LimitsInForce | null
  readonly verdict: Effect.Effect<Verdict | null>
}

type Answer<E = never> = Effect.Effect<ReadonlyArray<Part>, EngineUnavailable | E, EngineReader | Instants>
type Named = TaskNotFound | TaskAmbiguous

const words = (label: string, text: string): LookButton => ({ label, ask: { op: "words", text } })

const one = (part: Part): ReadonlyArray<Part> => [part]

/** Answers a look. Fails when its task cannot be told. */
export const answerTo = (wanted: Wanted, looking: Looking): Answer<Named> => {
  switch (wanted._tag) {
    case "Start":
      return Effect.succeed(one(say(`Hello ${oneLine(looking.caller.actor)}. Work is asked for, approved and watched here.\n${rolesText(looking.caller)}\n/help lists what you may do.`)))
    case "Help":
      return Effect.succeed(one(say(`${rolesText(looking.caller)}\n\n${helpFor(looking.caller.roles)}\n\n<id>: the id of a task, or 4 or more characters of its end. The rest of a line is the text, as it is.`)))
    case "Status":
      return status(wanted.task, looking)
    case "List":
      return list(wanted)
    case "Board":
      return board
    case "Ops":
      return ops
    case "Why":
      return why(wanted.task, looking)
    case "Trace":
      return Effect.map(traceOf(wanted.task), (trace) => one(sayOrPaper(printable(traceText(trace)), "trace.txt")))
    case "Cron":
      return cron
    case "Queues":
      return queues(looking)
    case "Gate":
      return Effect.map(looking.verdict, gate)
  }
}

const rolesText = ({ roles }: Caller): string => `You are: ${roles.map(oneLine).join(", ")}.`

/** The task that is meant. */
export const taskNamed = (text: string): Effect.Effect<Task | null, EngineUnavailable | Named, EngineReader> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    return (yield* reader.get(yield* resolve(text))) ?? null
  })

/** The most characters of a payload that are shown. */
const payloadMax = 2500

/** What somebody with these roles is shown of a payload. Whoever only looks sees none. */
const payloadPart = (task: Task, { caller, private: isPrivate }: Looking, { json }: Redactor): ReadonlyArray<Part> => {
  if (!isPrivate || task.prunedAtMs !== null || !caller.roles.some((role) => role !== "viewer")) return []
  const shown = json(JSON.parse(task.payload), task.sensitive?.payload ?? [])
  const lines = JSON.stringify(shown, null, 1).split("\n").map(oneLine).join("\n")
  const text = cut(lines, payloadMax)
  const head = `payload of ${shortId(task.id)}`
  return [{ _tag: "Say", task, look: { text: `${head}\n${text}`, entities: [{ type: "pre", offset: head.length + 1, length: text.length }], buttons: [] } }]
}

/** What the plan says: whoever approves says yes to it too. As with the payload, only in private, and only to those who do more than look. */
const planPart = (task: Task, { caller, private: isPrivate }: Looking, { text }: Redactor): ReadonlyArray<Part> => {
  const plan = task.governance?.plan ?? null
  if (plan === null || !isPrivate || !caller.roles.some((role) => role !== "viewer")) return []
  const parts: ReadonlyArray<readonly [string, unknown]> = Object.entries(JSON.parse(plan.text))
  const lines = parts.map(([part, said]) => `${oneLine(part)}: ${printable(text(String(said)))}`)
  return [sayOrPaper([`plan of ${shortId(task.id)}`, ...lines].join("\n"), "plan.txt")]
}

const status = (text: string, looking: Looking): Answer<Named> =>
  Effect.gen(function*() {
    const task = yield* taskNamed(text)
    if (task === null) return one(say("it is gone"))
    const redactor = (yield* Redacting).knowing(secretsOf(task))
    return [...payloadPart(task, looking, redactor), ...planPart(task, looking, redactor), { _tag: "Card", look: yield* looking.card(task), task, anew: true }]
  })

const list = ({ limit, state }: Extract<Wanted, { _tag: "List" }>): Answer =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const tasks = yield* reader.list({ limit, ...(state === null ? {} : { state }) })
    if (tasks.length === 0) return one(say(state === null ? "no tasks" : `no task is ${state}`))
    const lines = tasks.map((task) => `${shortId(task.id)}  ${cut(oneLine(task.kind), 40)}  ${cut(stateOf(task), 80)}`)
    const open = tasks.slice(0, 8).map(({ id }) => words(shortId(id), `/status ${shortId(id)}`))
    return one(say(lines.join("\n"), [open.slice(0, 4), open.slice(4)].filter((row) => row.length > 0)))
  })

const aged = (ms: number | null): string => {
  if (ms === null) return ""
  const minutes = Math.floor(ms / 60_000)
  return minutes < 1 ? `, oldest ${Math.floor(ms / 1000)} s` : minutes < 120 ? `, oldest ${minutes} min` : `, oldest ${Math.floor(minutes / 60)} h`
}

const board: Answer = Effect.gen(function*() {
  const nowMs = (yield* Instants).wallMs()
  const summary = yield* (yield* EngineReader).summary(nowMs, nowMs)
  const { tasks } = yield* opsSummary(24)
  const { counts } = summary
  const by = Object.entries(tasks.blocked_by ?? {}).filter(([, count]) => count > 0).map(([reason, count]) => `${reason} ${count}`)
  const lines = [
    `blocked ${tasks.blocked}${aged(tasks.blocked_oldest_ms)}${by.length === 0 ? "" : ` (${by.join(", ")})`}`,
    `queued ${tasks.queued}${aged(tasks.queued_oldest_ms)}`,
    `running ${tasks.running}${aged(tasks.running_oldest_ms)}`,
    `dead letter ${counts.dead}`,
    "",
    ...taskStates.map((state) => `${state} ${counts[`state.${state}`]}`)
  ]
  const states = (["REQUESTED", "APPROVED", "QUEUED", "RUNNING", "FAILED"] as const).filter((state) => counts[`state.${state}`] > 0).map((state) => words(state, `/list ${state}`))
  return one(say(lines.join("\n"), states.length === 0 ? [] : [states]))
})

const ops: Answer = Effect.gen(function*() {
  const summary = yield* opsSummary(24)
  const next = [...new Set(summary.reason_details.slice(0, 4).flatMap(({ next }) => inChat(next) ?? []))].filter((text) => !text.includes("<"))
  return one(say(opsText(summary), next.length === 0 ? [] : [next.map((text) => words(text, text))]))
})

/** The most buttons below a chain of reasons. */
const nextMax = 4

const why = (text: string, { limits }: Looking): Answer<Named> =>
  Effect.gen(function*() {
    const task = yield* taskNamed(text)
    if (task === null) return one(say("it is gone"))
    const redactor = (yield* Redacting).knowing(secretsOf(task))
    const { reasons } = yield* whyTask(task, { limits, storage: yield* storageReasons })
    const typed = reasons.flatMap(({ next }) => (next === null ? [] : inChat(next) ?? []))
    const said = redactor.text(whyText(task, reasons)).split("\n").map((line) => line.replace(/next: (opsgate .*)$/, (_all, next: string) => `next: ${inChat(next) ?? next}`))
    // An approval is bound to what was shown, so its button is on the card.
    const buttons = [...new Set(typed)].filter((next) => !next.includes("<") && !/^\/(?:approve|plan|review|reject|stop)\b/.test(next)).slice(0, nextMax).map((next) => words(next, next))
    return one({ _tag: "Say", task, look: { text: cut(said.map(printable).join("\n"), 4000), entities: [], buttons: [[words("🗂 Card", `/status ${shortId(task.id)}`)], ...(buttons.length === 0 ? [] : [buttons])] } })
  })

const lineMax = 200

const cron: Answer = Effect.gen(function*() {
  const redactor = yield* Redacting
  const rows = yield* schedulesNow
  const lines = rows.map(({ cron: expression, every_ms: everyMs, kind, last, name, next, paused, state }) =>
    cut(oneLine(redactor.text([
      `${name}: ${state}, ${kind}, ${expression ?? `every ${everyMs ?? 0} ms`}`,
      `next ${next ?? "-"}`,
      ...(last === null ? [] : [`last ${last.tick ?? "-"} ${last.outcome}`]),
      ...(paused === null ? [] : [`paused by ${paused.by}: ${paused.reason}`])
    ].join("; "))), lineMax))
  return one(sayOrPaper(lines.length === 0 ? "no schedules" : lines.join("\n"), "schedules.txt"))
})

const queues = ({ limits }: Looking): Answer =>
  Effect.gen(function*() {
    const redactor = yield* Redacting
    const nowMs = (yield* Instants).wallMs()
    const rows = queueRowsOf(yield* (yield* EngineReader).queues(nowMs), limits)
    const lines = rows.map(({ depth, due, oldest_due_at: oldestMs, paused, paused_by: by, queue, reason, running }) =>
      cut(oneLine(redactor.text(`${queue}: ${depth} queued (${due} due${aged(oldestMs === null ? null : Math.max(0, nowMs - oldestMs))}), ${running} running${paused ? `, paused${by === null ? " by the configuration" : ` by ${by}: ${reason ?? ""}`}` : ""}`)), lineMax))
    return one(sayOrPaper(lines.length === 0 ? "no queues" : lines.join("\n"), "queues.txt"))
  })

const gate = (verdict: Verdict | null): ReadonlyArray<Part> => {
  if (verdict === null) return one(say("no verdict yet: nobody has run the gate here"))
  const { at_ms: atMs, checks, commit, decision, profile, report, run } = verdict
  const counts = new Map<string, number>()
  for (const check of checks) counts.set(check.verdict, (counts.get(check.verdict) ?? 0) + 1)
  const failed = checks.filter((check) => check.verdict !== "PASS").slice(0, 10).map(({ id, verdict: found }) => cut(`${oneLine(found)} ${oneLine(id)}`, 100))
  const text = [
    `${cut(oneLine(decision), 40)}  ${clockOf(atMs)}`,
    cut(`run ${oneLine(run)}, profile ${oneLine(profile)}${commit === null ? "" : `, commit ${oneLine(commit).slice(0, 12)}`}`, 200),
    [...counts].map(([found, count]) => `${cut(oneLine(found), 20)} ${count}`).join(", "),
    ...failed
  ].join("\n")
  return [say(text), ...(report === null ? [] : [{ _tag: "Paper" as const, name: "REPORT.md", content: report, caption: cut(oneLine(decision), 40) }])]
}
