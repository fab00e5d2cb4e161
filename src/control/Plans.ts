/**
 * How a command is taken: carried out, rehearsed, or carried out only as it was planned. A rehearsal is the very handler of the command
 * on an engine that loads and decides and stores nothing, so there is no second opinion about what a command does.
 */
import { Effect, Either } from "effect"
import type { Caller } from "../domain/Authorization.ts"
import type { Channel } from "../domain/Command.ts"
import { type Decision, refuseCommand } from "../domain/Decision.ts"
import { type How, type Plan, planOf } from "../domain/Plan.ts"
import type { Now } from "../domain/Now.ts"
import { PlanStale, type Refusal } from "../domain/Refusal.ts"
import { type Change, Engine, type EngineReader, type Found, type Instants } from "../engine/Engine.ts"
import { type Rehearsal, Rehearser } from "../engine/Rehearsal.ts"
import type { CommandFailed } from "./Commands.ts"
import { withDeadline } from "./Deadline.ts"
import { type DoorAnswer, type DoorAsk, handleAny } from "./Door.ts"
import { inFlight } from "./InFlight.ts"
import { Kinds } from "./Kinds.ts"
import { newTrace } from "./NewTrace.ts"

export interface PlanAsked extends Caller {
  readonly ask: DoorAsk
  readonly channel: Channel
  readonly key: string | null
}

/** Takes a command as it is asked for. A plan is an answer too, also the plan of a command that would be refused. */
export const handleAs = (
  asked: PlanAsked,
  { if_plan, plan }: How
): Effect.Effect<DoorAnswer | Plan, CommandFailed, Engine | EngineReader | Instants | Kinds | Rehearser> =>
  plan === true ? planFor(asked) : inFlight(asked, withDeadline(asked, onlyAs(asked, if_plan, handleAny(asked))))

/** What stands for a reason that was not given: it is no part of the plan. */
const reasonLater = "planned"

/**
 * Plans a command; stores nothing, not even a refusal: that is part of the plan. Fails with `EngineUnavailable` alone, and with what the
 * command would fail with before a decision, if there is such a thing.
 */
export const planFor = (asked: PlanAsked): Effect.Effect<Plan, CommandFailed, EngineReader | Instants | Kinds | Rehearser> =>
  Effect.gen(function*() {
    const kinds = yield* Kinds
    const first = yield* rehearse(asked)
    const needsReason = Either.isLeft(first.decision.answer) && first.decision.answer.left._tag === "ReasonMissing"
    const { decision, found, now } = needsReason ? yield* rehearse({ ...asked, ask: { ...asked.ask, reason: reasonLater } }) : first
    return planOf({ ask: asked.ask, actor: asked.actor, decision, found, now, kindOf: kinds.get, needsReason })
  })

const rehearse = (asked: PlanAsked): Effect.Effect<Rehearsal<unknown>, CommandFailed, EngineReader | Instants | Kinds | Rehearser> =>
  Effect.gen(function*() {
    const rehearser = yield* Rehearser
    const seen: Array<Rehearsal<unknown>> = []
    const engine = rehearsing((change) =>
      Effect.flatMap(rehearser.rehearse(withSteps(change)), (rehearsal) => {
        seen.push(rehearsal)
        return rehearsal.decision.answer
      }))
    const answered = yield* Effect.either(Effect.provideService(handleAny(asked), Engine, engine))
    const last = seen.at(-1)
    if (last !== undefined) return last
    return Either.isLeft(answered) ? yield* answered.left : yield* Effect.dieMessage("a command was answered without a decision")
  })

/**
 * Carries out a command if its plan has this digest still, or one that begins so; refuses it as `PlanStale` otherwise, on the record,
 * with nothing else changed and nothing stored under its key. The plan is made anew within the transaction of the command. A key that
 * is known answers what it answered, whatever has changed since. `handled` is the command; without a digest it is carried out as it is.
 */
export const onlyAs = <A, E, R>(asked: PlanAsked, wanted: string | undefined, handled: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Engine | Instants | Kinds> =>
  wanted === undefined ? handled : Effect.gen(function*() {
    const engine = yield* Engine
    const kinds = yield* Kinds
    const command = { ...asked, trace: yield* newTrace }
    const tied = <B>(change: Change<B>): Change<B> => ({
      ...withSteps(change),
      rule: (found: Found, now: Now): Decision<B> => {
        const decision = change.rule(found, now)
        if (found.stored !== undefined || isBefore(decision)) return decision
        const { plan } = planOf({ ask: asked.ask, actor: asked.actor, decision, found, now, kindOf: kinds.get, needsReason: false })
        return plan.startsWith(wanted) ? decision : refuseCommand(command, found.tasks[0] ?? null, new PlanStale({ planned: wanted, current: plan }))
      }
    })
    return yield* Effect.provideService(handled, Engine, { ...engine, commit: (change) => engine.commit(tied(change)) })
  })

// Said before there is anything to plan: who may not ask learns that and nothing else, and a wrong name is told as such.
const before: ReadonlySet<Refusal["_tag"]> = new Set(["NotAllowed", "AskMalformed", "TaskNotFound", "TaskAmbiguous", "BulkNotFound", "KindUnknown", "PayloadRefused"])
const isBefore = ({ answer }: Decision<unknown>): boolean => Either.isLeft(answer) && before.has(answer.left._tag)

// What a plan tells of a run needs its steps, which most rules do not.
const withSteps = <A>(change: Change<A>): Change<A> => {
  const [task] = change.tasks
  return change.stepsOf !== undefined || task === undefined ? change : { ...change, stepsOf: task }
}

const nothing = Effect.dieMessage("a rehearsal only decides")
const never = () => nothing

/** An engine on which commands are rehearsed: they ask it for nothing but a commit. */
const rehearsing = (commit: Engine["Type"]["commit"]): Engine["Type"] => ({
  commit,
  commitAll: never,
  claim: never,
  openEpoch: never,
  renew: never,
  stepsOf: never,
  due: never,
  nextClaim: never,
  nextDue: nothing,
  prune: never,
  pruneKeys: never,
  shrink: never,
  checkpoint: nothing,
  watchRequests: nothing,
  schedulesDue: never,
  watchSchedules: nothing,
  watch: nothing
})
