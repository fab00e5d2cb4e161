/**
 * The wall clock of the server is set forward and back by two hours while a command runs, a lease is held, a task sleeps and a schedule
 * waits. The server gets another `Date` from a module that it loads first; timers and the monotonic clock stay as they are.
 */
import { renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect } from "effect"
import { demand, job, quiet, tell } from "../Door.ts"
import { begun } from "../Encounters.ts"
import { ledgerText, type ProductFailed, type Server, serve, type Workspace } from "../Product.ts"
import { hits, record, type Stage, until } from "../Stage.ts"
import { prepare } from "../Workload.ts"

const jumpMs = 7_200_000
const workMs = 2500
/** A sleeper that the way forward wakes, and one that the way back puts off. */
const longMs = 3_600_000
const shortMs = 800
/** How long it is watched after the step: beyond its instant on a clock that nobody set. */
const watchedMs = 1500
/** Longer than the longest nap of the loop that notices a step. */
const noticedMs = 70_000
const schedule = "pulse"
const loggedStep = "the wall clock was set"

/** Reads by how much the clock is wrong from a file beside it, twenty times a second at most. */
const module = `import { readFileSync } from "node:fs"
const RealDate = Date
const file = new URL("clock.offset", import.meta.url)
let [offset, until] = [0, -1]
const now = () => {
  if (performance.now() > until) [offset, until] = [Number(readFileSync(file, "utf8")), performance.now() + 50]
  return RealDate.now() + offset
}
globalThis.Date = new Proxy(RealDate, {
  apply: () => new RealDate(now()).toString(),
  construct: (real, words, made) => Reflect.construct(real, words.length === 0 ? [now()] : words, made),
  get: (real, name) => (name === "now" ? now : Reflect.get(real, name))
})
`

export const clockSet = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario, workspace } = stage
    writeFileSync(join(workspace.dir, "clock.mjs"), module)
    setBy(workspace, 0)
    prepare(workspace.dir, scenario, { schedules: { [schedule]: { kind: "light.sh", every: "2s", payload: { n: 0, ms: 0 } } } })
    const server = yield* serve({ ...workspace, env: { ...workspace.env, NODE_OPTIONS: `--import=${join(workspace.dir, "clock.mjs")}` } })
    const count = scenario.faults.reduce((sum, fault) => sum + fault.count, 0)
    while (hits(stage, "clock", "running") < count && stage.faults.length < 2 * count) {
      yield* step(stage, server, jumpMs, Effect.suspend(() => demand(stage, job(stage, "light.sh", 0), { delay_ms: longMs })))
      yield* quiet(stage)
      const putOff = Effect.suspend(() => demand(stage, { ...job(stage, "light.sh", 0), expect: { states: ["CANCELED"], done_min: 0, done_max: 0 } }, { delay_ms: shortMs }))
      const sleeper = yield* step(stage, server, -jumpMs, putOff)
      yield* Effect.sleep(watchedMs)
      yield* quiet(stage, 1)
      yield* tell(stage, "cancel", null, { task: sleeper, reason: "it has slept long enough" })
      // What an operator does with a schedule that is silent because the clock had been far ahead.
      for (const op of ["schedule-pause", "schedule-resume"]) yield* tell(stage, op, null, { schedule, reason: "the clock had been ahead" })
      const before = ledgerText(workspace).length
      yield* until("the schedule to go on", Effect.sync(() => (ledgerText(workspace).length > before ? true : null)), 50, scenario.limits.wall_ms)
    }
  })

/** Sets the clock while a command runs, as soon as somebody sleeps, and waits until the server has said that it noticed. Answers the sleeper. */
const step = (stage: Stage, server: Server, byMs: number, sleeps: Effect.Effect<string, ProductFailed>) =>
  Effect.gen(function*() {
    const task = yield* demand(stage, job(stage, "heavy.sh", workMs))
    yield* begun(stage, task)
    const sleeper = yield* sleeps
    const known = saidSteps(server).length
    const at = yield* Clock.currentTimeMillis
    setBy(stage.workspace, byMs > 0 ? byMs : 0)
    const said = yield* Effect.option(until("the step to be noticed", Effect.sync(() => saidSteps(server)[known] ?? null), 20, noticedMs))
    yield* record(stage, { class: "clock", must_hit: "running", at, hit: [task], witness: said._tag === "Some" ? { kind: "answer", detail: said.value } : null, by_ms: byMs })
    return sleeper
  })

const saidSteps = ({ said }: Server): ReadonlyArray<string> => said().split("\n").filter((line) => line.includes(loggedStep))

// Renamed into its place, so that nobody reads half a number.
const setBy = ({ dir }: Workspace, ms: number): void => {
  const file = join(dir, "clock.offset")
  writeFileSync(`${file}.new`, String(ms))
  renameSync(`${file}.new`, file)
}
