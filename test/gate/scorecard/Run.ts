/** A whole run that went well: four scenarios under kills, stops, replays and restarts, large enough for the scorecard `spine`. */
import type { Effect, Fault, Journal, RunHistory, ScenarioHistory } from "../../../gate/History.ts"
import { Recount } from "../../../gate/invariant/Recount.ts"
import { because, burst, call, chain, chatting, commanded, type Draft, done, keyOf, polled, struck, event, fault, lived, queuedAgain, request, running, intent, askedAbout, requested, scenario, started, succeeded } from "../invariant/Story.ts"

interface Sizes {
  readonly tasks: number
  readonly faults: number
  readonly summaries: number
}

const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)

/** Every third task needs a yes, is interrupted before its effect began, and taken up again. */
const life = (task: string, index: number): ReadonlyArray<Draft> =>
  index % 3 === 0 ? [...askedAbout(task), running(task), queuedAgain(task, "lease_lost"), running(task, 2), intent(task, 2), succeeded(task, 2)] : lived(task)

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
  const tasks = ids(`${id}-`, sizes.tasks)
  const events = [event("epoch.started", null, { epoch: 1, why: "boot" }), ...tasks.flatMap(life), ...extra]
  return scenario({
    id,
    events,
    effects: tasks.flatMap(effectsOf),
    scenario: { faults },
    journal: { requests: tasks.map((task) => request(task)), summaries: summariesOf(events, sizes.summaries), ...over }
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
  const events = names.flatMap((task, i) => [because(i + 1, requested(task, { key: keyOf(i + 1) })), ...lived(task).slice(1)])
  const reports = [...names, ...names].map((task, i) => call(1000 + i, { text: `${task.slice(-6)}  exec\ndone\n\n· 0123abcd` }))
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

/** Nothing but its completion counts. */
const sixth = (): ScenarioHistory => told("sixth", { tasks: 2, faults: 0, summaries: 0 }, {}, [])

export const healthy = (): RunHistory => ({
  scenarios: [restart({ tasks: 60, faults: 10, summaries: 1000 }), paused(24, 8), replayed(60), standstill(8, 10), chatted(200, 60), sixth()]
})
