/**
 * The same key asks once. A repeat with the same payload answers the first task and exit 0; with another payload it is a
 * conflict, exit 5. In the log an idempotency key has one task at most for each who asks.
 *
 * Unit: a replay; a key under which the log requested several tasks is a bad unit of its own.
 */
import type { Replay } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { overFolds } from "./Units.ts"

const exitConflict = 5

export const commandsDeduplicated: Measure = (history) =>
  overFolds(history, ({ id, journal }, log, units) => {
    for (const replay of journal.replays) {
      const problem = problemOf(replay)
      if (problem === null) units.good()
      else units.bad(`${id}, ${replay.op} again under the key ${replay.key}: ${problem}`)
    }
    for (const [key, tasks] of log.byKey) {
      // The same key of somebody else is another key.
      const repeated = tasks.some((task, index) => tasks.findIndex(({ requester }) => requester === task.requester) < index)
      if (repeated) units.bad(`${id}, key ${key}: the log requested ${tasks.map((task) => task.id).join(", ")}`)
    }
  })

const problemOf = ({ exit, first_task, same_payload, task }: Replay): string | null => {
  if (!same_payload) return exit === exitConflict ? null : `another payload was answered with exit ${exit}, not ${exitConflict}`
  if (exit !== 0) return `the same payload was answered with exit ${exit}, not 0`
  return task !== null && task === first_task ? null : `it answered task ${task ?? "(none)"}, the first time ${first_task ?? "(none)"}`
}
