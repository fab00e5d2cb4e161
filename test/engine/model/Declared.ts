/** The kinds that are declared while a sequence is played: with people and without, with limits and without, and one that goes. */
import type { Kind } from "../../../src/domain/Kind.ts"
import { oneApproval, policyByDefault } from "../../../src/domain/Policy.ts"

const light = {
  class: "light",
  risk: "none",
  effect: "idempotent",
  needsApproval: false,
  selfApproval: false,
  limits: { startToCloseMs: 60_000, scheduleToStartMs: null, scheduleToCloseMs: null, approvalTtlMs: 3_600_000 },
  retry: { attemptsMax: 3, baseMs: 1_000, capMs: 60_000 }
} as const satisfies Partial<Kind>

const heavy = { ...light, class: "heavy", effect: "dangerous", needsApproval: true, retry: { attemptsMax: 1, baseMs: 0, capMs: 0 } } as const

export const kindNames = ["report", "hasty", "deploy", "own", "careful"] as const

/** The schedules that are declared in a sequence, or gone. */
export const scheduleNames = ["pulse", "cron"] as const

/** The version in which `own` is declared no more. */
const goneAt = 3
export const versionMax = goneAt

/** The kinds as they are declared in this version, from 1; that of `own` counts. */
export const kindsOf = (version: number): ReadonlyMap<string, Kind> => declared[version - 1] ?? new Map()

const declaredIn = (version: number): ReadonlyMap<string, Kind> => {
  const kinds: ReadonlyArray<Kind> = [
    { ...light, name: "report", version: "v1" },
    {
      ...light,
      name: "hasty",
      version: "v1",
      limits: { startToCloseMs: 1_000, scheduleToStartMs: 5_000, scheduleToCloseMs: 20_000, approvalTtlMs: 60_000 },
      retry: { attemptsMax: 2, baseMs: 10, capMs: 100 }
    },
    { ...heavy, name: "deploy", version: "v1", limits: { ...light.limits, approvalTtlMs: 60_000 } },
    { ...heavy, name: "own", version: `v${version}`, selfApproval: true },
    { ...heavy, name: "careful", version: "v1", policy: { ...policyByDefault, version: `p${Math.min(version, 2)}`, heavy: { ...oneApproval, approvals: 2, plan: true, review: true } } }
  ]
  return new Map(kinds.filter(({ name }) => name !== "own" || version < goneAt).map((kind) => [kind.name, kind]))
}

const declared = Array.from({ length: versionMax }, (_, index) => declaredIn(index + 1))
