/**
 * The server is told to end (SIGTERM) while commands run and more work waits: commands that end within the grace, commands that outlast
 * it, and a second SIGTERM in the middle of it.
 */
import { Clock, Effect } from "effect"
import { demand, job, quiet } from "../Door.ts"
import { begun, endOf, recordMet } from "../Encounters.ts"
import { serve } from "../Product.ts"
import { between } from "../Seed.ts"
import { effectsInProgress, hits, type Stage } from "../Stage.ts"
import { prepare } from "../Workload.ts"

/** How long the heavy command works, and how long the server waits for it, in milliseconds. */
const inTime = { workMs: [600, 1000], graceMs: 20_000 } as const
const tooLong = { workMs: [2500, 3000], graceMs: 600 } as const
const impatient = { workMs: [2500, 3000], graceMs: 20_000 } as const
const lightMs = 500
const lights = 4
/** Between the two signals, in milliseconds. */
const again = [50, 300] as const
const missesMax = 6

export const terminate = (stage: Stage) =>
  Effect.gen(function*() {
    const { chance, scenario, workspace } = stage
    for (const { class: wanted, count, must_hit } of scenario.faults) {
      for (let n = 0; hits(stage, wanted, must_hit) < count && n < count + missesMax; n++) {
        const twice = wanted === "sigterm_twice"
        const { graceMs, workMs } = twice ? impatient : n % 2 === 0 ? inTime : tooLong
        prepare(workspace.dir, scenario, { stop_grace_ms: graceMs })
        const server = yield* serve(workspace)
        const task = yield* demand(stage, job(stage, "heavy.sh", between(chance, workMs[0], workMs[1])))
        // More than it can begin at once: whoever goes on claiming is seen.
        for (let index = 0; index < lights; index++) yield* demand(stage, job(stage, "light.sh", lightMs))
        yield* begun(stage, task)
        yield* Effect.sleep(between(chance, 0, 150))
        const hit = [...effectsInProgress(stage)]
        const at = yield* Clock.currentTimeMillis
        yield* server.signal("SIGTERM")
        if (twice) yield* Effect.zipRight(Effect.sleep(between(chance, again[0], again[1])), server.signal("SIGTERM"))
        const met = yield* endOf(server, at)
        const detail = `process ${server.pid} ended with ${met.code === null ? `the signal ${met.signal}` : `code ${met.code}`}`
        yield* recordMet(stage, { class: wanted, must_hit, at, hit: hit.includes(task) ? hit : [], witness: { kind: "exit", detail } }, [met])
      }
    }
    yield* serve(workspace)
    yield* quiet(stage)
  })
