/**
 * Writes the tables of the docs that follow from the code, from the built bundle's public surface. With --check it writes
 * nothing and fails when one of them is stale.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" })
const { isTerminal, needsReason, origin, taskStates, transitions } = await import(`${root}dist/index.js`)
const configSchema = JSON.parse(readFileSync(`${root}src/config.schema.json`, "utf8"))

const stateMachine = () => {
  const rows = taskStates.flatMap((from) => Object.entries(transitions[from]).map(([to, by]) => `| ${from} | ${to} | ${by.join(", ")} |`))
  const terminal = taskStates.filter((state) => isTerminal[state])
  return `# The state machine

Generated from \`src/domain/Transition.ts\` by \`npm run docs\`. What is not in the table is refused, and the refusal is recorded.

| from | to | by |
|---|---|---|
| (new) | ${origin.state} | ${origin.by.join(", ")} |
${rows.join("\n")}

Terminal, left only by \`recover\`: ${terminal.filter((state) => Object.keys(transitions[state]).length > 0).join(", ")}. Never left: ${terminal.filter((state) => Object.keys(transitions[state]).length === 0).join(", ")}.

Commands that need a reason: ${Object.entries(needsReason).filter(([, needed]) => needed).map(([op]) => op).join(", ")}.
`
}

const settingRows = (properties, prefix, required = []) =>
  Object.entries(properties).flatMap(([name, property]) => {
    if (property.properties !== undefined) return settingRows(property.properties, `${prefix}${name}.`, property.required)
    if (property.description === undefined) return []
    const fallback = property.default === undefined ? (required.includes(name) ? "required" : "") : `\`${JSON.stringify(property.default)}\``
    return [`| \`${prefix}${name}\` | ${fallback} | ${property.description} |`]
  })

const settings = () => `# Settings

Generated from \`src/config.schema.json\` by \`npm run docs\`. They stand in \`opsgate.config.json\`, which is checked as a whole before anything is started.
Names that end in \`_ms\` are milliseconds, in \`_bytes\` bytes.

| setting | default | meaning |
|---|---|---|
${settingRows(configSchema.properties, "", configSchema.required).join("\n")}

A kind, \`kinds.<name>\`:

| setting | default | meaning |
|---|---|---|
${settingRows(configSchema.$defs.kind.properties, "", configSchema.$defs.kind.required).join("\n")}

Each member of \`queues\`, by name:

| setting | default | meaning |
|---|---|---|
${settingRows(configSchema.$defs.queue.properties, "").join("\n")}

A schedule, \`schedules.<name>\` ([schedules.md](schedules.md)):

| setting | default | meaning |
|---|---|---|
${settingRows(configSchema.$defs.schedule.properties, "", configSchema.$defs.schedule.required).join("\n")}
`

const pages = { "docs/state-machine.md": stateMachine(), "docs/settings.md": settings() }
let stale = 0
for (const [file, text] of Object.entries(pages)) {
  if (process.argv.includes("--check")) {
    let found = ""
    try {
      found = readFileSync(`${root}${file}`, "utf8")
    } catch {
      // A page that is not there is stale.
    }
    if (found !== text) {
      console.error(`${file} is stale: npm run docs`)
      stale++
    }
  } else writeFileSync(`${root}${file}`, text)
}
console.log(`docs: ${Object.keys(pages).length} generated pages, ${stale} stale`)
process.exit(stale === 0 ? 0 : 1)
