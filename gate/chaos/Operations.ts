/**
 * Puts on record what a client asked and was told, and when: what the check of linearizability reads. Whatever is repeated is an
 * operation of its own. What was refused because of who asked, or because its key stands for something else, is left out.
 */
import { Clock, Effect } from "effect"
import { type Operation, type OperationName, operationNames, type Row } from "../History.ts"
import type { Ended } from "./Product.ts"

const exits = { ok: 0, denied: 3, conflict: 5, waits: 6 } as const
const refusals: ReadonlySet<number | null> = new Set([exits.denied, exits.conflict, exits.waits])

/** Runs a command and puts it on record, as far as it is one about a task. `words` are `task <op> <kind or task> …`. */
export const recorded = <E>(operations: Array<Operation>, words: ReadonlyArray<string>, run: Effect.Effect<Ended, E>): Effect.Effect<Ended, E> =>
  Effect.gen(function*() {
    const op = operationNames.find((name) => name === words[1])
    const invoked = yield* Clock.currentTimeMillis
    const ended = yield* run
    const operation = op === undefined || words[0] !== "task" ? null : operationOf(op, words, ended)
    if (operation !== null) operations.push({ ...operation, invoked, answered: operation.answer === null ? null : yield* Clock.currentTimeMillis })
    return ended
  })

const operationOf = (op: OperationName, words: ReadonlyArray<string>, { code, stderr, stdout }: Ended): Pick<Operation, "op" | "key" | "task" | "answer"> | null => {
  const at = words.indexOf("--key")
  const answered = code === exits.ok ? stateIn(stdout) : null
  const about = { op, key: at < 0 ? null : words[at + 1] ?? null, task: op === "submit" ? answered?.task ?? null : words[2] ?? null }
  // It is still being decided for somebody else, who is told.
  if (stderr.includes("still being decided")) return null
  if (!refusals.has(code)) return { ...about, answer: answered?.state ?? null }
  // Whether it is the task that cannot be approved, or the person who may not say it, is told in words only.
  return op === "submit" || (op === "approve" && !stderr.includes("cannot be asked to approve")) ? null : { ...about, answer: "refused" }
}

const stateIn = (stdout: string): { readonly task: string; readonly state: string } | null => {
  try {
    const json: unknown = JSON.parse(stdout)
    if (typeof json !== "object" || json === null || !("task" in json) || !("state" in json)) return null
    return typeof json.task === "string" && typeof json.state === "string" ? { task: json.task, state: json.state } : null
  } catch {
    return null
  }
}

/** A list is a look at every task that was asked for here. A look that saw what the one before saw says nothing more. */
export const recordReads = (operations: Array<Operation>, rows: ReadonlyArray<Row>, invoked: number, answered: number): void => {
  const last = new Map<string, string | null>()
  for (const { answer, op, task } of operations) if (task !== null) last.set(task, op === "read" ? answer : null)
  for (const row of rows) {
    const answer = row.state === "RUNNING" && row["blocked"] === true ? "OUTCOME_UNKNOWN" : row.state
    if (last.has(row.id) && last.get(row.id) !== answer) operations.push({ op: "read", key: null, task: row.id, invoked, answered, answer })
  }
}
