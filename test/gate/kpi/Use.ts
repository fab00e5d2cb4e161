/** Spans of use for the tests of measures: production, told as in `Story.ts`, with the rules that a scorecard would give. */
import type { LogEvent, RunHistory, Sample, WindowRules } from "../../../gate/History.ts"
import { type Draft, event, run, scenario } from "../invariant/Story.ts"

export const rules: WindowRules = { zone: null, tests: { kinds: [], actors: [] }, machines: [], maintenance: [] }

export const minute = 60_000
export const hour = 60 * minute
export const day = 24 * hour
/** 2026-11-20T00:00:00Z, when spans begin unless a test says otherwise. */
export const start = 1_795_132_800_000

interface Use {
  readonly events?: ReadonlyArray<Draft>
  readonly summaries?: ReadonlyArray<Sample>
  readonly fromMs?: number
  readonly toMs?: number
  readonly zone?: string
  readonly rules?: Partial<WindowRules>
}

/** A window of production; one hour if nothing is said. */
export const use = ({ events = [], fromMs = start, rules: more = {}, summaries = [], toMs = fromMs + hour, zone = "UTC" }: Use): RunHistory => ({
  ...run(scenario({
    id: "window",
    events,
    scenario: { traffic_class: "operator" },
    journal: { started_at: fromMs, ended_at: toMs, world: "production", window: { zone, pruned: 0 }, summaries }
  })),
  rules: { ...rules, ...more }
})

/** The same event at another instant, so many milliseconds after the start. */
export const at = (ms: number, draft: Draft): Draft => ({ ...draft, at: start + ms })

/** The same event as the first of a person's command. */
export const commanded = (op: string, draft: Draft, actor = "cli:ada"): Draft =>
  ({ ...draft, actor, payload: { ...draft.payload, command: { op, channel: "cli", key: null, reason: null } } })

export const pressed = (ms: number, actor = "cli:ada", task: string | null = null): Draft => at(ms, commanded("submit", event("command.accepted", task), actor))

/** A server with leases of 15 s, four heartbeats in the time of one. `heldUntil` is until when the last epoch was kept. */
export const epoch = (ms: number, number: number, heldUntil?: number, more: LogEvent["payload"] = {}): Draft =>
  at(ms, event("epoch.started", null, {
    epoch: number, why: "boot", lease_ms: 15_000, beat_ms: 3_750,
    last: number === 1 ? null : { epoch: number - 1, lease_until_ms: start + (heldUntil ?? ms) }, ...more
  }))
export const ended = (ms: number, number: number): Draft => at(ms, event("epoch.ended", null, { epoch: number }))
/** What a look at the file tells of the last epoch. */
export const seen = (ms: number, number: number, heldUntil: number): Sample =>
  ({ at: start + ms, summary: { epoch: { epoch: number, lease_until_ms: start + heldUntil } } })
