/** A whole run that went well: four scenarios under kills, stops, replays and restarts, large enough for the scorecard `spine`. */
import type { Effect, Fault, Journal, RunHistory, ScenarioHistory, SelfTest } from "../../../gate/History.ts"
import { sha256 } from "../../../gate/invariant/Canonical.ts"
import { Recount } from "../../../gate/invariant/Recount.ts"
import { asked, because, burst, call, chain, chatting, commanded, type Draft, done, epoch, keyOf, polled, struck, event, fault, lived, queuedAgain, request, running, intent, askedAbout, requested, scenario, started, succeeded } from "../invariant/Story.ts"

interface Sizes {
  readonly tasks: number
  readonly faults: number
  readonly summaries: number
}

const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)

/** Every third task needs a yes, is interrupted before its effect began, and taken up again by the next process. */
const life = (task: string, index: number): ReadonlyArray<Draft> => {
  const at = 1 + Math.ceil(index / 3)
  if (index % 3 !== 0) return [...asked(task, command("submit", `key-${task}`)), running(task, 1, { epoch: at }), intent(task), succeeded(task)]
  const [first, second] = [running(task, 1, { epoch: at }), running(task, 2, { epoch: at + 1 })]
  return [...askedAbout(task), first, epoch(at + 1), queuedAgain(task, "lease_lost"), second, intent(task, 2), succeeded(task, 2)]
}

const command = (op: string, key: string) => ({ command: { op, channel: "cli", key, reason: null } })

/** A task that fails as often as it may. */
const death = (task: string): ReadonlyArray<Draft> => [
  ...asked(task), ...[1, 2].flatMap((turn) => [running(task, turn), queuedAgain(task, "retry", turn)]), running(task, 3),
  event("task.failed", task, { from: "RUNNING", by: "settle", attempt: 3, generation: 3, code: "x", error: "" })
]

/** Whoever asked for a task without holds looked at it in the end. */
const operationsOf = (tasks: ReadonlyArray<string>): NonNullable<Journal["operations"]> =>
  tasks.filter((_, index) => index % 3 !== 0).flatMap((task, n) => [
    { op: "submit", key: `key-${task}`, task, invoked: 10 * n, answered: 10 * n + 1, answer: "QUEUED" },
    { op: "read", key: null, task, invoked: 10 * n + 5, answered: 10 * n + 6, answer: "SUCCEEDED" }
  ])

const effectsOf = (task: string, index: number): ReadonlyArray<Effect> => {
  const turn = index % 3 === 0 ? 2 : 1
  return [started(task, turn), done(task, turn)]
}

const faultsOf = (id: string, tasks: ReadonlyArray<string>, count: number, kind: "sigkill" | "sigstop"): ReadonlyArray<Fault> =>
  Array.from({ length: count }, (_, i) => fault(`${id}/${i + 1}`, tasks.slice((i * 2) % tasks.length).slice(0, 2), { class: kind }))

const summariesOf = (drafts: ReadonlyArray<Draft>, count: number): Journal["summaries"] => {
  const recount = new Recount(chain(drafts))
  return Array.from({ length: count }, (_, i) => {
    const asOf = Math.floor((i * drafts.length) / count)
    const counts = Object.entries(recount.at(asOf, 0))
    const group = (name: string) => Object.fromEntries(counts.filter(([path]) => path.startsWith(`${name}.`)).map(([path, n]) => [path.slice(name.length + 1), n]))
    const more = { dead_letter: group("dead_letter"), schedules: group("schedules"), break_glass: group("break_glass") }
    const summary = { ...more, as_of_seq: asOf, since_ms: 0, tasks: { ...group("tasks"), blocked_by: group("tasks.blocked_by") }, leases: { ...group("leases"), stale: 0 }, idempotency: group("idempotency"), timeouts: group("timeouts"), status: "healthy" }
    return { at: 2_000_000, summary }
  })
}

const told = (id: string, sizes: Sizes, over: Partial<Journal>, faults: Journal["scenario"]["faults"], extra: ReadonlyArray<Draft> = []): ScenarioHistory => {
  const [tasks, dead] = [ids(`${id}-`, sizes.tasks), `${id}-dead`]
  const events = [epoch(1), ...death(dead), ...tasks.flatMap(life), ...extra]
  const never = request(dead, { expect: { states: ["FAILED"], done_min: 0, done_max: 0 } })
  return scenario({
    id,
    events,
    effects: tasks.flatMap(effectsOf),
    scenario: { faults },
    journal: { requests: [...tasks.map((task) => request(task)), never], operations: operationsOf(tasks), summaries: summariesOf(events, sizes.summaries), ...over }
  })
}

export const restart = ({ tasks, faults, summaries }: Sizes): ScenarioHistory => {
  const injected = faultsOf("restart", ids("restart-", tasks), faults, "sigkill")
  return told("restart", { tasks, faults, summaries }, { faults: injected }, [{ class: "sigkill", must_hit: "running", count: faults }])
}

const paused = (tasks: number, faults: number): ScenarioHistory => {
  const fenced = event("write.fenced", "paused-1", { write: "settle", generation: 1, current_generation: 2 })
  const injected = faultsOf("paused", ids("paused-", tasks), faults, "sigstop")
  return told("paused", { tasks, faults, summaries: 0 }, { faults: injected }, [{ class: "sigstop", must_hit: "running", count: faults }], [fenced, fenced, fenced])
}

const replayed = (tasks: number): ScenarioHistory => {
  const names = ids("replay-", tasks)
  const replays = names.map((task, i) => {
    const same = i % 3 !== 0
    return { key: `key-${task}`, op: "submit", same_payload: same, exit: same ? 0 : 5, task: same ? task : null, first_task: task }
  })
  const faults = names.map((task, i) => fault(`replay/${i + 1}`, [task], { class: "replay", must_hit: "stored", witness: { kind: "answer", detail: "exit 0" } }))
  return told("replay", { tasks, faults: 0, summaries: 0 }, { replays, faults }, [{ class: "replay", must_hit: "stored", count: tasks }])
}

const standstill = (tasks: number, faults: number): ScenarioHistory => {
  const names = ids("standstill-", tasks)
  const rows = names.map((id) => ({ id, state: "QUEUED" }))
  const restarts = Array.from({ length: faults }, () => ({ before: rows, after: rows }))
  return told("standstill", { tasks, faults, summaries: 0 }, { restarts, faults: faultsOf("standstill", names, faults, "sigkill") }, [{ class: "sigkill", must_hit: "running", count: faults }])
}

/** Everybody asks in a chat, polls go wrong in bursts, and each end is reported although sending failed. */
const chatted = (tasks: number, bursts: number): ScenarioHistory => {
  const names = ids("chat-", tasks)
  const updates = names.map((_, i) => i + 1)
  const events = [epoch(1), ...names.flatMap((task, i) => [because(i + 1, requested(task, { key: keyOf(i + 1) })), ...lived(task).slice(1)])]
  const reports = [...names, ...names].map((task, i) => call(1000 + i, { text: `${task.slice(-6)}  exec\ndone\n\n· ${(i + 1).toString(16).padStart(8, "0")}` }))
  const polls = Array.from({ length: bursts }, (_, i) => [struck(2 * i + 1), polled(2 * i + 2)]).flat()
  const struckPolls = Array.from({ length: bursts }, (_, i) => fault(`chatted/poll-${i + 1}`, [`getUpdates ${2 * i + 1}`], { class: "poll_fault", must_hit: "poll" }))
  return scenario({
    id: "chatted",
    events,
    effects: names.flatMap((task) => [started(task), done(task)]),
    scenario: { faults: [{ class: "send_fault", must_hit: "report", count: 1 }] },
    journal: {
      requests: names.map((task, i) => request(task, { key: keyOf(i + 1), task: null })),
      faults: [...struckPolls, fault("chatted/1", names.slice(0, 40), { class: "send_fault", must_hit: "report", witness: { kind: "record", detail: "sendMessage 1: error" } })],
      chat: chatting({
        commands: updates.map((update) => commanded(update)),
        bursts: Array.from({ length: bursts }, (_, i) => burst(`chatted/burst-${i + 1}`, [2 * i + 1])),
        calls: [...polls, ...reports]
      })
    }
  })
}

/** Second servers are refused, and a schedule ticks. */
const promised = (rivals: number, skipped: number): ScenarioHistory => {
  const everyMs = 1000
  const tick = (task: string, at: number): ReadonlyArray<Draft> =>
    [requested(task, { by: "schedule", schedule: "s", tick_ms: at, tick_by: "tick", key: `schedule:s:${at}`, command: null }), ...asked(task).slice(1), running(task, 1, { epoch: 2 }), intent(task), succeeded(task)]
  const last = everyMs * (skipped + 1)
  const ticks = ids("tick-", 5)
  const events = [
    event("schedule.declared", null, { schedule: "s", version: 1, every_ms: everyMs, next_ms: everyMs, late_after_ms: 0, jitter_ms: 0 }),
    event("schedule.skipped", null, { schedule: "s", version: 1, from_ms: everyMs, to_ms: everyMs * skipped, count: skipped, reason: "catch_up" }),
    ...ticks.flatMap((task, i) => tick(task, last + i * everyMs))
  ]
  // They hit no task, so that what others show about recoveries and duplicates is not diluted.
  const faults = Array.from({ length: rivals }, (_, i) => fault(`promised/${i + 1}`, ["elsewhere"], { class: "second_server", must_hit: "update", witness: { kind: "locks", detail: "process 7 has the lock" } }))
  const encounters = faults.map(({ at, id }) => ({ fault: id, asked: "serve", pid: 99, from: at, to: at, code: 5, signal: null, said: "opsgate: another opsgate process holds the file" }))
  const whole = told("promised", { tasks: 2, faults: 0, summaries: 0 }, { faults, encounters }, [{ class: "second_server", must_hit: "update", count: rivals }], events)
  return { ...whole, effects: [...whole.effects ?? [], ...ticks.flatMap((task) => [started(task), done(task)])] }
}

/** Nothing but their completion counts. */
const others = (count: number): ReadonlyArray<ScenarioHistory> => ids("other-", count).map((id) => told(id, { tasks: 2, faults: 0, summaries: 0 }, {}, []))

/** A self-test that caught everything: as many mutants as the scorecard asks for, and each name turned red by one at least. */
const checked = (mutants: number, names: ReadonlyArray<string>): SelfTest => {
  const verdicts = Object.fromEntries(names.map((name) => [name, "PASS"]))
  const families = ["tampering", "absence", "ancestor"] as const
  const mutations = Array.from({ length: mutants }, (_, i) => {
    const name = names[i % names.length] ?? ""
    const family = families[i % 3] ?? "tampering"
    return { id: `${family}/${i}`, family, what: "Something.", baseline: "evidence", must_flip: [name], may_flip: {}, digest: sha256(`${i}`), after: { ...verdicts, [name]: "FAIL" }, error: null }
  })
  return { v: 1, baselines: { evidence: { digest: sha256("baseline"), verdicts } }, mutations }
}

export const healthy = (): RunHistory => ({
  selfTest: checked(100, ids("name-", 40)),
  scenarios: [restart({ tasks: 60, faults: 10, summaries: 1000 }), paused(24, 8), replayed(60), standstill(8, 10), chatted(200, 60), promised(20, 5000), ...others(6)]
})
