/**
 * What may be said in a chat: one row for each command, from which words are parsed, help is written, and the menus of the service are
 * made. Pure.
 */
import { type AnyOp, mayAsk } from "../../domain/Role.ts"

interface Row {
  /** What to type behind the name. */
  readonly usage: string
  /** One sentence; the service takes 256 characters. */
  readonly description: string
  /** The command that it comes to, which says who may; null: a look, which everybody may take who is known. */
  readonly op: AnyOp | null
}

export const vocabulary = {
  start: { usage: "", description: "Who you are here, and what you may do.", op: null },
  help: { usage: "", description: "The commands that you may use.", op: null },
  newtask: { usage: "<type> <prompt>", description: "Ask for a task. A prompt that begins with { is its payload as JSON.", op: "submit" },
  status: { usage: "<id>", description: "The card of a task: where it stands, who has said yes, what may be done.", op: null },
  list: { usage: "[state] [n]", description: "The latest tasks, at most 20.", op: null },
  approve: { usage: "<id> [note]", description: "Say yes to a task as it stands.", op: "approve" },
  reject: { usage: "<id> <reason>", description: "Say no: the task ends.", op: "reject" },
  plan: {
    usage: "<id>, then five lines: scope: …, risks: …, test_plan: …, rollback_plan: …, approval_impact: …",
    description: "Say how a task is to be done, tested and rolled back: five lines, or one JSON object.",
    op: "plan"
  },
  review: { usage: "<id> pass|fail [code] [notes]", description: "Judge a task. A pass says that everything on the checklist is fine; a fail needs a code.", op: "review" },
  resume: { usage: "<id>", description: "Let an approved task go.", op: "resume" },
  recover: { usage: "<id> <reason>", description: "Bring back a task that failed, was canceled or has expired.", op: "recover" },
  redrive: { usage: "<id> <reason>", description: "Take a task out of the dead letter and run it again; the same as /recover.", op: "recover" },
  dismiss: { usage: "<id> <reason>", description: "Take a failed task out of the dead letter for good.", op: "dismiss" },
  stop: { usage: "<id> <reason>", description: "Cancel a task.", op: "cancel" },
  cancel: { usage: "<id> <reason>", description: "The same as /stop.", op: "cancel" },
  fork: { usage: "<id> <step> <reason>", description: "Run a task again from a step on, as a new task.", op: "fork" },
  reconcile: { usage: "<id> succeeded|failed|retry <reason>", description: "Say what became of a step of which nobody knows.", op: "reconcile" },
  board: { usage: "", description: "Tasks by state, and how long the oldest waits.", op: null },
  ops: { usage: "", description: "Is all well, and if not, what to type.", op: null },
  why: { usage: "<id>", description: "What a task waits for, and what would move it.", op: null },
  trace: { usage: "<id>", description: "The whole path of a task, as a tree.", op: null },
  cron: { usage: "", description: "Schedules: when they run next, and what became of the last time.", op: null },
  queues: { usage: "", description: "Queues: what waits, what runs, what is paused.", op: null },
  gate: { usage: "", description: "The last verdict on this release, with its report.", op: null }
} as const satisfies Record<string, Row>

export type Name = keyof typeof vocabulary

/** In the order in which they are told. */
const rows: ReadonlyArray<readonly [Name, Row]> = Object.entries(vocabulary).flatMap(([name, row]) => (isName(name) ? [[name, row] as const] : []))

export function isName(text: string): text is Name {
  return Object.hasOwn(vocabulary, text)
}

/** `/stop <id> <reason>`. */
export const usageOf = (name: Name): string => `/${name} ${vocabulary[name].usage}`.trimEnd()

/** The commands of somebody with these roles; some of them only about what he asked for himself. */
export const namesFor = (roles: ReadonlyArray<string>): ReadonlyArray<Name> => rows.filter(([, { op }]) => op === null || mayAsk(op, roles, true)).map(([name]) => name)

/** The lines of /help. */
export const helpFor = (roles: ReadonlyArray<string>): string => namesFor(roles).map((name) => `${usageOf(name)}\n  ${vocabulary[name].description}`).join("\n")

/** As `setMyCommands` wants it. */
export const menuFor = (roles: ReadonlyArray<string>): ReadonlyArray<{ readonly command: string; readonly description: string }> =>
  namesFor(roles).map((command) => ({ command, description: vocabulary[command].description }))

/** The longest name that is compared with those that there are. */
const comparedMax = 32
/** More edits make another word. */
const editsMax = 3

/** The name that is meant by a wrong one, if it is close to one. */
export const nearest = (text: string): Name | null => {
  if (text.length > comparedMax) return null
  const near = rows.map(([name]) => ({ name, edits: name.startsWith(text) && text.length >= 2 ? 1 : edits(text, name) })).toSorted((a, b) => a.edits - b.edits)[0]
  return near !== undefined && near.edits <= Math.min(editsMax, Math.ceil(near.name.length / 2)) ? near.name : null
}

/**
 * How many letters have to be put in, taken out, changed or swapped with their neighbour to make one word of the other (optimal string
 * alignment, R. A. Wagner and R. Lowrance, "An Extension of the String-to-String Correction Problem", 1975, without edits within a swap).
 */
export const edits = (from: string, to: string): number => {
  let before: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const now: Array<number> = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1] ? (before[column - 2] ?? 0) + 1 : Infinity
      now.push(Math.min((last[column] ?? 0) + 1, (now[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (same ? 0 : 1), swapped))
    }
    before = last
    last = now
  }
  return last[to.length] ?? 0
}
