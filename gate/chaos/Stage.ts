/**
 * The stage of one scenario: the workspace, the chance, and the journal that grows while it is played. Scripts use its
 * verbs; whatever they do is on record without their help.
 */
import { isObject } from "../Json.ts"
import { Clock, Data, Effect, Ref, type Scope } from "effect"
import type { ChatHistory, Encounter, Fault, FaultClass, Operation, Replay, Request, Restart, Row, Sample, Scenario, Target, Trial } from "../History.ts"
import { type Ended, ledgerText, opsgate, opsgateJson, type ProductFailed, serve, type Server, type Workspace } from "./Product.ts"
import { recorded, recordReads } from "./Operations.ts"
import type { ToolMissing } from "./Tools.ts"
import { declaredKinds, needsApproval, type Planned } from "./Workload.ts"

export interface Stage {
  readonly workspace: Workspace
  readonly scenario: Scenario
  readonly chance: () => number
  readonly requests: Array<Request>
  readonly replays: Array<Replay>
  readonly faults: Array<Fault>
  readonly summaries: Array<Sample>
  readonly restarts: Array<Restart>
  readonly operations: Array<Operation>
  readonly points: Array<string>
  readonly trials: Array<Trial>
  readonly encounters: Array<Encounter>
  readonly chat: { readonly [Part in keyof ChatHistory]: Array<ChatHistory[Part][number]> }
}

/** A scenario did not get where it had to. */
export class ScenarioStuck extends Data.TaggedError("ScenarioStuck")<{ readonly waitedFor: string }> {
  override get message() {
    return `waited in vain for ${this.waitedFor}`
  }
}

export type StageFailed = ProductFailed | ScenarioStuck | ToolMissing

export const isRow = (value: unknown): value is Row => isObject(value) && typeof value["id"] === "string" && typeof value["state"] === "string"

/** Polls until the effect answers something other than null. */
export const until = <A, E, R>(waitedFor: string, look: Effect.Effect<A | null, E, R>, everyMs: number, limitMs: number): Effect.Effect<A, E | ScenarioStuck, R> => {
  const again: Effect.Effect<A, E, R> = look.pipe(Effect.filterOrElse((found) => found !== null, () => Effect.zipRight(Effect.sleep(everyMs), again)))
  return Effect.timeoutFail(again, { duration: limitMs, onTimeout: () => new ScenarioStuck({ waitedFor }) })
}

/** Tasks as the product lists them; works with the server down and stopped. */
export const rows = (stage: Stage, ...words: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Row>, ProductFailed> =>
  Effect.gen(function*() {
    const invoked = yield* Clock.currentTimeMillis
    const json = yield* opsgateJson(stage.workspace, "task", "list", "--limit", "10000", ...words)
    const seen = Array.isArray(json) ? json.filter(isRow) : []
    recordReads(stage.operations, seen, invoked, yield* Clock.currentTimeMillis)
    return seen
  })

/** Exit code for "the server went away in the middle": the command may be repeated with its key. */
const unreachable = 69
const triesMax = 20

/** Exit code of a conflict, and the words of the one that is over in a moment: the same request is still being decided. */
const conflict = 5
const inProgress = "still being decided"

const isPassing = ({ code, stderr }: Ended): boolean => code === unreachable || (code === conflict && stderr.includes(inProgress))

/** A command that is repeated, with the same key, while the server is away or still decides: what a careful user does. */
export const persist = (stage: Stage, ...words: ReadonlyArray<string>): Effect.Effect<Ended, ProductFailed> => {
  const attempt = (left: number): Effect.Effect<Ended, ProductFailed> =>
    recorded(stage.operations, words, opsgate(stage.workspace, ...words, "--json")).pipe(
      Effect.filterOrElse((ended) => !isPassing(ended) || left === 0, () => Effect.zipRight(Effect.sleep(50), attempt(left - 1)))
    )
  return attempt(triesMax)
}

/** The task that an answer names, if it was granted. */
export const taskIn = ({ code, stdout }: Ended): string | null => {
  if (code !== 0) return null
  try {
    const json: unknown = JSON.parse(stdout)
    return isObject(json) && typeof json["task"] === "string" ? json["task"] : null
  } catch {
    return null
  }
}

export const submitWords = (planned: Planned, payload: unknown = planned.payload): ReadonlyArray<string> =>
  ["task", "submit", planned.kind, JSON.stringify(payload), "--key", planned.key]

/** Asks for a task and puts the request on record, answered or not. */
export const request = (stage: Stage, planned: Planned): Effect.Effect<string | null, ProductFailed> =>
  Effect.map(persist(stage, ...submitWords(planned)), (ended) => {
    const task = taskIn(ended)
    const { class: taskClass, expect, key, kind } = planned
    stage.requests.push({ key, kind, class: taskClass, task, expect })
    return task
  })

/** Asks for a task and takes it as far as its plan says. */
export const handle = (stage: Stage, planned: Planned): Effect.Effect<string | null, ProductFailed> =>
  Effect.gen(function*() {
    const task = yield* request(stage, planned)
    if (task === null || !needsApproval(planned) || planned.handling === "leave") return task
    const step = (op: string, ...more: ReadonlyArray<string>) => persist(stage, "task", op, task, "--key", `${planned.key}:${op}`, ...more)
    if (planned.handling === "reject") yield* step("reject", "--reason", "the scenario says no")
    else if (planned.handling === "cancel") yield* step("cancel", "--reason", "the scenario changed its mind")
    else {
      if (planned.handling !== "early") yield* step("approve")
      if (planned.handling === "alone") yield* persist(stage, "task", "approve", task, "--key", `${planned.key}:again`)
      yield* step("resume")
    }
    return task
  })

/** Puts a fault on record. */
export const record = (stage: Stage, fault: Omit<Fault, "id" | "seed">): Effect.Effect<void> =>
  Effect.sync(() => void stage.faults.push({ id: `${stage.scenario.id}/${stage.faults.length + 1}`, seed: stage.scenario.seed, ...fault }))

/** How many faults of this sort have hit so far. */
export const hits = (stage: Stage, wanted: FaultClass, target: Target): number =>
  stage.faults.filter((fault) => fault.class === wanted && fault.must_hit === target && fault.hit.length > 0 && fault.witness !== null).length

/** Tasks whose effect has started and is not done, as the ledger says. Of a command that fails it says no end: such tasks are left out. */
export const effectsInProgress = (stage: Stage): ReadonlySet<string> => {
  const open = new Set<string>()
  const failing = new Set(stage.requests.flatMap(({ kind, task }) => (task !== null && declaredKinds[kind]?.fails === true ? [task] : [])))
  for (const line of ledgerText(stage.workspace).split("\n")) {
    const match = /^\{"phase":"(start|done)","task":"([^"]+)"/.exec(line)
    if (match === null) continue
    const [, phase, task = ""] = match
    if (phase === "start" && !failing.has(task)) open.add(task)
    else open.delete(task)
  }
  return open
}

/** The server of a stage, which faults end and which is then started again. */
export interface Life {
  readonly server: Effect.Effect<Server>
  /** Ends the server with SIGKILL, puts the fault on record, and starts the next server. Answers the tasks as they stood in between. */
  readonly killAndRestart: Effect.Effect<ReadonlyArray<Row>, StageFailed, Scope.Scope>
  /** The same, with another look at whom it hit, taken before the next server starts. */
  readonly killHitting: (target: Target, look: Effect.Effect<ReadonlyArray<string>, StageFailed>) => Effect.Effect<void, StageFailed, Scope.Scope>
}

export const live = (stage: Stage): Effect.Effect<Life, ProductFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const current = yield* Ref.make(yield* serve(stage.workspace))
    const kill = <A>(must_hit: Target, look: Effect.Effect<{ readonly seen: A; readonly hit: ReadonlyArray<string> }, StageFailed>) =>
      Effect.gen(function*() {
        const server = yield* Ref.get(current)
        const at = yield* Clock.currentTimeMillis
        yield* server.signal("SIGKILL")
        const { signal } = yield* server.ended
        const { hit, seen } = yield* look
        yield* record(stage, { class: "sigkill", must_hit, at, hit, witness: signal === "SIGKILL" ? { kind: "exit", detail: `process ${server.pid} ended by ${signal}` } : null })
        yield* Ref.set(current, yield* serve(stage.workspace))
        return seen
      })
    const whoRuns = Effect.map(rows(stage), (seen) => ({ seen, hit: seen.filter((row) => row.state === "RUNNING" && row["blocked"] !== true).map(({ id }) => id) }))
    return {
      server: Ref.get(current),
      killAndRestart: kill("running", whoRuns),
      killHitting: (target, look) => Effect.asVoid(kill(target, Effect.map(look, (hit) => ({ seen: null, hit }))))
    }
  })

const ends: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"])

/**
 * Waits until every task that was asked for is in one of its expected states, as the latest look at the list says. Stuck at
 * once when one has ended otherwise.
 */
export const settled = (stage: Stage, latest: () => ReadonlyArray<Row>): Effect.Effect<void, ScenarioStuck> =>
  until(
    "every task to end as expected",
    Effect.suspend(() => {
      const states = new Map(latest().map((row) => [row.id, row.state]))
      const open = stage.requests.filter(({ expect, task }) => task !== null && !expect.states.includes(states.get(task) ?? ""))
      const wrong = open.find(({ task }) => ends.has(states.get(task ?? "") ?? ""))
      if (wrong !== undefined) return new ScenarioStuck({ waitedFor: `task ${wrong.task} to be ${wrong.expect.states.join(" or ")}, it is ${states.get(wrong.task ?? "")}` })
      return Effect.succeed(open.length === 0 ? true : null)
    }),
    20,
    stage.scenario.limits.wall_ms
  ).pipe(Effect.asVoid)
