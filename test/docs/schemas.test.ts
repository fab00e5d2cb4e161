import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Ajv2020 } from "ajv/dist/2020.js"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const schemas = ["src", "scenarios", "scorecards", "evidence/schema"].flatMap((folder) => readdirSync(`${root}${folder}`).filter((name) => name.endsWith(".schema.json")).map((name) => `${folder}/${name}`))

describe("published schemas", () => {
  it("are there", () => expect(schemas).toEqual(expect.arrayContaining(["src/config.schema.json", "src/policy.schema.json", "scenarios/scenario.schema.json", "scorecards/scorecard.schema.json"])))

  // The product takes its own for granted, since holding them against this at every start costs a sixth of the start.
  it.each(schemas)("%s is a schema by JSON Schema 2020-12", (file) => {
    const ajv = new Ajv2020({ strict: false })
    const isSchema = ajv.validateSchema(JSON.parse(readFileSync(`${root}${file}`, "utf8")))
    expect([isSchema, ajv.errors ?? []]).toEqual([true, []])
  })
})
