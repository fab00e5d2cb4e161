/**
 * How often each task may still be tried, recounted from what the scenario declared and what the log tells: a claim spends one try, a run
 * that was lost, given back or parked spends none, a recovery grants all of them anew, a person's word at least one more.
 */
import type { DeclaredKind, LogEvent } from "../History.ts"
import { text, whole } from "./Fold.ts"

/** So many runs in a row that are lost with their worker end a task (docs/timeouts.md, `prepare`). A step that succeeds begins the count anew. */
export const lossesMax = 10

/** A claim, with what was left before it. `left` is null where the scenario does not declare the kind. */
export interface Claim {
  readonly seq: number
  readonly task: string
  readonly attempt: number | null
  readonly due: number
  readonly left: number | null
  readonly losses: number
}

/** A task that failed for good, with what was left then. */
export interface Death {
  readonly seq: number
  readonly task: string
  readonly by: string
  readonly code: string | null
  readonly left: number | null
  /** Its own loss included, if it was one. */
  readonly losses: number
}

/** A retry: how long the task was told to wait, and the longest that was declared. */
export interface Pause {
  readonly seq: number
  readonly task: string
  readonly ms: number
  readonly most: number | null
}

export interface Budgets {
  readonly claims: ReadonlyArray<Claim>
  readonly deaths: ReadonlyArray<Death>
  readonly pauses: ReadonlyArray<Pause>
}

interface Account {
  kind: DeclaredKind | undefined
  left: number
  losses: number
  attempt: number
  parked: boolean
}

export const budgetsIn = (events: ReadonlyArray<LogEvent>, kinds: Readonly<Record<string, DeclaredKind>> = {}): Budgets => {
  const accounts = new Map<string, Account>()
  const found = { claims: new Array<Claim>(), deaths: new Array<Death>(), pauses: new Array<Pause>() }
  for (const event of events) {
    const { payload, seq, task, type } = event
    if (task === null) continue
    if (type === "task.requested") request(accounts, event, kinds)
    const account = accounts.get(task)
    if (account === undefined) continue
    const left = account.kind === undefined ? null : account.left
    if (type === "step.succeeded") account.losses = 0
    else if (type === "task.queued") queue(account, event, found.pauses)
    else if (type === "task.running") {
      const attempt = whole(payload, "attempt")
      found.claims.push({ seq, task, attempt, due: account.parked ? account.attempt : account.attempt + 1, left, losses: account.losses })
      account.attempt = attempt ?? account.attempt
      account.left -= 1
      account.parked = false
    } else if (type === "task.failed") {
      const by = text(payload, "by") ?? "nothing"
      found.deaths.push({ seq, task, by, code: text(payload, "code"), left, losses: account.losses + (by === "lease_lost" ? 1 : 0) })
    }
  }
  return found
}

const request = (accounts: Map<string, Account>, { payload, task }: LogEvent, kinds: Readonly<Record<string, DeclaredKind>>): void => {
  const known = accounts.get(task ?? "")
  if (known !== undefined) return text(payload, "by") === "recover" ? renew(known) : undefined
  const name = text(payload, "kind") ?? ""
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined
  accounts.set(task ?? "", { kind, left: kind?.attempts ?? 0, losses: 0, attempt: 0, parked: false })
}

const renew = (account: Account): void => {
  account.left = account.kind?.attempts ?? 0
  account.losses = 0
}

/** A run that came back by one of these spent no try. */
const unspent: ReadonlySet<string | null> = new Set(["suspend", "lease_lost", "hand_back"])

const queue = (account: Account, { at, payload, seq, task }: LogEvent, pauses: Array<Pause>): void => {
  const by = text(payload, "by")
  account.parked = by === "suspend"
  if (by === "recover") renew(account)
  if (by === "lease_lost") account.losses += 1
  if (by === "reconcile") account.left = Math.max(1, account.left)
  if (text(payload, "from") === "RUNNING" && unspent.has(by)) account.left += 1
  if (by === "retry") pauses.push({ seq, task: task ?? "", ms: (whole(payload, "available_at_ms") ?? at) - at, most: ceilingOf(account) })
}

const ceilingOf = ({ kind, left }: Account): number | null =>
  kind === undefined ? null : Math.min(kind.cap_ms, kind.base_ms * 2 ** Math.min(30, Math.max(0, kind.attempts - left - 1)))
