/** The words of `opsgate gate --config`. */
import { Effect } from "effect"
import { plain } from "../evidence/Plain.ts"
import { judgeProject, ownProfile } from "../own/Gate.ts"
import { ProjectRefused } from "../own/Project.ts"
import type { Paint } from "../report/Paint.ts"
import { renderSummary } from "../report/Summary.ts"
import { exitCode } from "../Verdict.ts"
import type { House } from "../window/Gate.ts"
import { refused, words, type WordsRefused } from "./House.ts"

export const ownUsage = "opsgate gate --config FILE [--kind KIND] [--payload KIND=FILE]… [--scorecard FILE] [--out DIR] [--key FILE] [--keep] [--json]"

/** Whether the words ask for a project of somebody's own. */
export const asksForOwn = (given: ReadonlyArray<string>): boolean => given.some((word) => /^--(config|kind|payload)(=|$)/.test(word))

export const ownVerb = <E>(given: ReadonlyArray<string>, house: House<E>, { key: keyByDefault, paint, print }: { readonly key: string; readonly paint: Paint; readonly print: (text: string) => void }): Effect.Effect<number, WordsRefused | E> =>
  Effect.gen(function*() {
    const text = { type: "string" } as const
    const flag = { type: "boolean", default: false } as const
    const { values: { config = "opsgate.config.json", json, keep, key = keyByDefault, kind = null, out, payload = [], scorecard } } = yield* words({
      args: [...given],
      options: { config: text, kind: text, payload: { ...text, multiple: true }, scorecard: text, out: text, key: text, keep: flag, json: flag }
    })
    const { boardResult, dir, findings, red, result, run } = yield* Effect.mapError(judgeProject({ config, kind, payloads: payload, scorecard, out, key, keep }, house), (error) => (error instanceof ProjectRefused ? refused(error.message) : error))
    const told = findings.map((finding) => `${plain(finding)}\n`).join("")
    print(json ? `${JSON.stringify({ run, bundle: dir, findings, result, board: boardResult })}\n` : `${renderSummary({ run, profile: ownProfile, result, boardResult, bundle: dir, red, paint })}\n\nYour steps:\n${told}`)
    return exitCode[result.decision]
  })
