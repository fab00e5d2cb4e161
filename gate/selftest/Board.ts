/** What breaks the lines of the board: commands, incidents, traces, the tests of the control invariants, the simulation. */
import { controlFile, readBundle, simulationFile } from "../evidence/Reader.ts"
import type { ControlTests, Simulation } from "../History.ts"
import { broken, inJournal, inLog, isSilent } from "./Broken.ts"
import { type Draft, NotMade } from "./Draft.ts"
import { measure, type Mutant } from "./Mutant.ts"

const hourMs = 3_600_000

const board = (name: string, what: string, measured: ReadonlyArray<string>, apply: (draft: Draft) => void, also: Mutant["also"] = {}): Mutant =>
  ({ id: `tampering/${name}`, family: "tampering", hand: "run", what, flips: measured.map(measure), apply, also })

const inControl = (change: (control: ControlTests) => ControlTests) => (draft: Draft): void => {
  const { control } = readBundle(draft.files).history
  if (control === null || control === undefined) throw new NotMade({ why: "the bundle has no results of control tests" })
  draft.writeJson(controlFile, change(control))
}

const inSimulation = (change: (simulation: Simulation) => Simulation) => (draft: Draft): void => {
  const { simulation } = readBundle(draft.files).history
  if (simulation === null || simulation === undefined) throw new NotMade({ why: "the bundle has no simulation" })
  draft.writeJson(simulationFile, change(simulation))
}

const firstOf = <A>(items: ReadonlyArray<A>, change: (item: A) => A): ReadonlyArray<A> => items.map((item, index) => (index === 0 ? change(item) : item))

export const boards: ReadonlyArray<Mutant> = [
  board("answers-late", "Commands in chats were answered long after their deadline.", ["commandSuccess"], (draft) =>
    draft.rewriteAll(({ journal }) => {
      const { chat, scenario } = journal
      const allowedMs = scenario.limits.command_ms
      if (chat === undefined || allowedMs === undefined) return {}
      return { journal: { ...journal, chat: { ...chat, commands: chat.commands.map((command) => (command.at === undefined ? command : { ...command, at: command.at - 2 * allowedMs })) } } }
    })),
  board("incidents-long", "What faults broke was not well again for an hour.", ["mttr", "mttrMean"], (draft) =>
    draft.rewriteAll(({ journal }) => ({ journal: { ...journal, faults: journal.faults.map((fault) => ({ ...fault, at: fault.at - hourMs })) } })), { repeatsExplained: "a repeat is explained by a fault at its instant", promisesKept: "what is promised is counted from the fault" }),
  broken("trace-torn", "The end of a task belongs to another trace than its request.", "traceability", "a task that succeeded", inLog(
    ({ task, type }, scene) => type === "task.succeeded" && isSilent(task, scene),
    (event) => ({ ...event, trace: "0123456789abcdef0123456789abcdef" })
  )),
  broken("job-in-two-places", "By what it entered and left, a task is in two states.", "conservation", "a task that was queued", inLog(
    ({ payload, task, type }, scene) => type === "task.queued" && payload?.["from"] === "APPROVED" && isSilent(task, scene),
    (event) => ({ ...event, payload: { ...event.payload, from: "REQUESTED" } })
  ), { jobsConserved: "it asks the same of every request", legalTransitions: "no such move is in the table" }),
  board("control-test-skipped", "A test of the control invariants was skipped.", ["controlInvariants"], inControl((control) => ({ ...control, results: firstOf(control.results, (result) => ({ ...result, status: "skipped" as const })) }))),
  board("seed-failed", "A seed of the simulation broke what it had to keep.", ["seedsHold"], inSimulation((simulation) => ({ ...simulation, seeds: firstOf(simulation.seeds, (seed) => ({ ...seed, failed: ["jobsConserved"] })) }))),
  board("seed-not-repeated", "A seed gave another log when it was run again.", ["seedsRepeat"], inSimulation((simulation) => ({ ...simulation, seeds: simulation.seeds.map((seed) => (seed.twice === true ? { ...seed, twice: false } : seed)) }))),
  board("fault-class-without-hit", "A class of faults never struck anything.", ["faultClassesHit"], inSimulation((simulation) => {
    const [missed] = simulation.declared.fault_classes
    return { ...simulation, seeds: simulation.seeds.map((seed) => ({ ...seed, hits: Object.fromEntries(Object.entries(seed.hits).filter(([name]) => name !== missed)) })) }
  })),
  board("soak-short", "The soak lasted no hour.", ["virtualHours"], (draft) =>
    draft.rewrite("a soak", inJournal((journal) => (journal.world === "simulation" ? { started_at: journal.ended_at - hourMs / 2 } : null))), { uptime: "less time was seen" })
]
