/** The verbs that show the policy, a request under it, the card of a task, and who asks. Loaded for these verbs only. */
import { resolve } from "node:path"
import { Effect, Either } from "effect"
import { localActor, localCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import { cardOf, cardText } from "./control/Card.ts"
import { resolve as resolveTask } from "./control/Commands.ts"
import { explained, policyView, whoami } from "./control/PolicyView.ts"
import { Redacting } from "./control/Redacting.ts"
import { type Kind, KindUnknown, PayloadRefused } from "./domain/Kind.ts"
import { oneLine } from "./domain/Redaction.ts"
import { TaskId } from "./domain/Task.ts"
import type { GovernanceLook } from "./edge/cli/GovernanceVerbs.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import { explainedText, policyText, whoamiText } from "./edge/cli/PolicyOutput.ts"
import type { Place, Print } from "./edge/cli/Program.ts"
import { EngineReader } from "./engine/Engine.ts"
import { type Failed, readingAt, run } from "./Launch.ts"
import { readPolicy } from "./PolicyFile.ts"

// Where another file than the configured one is looked at, its kinds are not those of this configuration.
const kindsAt = ({ config, db }: Place) =>
  db === undefined ? Effect.map(Config.load(config), ({ kinds }) => (name: string): Kind | undefined => kinds.get(name)?.kind) : Effect.succeed((): Kind | undefined => undefined)

const showCard = (print: Print, text: string, place: Place) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const redactor = yield* Redacting
    const kinds = yield* kindsAt(place)
    const task = yield* reader.get(yield* resolveTask(text))
    if (task === undefined) return exitCode.notFound
    const last = yield* reader.lastApproved(task.kind)
    const compared = last === undefined ? undefined : { run: last, task: last.task === task.id ? task : yield* reader.get(TaskId.make(last.task)) }
    const card = cardOf({ task, kind: kinds(task.kind), last: compared }, redactor)
    print.result(card, () => cardText(card))
    return exitCode.ok
  })

const policyIn = (print: Print, place: Place) =>
  Effect.map(Config.load(place.config), ({ kinds, people, policy }) => {
    const view = policyView({ ...policy, people, kinds: [...kinds.values()].map(({ kind }) => kind) })
    print.result(view, () => policyText(view))
    return exitCode.ok
  })

const check = (print: Print, named: string) =>
  Effect.suspend(() => {
    const found = readPolicy(resolve(named))
    if (Either.isLeft(found)) return new Config.ConfigRefused({ file: named, issue: found.left })
    const { mode, version } = found.right.policy
    print.result({ v: 1, file: named, version, mode }, () => `${oneLine(named)} can be used: policy ${version}, ${mode}`)
    return Effect.succeed(exitCode.ok)
  })

const explain = (print: Print, { kind: name, payload }: Extract<GovernanceLook, { readonly _tag: "PolicyExplain" }>, place: Place) =>
  Effect.gen(function*() {
    const { kinds, policy } = yield* Config.load(place.config)
    const declared = kinds.get(name)
    if (declared === undefined) return yield* new KindUnknown({ kind: name, known: [...kinds.keys()] })
    const issue = declared.issueOf(payload)
    if (issue !== null) return yield* new PayloadRefused({ kind: name, issue })
    const view = explained(policy.policy, declared.kind, payload)
    print.result(view, () => explainedText(view))
    return exitCode.ok
  })

const me = (print: Print, place: Place) =>
  Effect.map(Config.governance(place.config), (governed) => {
    const view = whoami(localActor(), localCaller(governed))
    print.result(view, () => whoamiText(view))
    return exitCode.ok
  })

/** Answers the exit code. */
export const carryOut = async (look: GovernanceLook, place: Place, print: Print): Promise<number | Failed> => {
  switch (look._tag) {
    case "Card":
      return run<number>(readingAt(place, print, showCard(print, look.task, place)))
    case "Whoami":
      return run<number>(me(print, place))
    case "Policy":
      return run<number>(policyIn(print, place))
    case "PolicyCheck":
      return run<number>(check(print, look.file))
    case "PolicyExplain":
      return run<number>(explain(print, look, place))
  }
}
