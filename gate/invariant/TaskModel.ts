/**
 * A task as its clients see it, one operation after the other: the sequential model that a concurrent history is compared with. What the
 * runtime does between two operations (claims, ends, expiries) are moves of their own, as far as the log of the task has them at all.
 */
import type { Operation } from "../History.ts"

/** QUEUED and RUNNING are one to clients: the runtime moves a task between them at any time. */
export const views = ["ABSENT", "REQUESTED", "APPROVED", "DISPATCHED", "OUTCOME_UNKNOWN", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"] as const
export type View = (typeof views)[number]

/** Undefined: no state that there is. */
export const viewOf = (state: string): View | undefined => (state === "QUEUED" || state === "RUNNING" ? "DISPATCHED" : views.find((view) => view === state))

/** What the log tells of a task before it is asked what clients were told of it. */
export interface Facts {
  /** The moves that the runtime may make by itself, from each view. */
  readonly hidden: ReadonlyMap<View, ReadonlySet<View>>
  /** So many people have to say yes; 0: nobody is asked, and it is dispatched at once. Null: that changed on the way, or more than a yes is asked for. */
  readonly needed: number | null
}

/** `answers` holds what was answered under each key; null where nobody heard it. `yes` counts who said it. */
export interface Model {
  readonly view: View
  readonly yes: number
  readonly answers: ReadonlyMap<string, string | null>
}

export const absent: Model = { view: "ABSENT", yes: 0, answers: new Map() }

/** A possible outcome of an operation. */
interface Step {
  readonly view: View
  readonly answer: View | "refused"
  readonly yes?: number
}

/** What an operation may do to a task. No step: it cannot be carried out here. */
const stepsOf: Readonly<Record<Operation["op"], (model: Model, facts: Facts) => ReadonlyArray<Step>>> = {
  submit: ({ view }, { needed }) => {
    if (view !== "ABSENT") return []
    const [held, free] = [{ view: "REQUESTED", answer: "REQUESTED" }, { view: "DISPATCHED", answer: "DISPATCHED" }] as const
    return needed === null ? [held, free] : [needed === 0 ? free : held]
  },
  // All yeses but the last leave it as it is. A refusal that is about the person is no operation.
  approve: ({ view, yes }, { needed }) => {
    const [last, more] = [{ view: "APPROVED", answer: "APPROVED", yes: 0 }, { view, answer: "REQUESTED", yes: yes + 1 }] as const
    if (view === "REQUESTED") return needed === null ? [last, { ...more, yes }] : [yes + 1 >= needed ? last : more]
    return [{ view, answer: view === "APPROVED" ? "APPROVED" : "refused" }]
  },
  reject: ({ view }) => [view === "REQUESTED" || view === "APPROVED" ? { view: "CANCELED", answer: "CANCELED" } : { view, answer: "refused" }],
  resume: ({ view }) => [view === "APPROVED" || view === "DISPATCHED" ? { view: "DISPATCHED", answer: "DISPATCHED" } : { view, answer: "refused" }],
  cancel: ({ view }) => {
    if (view === "REQUESTED" || view === "APPROVED") return [{ view: "CANCELED", answer: "CANCELED" }]
    // One that runs is asked to end, and ends by itself.
    if (view === "DISPATCHED") return [{ view: "CANCELED", answer: "CANCELED" }, { view, answer: "DISPATCHED" }]
    return view === "OUTCOME_UNKNOWN" ? [{ view, answer: "OUTCOME_UNKNOWN" }, { view, answer: "DISPATCHED" }] : [{ view, answer: "refused" }]
  },
  read: ({ view }) => (view === "ABSENT" ? [] : [{ view, answer: view }])
}

/** Every task that may be there after the operation, with the answer that it gave. A key that was used answers what it answered before. */
export const after = (model: Model, { answer, key, op }: Pick<Operation, "answer" | "key" | "op">, facts: Facts): ReadonlyArray<Model> => {
  const heard = answer === null ? null : answer === "refused" ? answer : viewOf(answer)
  if (heard === undefined || (model.view === "ABSENT" && op !== "submit")) return []
  const before = key === null ? undefined : model.answers.get(key)
  if (key !== null && before !== undefined) {
    if (before !== null && heard !== null && before !== heard) return []
    return before === null && heard !== null ? [{ ...model, answers: new Map(model.answers).set(key, heard) }] : [model]
  }
  return stepsOf[op](model, facts).filter((step) => heard === null || step.answer === heard).map(({ answer: given, view, yes = model.yes }) => ({
    view,
    yes,
    answers: key === null ? model.answers : new Map(model.answers).set(key, given)
  }))
}

/** Whether a task is, to clients, what it was. */
export const isSame = (one: Model, other: Model): boolean => one.view === other.view && one.yes === other.yes

/** The views in which a task may be by the moves of the runtime alone, the present one first. */
export const reachable = (view: View, { hidden }: Facts): ReadonlyArray<View> => {
  const found = new Set<View>([view])
  for (const from of found) for (const to of hidden.get(from) ?? []) found.add(to)
  return [...found]
}
