/** A policy as people write it. `policy.schema.json` says what each member means; `PolicyFile.ts` makes the policy of it that rules ask. */
import type { Mode } from "./Policy.ts"
import type { Role } from "./Role.ts"

export interface DemandEntry {
  readonly approvals?: number
  readonly approver?: string
  readonly plan?: boolean
  readonly review?: boolean
  readonly ttl?: string
}

export interface MatcherEntry {
  readonly words?: ReadonlyArray<string>
  readonly paths?: ReadonlyArray<string>
}

export interface PolicyEntry {
  readonly v: 1
  readonly mode?: Mode
  readonly allow?: { readonly light?: ReadonlyArray<string>; readonly heavy?: ReadonlyArray<string> }
  readonly deny?: ReadonlyArray<MatcherEntry & { readonly name: string; readonly why: string }>
  readonly risks?: Readonly<Record<string, MatcherEntry & DemandEntry>>
  readonly kinds?: Readonly<Record<string, DemandEntry>>
  readonly heavy?: DemandEntry
  readonly self_approval?: ReadonlyArray<string>
  readonly roles?: Readonly<Record<string, Role>>
}
