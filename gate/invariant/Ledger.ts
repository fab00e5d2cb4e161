/** What the ledger of effects and the log say about the same run: which intent a start belongs to, and what ended it. */
import type { Effect } from "../History.ts"
import type { Intent, TaskFold } from "./Fold.ts"

/** The intents under which an effect may have been started: same attempt, same generation. */
export const intentsOf = (task: TaskFold | undefined, { attempt, generation }: Effect): ReadonlyArray<Intent> =>
  task?.intents.filter((intent) => intent.attempt === attempt && intent.generation === generation) ?? []

/** The triggers by which the log put the task back in the queue after the intent of `earlier` and before that of `later`. */
export const restsBetween = (task: TaskFold | undefined, earlier: Effect, later: Effect): ReadonlyArray<string> => {
  const [from] = intentsOf(task, earlier)
  const [until] = intentsOf(task, later)
  if (task === undefined || from === undefined || until === undefined) return []
  return task.rests.filter(({ seq }) => from.seq < seq && seq < until.seq).map(({ by }) => by)
}

/** Groups, in order of first appearance. */
export const groupedBy = <A>(items: ReadonlyArray<A>, key: (item: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}
