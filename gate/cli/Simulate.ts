/** `opsgate gate --simulate`: plays a seed of the simulation again. */
import { Effect } from "effect"
import { profiles } from "../Profiles.ts"
import { nothing, settings, simulateAgain } from "../Simulated.ts"
import { type House, oneOf, places, printLine, refused, wholeNumber, words, type WordsRefused } from "./House.ts"

export const simulateUsage = "opsgate gate --simulate SEED [--setting seeds|soak] [--hours N] [--only FAULT,FAULT,…|none]"

export const simulateVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const text = { type: "string" } as const
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { simulate: text, setting: text, hours: text, only: text } })
    yield* places(positionals, [], `usage: ${simulateUsage}`)
    const seed = yield* wholeNumber("--simulate", values.simulate)
    if (seed === undefined) return yield* refused("--simulate wants the number of a seed")
    const setting = yield* oneOf("--setting", values.setting ?? "seeds", settings)
    const hours = yield* hoursOf(values.hours, setting)
    const only = values.only === undefined ? null : values.only === nothing ? [] : values.only.split(",").filter((name) => name !== "")
    const isWell = yield* simulateAgain(house.root, { setting, seed, only, ...hours }, (line) => printLine(house, line)).pipe(Effect.mapError(({ message }) => refused(message)))
    return isWell ? 0 : 1
  })

/** How long the soak lasts: as is asked, else as in a release. Seeds have their own length. */
export const hoursOf = (text: string | undefined, setting: string): Effect.Effect<{ readonly hours?: number }, WordsRefused> =>
  Effect.gen(function*() {
    const asked = yield* wholeNumber("--hours", text)
    if (asked === 0) return yield* refused("--hours wants at least 1")
    if (setting !== "soak") return asked === undefined ? {} : yield* refused("--hours goes with the soak only: seeds have their own length")
    const hours = asked ?? profiles.get("release")?.soak_hours
    return hours === undefined ? {} : { hours }
  })
