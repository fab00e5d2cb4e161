/** The verbs about what is decided beforehand. Each prints what is in force; none needs a database. */
import type { Command } from "commander"
import { type Row, rows, type Subsystem, timeoutClasses } from "../../domain/Matrix.ts"
import type { GovernanceLook } from "./GovernanceVerbs.ts"
import { pad } from "./Output.ts"
import { type Place, placeOf, type Print, type Verbs, withGlobals } from "./Program.ts"

/** Adds `opsgate policy …`. `printTo` writes where the options of the verb say. */
export const addPolicyVerbs = (program: Command, verbs: Pick<Verbs, "readPayload">, printTo: (place: Place) => Print, run: (look: GovernanceLook, place: Place) => Promise<void>): Command => {
  const policy = withGlobals(program.command("policy"))
    .description("what is decided beforehand: the policy in force, what each kind needs and why, who may do what")
    .action((_options: unknown, command: Command) => run({ _tag: "Policy" }, placeOf(command)))
  addMatrixVerb(policy, printTo)

  withGlobals(policy.command("check <file>"))
    .description("read a policy file and say what is wrong with it; nothing is changed")
    .action((file: string, _options: unknown, command: Command) => run({ _tag: "PolicyCheck", file }, placeOf(command)))

  withGlobals(policy.command("explain <kind> [payload]"))
    .description("what the policy says of such a request: whether it is refused, its risks, who has to say yes, and why")
    .option("--payload-file <file>", "read the payload from a file, - for standard input")
    .action((kind: string, payload: string | undefined, options: { readonly payloadFile?: string }, command: Command) =>
      run({ _tag: "PolicyExplain", kind, payload: verbs.readPayload(payload, options.payloadFile) }, placeOf(command)))
  return program
}

const addMatrixVerb = (policy: Command, printTo: (place: Place) => Print): void => {
  withGlobals(policy.command("matrix"))
    .description("how long each subsystem waits, how it tries again, and who may when that is exhausted")
    .action((_options: unknown, command: Command) => {
      printTo(placeOf(command)).result({ v: 1, classes: timeoutClasses, rows: rows.map(jsonOf) }, matrixText)
    })
}

const seconds = (ms: number): string => (ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`)

const retryText = ({ retry }: Row): string => {
  if (retry === null) return "no"
  const limits = [retry.attemptsMax === null ? "" : `${retry.attemptsMax} tries`, retry.totalMs === null ? "" : `within ${seconds(retry.totalMs)}`].filter((text) => text !== "")
  const pauses = retry.baseMs === retry.capMs ? `up to ${seconds(retry.capMs)}` : `${seconds(retry.baseMs)} to ${seconds(retry.capMs)}`
  return `${limits.length === 0 ? "for ever" : limits.join(" ")}, pauses ${pauses}`
}

const head = ["SUBSYSTEM", "CLASS", "TIMEOUT", "RETRY", "TRANSIENT", "THEN"]

const cellsOf = ([name, row]: (typeof rows)[number]): ReadonlyArray<string> => [
  row.inForce ? name : `(${name})`,
  row.class,
  row.timeoutMs === null ? (row.setting === null ? "none" : "as set") : seconds(row.timeoutMs),
  retryText(row),
  row.transient.includes("*") ? "all" : row.transient.length === 0 ? "-" : `${row.transient.length} codes`,
  row.then
]

/** The table for a terminal; JSON and docs have every column. */
export const matrixText = (): string => {
  const cells = [head, ...rows.map(cellsOf)]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0)).join("  ").trimEnd())
  return [...lines, "", "in brackets: fixed, and not built yet; everything else: --json, docs/timeouts.md"].join("\n")
}

/** A row as it is printed in JSON. */
const jsonOf = ([name, row]: readonly [Subsystem, Row]) => ({
  subsystem: name,
  what: row.what,
  timeout_class: row.class,
  timeout_ms: row.timeoutMs,
  setting: row.setting,
  retry: row.retry === null ? null : {
    base_ms: row.retry.baseMs,
    cap_ms: row.retry.capMs,
    attempts_max: row.retry.attemptsMax,
    total_ms: row.retry.totalMs,
    asked_max_ms: row.retry.askedMaxMs
  },
  transient: row.transient,
  exhausted: row.exhausted,
  then: row.then,
  round_ms: row.roundMs,
  in_force: row.inForce
})
