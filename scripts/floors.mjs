/** Runs dependency-cruiser over the house and refuses a run that saw no modules (it exits 0 when it reads nothing). */
import { execFileSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const sources = ["src", "gate", "test"].flatMap((dir) =>
  readdirSync(`${root}${dir}`, { recursive: true }).filter((file) => file.endsWith(".ts") && !file.includes("node_modules")).map((file) => `${dir}/${file}`)
)

const run = () => {
  try {
    return execFileSync("npx", ["--no-install", "depcruise", "--config", ".dependency-cruiser.cjs", "--output-type", "json", "src", "gate", "test"], {
      cwd: root,
      maxBuffer: 256 * 1024 * 1024
    })
  } catch (failure) {
    return failure.stdout
  }
}

const { modules, summary } = JSON.parse(run().toString())
const seen = new Set(modules.map((module) => module.source))
const unseen = sources.filter((file) => !seen.has(file))
for (const { from, rule, to } of summary.violations) console.error(`${rule.name}: ${from} → ${to}`)
if (unseen.length > 0) console.error(`not read: ${unseen.slice(0, 5).join(", ")}${unseen.length > 5 ? " …" : ""}`)
const edges = modules.reduce((sum, module) => sum + module.dependencies.length, 0)
if (sources.length === 0 || edges < sources.length) console.error(`only ${edges} imports seen in ${sources.length} files: the reader is blind`)
const bad = summary.violations.length > 0 || unseen.length > 0 || edges < sources.length
console.log(`floors: ${sources.length} files, ${edges} imports, ${summary.violations.length} violations`)
process.exit(bad ? 1 : 0)
