/** Carries out the verbs about many tasks, with the server up and down. */
import { Clock, Effect, Layer } from "effect"
import { allowedCaller, localCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import { findBulk, handleBulk, matchingFor, matchingIds, requestPruning } from "./control/Bulks.ts"
import { withDeadline } from "./control/Deadline.ts"
import { atTheDoor } from "./control/Door.ts"
import { onlyAs } from "./control/Plans.ts"
import { bulkRowOf, deadOf, itemRowOf } from "./control/UpkeepViews.ts"
import { databaseFile } from "./DataDir.ts"
import { type BulkAnswer, bulkAnswerFor, type BulkAsk, bulkMax } from "./domain/Bulk.ts"
import { matrix } from "./domain/Matrix.ts"
import type { How, Plan } from "./domain/Plan.ts"
import { NothingMatched, TooManyMatched } from "./domain/Refusal.ts"
import type { PruneAnswer, PruneAsk } from "./domain/PruneAsk.ts"
import { type FinalState, finalStates, nothingPruned, type PrunedCounts } from "./domain/Retention.ts"
import { isBulkAnswer, isPlan } from "./edge/cli/CommandClient.ts"
import { CommandRefused, refusedBy } from "./edge/cli/CommandSocket.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import { shown } from "./edge/cli/PlanOutput.ts"
import type { Place, Print } from "./edge/cli/Program.ts"
import { bulkDetailText, bulkExit, bulksText, bulkText, deadText, planText, prunableText, prunedText } from "./edge/cli/UpkeepOutput.ts"
import type { UpkeepAction } from "./edge/cli/UpkeepVerbs.ts"
import { EngineReader } from "./engine/Engine.ts"
import { DatabaseRefused, readVersion } from "./engine/sqlite/Database.ts"
import * as SqliteEngine from "./engine/SqliteEngine.ts"
import { type Failed, plan, reading, readingAt, run, warnings } from "./Launch.ts"
import * as Layers from "./Layers.ts"
import { Kinds } from "./control/Kinds.ts"
import { answerPlan } from "./PlanAnswer.ts"
import { reach } from "./Reach.ts"
import * as Bulks from "./runtime/Bulks.ts"
import * as Pruning from "./runtime/Pruning.ts"

/** How often somebody who waits looks. */
const lookEvery = matrix.wait_look.roundMs
/** The first ids that a dry run tells. */
const firstMax = 10

// Under the instance lock, on a file that is there.
const here = <A, E>(place: Place, use: (config: Config.Config) => Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof Layers.engine>> | Kinds>) =>
  Effect.gen(function*() {
    const config = yield* Config.load(place.config)
    const file = databaseFile(config.dataDir)
    if ((yield* readVersion(file)) === 0) return yield* DatabaseRefused.absent(file)
    return yield* Effect.provide(use(config), Layer.merge(Layers.engine(config), Layers.kinds(config)))
  }).pipe(Effect.provide(warnings))

const standing = (id: string) =>
  Effect.flatMap(EngineReader, (reader) => Effect.map(reader.bulk(id), (found) => (found === undefined ? undefined : bulkAnswerFor(found.bulk, found.counts))))

const bulkHere = (ask: BulkAsk, key: string | null, wait: boolean, how: How, place: Place) =>
  here(place, (config) =>
    Effect.gen(function*() {
      const kinds = yield* Kinds
      const asked = { ask, key, ...localCaller(config), channel: "cli" } as const
      const answer = yield* withDeadline(asked, onlyAs(asked, how.if_plan, atTheDoor(asked, handleBulk(asked))))
      if (!wait) return answer
      yield* Bulks.carryOut(answer.bulk, kinds.get)
      return (yield* standing(answer.bulk)) ?? answer
    })).pipe(Effect.mapError(refusedBy))

// Whether no server is alive that would do what was asked. One that has just begun to listen opens its epoch a moment later.
const isAbandoned = Effect.suspend(() => Effect.flatMap(withoutServer, (is) => (is ? Effect.delay(withoutServer, "2 seconds") : Effect.succeed(false))))

const withoutServer = Effect.gen(function*() {
  const nowMs = yield* Clock.currentTimeMillis
  const { epoch } = yield* (yield* EngineReader).summary(nowMs)
  return epoch === null || epoch.leaseUntilMs <= nowMs
})

// Until it is over, or nobody is left who carries it out: then it goes on at the next start.
const waitFor = (answer: BulkAnswer) =>
  Effect.gen(function*() {
    const look = Effect.gen(function*() {
      return { abandoned: yield* isAbandoned, answer: (yield* standing(answer.bulk)) ?? answer }
    })
    return yield* look.pipe(Effect.delay(lookEvery), Effect.repeat({ until: (seen) => seen.abandoned || seen.answer.state !== "running" }))
  })

const isFailed = (value: object | Failed | number): value is Failed => typeof value === "object" && "tag" in value

const bulk = async ({ ask, how, key, wait }: Extract<UpkeepAction, { readonly _tag: "Bulk" }>, place: Place, print: Print): Promise<number | Failed> => {
  if (how.plan === true) return answerPlan(ask, key, place, print)
  const decided: BulkAnswer | Failed = await reach(ask, key, place, isBulkAnswer, () => run(bulkHere(ask, key, wait, how, place)), how)
  if (isFailed(decided)) return decided
  const seen = wait && decided.state === "running" ? await run(Effect.provide(waitFor(decided), reading(place))) : { answer: decided, abandoned: false }
  if (isFailed(seen)) return seen
  print.result(seen.answer, () => bulkText(seen.answer))
  if (seen.abandoned && seen.answer.state === "running") {
    print.say("nobody carries it out at present; it goes on when a server runs")
    return exitCode.unreachable
  }
  return ask.op === "bulk.stop" ? exitCode.ok : bulkExit(seen.answer)
}

const lookAt = (print: Print, action: Extract<UpkeepAction, { readonly _tag: "Plan" | "BulkShow" | "BulkList" | "Dead" }>) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    switch (action._tag) {
      case "Plan": {
        const ids = yield* matchingIds(yield* matchingFor(action.wanted), bulkMax + 1)
        if (ids.length === 0) return yield* new NothingMatched({ verb: action.wanted.verb })
        if (ids.length > bulkMax) return yield* new TooManyMatched({ max: bulkMax })
        const first = ids.slice(0, firstMax)
        print.result({ dry_run: true, verb: action.wanted.verb, matched: ids.length, first }, () => planText(ids.length, first))
        return exitCode.ok
      }
      case "BulkShow": {
        const found = yield* findBulk(action.bulk)
        const counts = (yield* reader.bulk(found.id))?.counts
        if (counts === undefined) return exitCode.notFound
        const row = bulkRowOf(found, counts)
        const items = (yield* reader.bulkItems(found.id, { after: action.after, pending: false, limit: action.limit })).map(itemRowOf)
        print.result({ ...row, items }, () => bulkDetailText(row, items))
        return exitCode.ok
      }
      case "BulkList": {
        const all = yield* Effect.forEach(yield* reader.bulks({ running: false, limit: action.limit }), (one) => reader.bulk(one.id))
        const rows = all.flatMap((found) => (found === undefined ? [] : [bulkRowOf(found.bulk, found.counts)]))
        print.result(rows, () => bulksText(rows))
        return exitCode.ok
      }
      case "Dead": {
        const rows = (yield* reader.list({ dead: { kind: action.kind, code: action.code }, limit: action.limit })).map(deadOf)
        print.result(rows, () => deadText(rows))
        return exitCode.ok
      }
    }
  })

const pruneHere = (ask: PruneAsk, how: How, place: Place) =>
  here(place, (config) =>
    Effect.gen(function*() {
      const asked = { ask, ...localCaller(config), channel: "cli", key: null } as const
      const { pruning } = yield* onlyAs(asked, how.if_plan, requestPruning(asked))
      const counts = yield* Pruning.prunePass(config.retention)
      yield* Pruning.shrinkFile
      yield* Pruning.sayEnded(pruning, counts)
      return { counts }
    })).pipe(Effect.mapError(refusedBy))

const isPruned = (value: unknown): value is PruneAnswer | { readonly counts: PrunedCounts } =>
  typeof value === "object" && value !== null && ("counts" in value || ("pruning" in value && typeof value.pruning === "string"))

const events = 1000

// The event that ends the pass tells what it gave up.
const endOf = (trace: string, afterSeq: number): Effect.Effect<PrunedCounts, { readonly _tag: string; readonly message: string }, EngineReader> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const seen = yield* reader.events(afterSeq, events)
    const ended = seen.find((event) => event.type === "retention.ended" && event.trace === trace)
    if (ended !== undefined) return { ...nothingPruned, ...JSON.parse(ended.payload ?? "{}") }
    if (seen.length < events) {
      if (yield* isAbandoned) return yield* new CommandRefused({ tag: "Broken", text: "the server is gone; what it has pruned is pruned, and it goes on when a server runs" })
      yield* Effect.sleep(lookEvery)
    }
    return yield* endOf(trace, seen.at(-1)?.seq ?? afterSeq)
  })

const pruneAsk: PruneAsk = { op: "prune", reason: null }

const pruneNow = async (how: How, place: Place, print: Print): Promise<number | Failed> => {
  const ask = pruneAsk
  const before = await run(Effect.provide(Effect.flatMap(EngineReader, (reader) => reader.summary(0)), reading(place)))
  if (isFailed(before)) return before
  const answer = await reach(ask, null, place, isPruned, () => run(pruneHere(ask, how, place)), how)
  if (isFailed(answer)) return answer
  const counts = "counts" in answer ? answer.counts : await run(Effect.provide(endOf(answer.pruning, before.asOfSeq), reading(place)))
  if (isFailed(counts)) return counts
  print.result(counts, () => prunedText(counts))
  return exitCode.ok
}

// What is old is decided by each pass anew; the plan ties the command alone.
const planPruning = async (print: Print, place: Place): Promise<number | Failed> => {
  const planned = await reach(pruneAsk, null, place, isPlan, () => plan(pruneAsk, null, place), { plan: true })
  return isFailed(planned) ? planned : run(readingAt(place, print, prunableNow(print, place, planned)))
}

const prunableNow = (print: Print, place: Place, planned?: Plan) =>
  Effect.gen(function*() {
    const config = yield* Config.load(place.config)
    const reader = yield* EngineReader
    const nowMs = yield* Clock.currentTimeMillis
    const count = (state: FinalState) => {
      const ageMs = config.retention.tasks[state]
      return ageMs === null ? Effect.succeed(null) : reader.prunable(state, nowMs - ageMs)
    }
    const [SUCCEEDED, CANCELED, EXPIRED, FAILED] = yield* Effect.all([count(finalStates[0]), count(finalStates[1]), count(finalStates[2]), count(finalStates[3])])
    const counts = { SUCCEEDED, CANCELED, EXPIRED, FAILED }
    const hash = planned?.plan
    print.result({ dry_run: true, tasks: counts, ...(hash === undefined ? {} : { plan: hash }) }, () => `${prunableText(counts)}${hash === undefined ? "" : `\nplan: hash ${hash.slice(0, shown)}`}`)
    return exitCode.ok
  })

const rebuild = (print: Print, place: Place) =>
  Effect.gen(function*() {
    const config = yield* Config.load(place.config)
    yield* allowedCaller("prune", config)
    const file = databaseFile(config.dataDir)
    if ((yield* readVersion(file)) === 0) return yield* DatabaseRefused.absent(file)
    yield* SqliteEngine.rebuild(file, yield* Clock.currentTimeMillis)
    print.result({ rebuilt: true }, () => "the file was written anew; from now on it shrinks by itself")
    return exitCode.ok
  }).pipe(Effect.mapError(refusedBy))

export const carryOut = async (action: UpkeepAction, place: Place, print: Print): Promise<number | Failed> => {
  if (action._tag === "Bulk") return bulk(action, place, print)
  if (action._tag !== "Prune") return run(readingAt(place, print, lookAt(print, action)))
  if (action.rebuild) return run(rebuild(print, place))
  if (action.how.plan === true) return planPruning(print, place)
  return action.dryRun ? run(readingAt(place, print, prunableNow(print, place))) : pruneNow(action.how, place, print)
}
