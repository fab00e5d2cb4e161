/** Evidence that is not there. What is missing may make a verdict worse, and never better. */
import { scorecardFile } from "../evidence/Bundle.ts"
import { effectsFile, eventsFile, journalFile, readBundle, simulationFile } from "../evidence/Reader.ts"
import { envelopeFile } from "../evidence/Sums.ts"
import type { LogEvent } from "../History.ts"
import { type Draft, NotMade, rechained, type Scene } from "./Draft.ts"
import { aspect, measure, type Mutant } from "./Mutant.ts"

const smallest = (draft: Draft): Scene => {
  const [scene] = draft.scenes()
  if (scene === undefined) throw new NotMade({ why: "no scenario is whole" })
  return scene
}

const cutTail = (draft: Draft): void =>
  draft.rewrite("two events", ({ events }) => (events.length < 2 ? null : { events: events.slice(0, Math.ceil(events.length / 2)) }))

/** An event that says nothing stands where another stood, so that no other changes its place. */
export const silenced = (event: LogEvent): LogEvent => ({ ...event, type: "note.silenced", task: null, payload: {} })

const lost = { "*": "what is missing is missing for every check that reads it" }
const shorter = { "*": "half a log is wrong for every check that reads it" }
const smaller = { "*": "every check loses the units of the others" }

const mutant = (hand: Mutant["hand"], name: string, what: string, flips: Mutant["flips"], apply: Mutant["apply"], also?: Mutant["also"]): Mutant =>
  ({ id: `absence/${name}`, family: "absence", hand, what, flips, apply, ...(also === undefined ? {} : { also }) })

const inBundle: ReadonlyArray<Mutant> = [
  mutant("stranger", "file", "A file was deleted.", [aspect("listing")], (draft) => draft.remove("REPORT.md")),
  mutant("stranger", "file-relisted", "A file was deleted, and from both lists too.", [aspect("subjects")], (draft) => {
    draft.remove("REPORT.md")
    draft.relist()
  }),
  mutant("stranger", "log-deleted", "A log was deleted.", [aspect("listing"), aspect("log-ends"), measure("chainIntact")], (draft) => draft.remove(eventsFile(smallest(draft).id)), lost),
  mutant("stranger", "log-cut", "The second half of a log was cut off: a valid chain, only shorter.", [aspect("listing"), aspect("log-ends")], cutTail, shorter),
  mutant("signer", "log-cut-relisted", "The second half of a log was cut off; the lists and the manifest's own end of it fit, and everything is signed.", [aspect("log-ends"), aspect("counts")], (draft) => {
    cutTail(draft)
    draft.relist()
    draft.resign()
  }, shorter),
  mutant("stranger", "signature", "The signature was taken away.", [aspect("signature")], (draft) => draft.write(envelopeFile, draft.text(envelopeFile).replace(/"signatures": \[[^\]]*\]/, '"signatures": []'))),
  mutant("stranger", "envelope", "The signed decision was deleted.", [aspect("signature")], (draft) => draft.remove(envelopeFile)),
  mutant("stranger", "pinned-key", "The verifier trusts no key.", [aspect("signature")], (draft) => {
    draft.pinned = []
  }),
  mutant("signer", "check", "A check was taken out of the scorecard after the run.", [aspect("scorecard"), aspect("counts")], (draft) => {
    const { checks, ...rest } = draft.scorecard()
    draft.writeJson(scorecardFile, { ...rest, checks: checks.slice(1) })
    draft.relist()
    draft.resign((statement) => ({ ...statement, predicate: { ...statement.predicate, scorecard: { ...statement.predicate.scorecard, digest: { sha256: digestOf(draft) } } } }))
  }),
  mutant("signer", "check-in-decision", "A check is left out of the signed decision.", [aspect("counts")], (draft) => draft.claim((checks) => checks.slice(1))),
  mutant("run", "journal", "A scenario left no journal.", [aspect("journals"), measure("scenariosComplete")], (draft) => draft.remove(journalFile(smallest(draft).id)), lost),
  mutant("run", "log", "A scenario left no log.", [measure("scenariosComplete"), measure("chainIntact"), measure("jobsConserved")], (draft) => draft.remove(eventsFile(smallest(draft).id)), lost),
  mutant("run", "log-empty", "The log of a scenario is empty.", [measure("jobsConserved"), measure("tasksEndRight")], (draft) => draft.rewrite("a request", ({ journal }) => (journal.requests.length === 0 ? null : { events: [] })), lost),
  mutant("run", "ledger", "A scenario left no ledger.", [measure("effectsPermitted"), measure("noDuplicateHeavy")], (draft) => draft.remove(effectsFile(smallest(draft).id)), lost),
  mutant("run", "ledger-empty", "The ledgers of all scenarios are empty.", [measure("effectsPermitted"), measure("tasksEndRight")], (draft) => draft.rewriteAll(() => ({ effects: [] }))),
  mutant("run", "payload", "The payload of an event was pruned.", [measure("legalTransitions"), measure("jobsConserved")], (draft) =>
    draft.rewrite("two events", ({ events }) => (events.length < 2 ? null : { events: events.map((event, index) => (index === 1 ? { ...event, payload: null } : event)) })), lost),
  mutant("run", "scenarios", "Only one of the scenarios was run.", [measure("scenariosComplete")], (draft) => {
    for (const { id } of draft.scenes().slice(1)) for (const path of [eventsFile(id), effectsFile(id), journalFile(id)]) draft.remove(path)
  }, smaller)
]

const digestOf = (draft: Draft): string => {
  const listed = draft.text("SHA256SUMS").split("\n").find((line) => line.endsWith(`  ${scorecardFile}`))
  return listed?.slice(0, 64) ?? ""
}

const inHistory: ReadonlyArray<Mutant> = [
  mutant("run", "end-of-scenario", "A scenario was given up before its end.", [measure("scenariosComplete")], (draft) =>
    draft.rewrite("a journal", ({ journal }) => ({ journal: { ...journal, status: "aborted", note: "given up" } }))),
  mutant("run", "witness", "A fault has no witness.", [measure("faultsHit")], (draft) =>
    draft.rewrite("a replay that was injected", ({ journal }) => {
      const at = journal.faults.findIndex((fault) => fault.class === "replay" || fault.must_hit === "poll")
      return at < 0 ? null : { journal: { ...journal, faults: journal.faults.map((fault, index) => (index === at ? { ...fault, witness: null } : fault)) } }
    }), { noDuplicateHeavy: "one exposure fewer" }),
  mutant("run", "faults", "No fault of a scenario hit anything.", [measure("faultsHit")], (draft) =>
    draft.rewrite("faults", ({ journal }) => (journal.scenario.faults.length === 0 ? null : { journal: { ...journal, faults: journal.faults.map((fault) => ({ ...fault, hit: [] })) } })),
  { interruptedRecovered: "it counts what was hit", noDuplicateHeavy: "it counts what was hit", promisesKept: "it counts what was hit", reportsArrive: "it counts what was hit" }),
  mutant("run", "summaries", "No summary was printed.", [measure("summariesAgree")], (draft) => draft.rewriteAll(({ journal }) => ({ journal: { ...journal, summaries: [] } })), { uptime: "the summary at the end of a window says when the last heartbeat was" }),
  mutant("run", "restarts", "Nobody looked at the tasks around a restart.", [measure("restartsKeepState")], (draft) => draft.rewriteAll(({ journal }) => ({ journal: { ...journal, restarts: [] } }))),
  mutant("run", "replays", "Nothing was sent again.", [measure("commandsDeduplicated")], (draft) => draft.rewriteAll(({ journal }) => ({ journal: { ...journal, replays: [] } })), { noDuplicateHeavy: "what a repeat exposed is not counted" }),
  mutant("run", "late-writes", "Nobody ever wrote late.", [measure("lateWritesSeen"), measure("everythingOccurs")], (draft) => {
    const { simulation } = readBundle(draft.files).history
    if (simulation !== null && simulation !== undefined) draft.writeJson(simulationFile, { ...simulation, seeds: simulation.seeds.map((seed) => ({ ...seed, seen: { ...seed.seen, fenced: 0 } })) })
    draft.rewriteAll(({ events }) =>
      events.some(({ type }) => type === "write.fenced") ? { events: rechained(events.map((event) => (event.type === "write.fenced" ? silenced(event) : event))) } : {})
  }, { summariesAgree: "late writes are counted there too" }),
  mutant("run", "requests", "Nobody asked for anything.", [measure("jobsConserved"), measure("tasksEndRight")], (draft) => draft.rewriteAll(({ journal }) => ({ journal: { ...journal, requests: [] } })), { interruptedRecovered: "it asks what was expected of a job" })
]

export const absence: ReadonlyArray<Mutant> = [...inBundle, ...inHistory]
