/**
 * An approval is good for its time and no longer: what people said yes to is dispatched before the time to live of the request is over,
 * counted from when they were asked last. Whether they said it, and to what, is `runsApproved`'s.
 *
 * Unit: a dispatch of a task about which people were asked, of a kind that the scenario declares.
 */
import type { Measure } from "../Verdict.ts"
import { text } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const approvalsInForce: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, log, units) => {
    const askedAt = new Map<string, number>()
    for (const { at, payload, seq, task, type } of events) {
      if (task === null) continue
      if (type === "approval.voided") askedAt.set(task, at)
      if (type === "task.requested") {
        if (Array.isArray(payload?.["holds"]) && payload["holds"].length > 0) askedAt.set(task, at)
        else askedAt.delete(task)
      }
      // A recovery goes on under an approval that is still good, whatever the end was.
      if (type !== "task.queued" || !isDispatch(text(payload, "from"))) continue
      const [asked, kind] = [askedAt.get(task), kindOf(log.tasks.get(task)?.kind, journal.kinds)]
      if (asked === undefined) units.excluded("nobody had to be asked")
      else if (kind === undefined) units.excluded("its kind is not declared")
      else if (at < asked + kind.approval_ttl_ms) units.good()
      else units.bad(`${id}, seq ${seq}, task ${task}: it was dispatched ${at - asked} ms after people were asked, and their yes was good for ${kind.approval_ttl_ms} ms`)
    }
  })

const isDispatch = (from: string | null): boolean => from === "APPROVED" || from === "FAILED" || from === "CANCELED"

const kindOf = <A>(name: string | null | undefined, kinds: Readonly<Record<string, A>> = {}): A | undefined =>
  typeof name === "string" && Object.hasOwn(kinds, name) ? kinds[name] : undefined
