/** The data folder may only be read: by turns when a server starts, and under one that runs. */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { dataDir, mountLine, readOnly } from "../Mounts.ts"
import { ledgerText, opsgate, serve } from "../Product.ts"
import { watchRows } from "../Sampler.ts"
import { settled, type Stage, until } from "../Stage.ts"
import { needMount } from "../Tools.ts"
import { askFor, endWords, look, plainTask, tried } from "../Trying.ts"

const patienceMs = 20_000

export const readOnlyDisk = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario: { limits: { trials = 0 } }, workspace } = stage
    yield* needMount(workspace.dir, workspace.env)
    yield* Effect.scoped(underServer(stage, false))
    for (let round = 1; round <= trials; round++) yield* round % 2 === 0 ? Effect.scoped(underServer(stage, true)) : atStart(stage)
    yield* Effect.scoped(underServer(stage, false))
  })

// Nothing may begin, and nothing in the folder may change.
const atStart = (stage: Stage) =>
  Effect.gen(function*() {
    const { workspace } = stage
    const before = digestOf(dataDir(workspace))
    const { looks, witness } = yield* Effect.scoped(Effect.gen(function*() {
      yield* readOnly(workspace)
      const server = yield* opsgate(workspace, "serve")
      const change = yield* opsgate(workspace, "task", "submit", "light.sh", JSON.stringify({ n: 0, ms: 0 }))
      return {
        witness: mountLine(workspace),
        looks: [
          look("a server that starts", endWords(`exit ${server.code}`, server.stderr), "exit 1: read-only"),
          look("a change without a server", endWords(`exit ${change.code}`, change.stderr), "exit 1: read-only"),
          look("the files", digestOf(dataDir(workspace)) === before ? "as they were" : "changed", "as they were")
        ]
      }
    }))
    tried(stage, { kind: "read_only", sort: "read-only at start", witness: witness === null ? null : { kind: "record", detail: witness }, looks }, before)
  })

// The server has its database open for writing, so changes are stored; but no run gets a folder, and so nothing begins.
const underServer = (stage: Stage, breaks: boolean) =>
  Effect.gen(function*() {
    const { workspace } = stage
    yield* serve(workspace)
    const latest = yield* watchRows(workspace)
    yield* askFor(stage, plainTask(stage, "heavy.git", 10))
    yield* settled(stage, latest)
    if (!breaks) return
    const before = starts(stage)
    const seen = yield* Effect.scoped(Effect.gen(function*() {
      yield* readOnly(workspace)
      const asked = yield* askFor(stage, plainTask(stage, "heavy.git", 10))
      const ops = yield* until("the trouble to be told", Effect.map(opsgate(workspace, "ops-summary", "--json", "--check"), (one) => (one.stdout.includes("\"storage_read_only\"") ? one : null)), 50, patienceMs).pipe(Effect.either)
      const list = yield* opsgate(workspace, "task", "list", "--json")
      return { asked, witness: mountLine(workspace), ops: ops._tag === "Right" ? `exit ${ops.right.code}, storage_read_only` : "nothing told", list: `exit ${list.code}`, begun: starts(stage) - before }
    }))
    const went = yield* Effect.either(settled(stage, latest))
    const looks = [
      look("ops-summary --check", seen.ops, "exit 7, storage_read_only"),
      look("a list", seen.list, "exit 0"),
      look("effects that began", String(seen.begun), "0"),
      look("the tasks that waited, when it could be written again", went._tag === "Right" ? "all ended as they had to" : went.left.message, "all ended as they had to")
    ]
    tried(stage, { kind: "read_only", sort: "read-only under a server", witness: seen.witness === null ? null : { kind: "record", detail: seen.witness }, looks }, seen.asked.task ?? "")
  })

const starts = ({ workspace }: Stage): number => ledgerText(workspace).split("\n").filter((line) => line.startsWith("{\"phase\":\"start\"")).length

const digestOf = (folder: string): string => {
  const hash = createHash("sha256")
  for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((one, other) => (one.name < other.name ? -1 : 1))) if (entry.isFile()) hash.update(entry.name).update(readFileSync(join(folder, entry.name)))
  return hash.digest("hex")
}
