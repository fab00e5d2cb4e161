/**
 * Storing a decision: rows, events, messages, keys and counts, through prepared statements on the one writing connection.
 * It runs inside the writer's transaction and keeps, per transaction, the head of the hash chain and the changes of the counts.
 */
import type Database from "better-sqlite3"
import { type Counter, countersOf, decidedLate, endedByEvent, leftLate, type Mark, noCounts, type Tally, talliesOf, tallyMinuteMs } from "../../domain/Census.ts"
import type { ClaimPolicy } from "../../domain/Claiming.ts"
import type { Decision, StoredAnswer } from "../../domain/Decision.ts"
import { approvedRun } from "../../domain/LastApproved.ts"
import type { Epoch } from "../../domain/Lease.ts"
import type { Now } from "../../domain/Now.ts"
import { heldName } from "../../domain/Placement.ts"
import type { QueueState } from "../../domain/Queue.ts"
import { isHeld, type Restored } from "../../domain/Restored.ts"
import type { Step, StepChange } from "../../domain/Step.ts"
import { type Attempt, blockedSinceMs, leasedSinceMs, type Task, type TaskId } from "../../domain/Task.ts"
import { isTerminal } from "../../domain/TaskState.ts"
import { chained, chainStart, type EventDraft, eventVersion } from "../../domain/TaskEvent.ts"
import type { FoundBulk } from "../../domain/Bulk.ts"
import type { DeadUpdate } from "../../domain/Chat.ts"
import type { FoundSchedule, Instants, SchedulesDue, WantedSchedule } from "../Engine.ts"
import * as Bulks from "./Bulks.ts"
import * as Lanes from "./Lanes.ts"
import { placeText, progressText, restoredOf, type RestoredRow, specText, stepOf, type StepRow, taskOf, type TaskRow } from "./Rows.ts"
import * as ScheduleStore from "./ScheduleStore.ts"
import type { Marker } from "./Watermark.ts"
import type { Transaction } from "./Writer.ts"

interface Head {
  readonly seq: number
  readonly hash: string
  readonly at: number
}

export interface Store extends Transaction {
  readonly now: () => Now
  readonly load: (id: TaskId) => Task | undefined
  readonly steps: (id: TaskId) => ReadonlyArray<Step>
  readonly answer: (key: string) => StoredAnswer | undefined
  readonly queue: (name: string) => QueueState | undefined
  /** The task that has this unique name. */
  readonly holder: (name: string) => Task | undefined
  /** Offers up to `limit` tasks, one by one; what `decide` answers is stored before the next is offered. */
  readonly claim: (limit: number, policy: ClaimPolicy, now: Now, decide: (task: Task) => Decision<unknown>) => void
  readonly nextClaim: (policy: ClaimPolicy) => number | null
  readonly dueIds: (nowMs: number, limit: number) => ReadonlyArray<string>
  readonly nextDue: () => { readonly claimMs: number | null; readonly expiryMs: number | null }
  readonly foundSchedule: (wanted: WantedSchedule) => FoundSchedule
  readonly schedulesDue: (nowMs: number, limit: number) => SchedulesDue
  /** Stores a whole decision. `before` holds the tasks as they were loaded in this transaction. */
  readonly apply: (decision: Decision<unknown>, before: ReadonlyArray<Task | undefined>, atMs: number) => void
  readonly append: (draft: EventDraft, atMs: number) => void
  /** An update of a chat that was given up. */
  readonly deadUpdate: (number: number) => DeadUpdate | undefined
  readonly bulk: (id: string, number: number | undefined) => FoundBulk | undefined
  /** A task that is not remembered afterwards. */
  readonly peek: (id: string) => Task | undefined
  /** Writes the rows of tasks anew, specs included, behind all others. Nothing that is counted may have changed. */
  readonly replace: (tasks: ReadonlyArray<Task>) => void
  readonly epoch: () => Epoch | null
  readonly insertEpoch: (epoch: Epoch, atMs: number) => void
  readonly updateEpoch: (epoch: Epoch) => void
}

const prepare = (db: Database.Database) => ({
  insertTask: db.prepare(
    "INSERT INTO task (id, state, available_at_ms, expires_at_ms, epoch, parent, forked_from, schedule, spec, progress, lane, concurrency_key, unique_name, ended_at_ms, dead_since_ms, blocked_since_ms, leased_since_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
  ),
  deleteTask: db.prepare("DELETE FROM task WHERE id = ?"),
  updateTask: db.prepare("UPDATE task SET state = ?, available_at_ms = ?, expires_at_ms = ?, epoch = ?, progress = ?, ended_at_ms = ?, dead_since_ms = ?, blocked_since_ms = ?, leased_since_ms = ? WHERE id = ?"),
  updateName: db.prepare("UPDATE task SET unique_name = ? WHERE id = ?"),
  updateSpec: db.prepare("UPDATE task SET spec = ? WHERE id = ?"),
  holder: db.prepare<[string], { id: string }>("SELECT id FROM task WHERE unique_name = ?"),
  putStep: db.prepare(
    "INSERT OR REPLACE INTO step (task, number, name, state, place, result, code, error, started_at_ms, ended_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
  ),
  endStep: db.prepare("UPDATE step SET state = ?, result = ?, code = ?, error = ?, ended_at_ms = ? WHERE task = ? AND number = ?"),
  insertEvent: db.prepare("INSERT INTO event (seq, v, at, type, task, trace, actor, payload, payload_sha256, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
  insertAttempt: db.prepare("INSERT OR REPLACE INTO attempt (task, number, generation, code, error, started_at_ms, ended_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)"),
  insertMessage: db.prepare("INSERT INTO outbox (topic, task, text, at) VALUES (?, ?, ?, ?)"),
  insertAnswer: db.prepare("INSERT INTO idempotency (key, op, fingerprint, channel, answer, at) VALUES (?, ?, ?, ?, ?, ?)"),
  addCounter: db.prepare("INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"),
  addTally: db.prepare("INSERT INTO tally (minute_ms, name, value) VALUES (?, ?, ?) ON CONFLICT (minute_ms, name) DO UPDATE SET value = value + excluded.value"),
  putMark: db.prepare("INSERT INTO mark (name, at_ms) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms"),
  insertEpoch: db.prepare("INSERT INTO epoch (epoch, started_at_ms, lease_until_ms, lease_until_mono_ms) VALUES (?, ?, ?, ?)"),
  updateEpoch: db.prepare("UPDATE epoch SET lease_until_ms = ?, lease_until_mono_ms = ? WHERE epoch = ?"),
  task: db.prepare<[string], TaskRow>("SELECT id, spec, progress FROM task WHERE id = ?"),
  steps: db.prepare<[string], StepRow>(
    "SELECT task, number, name, state, place, result, code, error, started_at_ms, ended_at_ms FROM step WHERE task = ? ORDER BY number"
  ),
  answer: db.prepare<[string], StoredAnswer>("SELECT key, op, fingerprint, channel, answer FROM idempotency WHERE key = ?"),
  due: db.prepare<[number, number], { id: string }>(
    "SELECT id FROM task WHERE expires_at_ms IS NOT NULL AND expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?"
  ),
  nextExpiry: db.prepare<[], { at: number | null }>("SELECT MIN(expires_at_ms) AS at FROM task WHERE expires_at_ms IS NOT NULL"),
  putApproved: db.prepare("INSERT OR REPLACE INTO approved (kind, task, facts) VALUES (?, ?, ?)"),
  head: db.prepare<[], Head>("SELECT seq, hash, at FROM event ORDER BY seq DESC LIMIT 1"),
  epoch: db.prepare<[], { epoch: number; lease_until_ms: number; lease_until_mono_ms: number }>(
    "SELECT epoch, lease_until_ms, lease_until_mono_ms FROM epoch ORDER BY epoch DESC LIMIT 1"
  ),
  deadUpdate: db.prepare<[number], DeadUpdate>("SELECT bot, number AS \"update\", chat, tries FROM inbox WHERE number = ? AND state = 'dead' ORDER BY bot LIMIT 1"),
  replay: db.prepare("UPDATE inbox SET state = 'pending', tries = 0, not_before_ms = 0 WHERE bot = ? AND number = ? AND state = 'dead'"),
  stream: db.prepare<[], { id: string }>("SELECT id FROM store"),
  restored: db.prepare<[], RestoredRow>("SELECT * FROM restored ORDER BY number DESC LIMIT 1"),
  putRestored: db.prepare("INSERT OR REPLACE INTO restored (number, at_ms, actor, backup_seq, backup_hash, generation_floor, released_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)")
})

type Statements = ReturnType<typeof prepare>

/** Counts that change within a transaction, written once at its end. */
const makeDeltas = (sql: Statements) => {
  let counters = noCounts()
  const tallies = new Map<string, { readonly minuteMs: number; readonly name: Tally; value: number }>()
  const marked = new Map<Mark, number>()
  const plus = (name: Counter): void => void (counters[name] += 1)
  const minus = (name: Counter): void => void (counters[name] -= 1)
  return {
    marked: (name: Mark, atMs: number) => void marked.set(name, atMs),
    moved: (before: Task | undefined, after: Task) => {
      if (before !== undefined) countersOf(before, minus)
      countersOf(after, plus)
    },
    tallied: (draft: EventDraft, atMs: number) =>
      talliesOf(draft, (name) => {
        const minuteMs = atMs - (atMs % tallyMinuteMs)
        const entry = tallies.get(`${minuteMs} ${name}`)
        if (entry === undefined) tallies.set(`${minuteMs} ${name}`, { minuteMs, name, value: 1 })
        else entry.value += 1
      }),
    write: () => {
      for (const [name, change] of Object.entries(counters)) if (change !== 0) sql.addCounter.run(name, change)
      for (const { minuteMs, name, value } of tallies.values()) sql.addTally.run(minuteMs, name, value)
      for (const [name, atMs] of marked) sql.putMark.run(name, atMs)
    },
    clear: () => {
      counters = noCounts()
      tallies.clear()
      marked.clear()
    }
  }
}

/** How many tasks are remembered as they were stored last. */
const rememberedMax = 4096

/**
 * Tasks that have not ended and that this process stored or loaded lately. It is the only writer, so what it remembers is what the file says;
 * after a rollback it forgets everything.
 */
const makeMemory = (sql: Statements) => {
  const tasks = new Map<string, Task>()
  // Half of them at once: to begin to look through a map costs more than to go on.
  const forgetOldest = (): void => {
    let left = rememberedMax / 2
    for (const id of tasks.keys()) {
      if (left-- <= 0) return
      tasks.delete(id)
    }
  }
  const keep = (task: Task): Task => {
    tasks.set(task.id, task)
    if (tasks.size > rememberedMax) forgetOldest()
    return task
  }
  return {
    keep,
    load: (id: string): Task | undefined => {
      const known = tasks.get(id)
      if (known !== undefined) return known
      const row = sql.task.get(id)
      return row === undefined ? undefined : keep(taskOf(row))
    },
    peek: (id: string): Task | undefined => {
      const row = tasks.has(id) ? undefined : sql.task.get(id)
      return row === undefined ? tasks.get(id) : taskOf(row)
    },
    forget: (id: string): void => void tasks.delete(id),
    clear: () => tasks.clear()
  }
}

const storeStep = (sql: Statements, change: StepChange): void => {
  if (change._tag === "Put") {
    const { code, endedAtMs, error, name, number, result, startedAtMs, state, task } = change.step
    sql.putStep.run(task, number, name, state, placeText(change.step), result, code, error, startedAtMs, endedAtMs)
  } else {
    const { code, endedAtMs, error, number, result, state, task } = change
    sql.endStep.run(state, result, code, error, endedAtMs, task, number)
  }
}

const storeAttempt = (sql: Statements, { code, endedAtMs, error, generation, number, startedAtMs, task }: Attempt): void =>
  void sql.insertAttempt.run(task, number, generation, code, error, startedAtMs, endedAtMs)

/** Since when a task is in the dead letter, if it is. */
export const deadSinceMs = ({ dismissed, state, updatedAtMs }: Task): number | null => (state === "FAILED" && dismissed === null ? updatedAtMs : null)

/** When a task ended of which there is something left to prune. */
export const prunableSinceMs = (task: Task): number | null => (isTerminal[task.state] && task.prunedAtMs === null && deadSinceMs(task) === null ? task.updatedAtMs : null)

const insertTask = (sql: Statements, task: Task, lane: number): void => {
  const { availableAtMs, concurrencyKey, expiresAtMs, forkedFrom, id, lease, parent, schedule, state } = task
  sql.insertTask.run(
    id,
    state,
    availableAtMs,
    expiresAtMs,
    lease?.epoch ?? null,
    parent?.task ?? null,
    forkedFrom?.task ?? null,
    schedule?.name ?? null,
    specText(task),
    progressText(task),
    lane,
    concurrencyKey,
    heldName(task),
    prunableSinceMs(task),
    deadSinceMs(task),
    blockedSinceMs(task),
    leasedSinceMs(task)
  )
}

const replaceTasks = (sql: Statements, memory: ReturnType<typeof makeMemory>, laneOf: (task: Task) => number, tasks: ReadonlyArray<Task>): void => {
  for (const { id } of tasks) {
    sql.deleteTask.run(id)
    memory.forget(id)
  }
  for (const task of tasks) insertTask(sql, task, laneOf(task))
}

const keepApproved = (sql: Statements, before: Task | undefined, after: Task): void => {
  const run = approvedRun(before, after)
  if (run !== null) sql.putApproved.run(run.kind, run.task, JSON.stringify(run))
}

/** Writes one task as it is now, and tells everybody who keeps something of it. */
const taskWriter = (sql: Statements, lanes: Lanes.Lanes, deltas: ReturnType<typeof makeDeltas>, memory: ReturnType<typeof makeMemory>) => {
  const update = (task: Task, before: Task) => {
    const { availableAtMs, expiresAtMs, id, lease, state } = task
    sql.updateTask.run(state, availableAtMs, expiresAtMs, lease?.epoch ?? null, progressText(task), prunableSinceMs(task), deadSinceMs(task), blockedSinceMs(task), leasedSinceMs(task), id)
    if (task.unique !== null) sql.updateName.run(heldName(task), id)
    if (task.payloadSha256 !== before.payloadSha256) sql.updateSpec.run(specText(task), id)
  }
  return (task: Task, before: Task | undefined, atMs: number) => {
    if (leftLate(before, task, atMs) && lanes.state(task.queue)?.paused !== true) deltas.marked("queue_age", atMs)
    if (before === undefined) insertTask(sql, task, lanes.laneOf(task))
    else update(task, before)
    keepApproved(sql, before, task)
    lanes.moved(before, task)
    deltas.moved(before, task)
    if (isTerminal[task.state]) memory.forget(task.id)
    else memory.keep(task)
  }
}

const claimer = (lanes: Lanes.Lanes, memory: ReturnType<typeof makeMemory>, apply: Store["apply"]): Store["claim"] => (limit, policy, { wallMs }, decide) =>
  lanes.claim(limit, policy, wallMs, (id) => {
    const task = memory.load(id)
    if (task === undefined) return "stays"
    const decision = decide(task)
    apply(decision, [task], wallMs)
    const after = decision.tasks.find((one) => one.id === id)
    if (after?.state === "RUNNING") return "runs"
    return after === undefined || after.state === "QUEUED" ? "stays" : "moved"
  })

const putRestored = (sql: Statements, next: Restored): Restored => {
  sql.putRestored.run(next.number, next.atMs, next.actor, next.backupSeq, next.backupHash, next.generationFloor, next.releasedAtMs)
  return next
}

/** What stands for the whole file: the head of the chain, the epoch, a restore. In the open transaction, and as it was committed last. */
const makeStanding = (sql: Statements, deltas: ReturnType<typeof makeDeltas>, marker: Marker) => {
  const stream = sql.stream.get()?.id ?? ""
  let head: Head = sql.head.get() ?? { seq: 0, hash: chainStart, at: 0 }
  let epoch = currentEpoch(sql)
  let restored: Restored | null = restoredOf(sql.restored.get())
  let committed = { head, epoch, restored }
  return {
    epoch: () => epoch,
    restored: () => restored,
    isAtRest: () => isHeld(restored),
    append: (draft: EventDraft, at: number): void => {
      const event = chained(draft, { stream, seq: head.seq + 1, at, prev: head.hash })
      sql.insertEvent.run(event.seq, eventVersion, at, event.type, event.task, event.trace, event.actor, event.payload, event.payloadSha256, event.hash)
      head = event
      deltas.tallied(draft, at)
      const ended = endedByEvent(draft)
      if (ended !== undefined) deltas.marked(ended, at)
    },
    insertEpoch: (next: Epoch, atMs: number): void => {
      sql.insertEpoch.run(next.epoch, atMs, next.leaseUntilMs, next.leaseUntilMonoMs)
      epoch = next
    },
    updateEpoch: (next: Epoch): void => {
      sql.updateEpoch.run(next.leaseUntilMs, next.leaseUntilMonoMs, next.epoch)
      epoch = next
    },
    restore: (next: Restored): void => {
      restored = putRestored(sql, next)
    },
    accept: (): boolean => {
      const isNew = head !== committed.head
      const wrote = isNew || epoch !== committed.epoch
      // Behind the commit, never before it: else a program that dies in between would leave a false alarm.
      if (isNew) marker.put({ stream, seq: head.seq, hash: head.hash, atMs: head.at })
      committed = { head, epoch, restored }
      return wrote
    },
    reset: (): void => {
      head = committed.head
      epoch = committed.epoch
      restored = committed.restored
    }
  }
}

export const make = (db: Database.Database, instants: Instants["Type"], marker: Marker): Store => {
  const sql = prepare(db)
  const deltas = makeDeltas(sql)
  const memory = makeMemory(sql)
  const bulks = Bulks.make(db)
  const lanes = Lanes.make(db)
  const schedules = ScheduleStore.make(db, memory.load)
  const { append, insertEpoch, isAtRest, updateEpoch, ...standing } = makeStanding(sql, deltas, marker)
  const storeTask = taskWriter(sql, lanes, deltas, memory)

  const apply: Store["apply"] = ({ attempts, bulks: bulkChanges, events, messages, queues, remember, replays, restored, schedules: scheduleChanges, steps, tasks }, before, atMs) => {
    tasks.forEach((task) => storeTask(task, before.find((known) => known?.id === task.id), atMs))
    for (const change of steps) storeStep(sql, change)
    for (const change of scheduleChanges) {
      schedules.store(change)
      if (decidedLate(change)) deltas.marked("schedules_overdue", atMs)
    }
    for (const attempt of attempts) storeAttempt(sql, attempt)
    events.forEach((event) => append(event, atMs))
    bulkChanges.forEach(bulks.store)
    messages.forEach(({ task, text, topic }) => sql.insertMessage.run(topic, task, text, atMs))
    queues.forEach(lanes.setState)
    replays?.forEach(({ bot, update }) => sql.replay.run(bot, update))
    if (remember !== null) sql.insertAnswer.run(remember.key, remember.op, remember.fingerprint, remember.channel, remember.answer, atMs)
    if (restored !== null) standing.restore(restored)
  }
  const claim = claimer(lanes, memory, apply)

  return {
    now: () => nowIn(instants, standing.epoch(), standing.restored()),
    load: memory.load,
    steps: (id) => sql.steps.all(id).map(stepOf),
    answer: (key) => sql.answer.get(key),
    foundSchedule: schedules.found,
    queue: lanes.state,
    bulk: bulks.find,
    deadUpdate: (number) => sql.deadUpdate.get(number),
    peek: memory.peek,
    replace: (tasks) => replaceTasks(sql, memory, lanes.laneOf, tasks),
    holder: (name) => {
      const row = sql.holder.get(name)
      return row === undefined ? undefined : memory.load(row.id)
    },
    // A restored file that nobody has released is at rest: nothing in it is due.
    claim: (limit, policy, now, decide) => {
      if (!isAtRest()) claim(limit, policy, now, decide)
    },
    nextClaim: (policy) => isAtRest() ? null : lanes.nextClaimMs(policy, instants.wallMs()),
    dueIds: (nowMs, limit) => isAtRest() ? [] : sql.due.all(nowMs, limit).map(({ id }) => id),
    nextDue: () => isAtRest() ? { claimMs: null, expiryMs: null } : { claimMs: lanes.nextDueMs(), expiryMs: sql.nextExpiry.get()?.at ?? null },
    schedulesDue: (nowMs, limit) => isAtRest() ? { due: [], waiting: [], nextMs: null } : schedules.due(nowMs, limit),
    apply,
    append,
    epoch: standing.epoch,
    insertEpoch,
    updateEpoch,
    seal: deltas.write,
    accept: () => {
      deltas.clear()
      return standing.accept()
    },
    reset: () => {
      standing.reset()
      deltas.clear()
      memory.clear()
      lanes.reset()
    }
  }
}

const nowIn = (instants: Instants["Type"], epoch: Epoch | null, restored: Restored | null): Now => ({
  wallMs: instants.wallMs(),
  monoMs: instants.monoMs(),
  epoch: epoch?.epoch ?? 0,
  leaseUntilMonoMs: epoch?.leaseUntilMonoMs ?? 0,
  restored
})

const currentEpoch = (sql: Statements): Epoch | null => {
  const row = sql.epoch.get()
  return row === undefined ? null : { epoch: row.epoch, leaseUntilMs: row.lease_until_ms, leaseUntilMonoMs: row.lease_until_mono_ms }
}
