/** Runs the Effect diagnostics (floating effects, clocks, chance, timers) and refuses a run that checked no files. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const run = spawnSync("npx", ["--no-install", "effect-tsgo", "diagnostics", "--project", "tsconfig.effect.json", "--format", "text", "--strict"], { cwd: root })
const text = `${run.stdout}${run.stderr}`
process.stdout.write(text)
const checked = Number(/Checked (\d+) files?/i.exec(text)?.[1] ?? 0)
if (checked < 10) console.error(`effect-lint: only ${checked} files were checked`)
process.exit(run.status !== 0 || checked < 10 ? 1 : 0)
