/** The reference engine: maps and lists. It is the model that the durable engine is checked against, and keeps nothing. */
import { Context, Effect, Either, Layer, PubSub } from "effect"
import { type Counter, countersOf, noCounts, noTallies, talliesOf, type Tally, tallyMinuteMs } from "../domain/Census.ts"
import type { Decision, StoredAnswer } from "../domain/Decision.ts"
import { type Epoch, isRenewable } from "../domain/Lease.ts"
import type { Message } from "../domain/Message.ts"
import type { Now } from "../domain/Now.ts"
import { changed, type Step, type StepChange } from "../domain/Step.ts"
import type { Attempt, Task, TaskId } from "../domain/Task.ts"
import { chained, chainStart, type EventDraft, type TaskEvent } from "../domain/TaskEvent.ts"
import { Engine, EngineReader, Instants } from "./Engine.ts"

const makeStore = (stream: string, instants: Instants["Type"]) => {
  const tasks = new Map<TaskId, Task>()
  const steps = new Map<TaskId, Map<number, Step>>()
  const attempts: Array<Attempt> = []
  const events: Array<TaskEvent> = []
  const tallied: Array<{ readonly name: Tally; readonly minuteMs: number }> = []
  const messages: Array<Message> = []
  const answers = new Map<string, StoredAnswer>()
  let epoch: Epoch | null = null

  const now = (): Now => ({
    wallMs: instants.wallMs(),
    monoMs: instants.monoMs(),
    epoch: epoch?.epoch ?? 0,
    leaseUntilMonoMs: epoch?.leaseUntilMonoMs ?? 0
  })

  const append = (draft: EventDraft, at: number) => {
    events.push(chained(draft, { stream, seq: events.length + 1, at, prev: events.at(-1)?.hash ?? chainStart }))
    talliesOf(draft, (name) => void tallied.push({ name, minuteMs: at - (at % tallyMinuteMs) }))
  }

  const storeStep = (change: StepChange) => {
    const [task, number] = change._tag === "Put" ? [change.step.task, change.step.number] : [change.task, change.number]
    const known = steps.get(task) ?? new Map<number, Step>()
    const after = changed(known.get(number), change)
    if (after !== undefined) steps.set(task, known.set(number, after))
  }

  const stepsOf = (id: TaskId): ReadonlyArray<Step> => [...steps.get(id)?.values() ?? []].sort((a, b) => a.number - b.number)

  const apply = (decision: Decision<unknown>, at: number) => {
    decision.tasks.forEach((task) => tasks.set(task.id, task))
    decision.steps.forEach(storeStep)
    attempts.push(...decision.attempts)
    messages.push(...decision.messages)
    decision.events.forEach((event) => append(event, at))
    if (decision.remember !== null) answers.set(decision.remember.key, decision.remember)
  }

  const counts = () => {
    const total: Record<Counter, number> = noCounts()
    for (const task of tasks.values()) countersOf(task, (name) => void (total[name] += 1))
    return total
  }

  const talliesSince = (sinceMs: number) => {
    const total: Record<Tally, number> = noTallies()
    for (const { minuteMs, name } of tallied) if (minuteMs >= sinceMs) total[name] += 1
    return total
  }

  const setEpoch = (next: Epoch) => {
    epoch = next
    return next
  }

  return { tasks, stepsOf, attempts, events, answers, now, append, apply, counts, talliesSince, epoch: () => epoch, setEpoch }
}

type Store = ReturnType<typeof makeStore>

const byDue = (a: Task, b: Task): number => a.availableAtMs - b.availableAtMs || (a.id < b.id ? -1 : 1)

const minimum = (values: ReadonlyArray<number>): number | null => (values.length === 0 ? null : Math.min(...values))

const committer = (store: Store, announce: (tasks: ReadonlyArray<Task>) => Effect.Effect<unknown>): Engine["Type"]["commit"] => (change) =>
  Effect.suspend(() => {
    const now = store.now()
    const tasks = change.tasks.map((id) => store.tasks.get(id))
    const found = {
      tasks,
      related: (change.related?.(tasks) ?? []).map((id) => store.tasks.get(id)),
      steps: change.stepsOf === undefined ? [] : store.stepsOf(change.stepsOf),
      stored: change.key === null ? undefined : store.answers.get(change.key)
    }
    const decision = change.rule(found, now)
    store.apply(decision, now.wallMs)
    const answer = Either.match(decision.answer, { onLeft: Effect.fail, onRight: Effect.succeed })
    return Effect.zipRight(announce(decision.tasks), answer)
  })

const writer = (store: Store, announce: (tasks: ReadonlyArray<Task>) => Effect.Effect<unknown>): Omit<Engine["Type"], "watch"> => ({
  commit: committer(store, announce),

  commitAll: (changes) => Effect.forEach(changes, (change) => Effect.either(committer(store, announce)(change))),

  claim: ({ limit, rule }) =>
    Effect.suspend(() => {
      const now = store.now()
      const queued = [...store.tasks.values()].filter((task) => task.state === "QUEUED" && task.availableAtMs <= now.wallMs)
      const decisions = queued.sort(byDue).slice(0, limit).map((task) => {
        const decision = rule(task, now)
        store.apply(decision, now.wallMs)
        return decision
      })
      const answers = decisions.flatMap(({ answer }) => (Either.isRight(answer) ? [answer.right] : []))
      return Effect.as(announce(decisions.flatMap(({ tasks }) => tasks)), answers)
    }),

  openEpoch: (leaseMs, event) =>
    Effect.sync(() => {
      const { epoch, monoMs, wallMs } = store.now()
      const next = store.setEpoch({ epoch: epoch + 1, leaseUntilMonoMs: monoMs + leaseMs, leaseUntilMs: wallMs + leaseMs })
      store.append(event(store.now()), wallMs)
      return next
    }),

  renew: (epoch, leaseMs) =>
    Effect.sync(() => {
      const now = store.now()
      if (!isRenewable(epoch, now)) return false
      store.setEpoch({ epoch, leaseUntilMonoMs: now.monoMs + leaseMs, leaseUntilMs: now.wallMs + leaseMs })
      return true
    }),

  stepsOf: (id) => Effect.sync(() => store.stepsOf(id)),

  due: (nowMs, limit) =>
    Effect.sync(() =>
      [...store.tasks.values()]
        .filter((task) => task.expiresAtMs !== null && task.expiresAtMs <= nowMs)
        .sort((a, b) => (a.expiresAtMs ?? 0) - (b.expiresAtMs ?? 0))
        .slice(0, limit)
        .map((task) => task.id)
    ),

  nextDue: Effect.sync(() => {
    const all = [...store.tasks.values()]
    return {
      claimMs: minimum(all.flatMap((task) => (task.state === "QUEUED" ? [task.availableAtMs] : []))),
      expiryMs: minimum(all.flatMap((task) => (task.expiresAtMs === null ? [] : [task.expiresAtMs])))
    }
  })
})

const reader = (store: Store): EngineReader["Type"] => ({
  get: (id) => Effect.sync(() => store.tasks.get(id)),
  list: ({ forkedFrom, leasedBefore, limit, parent, state, suffix }) =>
    Effect.sync(() =>
      [...store.tasks.values()]
        .filter((task) => state === undefined || task.state === state)
        .filter((task) => leasedBefore === undefined || (task.lease !== null && task.lease.epoch < leasedBefore))
        .filter((task) => parent === undefined || task.parent?.task === parent)
        .filter((task) => forkedFrom === undefined || task.forkedFrom?.task === forkedFrom)
        .filter((task) => suffix === undefined || task.id.endsWith(suffix))
        .sort((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit)
    ),
  steps: (id) => Effect.sync(() => store.stepsOf(id)),
  attempts: (id) => Effect.sync(() => store.attempts.filter((attempt) => attempt.task === id)),
  events: (after, limit) => Effect.sync(() => store.events.slice(after, after + limit)),
  summary: (sinceMs) =>
    Effect.sync(() => {
      const wholeMinute = sinceMs - (sinceMs % tallyMinuteMs)
      return {
        counts: store.counts(),
        tallies: store.talliesSince(wholeMinute),
        leasedEarlier: [...store.tasks.values()].filter(({ lease }) => lease !== null && lease.epoch < (store.epoch()?.epoch ?? 0)).length,
        asOfSeq: store.events.length,
        sinceMs: wholeMinute,
        epoch: store.epoch()
      }
    })
})

/** Keeps everything in memory; `stream` names its log. */
export const layer = (stream = "memory"): Layer.Layer<Engine | EngineReader, never, Instants> =>
  Layer.effectContext(
    Effect.gen(function*() {
      const store = makeStore(stream, yield* Instants)
      const changes = yield* PubSub.sliding<ReadonlyArray<Task>>(1024)
      const announce = (tasks: ReadonlyArray<Task>) => (tasks.length === 0 ? Effect.void : PubSub.publish(changes, tasks))
      return Context.make(Engine, { ...writer(store, announce), watch: PubSub.subscribe(changes) }).pipe(
        Context.add(EngineReader, reader(store))
      )
    })
  )
