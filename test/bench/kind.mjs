/** A light kind without approval: the least that a task can be. */
export const kind = {
  name: "trivial",
  version: "v1",
  class: "light",
  risk: "none",
  effect: "idempotent",
  needsApproval: false,
  selfApproval: false,
  limits: { startToCloseMs: 60_000, scheduleToStartMs: null, scheduleToCloseMs: null, approvalTtlMs: 3_600_000 },
  retry: { attemptsMax: 3, baseMs: 1000, capMs: 60_000 }
}
