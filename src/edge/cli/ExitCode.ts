/** Exit codes, the same for every verb but `gate` and `verify`. */
import type { CommandFailed } from "../../control/Commands.ts"

export const exitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  notAuthorised: 3,
  notFound: 4,
  conflict: 5,
  waiting: 6,
  degraded: 7,
  partial: 8,
  unreachable: 69,
  waitTimeout: 124,
  interrupted: 130
} as const

/** What a refused or failed command exits with. */
const byTag = {
  TaskNotFound: exitCode.notFound,
  TaskAmbiguous: exitCode.usage,
  TransitionRefused: exitCode.conflict,
  HoldsOpen: exitCode.waiting,
  OutcomeUnknown: exitCode.conflict,
  LeaseLost: exitCode.conflict,
  LeaseInForce: exitCode.conflict,
  ReasonMissing: exitCode.usage,
  SelfApproval: exitCode.notAuthorised,
  NotAllowed: exitCode.notAuthorised,
  PolicyDenied: exitCode.notAuthorised,
  AlreadyApproved: exitCode.conflict,
  ApprovalStale: exitCode.conflict,
  ReviewRefused: exitCode.usage,
  ApprovalVoid: exitCode.waiting,
  ApprovalLapsed: exitCode.conflict,
  ForkRefused: exitCode.conflict,
  KindGone: exitCode.conflict,
  SignalRefused: exitCode.conflict,
  UniqueTaken: exitCode.conflict,
  DebounceRefused: exitCode.conflict,
  StepNotRecorded: exitCode.conflict,
  ScheduleNotFound: exitCode.notFound,
  ScheduleRefused: exitCode.conflict,
  KeyConflict: exitCode.conflict,
  PlanStale: exitCode.conflict,
  UpdateNotDead: exitCode.notFound,
  TaskPruned: exitCode.conflict,
  NothingMatched: exitCode.failure,
  TooManyMatched: exitCode.usage,
  BulkNotFound: exitCode.notFound,
  ItemNotStored: exitCode.failure,
  KindUnknown: exitCode.notFound,
  PayloadRefused: exitCode.usage,
  AskMalformed: exitCode.usage,
  CommandTimedOut: exitCode.failure,
  EngineUnavailable: exitCode.failure
} as const satisfies Record<CommandFailed["_tag"], number>

/** And what the command line itself may run into. */
const ownByTag = {
  ConfigRefused: exitCode.usage,
  DatabaseRefused: exitCode.failure,
  InstanceLocked: exitCode.conflict,
  TargetExists: exitCode.conflict,
  BackupRefused: exitCode.failure,
  BackupStopped: exitCode.interrupted,
  EventsLost: exitCode.failure,
  NothingLost: exitCode.conflict,
  LossRefused: exitCode.conflict,
  Broken: exitCode.unreachable,
  SocketUnavailable: exitCode.failure,
  Usage: exitCode.usage
} as const

const codes: Readonly<Record<string, number>> = { ...byTag, ...ownByTag }

export const exitCodeOf = (tag: string): number => codes[tag] ?? exitCode.failure
