/**
 * A task has one owner at a time. Each claim and each adoption grants a generation exactly one above the last; by the
 * ledger no effect starts while another of its task is in progress, unless the log shows that the one before was given up, or both are
 * different steps under one lease; and one that was given up does not finish after its successor began. Only of a step that is code,
 * and may be done again, that can happen: nobody can end it, and what it answers is refused.
 *
 * Unit: a grant. What the ledger shows under a generation spoils its grant; without such a grant it is a bad unit of its own.
 */
import type { Effect } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import type { Fold, Grant, Intent } from "./Fold.ts"
import { endsBetween, groupedBy, intentsByStart } from "./Ledger.ts"
import { overFolds } from "./Units.ts"

export const singleOwner: Measure = (history) =>
  overFolds(history, ({ effects, id }, log, units) => {
    const problems = new Map<string, string>()
    for (const [task, lines] of groupedBy(effects, (effect) => effect.task)) {
      for (const { generation, problem } of overlaps(lines, task, log)) problems.set(`${task} ${generation}`, problem)
    }
    for (const grant of log.grants) {
      const owner = `${grant.task} ${grant.generation}`
      const problem = grantProblem(grant) ?? problems.get(owner)
      problems.delete(owner)
      if (problem === undefined) units.good()
      else units.bad(`${id}, seq ${grant.seq}, task ${grant.task}: ${problem}`)
    }
    for (const [owner, problem] of problems) units.bad(`${id}, task and generation ${owner}: ${problem}`)
  })

const grantProblem = ({ fromGeneration, generation, highest }: Grant): string | undefined => {
  if (generation !== highest + 1) return `generation ${generation} was granted after ${highest}`
  return fromGeneration !== null && fromGeneration !== highest ? `it was adopted from generation ${fromGeneration}, but ${highest} was the last` : undefined
}

interface Overlap {
  readonly generation: number
  readonly problem: string
}

// The order of the file is the order of the writes: each line is one write in append mode.
const overlaps = (lines: ReadonlyArray<Effect>, id: string, log: Fold): ReadonlyArray<Overlap> => {
  const task = log.tasks.get(id)
  const intents = intentsByStart(lines, log)
  const found: Array<Overlap> = []
  const givenUp: Array<Effect> = []
  let running: ReadonlyArray<Effect> = []
  for (const line of lines) {
    const { generation, pid } = line
    if (line.phase === "done") {
      const own = running.find((start) => isSameRun(start, line))
      if (own !== undefined) running = running.filter((start) => start !== own)
      else if (givenUp.some((start) => isSameRun(start, line) && !mayFinishLate(intents.get(start)))) {
        found.push({ generation, problem: `process ${pid} of generation ${generation} finished after its successor had started` })
      }
      continue
    }
    const intent = intents.get(line)
    if (intent === undefined) found.push({ generation, problem: `the ledger has a start under generation ${generation} and attempt ${line.attempt}, which no intent names` })
    const others = running.filter((start) => start.generation !== generation || intents.get(start)?.step === intent?.step)
    const holder = others.find((start) => endsBetween(task, intents.get(start), intent).length === 0)
    if (holder !== undefined && intent !== undefined) {
      found.push({ generation, problem: `process ${pid} started while process ${holder.pid} of generation ${holder.generation} was in progress` })
    }
    givenUp.push(...others)
    running = [...running.filter((start) => !others.includes(start)), line]
  }
  return found
}

const isSameRun = (start: Effect, done: Effect): boolean =>
  start.pid === done.pid && start.attempt === done.attempt && start.generation === done.generation && start.dispatch_key === done.dispatch_key

const mayFinishLate = (intent: Intent | undefined): boolean => intent !== undefined && intent.code && intent.effect !== "dangerous"
