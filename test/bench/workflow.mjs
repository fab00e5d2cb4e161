/**
 * Workflows of one and of five steps, 50 in flight, beside DBOS and OpenWorkflow in the same run. Each figure comes from a fresh folder;
 * peers run in processes of their own, by `peers/main.mjs`.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { format, line, median } from "./measure.mjs"
import { lives } from "./runtime.mjs"

const run = promisify(execFile)
const peers = fileURLToPath(new URL("peers/", import.meta.url))
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)

const peer = async (name, steps, count) => {
  const { stdout } = await run(process.execPath, [`${peers}main.mjs`, name, "workflow", String(count), "50", String(steps)], { timeout: 300_000 })
  return JSON.parse(stdout.trim().split("\n").at(-1)).per_second
}

/** Prints the figures; answers whether they reach what is wanted. */
export const workflowBench = async () => {
  if (!existsSync(`${peers}node_modules`)) {
    console.error("the peers are not installed: npm ci --prefix test/bench/peers")
    return false
  }
  const reached = []
  for (const { count, of, steps } of [{ steps: 1, count: 10_000, of: 3000 }, { steps: 5, count: 4000, of: 1000 }]) {
    const pairs = []
    for (let round = 0; round < rounds; round++) {
      pairs.push({ ours: count / (await lives(steps, count, 50)), dbos: await peer("dbos", steps, of) })
    }
    const ratio = median(pairs.map(({ dbos, ours }) => ours / dbos))
    const ours = median(pairs.map((pair) => pair.ours))
    const dbos = median(pairs.map((pair) => pair.dbos))
    reached.push(line(`workflow of ${steps} step${steps === 1 ? "" : "s"}, 50 in flight`, `${format(ours)}, DBOS ${format(dbos)}, ratio ${ratio.toFixed(1)}; wanted ≥ 4`, ratio >= 4))
    line("  OpenWorkflow beside it", format(await peer("openworkflow", steps, of)), null)
  }
  return reached.every(Boolean)
}
