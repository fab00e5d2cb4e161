/** For every oracle a run that breaks its rule and no other's: of the whole map of verdicts exactly that one turns. */
import { describe, expect, it } from "vitest"
import type { Effect, Trial, TrialKind } from "../../gate/History.ts"
import { invariants } from "../../gate/invariant/all.ts"
import { subjectOf } from "../../gate/scorecard/Measures.ts"
import { begins, type Change, garden, own, tickAt } from "./Garden.ts"
import { call, commanded, done, type Draft, event, kindOf, queuedAgain, requested, running, started } from "./invariant/Story.ts"

type Oracle = Exclude<keyof typeof invariants, "checksCanFail" | "mutantsCaught" | "runtimeMutantsCaught">

/** What every oracle says of a run: `held`, `broken`, `missing`, or `nothing` where nothing was counted. */
const verdicts = (change?: Change): Readonly<Record<string, string>> => {
  const history = garden(change)
  return Object.fromEntries(Object.entries(invariants).filter(([name]) => subjectOf(name) === "scenarios").map(([name, measure]) => {
    const found = measure(history)
    return [name, found._tag === "Missing" ? `missing: ${found.why}` : found.good < found.total ? "broken" : found.total === 0 ? "nothing" : "held"]
  }))
}

const baseline = verdicts()

/** The names whose verdict is another than that of the run that went well. */
const turned = (change: Change): ReadonlyArray<string> => {
  const after = verdicts(change)
  return Object.keys(after).filter((name) => after[name] !== baseline[name])
}

const isOf = (type: string, task: string | null) => (draft: Draft): boolean => draft.type === type && draft.task === task
const nth = (fits: (draft: Draft) => boolean, change: (draft: Draft) => ReadonlyArray<Draft>, place = 0) => (drafts: ReadonlyArray<Draft>): ReadonlyArray<Draft> => {
  const at = drafts.flatMap((draft, index) => (fits(draft) ? [index] : []))[place]
  return drafts.flatMap((draft, index) => (index === at ? change(draft) : [draft]))
}
const says = (over: Readonly<Record<string, unknown>>) => (draft: Draft): ReadonlyArray<Draft> => [{ ...draft, payload: { ...draft.payload, ...over } }]
const with1 = (draft: Draft) => (drafts: ReadonlyArray<Draft>): ReadonlyArray<Draft> => [...drafts, draft]
const gone = (): ReadonlyArray<Draft> => []
const isEffect = (phase: Effect["phase"], task: string) => (effect: Effect): boolean => effect.phase === phase && effect.task === task

const tried = (kind: TrialKind, over: Partial<Trial>): Change => ({ journal: ({ trials = [] }) => ({ trials: trials.map((one) => (one.kind === kind && one.lie !== true ? { ...one, ...over } : one)) }) })

interface Plant {
  readonly what: string
  readonly change: Change
  /** What turns beside the oracle itself, and why that cannot be otherwise. */
  readonly also?: Partial<Record<Oracle, string>>
}

const plants: Readonly<Record<Oracle, ReadonlyArray<Plant>>> = {
  acknowledgedKept: [{ what: "a state that a client saw is not in the log", change: { journal: ({ operations = [] }) => ({ operations: [...operations, { op: "read", key: null, task: "ghost", invoked: 9, answered: 10, answer: "SUCCEEDED" }] }) } }],
  approvalsInForce: [{ what: "it was dispatched when its approval had run out", change: { journal: ({ kinds }) => ({ kinds: { ...kinds, exec: kindOf({ approval_ttl_ms: 0 }) } }) } }],
  attemptsCapped: [
    { what: "an attempt does not count", change: { log: nth(isOf("task.running", "d1"), says({ attempt: 1 }), 1) } },
    { what: "more attempts than were declared", change: { journal: ({ kinds }) => ({ kinds: { ...kinds, exec: kindOf({ attempts: 2 }) } }) } }
  ],
  chainIntact: [{ what: "an event was changed after it was chained", change: { forge: (events) => events.map((one, index) => (index === 3 ? { ...one, actor: "somebody" } : one)) } }],
  chatCommandsOnce: [{ what: "a command in a chat that had to come to nothing made a task", change: { bed: "talk", journal: ({ chat }) => (chat === undefined ? {} : { chat: { ...chat, commands: [commanded(7), commanded(8, { key: "telegram:1:8" })] } }) } }],
  chatLimitsKept: [{ what: "a message was sent too early", change: { bed: "talk", journal: ({ chat }) => (chat === undefined ? {} : { chat: { ...chat, violations: [{ at: 1, scope: "chat", method: "sendMessage", early: true }] } }) } }],
  clockSurvived: [{ what: "a jump of the clock ended an epoch", change: tried("clock", { looks: [{ what: "the server", promised: ["goes on"], seen: "ended" }] }) }],
  commandsDeduplicated: [{ what: "a repeat was answered with another task", change: { journal: ({ replays }) => ({ replays: replays.map((replay) => ({ ...replay, task: "t1" })) }) } }],
  conservation: [{
    what: "a task is in two states",
    change: { log: nth(isOf("task.approved", "k1"), says({ from: "QUEUED" })) },
    also: { jobsConserved: "it counts the same, request by request", legalTransitions: "there is no such move" }
  }],
  effectsPermitted: [
    { what: "a command started after its lease", change: { ledger: (effects) => effects.map((one) => (isEffect("start", "c1")(one) ? { ...one, mono_ms: 99_999 } : one)) } },
    { what: "an effect ended that had not started", change: { ledger: (effects) => effects.filter((one) => !isEffect("start", "k1")(one)) } }
  ],
  endsFinal: [
    { what: "a recovery that nobody asked for", change: { log: with1(event("task.queued", "d1", { from: "FAILED", by: "recover", available_at_ms: 3_000_000 })) }, also: { tasksEndRight: "it does not end as it should, since nobody claims it" } },
    { what: "a signal after the end", change: { log: with1(event("signal.received", "k1", { name: "late", wakes: false })) } }
  ],
  endsNoticed: [{ what: "an end was told by a change of a card alone", change: { bed: "talk", journal: ({ chat }) => (chat === undefined ? {} : { chat: { ...chat, calls: chat.calls.map((one) => (one.seq === 4 ? { ...one, method: "editMessageText" } : one)) } }) } }],
  endsReported: [{ what: "an end was never told", change: { bed: "talk", journal: ({ chat, faults }) => (chat === undefined ? {} : { faults: faults.map((one) => ({ ...one, hit: ["elsewhere"] })), chat: { ...chat, calls: chat.calls.map((one) => (one.seq === 4 ? { ...one, text: "chat-1  exec\nrunning\n\n· 0123abcd" } : one)) } }) }, also: { reportsArrive: "it looks at the same message where sending was made to fail", endsNoticed: "the same message tells everybody else" } }],
  everythingOccurs: [{ what: "nothing was rescued", change: { log: nth(isOf("task.queued", "t1"), says({ by: "hand_back" }), 1) }, also: { summariesAgree: "rescues are counted there too" } }],
  failuresEarned: [{ what: "a task was given up with a try left", change: { journal: ({ kinds }) => ({ kinds: { ...kinds, exec: kindOf({ attempts: 4 }) } }) } }],
  faultlessQuiet: [{ what: "where nothing broke a task was tried twice", change: { bed: "quiet", log: (drafts) => drafts.flatMap((draft) => (draft.type === "effect.intent" ? [queuedAgain("q1", "retry"), running("q1", 2), { ...draft, payload: { ...draft.payload, attempt: 2, generation: 2 } }] : draft.type === "task.succeeded" ? [{ ...draft, payload: { ...draft.payload, attempt: 2, generation: 2 } }] : [draft])), ledger: () => [started("q1", 2), done("q1", 2)] } }],
  faultsHit: [{ what: "a fault has no witness", change: { journal: ({ faults }) => ({ faults: faults.map((one) => ({ ...one, witness: null })) }) }, also: { promisesKept: "a fault that nobody saw asks for nothing", leasesEnd: "a stop that nobody saw is none" } }],
  fullDiskSurvived: [{ what: "something began on a full disk", change: tried("full_disk", { looks: [{ what: "the server", promised: ["goes on"], seen: "ended" }] }) }],
  ioErrorsSurvived: [{ what: "a server went on after a sync that failed", change: tried("io_error", { looks: [{ what: "the server", promised: ["goes on"], seen: "ended" }] }) }],
  jobsConserved: [{ what: "a job was acknowledged and lost", change: { journal: ({ requests }) => ({ requests: [...requests, { key: "ghost", kind: "exec", class: "light", task: "ghost", expect: { states: ["SUCCEEDED"], done_min: 0, done_max: 1 } }] }) }, also: { tasksEndRight: "what is lost has not ended either" } }],
  kindsJudged: [{ what: "a kind of a project left nothing", change: { bed: "quiet", journal: () => ({ own: { ...own, kinds: [...own.kinds, { kind: "refund", unjudged: null }] } }) } }],
  lateWritesSeen: [{ what: "nobody ever wrote late", change: { log: nth(isOf("write.fenced", "t1"), () => [event("note", null)]) }, also: { everythingOccurs: "a late write is one of what has to occur", summariesAgree: "late writes are counted there too" } }],
  leasesEnd: [{ what: "a task was claimed under the epoch of before", change: { journal: ({ faults }) => ({ faults: faults.map((one) => (one.class === "sigstop" ? { ...one, at: 998_000, until: 1_000_500 } : one)) }), log: nth(isOf("effect.intent", "k1"), (draft) => [{ ...draft, at: 1_001_000 }]) } }],
  leasesRespected: [
    { what: "a run was taken from its owner in the same epoch", change: { log: nth(isOf("task.running", "t1"), says({ epoch: 2 })) }, also: { tokensMonotonic: "it was claimed under an epoch that had not begun" } },
    { what: "a lease was taken as run out before it had", change: { log: nth(({ payload, type }) => type === "epoch.started" && payload?.["epoch"] === 2, says({ mono_ms: 9000 })) } }
  ],
  legalTransitions: [{ what: "a move that the table does not have", change: { log: nth(isOf("task.queued", "k1"), says({ by: "hand_back" })) } }],
  linearizable: [{ what: "a client saw a task in the queue again after its end", change: { journal: ({ operations = [] }) => ({ operations: [...operations, { op: "read", key: null, task: "w1", invoked: 9, answered: 10, answer: "QUEUED" }] }) } }],
  noDuplicateHeavy: [{ what: "a dangerous step is done twice", change: { ledger: (effects) => effects.flatMap((one) => (isEffect("done", "w1")(one) && one.generation === 2 ? [one, one] : [one])) } }],
  promisesKept: [{ what: "a second server was let in", change: { journal: ({ encounters = [] }) => ({ encounters: encounters.map((one) => ({ ...one, code: 0 })) }) } }],
  queueLimitsKept: [
    { what: "more ran at a time than there were slots", change: { log: nth(isOf("epoch.started", null), says({ slots: 1 })) } },
    { what: "a queue started more than its rate allows", change: { log: nth(isOf("epoch.started", null), says({ queues: { "": { concurrency: null, per_key: 1, rate: { count: 2, per_ms: 1_000_000_000 } } } })) } }
  ],
  repeatsExplained: [{ what: "a message was said again without a reason", change: { bed: "talk", journal: ({ chat }) => (chat === undefined ? {} : { chat: { ...chat, calls: [...chat.calls, call(5, { text: "chat-1  exec\ndone\n\n· 0123abcd" })] } }) } }],
  powerLossKept: [{ what: "a power cut took back what was acknowledged", change: tried("power_loss", { log: { acknowledged: 3, found: null } }) }],
  readOnlySurvived: [{ what: "something changed on a disk that may only be read", change: tried("read_only", { looks: [{ what: "the server", promised: ["goes on"], seen: "ended" }] }) }],
  reportsArrive: [{ what: "a message whose answer was lost never came again", change: { bed: "talk", journal: ({ chat }) => (chat === undefined ? {} : { chat: { ...chat, calls: chat.calls.map((one) => (one.seq === 3 ? { ...one, text: "chat-1  exec\nrunning\n\n· 99999999" } : one)) } }) } }],
  restartsKeepState: [{ what: "a restart changed a row", change: { journal: ({ restarts }) => ({ restarts: restarts.map((one) => ({ ...one, after: one.after.map((row) => ({ ...row, state: "QUEUED" })) })) }) } }],
  retriesWait: [
    { what: "it was claimed before it was due", change: { log: nth(isOf("task.queued", "d1"), says({ available_at_ms: 1_000_500 }), 1) } },
    { what: "it was put off for longer than was declared", change: { log: nth(isOf("task.queued", "d1"), (draft) => [{ ...draft, at: 500_000, payload: { ...draft.payload, available_at_ms: 600_000 } }], 1) } },
    { what: "it was parked and claimed before anything woke it", change: { log: nth(isOf("child.ended", "w1"), gone) }, also: { summariesAgree: "its only summary saw an event more than there is" } }
  ],
  runsApproved: [{ what: "nobody said yes", change: { log: nth(isOf("approval.given", "t1"), () => [event("note", null)]) } }],
  scenariosComplete: [{ what: "a scenario was given up", change: { journal: () => ({ status: "aborted", note: "no server" }) } }],
  singleOwner: [{ what: "an effect starts while another of its task is in progress", change: { ledger: (effects) => effects.flatMap((one) => (isEffect("done", "k1")(one) ? [{ ...one, phase: "start" as const, pid: 9 }, one, { ...one, pid: 9 }] : [one])) }, also: { effectsPermitted: "the second start has no intent of its own", noDuplicateHeavy: "k1 is heavy, and nobody ended its first run" } }],
  stepsCommittedOnce: [
    { what: "the outcome of a step is stored twice", change: { log: nth(isOf("step.succeeded", "w1"), (draft) => [draft, draft]) }, also: { summariesAgree: "it saw an event less than there is" } },
    { what: "a step has another name than it had", change: { log: nth(isOf("step.succeeded", "w1"), says({ name: "renamed" })) } }
  ],
  stepsActOnce: [{ what: "a step of a project did twice what it may do once", change: { bed: "quiet", journal: () => ({ own: { ...own, acts: ["1", "2"].flatMap((pass) => own.acts.map((act) => ({ ...act, pass }))) } }) } }],
  stepsNotRestarted: [
    { what: "a step begins again that has succeeded", change: { log: nth(isOf("task.succeeded", "w1"), (draft) => [begins("w1", 1, { attempt: 1, generation: 2 }), draft]) }, also: { summariesAgree: "its last event is another" } },
    { what: "a fork begins a step that it took over", change: { log: nth(isOf("task.succeeded", "f1"), (draft) => [begins("f1", 1), draft]) }, also: { summariesAgree: "its last event is another" } }
  ],
  summariesAgree: [{ what: "a summary says one task more than there is", change: { journal: ({ summaries }) => ({ summaries: summaries.map((one) => ({ ...one, summary: { ...Object(one.summary), tasks: {} } })) }) } }],
  tasksEndRight: [
    { what: "an effect that was never done", change: { ledger: (effects) => effects.filter((one) => !isEffect("done", "t1")(one)) } },
    { what: "a step that was never done", change: { ledger: (effects) => effects.filter((one) => one.dispatch_key !== "w1:1") } }
  ],
  ticksOnce: [{ what: "a tick that was skipped asked for a task", change: { log: nth(isOf("task.requested", "k2"), says({ tick_ms: tickAt + 1000 })) } }],
  ticksWhole: [{ what: "a tick was forgotten", change: { log: nth(isOf("schedule.skipped", null), () => [event("note", null)]) } }],
  tokensMonotonic: [{ what: "a process claims after its epoch was over", change: { log: nth(isOf("task.running", "f1"), says({ epoch: 1 })) } }],
  workEnds: [{ what: "a child was asked for and nobody took it", change: { log: with1(requested("c2", { by: "child", parent: "w1", parent_step: 4, key: null, command: null })) } }],
  writesFenced: [{ what: "a step was stored under a lease that was over", change: { log: nth(isOf("step.succeeded", "w1"), says({ generation: 1 }), 2) } }]
}

describe("the run in which everything occurs", () => {
  it("holds for every oracle, and none has nothing to count", () => {
    expect(Object.entries(baseline).filter(([, verdict]) => verdict !== "held")).toEqual([])
  })
})

describe("a planted violation", () => {
  const cases = Object.entries(plants).flatMap(([name, all]) => all.map((plant) => [`${name}: ${plant.what}`, name, plant] as const))

  it.each(cases)("of %s turns that oracle, and no other that is not declared", (_, name, { also = {}, change }) => {
    expect(turned(change).filter((one) => !(one in also))).toEqual([name])
  })

  it.each(cases.filter(([, , { also = {} }]) => Object.keys(also).length > 0))("of %s turns what is declared, too", (_, __, { also = {}, change }) => {
    expect(turned(change)).toEqual(expect.arrayContaining(Object.keys(also)))
  })
})
