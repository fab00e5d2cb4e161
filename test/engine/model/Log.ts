/**
 * What the event log must say by itself, whoever wrote it: the events of each task are one legal path, generations only grow, and
 * every answer was true at an instant between its question and itself.
 *
 * Linearizability is local (Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects", 1990, theorem 1),
 * so each task is checked alone. The log is the order of what happened; each answer has to fit into it inside of its window.
 */
import assert from "node:assert/strict"
import type { Task } from "../../../src/domain/Task.ts"
import { enteredType, type TaskEvent } from "../../../src/domain/TaskEvent.ts"
import { type TaskState, taskStates } from "../../../src/domain/TaskState.ts"
import { isLegal, origin } from "../../../src/domain/Transition.ts"

/** An answer that somebody got. `from` and `to` are the ends of the log at the question and at the answer. */
export interface Acknowledged {
  readonly from: number
  readonly to: number
  readonly key: string | null
  /** `{ granted }`, `{ refused }` or `"broken"`. */
  readonly answer: unknown
}

/** Where a task stood from this event on. */
interface Stand {
  readonly seq: number
  readonly state: TaskState
  readonly generation: number
}

type Paths = ReadonlyMap<string, ReadonlyArray<Stand>>

interface Facts {
  readonly [name: string]: unknown
}

const isFacts = (value: unknown): value is Facts => typeof value === "object" && value !== null
const factsOf = (value: unknown): Facts => (isFacts(value) ? value : {})
const isState = (value: unknown): value is TaskState => taskStates.some((state) => state === value)

/** Throws an `AssertionError` at the first thing that the log does not bear out. `tasks` are all rows, as they stand at its end. */
export const checkLog = (events: ReadonlyArray<TaskEvent>, tasks: ReadonlyArray<Task>, acknowledged: ReadonlyArray<Acknowledged>): void => {
  events.forEach((event, index) => assert.equal(event.seq, index + 1, "the log has no gap"))
  const paths = pathsOf(events)
  assert.deepEqual([...paths.keys()].sort(), tasks.map(({ id }) => id).sort(), "each task has its events, and each event its task")
  for (const { generation, id, state } of tasks) {
    const end = paths.get(id)?.at(-1)
    assert.deepEqual({ state: end?.state, generation: end?.generation }, { state, generation }, `${id} stands where its last event says`)
  }
  const first = new Map<string, string>()
  for (const answer of acknowledged) {
    checkAnswer(answer, paths, replayedIn(events, answer))
    checkKey(answer, first)
  }
}

const pathsOf = (events: ReadonlyArray<TaskEvent>): Paths => {
  const paths = new Map<string, Array<Stand>>()
  for (const event of events) {
    if (event.task === null) continue
    const path = paths.get(event.task) ?? []
    paths.set(event.task, path)
    const before = path.at(-1)
    const after = standAfter(event, before)
    if (after !== before) path.push(after)
  }
  return paths
}

/** Types that are entries into a state, with the state. */
const entries = new Map<string, TaskState>(taskStates.map((state) => [enteredType[state], state]))

const standAfter = (event: TaskEvent, before: Stand | undefined): Stand => {
  const at = `${event.type} of ${event.task} at ${event.seq}`
  const facts = factsOf(JSON.parse(event.payload ?? "null"))
  const to = entries.get(event.type)
  if (before === undefined) {
    assert.ok(to === origin.state && facts["from"] === null && origin.by.some((by) => by === facts["by"]), `${at} is no beginning`)
    return { seq: event.seq, state: origin.state, generation: 0 }
  }
  const generation = generationAfter(event.type, facts, before.generation, at)
  if (to === undefined) return generation === before.generation ? before : { ...before, seq: event.seq, generation }
  assert.equal(facts["from"], before.state, `${at} comes from the state that was entered last`)
  assert.ok(isLegal(before.state, to, String(facts["by"])), `${at}: no ${String(facts["by"])} leads there from ${before.state}`)
  return { seq: event.seq, state: to, generation }
}

const generationAfter = (type: string, facts: Facts, before: number, at: string): number => {
  const { current_generation: current, from_generation: from, generation } = facts
  if (type === "write.fenced") {
    assert.equal(current, before, `${at} names the generation of its task`)
    return before
  }
  if (type === enteredType.RUNNING || type === "effect.adopted") {
    assert.equal(generation, before + 1, `${at} is the next generation`)
    assert.ok(from === undefined || from === before, `${at} follows another generation`)
    return before + 1
  }
  assert.ok(generation === undefined || generation === before, `${at} names the generation of its task`)
  return before
}

/** Whether the key of this answer was given its stored answer inside of the window. */
const replayedIn = (events: ReadonlyArray<TaskEvent>, { from, key, to }: Acknowledged): boolean =>
  key !== null && events.slice(from, to).some(({ actor, payload, type }) => type === "idempotency.replayed" && `${actor}\n${String(factsOf(JSON.parse(payload ?? "null"))["key"])}` === key)

/** What an answer says of a task. */
interface Said {
  readonly task: string
  readonly state?: TaskState
  readonly generation?: number
}

const saidBy = (answer: unknown): ReadonlyArray<Said> => {
  if (Array.isArray(answer)) return answer.flatMap(saidBy)
  const { current, generation, id, state, task } = factsOf(answer)
  if (isFacts(task)) return saidBy(task)
  if (typeof id === "string" && isState(state)) return [{ task: id, state, ...(typeof generation === "number" ? { generation } : {}) }]
  if (typeof task !== "string") return []
  // The fence names the generation that it found.
  if (typeof current === "number") return [{ task, generation: current }]
  return isState(state) ? [{ task, state }] : []
}

const checkAnswer = ({ answer, from, to }: Acknowledged, paths: Paths, replayed: boolean): void => {
  const { granted, refused } = factsOf(answer)
  for (const { generation, state, task } of [...saidBy(granted), ...saidBy(refused)]) {
    const path = paths.get(task) ?? []
    // An answer that is given again was true in an earlier window.
    const start = replayed ? 0 : Math.max(0, path.findLastIndex(({ seq }) => seq <= from))
    const window = path.slice(start).filter(({ seq }) => seq <= to)
    const fits = window.some((stand) => (state === undefined || stand.state === state) && (generation === undefined || stand.generation === generation))
    assert.ok(fits, `${task} was never ${state ?? "as said"}, generation ${generation ?? "any"}, between ${from} and ${to}, as somebody was told`)
  }
}

/** Whoever comes with the same key hears the same, or that it stands for something else, or that he may not ask. */
const checkKey = ({ answer, key }: Acknowledged, first: Map<string, string>): void => {
  const { refused } = factsOf(answer)
  if (key === null || answer === "broken" || ["KeyConflict", "NotAllowed"].includes(String(factsOf(refused)["_tag"]))) return
  const text = JSON.stringify(answer)
  assert.equal(text, first.get(key) ?? text, `the key ${JSON.stringify(key)} has one answer`)
  first.set(key, text)
}
