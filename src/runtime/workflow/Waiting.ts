/** What parks a run: time, a signal, a child. What it waits for is stored when it is parked, or with the next step if that is earlier. */
import { Duration, Effect, Either } from "effect"
import type { Json } from "../../domain/Canonical.ts"
import { childWait, ended, signalWait, spawn, takeChild, takeSignal, type Waited } from "../../domain/Checkpoint.ts"
import { opened } from "../../domain/Execution.ts"
import { taskIdFrom } from "../../domain/Ids.ts"
import type { Kind } from "../../domain/Kind.ts"
import { onTask } from "../../domain/OnTask.ts"
import type { StepDraft } from "../../domain/Step.ts"
import type { TaskId } from "../../domain/Task.ts"
import type { ChildKind, WaitOptions } from "./Context.ts"
import { isMismatch, type Place, type Scope } from "./Journal.ts"
import { forever } from "./Run.ts"
import { type StepFailed, wordsOf } from "./StepFailed.ts"
import { draftAt, failedWith, inputDigest, mismatch, parsed, standing, store, type Tools } from "./Steps.ts"
import type { Codec } from "./Values.ts"

const nowOf = ({ wallMs }: Tools) => ({ wallMs: wallMs(), monoMs: 0, epoch: 0, leaseUntilMonoMs: 0 })

// A step that waits is stored with whatever is stored next.
const noted = (tools: Tools, draft: StepDraft, wakeAtMs: number | null): void =>
  tools.run.later({ _tag: "Put", step: { ...opened(tools.run.task, draft, nowOf(tools)), state: "waiting", wakeAtMs } })

export const sleep = (tools: Tools, scope: Scope, name: string, duration: Duration.DurationInput): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { journal, run, wallMs } = tools
    if (run.stopped() !== null) return forever
    const place = journal.enter(scope, name, "sleep")
    if (isMismatch(place)) return mismatch(run, place)
    const { known } = place
    if (known?.state === "succeeded") return Effect.void
    const wakeAtMs = known?.wakeAtMs ?? wallMs() + Math.ceil(Duration.toMillis(duration))
    if (known !== undefined && (place.builtOn || wallMs() >= wakeAtMs)) {
      run.later(ended(run.task.id, place.number, { _tag: "Succeeded", result: null }, nowOf(tools)))
      return Effect.void
    }
    if (known === undefined) noted(tools, draftAt(run, place, "sleep", "read", false), wakeAtMs)
    return run.wait({ untilMs: wakeAtMs, waits: [] })
  })

// Whoever sent it did not know what was wanted: the code may say so, and wait again. A replay finds the same.
const decoded = <A>(place: Place, codec: Codec<A>, json: Json): Effect.Effect<A, StepFailed> =>
  Effect.mapError(codec.decode(json), (issue) => failedWith(place, "received_unfit", `what it received does not fit: ${issue}`))

// What came of a wait, once something is stored about it.
const after = <A>(tools: Tools, place: Place, codec: Codec<A>, waited: Waited, wait: Effect.Effect<never>): Effect.Effect<A, StepFailed> => {
  switch (waited._tag) {
    case "Ended":
      return waited.end._tag === "Succeeded" ? decoded(place, codec, waited.end.result) : failedWith(place, waited.end.code, waited.end._tag === "Failed" ? waited.end.error : "")
    case "Waits":
      return wait
    case "Stopped":
      tools.run.halt({ _tag: "Asked", compensate: waited.compensate })
      return forever
  }
}

const known = <A>(tools: Tools, place: Place, codec: Codec<A>): Effect.Effect<A, StepFailed> | null => {
  const { known: step } = place
  return step?.state === "succeeded" ? decoded(place, codec, parsed(step.result)) : standing(tools.run, place)
}

export const waitFor = <A, I>(tools: Tools, scope: Scope, signal: string, options: WaitOptions<A, I>, codec: Codec<A>): Effect.Effect<A, StepFailed> =>
  Effect.suspend(() => {
    const { journal, run, wallMs } = tools
    if (run.stopped() !== null) return forever
    const place = journal.enter(scope, options.as ?? signal, "signal")
    if (isMismatch(place)) return mismatch(run, place)
    const recorded = known(tools, place, codec)
    if (recorded !== null) return recorded
    const before = place.known?.state === "waiting" ? place.known : undefined
    const wakeAtMs = before !== undefined ? before.wakeAtMs : options.timeout === undefined ? null : wallMs() + Math.ceil(Duration.toMillis(options.timeout))
    const draft = draftAt(run, place, "signal", "read", false)
    const wait = run.wait({ untilMs: wakeAtMs, waits: [signalWait(signal)] })
    // Nothing can be there to take, as far as the row says that was read at the claim: what came since is found when the run is parked.
    const nothingYet = !run.task.signals.some(({ name }) => name === signal) && (wakeAtMs === null || wallMs() < wakeAtMs)
    if (nothingYet) {
      if (before === undefined) noted(tools, draft, wakeAtMs)
      return wait
    }
    const earlier = run.takePending()
    return Effect.flatMap(
      store(tools, onTask(run.task.id, (task, now) => takeSignal(task, run.held, draft, signal, wakeAtMs, earlier, now))),
      (waited) => {
        if (waited._tag === "Waits" && before === undefined) noted(tools, draft, wakeAtMs)
        return after(tools, place, codec, waited, wait)
      }
    )
  })

/** Answers the kind that a child is asked for, when the payload fits it. */
export type KindOf = (name: string, payload: Json) => Effect.Effect<Kind, { readonly message: string }>

export const child = <P, A>(tools: Tools, kindOf: KindOf, scope: Scope, name: string, wanted: ChildKind<P, A>, payload: P): Effect.Effect<A, StepFailed> =>
  Effect.suspend(() => {
    const { journal, run } = tools
    if (run.stopped() !== null) return forever
    const place = journal.enter(scope, name, "child")
    if (isMismatch(place)) return mismatch(run, place)
    const codec: Codec<A> = { encode: () => Either.right(null), decode: (json) => Either.mapLeft(wanted.decodeResult(json), wordsOf) }
    const recorded = known(tools, place, codec)
    if (recorded !== null) return recorded
    const draft = draftAt(run, place, "child", "idempotent", false)
    const asked = place.known?.state === "waiting" ? place.known.child : null
    return asked === null ? Effect.flatMap(payloadOf(place, kindOf, wanted, payload), (fit) => asking(tools, place, draft, codec, fit)) : taking(tools, place, draft, codec, asked)
  })

const payloadOf = <P, A>(place: Place, kindOf: KindOf, wanted: ChildKind<P, A>, payload: P) =>
  Effect.gen(function*() {
    const json = yield* wanted.encode(payload)
    return { json, kind: yield* kindOf(wanted.name, json) }
  }).pipe(Effect.mapError((error) => failedWith(place, "child_refused", wordsOf(error))))

const asking = <A>(tools: Tools, place: Place, draft: StepDraft, codec: Codec<A>, { json, kind }: { readonly json: Json; readonly kind: Kind }): Effect.Effect<A, StepFailed> =>
  Effect.gen(function*() {
    const { chance, run, wallMs } = tools
    const id = taskIdFrom(wallMs(), [chance(), chance()])
    const earlier = run.takePending()
    const waited = yield* store(tools, onTask(run.task.id, (task, now) =>
      spawn(task, run.held, { ...draft, inputSha256: inputDigest(json) }, { id, kind, payload: json }, earlier, now)))
    return yield* after(tools, place, codec, waited, run.wait({ untilMs: null, waits: [childWait(id)] }))
  })

const taking = <A>(tools: Tools, place: Place, draft: StepDraft, codec: Codec<A>, id: TaskId): Effect.Effect<A, StepFailed> => {
  const { run } = tools
  const earlier = run.takePending()
  const change = {
    ...onTask(run.task.id, (task, now, { related: [found] }) => takeChild(task, run.held, draft, found, earlier, now)),
    related: () => [id]
  }
  return Effect.flatMap(store(tools, change), (waited) => after(tools, place, codec, waited, run.wait({ untilMs: null, waits: [childWait(id)] })))
}
