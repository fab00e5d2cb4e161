/**
 * Three programs that share no code decide the same: `opsgate verify`, recheck.sh (jq under the system's own sh) and verify.mjs. 200 drawn
 * bundles, right and wrong ones, and each plant has to be noticed by all three, so that none of them agrees because it does not look.
 */
import { execFile } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Either } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { bundleFiles } from "../../../gate/evidence/Bundle.ts"
import type { Files } from "../../../gate/evidence/Files.ts"
import { publicPem } from "../../../gate/evidence/Keys.ts"
import { readRun } from "../../../gate/evidence/Reader.ts"
import { objectionsIn } from "../../../gate/evidence/Released.ts"
import { verify } from "../../../gate/evidence/Verifier.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { restrained } from "../../../gate/scorecard/Diff.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import { Draft } from "../../../gate/selftest/Draft.ts"
import { Chance, drawn, type Run, written } from "./Logs.ts"
import { product, release } from "./SyntheticRun.ts"
import { key, pinned, type Plant, plants, type Said } from "./Plants.ts"

const count = 200
const shell = fileURLToPath(new URL("../../../gate/evidence/verify/recheck.sh", import.meta.url))
const program = fileURLToPath(new URL("../../../gate/evidence/verify/verify.mjs", import.meta.url))

const root = mkdtempSync(join(tmpdir(), "opsgate-recheck-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const keyFile = join(root, "trusted.pem")
const pem = publicPem(key)
writeFileSync(keyFile, pem)

const bundled = (run: Run): Files => {
  const { aside, boardText, released, scenarios, scorecardText } = written(run)
  const { history } = readRun(scenarios, aside)
  const judged = (text: string) => judge(Either.getOrThrow(parseScorecard(JSON.parse(text))), history)
  const result = restrained(judged(scorecardText), objectionsIn(scorecardText, released ?? null))
  const about = { dir: "/nowhere", run: "drawn", commit: "0123456789abcdef0123456789abcdef01234567", profile: "drawn", window: { start_ms: 0, end_ms: 1 } }
  return Either.getOrThrow(bundleFiles({ ...about, scenarios, aside, scorecardText, boardText, released: released ?? null, result, boardResult: judged(boardText), report: "", junit: "", sarif: "{}", key, product, release }))
}

const laid = (name: string, files: Files): string => {
  const dir = join(root, name)
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), bytes)
  }
  return dir
}

const made = (seed: number, { disk, forge, run: change }: Plant): string => {
  const chance = new Chance(seed)
  const run = drawn(chance)
  change?.(run, chance)
  const bundle = new Draft(bundled(run))
  bundle.pinned = pinned
  forge?.(bundle, run)
  const dir = laid(`${seed}`, bundle.files)
  disk?.(dir)
  return dir
}

const byGate = (dir: string): Said => {
  const found = verify(dir, { pinned })
  return found._tag === "Verified" ? found.decision : "refused"
}

interface Told {
  readonly said: Said
  readonly lines: string
}

/** What the exit code and the last line say together; they must not contradict each other. */
const toldBy = (code: number, lines: string): Told => {
  const [word = ""] = (lines.trimEnd().split("\n").at(-1) ?? "").split(" ")
  const differs = /^DIFFERS /m.test(lines)
  if (word === "REFUSED" && code === 1 && differs) return { said: "refused", lines }
  const due = { "GO": 0, "NO-GO": 1, "INSUFFICIENT": 2 }
  if ((word === "GO" || word === "NO-GO" || word === "INSUFFICIENT") && due[word] === code && !differs) return { said: word, lines }
  throw new Error(`it ended with ${code} and said ${lines}`)
}

const ended = (file: string, args: ReadonlyArray<string>): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> =>
  new Promise((resolve) => {
    const child = execFile(file, args, { timeout: 60_000, maxBuffer: 1 << 24 }, (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }))
  })

const byShell = async (dir: string, sh = "sh"): Promise<Told> => {
  const { code, stderr, stdout } = await ended(sh, [shell, keyFile, dir])
  expect(stderr).toBe("")
  return toldBy(code, stdout)
}

type Decide = (dir: string, pem: string, write: (line: string) => void) => number
let decide: Decide
beforeAll(async () => {
  decide = (await import(pathToFileURL(program).href)).decide
})

const byNode = (dir: string): Told => {
  const lines: Array<string> = []
  return toldBy(decide(dir, pem, (line) => lines.push(line)), lines.join("\n"))
}

const right: Plant = { id: "a run that went well", expect: "GO" }
const all = Array.from({ length: count }, (_, index) => ({ seed: index + 1, plant: plants[index] ?? plants[(index * 7) % (plants.length * 2)] ?? right }))

describe("opsgate verify, recheck.sh and verify.mjs", () => {
  it("decide 200 drawn bundles alike, and as each was made to be decided", { timeout: 900_000 }, async () => {
    const wrong: Array<string> = []
    const decided = new Map<Said, number>()
    const left = [...all]
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const { plant, seed } = next
        const dir = made(seed, plant)
        const shelled = byShell(dir)
        const [gate, node, sh] = [byGate(dir), byNode(dir), await shelled]
        if (gate !== plant.expect || node.said !== plant.expect || sh.said !== plant.expect) {
          wrong.push(`${seed}, ${plant.id}: due is ${plant.expect}; verify ${gate}, recheck.sh ${sh.said}, verify.mjs ${node.said}`)
        }
        decided.set(gate, (decided.get(gate) ?? 0) + 1)
        rmSync(dir, { recursive: true })
      }
    }
    await Promise.all(Array.from({ length: availableParallelism() }, worker))
    expect(wrong).toEqual([])
    expect([...decided.values()].reduce((sum, one) => sum + one, 0)).toBe(count)
    for (const said of ["GO", "NO-GO", "INSUFFICIENT", "refused"] as const) expect(decided.get(said) ?? 0, said).toBeGreaterThan(20)
  })

  it.each(["dash", "bash"])("and %s runs recheck.sh as sh does", async (sh) => {
    const dir = made(1001, right)
    expect((await byShell(dir, sh)).said).toBe("GO")
    expect((await byShell(made(1002, { id: "", expect: "refused", disk: (bundle) => writeFileSync(join(bundle, "REPORT.md"), "GO\n") }), sh)).said).toBe("refused")
  })

  it("differ in what they can look at: a forged event is seen by those who hash, and recheck.sh says that it does not", async () => {
    const dir = made(1003, { id: "", expect: "refused", forge: (bundle) => {
      bundle.write("events/one.jsonl", bundle.text("events/one.jsonl").replace("\"error\":\"\"", "\"error\":\"x\"").replace("\"worker\":\"w\"", "\"worker\":\"v\""))
      bundle.relist()
      bundle.resign((statement) => statement, key)
    } })
    const [node, shelled] = [byNode(dir), await byShell(dir)]
    expect([byGate(dir), node.said, shelled.said]).toEqual(["refused", "refused", "GO"])
    expect(node.lines).toMatch(/^DIFFERS {2}log of one: chain, length and head: line \d+: the payload does not have its digest$/m)
    expect(shelled.lines).toMatch(/^not {6}recomputed here \(verify\.mjs does\): the hash of every event and payload/m)
  })

  it("believe no key that was not named, and none of another type", async () => {
    const dir = made(1004, right)
    const file = (name: string, text: string) => {
      writeFileSync(join(root, name), text)
      return join(root, name)
    }
    const rsa = file("rsa.pem", generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" }).toString())
    const other = file("other.pem", publicPem(generateKeyPairSync("ed25519").privateKey))
    for (const trusted of [rsa, other]) {
      expect(await ended("sh", [shell, trusted, dir])).toMatchObject({ code: 1, stdout: expect.stringContaining("REFUSED") })
      expect(await ended(process.execPath, [program, "--key", trusted, dir])).toMatchObject({ code: 1, stdout: expect.stringContaining("REFUSED") })
    }
    for (const args of [[shell], [shell, join(root, "none.pem"), dir], [shell, keyFile, root]]) expect(await ended("sh", args)).toMatchObject({ code: 254, stdout: "" })
    for (const args of [[program], [program, "--key", join(root, "none.pem"), dir], [program, "--key", keyFile, root]]) expect(await ended(process.execPath, args)).toMatchObject({ code: 254, stdout: "" })
    expect(await ended(process.execPath, [program, "--key", keyFile, dir])).toMatchObject({ code: 0, stderr: "" })
  })

  it("write nothing into the bundle, and run nothing that is in it", async () => {
    const dir = made(1005, right)
    const before = readdirSync(dir, { recursive: true }).length
    await byShell(dir)
    byNode(dir)
    expect(readdirSync(dir, { recursive: true }).length).toBe(before)
  })
})

describe("the programs in a bundle", () => {
  it("are told from those of this version by opsgate verify", () => {
    const own = (plant: Plant) => {
      const found = verify(made(1006, plant), { pinned })
      return found._tag === "Verified" ? found.ownCheckers : found._tag
    }
    expect(own(right)).toBe(true)
    rmSync(join(root, "1006"), { recursive: true })
    const agreeing = { id: "", expect: "GO", forge: (bundle: Draft) => {
      bundle.write("verify/recheck.sh", "#!/bin/sh\necho GO\n")
      bundle.relist()
      bundle.resign((statement) => statement, key)
    } } satisfies Plant
    expect(own(agreeing)).toBe(false)
  })
})
