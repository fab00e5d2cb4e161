import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { folder, root } from "./machines.ts"

const place = join(folder(), "place")
const settings = join(place, "scenarios/simulated/seeds.json")

beforeAll(() => {
  mkdirSync(place)
  for (const name of ["dist", "scenarios"]) cpSync(join(root, name), join(place, name), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"))
})

const gate = (...words: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [join(place, "dist/gate.js"), "gate", ...words], { cwd: place, encoding: "utf8", timeout: 30_000 })
  return { status, stderr: stderr.trim(), stdout }
}

const without = <A>(file: string, act: () => A): A => {
  renameSync(file, `${file}.away`)
  try {
    return act()
  } finally {
    renameSync(`${file}.away`, file)
  }
}

const refused = ({ status, stderr, stdout }: ReturnType<typeof gate>, sentence: string): void => {
  expect([status, stdout]).toEqual([254, ""])
  expect(stderr).toContain(sentence)
  expect(stderr.split("\n")).toHaveLength(1)
}

describe("one seed again", () => {
  it.each([["x"], [""], ["-1"], ["1.5"], [" "]])("is refused when it is no seed: %j", (word) => {
    refused(gate(`--simulate=${word}`), "--simulate wants a whole number")
  })

  it.each(["simulation.js", "image.js", "telegram-world.js"])("is refused when %s is not there", (name) => {
    refused(without(join(place, "dist", name), () => gate("--simulate", "1")), `${join(place, "dist", name)} is not built: npm run build`)
  })

  it("is refused when its setting cannot be read, or does not fit", () => {
    refused(without(settings, () => gate("--simulate", "1")), `${settings}: cannot be read`)
    const text = readFileSync(settings, "utf8")
    for (const [wrong, why] of [["{", "is not JSON"], [text.replace("\"workers\"", "\"hands\""), "hands is unexpected"], [text.replace("\"chainIntact\"", "\"vibes\""), "no measure is called vibes"]] as const) {
      writeFileSync(settings, wrong)
      refused(gate("--simulate", "1"), why)
    }
    writeFileSync(settings, text)
  })

  it("is refused when it is to be played with a fault that it does not draw", () => {
    refused(gate("--simulate", "5", "--only", "kill_at_commit#1,nonsense#1,kill#999"), "seed 5 draws no fault nonsense#1, kill#999")
  })

  it("is played without any fault when it is to have none", () => {
    const { status, stdout } = gate("--simulate", "5", "--only", "none")
    expect(status).toBe(0)
    expect(stdout).toContain("faults: none;")
  })
})
