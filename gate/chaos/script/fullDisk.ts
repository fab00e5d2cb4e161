/** The disk of the data folder fills up while tasks run and others wait, and later has room again. */
import { Effect } from "effect"
import { fill, free, smallDisk } from "../Mounts.ts"
import { type Ended, ledgerText, opsgate, type ProductFailed, serve } from "../Product.ts"
import { watchRows } from "../Sampler.ts"
import { effectsInProgress, settled, type Stage, submitWords, taskIn, until } from "../Stage.ts"
import { needMount } from "../Tools.ts"
import { askAgain, askFor, endWords, look, plainTask, tried } from "../Trying.ts"
import type { Planned } from "../Workload.ts"

const kilobytes = 8000
/** Longer than the room is taken before anybody looks, so that commands end meanwhile. */
const workMs = 1200
const patienceMs = 20_000
const sentence = "opsgate: the store cannot write: the disk is full\n"

export const fullDisk = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario: { limits: { trials = 0 } }, workspace } = stage
    yield* needMount(workspace.dir, workspace.env)
    yield* smallDisk(workspace, kilobytes)
    for (let round = 1; round <= trials; round++) yield* Effect.scoped(oneRound(stage))
  })

// Each round has a server of its own, and nobody else reads when it ends: a log that has grown once would have room for a while.
const oneRound = (stage: Stage) =>
  Effect.gen(function*() {
    const server = yield* serve(stage.workspace)
    const trial = yield* Effect.scoped(filled(stage))
    yield* server.signal("SIGTERM")
    yield* server.ended
    tried(stage, trial, String(stage.trials.length))
  })

const filled = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario: { workload: { concurrency } }, workspace } = stage
    const latest = yield* watchRows(workspace)
    const refusable: Array<Planned> = []
    // More than there are workers: what waits must not begin while the disk is full.
    yield* Effect.forEach(Array.from({ length: 2 * concurrency }), () => askFor(stage, plainTask(stage, "heavy.git", workMs)))
    yield* until("an effect in progress", Effect.sync(() => (effectsInProgress(stage).size > 0 ? true : null)), 10, patienceMs)
    const left = fill(workspace)
    const first = yield* until("a refusal", Effect.map(submit(stage, refusable), (ended) => (ended.code === 0 ? null : ended)), 10, patienceMs)
    const before = starts(stage)
    yield* until("commands to end", Effect.sync(() => (effectsInProgress(stage).size === 0 ? true : null)), 20, patienceMs)
    const refused = yield* submit(stage, refusable)
    const list = yield* opsgate(workspace, "task", "list", "--json")
    const ops = yield* opsgate(workspace, "ops-summary", "--json", "--check")
    const begun = starts(stage) - before
    free(workspace)
    const later = plainTask(stage, "light.sh", 10)
    const again = yield* until("a change that is stored", Effect.map(opsgate(workspace, "task", "submit", "light.sh", JSON.stringify(later.payload), "--key", later.key, "--json"), taskIn), 50, patienceMs).pipe(Effect.either)
    stage.requests.push({ key: later.key, kind: later.kind, class: later.class, task: again._tag === "Right" ? again.right : null, expect: later.expect })
    yield* askAgain(stage, refusable)
    const went = yield* Effect.either(settled(stage, latest))
    const looks = [
      look("a change on the full disk", said(first), "exit 1: full"),
      look("a later change", said(refused), "exit 1: full"),
      look("a list on the full disk", `exit ${list.code}`, "exit 0"),
      look("ops-summary --check on the full disk", `exit ${ops.code}${ops.stdout.includes("\"storage_full\"") ? ", storage_full" : ""}`, "exit 7, storage_full"),
      look("effects that began on the full disk", String(begun), "0"),
      look("a change when there was room again", again._tag === "Right" ? "taken" : "refused", "taken"),
      look("the tasks that ran and waited", went._tag === "Right" ? "all ended as they had to" : went.left.message, "all ended as they had to")
    ]
    const witness = left === 0 ? { kind: "record", detail: `the kernel says that ${left} bytes are free on ${kilobytes} KiB of tmpfs; opsgate said: ${first.stderr.trim().slice(0, 120)}` } as const : null
    return { kind: "full_disk", sort: "tmpfs full", witness, looks } as const
  })

// By the program itself, whose exit code and sentence are promised. It is stored if there was room after all.
const submit = (stage: Stage, asked: Array<Planned>): Effect.Effect<Ended, ProductFailed> => {
  const planned = plainTask(stage, "light.sh", 0)
  asked.push(planned)
  return Effect.tap(opsgate(stage.workspace, ...submitWords(planned), "--json"), (ended) => {
    stage.requests.push({ key: planned.key, kind: planned.kind, class: planned.class, task: taskIn(ended), expect: planned.expect })
  })
}

const said = ({ code, stderr }: Ended): string => (stderr === sentence ? endWords(`exit ${code}`, stderr) : `exit ${code}: ${stderr.trim().slice(0, 160)}`)

const starts = ({ workspace }: Stage): number => ledgerText(workspace).split("\n").filter((line) => line.startsWith("{\"phase\":\"start\"")).length

