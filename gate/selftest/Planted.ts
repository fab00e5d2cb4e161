/**
 * Runs that broke a rule of the runtime which only one oracle watches: attempts, pauses, leases, steps, ends, and what clients were told.
 * Like those of `Broken.ts` they are the least that breaks it.
 */
import type { ChatCall, LogEvent, Operation } from "../History.ts"
import { endIn } from "../invariant/endsNoticed.ts"
import { silenced } from "./Absence.ts"
import { broken, type Change, inChat, inLog, isSilent, withPayload } from "./Broken.ts"
import { rechained, type Scene } from "./Draft.ts"
import type { Mutant } from "./Mutant.ts"

const number = (value: unknown): number => (typeof value === "number" ? value : 0)

const isTerminal = ({ type }: LogEvent): boolean => ["task.succeeded", "task.failed", "task.canceled", "task.expired"].includes(type)

/** An event behind all others, about the first that fits. */
const appended = (fits: (event: LogEvent, scene: Scene) => boolean, change: (event: LogEvent) => Partial<LogEvent>): Change => (scene) => {
  const about = scene.events.find((event) => fits(event, scene))
  return about === undefined ? null : { events: rechained([...scene.events, { ...about, ...change(about) }]) }
}

/** Changes what was declared of the kind of the first event that fits. */
const redeclared = (fits: (event: LogEvent) => boolean, change: (kind: NonNullable<Scene["journal"]["kinds"]>[string]) => object): Change => ({ events, journal }) => {
  const task = events.find(fits)?.task
  const kind = events.find((event) => event.type === "task.requested" && event.task === task)?.payload?.["kind"]
  const known = typeof kind === "string" ? journal.kinds?.[kind] : undefined
  return typeof kind !== "string" || known === undefined ? null : { journal: { ...journal, kinds: { ...journal.kinds, [kind]: { ...known, ...change(known) } } } }
}

const isClaimedOnce = (task: string | null, { events }: Scene): boolean => events.filter((event) => event.task === task && event.type === "task.running").length === 1

// An end of a lease that is told as if it had run out, although its holder had been promised more.
const hurriedEpoch: Change = (scene) => {
  let promised = 0
  const at = scene.events.findIndex(({ payload, type }) => {
    if (type === "effect.intent") promised = Math.max(promised, number(payload?.["start_before_mono_ms"]))
    const hurried = type === "epoch.started" && promised > 0
    if (type === "epoch.started") promised = 0
    return hurried
  })
  if (at < 0) return null
  return { events: rechained(scene.events.map((event, index) => (index === at ? withPayload(event, { why: "lease_expired", mono_ms: 0 }) : event))) }
}

const repeatedIntent: Change = (scene) => {
  const at = scene.events.findIndex(({ task, type }) => type === "effect.intent" && isSilent(task, scene))
  const intent = scene.events[at]
  // Summaries name events by their place.
  if (intent === undefined || scene.journal.summaries.length > 0) return null
  return { events: rechained(scene.events.toSpliced(at + 1, 0, intent)) }
}

const withOperation = (made: (scene: Scene, last: number) => Operation | null): Change => (scene) => {
  const { operations } = scene.journal
  if (operations === undefined) return null
  const operation = made(scene, Math.max(0, ...operations.map(({ answered, invoked }) => answered ?? invoked)))
  return operation === null ? null : { journal: { ...scene.journal, operations: [...operations, operation] } }
}

const hourMs = 3_600_000

const sends: ReadonlySet<string> = new Set(["sendMessage", "editMessageText", "sendDocument"])

// Longer ago than a report may take.
const untold: Change = (scene) => {
  const { chat, ended_at, faults } = scene.journal
  const struck = new Set(faults.filter((fault) => fault.class === "send_fault").flatMap(({ hit }) => hit))
  const keys = new Set(chat?.commands.filter(({ expect, op }) => op === "submit" && expect === "once").map(({ key }) => key))
  const task = scene.events.find((event) => isTerminal(event) && event.task !== null && !struck.has(event.task) && keys.has(keyOf(event.task, scene)))?.task
  if (chat === undefined || typeof task !== "string") return null
  const short = task.slice(-6).toLowerCase()
  const calls = chat.calls.map((call) => (sends.has(call.method) && call.text?.startsWith(`${short} `) === true ? { ...call, status: 400 } : call))
  return { journal: { ...scene.journal, ended_at: ended_at + hourMs, chat: { ...chat, calls } } }
}

const unnoticed: Change = (scene) => {
  const { chat, ended_at } = scene.journal
  const asked = new Set(chat?.commands.map(({ key }) => key))
  const ran = new Set(scene.events.flatMap(({ task, type }) => (type === "task.running" && task !== null && !asked.has(keyOf(task, scene)) ? [task.slice(-6).toLowerCase()] : [])))
  const end = chat?.calls.flatMap(endIn).find((one) => ran.has(one.slice(0, 6)))
  if (chat === undefined || end === undefined) return null
  const calls = chat.calls.map((call) => (endIn(call).includes(end) ? { ...call, status: 400 } : call))
  return { journal: { ...scene.journal, ended_at: ended_at + hourMs, chat: { ...chat, calls } } }
}

const keyOf = (task: string, { events }: Scene): string => {
  const key = events.find((event) => event.task === task && event.type === "task.requested")?.payload?.["key"]
  return typeof key === "string" ? key : ""
}

const hasReference = ({ answered, faults, method, status, text }: ChatCall): boolean => method === "sendMessage" && status === 200 && answered && faults.length === 0 && /\n· [0-9a-f]{8}$/.test(text ?? "")

export const plantedRuns: ReadonlyArray<Mutant> = [
  broken("claim-of-the-past", "A task was claimed under an epoch that was over.", "tokensMonotonic", "a claim", inLog(
    ({ task, type }, scene) => type === "task.running" && isSilent(task, scene),
    (event) => withPayload(event, { epoch: number(event.payload?.["epoch"]) - 1 })
  )),
  broken("attempt-miscounted", "The first claim of a task counts as its second.", "attemptsCapped", "a task that was claimed once", inLog(
    ({ task, type }, scene) => type === "task.running" && isSilent(task, scene) && isClaimedOnce(task, scene),
    (event) => withPayload(event, { attempt: number(event.payload?.["attempt"]) + 1 })
  )),
  broken("given-up-early", "A task was given up with a try left.", "failuresEarned", "a task that failed", redeclared(({ payload, type }) => type === "task.failed" && payload?.["by"] === "settle", ({ attempts }) => ({ attempts: attempts + 1 }))),
  broken("claimed-early", "A task was claimed an hour before it was due.", "retriesWait", "a task that was queued", inLog(
    ({ payload, task, type }, scene) => type === "task.queued" && payload?.["by"] === "resume" && isSilent(task, scene) && isClaimedOnce(task, scene),
    (event) => withPayload(event, { available_at_ms: event.at + hourMs })
  )),
  broken("word-after-the-end", "A task was sent a signal after its end.", "endsFinal", "a task that ended", appended(
    (event, scene) => isTerminal(event) && isSilent(event.task, scene),
    () => ({ type: "signal.received", payload: { name: "late", payload_sha256: "0".repeat(64), wakes: false } })
  )),
  broken("lease-cut-short", "A lease was taken as run out while it was in force.", "leasesRespected", "an epoch behind an intent", hurriedEpoch),
  broken("step-begun-twice", "A step began again while it was in progress.", "stepsNotRestarted", "an intent, and no summaries", repeatedIntent),
  broken("approval-run-out", "A task was dispatched under an approval that had run out.", "approvalsInForce", "an approval of a task that was dispatched", (scene) => {
    const queued = new Set(scene.events.filter(({ payload, type }) => type === "task.queued" && payload?.["from"] === "APPROVED").map(({ task }) => task))
    return redeclared(({ payload, task, type }) => type === "task.requested" && queued.has(task) && Array.isArray(payload?.["holds"]) && payload["holds"].length > 0, () => ({ approval_ttl_ms: 0 }))(scene)
  }),
  broken("seen-and-gone", "A client saw an end of a task that the log does not know.", "acknowledgedKept", "operations", withOperation((_, last) => ({ op: "read", key: null, task: "ghost", invoked: last + 1, answered: last + 2, answer: "SUCCEEDED" }))),
  broken("seen-after-its-end", "A client saw a task in the queue again after its end.", "linearizable", "a task whose end a client saw", withOperation(({ events, journal: { operations = [] } }, last) => {
    const asked = new Set(operations.filter(({ answer, op }) => op === "submit" && answer === "QUEUED").map(({ task }) => task))
    const ended = operations.find(({ answer, op, task }) => op === "read" && answer === "SUCCEEDED" && asked.has(task) && events.some((event) => event.type === "task.queued" && event.task === task))
    return ended === undefined ? null : { op: "read", key: null, task: ended.task, invoked: last + 1, answered: last + 2, answer: "QUEUED" }
  })),
  broken("too-many-at-a-time", "A task was claimed although no slot was free.", "queueLimitsKept", "a claim in its epoch", inLog(
    ({ payload, type }, scene) => type === "epoch.started" && scene.events.some((event) => event.type === "task.running" && event.payload?.["epoch"] === payload?.["epoch"]),
    (event) => withPayload(event, { slots: 0 })
  )),
  broken("end-untold", "The end of a task was never told in the chat that asked for it, although nothing kept it.", "endsReported", "a task of a chat that no fault hit", untold, { endsNoticed: "a card that was not there before tells of the end too" }),
  broken("end-unnoticed", "Nobody but whoever asked was told the end of a task.", "endsNoticed", "an end that was told in words", unnoticed),
  broken("said-twice", "A message was sent again although its answer had arrived.", "repeatsExplained", "a message with a reference", inChat(({ calls }) => {
    const call = calls.find(hasReference)
    return call === undefined ? null : { calls: [...calls, { ...call, seq: Math.max(...calls.map(({ seq }) => seq)) + 1 }] }
  })),
  broken("rival-let-in", "A second server on the same file was not refused.", "promisesKept", "a second server", ({ journal }) => {
    const rivals = new Set(journal.faults.filter((fault) => fault.class === "second_server" && fault.hit.length > 0).map(({ id }) => id))
    const at = (journal.encounters ?? []).findIndex(({ fault }) => rivals.has(fault))
    return at < 0 ? null : { journal: { ...journal, encounters: journal.encounters?.map((one, index) => (index === at ? { ...one, code: 0 } : one)) ?? [] } }
  }),
  broken("tick-decided-twice", "A tick asked for a task that had been skipped.", "ticksOnce", "a tick", (scene) => {
    const at = scene.events.findIndex(({ payload, type }) => type === "task.requested" && payload?.["by"] === "schedule" && payload["tick_by"] !== "manual")
    const { schedule, tick_ms } = scene.events[at]?.payload ?? {}
    const declared = scene.events.findIndex(({ payload, type }) => type === "schedule.declared" && payload?.["schedule"] === schedule)
    const before = scene.events[declared]
    // Summaries name events by their place.
    if (at < 0 || before === undefined || scene.journal.summaries.length > 0) return null
    const skipped = { ...before, type: "schedule.skipped", payload: { schedule, version: 1, from_ms: tick_ms, to_ms: tick_ms, count: 1, reason: "overlap" } }
    return { events: rechained(scene.events.toSpliced(declared + 1, 0, skipped)) }
  }),
  broken("tick-forgotten", "The ticks of a schedule that nobody ran are on record as none.", "ticksWhole", "a tick that was skipped, before one that was run", (scene) => {
    const at = scene.events.findIndex(({ payload, seq, type }) => type === "schedule.skipped" && scene.events.some((event) => event.seq > seq && event.type === "task.requested" && event.payload?.["schedule"] === payload?.["schedule"] && event.payload?.["tick_by"] !== "manual" && number(event.payload?.["tick_ms"]) > number(payload?.["to_ms"])))
    return at < 0 ? null : { events: rechained(scene.events.map((event, index) => (index === at ? silenced(event) : event))) }
  }),
  broken("child-forgotten", "The child of a task was asked for, and nobody ever took it.", "workEnds", "a task", (scene) => {
    const parent = scene.events.find((event) => event.type === "task.requested" && isSilent(event.task, scene))
    if (parent === undefined) return null
    const payload = { ...parent.payload, by: "child", holds: [], key: null, parent: parent.task, parent_step: 999, dispatch_key: "forgotten", command: null }
    const child = { ...parent, at: 0, task: "forgotten", payload }
    return { events: rechained([...scene.events, child]), journal: { ...scene.journal, ended_at: scene.journal.ended_at + hourMs } }
  })
]
