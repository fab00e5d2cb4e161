/**
 * The queue of updates. An update is gone as soon as a poll asks with a higher offset, and not before; what nobody fetched is
 * kept for a day. One poll waits at a time.
 */
import type { Chance } from "./Chance.ts"
import type { Clock } from "./Clock.ts"
import { ApiError, type Update } from "./Wire.ts"

const keptMs = 24 * 3_600_000
export const limitMax = 100

/** Kinds that come only to who names them in allowed_updates. */
const asked = ["chat_member", "message_reaction", "message_reaction_count"]

interface Kept {
  readonly update: Update
  readonly atMs: number
  deliveries: number
}

export interface UpdateState {
  readonly update_id: number
  readonly deliveries: number
  readonly confirmed: boolean
}

export interface PollAsk {
  readonly offset: number
  readonly limit: number
  readonly timeoutMs: number
}

export interface Updates {
  /** The id of the new update, or null for a kind that the bot does not want. */
  readonly push: (kind: string, body: unknown) => number | null
  readonly pending: () => ReadonlyArray<Update>
  readonly states: () => ReadonlyArray<UpdateState>
  readonly isConfirmed: (id: number) => boolean
  /** Waits for the first update or the end of the time. A poll that waits already is ended with 409. `gone` says that nobody waits any more. */
  readonly poll: (ask: PollAsk, gone: AbortSignal) => Promise<ReadonlyArray<Update>>
  readonly isPolled: () => boolean
  readonly allow: (kinds: ReadonlyArray<string>) => void
  readonly allowed: () => ReadonlyArray<string>
  readonly confirm: (id: number) => void
  readonly dropAll: () => void
  /** What was delivered by the poll before, whether it was confirmed or not. */
  readonly lately: () => ReadonlyArray<Update>
  readonly delivered: (id: number) => void
  readonly endPoll: () => void
}

export const makeUpdates = (clock: Clock, chance: Chance, changed: () => void, firstId?: number): Updates => {
  let next = firstId ?? 100_000_000 + Math.floor(chance.draw() * 800_000_000)
  let allowed: ReadonlyArray<string> = []
  let queue: Array<Kept> = []
  let lately: ReadonlyArray<Update> = []
  const known = new Map<number, { deliveries: number; confirmed: boolean }>()
  let waiter: { readonly wake: () => void; readonly conflict: () => void } | null = null

  const leave = (gone: (kept: Kept) => boolean): void => {
    for (const { update } of queue.filter(gone)) known.set(update.update_id, { deliveries: known.get(update.update_id)?.deliveries ?? 0, confirmed: true })
    queue = queue.filter((kept) => !gone(kept))
  }

  const take = (offset: number, limit: number): ReadonlyArray<Update> => {
    const now = clock.nowMs()
    queue = queue.filter(({ atMs }) => now - atMs < keptMs)
    const last = queue.slice(offset)[0]?.update.update_id ?? 0
    const from = offset < 0 ? last : offset
    const before = queue.length
    leave(({ update }) => update.update_id < from)
    if (queue.length !== before) changed()
    const batch = queue.slice(0, limit)
    for (const kept of batch) count(kept)
    if (batch.length > 0) lately = batch.map(({ update }) => update)
    return batch.map(({ update }) => update)
  }

  const count = (kept: Kept): void => {
    kept.deliveries++
    known.set(kept.update.update_id, { deliveries: kept.deliveries, confirmed: false })
  }

  const poll = ({ limit, offset, timeoutMs }: PollAsk, gone: AbortSignal): Promise<ReadonlyArray<Update>> => {
    waiter?.conflict()
    const now = take(offset, limit)
    if (now.length > 0 || timeoutMs <= 0 || gone.aborted) return Promise.resolve(now)
    return new Promise((resolve, reject) => {
      const end = (then: () => void) => (): void => {
        if (waiter === mine) waiter = null
        cancel()
        gone.removeEventListener("abort", leaveIt)
        then()
      }
      const leaveIt = end(() => resolve([]))
      const wake = end(() => resolve(take(offset, limit)))
      const conflict = end(() => reject(new ApiError(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")))
      const cancel = clock.later(timeoutMs, wake)
      const mine = { wake, conflict }
      waiter = mine
      gone.addEventListener("abort", leaveIt)
      changed()
    })
  }

  return {
    push: (kind, body) => {
      const wanted = allowed.length === 0 ? !asked.includes(kind) : allowed.includes(kind)
      if (!wanted) return null
      const update: Update = { update_id: next++, [kind]: body }
      queue.push({ update, atMs: clock.nowMs(), deliveries: 0 })
      known.set(update.update_id, { deliveries: 0, confirmed: false })
      waiter?.wake()
      changed()
      return update.update_id
    },
    pending: () => queue.map(({ update }) => update),
    states: () => [...known].map(([update_id, { confirmed, deliveries }]) => ({ update_id, deliveries, confirmed })),
    isConfirmed: (id) => known.get(id)?.confirmed === true,
    poll,
    isPolled: () => waiter !== null,
    allow: (kinds) => {
      allowed = kinds
    },
    allowed: () => allowed,
    confirm: (id) => {
      leave(({ update }) => update.update_id === id)
      changed()
    },
    dropAll: () => {
      leave(() => true)
      changed()
    },
    lately: () => lately,
    delivered: (id) => {
      const kept = queue.find(({ update }) => update.update_id === id)
      if (kept !== undefined) count(kept)
    },
    endPoll: () => waiter?.conflict()
  }
}
