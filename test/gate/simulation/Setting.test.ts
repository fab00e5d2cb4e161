import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Ajv2020 } from "ajv/dist/2020.js"
import { describe, expect, it } from "vitest"
import { lasting, readSetting } from "../../../gate/simulation/Setting.ts"
import { measureNames } from "../../../gate/scorecard/Measures.ts"
import schema from "../../../scenarios/simulated.schema.json" with { type: "json" }
import { folder, root, settingFile } from "./machines.ts"

const dir = folder()
const file = join(dir, "seeds.json")
const fits = new Ajv2020({ strict: true }).compile(schema)
const good = (): Record<string, unknown> => JSON.parse(readFileSync(settingFile, "utf8"))

const refusal = (text: string): string | null => {
  writeFileSync(file, text)
  try {
    readSetting(file)
    return null
  } catch (cause) {
    return cause instanceof Error ? cause.message : "no error"
  }
}

/** Every place of a setting, as the way there. */
const places = (value: unknown, way: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== "object" || value === null ? [way] : [way, ...Object.entries(value).flatMap(([name, inner]) => places(inner, [...way, name]))]

// `undefined` takes the member away.
const changed = (way: ReadonlyArray<string>, to: unknown): unknown => {
  const json = good()
  const [last = ""] = way.slice(-1)
  let at: object = json
  for (const name of way.slice(0, -1)) at = Reflect.get(at, name)
  if (to === undefined) Reflect.deleteProperty(at, last)
  else Reflect.set(at, last, to)
  return json
}

describe("the schema of what a simulation plays", () => {
  it("takes every file that there is, and each of them names it", () => {
    const names = readdirSync(join(root, "scenarios/simulated"))
    expect(names).toEqual(expect.arrayContaining(["seeds.json", "soak.json"]))
    for (const name of names) {
      const path = join(root, "scenarios/simulated", name)
      const json: { readonly $schema?: string } = JSON.parse(readFileSync(path, "utf8"))
      expect([name, fits(json), json.$schema]).toEqual([name, true, "../simulated.schema.json"])
      expect(readSetting(path)).toEqual(json)
    }
  })

  it("and the decoder refuse the same at every place: what is missing, more, of another type, or out of bounds", () => {
    const ways = places(good()).filter((way) => way.length > 0)
    const cases = ways.flatMap((way) => [undefined, -1, 0.5, 1_000_001, "x", "", null, [], {}, true].map((to) => ({ way, to, json: changed(way, to) })))
    const more = [[], ["people"], ["faults"], ["swarm"]].map((way) => ({ way, to: "more", json: changed([...way, "more"], 1) }))
    // What a schema cannot say: an order of two, the names of measures, and that of the file.
    const beyond = /has more at the least than at the most|no measure is called|which is not its name/
    const apart = [...cases, ...more].flatMap(({ json, to, way }) => {
      const refused = refusal(JSON.stringify(json))
      return fits(json) === (refused === null) || (fits(json) && beyond.test(refused ?? "")) ? [] : [`${way.join(".")} = ${JSON.stringify(to)}: schema ${fits(json) ? "takes" : "refuses"} it, decoder: ${refused}`]
    })
    expect(apart).toEqual([])
    expect(cases.filter(({ json }) => fits(json)).length).toBeGreaterThan(10)
    expect(cases.filter(({ json }) => !fits(json)).length).toBeGreaterThan(200)
  })
})

describe("a setting", () => {
  it("for another time has the same pace, and never nothing to do", () => {
    const soak = readSetting(join(root, "scenarios/simulated/soak.json"))
    expect(lasting(soak)).toBe(soak)
    expect(lasting(soak, soak.active_ms)).toBe(soak)
    expect(lasting(soak, 3_600_000)).toEqual({ ...soak, active_ms: 3_600_000, tasks: [13, 13] })
    expect(lasting(soak, 1).tasks).toEqual([1, 1])
  })

  it.each([
    ["{", "is not JSON"],
    ["[]", "Expected "],
    [JSON.stringify({ ...good(), kidness: 1 }), "kidness is unexpected"],
    [JSON.stringify(changed(["people", "think_ms"], [5, 1])), "people.think_ms [5, 1] has more at the least than at the most"],
    [JSON.stringify(changed(["measures", "0"], "vibes")), "measures.0 no measure is called vibes"],
    [JSON.stringify({ ...good(), id: "other" }), "its id is other, which is not its name"]
  ])("that cannot be played is refused in one sentence: %#", (text, why) => {
    const said = refusal(text)
    expect(said).toContain(`${file}: ${why}`)
    expect(said).not.toContain("\n")
  })

  it("that is not there is refused, too", () => {
    expect(() => readSetting(join(dir, "nowhere.json"))).toThrow("nowhere.json: cannot be read")
  })

  it("names measures that there are", () => {
    for (const name of ["seeds", "soak"]) for (const measure of readSetting(join(root, `scenarios/simulated/${name}.json`)).measures) expect(measureNames).toContain(measure)
  })
})
