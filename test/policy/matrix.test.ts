/**
 * The timeout and retry matrix is in force: every place that waits or tries again takes its figures from a row or says why it has none,
 * every row is documented, and what is tried again is a closed list.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { matrix, type Row, rows } from "../../src/domain/Matrix.ts"
import { timeoutCode } from "../../src/domain/Timeout.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const textOf = (file: string): string => readFileSync(join(root, file), "utf8")
const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).map((file) => `src/${file}`).sort()

/** A line of code without what is said about it. */
const codeIn = (file: string): ReadonlyArray<string> =>
  textOf(file).split("\n").filter((line) => !/^\s*(\/\/|\/\*|\*|import )/.test(line)).map((line) => line.replace(/\s\/\/ .*$/, ""))

const waits = /\bEffect\.(?:retry\w*|repeat\w*|timeout\w*|schedule\w*|sleep|delay|forever|iterate)\b|\bSchedule\.(?:spaced|fixed|exponential|fibonacci|linear|recurs|upTo|duration|forever|make\w*|driver)\b|\bset(?:Timeout|Interval)\(|\bAbortSignal\.timeout\b/g
/** In files that take it from `node:timers/promises`, where it is named so. */
const nodeSleep = /\bsleep\(/g

/** In files that take it from `engine/Waiting.ts`, or a bell from there. */
const waitsOfOurs = /\b(?:within|endWithin)\(|\.wait\(/g
const hasOurs = (file: string): boolean => /engine\/Waiting\.ts"|\bwake\.wait\(/.test(textOf(file)) || (file.startsWith("src/engine/") && textOf(file).includes("\"./Waiting.ts\""))

const usesOf = (file: string): number =>
  codeIn(file).reduce((count, line) => count + [...line.matchAll(waits)].length + (hasOurs(file) ? [...line.matchAll(waitsOfOurs)].length : 0) + (textOf(file).includes("setTimeout as sleep") ? [...line.matchAll(nodeSleep)].length : 0), 0)

/** Each file that waits or tries again: how often, and the rows that its figures are from; or, behind a dash, why it has none. */
const places: Readonly<Record<string, readonly [uses: number, ...why: ReadonlyArray<string>]>> = {
  "src/Ask.ts": [3, "wait_look"],
  "src/Doctor.ts": [1, "- one second look at a lock"],
  "src/FileVerbs.ts": [1, "instance_lock"],
  "src/Logs.ts": [1, "- follows a file until it is interrupted"],
  "src/Modules.ts": [1, "module_load"],
  "src/Reach.ts": [1, "instance_lock"],
  "src/Serve.ts": [1, "instance_lock"],
  "src/Upkeep.ts": [4, "wait_look", "- one second look for a server that has just begun"],
  "src/control/Deadline.ts": [1, "command"],
  "src/edge/cli/CommandClient.ts": [1, "command_answer"],
  "src/edge/cli/CommandSocket.ts": [1, "command_answer"],
  "src/edge/cli/Probe.ts": [1, "health_check"],
  "src/Bot.ts": [1, "- takes what was asked for, for as long as it runs"],
  "src/edge/cli/Reading.ts": [2, "- prints again at the pace of --every"],
  "src/edge/cli/StorageClient.ts": [1, "storage_question"],
  "src/edge/telegram/Inbox.ts": [1, "chat_inbox", "- the nap until an update is due"],
  "src/edge/telegram/Relay.ts": [2, "chat_relay", "- the nap until an edit is due"],
  "src/edge/telegram/Sender.ts": [2, "telegram_send", "outbox_delivery", "chat_outbox", "- the nap until a chat may be written to"],
  "src/edge/telegram/Menus.ts": [1, "telegram_send"],
  "src/edge/telegram/Poller.ts": [1, "telegram_poll"],
  "src/edge/telegram/Toasts.ts": [1, "telegram_toast"],
  "src/engine/Live.ts": [1, "- the port of timers"],
  "src/engine/Patience.ts": [7, "- what tries again as the rows say"],
  "src/engine/Waiting.ts": [1, "- what waits as others say"],
  "src/runtime/Alarms.ts": [1, "- the port of timers"],
  "src/runtime/Bulks.ts": [5, "store_write", "bulk_batch", "- the pace that was asked for"],
  "src/runtime/Endings.ts": [5, "- one listener for all who wait, which looks into the file in case a word was lost"],
  "src/runtime/Exec.ts": [2, "prepare", "command_end", "survivors"],
  "src/runtime/ExecRecord.ts": [1, "exit_record"],
  "src/runtime/Patience.ts": [2, "store_write"],
  "src/runtime/ProcessTable.ts": [3, "survivors"],
  "src/runtime/Pruning.ts": [4, "retention_pass", "- pauses between its batches, as a multiple of how long they took"],
  "src/runtime/Rescuer.ts": [1, "store_write"],
  "src/runtime/Runtime.ts": [10, "store_write", "expiry", "lease", "- stop_grace_ms"],
  "src/runtime/Scheduler.ts": [6, "store_write", "schedule_tick"],
  "src/runtime/Worker.ts": [5, "store_write", "dispatch", "storage_look"],
  "src/runtime/supervisor/Command.ts": [2, "attempt", "- kill_grace_ms"],
  "src/runtime/supervisor/Silence.ts": [1, "heartbeat"],
  "src/runtime/supervisor/main.ts": [1, "- how long the output of an ended command is read"],
  "src/runtime/workflow/Steps.ts": [2, "step"]
}

const namesIn = (why: ReadonlyArray<string>): ReadonlyArray<string> => why.filter((name) => !name.startsWith("-"))
const table: Readonly<Record<string, Row>> = matrix

describe("subsystem timeouts documented and enforced", () => {
  it.each(sources.filter((file) => usesOf(file) > 0 || places[file] !== undefined))("%s waits and tries again as a row says, or says why not", (file) => {
    const [uses, ...why] = places[file] ?? [0]
    expect(usesOf(file), `${file}: whoever waits or tries again takes the figures from a row of src/domain/Matrix.ts, and is listed here with it`).toBe(uses)
    expect(why.length).toBeGreaterThan(0)
    expect(namesIn(why).filter((name) => table[name] === undefined), "rows that are not there").toEqual([])
  })

  it("of every row that is in force is taken from it by somebody, or is a setting with the default of the row", () => {
    const code = sources.filter((file) => file !== "src/domain/Matrix.ts").flatMap(codeIn).join("\n")
    const idle = rows.filter(([name, { inForce, setting }]) => inForce && setting === null && !new RegExp(`\\bmatrix\\.${name}\\b|"${name}"`).test(code)).map(([name]) => name)
    expect(idle).toEqual([])
  })

  it("of a setting has the default of the schema", () => {
    const schema: { readonly properties: Readonly<Record<string, { readonly default?: unknown }>>; readonly $defs: { readonly kind: { readonly properties: Readonly<Record<string, { readonly default?: unknown; readonly properties?: Readonly<Record<string, { readonly default?: unknown }>> }>> } } } = JSON.parse(textOf("src/config.schema.json"))
    const { kind } = schema.$defs
    const missing = rows.flatMap(([name, { inForce, setting, timeoutMs }]) => {
      if (!inForce || setting === null || /^(ctx|Task|--)/.test(setting)) return []
      const property = setting.startsWith("kinds.<name>.") ? kind.properties[setting.slice("kinds.<name>.".length)] : schema.properties[setting]
      return property !== undefined && (timeoutMs === null || property.default === timeoutMs) ? [] : [name]
    })
    expect(missing).toEqual([])
    const { base_ms, cap_ms } = kind.properties["retry"]?.properties ?? {}
    expect([base_ms?.default, cap_ms?.default]).toEqual([matrix.attempt.retry.baseMs, matrix.attempt.retry.capMs])
  })

  it("of every row stands in the document, and every code of a task's timeout in the operator's", () => {
    const text = textOf("docs/timeouts.md")
    expect(rows.filter(([name]) => !text.includes(`\`${name}\``)).map(([name]) => name)).toEqual([])
    const operations = textOf("docs/OPERATIONS.md")
    expect(Object.values(timeoutCode).filter((code) => !operations.includes(`\`${code}\``))).toEqual([])
  })

  it("answers a command before its client gives up, and a lock of a stranger before that", () => {
    expect(matrix.store_lock.timeoutMs).toBeLessThan(matrix.command.timeoutMs)
    expect(matrix.command.timeoutMs).toBeLessThan(matrix.command_answer.timeoutMs)
    const schema: { readonly properties: { readonly command_timeout_ms: { readonly maximum: number } } } = JSON.parse(textOf("src/config.schema.json"))
    expect(schema.properties.command_timeout_ms.maximum).toBeLessThan(matrix.command_answer.timeoutMs)
  })
})

/** How many codes are worth another try. Whoever adds one decides whether the other side can bear the repeat, and counts it here. */
const transientCodes: Readonly<Record<string, number | "*">> = {
  instance_lock: 1,
  prepare: 3,
  attempt: "*",
  attempt_in_code: "*",
  step: "*",
  undo: "*",
  store_lock: 2,
  store_write: 6,
  runs_look: 4,
  exit_record: 1,
  schedule_tick: "*",
  bulk_batch: 6,
  retention_pass: 6,
  telegram_poll: 24,
  telegram_start: 18,
  chat_inbox: 6,
  chat_update: "*",
  chat_outbox: 6,
  chat_relay: 6,
  telegram_send: 15,
  telegram_toast: 15,
  outbox_delivery: 2
}

describe("what is transient", () => {
  it.each(rows.filter(([, { retry, transient }]) => retry !== null || transient.length > 0).map(([name]) => name))("for %s is a closed list, counted", (name) => {
    const { retry, transient } = table[name] ?? matrix.command
    expect(transient.includes("*") ? "*" : transient.length).toBe(transientCodes[name])
    expect(new Set(transient).size).toBe(transient.length)
    expect(transient.length > 0, "pauses without anything to try again").toBe(retry !== null)
    if (transient.includes("*")) expect(transient).toEqual(["*"])
  })

  it("never holds what a repeat cannot change: a refusal, a closed store, a lost lease of the own", () => {
    const all = rows.flatMap(([, { transient }]) => transient)
    expect(all.filter((code) => ["closed", "late", "LeaseLost", "http_401", "http_404"].includes(code))).toEqual([])
  })
})

describe("pauses", () => {
  it.each(rows.flatMap(([name, { retry }]) => (retry === null ? [] : [[name, retry] as const])))("of %s grow from 1 ms at least to a cap, under a budget that can be reached", (_, retry) => {
    expect(retry.baseMs).toBeGreaterThanOrEqual(1)
    expect(retry.capMs).toBeGreaterThanOrEqual(retry.baseMs)
    if (retry.attemptsMax !== null) expect(retry.attemptsMax).toBeGreaterThanOrEqual(1)
    if (retry.totalMs !== null) expect(retry.totalMs).toBeGreaterThan(retry.baseMs)
    if (retry.askedMaxMs !== null) expect(retry.askedMaxMs).toBeGreaterThanOrEqual(retry.capMs)
  })
})

describe(".env.example", () => {
  const read = [...new Set(sources.flatMap((file) => [...codeIn(file).join("\n").matchAll(/process\.env(?:\[["'](\w+)["']\]|\.(\w+))/g)].map(([, quoted, dotted]) => quoted ?? dotted ?? "")))].sort()

  it("names every variable that the product reads, with its setting, and no other as one to set", () => {
    expect(existsSync(join(root, ".env.example"))).toBe(true)
    const settable = [...textOf(".env.example").matchAll(/^#?\s?([A-Z][A-Z0-9_]*)=/gm)].map(([, name]) => name ?? "").sort()
    expect(settable).toEqual(read)
  })

  it("says which variables a command is given", () => {
    const given = [...new Set(sources.flatMap((file) => textOf(file).match(/\bOPSGATE_(?!TELEGRAM)[A-Z_]*[A-Z]\b/g) ?? []))].sort()
    const text = textOf(".env.example")
    expect(given.filter((name) => !text.includes(name))).toEqual([])
    expect(given).toContain("OPSGATE_HEARTBEAT_FILE")
  })

  it("is the only way in: nobody reads the environment as a whole", () => {
    const whole = sources.filter((file) => codeIn(file).some((line) => /process\.env(?![[.])/.test(line) || /process\.env\[(?!["'])/.test(line)))
    // What the configuration names is inherited by commands: exec.env of a kind.
    expect(whole).toEqual(["src/Config.ts"])
  })
})
