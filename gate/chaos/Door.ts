/**
 * Commands over the server's socket, for scenarios in which the server is up: a process for each would cost more than what is tried.
 * What is asked and told is on record as if it had gone through the program.
 */
import { Clock, Effect } from "effect"
import { type OperationName, operationNames } from "../History.ts"
import { isObject } from "../Json.ts"
import { ProductFailed } from "./Product.ts"
import { sendLine } from "./Socket.ts"
import { type ScenarioStuck, type Stage, until } from "./Stage.ts"
import { needsApproval, type Planned } from "./Workload.ts"

type Fields = Readonly<Record<string, unknown>>

/** Asks for one command, and answers what was granted; a refusal is not what a scenario asks for. */
export const tell = (stage: Stage, op: string, key: string | null, fields: Fields): Effect.Effect<Fields, ProductFailed> =>
  Effect.gen(function*() {
    const name = operationNames.find((one) => one === op)
    const about = typeof fields["task"] === "string" ? fields["task"] : null
    const invoked = yield* Clock.currentTimeMillis
    const unheard = Effect.sync(() => noted(stage, { op: name, key, task: about }, invoked, null, null))
    const reply = yield* Effect.tapError(sendLine(stage.workspace, { v: 1, ask: { op, reason: null, ...fields }, key }), () => unheard)
    const granted = isObject(reply) ? reply["ok"] : null
    if (!isObject(granted)) return yield* new ProductFailed({ what: `${op} over the command socket`, detail: JSON.stringify(reply).slice(0, 300) })
    const [task, state] = [granted["task"], granted["state"]]
    if (typeof task === "string" && typeof state === "string") noted(stage, { op: name, key, task }, invoked, yield* Clock.currentTimeMillis, state)
    return granted
  })

const noted = (stage: Stage, { op, ...about }: { readonly op: OperationName | undefined; readonly key: string | null; readonly task: string | null }, invoked: number, answered: number | null, answer: string | null): void => {
  if (op !== undefined) stage.operations.push({ op, ...about, invoked, answered, answer })
}

/** Asks for a task, puts the request on record, and lets it go where people have to, unless it is left to them. `more` says when and where it is to run. */
export const demand = (stage: Stage, planned: Planned, more: Fields = {}): Effect.Effect<string, ProductFailed> =>
  Effect.gen(function*() {
    const { class: taskClass, expect, key, kind, payload } = planned
    const { task } = yield* tell(stage, "submit", key, { kind, payload, ...more })
    if (typeof task !== "string") return yield* new ProductFailed({ what: "submit over the command socket", detail: "no task was answered" })
    stage.requests.push({ key, kind, class: taskClass, task, expect })
    if (needsApproval(planned) && planned.handling === "run") for (const op of ["approve", "resume"]) yield* tell(stage, op, `${key}:${op}`, { task })
    return task
  })

/** A task of this scenario that runs for so long, and is done once. */
export const job = ({ requests, scenario }: Stage, kind: string, ms: number): Planned => ({
  key: `${scenario.id}:${scenario.seed}:${requests.length}`,
  kind,
  class: kind.startsWith("heavy") ? "heavy" : "light",
  payload: { n: requests.length, ms },
  handling: "run",
  expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 }
})

/** Waits until the server says that nothing runs or is queued, but for so many that wait rightly. */
export const quiet = (stage: Stage, left = 0): Effect.Effect<void, ScenarioStuck> =>
  until(
    "all work to end",
    sendLine(stage.workspace, { v: 1, look: "ops", hours: 1 }).pipe(
      Effect.map((reply) => (busyIn(reply) === left ? true : null)),
      // A server that has just started, or is in trouble, is asked again.
      Effect.orElseSucceed(() => null)
    ),
    50,
    stage.scenario.limits.wall_ms
  ).pipe(Effect.asVoid)

const busyIn = (reply: unknown): number | null => {
  const tasks = isObject(reply) && isObject(reply["ops"]) ? reply["ops"]["tasks"] : null
  if (!isObject(tasks)) return null
  const [queued, running] = [tasks["queued"], tasks["running"]]
  return typeof queued === "number" && typeof running === "number" ? queued + running : null
}
