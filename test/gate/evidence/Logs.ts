/**
 * Draws small runs from a number: one or two scenarios with tasks that live in every way that the log knows (approved, retried, lost, unknown, in
 * steps, as children, forks and ticks), what is kept beside them, and a scorecard. What is drawn is right in everything, so that the gate says GO.
 */
import type { BundleInput } from "../../../gate/evidence/Bundle.ts"
import type { Aside } from "../../../gate/evidence/Reader.ts"
import type { ControlTests, Effect, Journal, SelfTest, Simulation } from "../../../gate/History.ts"
import { sha256 } from "../../../gate/invariant/Canonical.ts"
import { acceptanceTable } from "../../../gate/scorecard/Bounds.ts"
import { begins, command, ends } from "../Garden.ts"
import { approved, asked, askedAbout, chain, done, type Draft, epoch, event, fault, intent, queued, queuedAgain, request, requested, running, scenario, started, succeeded, unknownOutcome } from "../invariant/Story.ts"

/** Mulberry32: the same number, the same draws. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  pick<A>(items: ReadonlyArray<A>): A {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error("nothing to pick from")
    return item
  }
}

/** A scenario that can still be changed; its log is chained when it is written. */
export interface Tale {
  readonly id: string
  drafts: Array<Draft>
  effects: Array<Effect> | null
  requests: Array<Journal["requests"][number]>
  faults: Array<Journal["faults"][number]>
  replays: Array<Journal["replays"][number]>
  over: Partial<Journal>
}

type Plain = Record<string, unknown>
export interface Card extends Plain {
  checks: Array<Plain & { id: string }>
}

export interface Run {
  readonly tales: Array<Tale>
  control: ControlTests | null
  simulation: Simulation | null
  selfTest: SelfTest | null
  card: Card
  board: Card
  /** The text of the scorecard that was released, and the ADR. */
  released: { text: string; adrText: string | null } | null
}

interface Life {
  readonly drafts: ReadonlyArray<Draft>
  readonly effects?: ReadonlyArray<Effect>
  readonly request?: Journal["requests"][number]
  /** More tasks than its own, which nobody asked for by a request. */
  readonly light?: true
}

const once = (task: string, turn = 1): ReadonlyArray<Effect> => [started(task, turn), done(task, turn)]
const never = { done_min: 0, done_max: 0 }
const work = (task: string) => [running(task), intent(task), succeeded(task)]
const idempotent = (task: string, turn: number) => intent(task, turn, { effect: "idempotent" })

const lives: Readonly<Record<string, (task: string) => Life>> = {
  plain: (task) => ({ drafts: [...asked(task), ...work(task)], effects: once(task), request: request(task) }),
  light: (task) => ({ drafts: [...asked(task, { class: "light" }), ...work(task)], effects: once(task), request: request(task, { class: "light" }), light: true }),
  approved: (task) => ({ drafts: [...askedAbout(task), ...work(task)], effects: once(task), request: request(task) }),
  retried: (task) => ({
    drafts: [...asked(task), running(task), intent(task), queuedAgain(task, "retry"), running(task, 2), intent(task, 2), succeeded(task, 2)],
    effects: [started(task), started(task, 2), done(task, 2)],
    request: request(task)
  }),
  lost: (task) => ({
    drafts: [...asked(task), running(task), idempotent(task, 1), queuedAgain(task, "lease_lost"), running(task, 2), idempotent(task, 2), succeeded(task, 2)],
    effects: [started(task), started(task, 2), done(task, 2)],
    request: request(task)
  }),
  failed: (task) => ({
    drafts: [...asked(task), running(task), event("task.failed", task, { from: "RUNNING", by: "settle", attempt: 1, generation: 1, code: "x", error: "" })],
    request: request(task, { expect: { states: ["FAILED"], ...never } })
  }),
  canceled: (task) => ({
    drafts: [requested(task), event("task.canceled", task, { from: "REQUESTED", by: "cancel", reason: "no", command: { op: "cancel", channel: "cli", key: null, reason: "no" } })],
    request: request(task, { expect: { states: ["CANCELED"], ...never } })
  }),
  expired: (task) => ({
    drafts: [requested(task, { holds: ["approval"] }), event("task.expired", task, { from: "REQUESTED", by: "expire", code: "approval_ttl" })],
    request: request(task, { expect: { states: ["EXPIRED"], ...never } })
  }),
  unknown: (task) => ({
    drafts: [
      ...asked(task), running(task), intent(task), unknownOutcome(task),
      succeeded(task, 1, { step: 1, outcome: "succeeded", command: { op: "reconcile", channel: "cli", key: null, reason: "looked" } })
    ],
    effects: once(task),
    request: request(task)
  }),
  open: (task) => ({
    drafts: [...asked(task), running(task), intent(task), unknownOutcome(task)],
    effects: [started(task)],
    request: request(task, { expect: { states: ["OUTCOME_UNKNOWN", "SUCCEEDED"], done_min: 0, done_max: 1 } })
  }),
  recovered: (task) => ({
    drafts: [
      requested(task), event("task.canceled", task, { from: "REQUESTED", by: "cancel", reason: "no", ...command("cancel", null, "no") }),
      event("task.requested", task, { from: "CANCELED", by: "recover", holds: [], ...command("recover", null, "after all") }), approved(task), queued(task), ...work(task)
    ],
    effects: once(task),
    request: request(task)
  }),
  family: (task) => {
    const [child, forked] = [`${task}-child`, `${task}-fork`]
    const again = { attempt: 1, generation: 2 }
    return {
      drafts: [
        ...asked(task), running(task), begins(task, 1), ends(task, 1), begins(task, 2), ends(task, 2, "failed"), begins(task, 2), ends(task, 2),
        requested(child, { by: "child", parent: task, parent_step: 3, key: null, command: null }), approved(child), queued(child),
        queuedAgain(task, "suspend", 1, { available_at_ms: null, waits: [`child:${child}`] }), ...work(child), running(task, 2, again), ends(task, 3, "succeeded", again), succeeded(task, 2, again),
        requested(forked, { by: "fork", forked_from: task, from_step: 2, key: `fork-${task}`, ...command("fork", `fork-${task}`, "again") }), approved(forked), queued(forked), running(forked), begins(forked, 2), ends(forked, 2), succeeded(forked)
      ],
      effects: [
        started(task, 1, { dispatch_key: `${task}:1` }), done(task, 1, { dispatch_key: `${task}:1` }), started(task, 1, { dispatch_key: `${task}:2` }),
        started(task, 1, { dispatch_key: `${task}:2` }), done(task, 1, { dispatch_key: `${task}:2` }), ...once(child), started(forked, 1, { dispatch_key: `${forked}:2` }), done(forked, 1, { dispatch_key: `${forked}:2` })
      ],
      request: request(task, { expect: { states: ["SUCCEEDED"], done_min: 2, done_max: 2 } })
    }
  },
  tick: (task) => ({
    drafts: [
      event("schedule.declared", null, { schedule: task, version: 1, every_ms: 1000, next_ms: 1_001_000 }),
      requested(task, { by: "schedule", schedule: task, tick_ms: 1_001_000, tick_by: "tick", key: `schedule:${task}`, command: null }), approved(task), queued(task), ...work(task)
    ],
    effects: once(task)
  })
}

/** One order of all, in which each keeps its own. */
const merged = (chance: Chance, many: ReadonlyArray<ReadonlyArray<Draft>>): Array<Draft> => {
  const left = many.map((one) => [...one])
  const out: Array<Draft> = []
  for (let open = left; open.length > 0; open = open.filter((one) => one.length > 0)) {
    const draft = chance.pick(open).shift()
    if (draft !== undefined) out.push(draft)
  }
  return out
}

const taleOf = (chance: Chance, id: string): Tale => {
  const kinds = Object.keys(lives)
  const drawn = ["plain", "plain", "retried", ...Array.from({ length: 3 + chance.below(4) }, () => chance.pick(kinds))]
  const told = drawn.map((kind, index) => lives[kind]?.(`${id}-${index + 1}`) ?? { drafts: [] })
  const requests = told.flatMap((life) => (life.request === undefined ? [] : [life.request]))
  const hit = requests.map(({ task }) => task ?? "")
  const replays = requests.slice(0, 1 + chance.below(2)).map(({ key, task }, index) => {
    const same_payload = index === 0
    return { key, op: "submit", same_payload, exit: same_payload ? 0 : 5, task: same_payload ? task : null, first_task: task }
  })
  return {
    id,
    drafts: [epoch(1), ...merged(chance, told.map(({ drafts }) => drafts)), event("write.fenced", hit[0] ?? null, { write: "settle", generation: 1, current_generation: 2 })],
    effects: told.flatMap(({ effects = [] }) => effects),
    requests,
    faults: [fault(`${id}/1`, hit.slice(0, 4), { class: "sigstop" }), fault(`${id}/2`, hit.slice(2, 3 + chance.below(3))), fault(`${id}/3`, hit.slice(0, 1), { class: "replay", must_hit: "stored" })],
    replays,
    over: {}
  }
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`)

const controlOf = (chance: Chance): ControlTests => {
  const declared = names("test", 2 + chance.below(4)).map((name) => ({ file: "a.test.ts", name }))
  return { v: 1, declared, results: declared.map((test) => ({ ...test, status: "passed" })) }
}

const simulationOf = (chance: Chance): Simulation => {
  const seeds = Array.from({ length: 4 + chance.below(5) }, (_, index) => ({
    seed: index + 1, digest: sha256(`seed ${index} ${chance.next()}`), events: 1 + chance.below(90), virtual_ms: 1000, failed: [], hits: { kill: 2 + chance.below(3), pause: 2 }, seen: { failed: 1, rescued: 1 }, twice: index < 2 ? true : null
  }))
  return { v: 1, declared: { seeds: seeds.length, twice: 2, fault_classes: ["kill", "pause"], measures: ["conservation"] }, seeds }
}

const selfTestOf = (chance: Chance): SelfTest => {
  const verdicts = Object.fromEntries(names("check", 3 + chance.below(4)).map((name) => [name, "PASS"]))
  const checks = Object.keys(verdicts)
  const families = ["tampering", "absence", "ancestor", "runtime"] as const
  const mutations = Array.from({ length: 12 }, (_, index) => {
    const [name, stray] = [checks[index % checks.length] ?? "", chance.pick(checks)]
    const isStray = stray !== name && chance.below(3) === 0
    return {
      id: `mutant-${index}`, family: families[index % 4] ?? "runtime", what: "Something.", baseline: "evidence", must_flip: [name], may_flip: isStray ? { [stray]: "both look at it" } : {},
      digest: sha256(`mutant ${index} ${chance.next()}`), after: { ...verdicts, [name]: "FAIL", ...(isStray ? { [stray]: "ERROR" } : {}) }, error: null
    }
  })
  return { v: 1, baselines: { evidence: { digest: sha256("baseline"), verdicts } }, mutations }
}

const check = (id: string, measure: string | null, over: Plain = {}) => ({
  id, title: `About ${id}`, measure, rule: "census", n_min: 1, population: "All.", traffic_classes: ["fault", "prodlike"], worlds: ["machine"], exclusions: [], remedy: `Look at ${id}.`, ...over
})

const simulated = { worlds: ["simulation"] }
const missed = { exclusions: ["it missed what it had to hit"] }
const mutant = { exclusions: ["the same change under another name", "the scorecard asks nothing that it breaks"] }

const cardOf = (): Card => ({
  v: 1, name: "drawn", title: "A drawn scorecard", ceiling: "GO", censored_max_ppm: 50_000,
  checks: [
    check("complete", "scenariosComplete"), check("faults", "faultsHit", missed), check("legal", "legalTransitions"), check("conservation", "conservation", { key: true }),
    check("conserved", "jobsConserved", { exclusions: ["not answered and not stored"] }), check("ends", "tasksEndRight", { exclusions: [] }), check("no-duplicate", "noDuplicateHeavy", { rule: "zero", exclusions: ["not heavy"] }),
    check("permitted", "effectsPermitted"), check("fenced", "writesFenced"), check("late", "lateWritesSeen"), check("traced", "traceability"), check("deduplicated", "commandsDeduplicated", { rule: "zero" }),
    check("recovered", "interruptedRecovered", { rule: "rate_at_most", threshold_ppm: 600_000, acceptance: acceptanceTable(400_000, 4), exclusions: ["replays interrupt nothing"] }),
    check("mostly-conserved", "conservation", { rule: "rate_at_least", threshold_ppm: 400_000, acceptance: acceptanceTable(400_000, 6), n_min: 4 }),
    check("control", "controlInvariants"), check("seeds", "seedsHold", { ...simulated, rule: "zero" }), check("repeat", "seedsRepeat", simulated), check("classes", "faultClassesHit", { ...simulated, strata_min: 2 }),
    check("self-test", "mutantsCaught", mutant), check("product", "runtimeMutantsCaught", mutant), check("can-fail", "checksCanFail"), check("occurs", "everythingOccurs", { worlds: ["machine", "simulation"] })
  ]
})

const boardOf = (): Card => ({
  v: 1, name: "drawn-board", title: "A drawn board", ceiling: "GO", censored_max_ppm: 50_000,
  window: { zone: null, tests: { kinds: ["probe*"], actors: ["cli:test"] }, machines: [], maintenance: [] },
  checks: [
    check("heavy", "heavySuccess", { worlds: ["production"], rule: "rate_at_least", threshold_ppm: 500_000, acceptance: acceptanceTable(500_000, 3), parameters: { end_within_ms: 500_000 }, exclusions: ["it was made to end otherwise", "somebody canceled it before it failed once"] }),
    check("traced", "traceability", { weight: 60, key: true }), check("hours", "virtualHours", { worlds: ["machine", "simulation"], exclusions: ["it was not simulated"], weight: 30 }), check("unmeasured", null, { weight: 10 }),
    check("score", null, { rule: "score", threshold_ppm: 500_000, n_min: 100 })
  ]
})

export const drawn = (chance: Chance): Run => ({
  tales: ["one", "two"].slice(0, 1 + chance.below(2)).map((id) => taleOf(chance, id)),
  control: controlOf(chance), simulation: simulationOf(chance), selfTest: selfTestOf(chance), card: cardOf(), board: boardOf(), released: null
})

const lines = (records: ReadonlyArray<unknown>): string => records.map((record) => `${JSON.stringify(record)}\n`).join("")
export const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** What a gate would have of a run before it judges. */
export const written = ({ board, card, control, released, selfTest, simulation, tales }: Run): Pick<BundleInput, "scenarios" | "scorecardText" | "boardText" | "released"> & { readonly aside: Aside } => ({
  scenarios: tales.map(({ drafts, effects, faults, id, over, replays, requests }) => ({
    id,
    journal: scenario({ id, scenario: { faults: [{ class: "sigkill", must_hit: "running", count: 1 }] }, journal: { seed: id.length, requests, faults, replays, ...over } }).journal ?? never_(id),
    eventsText: lines(chain(drafts, `store-${id}`)),
    effectsText: effects === null ? null : lines(effects)
  })),
  aside: { control, simulation, selfTest },
  scorecardText: pretty(card),
  boardText: pretty(board),
  released
})

const never_ = (id: string): never => {
  throw new Error(`${id} has no journal`)
}
