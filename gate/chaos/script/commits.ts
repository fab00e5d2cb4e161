/**
 * The server is killed at every commit of the run of a task in code, each with a task of its own. Where nobody knows whether the command was
 * started, somebody looks into the ledger that commands write, and says what is there.
 */
import { Effect } from "effect"
import { instruct } from "../Asking.ts"
import { killAtEveryCommit } from "../Commits.ts"
import { ledgerText } from "../Product.ts"
import type { Stage, StageFailed } from "../Stage.ts"
import { voyageCommand, voyageEffects, voyageKind, voyageModule, writeVoyage } from "../Voyage.ts"
import { prepare } from "../Workload.ts"

/** How long a run may take, over its kill and the restart behind it. */
const patienceMs = 60_000

const reconcile = (stage: Stage, task: string): Effect.Effect<void, StageFailed> =>
  Effect.suspend(() => {
    const isDone = ledgerText(stage.workspace).split("\n").some((line) => line.startsWith('{"phase":"done"') && line.includes(`"${task}:${voyageCommand}"`))
    return instruct(stage, { op: "reconcile", task, reason: "looked into the ledger", outcome: isDone ? "succeeded" : "retry" }, `${task}:reconcile`)
  })

export const commits = (stage: Stage) => {
  const { scenario, workspace } = stage
  prepare(workspace.dir, scenario, { workflows: [voyageModule] })
  writeVoyage(workspace)
  return killAtEveryCommit(stage, {
    errand: (n) => ({
      key: `${scenario.id}:${scenario.seed}:${n}`,
      kind: voyageKind,
      class: "heavy",
      payload: { n },
      expect: { states: ["SUCCEEDED"], done_min: voyageEffects, done_max: voyageEffects }
    }),
    reconcile,
    before: [],
    patienceMs
  })
}
