/**
 * A task has one owner at a time. Each claim and each adoption grants a generation exactly one above the last; by the
 * ledger no effect starts while another of its task is in progress, unless the log shows that the run before was given up,
 * and one that was given up does not finish after its successor began.
 *
 * Unit: a grant. What the ledger shows under a generation spoils its grant; without such a grant it is a bad unit of its own.
 */
import type { Effect } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import type { Fold, Grant } from "./Fold.ts"
import { groupedBy, intentsOf, restsBetween } from "./Ledger.ts"
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
  const found: Array<Overlap> = []
  const givenUp: Array<Effect> = []
  let running: Effect | null = null
  for (const line of lines) {
    const { generation } = line
    if (line.phase === "start") {
      if (intentsOf(task, line).length === 0) found.push({ generation, problem: `the ledger has a start under generation ${generation} and attempt ${line.attempt}, which no intent names` })
      else if (running !== null && restsBetween(task, running, line).length === 0) {
        found.push({ generation, problem: `process ${line.pid} started while process ${running.pid} of generation ${running.generation} was in progress` })
      }
      if (running !== null) givenUp.push(running)
      running = line
    } else if (running !== null && isSameRun(running, line)) running = null
    else if (givenUp.some((before) => isSameRun(before, line))) {
      found.push({ generation, problem: `process ${line.pid} of generation ${generation} finished after its successor had started` })
    }
  }
  return found
}

const isSameRun = (start: Effect, done: Effect): boolean =>
  start.pid === done.pid && start.attempt === done.attempt && start.generation === done.generation
