/**
 * The limits of work hold, by the log alone, as each epoch declares them: no more tasks run at a time than there are slots, no more heavy
 * ones than theirs, no more of a queue than it may have, nor of those with one key in it, and no more of a queue start in any span than its
 * rate says. A run counts as long as its lease may live: until it ends, its outcome is unknown, or another epoch begins.
 *
 * Unit: a claim under an epoch that declares limits.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { text, whole } from "./Fold.ts"
import { enteredBy } from "./StateMachine.ts"
import { overFolds } from "./Units.ts"

/** Of one queue. */
interface Limits {
  readonly concurrency: number | null
  readonly perKey: number
  readonly rate: { readonly count: number; readonly perMs: number } | null
}

/** Of an epoch. */
interface Declared {
  readonly slots: number
  readonly heavySlots: number
  readonly queues: ReadonlyMap<string, Limits>
}

interface Place {
  readonly queue: string
  readonly key: string | null
  readonly class: string | null
}

interface Run extends Place {
  readonly epoch: number | null
}

export const queueLimitsKept: Measure = (history) =>
  overFolds(history, ({ events, id }, _log, units) => {
    const places = new Map<string, Place>()
    const runs = new Map<string, Run>()
    const starts = new Map<string, ReadonlyArray<number>>()
    let declared: Declared | null = null
    let before = -Infinity
    for (const { at, payload, seq, task, type } of events) {
      // Of a span that the clock went through twice nobody can say how long it was.
      if (at < before) starts.clear()
      before = at
      if (type === "epoch.started") declared = declaredIn(payload)
      if (task === null) continue
      if (type === "task.requested" && !places.has(task)) places.set(task, { queue: text(payload, "queue") ?? "", key: text(payload, "concurrency_key"), class: text(payload, "class") })
      if (type === "task.outcome_unknown" || enteredBy(type) !== undefined) runs.delete(task)
      const place = places.get(task)
      if (place === undefined || (type !== "task.running" && type !== "effect.adopted")) continue
      const run: Run = { ...place, epoch: whole(payload, "epoch") }
      if (type === "task.running" && declared !== null) {
        const perMs = declared.queues.get(run.queue)?.rate?.perMs ?? 0
        const recent = [...(starts.get(run.queue) ?? []), at].filter((start) => start > at - perMs)
        starts.set(run.queue, recent)
        const beside = [...runs.values()].filter(({ epoch }) => epoch === run.epoch)
        const problem = excessIn(declared, run, beside) ?? queueProblem(declared.queues.get(run.queue), run, beside, recent)
        if (problem === null) units.good()
        else units.bad(`${id}, seq ${seq}, task ${task}: ${problem}`)
      }
      runs.set(task, run)
    }
  })

const excess = (what: string, running: number, limit: number): string | null => (running < limit ? null : `it is number ${running + 1} at a time ${what}, and ${limit} is the limit`)

const excessIn = ({ heavySlots, slots }: Declared, run: Run, beside: ReadonlyArray<Run>): string | null =>
  excess("of all", beside.length, slots) ?? (run.class === "heavy" ? excess("of the heavy ones", beside.filter((other) => other.class === "heavy").length, heavySlots) : null)

const queueProblem = (limits: Limits | undefined, { key, queue }: Run, all: ReadonlyArray<Run>, starts: ReadonlyArray<number>): string | null => {
  const beside = all.filter((run) => run.queue === queue)
  const under = key === null ? null : excess(`under its key in the queue ${queue}`, beside.filter((run) => run.key === key).length, limits?.perKey ?? 1)
  if (under !== null || limits === undefined) return under
  const { concurrency, rate } = limits
  if (rate !== null && starts.length > rate.count) return `it is start ${starts.length} of the queue ${queue} in ${rate.perMs} ms, and ${rate.count} is the limit`
  return concurrency === null ? null : excess(`in the queue ${queue}`, beside.length, concurrency)
}

const declaredIn = (payload: LogEvent["payload"]): Declared | null => {
  const slots = whole(payload, "slots")
  return slots === null ? null : { slots, heavySlots: whole(payload, "heavy_slots") ?? slots, queues: limitsIn(payload) }
}

const limitsIn = (payload: LogEvent["payload"]): ReadonlyMap<string, Limits> =>
  new Map(Object.entries(Object(payload?.["queues"])).map(([name, said]) => {
    const facts: Readonly<Record<string, unknown>> = { ...Object(said) }
    const rate: Readonly<Record<string, unknown>> | null = facts["rate"] === null ? null : { ...Object(facts["rate"]) }
    const limit = (value: unknown): number | null => (typeof value === "number" ? value : null)
    const [count, perMs] = [limit(rate?.["count"]), limit(rate?.["per_ms"])]
    return [name, { concurrency: limit(facts["concurrency"]), perKey: limit(facts["per_key"]) ?? 1, rate: count === null || perMs === null ? null : { count, perMs } }]
  }))
