/** Reads a scorecard from a file. */
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { parseScorecard } from "../scorecard/Decode.ts"
import type { Scorecard } from "../scorecard/Scorecard.ts"
import { orRefused, refused, type WordsRefused } from "./House.ts"

export const readCard = (file: string): Effect.Effect<{ readonly text: string; readonly scorecard: Scorecard }, WordsRefused> =>
  Effect.gen(function*() {
    const text = yield* Effect.try({ try: () => readFileSync(file, "utf8"), catch: () => refused(`${file} cannot be read`) })
    const json = yield* Effect.try({ try: (): unknown => JSON.parse(text), catch: () => refused(`${file} is not JSON`) })
    return { text, scorecard: yield* orRefused(parseScorecard(json)) }
  })
