/**
 * The gate in its quick profile, as a step that passes or fails. The profile never says GO; so it passes when it ends with
 * INSUFFICIENT, every single check passed, and the bundle that was just written verifies and says the same.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const insufficient = 2
const opsgate = (...words) =>
  spawnSync(process.execPath, [fileURLToPath(new URL("../dist/opsgate.js", import.meta.url)), ...words], { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", maxBuffer: 256 * 1024 * 1024 })

const fail = (why) => {
  console.error(`quick gate: ${why}`)
  process.exit(1)
}

const run = opsgate("gate", "--profile", "quick", "--json")
// 254 and 255 print no result, and have said why.
if (run.stdout === "") fail(`it ended with ${run.status ?? run.signal} and without a result`)
const { bundle, result } = JSON.parse(run.stdout)
const open = result.lines.filter(({ verdict }) => verdict !== "PASS")
// Sentences of a check quote what came from outside.
const plain = (text) => text.replace(/\p{C}/gu, "?")
for (const { id, offenders, reason, verdict } of open) console.error([`${verdict}  ${id}: ${reason}`, ...offenders].map(plain).join("\n  "))
if (result.lines.length === 0 || open.length > 0) fail(`${open.length} of ${result.lines.length} checks did not pass; see ${bundle}/REPORT.md`)
if (run.status !== insufficient) fail(`it ended with ${run.status}, and ${insufficient} was expected`)
if (opsgate("verify", bundle).status !== insufficient) fail(`${bundle} does not verify`)
console.log(`quick gate: all ${result.lines.length} checks passed and the bundle verifies; too small a sample to say GO`)
