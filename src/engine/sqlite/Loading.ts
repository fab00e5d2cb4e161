/** Loading what a change names, for its commit and for its rehearsal alike. */
import type { Now } from "../../domain/Now.ts"
import type { Step } from "../../domain/Step.ts"
import type { Task } from "../../domain/Task.ts"
import type { Change, Found } from "../Engine.ts"
import type { Store } from "./Store.ts"

/** A rule threw, which is a bug; its cause is what it threw. */
export class RuleDefect extends Error {}

/** Runs a part of a rule. Throws `RuleDefect` when it throws. */
export const pure = <A>(rule: () => A): A => {
  try {
    return rule()
  } catch (cause) {
    throw new RuleDefect("a rule threw", { cause })
  }
}

const nobody: ReadonlyArray<Task> = []
const noSteps: ReadonlyArray<Step> = []

export interface Loaded {
  readonly found: Found
  readonly now: Now
  /** All tasks that were loaded, as they are before the decision. */
  readonly before: ReadonlyArray<Task | undefined>
}

/** Loads what a change names, in the transaction that is open. */
export const load = <A>(store: Store, { bulk, deadUpdate, key, queue, related, schedule, stepsOf, tasks, unique }: Change<A>): Loaded => {
  const now = store.now()
  const loaded = tasks.map(store.load)
  const others = related === undefined ? nobody : pure(() => related(loaded)).map(store.load)
  const stored = key === null ? undefined : store.answer(key)
  const steps = stepsOf === undefined ? noSteps : store.steps(stepsOf)
  const name = unique === undefined ? null : pure(() => unique(loaded))
  const holder = name === null ? undefined : store.holder(name)
  const found = {
    tasks: loaded,
    related: others,
    steps,
    stored,
    holder,
    queue: queue === undefined ? undefined : store.queue(queue),
    bulk: bulk === undefined ? undefined : store.bulk(bulk.id, bulk.number),
    ...(deadUpdate === undefined ? {} : { deadUpdate: store.deadUpdate(deadUpdate) }),
    ...(schedule === undefined ? {} : { schedule: store.foundSchedule(schedule) })
  }
  const runs = found.schedule?.open ?? nobody
  return { found, now, before: others.length === 0 && holder === undefined && runs.length === 0 ? loaded : [...loaded, ...others, holder, ...runs] }
}
