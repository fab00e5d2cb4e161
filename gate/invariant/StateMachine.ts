/**
 * The state machine of a task as the gate reads it in the product's description, and when the log may say that a task
 * moved. It shares nothing with the product's own table: the two are compared, event by event.
 */

export const states = ["REQUESTED", "APPROVED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"] as const
export type State = (typeof states)[number]

export const isState = (value: unknown): value is State => states.some((state) => state === value)

const terminal: ReadonlySet<State | null> = new Set(["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"] as const)
export const isTerminal = (state: State | null): boolean => terminal.has(state)

/** `task.running` → `RUNNING`; undefined for every event that is not a transition. */
export const enteredBy = (type: string): State | undefined => entered.get(type)
const entered: ReadonlyMap<string, State> = new Map(states.map((state) => [`task.${state.toLowerCase()}`, state]))

type Row = { readonly [To in State]?: ReadonlyArray<string> }

/** From, to, and the triggers that lead there. `NEW` is a task that does not exist yet. */
const table: Readonly<Record<State | "NEW", Row>> = {
  NEW: { REQUESTED: ["submit", "fork", "child", "schedule"] },
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
}

export const isLegal = (from: State | null, to: State, by: string): boolean => table[from ?? "NEW"][to]?.includes(by) ?? false
