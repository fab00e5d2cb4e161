/** A program that does nothing but send what a file holds, for tests that kill it. Arguments: the file, and the root of the service. */
import { Effect, Layer } from "effect"
import { BotApi, make } from "../../src/edge/telegram/BotApi.ts"
import * as ChatHealth from "../../src/edge/telegram/ChatHealth.ts"
import { deliver } from "../../src/edge/telegram/Sender.ts"
import { Chance } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"

const [file = "", root = "", token = ""] = process.argv.slice(2)

// The shortest pauses that there are.
const quick = Layer.succeed(Chance, { next: () => 0 })

await Effect.runPromise(
  deliver.pipe(
    Effect.provide([SqliteEngine.layer({ file, streamId: "db-test" }), Layer.succeed(BotApi, make({ token, root })), ChatHealth.layer, quick]),
    Effect.provide(Live.layer)
  )
)
