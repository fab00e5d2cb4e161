/** Plays one scenario from its file to its evidence. Whatever goes wrong, what was seen until then is kept. */
import { mkdtempSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { Cause, Clock, Effect, Exit, Option } from "effect"
import type { Journal, Scenario, Script } from "../History.ts"
import { endAll, eventsText, ledgerText, type Workspace } from "./Product.ts"
import { clock } from "./script/clock.ts"
import { commits } from "./script/commits.ts"
import { clockSet } from "./script/clockSet.ts"
import { damage } from "./script/damage.ts"
import { fullDisk } from "./script/fullDisk.ts"
import { ioErrors } from "./script/ioErrors.ts"
import { pause } from "./script/pause.ts"
import { polls } from "./script/polls.ts"
import { powerLoss } from "./script/powerLoss.ts"
import { protectedFile } from "./script/protectedFile.ts"
import { readOnlyDisk } from "./script/readOnly.ts"
import { replay } from "./script/replay.ts"
import { reports } from "./script/reports.ts"
import { restart } from "./script/restart.ts"
import { rival } from "./script/rival.ts"
import { standstill } from "./script/standstill.ts"
import { terminate } from "./script/terminate.ts"
import { seeded } from "./Seed.ts"
import { ScenarioStuck, type Stage, type StageFailed } from "./Stage.ts"
import { ToolMissing } from "./Tools.ts"
import { voyageDeclared, voyageKind } from "./Voyage.ts"
import { type Configuration, configurationIn, declaredKinds, prepare } from "./Workload.ts"
import type { Scope } from "effect"

export interface Played {
  readonly id: string
  readonly journal: Journal
  readonly eventsText: string | null
  readonly effectsText: string | null
  /** What the product was configured with; null when nothing was written. */
  readonly configuration: Configuration | null
}

/** What is played elsewhere: a window of production is read (`gate/window`), a simulated world has no processes (`gate/simulation`). */
const elsewhere = (how: string) => () => new ScenarioStuck({ waitedFor: `a scenario that is ${how}, and never played here` })

const scripts = {
  restart, pause, replay, standstill, polls, reports, commits,
  full_disk: fullDisk, io_errors: ioErrors, read_only: readOnlyDisk, clock, power_loss: powerLoss,
  terminate, rival, clock_set: clockSet, damage, file_protected: protectedFile,
  own: elsewhere("of somebody's own project"), window: elsewhere("read"), simulated: elsewhere("simulated")
} as const satisfies Record<Script, (stage: Stage) => Effect.Effect<void, StageFailed, Scope.Scope>>

export interface RunnerOptions {
  /** Where the workspace of the scenario is made. */
  readonly dir: string
  readonly program: string
  /** The program that plays the chat service. */
  readonly chatService: string
  readonly env: Readonly<Record<string, string>>
}

export const play = (scenario: Scenario, options: RunnerOptions): Effect.Effect<Played> =>
  Effect.gen(function*() {
    const { chatService, env, program } = options
    const workspace: Workspace = { dir: realpathSync(mkdtempSync(join(options.dir, `${scenario.id}-`))), program, chatService, env }
    const stage: Stage = { workspace, scenario, chance: seeded(scenario.seed), requests: [], replays: [], faults: [], summaries: [], restarts: [], operations: [], points: [], encounters: [], trials: [], chat: { commands: [], bursts: [], calls: [], violations: [] } }
    prepare(workspace.dir, scenario)
    const started_at = yield* Clock.currentTimeMillis
    const exit = yield* scripts[scenario.workload.script](stage).pipe(
      Effect.scoped,
      Effect.ensuring(Effect.sync(() => endAll(workspace))),
      Effect.timeoutFail({ duration: scenario.limits.wall_ms, onTimeout: () => new Error(`the scenario took longer than ${scenario.limits.wall_ms} ms`) }),
      Effect.exit
    )
    const events = yield* Effect.either(eventsText(workspace))
    const { chat, encounters, faults, operations, points, replays, requests, restarts, summaries, trials } = stage
    const journal: Journal = {
      v: 1,
      scenario,
      seed: scenario.seed,
      started_at,
      ended_at: yield* Clock.currentTimeMillis,
      status: Exit.isSuccess(exit) ? "completed" : "aborted",
      note: Exit.match(exit, { onSuccess: () => null, onFailure: (cause) => Cause.pretty(cause).split("\n")[0]?.slice(0, 600) ?? "failed" }),
      requests,
      replays,
      faults,
      summaries,
      restarts,
      operations: operations.toSorted((one, other) => one.invoked - other.invoked),
      kinds: { ...declaredKinds, [voyageKind]: voyageDeclared },
      ...(points.length === 0 ? {} : { points }),
      ...(chat.calls.length === 0 ? {} : { chat }),
      ...(trials.length === 0 ? {} : { trials }),
      ...(encounters.length === 0 ? {} : { encounters })
    }
    // Without its tool nothing was begun: that log is empty, and not lost.
    const noLog = Exit.isFailure(exit) && Option.exists(Cause.failureOption(exit.cause), (failure) => failure instanceof ToolMissing) ? "" : null
    return { id: scenario.id, journal, eventsText: events._tag === "Right" ? events.right : noLog, effectsText: ledgerText(workspace), configuration: configurationIn(workspace.dir) }
  })
