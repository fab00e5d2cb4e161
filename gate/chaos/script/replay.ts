/** Every command is sent again: at once, later, behind a crash, and with another payload under the same key. */
import { Clock, Effect } from "effect"
import type { ProductFailed } from "../Product.ts"
import { isObject } from "../../Json.ts"
import { effectsInProgress, handle, live, persist, record, settled, type Stage, submitWords, taskIn, until } from "../Stage.ts"
import { sendLine } from "../Socket.ts"
import { watchRows } from "../Sampler.ts"
import { letGo, needsApproval, once, plan, type Planned } from "../Workload.ts"

const workMs = [50, 250] as const
/** Every so many-th key also comes back with another payload. */
const otherEvery = 3
/** How long the held task may take to begin, in milliseconds. */
const heldMs = 60_000

export const replay = (stage: Stage) =>
  Effect.gen(function*() {
    const tasks = plan(stage.scenario, stage.chance, workMs)
    const life = yield* live(stage)
    const latest = yield* watchRows(stage.workspace)
    const half = Math.ceil(tasks.length / 2)
    const first = tasks.slice(0, half).map((planned, index): Planned => (index === half - 1 ? { ...planned, kind: "light.held", class: "light", handling: "run", expect: once } : planned))
    yield* Effect.forEach(first, (planned) => twiceAtOnce(stage, planned), { concurrency: 2, discard: true })
    // The last of them works until it is let go, so that the kill meets it however slow the machine is.
    yield* until("the effect of the held task", Effect.sync(() => (effectsInProgress(stage).has(firstTask(stage, first.at(-1)) ?? "") ? true : null)), 20, heldMs)
    yield* life.killAndRestart
    letGo(stage.workspace.dir)
    yield* Effect.forEach(first, (planned) => againByLine(stage, planned, planned.payload), { concurrency: 8, discard: true })
    yield* Effect.forEach(tasks.slice(half), (planned) => withRepeats(stage, planned), { concurrency: 2, discard: true })
    yield* Effect.forEach([...first, ...tasks.slice(half)].filter((_, index) => index % otherEvery === 0), (planned) => againByLine(stage, planned, { ...planned.payload, ms: planned.payload.ms + 1 }), { concurrency: 8, discard: true })
    yield* settled(stage, latest)
  })

// Two processes send the same command at the same time: one of them is the first, nobody knows which.
const twiceAtOnce = (stage: Stage, planned: Planned) =>
  Effect.gen(function*() {
    const [first, second] = yield* Effect.all([handle(stage, planned), persist(stage, ...submitWords(planned))], { concurrency: 2 })
    yield* note(stage, planned, "submit", true, second.code, taskIn(second), first)
  })

const withRepeats = (stage: Stage, planned: Planned) =>
  Effect.gen(function*() {
    const task = yield* handle(stage, planned)
    yield* again(stage, planned, submitWords(planned), "submit")
    if (task === null || !needsApproval(planned)) return
    yield* again(stage, planned, ["task", "resume", task, "--key", `${planned.key}:resume`], "resume")
    // Without a key: the task is queued, running or done by now, and must not be started a second time.
    yield* persist(stage, "task", "resume", task)
  })

const again = (stage: Stage, planned: Planned, words: ReadonlyArray<string>, op: string): Effect.Effect<void, ProductFailed> =>
  Effect.flatMap(persist(stage, ...words), (ended) => note(stage, planned, op, true, ended.code, taskIn(ended), firstTask(stage, planned)))

// The same key over the socket itself: with the same payload an answer is wanted, with another a conflict.
const againByLine = (stage: Stage, planned: Planned, payload: Planned["payload"]): Effect.Effect<void, ProductFailed> =>
  Effect.gen(function*() {
    const { key, kind } = planned
    const reply = yield* sendLine(stage.workspace, { v: 1, ask: { op: "submit", kind, payload, reason: null }, key })
    const ok = isObject(reply) && isObject(reply["ok"]) ? reply["ok"]["task"] : null
    const tag = isObject(reply) && isObject(reply["refused"]) ? reply["refused"]["tag"] : null
    const exit = ok !== null ? 0 : tag === "KeyConflict" ? 5 : 1
    yield* note(stage, planned, "submit", payload === planned.payload, exit, typeof ok === "string" ? ok : null, firstTask(stage, planned))
  })

const firstTask = (stage: Stage, planned: Planned | undefined): string | null => stage.requests.find(({ key }) => key === planned?.key)?.task ?? null

const note = (stage: Stage, planned: Planned, op: string, same: boolean, code: number | null, task: string | null, first: string | null) =>
  Effect.gen(function*() {
    const exit = code ?? -1
    stage.replays.push({ key: op === "submit" ? planned.key : `${planned.key}:${op}`, op, same_payload: same, exit, task, first_task: first })
    yield* record(stage, {
      class: "replay",
      must_hit: "stored",
      at: yield* Clock.currentTimeMillis,
      hit: first === null ? [] : [first],
      witness: { kind: "answer", detail: `opsgate answered the repeat with exit ${exit}` }
    })
  })
