/**
 * SIGKILL at every commit of one run of a task, enumerated: a run without a kill counts the transactions, then each of three instants of
 * each of them is the end of a server of its own, in the middle of a task of its own. The next server has to bring that task to its end.
 *
 * A program within the server counts and kills (`witness/commits.mjs`); that the process ended by SIGKILL is told by the operating
 * system, and at which commit by the last line of the witness, which it writes before.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import { Clock, Effect, Fiber, type Scope } from "effect"
import type { Request, Row } from "../History.ts"
import { dispatch, type Errand } from "./Asking.ts"
import { serve, type Server, type Workspace } from "./Product.ts"
import { record, ScenarioStuck, type Stage, type StageFailed, until } from "./Stage.ts"
import { watchRows } from "./Sampler.ts"

/** Instants of a transaction: before it begins, when all is written and nothing committed, and when it is committed and nobody knows. */
export const instants = ["before_begin", "before_commit", "after_commit"] as const

export const pointsOf = (commits: number, at: ReadonlyArray<(typeof instants)[number]> = instants): ReadonlyArray<string> =>
  Array.from({ length: commits }, (_, index) => at.map((instant) => `${index + 1} ${instant}`)).flat()

/** What a kill at every commit needs to know of the task. */
export interface Killed {
  /** The task of the n-th run; run 0 is not disturbed. */
  readonly errand: (n: number) => Errand & Pick<Request, "class" | "expect">
  /** What is done about a task whose outcome is unknown. Null: nothing, it rests there. */
  readonly reconcile: ((stage: Stage, task: string) => Effect.Effect<void, StageFailed>) | null
  /** Further words for node, beside those of the witness. */
  readonly before: ReadonlyArray<string>
  /** How long a run may take until it rests, in milliseconds. */
  readonly patienceMs: number
  /** At which instants of a transaction; at all, if absent. */
  readonly instants?: ReadonlyArray<(typeof instants)[number]>
  /** At which of the points the process is killed; at all of them, if absent. */
  readonly only?: (point: string) => boolean
}

const ordersFile = "orders.txt"
const witnessFile = "commits.jsonl"

/** The words for node that load the witness, which is built beside the program. */
const watching = ({ dir, program }: Workspace): ReadonlyArray<string> => {
  const witness = pathToFileURL(join(dirname(program), "witness", "commits.mjs"))
  witness.searchParams.set("orders", join(dir, ordersFile))
  witness.searchParams.set("file", join(dir, witnessFile))
  return ["--import", witness.href]
}

// Moved into place, so that the witness never reads half of it.
const order = ({ dir }: Workspace, words: string): void => {
  writeFileSync(join(dir, `${ordersFile}.part`), words)
  renameSync(join(dir, `${ordersFile}.part`), join(dir, ordersFile))
}

const linesUnder = ({ dir }: Workspace, orders: string): ReadonlyArray<string> => {
  const file = join(dir, witnessFile)
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : []
  return lines.filter((line) => line.startsWith(`{"orders":${JSON.stringify(orders)},`))
}

const place = /"number":(\d+),"point":"([a-z_]+)"/
const pointIn = (line: string): string | null => {
  const [, number, point] = place.exec(line) ?? []
  return number === undefined ? null : `${number} ${point}`
}

const ends: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"])
const isUnknown = (row: Row): boolean => row.state === "RUNNING" && row["blocked"] === true

/** How often a point that was not come to is tried again: what shares a transaction may be otherwise now and then. */
const triesMax = 3

/** Enumerates the points of a run and kills at each of them. The points are put on record before the first kill. */
export const killAtEveryCommit = (stage: Stage, killed: Killed): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { workspace } = stage
    const begin = serve(workspace, [...watching(workspace), ...killed.before])
    let server = yield* begin
    const latest = yield* watchRows(workspace)
    let runs = 0
    const start = (orders: string) =>
      Effect.gen(function*() {
        order(workspace, orders)
        const errand = killed.errand(runs++)
        const asked = yield* Effect.fork(dispatch(stage, errand))
        return { errand, asked }
      })
    const rest = ({ asked, errand }: Effect.Effect.Success<ReturnType<typeof start>>) =>
      Effect.gen(function*() {
        const task = yield* Fiber.join(asked)
        const { class: taskClass, expect, key, kind } = errand
        stage.requests.push({ key, kind, class: taskClass, task, expect })
        const resting = until(`task ${task} to rest`, Effect.sync(() => latest().find((row) => row.id === task && (ends.has(row.state) || isUnknown(row))) ?? null), 20, killed.patienceMs)
        if (!isUnknown(yield* resting) || killed.reconcile === null) return task
        yield* killed.reconcile(stage, task)
        yield* until(`task ${task} to end`, Effect.sync(() => (latest().some((row) => row.id === task && ends.has(row.state)) ? true : null)), 20, killed.patienceMs)
        return task
      })

    const undisturbed = yield* rest(yield* start("0 count"))
    const { state } = latest().find(({ id }) => id === undisturbed) ?? { state: "unknown" }
    if (state !== "SUCCEEDED") return yield* new ScenarioStuck({ waitedFor: `the run that nobody disturbs to succeed: it is ${state}` })
    order(workspace, "")
    const points = pointsOf(linesUnder(workspace, "0 count").filter((line) => line.includes('"after_commit"')).length, killed.instants)
    stage.points.push(...points)
    for (const point of killed.only === undefined ? points : points.filter(killed.only)) {
      for (let tries = 1; tries <= triesMax && !stage.faults.some((fault) => fault.point === point && fault.hit.length > 0); tries++) {
        const orders = tries === 1 ? point : `${point} ${tries}`
        const run = yield* start(orders)
        const at = yield* Clock.currentTimeMillis
        const { pid } = server
        const resting = yield* Effect.fork(rest(run))
        const atPoint = () => pointIn(linesUnder(workspace, orders).at(-1) ?? "") === point
        // The end of a task may be listed before that of the process is told.
        const restingFirst = Effect.flatMap(Fiber.join(resting), () => (atPoint() ? Effect.never : Effect.succeed(null)))
        const how = yield* Effect.race(endOf(server), restingFirst)
        order(workspace, "")
        if (how !== null) server = yield* begin
        const task = yield* Fiber.join(resting)
        const [last = ""] = linesUnder(workspace, orders).slice(-1)
        const isThere = how === "SIGKILL" && atPoint()
        yield* record(stage, { class: "sigkill", must_hit: "commit", at, hit: isThere ? [task] : [], point, witness: { kind: "exit", detail: how === null ? `the run came to its end, and never to ${point}` : `process ${pid} ended by ${how}; its last line was ${last}` } })
      }
    }
  })

const endOf = ({ ended }: Server): Effect.Effect<string> => Effect.map(ended, ({ code, signal }) => signal ?? `exit ${code}`)
