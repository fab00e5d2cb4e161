/** Plays the kinds of a project: each is killed at every commit of its run, in a copy of its own. */
import { existsSync, mkdtempSync, readFileSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { Cause, Clock, Effect, Either, Exit } from "effect"
import { killAtEveryCommit } from "../chaos/Commits.ts"
import { endAll, eventsText, serve, type Workspace } from "../chaos/Product.ts"
import type { Played } from "../chaos/Runner.ts"
import type { Stage } from "../chaos/Stage.ts"
import { type Act, actSorts, type Journal, type OwnHistory, type OwnStep, type Scenario } from "../History.ts"
import { isObject } from "../Json.ts"
import { copyProject, laid, type OwnKind, type Project, ProjectRefused, watchingBodies } from "./Project.ts"

export interface Around {
  /** Where the copies are made. */
  readonly dir: string
  readonly program: string
  readonly env: Readonly<Record<string, string>>
}

const workspaceOf = (project: Project, name: string, { dir, env, program }: Around): Either.Either<Workspace, ProjectRefused> => {
  const folder = realpathSync(mkdtempSync(join(dir, `${name}-`)))
  return Either.map(copyProject(project, folder), () => ({ dir: folder, program, chatService: "", env: { ...env, HOME: join(folder, "home") } }))
}

const linesOf = (file: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  (existsSync(file) ? readFileSync(file, "utf8").split("\n") : []).flatMap((line) => {
    try {
      const json: unknown = JSON.parse(line)
      return isObject(json) ? [json] : []
    } catch {
      return []
    }
  })

/** The kinds that the modules of a project define: its server is started once in a copy. Refused, with its own words, when it does not start. */
export const kindsOfCode = (project: Project, around: Around): Effect.Effect<ReadonlyArray<OwnKind>, ProjectRefused> =>
  Effect.gen(function*() {
    const workspace = yield* workspaceOf(project, "survey", around)
    yield* Effect.scoped(serve(workspace, watchingBodies(workspace.dir, workspace.program))).pipe(
      Effect.mapError(({ message }) => new ProjectRefused({ issue: `the project does not start: ${message}` })),
      Effect.ensuring(Effect.sync(() => endAll(workspace)))
    )
    return linesOf(join(workspace.dir, laid.acts)).filter(({ declared }) => declared === "kind").map((line): OwnKind => ({
      kind: String(line["kind"]),
      class: line["class"] === "heavy" ? "heavy" : "light",
      example: line["example"] ?? undefined,
      command: null
    }))
  })

/** How long a run may take until it rests, in milliseconds. */
const patienceMs = 60_000
/** How long all runs of a kind may take. */
const wallMs = 1_800_000

const scenarioOf = ({ kind }: OwnKind): Scenario => ({
  v: 1,
  id: `own-${kind}`,
  title: `${kind} is killed at every commit of its run`,
  hypothesis: "Wherever a process ends, the next one brings the task to its end, and nothing is done twice that must not be.",
  traffic_class: "fault",
  seed: 0,
  workload: { script: "own", tasks: 1, heavy_ppm: 0, concurrency: 1 },
  faults: [],
  limits: { wall_ms: wallMs, lease_ms: 600_000, summaries: 0 }
})

/** Kills at every commit of a run of a kind. Whatever goes wrong, what was seen until then is kept. */
export const playKind = (project: Project, own: OwnKind, payload: unknown, kinds: OwnHistory["kinds"], around: Around): Effect.Effect<Played, ProjectRefused> =>
  Effect.gen(function*() {
    const workspace = yield* workspaceOf(project, `own-${own.kind}`, around)
    const scenario = scenarioOf(own)
    const stage: Stage = { workspace, scenario, chance: () => 0, requests: [], replays: [], faults: [], summaries: [], restarts: [], operations: [], points: [], encounters: [], trials: [], chat: { commands: [], bursts: [], calls: [], violations: [] } }
    const started_at = yield* Clock.currentTimeMillis
    const exit = yield* killAtEveryCommit(stage, {
      errand: (n) => ({ key: `${scenario.id}:${n}`, kind: own.kind, class: own.class, payload, expect: { states: ["SUCCEEDED", "OUTCOME_UNKNOWN"], done_min: 0, done_max: Number.MAX_SAFE_INTEGER } }),
      reconcile: null,
      // Before it begins, nothing is otherwise for a project than before its commit.
      instants: ["before_commit", "after_commit"],
      before: watchingBodies(workspace.dir, workspace.program),
      patienceMs
    }).pipe(
      Effect.scoped,
      Effect.ensuring(Effect.sync(() => endAll(workspace))),
      Effect.timeoutFail({ duration: wallMs, onTimeout: () => new Error(`it took longer than ${wallMs} ms`) }),
      Effect.exit
    )
    const events = Either.getOrNull(yield* Effect.either(eventsText(workspace)))
    const { faults, operations, points, requests } = stage
    const journal: Journal = {
      v: 1,
      scenario,
      seed: 0,
      started_at,
      ended_at: yield* Clock.currentTimeMillis,
      status: Exit.isSuccess(exit) ? "completed" : "aborted",
      note: Exit.match(exit, { onSuccess: () => null, onFailure: (cause) => Cause.pretty(cause).split("\n")[0]?.slice(0, 600) ?? "failed" }),
      requests,
      replays: [],
      faults,
      summaries: [],
      restarts: [],
      operations: operations.toSorted((one, other) => one.invoked - other.invoked),
      ...(points.length === 0 ? {} : { points }),
      own: { kind: own.kind, kinds, steps: stepsIn(workspace, own), acts: [...actsIn(workspace), ...commandsIn(workspace, own, events ?? "")] }
    }
    return { id: scenario.id, journal, eventsText: events, effectsText: ledgerIn(workspace), configuration: null }
  })

const commandPlace = "its command"

const stepsIn = ({ dir }: Workspace, { command, kind }: OwnKind): ReadonlyArray<OwnStep> => [
  ...(command === null ? [] : [{ place: commandPlace, effect: command, timeout: true, probe: false }]),
  ...linesOf(join(dir, laid.acts)).filter((line) => line["declared"] === "step" && line["kind"] === kind).map((line) => ({
    place: `step "${String(line["step"])}"`,
    effect: String(line["effect"]),
    timeout: line["timeout"] === true,
    probe: line["probe"] === true
  })).filter(({ place }, index, all) => all.findIndex((other) => other.place === place) === index)
]

const sorts: ReadonlySet<unknown> = new Set(actSorts)
const isAct = (line: Readonly<Record<string, unknown>>): line is Readonly<Record<string, unknown>> & Act => typeof line["task"] === "string" && sorts.has(line["sort"])

const actsIn = ({ dir }: Workspace): ReadonlyArray<Act> =>
  linesOf(join(dir, laid.acts)).filter(isAct).map(({ keyed, n, pass, place, sort, step, task, what }) => ({ task, place, step, pass, n, what: what === null ? null : what.slice(0, 300), sort, keyed }))

// A command writes its own start; which step it is says the log.
const commandsIn = ({ dir }: Workspace, { command }: OwnKind, log: string): ReadonlyArray<Act> => {
  const names = new Map<unknown, string>()
  for (const [, key, name] of command === null ? log.matchAll(/"dispatch_key":"([^"]+)"[^\n]*?"name":"((?:[^"\\]|\\.)*)"/g) : []) names.set(key, name ?? "")
  return linesOf(join(dir, laid.commands)).filter(({ phase }) => phase === "start").map((line) => {
    const name = names.get(line["dispatch_key"])
    return { task: String(line["task"]), place: command === null ? `step "${name ?? "(unknown)"}"` : commandPlace, step: true, pass: `command ${String(line["pid"])} ${String(line["generation"])}`, n: -1, what: null, sort: "begins", keyed: false }
  })
}

// Both are written in the order of the machine's monotonic clock.
const ledgerIn = ({ dir }: Workspace): string => {
  const lines = [laid.bodies, laid.commands].flatMap((name) => linesOf(join(dir, name)))
  return lines.toSorted((one, other) => Number(one["mono_ms"]) - Number(other["mono_ms"])).map((line) => `${JSON.stringify(line)}\n`).join("")
}
