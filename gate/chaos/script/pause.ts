/**
 * The server is stopped for longer than its lease and then goes on, not knowing: once in the middle of an effect, once
 * between a claim and the effect.
 */
import { mkdirSync, watch } from "node:fs"
import { join } from "node:path"
import { Clock, Deferred, Effect } from "effect"
import type { Target } from "../../History.ts"
import { processState } from "../Product.ts"
import { effectsInProgress, handle, hits, live, persist, record, request, rows, ScenarioStuck, settled, type Stage, until } from "../Stage.ts"
import { watchRows } from "../Sampler.ts"
import { between } from "../Seed.ts"
import type { Planned } from "../Workload.ts"

const effectMs = [900, 1300] as const
/** How much longer than the lease the server is stopped, in milliseconds. */
const beyondMs = 250
/** How often an instant that was missed is tried again. */
const missesMax = 12

export const pause = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario } = stage
    const life = yield* live(stage)
    const latest = yield* watchRows(stage.workspace)
    for (const { count, must_hit: target } of scenario.faults) {
      for (let tries = 0; hits(stage, "sigstop", target) < count && tries < count + missesMax; tries++) {
        const { pid, signal } = yield* life.server
        const stopped = Effect.zipRight(signal("SIGSTOP"), until("the server to stand still", Effect.sync(() => (processState(pid) === "T" ? "T" : null)), 1, 5000))
        const planned = heavyTask(stage)
        yield* target === "claimed" ? Effect.scoped(stopWhenClaimed(stage, planned, stopped)) : stopInEffect(stage, planned, stopped)
        yield* standStill(stage, target, pid)
        yield* signal("SIGCONT")
        yield* settled(stage, latest)
      }
    }
  })

/** A heavy command that is dispatched by its resume, so that the script knows the instant. */
const heavyTask = ({ chance, requests, scenario }: Stage): Planned => {
  const n = requests.length
  return {
    key: `${scenario.id}:${scenario.seed}:${n}`,
    kind: "heavy.sh",
    class: "heavy",
    payload: { n, ms: between(chance, effectMs[0], effectMs[1]) },
    handling: "run",
    expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 }
  }
}

const stopInEffect = <E>(stage: Stage, planned: Planned, stopped: Effect.Effect<unknown, E>) =>
  Effect.gen(function*() {
    const task = yield* handle(stage, planned)
    yield* until("the effect to start", Effect.sync(() => (task !== null && effectsInProgress(stage).has(task) ? true : null)), 5, 10_000)
    yield* Effect.sleep(between(stage.chance, 0, 200))
    yield* stopped
  })

// The folder of a run is made after its claim and before its effect: its appearance is the instant to stop the server.
const stopWhenClaimed = <E>(stage: Stage, planned: Planned, stopped: Effect.Effect<unknown, E>) =>
  Effect.gen(function*() {
    const task = yield* request(stage, planned)
    if (task === null) return
    const step = (op: string) => persist(stage, "task", op, task, "--key", `${planned.key}:${op}`)
    yield* step("approve")
    const runs = join(stage.workspace.dir, ".opsgate", "runs")
    mkdirSync(runs, { recursive: true })
    const appeared = yield* Deferred.make<void>()
    yield* Effect.acquireRelease(
      Effect.sync(() => watch(runs, (_, name) => void (name === task && Deferred.unsafeDone(appeared, Effect.void)))),
      (watcher) => Effect.sync(() => watcher.close())
    )
    // The answer to this comes when the server goes on: it stands still by then.
    yield* Effect.fork(step("resume"))
    yield* Deferred.await(appeared).pipe(Effect.timeoutFail({ duration: 10_000, onTimeout: () => new ScenarioStuck({ waitedFor: `task ${task} to be claimed` }) }))
    yield* stopped
  })

// Waits until the lease has run out, and asks, while the server stands still, whom that hits.
const standStill = (stage: Stage, target: Target, pid: number) =>
  Effect.gen(function*() {
    const at = yield* Clock.currentTimeMillis
    const running = yield* rows(stage, "--state", "RUNNING")
    const wanted = running.filter((row) => (target === "claimed") === (row["intent_generation"] === null))
    yield* Effect.sleep(Math.max(0, stage.scenario.limits.lease_ms + beyondMs))
    const state = processState(pid)
    yield* record(stage, {
      class: "sigstop",
      must_hit: target,
      at,
      hit: wanted.map(({ id }) => id),
      witness: state === "T" ? { kind: "proc_stat", detail: `process ${pid} was in state T for longer than the lease of ${stage.scenario.limits.lease_ms} ms` } : null
    })
  })
