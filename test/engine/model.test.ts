/**
 * The durable engine against the reference engine, by random sequences of everything that is asked of an engine.
 *
 * The seed is fixed, so that a run is the same everywhere. Another one, and more sequences:
 * `OPSGATE_MODEL_SEED=7 OPSGATE_MODEL_RUNS=5000 npx vitest run test/engine/model.test.ts`
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { table } from "./model/Operations.ts"
import { sequences } from "./model/Sequence.ts"
import { type Verdict, World } from "./model/World.ts"

const ordinary = { seed: 1_800_000_000, runs: 270 }
const seed = Number(process.env["OPSGATE_MODEL_SEED"] ?? ordinary.seed)
const runs = Number(process.env["OPSGATE_MODEL_RUNS"] ?? ordinary.runs)

const movesMax = 120
const askedMin = 10_000
/** Shrinking stops here and shows the shortest sequence that it has found. */
const timeLimitMs = 180_000 + runs * 100

// In memory where there is such a place: what a sync costs, and that there is one, is the matter of `SqliteFile.test.ts`.
const memory = "/dev/shm"
const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), "opsgate-model-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("the SQLite engine", () => {
  it("answers, stores and logs what the memory engine does, through crashes, and every answer fits the log", async () => {
    let worlds = 0
    let asked = 0
    const verdicts = new Map<string, Record<Verdict, number>>()
    const count = (name: string, verdict: Verdict): void => {
      const counts = verdicts.get(name) ?? { granted: 0, refused: 0, broken: 0 }
      verdicts.set(name, { ...counts, [verdict]: counts[verdict] + 1 })
    }
    const played = fc.asyncProperty(sequences(movesMax), async (moves) => {
      const world = await World.make(join(folder, String(worlds++)), count)
      const said: Array<() => string> = []
      try {
        for (const { play } of moves) {
          const { done, text } = play(world)
          said.push(text)
          await done
        }
        await world.end()
      } catch (cause) {
        throw new Error(`${said.map((text, index) => `${index + 1}. ${text()}`).join("\n")}\n${String(cause)}`, { cause })
      } finally {
        await world.close()
        asked += world.asked
      }
    })
    await fc.assert(played, { seed, numRuns: runs, interruptAfterTimeLimit: timeLimitMs, markInterruptAsFailure: true })

    if (runs < ordinary.runs) return
    // A sequence that asks nothing finds nothing.
    expect(asked).toBeGreaterThanOrEqual(askedMin)
    const neverGranted = Object.keys(table).filter((name) => name !== "expireNobody" && (verdicts.get(name)?.granted ?? 0) === 0)
    expect(neverGranted).toEqual([])
  }, timeLimitMs + 30_000)
})
