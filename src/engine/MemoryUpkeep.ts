/** Bulk commands, and what is given up of finished tasks, in the reference engine. */
import { Effect } from "effect"
import { type Bulk, type BulkChange, type BulkItem, fits, type FoundBulk, itemOutcomes } from "../domain/Bulk.ts"
import { awaitsPruning, isPrunable, nothingPruned, type PrunedCounts } from "../domain/Retention.ts"
import type { StoredAnswer } from "../domain/Decision.ts"
import type { Now } from "../domain/Now.ts"
import type { Step } from "../domain/Step.ts"
import type { Attempt, Task, TaskId } from "../domain/Task.ts"
import type { EventDraft, TaskEvent } from "../domain/TaskEvent.ts"
import type { Cursor, Engine, EngineReader, PruneKeysRequest, PruneRequest } from "./Engine.ts"

export const makeBulks = () => {
  const bulks = new Map<string, Bulk>()
  const items = new Map<string, Array<BulkItem>>()

  const countsOf = (id: string) => {
    const all = items.get(id) ?? []
    const of = (outcome: BulkItem["outcome"]) => all.filter((item) => item.outcome === outcome).length
    const [done, skipped, refused] = itemOutcomes.map(of)
    const instants = all.flatMap(({ atMs }) => (atMs === null ? [] : [atMs]))
    return { done: done ?? 0, skipped: skipped ?? 0, refused: refused ?? 0, pending: of(null), lastAtMs: instants.length === 0 ? null : Math.max(...instants) }
  }

  return {
    bulks,
    itemsOf: (id: string): ReadonlyArray<BulkItem> => items.get(id) ?? [],
    countsOf,
    store: (change: BulkChange): void => {
      if (change._tag === "Put") {
        const { bulk } = change
        bulks.set(bulk.id, bulk)
        if (change.items.length > 0) items.set(bulk.id, change.items.map((task, index) => ({ bulk: bulk.id, number: index + 1, task, outcome: null, code: null, atMs: null })))
        return
      }
      const { atMs, bulk, code, number, outcome } = change
      items.set(bulk, (items.get(bulk) ?? []).map((item) => (item.number === number && item.outcome === null ? { ...item, outcome, code, atMs } : item)))
    },
    find: (id: string, number: number | undefined): FoundBulk | undefined => {
      const bulk = bulks.get(id)
      if (bulk === undefined) return undefined
      if (number === undefined) return { bulk, item: undefined, counts: countsOf(id) }
      return { bulk, item: items.get(id)?.find((item) => item.number === number), counts: undefined }
    }
  }
}

/** What of the reference engine's memory is read and given up here. */
interface Store {
  readonly tasks: Map<TaskId, Task>
  readonly steps: Map<TaskId, Map<number, Step>>
  readonly attempts: Array<Attempt>
  readonly events: Array<TaskEvent>
  readonly answers: Map<string, StoredAnswer & { readonly atMs: number }>
  readonly bulks: ReturnType<typeof makeBulks>
  readonly now: () => Now
  readonly append: (draft: EventDraft, at: number) => void
}

const isBehind = ({ atMs, id }: Cursor, after: Cursor | null): boolean => after === null || atMs > after.atMs || (atMs === after.atMs && id > after.id)
const inOrder = (a: Cursor, b: Cursor): number => a.atMs - b.atMs || (a.id < b.id ? -1 : 1)
const nextOf = (page: ReadonlyArray<Cursor>, limit: number): Cursor | null => (page.length < limit ? null : page.at(-1) ?? null)

const textOf = ({ failure, payload, result }: Task): number => payload.length + (result?.length ?? 0) + (failure?.error.length ?? 0)

// What goes with one task besides its own row.
const clear = (store: Store, id: Task["id"]): PrunedCounts => {
  const total = { events: 0, steps: 0, attempts: 0, bytes: 0 }
  store.events.forEach((event, index) => {
    if (event.task !== id || !isPrunable(event)) return
    total.events += 1
    total.bytes += event.payload?.length ?? 0
    store.events[index] = { ...event, payload: null }
  })
  const steps = store.steps.get(id)
  for (const [number, step] of steps ?? []) {
    if (step.result === null && step.error === null) continue
    total.steps += 1
    total.bytes += (step.result?.length ?? 0) + (step.error?.length ?? 0)
    steps?.set(number, { ...step, result: null, error: null })
  }
  store.attempts.forEach((attempt, index) => {
    if (attempt.task !== id || attempt.error === "") return
    total.attempts += 1
    total.bytes += attempt.error.length
    store.attempts[index] = { ...attempt, error: "" }
  })
  return { ...nothingPruned, ...total }
}

const prune = (store: Store, { after, event, limit, rule, state, throughMs }: PruneRequest) => {
  const { wallMs } = store.now()
  const page = [...store.tasks.values()]
    .filter((task) => task.state === state && awaitsPruning(task) && task.updatedAtMs <= throughMs)
    .map((task) => ({ task, id: task.id, atMs: task.updatedAtMs }))
    .filter((one) => isBehind(one, after))
    .sort(inOrder)
    .slice(0, limit)
  const pairs = page.flatMap(({ task }) => {
    const left = rule(task, task.parent === null ? undefined : store.tasks.get(task.parent.task), wallMs)
    return left === null ? [] : [{ task, left }]
  })
  const counts = pairs.reduce((sum, { left, task }) => {
    const more = clear(store, task.id)
    store.tasks.set(left.id, left)
    return {
      ...sum,
      tasks: sum.tasks + 1,
      events: sum.events + more.events,
      steps: sum.steps + more.steps,
      attempts: sum.attempts + more.attempts,
      bytes: sum.bytes + more.bytes + textOf(task) - textOf(left)
    }
  }, nothingPruned)
  if (pairs.length > 0) store.append(event(counts), wallMs)
  return { counts, next: cursorOf(nextOf(page, limit)), tookMs: 0 }
}

const cursorOf = (one: Cursor | null): Cursor | null => (one === null ? null : { atMs: one.atMs, id: one.id })

// The task that an answer names.
const namedBy = (answer: string): string | null => {
  const { granted, refused }: { readonly granted?: { readonly task?: string }; readonly refused?: { readonly task?: string } } = JSON.parse(answer)
  return granted?.task ?? refused?.task ?? null
}

const pruneKeys = (store: Store, { after, event, limit, rule, throughMs }: PruneKeysRequest) => {
  const page = [...store.answers.values()]
    .map(({ answer, atMs, key }) => ({ answer, atMs, id: key }))
    .filter((one) => one.atMs <= throughMs && isBehind(one, after))
    .sort(inOrder)
    .slice(0, limit)
  const gone = page.filter(({ answer }) => rule([...store.tasks.values()].find(({ id }) => id === namedBy(answer))))
  gone.forEach(({ id }) => store.answers.delete(id))
  const counts = { ...nothingPruned, keys: gone.length, bytes: gone.reduce((total, { answer }) => total + answer.length, 0) }
  if (gone.length > 0) store.append(event(counts), store.now().wallMs)
  return { counts, next: cursorOf(nextOf(page, limit)), tookMs: 0 }
}

export const writing = (store: Store) => ({
  prune: (request) => Effect.sync(() => prune(store, request)),
  pruneKeys: (request) => Effect.sync(() => pruneKeys(store, request)),
  shrink: () => Effect.succeed({ left: 0, tookMs: 0 }),
  checkpoint: Effect.succeed(true)
}) satisfies Partial<Engine["Type"]>

export const reading = (store: Store) => ({
  matching: (matching, after, limit) =>
    Effect.sync(() => {
      const page = [...store.tasks.values()]
        .filter(({ id }) => id > after && (matching.tasks === null || matching.tasks.includes(id)))
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit)
      return { ids: page.filter((task) => fits(task, matching)).map(({ id }) => id), next: page.length < limit ? null : page.at(-1)?.id ?? null }
    }),
  bulks: ({ limit, running }) =>
    Effect.sync(() =>
      [...store.bulks.bulks.values()].filter(({ state }) => !running || state === "running").sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit)
    ),
  bulk: (id) =>
    Effect.sync(() => {
      const bulk = store.bulks.bulks.get(id)
      return bulk === undefined ? undefined : { bulk, counts: store.bulks.countsOf(id) }
    }),
  bulkItems: (id, { after, limit, pending }) =>
    Effect.sync(() => store.bulks.itemsOf(id).filter(({ number, outcome }) => number > after && (!pending || outcome === null)).slice(0, limit)),
  prunable: (state, throughMs) =>
    Effect.sync(() => [...store.tasks.values()].filter((task) => task.state === state && awaitsPruning(task) && task.updatedAtMs <= throughMs).length),
  storage: Effect.succeed(null)
}) satisfies Partial<EngineReader["Type"]>
