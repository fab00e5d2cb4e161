/**
 * The states of a task: the one place where they are named. A new state makes the compiler point at everything that must
 * have an opinion about it, starting with the table in `Transition.ts`.
 */

export const taskStates = ["REQUESTED", "APPROVED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"] as const
export type TaskState = (typeof taskStates)[number]

/** Whether a state is left only by an explicit recovery. */
export const isTerminal = {
  REQUESTED: false,
  APPROVED: false,
  QUEUED: false,
  RUNNING: false,
  SUCCEEDED: true,
  FAILED: true,
  CANCELED: true,
  EXPIRED: true
} as const satisfies Record<TaskState, boolean>

/** How many characters at the end of an id the short form shows to people. */
export const shortIdLength = 6
export const shortId = (id: string): string => id.slice(-shortIdLength).toLowerCase()
