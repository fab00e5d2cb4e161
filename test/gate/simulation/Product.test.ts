import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ports, sameProduct } from "../../../gate/simulation/Product.ts"
import { folder, root } from "./machines.ts"

const dir = folder()
const built = join(root, "dist/modules.json")

const written = (change: (modules: Record<string, Record<string, string>>) => void): string => {
  const modules = JSON.parse(readFileSync(built, "utf8"))
  change(modules)
  const file = join(dir, "modules.json")
  writeFileSync(file, JSON.stringify(modules))
  return file
}
const own = "src/engine/sqlite/Writer.ts"
const other = "0".repeat(64)

describe("what is simulated", () => {
  it("is what is shipped, but for its ports", () => {
    const { image, modules, shipped } = sameProduct(built)
    expect(image).toBe(shipped)
    expect(modules).toBeGreaterThan(100)
    expect(ports).toEqual(["src/Image.ts"])
  })

  it("has another digest when a file of both is another", () => {
    const file = written(({ image = {}, opsgate = {} }) => Object.assign(image, { [own]: other }) && void Object.assign(opsgate, { [own]: other }))
    expect(sameProduct(file).image).not.toBe(sameProduct(built).image)
  })

  it.each([
    ["a file that is not shipped", ({ image = {} }: Record<string, Record<string, string>>) => void Object.assign(image, { "src/Kinder.ts": other }), "src/Kinder.ts is not what is shipped"],
    ["another state of a file", ({ image = {} }: Record<string, Record<string, string>>) => void Object.assign(image, { [own]: other }), `${own} is not what is shipped`],
    ["nothing but ports", (modules: Record<string, Record<string, string>>) => void (modules["image"] = { "src/Image.ts": other }), "its list of files is empty"]
  ])("is refused when it holds %s", (_, change, why) => {
    expect(() => sameProduct(written(change))).toThrow(`the built product cannot be simulated: ${why}`)
  })

  it("is refused when nobody wrote down what it was built from", () => {
    const file = join(dir, "nowhere.json")
    expect(() => sameProduct(file)).toThrow(`${file} does not say what was built from what: npm run build`)
    writeFileSync(file, "{}")
    expect(() => sameProduct(file)).toThrow("npm run build")
  })
})
