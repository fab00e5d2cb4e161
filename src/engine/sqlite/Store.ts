/**
 * Storing a decision: rows, events, messages, keys and counts, through prepared statements on the one writing connection.
 * It runs inside the writer's transaction and keeps, per transaction, the head of the hash chain and the changes of the counts.
 */
import type Database from "better-sqlite3"
import { type Counter, countersOf, noCounts, type Tally, talliesOf, tallyMinuteMs } from "../../domain/Census.ts"
import type { Decision, StoredAnswer } from "../../domain/Decision.ts"
import type { Epoch } from "../../domain/Lease.ts"
import type { Now } from "../../domain/Now.ts"
import type { Step, StepChange } from "../../domain/Step.ts"
import type { Task, TaskId } from "../../domain/Task.ts"
import { isTerminal } from "../../domain/TaskState.ts"
import { chained, chainStart, type EventDraft, eventVersion } from "../../domain/TaskEvent.ts"
import type { Instants } from "../Engine.ts"
import { placeText, progressText, specText, stepOf, type StepRow, taskOf, type TaskRow } from "./Rows.ts"
import type { Transaction } from "./Writer.ts"

interface Head {
  readonly seq: number
  readonly hash: string
}

export interface Store extends Transaction {
  readonly now: () => Now
  readonly load: (id: TaskId) => Task | undefined
  readonly steps: (id: TaskId) => ReadonlyArray<Step>
  readonly answer: (key: string) => StoredAnswer | undefined
  readonly claimable: (nowMs: number, limit: number) => ReadonlyArray<Task>
  readonly dueIds: (nowMs: number, limit: number) => ReadonlyArray<string>
  readonly nextDue: () => { readonly claimMs: number | null; readonly expiryMs: number | null }
  /** Stores a whole decision. `before` holds the tasks as they were loaded in this transaction. */
  readonly apply: (decision: Decision<unknown>, before: ReadonlyArray<Task | undefined>, atMs: number) => void
  readonly append: (draft: EventDraft, atMs: number) => void
  readonly insertEpoch: (epoch: Epoch, atMs: number) => void
  readonly updateEpoch: (epoch: Epoch) => void
}

const prepare = (db: Database.Database) => ({
  insertTask: db.prepare("INSERT INTO task (id, state, available_at_ms, expires_at_ms, epoch, parent, forked_from, spec, progress) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
  updateTask: db.prepare("UPDATE task SET state = ?, available_at_ms = ?, expires_at_ms = ?, epoch = ?, progress = ? WHERE id = ?"),
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
  insertEpoch: db.prepare("INSERT INTO epoch (epoch, started_at_ms, lease_until_ms, lease_until_mono_ms) VALUES (?, ?, ?, ?)"),
  updateEpoch: db.prepare("UPDATE epoch SET lease_until_ms = ?, lease_until_mono_ms = ? WHERE epoch = ?"),
  task: db.prepare<[string], TaskRow>("SELECT id, spec, progress FROM task WHERE id = ?"),
  steps: db.prepare<[string], StepRow>(
    "SELECT task, number, name, state, place, result, code, error, started_at_ms, ended_at_ms FROM step WHERE task = ? ORDER BY number"
  ),
  answer: db.prepare<[string], StoredAnswer>("SELECT key, op, fingerprint, channel, answer FROM idempotency WHERE key = ?"),
  claimable: db.prepare<[number, number], { id: string }>(
    "SELECT id FROM task WHERE state = 'QUEUED' AND available_at_ms <= ? ORDER BY available_at_ms, id LIMIT ?"
  ),
  due: db.prepare<[number, number], { id: string }>(
    "SELECT id FROM task WHERE expires_at_ms IS NOT NULL AND expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?"
  ),
  nextClaim: db.prepare<[], { at: number | null }>("SELECT MIN(available_at_ms) AS at FROM task WHERE state = 'QUEUED'"),
  nextExpiry: db.prepare<[], { at: number | null }>("SELECT MIN(expires_at_ms) AS at FROM task WHERE expires_at_ms IS NOT NULL"),
  head: db.prepare<[], Head>("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"),
  epoch: db.prepare<[], { epoch: number; lease_until_ms: number; lease_until_mono_ms: number }>(
    "SELECT epoch, lease_until_ms, lease_until_mono_ms FROM epoch ORDER BY epoch DESC LIMIT 1"
  ),
  stream: db.prepare<[], { id: string }>("SELECT id FROM store")
})

type Statements = ReturnType<typeof prepare>

/** Counts that change within a transaction, written once at its end. */
const makeDeltas = (sql: Statements) => {
  let counters = noCounts()
  const tallies = new Map<string, { readonly minuteMs: number; readonly name: Tally; value: number }>()
  const plus = (name: Counter): void => void (counters[name] += 1)
  const minus = (name: Counter): void => void (counters[name] -= 1)
  return {
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
    },
    clear: () => {
      counters = noCounts()
      tallies.clear()
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

export const make = (db: Database.Database, instants: Instants["Type"]): Store => {
  const sql = prepare(db)
  const deltas = makeDeltas(sql)
  const memory = makeMemory(sql)
  const stream = sql.stream.get()?.id ?? ""
  // As they stand in the open transaction, and as they were committed last.
  let head: Head = sql.head.get() ?? { seq: 0, hash: chainStart }
  let epoch = currentEpoch(sql)
  let committed = { head, epoch }

  const append: Store["append"] = (draft, at) => {
    const event = chained(draft, { stream, seq: head.seq + 1, at, prev: head.hash })
    sql.insertEvent.run(event.seq, eventVersion, at, event.type, event.task, event.trace, event.actor, event.payload, event.payloadSha256, event.hash)
    head = event
    deltas.tallied(draft, at)
  }

  const storeTask = (task: Task, before: Task | undefined) => {
    const { availableAtMs, expiresAtMs, forkedFrom, id, lease, parent, state } = task
    const leasedBy = lease?.epoch ?? null
    if (before === undefined) sql.insertTask.run(id, state, availableAtMs, expiresAtMs, leasedBy, parent?.task ?? null, forkedFrom?.task ?? null, specText(task), progressText(task))
    else sql.updateTask.run(state, availableAtMs, expiresAtMs, leasedBy, progressText(task), id)
    deltas.moved(before, task)
    if (isTerminal[state]) memory.forget(id)
    else memory.keep(task)
  }

  return {
    now: () => nowIn(instants, epoch),
    load: memory.load,
    steps: (id) => sql.steps.all(id).map(stepOf),
    answer: (key) => sql.answer.get(key),
    claimable: (nowMs, limit) =>
      sql.claimable.all(nowMs, limit).flatMap(({ id }) => {
        const task = memory.load(id)
        return task === undefined ? [] : [task]
      }),
    dueIds: (nowMs, limit) => sql.due.all(nowMs, limit).map(({ id }) => id),
    nextDue: () => ({ claimMs: sql.nextClaim.get()?.at ?? null, expiryMs: sql.nextExpiry.get()?.at ?? null }),
    apply: ({ attempts, events, messages, remember, steps, tasks }, before, atMs) => {
      tasks.forEach((task) => storeTask(task, before.find((known) => known?.id === task.id)))
      for (const change of steps) storeStep(sql, change)
      for (const { code, endedAtMs, error, generation, number, startedAtMs, task } of attempts) {
        sql.insertAttempt.run(task, number, generation, code, error, startedAtMs, endedAtMs)
      }
      events.forEach((event) => append(event, atMs))
      messages.forEach(({ task, text, topic }) => sql.insertMessage.run(topic, task, text, atMs))
      if (remember !== null) sql.insertAnswer.run(remember.key, remember.op, remember.fingerprint, remember.channel, remember.answer, atMs)
    },
    append,
    insertEpoch: (next, atMs) => {
      sql.insertEpoch.run(next.epoch, atMs, next.leaseUntilMs, next.leaseUntilMonoMs)
      epoch = next
    },
    updateEpoch: (next) => {
      sql.updateEpoch.run(next.leaseUntilMs, next.leaseUntilMonoMs, next.epoch)
      epoch = next
    },
    seal: deltas.write,
    accept: () => {
      committed = { head, epoch }
      deltas.clear()
    },
    reset: () => {
      head = committed.head
      epoch = committed.epoch
      deltas.clear()
      memory.clear()
    }
  }
}

const nowIn = (instants: Instants["Type"], epoch: Epoch | null): Now => ({
  wallMs: instants.wallMs(),
  monoMs: instants.monoMs(),
  epoch: epoch?.epoch ?? 0,
  leaseUntilMonoMs: epoch?.leaseUntilMonoMs ?? 0
})

const currentEpoch = (sql: Statements): Epoch | null => {
  const row = sql.epoch.get()
  return row === undefined ? null : { epoch: row.epoch, leaseUntilMs: row.lease_until_ms, leaseUntilMonoMs: row.lease_until_mono_ms }
}
