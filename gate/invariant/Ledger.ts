/** What the ledger of effects and the log say about the same run: which intent a start belongs to, and what ended it. */
import type { Effect } from "../History.ts"
import type { Fold, Intent, TaskFold } from "./Fold.ts"

/**
 * The intents under which an effect may have been started: same attempt, same generation, and the same dispatch key where one of them
 * has it. A key that none of them has hides no effect: then it is that of any of them.
 */
export const intentsOf = (task: TaskFold | undefined, { attempt, dispatch_key, generation }: Effect): ReadonlyArray<Intent> => {
  const held = task?.intents.filter((intent) => intent.attempt === attempt && intent.generation === generation) ?? []
  const own = held.filter(({ dispatchKey }) => dispatchKey === dispatch_key)
  return own.length > 0 ? own : held
}

/**
 * The intent of each start in a ledger. A step that is tried again under one lease has an intent for each try: the first start belongs to
 * the first of them. A start beyond the last belongs to the last.
 */
export const intentsByStart = (effects: ReadonlyArray<Effect>, { tasks }: Fold): ReadonlyMap<Effect, Intent> => {
  const tries = new Map<string, number>()
  const found = new Map<Effect, Intent>()
  for (const effect of effects) {
    if (effect.phase !== "start") continue
    const held = `${effect.task} ${effect.attempt} ${effect.generation} ${effect.dispatch_key}`
    const tried = tries.get(held) ?? 0
    tries.set(held, tried + 1)
    const intents = intentsOf(tasks.get(effect.task), effect)
    const intent = intents[tried] ?? intents.at(-1)
    if (intent !== undefined) found.set(effect, intent)
  }
  return found
}

/**
 * What ended an effect between its intent and a later one of its task: the triggers that put the task back in the queue, and of the same
 * step `step_failed` and `step_settled`.
 */
export const endsBetween = (task: TaskFold | undefined, from: Intent | undefined, until: Intent | undefined): ReadonlyArray<string> => {
  if (task === undefined || from === undefined || until === undefined) return []
  const between = ({ seq }: { readonly seq: number }) => from.seq < seq && seq < until.seq
  return [
    ...task.rests.filter(between).map(({ by }) => by),
    ...task.ends.filter((end) => end.step === from.step && between(end) && (end.how === "failed" || end.how === "settled")).map(({ how }) => `step_${how}`)
  ]
}

/** Groups, in order of first appearance. */
export const groupedBy = <A>(items: ReadonlyArray<A>, key: (item: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const name = key(item)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [item])
    else group.push(item)
  }
  return groups
}
