/**
 * The wall clock of the server jumps by hours, forward and back, while commands run; its monotonic clock stays right. libfaketime reads the
 * file of the offset at every call, so the jump is seen at once.
 */
import { renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect } from "effect"
import { isObject } from "../../Json.ts"
import { eventsText, serve } from "../Product.ts"
import { watchRows } from "../Sampler.ts"
import { sendLine } from "../Socket.ts"
import { effectsInProgress, settled, type Stage, until } from "../Stage.ts"
import { needFaketime } from "../Tools.ts"
import { askFor, look, plainTask, tried } from "../Trying.ts"
import { prepare } from "../Workload.ts"

/** One after the other, in seconds from the right time. */
const offsets = [7200, 0, -7200, 0] as const
/** Long enough that the step is on record before the command ends. */
const workMs = 8000
const patienceMs = 20_000
/** A schedule that is never due in a scenario. */
const waker = "leap-day"
/** How far an instant of the log may be from the clock that the server was given. */
const nearMs = 5000

export const clock = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario: { limits: { trials = 0 } }, workspace } = stage
    const library = yield* needFaketime
    const file = join(workspace.dir, "clock")
    const set = (seconds: number) => Effect.sync(() => {
      writeFileSync(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`)
      renameSync(`${file}.new`, file)
    })
    yield* set(0)
    prepare(workspace.dir, stage.scenario, { schedules: { [waker]: { kind: "light.sh", cron: "0 0 29 2 *", payload: { n: 0, ms: 0 } } } })
    yield* serve({ ...workspace, env: { ...workspace.env, LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_DONT_FAKE_MONOTONIC: "1", DONT_FAKE_MONOTONIC: "1", FAKETIME_NO_CACHE: "1" } })
    const latest = yield* watchRows(workspace)
    for (let round = 0; round < trials; round++) {
      const [from, to] = [offsets[(round + offsets.length - 1) % offsets.length] ?? 0, offsets[round % offsets.length] ?? 0]
      const before = yield* tally(stage)
      yield* askFor(stage, plainTask(stage, "heavy.git", workMs))
      yield* until("an effect in progress", Effect.sync(() => (effectsInProgress(stage).size > 0 ? true : null)), 10, patienceMs)
      yield* set(to)
      yield* wake(stage, round)
      const { task } = yield* askFor(stage, plainTask(stage, "light.sh", 10))
      const nowMs = yield* Clock.currentTimeMillis
      const went = yield* Effect.either(settled(stage, latest))
      const after = yield* tally(stage)
      const at = after.requested.get(task ?? "") ?? null
      const isThere = at !== null && Math.abs(at - nowMs - to * 1000) < nearMs
      const witness = isThere ? { kind: "record", detail: `the log has a request at ${at}, and the machine's clock said ${nowMs}` } as const : null
      tried(stage, {
        kind: "clock",
        sort: `${to - from > 0 ? "+" : ""}${to - from} s`,
        witness,
        looks: [
          look("the command that ran, and the one after the jump", went._tag === "Right" ? "ended as they had to" : went.left.message, "ended as they had to"),
          look("steps of the clock that the log tells", String(after.steps - before.steps), "1"),
          look("epochs that began by it", String(after.epochs - before.epochs), "0"),
          look("writes that were fenced, and leases that were lost", String(after.lost - before.lost), "0")
        ]
      }, String(round))
    }
  })

// Steps are noticed within a minute, the longest nap of the loop of schedules. A command about a schedule wakes it at once.
const wake = (stage: Stage, round: number) =>
  sendLine(stage.workspace, { v: 1, ask: { op: round % 2 === 0 ? "schedule-pause" : "schedule-resume", schedule: waker, reason: "the clock was set" }, key: `wake ${round}` })

const tally = (stage: Stage) =>
  Effect.map(eventsText(stage.workspace), (text) => {
    const events = text.split("\n").filter((line) => line !== "").map((line): unknown => JSON.parse(line)).filter(isObject)
    const of = (...types: ReadonlyArray<string>) => events.filter(({ type }) => types.includes(String(type)))
    return {
      epochs: of("epoch.started").length,
      steps: of("clock.stepped").length,
      lost: of("write.fenced").length + of("task.queued").filter(({ payload }) => isObject(payload) && payload["by"] === "lease_lost").length,
      requested: new Map(of("task.requested").map(({ at, task }) => [String(task), Number(at)]))
    }
  })
