/** Tasks stand in all eight states while the server is killed and started again: nothing but leases may change. */
import { Effect } from "effect"
import type { Row } from "../../History.ts"
import type { ProductFailed } from "../Product.ts"
import { effectsInProgress, handle, hits, live, persist, request, rows, settled, type ScenarioStuck, type Stage, until } from "../Stage.ts"
import { watchRows } from "../Sampler.ts"
import type { Planned } from "../Workload.ts"

const states = ["REQUESTED", "APPROVED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"] as const

/** Longer than any scenario may take: this command is running at every restart, and is canceled in the end. */
const longMs = 600_000

export const standstill = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario } = stage
    const life = yield* live(stage)
    const latest = yield* watchRows(stage.workspace)
    let drawn = 0
    const one = (kind: string, ms: number, states: ReadonlyArray<string>, done: number, handling: Planned["handling"] = "run"): Planned => ({
      key: `${scenario.id}:${scenario.seed}:${++drawn}`,
      kind,
      class: kind.startsWith("heavy") ? "heavy" : "light",
      payload: { n: drawn, ms },
      handling,
      expect: { states, done_min: done, done_max: done }
    })
    yield* handle(stage, one("light.sh", 0, ["SUCCEEDED"], 1))
    yield* handle(stage, one("light.broken", 0, ["FAILED"], 0))
    yield* handle(stage, one("heavy.sh", 0, ["CANCELED"], 0, "reject"))
    yield* handle(stage, one("heavy.sh", 0, ["REQUESTED"], 0, "leave"))
    yield* request(stage, one("heavy.brief", 0, ["EXPIRED"], 0, "leave"))
    const approved = yield* request(stage, one("heavy.sh", 0, ["APPROVED"], 0))
    if (approved !== null) yield* persist(stage, "task", "approve", approved)
    yield* settled(stage, latest)
    // The one worker is busy with the first of these, so the second stays in the queue.
    const running = yield* handle(stage, one("light.sh", longMs, ["CANCELED"], 0))
    yield* inState(latest, "RUNNING")
    // A run that is killed before its effect began is taken back and given out anew, rightly; this one has begun.
    yield* until("the effect of the running task", Effect.sync(() => (running !== null && effectsInProgress(stage).has(running) ? true : null)), 20, 15_000)
    const queued = yield* handle(stage, one("light.sh", 0, ["CANCELED"], 0))
    yield* Effect.forEach(states, (state) => inState(latest, state), { discard: true })

    const kills = scenario.faults.reduce((sum, { count }) => sum + count, 0)
    const oneRestart = Effect.gen(function*() {
      const before = yield* life.killAndRestart
      stage.restarts.push({ before, after: yield* rows(stage) })
    })
    yield* oneRestart.pipe(Effect.repeat({ until: () => hits(stage, "sigkill", "running") >= kills || stage.faults.length >= 2 * kills }))
    yield* cancel(stage, queued)
    yield* cancel(stage, running)
    yield* settled(stage, latest)
  })

const cancel = (stage: Stage, task: string | null): Effect.Effect<unknown, ProductFailed> =>
  task === null ? Effect.void : persist(stage, "task", "cancel", task, "--reason", "the scenario is over")

const inState = (latest: () => ReadonlyArray<Row>, state: string): Effect.Effect<true, ScenarioStuck> =>
  until(`a task that is ${state}`, Effect.sync(() => (latest().some((row) => row.state === state) ? true : null)), 20, 15_000)
