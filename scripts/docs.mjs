/**
 * Writes the tables of the docs that follow from the code, from the built bundle's public surface. With --check it writes
 * nothing and fails when one of them is stale.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" })
const { isTerminal, matrixRows, needsReason, origin, taskStates, timeoutClasses, transitions, permissions, roles } = await import(`${root}dist/index.js`)
const policySchema = JSON.parse(readFileSync(`${root}src/policy.schema.json`, "utf8"))
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

A person, \`people.<name>\` ([policy.md](policy.md)):

| setting | default | meaning |
|---|---|---|
${settingRows(configSchema.$defs.person.properties, "", configSchema.$defs.person.required).join("\n")}

A schedule, \`schedules.<name>\` ([schedules.md](schedules.md)):

| setting | default | meaning |
|---|---|---|
${settingRows(configSchema.$defs.schedule.properties, "", configSchema.$defs.schedule.required).join("\n")}
`

const span = (ms) => (ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : ms % 60_000 === 0 ? `${ms / 60_000} min` : ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`)
const budget = ({ attemptsMax, totalMs }) =>
  [attemptsMax === null ? "" : `${attemptsMax} ${attemptsMax === 1 ? "try" : "tries"}`, totalMs === null ? "" : `${span(totalMs)} in all`].filter((text) => text !== "").join(", ") || "none"
const pauses = ({ askedMaxMs, baseMs, capMs }) => `${baseMs === capMs ? span(capMs) : `${span(baseMs)}, doubling to ${span(capMs)}`}${askedMaxMs === null ? "" : `; asked for: to ${span(askedMaxMs)}`}`
const timeoutCell = ({ setting, timeoutMs }) => [timeoutMs === null ? (setting === null ? "none" : "") : span(timeoutMs), setting === null ? "" : `\`${setting}\``].filter((text) => text !== "").join(", ")
const transientCell = ({ transient }) => (transient.length === 0 ? "–" : transient[0] === "*" ? "every failure that is not final" : transient.map((code) => `\`${code}\``).join(" "))

const timeouts = () => `# Timeouts and retries

Generated from \`src/domain/Matrix.ts\` by \`npm run docs\`; \`opsgate policy matrix --json\` prints the same.

A pause is drawn with full jitter: uniformly between nothing and a ceiling that doubles with each failure up to a cap; what falls below a tenth of
the ceiling is raised to it, so that no run of luck makes a tight loop. A success alone does not begin the backoff anew: all has to go well for twice the cap.
A pause that the other side asks for (\`retry_after\`) is honoured where it is longer. Budgets and timeouts are measured with the monotonic clock:
a wall clock that is set changes none of them. What is not in the list of transient codes is not tried again.

| class | what its timeout bounds |
|---|---|
${Object.entries(timeoutClasses).map(([name, text]) => `| ${name} | ${text} |`).join("\n")}

| subsystem | what | class | timeout | tried again after | pauses up to | budget | when it is exhausted | who may then |
|---|---|---|---|---|---|---|---|---|
${matrixRows.map(([name, row]) => `| ${row.inForce ? `\`${name}\`` : `\`${name}\` (not built yet)`} | ${row.what} | ${row.class} | ${timeoutCell(row)} | ${transientCell(row)} | ${row.retry === null ? "–" : pauses(row.retry)} | ${row.retry === null ? "–" : budget(row.retry)} | ${row.exhausted} | ${row.then} |`).join("\n")}

Rounds of what goes on for ever begin no faster than: ${matrixRows.filter(([, row]) => row.roundMs !== null).map(([name, row]) => `\`${name}\` ${span(row.roundMs)}`).join(", ")}.
`

const cell = (op, role) => (permissions[op].all.includes(role) ? "yes" : permissions[op].own?.includes(role) === true ? "own" : "")

const policy = () => `# The policy

Generated by \`npm run docs\` from \`src/policy.schema.json\` and \`src/domain/Role.ts\`, but for its words. What may run at all, and which work needs people first.

\`policy\` in \`opsgate.config.json\` names a JSON file; a program that embeds Opsgate gives the option \`policy\`, a file or the same as an object. Without one, heavy work and every kind whose
\`risk\` is one of the seven names below needs one approval by somebody else. An example with useful words is in [examples/policy](examples/policy/opsgate.policy.json).
A policy that cannot be used starts nothing (exit 2). \`opsgate policy check FILE\` says what is wrong with one, \`opsgate policy\` what is in force and why each kind needs what it needs,
\`opsgate policy explain KIND PAYLOAD\` what one request would get.

- **Its version** is the digest of the whole file. With any change of it, what people had said under the old one counts no more: the task asks anew at the next word about it, and at the latest before it runs.
- **Modes.** \`readonly\` takes requests and dispatches nothing; back in \`supervised\` each of them goes on by \`opsgate task resume\`. \`auto\` asks nobody for heavy work as such.
- **Words** are texts and never expressions: whole, in any case, with any white space or quotes between their parts. They are looked for in the payload (names of members included), the name of the kind, and the command line as
  the payload makes it. Full-width letters and characters that cannot be seen do not hide them. Letters of other scripts that look alike do, and so do variables and encodings of a shell: words are a net, the closed payload schema of a kind is the wall.
- **Paths** are globs, fitted to whatever looks like a path in the same texts, after \`..\` is taken out. Links are not followed.
- **Several rules that fit** add up: the most approvals, the shortest time, plan and review if one asks for them, and every role that one of them asks for (\`compliance-officer+release-manager\`: whoever approves needs both).
- **Denied** work is refused when it is asked for. A task that is there already waits with the hold \`policy\`; an admin's \`break-glass\` lets it go.

| member | default | meaning |
|---|---|---|
${settingRows(policySchema.properties, "", policySchema.required).join("\n")}

What is needed: \`heavy\`, and each member of \`kinds\` and \`risks\`:

| member | default | meaning |
|---|---|---|
${settingRows(policySchema.$defs.demand.properties, "").join("\n")}

A rule of \`deny\`:

| member | default | meaning |
|---|---|---|
${settingRows(policySchema.$defs.rule.properties, "", policySchema.$defs.rule.required).join("\n")}

## People and roles

\`people\` in \`opsgate.config.json\` names everybody with his identities on each channel; by whichever he comes, he is one person, so nobody approves twice. Whom nobody names only looks. A service is never approver, reviewer or admin.
Without \`people\` whoever runs \`opsgate\` on the machine has every role. \`opsgate whoami\` says who you are. People are told apart by their channel: whoever owns the database file owns it, whatever stands here.

"own" means: about a task that he asked for himself.

| command | ${roles.join(" | ")} |
|---|${roles.map(() => "---|").join("")}
${Object.keys(permissions).map((op) => `| ${op} | ${roles.map((role) => cell(op, role)).join(" | ")} |`).join("\n")}

\`restore\` and \`accept_loss\` are asked where there may be no log: a denial of them is told, and not recorded.
`

// The profile full asks for all that the release asks for, word for word, and for what only tools of the operating system can show.
const fullCard = () => {
  const release = readFileSync(`${root}scorecards/v1.2.json`, "utf8")
  const more = readFileSync(`${root}scorecards/full-checks.json`, "utf8").trim().slice(1, -1).trimEnd().split("\n").map((line) => (line === "" ? line : `  ${line}`)).join("\n")
  const { title } = JSON.parse(release)
  const text = release.replace('"name": "v1.2"', '"name": "v1.2-full"').replace(JSON.stringify(title), JSON.stringify(`${title}; and power cuts, failing disks and jumping clocks`))
  const end = text.lastIndexOf("\n  ]\n}")
  return `${text.slice(0, end)},${more}${text.slice(end)}`
}

const pages = { "scorecards/v1.2-full.json": fullCard(), "docs/state-machine.md": stateMachine(), "docs/settings.md": settings(), "docs/timeouts.md": timeouts(), "docs/policy.md": policy() }
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
