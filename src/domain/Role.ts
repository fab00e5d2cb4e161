/**
 * Who may ask for what. Roles come with the actor from authentication, never from the request. This table is asked before every
 * other rule; what it denies is on record as `command.denied`.
 */
import type { Op } from "./Command.ts"
import type { ScheduleAsk } from "./ScheduleAsk.ts"

/**
 * - `viewer` looks. - `requester` asks for work, and steers what he asked for himself. - `approver`, `reviewer` say yes or no.
 * - `operator` steers work, queues and schedules. - `admin` does that too, and breaks the glass.
 *
 * A policy file may name further roles; each of them is one of these as well.
 */
export const roles = ["viewer", "requester", "approver", "reviewer", "operator", "admin"] as const
export type Role = (typeof roles)[number]

export const isRole = (text: string): text is Role => roles.some((role) => role === text)

/** What changes the file as a whole from the command line, where there may be no log yet to record it in. */
export type FileOp = "restore" | "accept_loss"

/** Whatever may be asked at a door. */
export type AnyOp = Op | ScheduleAsk["op"] | "bulk" | "bulk.stop" | "prune" | "release" | "read" | "chat_replay" | FileOp

interface Permission {
  readonly all: ReadonlyArray<Role>
  /** These only about a task that they asked for themselves. */
  readonly own?: ReadonlyArray<Role>
}

const operators: ReadonlyArray<Role> = ["operator", "admin"]
const steering: Permission = { all: operators }
const steeringOwn: Permission = { all: operators, own: ["requester"] }

/** What each op takes. To approve and to review takes that very role, whatever else somebody is. */
export const permissions = {
  submit: { all: ["requester", "operator", "admin"] },
  approve: { all: ["approver"] },
  reject: { all: ["approver", "reviewer", "operator", "admin"], own: ["requester"] },
  plan: steeringOwn,
  review: { all: ["reviewer"] },
  break_glass: { all: ["admin"] },
  resume: steeringOwn,
  cancel: steeringOwn,
  kill: steering,
  recover: steering,
  dismiss: steering,
  reconcile: steering,
  fork: steering,
  signal: steeringOwn,
  pause_queue: steering,
  resume_queue: steering,
  "schedule-pause": steering,
  "schedule-resume": steering,
  "schedule-run": steering,
  "schedule-backfill": steering,
  bulk: steering,
  "bulk.stop": steering,
  prune: steering,
  release: steering,
  chat_replay: steering,
  // What is redacted otherwise, and the record of everybody's commands.
  read: steeringOwn,
  restore: { all: ["admin"] },
  accept_loss: { all: ["admin"] }
} as const satisfies Record<AnyOp, Permission>

/** Whether somebody with these roles may ask for it. `own`: it is about a task that he asked for. */
export const mayAsk = (op: AnyOp, held: ReadonlyArray<string>, own: boolean): boolean => {
  const { all, own: ofOwn = [] }: Permission = permissions[op]
  return held.some((role) => all.some((one) => one === role) || (own && ofOwn.some((one) => one === role)))
}

/** The roles of which one is needed. */
export const rolesFor = (op: AnyOp): ReadonlyArray<Role> => permissions[op].all
