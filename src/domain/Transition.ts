/**
 * The state machine of a task, as one table. Read a cell as "a task in this state becomes that one, by one of
 * these triggers". What is not in the table does not compile as a literal and is refused as a value.
 * `docs/state-machine.md` is generated from it.
 */
import type { TaskIn, TaskProgress } from "./Task.ts"
import type { TaskState } from "./TaskState.ts"

/** How a task comes into being; its first state is REQUESTED. */
export const origin = { state: "REQUESTED", by: ["submit", "fork", "child", "schedule"] } as const
export type Origin = (typeof origin.by)[number]

export const transitions = {
  REQUESTED: { APPROVED: ["release"], CANCELED: ["reject", "cancel"], EXPIRED: ["expire"] },
  APPROVED: { QUEUED: ["resume"], REQUESTED: ["void"], CANCELED: ["reject", "cancel"], EXPIRED: ["expire"] },
  QUEUED: { RUNNING: ["claim"], REQUESTED: ["void"], CANCELED: ["cancel"], EXPIRED: ["expire"] },
  RUNNING: {
    SUCCEEDED: ["settle"],
    FAILED: ["settle", "lease_lost", "reconcile"],
    QUEUED: ["retry", "lease_lost", "hand_back", "suspend", "reconcile"],
    CANCELED: ["cancel"],
    EXPIRED: ["expire"]
  },
  SUCCEEDED: {},
  FAILED: { QUEUED: ["recover"], REQUESTED: ["recover"] },
  CANCELED: { QUEUED: ["recover"], REQUESTED: ["recover"] },
  EXPIRED: { REQUESTED: ["recover"] }
} as const satisfies { readonly [From in TaskState]: { readonly [To in TaskState]?: ReadonlyArray<string> } }

type Table = typeof transitions

/** The states that can follow every member of `From`: an intersection, so that a union is moved only where all may go. */
export type Next<From extends TaskState> = (From extends TaskState ? (_: keyof Table[From]) => void : never) extends
  (_: infer To) => void ? To & TaskState : never

type Cell<From extends TaskState, To> = To extends keyof Table[From] ? Table[From][To] : never

/** The triggers that lead from every member of `From` to `To`. */
export type By<From extends TaskState, To extends TaskState> =
  (From extends TaskState ? (_: Cell<From, To> extends ReadonlyArray<infer T> ? T : never) => void : never) extends
    (_: infer T) => void ? T & string : never

type Triggers<From extends TaskState> = { [To in keyof Table[From]]: Table[From][To] extends ReadonlyArray<infer T> ? T : never }[keyof Table[From]]
export type Trigger = Origin | { [From in TaskState]: Triggers<From> }[TaskState]

/**
 * Moves a task along one row of the table, with what else changes; an illegal pair of states, or a trigger that is not in the
 * cell, does not compile.
 */
export const move = <From extends TaskState, const To extends Next<From>>(
  task: TaskIn<From>,
  to: To,
  _by: By<From, To>,
  change: Partial<Omit<TaskProgress, "state">> = {}
): TaskIn<To> => ({ ...task, ...change, state: to })

/** The same question for states that were read from outside. */
export const isLegal = (from: TaskState, to: TaskState, by: string): boolean => {
  const row: { readonly [To in TaskState]?: ReadonlyArray<string> } = transitions[from]
  return row[to]?.includes(by) ?? false
}
