/** Reads the scenarios of a profile: `scenarios/<profile>/*.json`, each checked against the published schema. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { Data, Either } from "effect"
import type { Scenario } from "../History.ts"
import schema from "../../scenarios/scenario.schema.json" with { type: "json" }

/** A scenario cannot be used. Nothing was run. */
export class ScenarioRefused extends Data.TaggedError("ScenarioRefused")<{ readonly file: string; readonly issue: string }> {
  override get message() {
    return `${this.file}: ${this.issue}`
  }
}

const isScenario: ValidateFunction<Scenario> = new Ajv2020({ strict: true }).compile(schema)

/** All scenarios in a folder, by name. Refused when there is none, or one does not fit. */
export const readScenarios = (dir: string): Either.Either<ReadonlyArray<Scenario>, ScenarioRefused> =>
  Either.gen(function*() {
    const names = yield* namesIn(dir)
    return yield* Either.all(names.map((name) => readScenario(join(dir, name), name)))
  })

const namesIn = (dir: string): Either.Either<ReadonlyArray<string>, ScenarioRefused> => {
  const refused = (issue: string) => Either.left(new ScenarioRefused({ file: dir, issue }))
  try {
    const names = readdirSync(dir).filter((name) => name.endsWith(".json")).sort()
    return names.length === 0 ? refused("holds no scenario") : Either.right(names)
  } catch {
    return refused("there is no such profile")
  }
}

const readScenario = (file: string, name: string): Either.Either<Scenario, ScenarioRefused> => {
  const refused = (issue: string) => Either.left(new ScenarioRefused({ file, issue }))
  const json = parsed(file)
  if (json === undefined) return refused("is not JSON")
  if (!isScenario(json)) {
    const [first] = isScenario.errors ?? []
    return refused(`${first?.instancePath.slice(1) ?? ""} ${first?.message ?? "is not valid"}`.trim())
  }
  return json.id === name.slice(0, -".json".length) ? Either.right(json) : refused(`its id is ${json.id}, which is not its name`)
}

const parsed = (file: string): unknown => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch {
    return undefined
  }
}
