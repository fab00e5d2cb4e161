/** Restores a database from a backup: files first, then one decision for every task in it, and only then its name. */
import { existsSync, realpathSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { DateTime, Effect, Either } from "effect"
import { allowedCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import { epochFacts } from "./domain/Lease.ts"
import { onTask } from "./domain/OnTask.ts"
import type { RestoreReport } from "./domain/Reports.ts"
import { afterRestore, type Fate, type KindFacts, restoredFrom } from "./domain/Restore.ts"
import { restoredCode } from "./domain/Restored.ts"
import { Engine, type EngineUnavailable, Instants } from "./engine/Engine.ts"
import * as Live from "./engine/Live.ts"
import { BackupRefused, TargetExists } from "./engine/sqlite/Copy.ts"
import { discard, sweep, unfinished } from "./engine/sqlite/Durable.ts"
import * as InstanceLock from "./engine/sqlite/InstanceLock.ts"
import * as Restoring from "./engine/sqlite/Restoring.ts"
import type { Sidecar } from "./engine/sqlite/Sidecar.ts"
import { orUnavailable } from "./engine/sqlite/SqliteError.ts"
import * as Watermark from "./engine/sqlite/Watermark.ts"
import * as Layers from "./Layers.ts"
import { passLostPart } from "./LostPart.ts"

export interface RestoreOptions {
  readonly backup: string
  readonly target: string
  /** Sets aside what bears the target's name. */
  readonly force: boolean
  /** The lost file, if it can still be read. */
  readonly old: string | null
  readonly configFile: string | undefined
}

/** Of the epoch that only voids the leases of the backup. */
const restoreLeaseMs = 1
/** Tasks that are decided in one go. */
const page = 500

const factsFrom = (config: Config.Config | null, kind: string, version: string): KindFacts & { readonly known: boolean } => {
  const declared = config?.kinds.get(kind)
  // Another definition than the one that was asked for: what it was then, nobody can tell.
  if (declared === undefined || declared.kind.version !== version) return { known: false, mayBeDangerous: true, oneStep: declared?._tag === "Command" }
  return { known: true, mayBeDangerous: declared._tag === "Code" || declared.kind.effect === "dangerous", oneStep: declared._tag === "Command" }
}

interface Decided {
  readonly fates: Record<Exclude<Fate, "kept">, number>
  readonly unknownKinds: Set<string>
}

/** Decides every open task of the file that the engine has open. */
const decideAll = (part: string, old: Restoring.OldLog | null, config: Config.Config | null) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const next = yield* Restoring.openIds(part)
    const decided: Decided = { fates: { requeued: 0, parked: 0, asks_anew: 0, canceled: 0 }, unknownKinds: new Set() }
    const from = (after: string): Effect.Effect<void, EngineUnavailable> =>
      Effect.gen(function*() {
        const tasks = yield* next(after, page)
        const answers = yield* engine.commitAll(tasks.map(({ id, kind, version }) => {
          const facts = factsFrom(config, kind, version)
          if (!facts.known) decided.unknownKinds.add(kind)
          const since = old === null ? null : old.begun.get(id) ?? []
          return { ...onTask(id, (task, now, { steps }) => afterRestore(task, steps, facts, since, now)), stepsOf: id }
        }))
        for (const answer of answers) {
          const fate = Either.isRight(answer) ? answer.right : yield* answer.left._tag === "EngineUnavailable" ? answer.left : Effect.die(answer.left)
          if (fate !== "kept") decided.fates[fate] += 1
        }
        const last = tasks.at(-1)
        if (last !== undefined && tasks.length === page) yield* from(last.id)
      })
    yield* from("")
    return decided
  }).pipe(Effect.scoped)

/** What the restored file itself is told, in it: where it comes from, a new epoch, and what became of each open task. */
const rewrite = (part: string, options: RestoreOptions, sidecar: Sidecar, known: { readonly seq: number | null; readonly old: Restoring.OldLog | null; readonly target: string }, config: Config.Config | null, actor: string) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const origin = {
      file: basename(options.backup),
      seq: sidecar.head.seq,
      hash: sidecar.head.hash,
      madeAtMs: sidecar.at_ms,
      generationMax: yield* Restoring.generationMax(part),
      knownSeq: known.seq,
      oldLog: known.old !== null
    }
    yield* engine.commit({ tasks: [], key: null, rule: (_found, now) => restoredFrom(origin, actor, now) }).pipe(Effect.catchIf((error) => error._tag !== "EngineUnavailable", Effect.die))
    // It ends at once: it voids the leases of the backup, and nobody runs anything under it.
    yield* engine.openEpoch(restoreLeaseMs, (now, last) => ({
      type: "epoch.started",
      task: null,
      trace: null,
      actor: "system:restore",
      payload: { epoch: now.epoch, why: "restored", pid: process.pid, mono_ms: now.monoMs, lease_ms: restoreLeaseMs, last: epochFacts(last) }
    }))
    const decided = yield* decideAll(part, known.old, config)
    return { ...decided, ...yield* passLostPart(config, restoredCode, "system:restore") }
  }).pipe(Effect.provide(Layers.engineOn(part, known.target)))

const canonicalTarget = (named: string) =>
  Effect.gen(function*() {
    const path = resolve(named)
    yield* orUnavailable("make the data folder", () => Layers.makeFolder(dirname(path)))
    return yield* orUnavailable("find the database", () => existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path)))
  })

// Another restore of the same second may have set something aside already, or have died while it did.
const freeName = (name: string, number = 1): string => {
  const candidate = number === 1 ? name : `${name}-${number}`
  return Restoring.isThere(candidate) || existsSync(Watermark.watermarkFile(candidate)) ? freeName(name, number + 1) : candidate
}

/** Restores; nothing is changed when it fails. The restored file starts nothing by itself until `opsgate release`. */
export const restore = (options: RestoreOptions) =>
  Effect.gen(function*() {
    const { actor } = yield* Effect.flatMap(Config.governance(options.configFile), (governed) => allowedCaller("restore", governed))
    const sidecar = yield* Restoring.check(options.backup)
    const target = yield* canonicalTarget(options.target)
    if (existsSync(target) && realpathSync(options.backup) === target) return yield* new BackupRefused({ file: options.backup, issue: "is the file to restore to" })
    const config = yield* Effect.orElseSucceed(Config.load(options.configFile), () => null)
    yield* InstanceLock.acquire(target)
    const replaces = Restoring.isThere(target)
    if (replaces && !options.force) return yield* new TargetExists({ file: target, forced: "--force sets it aside, and deletes nothing" })
    const watermark = yield* orUnavailable("read the watermark", () => Watermark.read(target))
    const old = options.old === null ? null : yield* Restoring.readOldLog(options.old, sidecar)
    const knownSeq = old?.headSeq ?? (watermark?.stream === sidecar.stream && watermark.seq >= sidecar.head.seq ? watermark.seq : null)
    const now = DateTime.unsafeMake((yield* Instants).wallMs())
    const aside = replaces || existsSync(Watermark.watermarkFile(target)) ? freeName(`${target}.replaced-${DateTime.formatIso(now).replace(/[-:]/g, "").replace(/\.\d+/, "")}`) : null
    const part = unfinished(target)
    yield* orUnavailable("write the restored file", () => sweep(target))
    const decided = yield* Restoring.lay(options.backup, part).pipe(
      Effect.zipRight(rewrite(part, options, sidecar, { seq: knownSeq, old, target }, config, actor)),
      Effect.tap(() => Restoring.put(part, target, aside)),
      Effect.onExit(() => Effect.sync(() => discard(part)))
    )
    const report: RestoreReport = {
      v: 1,
      file: target,
      backup: options.backup,
      stream: sidecar.stream,
      head: sidecar.head,
      set_aside: replaces ? aside : null,
      events_lost: knownSeq === null ? null : knownSeq - sidecar.head.seq,
      tasks: decided.fates,
      schedules_passed: decided.schedules,
      bulks_stopped: decided.bulks,
      kinds_unknown: [...decided.unknownKinds].sort(),
      held: true
    }
    return report
  }).pipe(Effect.scoped, Effect.provide(Live.layer))
