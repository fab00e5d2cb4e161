/**
 * Runs that went wrong, as an honest gate would have them on record: for every measure the least that breaks its rule, and no other's.
 * They belong to the family of tampering: it is evidence that was edited.
 */
import type { ChatCall, ChatHistory, Effect, Journal, LogEvent } from "../History.ts"
import { silenced } from "./Absence.ts"
import { rechained, type Scene } from "./Draft.ts"
import { measure, type Mutant } from "./Mutant.ts"

export type Change = (scene: Scene) => Partial<Scene> | null

export const broken = (name: string, what: string, measured: string, lacking: string, change: Change, also?: Mutant["also"]): Mutant =>
  ({ id: `tampering/${name}`, family: "tampering", hand: "run", what, flips: [measure(measured)], apply: (draft) => draft.rewrite(lacking, change), ...(also === undefined ? {} : { also }) })

/** Replaces the first item that fits; null when none does. */
const replaced = <A>(items: ReadonlyArray<A>, fits: (item: A) => boolean, change: (item: A) => A): ReadonlyArray<A> | null => {
  const at = items.findIndex(fits)
  return at < 0 ? null : items.map((item, index) => (index === at ? change(item) : item))
}

export const inJournal = (change: (journal: Journal) => Partial<Journal> | null): Change => ({ journal }) => {
  const changed = change(journal)
  return changed === null ? null : { journal: { ...journal, ...changed } }
}

export const inChat = (change: (chat: ChatHistory) => Partial<ChatHistory> | null): Change =>
  inJournal(({ chat }) => {
    const changed = chat === undefined ? null : change(chat)
    return chat === undefined || changed === null ? null : { chat: { ...chat, ...changed } }
  })

export const inLog = (fits: (event: LogEvent, scene: Scene) => boolean, change: (event: LogEvent) => LogEvent): Change => (scene) => {
  const events = replaced(scene.events, (event) => fits(event, scene), change)
  return events === null ? null : { events: rechained(events) }
}

const inLedger = (fits: (effect: Effect, scene: Scene) => boolean, change: (effect: Effect) => ReadonlyArray<Effect>): Change => (scene) => {
  const at = scene.effects.findIndex((effect) => fits(effect, scene))
  return at < 0 ? null : { effects: scene.effects.flatMap((effect, index) => (index === at ? change(effect) : [effect])) }
}

export const withPayload = (event: LogEvent, change: Readonly<Record<string, unknown>>): LogEvent => ({ ...event, payload: { ...event.payload, ...change } })

const number = (value: unknown): number => (typeof value === "number" ? value : 0)

/** A task of which the ledger has exactly one start and one end, and that no fault hit. */
const isPlain = (task: string, { effects, journal }: Scene): boolean => {
  const own = effects.filter((effect) => effect.task === task)
  return own.length === 2 && !journal.faults.some(({ hit }) => hit.includes(task)) && !journal.replays.some(({ first_task }) => first_task === task)
}

/** A task that was asked for in no chat: chats have checks of their own. */
export const isSilent = (task: string | null, { journal }: Scene): boolean => task !== null && journal.chat === undefined && journal.requests.some((request) => request.task === task)

const grants: ReadonlySet<string> = new Set(["task.running", "effect.adopted"])

// Every number of a generation of one task, in log and ledger: they fit each other as before, and the first is 2.
const shiftedGeneration: Change = (scene) => {
  const first = scene.events.find((event) => event.type === "task.running" && isSilent(event.task, scene))
  if (first === undefined) return null
  const shift = (event: LogEvent): LogEvent => {
    const { from_generation, generation } = event.payload ?? {}
    const raised = { ...(typeof generation === "number" ? { generation: generation + 1 } : {}), ...(typeof from_generation === "number" ? { from_generation: from_generation + 1 } : {}) }
    return event.task === first.task ? withPayload(event, raised) : event
  }
  const effects = scene.effects.map((effect) => (effect.task === first.task ? { ...effect, generation: effect.generation + 1 } : effect))
  return { events: rechained(scene.events.map(shift)), effects }
}

const ghosts = Array.from({ length: 200 }, (_, index) => `ghost-${index}`)

const sends: ReadonlySet<string> = new Set(["sendMessage", "editMessageText", "sendDocument"])

const isPoll = ({ method }: ChatCall): boolean => method === "getUpdates"

export const brokenRuns: ReadonlyArray<Mutant> = [
  broken("journal-of-fault-twice", "One fault is on record twice.", "faultsHit", "a fault", inJournal(({ faults }) => {
    const [fault] = faults.filter(({ hit, must_hit }) => hit.length > 0 && must_hit === "poll" || hit.length > 0)
    return fault === undefined ? null : { faults: [...faults, fault] }
  })),
  broken("job-nobody-asked-for", "The log has a job that nobody asked for.", "jobsConserved", "a request that nothing hit", (scene) => {
    const plain = scene.journal.requests.find(({ task }) => task !== null && isPlain(task, scene) && isSilent(task, scene))
    return plain === undefined ? null : { journal: { ...scene.journal, requests: scene.journal.requests.filter((request) => request !== plain) } }
  }),
  broken("job-lost", "A job was acknowledged, and the log does not know it.", "jobsConserved", "a request", inJournal(({ requests }) => {
    const [request] = requests
    return request === undefined ? null : { requests: [...requests, { ...request, key: "ghost", task: "ghost" }] }
  }), { tasksEndRight: "a job that is not there has not ended either" }),
  broken("effect-lost", "A job succeeded, and its effect is not done.", "tasksEndRight", "a job with an effect", inLedger((effect, scene) => effect.phase === "done" && isPlain(effect.task, scene), () => [])),
  broken("effect-twice", "A heavy job was started again after it was done.", "noDuplicateHeavy", "a heavy job with an effect", inLedger(
    ({ phase, task }, { effects, journal }) => phase === "done" && effects.filter((one) => one.task === task && one.phase === "done").length === 1 && journal.requests.some((request) => request.task === task && request.class === "heavy"),
    (effect) => [effect, { ...effect, phase: "start", pid: effect.pid + 1 }, { ...effect, pid: effect.pid + 1 }]
  ), { effectsPermitted: "the second start has no intent of its own", tasksEndRight: "its effect is done twice" }),
  broken("effect-late", "A command was started after its lease had run out.", "effectsPermitted", "a start", inLedger((effect, scene) => effect.phase === "start" && isPlain(effect.task, scene), (effect) => [{ ...effect, mono_ms: effect.mono_ms + 3_600_000 }])),
  broken("effect-unasked", "A command ended that nobody had started.", "effectsPermitted", "an effect", inLedger((effect, scene) => effect.phase === "start" && isPlain(effect.task, scene), () => [])),
  broken("generation-skipped", "The first lease of a task has generation 2.", "singleOwner", "a run", shiftedGeneration, { summariesAgree: "first leases are counted there too" }),
  broken("stale-settle", "A task was ended by a worker whose lease another had taken.", "writesFenced", "a task that succeeded", inLog(
    ({ payload, task, type }, scene) => type === "task.succeeded" && typeof payload?.["generation"] === "number" && isSilent(task, scene),
    (event) => withPayload(event, { generation: number(event.payload?.["generation"]) - 1 })
  )),
  broken("illegal-move", "A task was queued by a trigger that does not lead there.", "legalTransitions", "a task that was queued", inLog(
    ({ payload, task, type }, scene) => type === "task.queued" && payload?.["by"] === "resume" && isSilent(task, scene),
    (event) => withPayload(event, { by: "hand_back" })
  )),
  broken("answered-otherwise", "A command that was sent again was answered with another task.", "commandsDeduplicated", "a repeat", inJournal(({ replays }) => {
    const changed = replaced(replays, ({ exit, same_payload, task }) => exit === 0 && same_payload && task !== null, (replay) => ({ ...replay, task: "another" }))
    return changed === null ? null : { replays: changed }
  })),
  broken("summary-off-by-one", "A summary says one task more in the queue than the log has.", "summariesAgree", "a summary", inJournal(({ summaries }) => {
    const changed = replaced(summaries, ({ summary }) => queuedIn(summary) !== null, (sample) => ({ ...sample, summary: withQueued(sample.summary) }))
    return changed === null ? null : { summaries: changed }
  })),
  broken("row-changed-by-restart", "A restart changed a row.", "restartsKeepState", "a restart", inJournal(({ restarts }) => {
    const changed = replaced(restarts, ({ after }) => after.length > 0, (restart) => ({ ...restart, after: restart.after.map((row, index) => (index === 0 ? { ...row, state: `${row.state}?` } : row)) }))
    return changed === null ? null : { restarts: changed }
  })),
  broken("approval-missing", "A run began although an approval was never given.", "runsApproved", "an approval", (scene) => {
    const asked = new Set(scene.events.filter(({ payload, type }) => type === "task.requested" && Array.isArray(payload?.["holds"]) && payload["holds"].includes("approval")).map(({ task }) => task))
    const began = new Set(scene.events.filter(({ type }) => grants.has(type)).map(({ task }) => task))
    return inLog(({ task, type }) => type === "approval.given" && asked.has(task) && began.has(task), silenced)(scene)
  }, { acknowledgedKept: "whoever said yes was told so", linearizable: "whoever said yes was told so", chatCommandsOnce: "a yes may have come from a chat", commandSuccess: "a yes may have come from a chat" }),
  broken("unrecovered", "Jobs that were interrupted never came back.", "interruptedRecovered", "a job that was hit", ({ journal }) => {
    const at = journal.faults.findIndex((fault) => fault.class !== "replay" && fault.hit.length > 0 && ["running", "claimed", "effect", "stored"].includes(fault.must_hit) && journal.scenario.traffic_class === "fault")
    return at < 0 ? null : { journal: { ...journal, faults: journal.faults.map((fault, index) => (index === at ? { ...fault, hit: [...fault.hit, ...ghosts] } : fault)) } }
  }),
  broken("chat-command-twice", "A command in a chat that had been given before had its effect once more.", "chatCommandsOnce", "a command in a chat", inChat(({ commands }) => {
    const changed = replaced(commands, ({ expect, op }) => expect === "once" && op === "submit", (command) => ({ ...command, expect: "nothing" as const, standing: "repeat" as const }))
    return changed === null ? null : { commands: changed }
  })),
  broken("chat-beyond-limits", "A message was sent beyond the limits of the chat service.", "chatLimitsKept", "a chat", inChat(({ violations }) => ({ violations: [...violations, { at: 0, scope: "chat", method: "sendMessage", early: false }] }))),
  broken("report-lost", "The end of a task was never told.", "reportsArrive", "a report that was struck", (scene) => {
    const { chat, faults } = scene.journal
    const [task] = faults.filter((fault) => fault.class === "send_fault").flatMap(({ hit }) => hit)
    if (chat === undefined || task === undefined) return null
    const short = task.slice(-6).toLowerCase()
    const calls = chat.calls.map((call) => (sends.has(call.method) && call.text?.startsWith(`${short} `) === true ? { ...call, status: 400 } : call))
    return { journal: { ...scene.journal, chat: { ...chat, calls } } }
  }, { endsReported: "it is an end that was not told", endsNoticed: "a card that was not there before tells of the end too" }),
  broken("polls-never-answered", "After a burst no poll was ever answered.", "pollRecovery", "bursts", inChat(({ bursts, calls }) => (bursts.length === 0 ? null : { calls: calls.map((call) => (isPoll(call) ? { ...call, answered: false } : call)) })), { mttr: "the burst is never over", mttrMean: "the burst is never over" })
]

const queuedIn = (summary: unknown): number | null => {
  const tasks = typeof summary === "object" && summary !== null && "tasks" in summary ? summary.tasks : null
  return typeof tasks === "object" && tasks !== null && "queued" in tasks && typeof tasks.queued === "number" ? tasks.queued : null
}

const withQueued = (summary: unknown): unknown => {
  const tasks = typeof summary === "object" && summary !== null && "tasks" in summary && typeof summary.tasks === "object" ? summary.tasks : {}
  return { ...(typeof summary === "object" ? summary : {}), tasks: { ...tasks, queued: (queuedIn(summary) ?? 0) + 1 } }
}
