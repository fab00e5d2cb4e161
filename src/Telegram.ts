/** Carries out the verbs about chats: looks read the file, a replay is decided by the server or under the lock. */
import { Clock, Effect, Layer } from "effect"
import { localCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import { handleAs } from "./control/Plans.ts"
import { databaseFile } from "./DataDir.ts"
import type { ChatReplayAnswer } from "./domain/ChatReplay.ts"
import { refusedBy } from "./edge/cli/CommandSocket.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import type { Place, Print } from "./edge/cli/Program.ts"
import { deadText, replayedText, statusText, type TelegramAction } from "./edge/cli/TelegramVerbs.ts"
import { deadIn, standingIn } from "./engine/sqlite/ChatLook.ts"
import { DatabaseRefused, readVersion } from "./engine/sqlite/Database.ts"
import { type Failed, run, warnings } from "./Launch.ts"
import * as Layers from "./Layers.ts"
import { answerPlan } from "./PlanAnswer.ts"
import { reach } from "./Reach.ts"
import { fileOf } from "./StorageLook.ts"

type Replay = Extract<TelegramAction, { readonly _tag: "Replay" }>

const isReplayed = (value: unknown): value is ChatReplayAnswer => typeof value === "object" && value !== null && "replayed" in value && "chat" in value

const status = (print: Print, place: Place) =>
  Effect.gen(function*() {
    const { bots, buried, oldestUnsentMs, unsent } = yield* standingIn(fileOf(place))
    const nowMs = yield* Clock.currentTimeMillis
    const age = (sinceMs: number | null): number | null => (sinceMs === null ? null : Math.max(0, nowMs - sinceMs))
    const found = {
      bots: bots.map(({ bot, dead, offset, oldestPendingMs, pending }) => ({ bot, pending, dead, oldest_pending_ms: age(oldestPendingMs), offset })),
      unsent,
      oldest_unsent_ms: age(oldestUnsentMs),
      buried: buried.map(({ atMs, chat, why }) => ({ chat, why, at: atMs }))
    }
    print.result(found, () => statusText(found))
    return exitCode.ok
  })

const dead = (print: Print, place: Place, limit: number) =>
  Effect.map(deadIn(fileOf(place), limit), (found) => {
    const rows = found.map(({ bot, chat, error, receivedAtMs, tries, update }) => ({ bot, update, chat, tries, received_at: receivedAtMs, error }))
    print.result(rows, () => deadText(rows))
    return exitCode.ok
  })

const replayHere = ({ ask, how, key }: Replay, place: Place) =>
  Effect.gen(function*() {
    const config = yield* Config.load(place.config)
    const file = databaseFile(config.dataDir)
    if ((yield* readVersion(file)) === 0) return yield* DatabaseRefused.absent(file)
    const answer = yield* Effect.provide(handleAs({ ask, key, ...localCaller(config), channel: "cli" }, how), Layer.merge(Layers.engineOn(file), Layers.kinds(config)))
    return isReplayed(answer) ? answer : yield* Effect.dieMessage("a replay has another answer")
  }).pipe(Effect.mapError(refusedBy), Effect.provide(warnings))

const replay = async (action: Replay, place: Place, print: Print): Promise<number | Failed> => {
  if (action.how.plan === true) return answerPlan(action.ask, action.key, place, print)
  const answer = await reach(action.ask, action.key, place, isReplayed, () => run(replayHere(action, place)), action.how)
  if ("tag" in answer) return answer
  print.result(answer, () => replayedText(answer))
  return exitCode.ok
}

export const carryOutTelegram = async (action: TelegramAction, place: Place, print: Print): Promise<number | Failed> => {
  switch (action._tag) {
    case "Status":
      return run(status(print, place))
    case "Dead":
      return run(dead(print, place, action.limit))
    case "Replay":
      return replay(action, place, print)
  }
}
