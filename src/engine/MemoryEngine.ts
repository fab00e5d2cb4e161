/** The reference engine: maps and lists. It is the model that the durable engine is checked against, and keeps nothing. */
import { Context, Effect, Either, Layer, PubSub } from "effect"
import { type Counter, countersOf, endedByEvent, noCounts, noTallies, talliesOf, type Tally, tallyMinuteMs } from "../domain/Census.ts"
import { type Book, type Candidate, type ClaimPolicy, type Lane, type LaneClock, type LaneSource, nextClaimMs, ownTurn, Session, type Turn } from "../domain/Claiming.ts"
import type { Decision, StoredAnswer } from "../domain/Decision.ts"
import { type ApprovedRun, approvedRun } from "../domain/LastApproved.ts"
import { type Epoch, isRenewable } from "../domain/Lease.ts"
import type { Refusal } from "../domain/Refusal.ts"
import type { Now } from "../domain/Now.ts"
import { heldName } from "../domain/Placement.ts"
import type { QueueState } from "../domain/Queue.ts"
import { isHeld, type Restored } from "../domain/Restored.ts"
import { changed, type Step, type StepChange } from "../domain/Step.ts"
import { type Attempt, isDead, type Task, type TaskId } from "../domain/Task.ts"
import { chained, chainStart, type EventDraft, type TaskEvent } from "../domain/TaskEvent.ts"
import { type Change, type ClaimRequest, type Contention, Engine, EngineReader, EngineUnavailable, Instants, isRequest, type QueueView } from "./Engine.ts"
import { clockSlackMs, tracedMax, type TracedMessage } from "../domain/Traced.ts"
import { Witness } from "./Witness.ts"
import * as MemoryAudits from "./MemoryAudits.ts"
import * as MemorySchedules from "./MemorySchedules.ts"
import * as MemoryStanding from "./MemoryStanding.ts"
import * as MemoryUpkeep from "./MemoryUpkeep.ts"
import { Rehearser } from "./Rehearsal.ts"

const makeSteps = () => {
  const steps = new Map<TaskId, Map<number, Step>>()
  return {
    steps,
    of: (id: TaskId): ReadonlyArray<Step> => [...steps.get(id)?.values() ?? []].sort((a, b) => a.number - b.number),
    store: (change: StepChange): void => {
      const [task, number] = change._tag === "Put" ? [change.step.task, change.step.number] : [change.task, change.number]
      const known = steps.get(task) ?? new Map<number, Step>()
      const after = changed(known.get(number), change)
      if (after !== undefined) steps.set(task, known.set(number, after))
    }
  }
}

/** Tasks, and the last run of each kind that people let go. */
const makeTasks = () => {
  const tasks = new Map<TaskId, Task>()
  const approved = new Map<string, ApprovedRun>()
  const storeTask = (task: Task): void => {
    const run = approvedRun(tasks.get(task.id), task)
    if (run !== null) approved.set(run.kind, run)
    tasks.set(task.id, task)
  }
  return { approved, storeTask, tasks }
}

/** Turns between queues and tenants, and the instants of the last starts under a rate. */
const makeTurns = () => {
  const turns = new Map<string, Map<string, number>>()
  const starts = new Map<string, ReadonlyArray<number>>()
  const keepTurns = (all: ReadonlyArray<Turn>): void => {
    for (const { queue, starts: started, turns: taken } of all) {
      turns.set(queue, new Map([...turns.get(queue) ?? [], ...taken]))
      if (started !== null) starts.set(queue, started)
    }
  }
  return { keepTurns, starts, turns }
}

const makeTallies = () => {
  const tallied: Array<{ readonly name: Tally; readonly minuteMs: number }> = []
  return {
    count: (draft: EventDraft, at: number) => talliesOf(draft, (name) => void tallied.push({ name, minuteMs: at - (at % tallyMinuteMs) })),
    since: (sinceMs: number) => {
      const total: Record<Tally, number> = noTallies()
      for (const { minuteMs, name } of tallied) if (minuteMs >= sinceMs) total[name] += 1
      return total
    },
    minutes: (sinceMs: number) => {
      const firstMs: Partial<Record<Tally, number>> = {}
      const lastMs: Partial<Record<Tally, number>> = {}
      for (const { minuteMs, name } of tallied.filter((one) => one.minuteMs >= sinceMs)) {
        firstMs[name] = Math.min(firstMs[name] ?? minuteMs, minuteMs)
        lastMs[name] = Math.max(lastMs[name] ?? minuteMs, minuteMs)
      }
      return { firstMs, lastMs }
    }
  }
}

const countsOf = (tasks: Iterable<Task>): Record<Counter, number> => {
  const total: Record<Counter, number> = noCounts()
  for (const task of tasks) countersOf(task, (name) => void (total[name] += 1))
  return total
}

const nowIn = (instants: Instants["Type"], epoch: Epoch | null, restored: Restored | null): Now => ({
  wallMs: instants.wallMs(),
  monoMs: instants.monoMs(),
  epoch: epoch?.epoch ?? 0,
  leaseUntilMonoMs: epoch?.leaseUntilMonoMs ?? 0,
  restored
})

const makeStore = (stream: string, instants: Instants["Type"]) => {
  const { approved, storeTask, tasks } = makeTasks()
  const { of: stepsOf, steps, store: storeStep } = makeSteps()
  const attempts: Array<Attempt> = []
  const events: Array<TaskEvent> = []
  const tallies = makeTallies()
  const kept = MemoryStanding.make(instants.wallMs)
  const messages: Array<TracedMessage> = []
  const answers = new Map<string, StoredAnswer & { readonly atMs: number }>()
  const bulks = MemoryUpkeep.makeBulks()
  const queues = new Map<string, QueueState>()
  const { keepTurns, starts, turns } = makeTurns()
  let epoch: Epoch | null = null
  let restored: Restored | null = null

  const append = (draft: EventDraft, at: number) => {
    events.push(chained(draft, { stream, seq: events.length + 1, at, prev: events.at(-1)?.hash ?? chainStart }))
    tallies.count(draft, at)
    kept.marked(endedByEvent(draft), at)
  }

  const schedules = MemorySchedules.make(tasks)

  const apply = (decision: Decision<unknown>, at: number) => {
    kept.decided(decision, { queues, tasks }, at)
    decision.tasks.forEach(storeTask)
    decision.queues.forEach((state) => queues.set(state.queue, state))
    decision.steps.forEach(storeStep)
    decision.schedules.forEach(schedules.store)
    attempts.push(...decision.attempts)
    decision.messages.forEach((message) => messages.push({ ...message, id: messages.length + 1, at }))
    decision.events.forEach((event) => append(event, at))
    decision.bulks.forEach(bulks.store)
    if (decision.remember !== null) answers.set(decision.remember.key, { ...decision.remember, atMs: at })
    if (decision.restored !== null) restored = decision.restored
  }

  const setEpoch = (next: Epoch) => {
    epoch = next
    kept.renewed(next)
    return next
  }

  return {
    queues,
    turns,
    starts,
    keepTurns,
    tasks,
    approved,
    steps,
    stepsOf,
    attempts,
    events,
    messages,
    answers,
    bulks,
    now: () => nowIn(instants, epoch, restored),
    append,
    apply,
    counts: () => countsOf(tasks.values()),
    talliesSince: tallies.since,
    tallyMinutes: tallies.minutes,
    kept,
    epoch: () => epoch,
    restored: () => restored,
    setEpoch,
    schedules
  }
}

type Store = ReturnType<typeof makeStore>

const holderOf = (store: Store, name: string | null): Task | undefined =>
  name === null ? undefined : [...store.tasks.values()].find((task) => heldName(task) === name)
type Announce = (stored: Pick<Decision<unknown>, "tasks" | "events" | "queues" | "restored" | "schedules">) => Effect.Effect<unknown>

const byDue = (a: Task, b: Task): number => a.availableAtMs - b.availableAtMs || (a.id < b.id ? -1 : 1)

/** Everything that a claim looks at, from the tasks as they are. */
const bookOf = ({ queues, starts, tasks, turns }: Store): Book => {
  const all = [...tasks.values()]
  const running = all.filter(({ state }) => state === "RUNNING")
  const leased = running.filter(({ lease }) => lease !== null)
  return {
    running: (queue) => leased.filter((task) => task.queue === queue).length,
    runningHeavy: () => leased.filter((task) => task.class === "heavy").length,
    runningUnder: (queue, key) => running.filter((task) => task.queue === queue && task.concurrencyKey === key).length,
    state: (queue) => queues.get(queue),
    starts: (queue) => starts.get(queue) ?? [],
    turns: (queue) => turns.get(queue) ?? new Map(),
    queueCount: () => new Set(all.map(({ queue }) => queue)).size,
    tenantCount: (queue) => new Set(all.filter((task) => task.queue === queue).map(({ tenant }) => tenant)).size
  }
}

const sourceOf = (lane: Lane, tasks: ReadonlyArray<Task>): LaneSource => {
  const left = tasks.map(({ availableAtMs, concurrencyKey, id }): Candidate => ({ availableAtMs, id, key: concurrencyKey }))
  const head: LaneSource["head"] = (isFull) => {
    while (left[0] !== undefined && left[0].key !== null && isFull(left[0].key)) left.shift()
    return left[0]
  }
  return { lane, head, take: () => void left.shift() }
}

const sourcesOf = ({ tasks }: Store): ReadonlyArray<LaneSource> => {
  const lanes = new Map<string, { readonly lane: Lane; readonly tasks: Array<Task> }>()
  for (const task of [...tasks.values()].filter(({ state }) => state === "QUEUED").sort(byDue)) {
    const { class: taskClass, concurrencyKey, kind, priority, queue, tenant } = task
    const lane = { queue, tenant, priority, kind, class: taskClass, keyed: concurrencyKey !== null }
    const name = JSON.stringify(lane)
    const known = lanes.get(name) ?? { lane, tasks: [] }
    lanes.set(name, known)
    known.tasks.push(task)
  }
  return [...lanes.values()].map((one) => sourceOf(one.lane, one.tasks))
}

const clockOf = ({ head, lane }: LaneSource): LaneClock => ({ lane, dueMs: (isFull) => head(isFull)?.availableAtMs })

const highestTurn = ({ turns }: Store): number => Math.max(0, ...[...turns.values()].map((queue) => queue.get(ownTurn) ?? 0))

const viewsOf = (store: Store, nowMs: number): ReadonlyArray<QueueView> => {
  const all = [...store.tasks.values()]
  const names = new Set([...all.map(({ queue }) => queue), ...store.queues.keys()])
  return [...names].sort().map((queue) => {
    const queued = all.filter((task) => task.queue === queue && task.state === "QUEUED")
    const due = queued.filter(({ availableAtMs }) => availableAtMs <= nowMs)
    return {
      queue,
      depth: queued.length,
      due: due.length,
      running: all.filter((task) => task.queue === queue && task.lease !== null).length,
      oldestDueMs: minimum(due.map(({ availableAtMs }) => availableAtMs)),
      state: store.queues.get(queue) ?? null
    }
  })
}

const byStart = (a: Task, b: Task): number => (a.startedAtMs ?? 0) - (b.startedAtMs ?? 0) || (a.id < b.id ? -1 : 1)

const contentionIn = (store: Store, queue: string, key: string | null, limit: number): Contention => {
  const book = bookOf(store)
  const running = [...store.tasks.values()].filter((task) => task.state === "RUNNING" && task.queue === queue && (key === null ? task.lease !== null : task.concurrencyKey === key))
  return {
    running: book.running(queue),
    runningHeavy: book.runningHeavy(),
    runningAll: [...store.tasks.values()].filter(({ lease }) => lease !== null).length,
    underKey: key === null ? 0 : book.runningUnder(queue, key),
    holders: running.sort(byStart).slice(0, limit).map(({ id }) => id),
    starts: book.starts(queue),
    state: store.queues.get(queue) ?? null
  }
}

const claimer = (store: Store) => (limit: number, policy: ClaimPolicy, now: Now, claim: (task: Task) => Decision<unknown>): void => {
  const session = new Session(policy, bookOf(store), sourcesOf(store), highestTurn(store), now.wallMs)
  for (let offered = 0; offered < limit; offered++) {
    const id = session.next()
    const task = id === undefined ? undefined : store.tasks.get(id)
    if (task === undefined) break
    if (claim(task).tasks.some((after) => after.id === id && after.state === "RUNNING")) session.started()
  }
  store.keepTurns(session.turns())
}

const minimum = (values: ReadonlyArray<number>): number | null => (values.length === 0 ? null : Math.min(...values))

const foundFor = <A>(store: Store, change: Change<A>) => {
  const tasks = change.tasks.map((id) => store.tasks.get(id))
  return {
    tasks,
    related: (change.related?.(tasks) ?? []).map((id) => store.tasks.get(id)),
    steps: change.stepsOf === undefined ? [] : store.stepsOf(change.stepsOf),
    stored: change.key === null ? undefined : store.answers.get(change.key),
    holder: holderOf(store, change.unique?.(tasks) ?? null),
    queue: change.queue === undefined ? undefined : store.queues.get(change.queue),
    bulk: change.bulk === undefined ? undefined : store.bulks.find(change.bulk.id, change.bulk.number),
    ...(change.schedule === undefined ? {} : { schedule: store.schedules.found(change.schedule) })
  }
}

const rehearser = (store: Store): Rehearser["Type"] => ({
  rehearse: <A>(change: Change<A>) =>
    Effect.sync(() => {
      const now = store.now()
      const found = foundFor(store, change)
      return { found, now, decision: change.rule(found, now) }
    })
})

const committer = (store: Store, announce: Announce): Engine["Type"]["commit"] => <A>(change: Change<A>) =>
  Effect.suspend((): Effect.Effect<A, Refusal | EngineUnavailable> => {
    const now = store.now()
    const decision = change.rule(foundFor(store, change), now)
    if (decision.schedules.some((change) => change._tag === "Tick" && store.schedules.hasTick(change.tick))) {
      return Effect.fail(new EngineUnavailable({ operation: "write", why: "other", cause: new Error("the tick is there already") }))
    }
    store.apply(decision, now.wallMs)
    const answer = Either.match(decision.answer, { onLeft: Effect.fail, onRight: Effect.succeed })
    return Effect.zipRight(announce(decision), answer)
  })

const writer = (store: Store, announce: Announce): Omit<Engine["Type"], "watch" | "watchRequests" | "watchSchedules"> => ({
  ...MemoryUpkeep.writing(store),

  commit: committer(store, announce),

  commitAll: (changes) => Effect.forEach(changes, (change) => Effect.either(committer(store, announce)(change))),

  claim: <A>({ limit, policy = {}, rule }: ClaimRequest<A>) =>
    Effect.suspend(() => {
      const now = store.now()
      const decisions: Array<Decision<A>> = []
      if (!isHeld(now.restored)) claimer(store)(limit, policy, now, (task) => {
        const decision = rule(task, now)
        store.apply(decision, now.wallMs)
        decisions.push(decision)
        return decision
      })
      const answers = decisions.flatMap(({ answer }) => (Either.isRight(answer) ? [answer.right] : []))
      return Effect.as(announce({ tasks: decisions.flatMap(({ tasks }) => tasks), events: decisions.flatMap(({ events }) => events), queues: [], restored: null, schedules: [] }), answers)
    }),

  openEpoch: (leaseMs, event) =>
    Effect.sync(() => {
      const last = store.epoch()
      const { epoch, monoMs, wallMs } = store.now()
      const next = store.setEpoch({ epoch: epoch + 1, leaseUntilMonoMs: monoMs + leaseMs, leaseUntilMs: wallMs + leaseMs })
      store.append(event(store.now(), last), wallMs)
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
        .filter((task) => !isHeld(store.restored()) && task.expiresAtMs !== null && task.expiresAtMs <= nowMs)
        .sort((a, b) => (a.expiresAtMs ?? 0) - (b.expiresAtMs ?? 0))
        .slice(0, limit)
        .map((task) => task.id)
    ),

  nextClaim: (policy) => Effect.sync(() => nextClaimMs(policy, bookOf(store), sourcesOf(store).map(clockOf), store.now().wallMs)),
  schedulesDue: (nowMs, limit) => Effect.sync(() => isHeld(store.restored()) ? { due: [], waiting: [], nextMs: null } : store.schedules.due(nowMs, limit)),

  nextDue: Effect.sync(() => {
    const all = isHeld(store.restored()) ? [] : [...store.tasks.values()]
    return {
      claimMs: minimum(all.flatMap((task) => (task.state === "QUEUED" ? [task.availableAtMs] : []))),
      expiryMs: minimum(all.flatMap((task) => (task.expiresAtMs === null ? [] : [task.expiresAtMs])))
    }
  })
})

const reader = (store: Store): EngineReader["Type"] => ({
  ...MemoryUpkeep.reading(store),
  ...MemoryAudits.reading(store),
  get: (id) => Effect.sync(() => store.tasks.get(id)),
  lastApproved: (kind) => Effect.sync(() => store.approved.get(kind)),
  list: ({ before, dead, forkedFrom, leasedBefore, limit, parent, since, state, suffix, trace }) =>
    Effect.sync(() =>
      [...store.tasks.values()]
        .filter((task) => state === undefined || task.state === state)
        .filter((task) => leasedBefore === undefined || (task.lease !== null && task.lease.epoch < leasedBefore))
        .filter((task) => parent === undefined || task.parent?.task === parent)
        .filter((task) => forkedFrom === undefined || task.forkedFrom?.task === forkedFrom)
        .filter((task) => (before === undefined || task.id < before) && (since === undefined || task.id >= since) && (trace === undefined || task.trace === trace))
        .filter((task) => suffix === undefined || task.id.endsWith(suffix))
        .filter((task) => dead === undefined || (isDead(task) && (dead.kind ?? task.kind) === task.kind && (dead.code === null || task.failure?.code === dead.code)))
        .sort((a, b) => (dead === undefined ? 0 : b.updatedAtMs - a.updatedAtMs) || (a.id < b.id ? 1 : -1))
        .slice(0, limit)
    ),
  queues: (nowMs) => Effect.sync(() => viewsOf(store, nowMs)),
  contention: (queue, key, limit) => Effect.sync(() => contentionIn(store, queue, key, limit)),
  steps: (id) => Effect.sync(() => store.stepsOf(id)),
  attempts: (id) => Effect.sync(() => store.attempts.filter((attempt) => attempt.task === id)),
  events: (after, limit) => Effect.sync(() => store.events.slice(after, after + limit)),
  traced: ({ fromMs, tasks, throughMs, trace }) =>
    Effect.sync(() => {
      const isBetween = ({ at }: { readonly at: number }) => at >= fromMs - clockSlackMs && at <= throughMs + clockSlackMs
      const isAbout = (task: string | null) => tasks.some((id) => id === task)
      return {
        events: store.events.filter((event) => isBetween(event) && (isAbout(event.task) || (event.task === null && event.trace === trace))).slice(0, tracedMax),
        messages: store.messages.filter((message) => isBetween(message) && isAbout(message.task))
      }
    }),
  schedules: Effect.sync(store.schedules.all),
  ticks: (name, limit) => Effect.sync(() => store.schedules.ticks(name, limit)),
  tickRanges: (name, limit) => Effect.sync(() => store.schedules.ranges(name, limit)),
  summary: (sinceMs, nowMs = Number.MAX_SAFE_INTEGER) =>
    Effect.sync(() => {
      const wholeMinute = sinceMs - (sinceMs % tallyMinuteMs)
      return {
        counts: store.counts(),
        tallies: store.talliesSince(wholeMinute),
        standing: MemoryStanding.of(store, wholeMinute, nowMs),
        sizes: null,
        leasedEarlier: [...store.tasks.values()].filter(({ lease }) => lease !== null && lease.epoch < (store.epoch()?.epoch ?? 0)).length,
        asOfSeq: store.events.length,
        sinceMs: wholeMinute,
        epoch: store.epoch(),
        heldSinceMs: isHeld(store.restored()) ? store.restored()?.atMs ?? null : null
      }
    })
})

/** Keeps everything in memory; `stream` names its log. */
export const layer = (stream = "memory"): Layer.Layer<Engine | EngineReader | Rehearser, never, Instants> =>
  Layer.effectContext(
    Effect.gen(function*() {
      const store = makeStore(stream, yield* Instants)
      const changes = yield* PubSub.sliding<ReadonlyArray<Task>>(1024)
      const requests = yield* PubSub.sliding<EventDraft>(64)
      const scheduled = yield* PubSub.sliding<void>(1)
      const witness = yield* Witness
      const announce: Announce = ({ events, queues, restored, schedules, tasks }) =>
        Effect.all([
          Effect.sync(() => witness.saw(events, tasks)),
          PubSub.publishAll(requests, events.filter(isRequest)),
          schedules.length === 0 && restored === null ? Effect.void : PubSub.publish(scheduled, undefined),
          tasks.length === 0 && queues.length === 0 && restored === null ? Effect.void : PubSub.publish(changes, tasks)
        ])
      return Context.make(Engine, { ...writer(store, announce), watch: PubSub.subscribe(changes), watchRequests: PubSub.subscribe(requests), watchSchedules: PubSub.subscribe(scheduled) }).pipe(
        Context.add(EngineReader, reader(store)),
        Context.add(Rehearser, rehearser(store))
      )
    })
  )
