/**
 * What a report does not show, in a sentence each. What was broken is told from the faults that did strike, so that no fixed sentence can
 * claim more, or less, than the run did.
 */
import type { FaultClass, Journal, Simulation, Trial, TrialKind } from "../History.ts"

const words = {
  sigkill: "processes that are killed",
  sigstop: "processes that stand still and go on",
  replay: "commands that are sent again",
  poll_fault: "polls of the chat service that go wrong",
  send_fault: "messages that cannot be sent",
  command_lost: "supervisors that are lost with their command",
  busy: "a file that is locked",
  full: "a full disk",
  io: "disk errors on write",
  sync: "syncs that fail",
  clock: "clocks that are set",
  sigterm: "servers that are told to end in the middle of work",
  sigterm_twice: "servers that are told so twice",
  second_server: "a second server on the same file",
  wal_damage: "a write-ahead log that is cut, torn or gone",
  read_only: "a file that may only be read",
  power_loss: "power cuts, by a replay of what was written up to any sync"
} as const satisfies Record<FaultClass | "power_loss", string>
type Met = keyof typeof words

/** What the trials of the operating system's tools break, by the same words. */
const trialAs = { power_loss: "power_loss", io_error: "io", full_disk: "full", read_only: "read_only", clock: "clock" } as const satisfies Record<TrialKind, Met>

/** For these there is no class of faults and no trial. */
const never = ["broken hardware"] as const

const isClass = (name: string): name is Met => name in words
const classes = Object.keys(words).filter(isClass)

export interface LimitsInput {
  readonly journals: ReadonlyArray<Journal>
  readonly simulation: Simulation | null
  readonly comparesEarlier: boolean
  /** A window of use, and no run of scenarios. */
  readonly ofUse: boolean
}

export const limitsOf = ({ comparesEarlier, journals, ofUse, simulation }: LimitsInput): ReadonlyArray<string> => {
  const isSimulated = simulation !== null || journals.some(({ world }) => world === "simulation")
  return [
    "Every bound assumes that units fail independently of each other; a burst in one scenario counts as many.",
    ...(ofUse ? ["Nothing was broken on purpose: what did not go wrong by itself in this window is not shown."] : faultLimits(journals, simulation)),
    "A count of zero failures does not mean that none can happen; the bound says how many the sample cannot rule out.",
    "The signature shows that nothing changed since signing; it does not show who ran the gate, nor when.",
    ...(comparesEarlier ? ["Earlier runs are compared with as their files on this machine tell; they are not verified again."] : []),
    ...(isSimulated ? ["In the simulation clock, disk, network and processes are models of our own; what the models leave out cannot fail in it."] : []),
    ...(ofUse ? ["What people only read is not seen, so their time is a lower bound; neither is an outage that is shorter than the heartbeats that may be missing."] : [])
  ]
}

const faultLimits = (journals: ReadonlyArray<Journal>, simulation: Simulation | null): ReadonlyArray<string> => {
  const real = struckIn(journals.filter(({ world = "machine" }) => world === "machine"))
  const simulated = new Set([...struckIn(journals.filter(({ world }) => world === "simulation")), ...(simulation?.seeds ?? []).flatMap(({ hits }) => Object.keys(hits).filter((name) => (hits[name] ?? 0) > 0))])
  const only = classes.filter((name) => !real.has(name) && simulated.has(name))
  const none = classes.filter((name) => !real.has(name) && !simulated.has(name))
  return [
    `On one machine with one disk, real processes met ${listed(classes.filter((name) => real.has(name)))}.`,
    ...(only.length === 0 ? [] : [`Only in the simulation, and to no real process, happened ${listed(only)}.`]),
    `In this run nothing met ${[...none.map((name) => words[name]), ...never].join(", ")}.`
  ]
}

const listed = (names: ReadonlyArray<Met>): string => (names.length === 0 ? "nothing that was broken on purpose" : names.map((name) => words[name]).join(", "))

/** A fault without a hit, and whatever has no witness, shows nothing. */
const struckIn = (journals: ReadonlyArray<Journal>): ReadonlySet<string> =>
  new Set(journals.flatMap((journal) => [
    ...journal.faults.flatMap(({ class: name, hit, witness }) => (hit.length > 0 && witness !== null ? [name] : [])),
    ...trialsIn(journal).flatMap(({ kind, witness }) => (witness === null ? [] : [trialAs[kind]]))
  ]))

// Where syncs are ignored on purpose a checker is tried, and not the product.
const trialsIn = ({ trials = [] }: Journal): ReadonlyArray<Trial> => trials.filter(({ lie = false }) => !lie)

export interface Broken {
  readonly name: string
  readonly what: string
  readonly where: string
  readonly injected: number
  readonly hit: number
  readonly witnesses: string
}

/** By class and by world: what was injected in the scenarios, how much of it struck what it had to, and who saw that. */
export const brokenIn = (journals: ReadonlyArray<Journal>): ReadonlyArray<Broken> => {
  const all = journals.flatMap((journal) => {
    const where = journal.world ?? "machine"
    return [
      ...journal.faults.map(({ class: name, hit, witness }) => ({ where, name, what: words[name], witness, isHit: hit.length > 0 && witness !== null })),
      ...trialsIn(journal).map(({ kind, witness }) => ({ where, name: `${kind} (trial)`, what: words[trialAs[kind]], witness, isHit: witness !== null }))
    ]
  })
  const groups = [...new Set(all.map(({ name, where }) => `${where} ${name}`))].sort()
  return groups.flatMap((group): ReadonlyArray<Broken> => {
    const own = all.filter(({ name, where }) => `${where} ${name}` === group)
    const [first] = own
    if (first === undefined) return []
    const witnesses = [...new Set(own.flatMap(({ witness }) => (witness === null ? [] : [sayers[witness.kind] ?? witness.kind])))].sort()
    return [{ name: first.name, what: first.what, where: first.where, injected: own.length, hit: own.filter(({ isHit }) => isHit).length, witnesses: witnesses.join(", ") || "nobody" }]
  })
}

const sayers: Readonly<Record<string, string>> = { exit: "the exit of the process", proc_stat: "the kernel's state of the process", locks: "the kernel's list of locks", errno: "the kernel's refusal", answer: "the answer of the product", record: "the record of the chat service" }
