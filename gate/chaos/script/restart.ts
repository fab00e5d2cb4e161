/** Work goes on while the server is killed again and again, each time with tasks RUNNING. */
import { Effect } from "effect"
import { effectsInProgress, handle, hits, live, settled, type Stage, until } from "../Stage.ts"
import { sample, watchRows } from "../Sampler.ts"
import { between } from "../Seed.ts"
import { plan } from "../Workload.ts"

/** How long a command works, in milliseconds. */
const workMs = [250, 900] as const
/** After the effect was seen, the kill falls within this time, in milliseconds. */
const spreadMs = 150

export const restart = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario } = stage
    const kills = scenario.faults.reduce((sum, { count }) => sum + count, 0)
    const tasks = plan(scenario, stage.chance, workMs)
    const life = yield* live(stage)
    const latest = yield* watchRows(stage.workspace)
    yield* sample(stage)

    // Tasks are asked for in step with the kills, so that the last kill still meets work.
    const fed = Effect.forEach(tasks, (planned, index) => {
      const killsBefore = Math.floor((index / tasks.length) * kills) - 1
      // A kill that missed is made up for: there is more to do whenever nothing is under way.
      const turn = until("the kills to keep pace", Effect.sync(() => (hits(stage, "sigkill", "running") >= killsBefore || effectsInProgress(stage).size === 0 ? true : null)), 20, scenario.limits.wall_ms)
      return Effect.zipRight(turn, handle(stage, planned))
    }, { concurrency: 3, discard: true })

    const oneKill = Effect.gen(function*() {
      yield* until("an effect in progress", Effect.sync(() => (effectsInProgress(stage).size > 0 ? true : null)), 5, scenario.limits.wall_ms)
      yield* Effect.sleep(between(stage.chance, 0, spreadMs))
      yield* life.killAndRestart
    })
    const killed = oneKill.pipe(Effect.repeat({ until: () => hits(stage, "sigkill", "running") >= kills }))

    yield* Effect.all([fed, killed], { concurrency: 2 })
    yield* settled(stage, latest)
    yield* until("enough samples of ops-summary", Effect.sync(() => (stage.summaries.length >= scenario.limits.summaries ? true : null)), 50, scenario.limits.wall_ms)
  })
