/**
 * What is done to a drawn run before an honest gate judges it, and what is done to its bundle afterwards, by somebody with the key and by
 * somebody without it; and what everybody who looks has to say.
 */
import { generateKeyPairSync } from "node:crypto"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { metricsFile } from "../../../gate/evidence/Metrics.ts"
import { Manifest } from "../../../gate/evidence/Manifest.ts"
import { publicPem } from "../../../gate/evidence/Keys.ts"
import type { Statement } from "../../../gate/evidence/Statement.ts"
import { Draft as Bundle, keyFrom, pinnedFor, rechained } from "../../../gate/selftest/Draft.ts"
import type { Effect } from "../../../gate/History.ts"
import { sha256 } from "../../../gate/invariant/Canonical.ts"
import { command } from "../Garden.ts"
import { approved, asked, by, done, type Draft, event, fault, intent, queuedAgain, request, requested, running, started, succeeded, unknownOutcome } from "../invariant/Story.ts"
import { type Card, type Chance, pretty, type Run } from "./Logs.ts"

export type Said = "GO" | "NO-GO" | "INSUFFICIENT" | "refused"

export interface Plant {
  readonly id: string
  readonly expect: Said
  /** What the run was, told by an honest gate. */
  readonly run?: (run: Run, chance: Chance) => void
  /** What somebody made of the files. */
  readonly forge?: (bundle: Bundle, run: Run) => void
  readonly disk?: (dir: string) => void
}

export const key = keyFrom("three who check and one who signs")
export const pinned = [pinnedFor(key, "trusted.pub.pem")]

const first = ({ tales: [tale] }: Run) => {
  if (tale === undefined) throw new Error("no scenario was drawn")
  return tale
}

const add = (run: Run, drafts: ReadonlyArray<Draft>, effects: ReadonlyArray<Effect> = [], requests: ReadonlyArray<Run["tales"][number]["requests"][number]> = []): void => {
  const tale = first(run)
  tale.drafts.push(...drafts)
  tale.effects?.push(...effects)
  tale.requests.push(...requests)
}

const set = (card: Card, id: string, over: Record<string, unknown>): void => {
  const check = card.checks.find((one) => one.id === id)
  if (check === undefined) throw new Error(`no check ${id}`)
  Object.assign(check, over)
}

const change = <A>(text: string, what: (value: A) => void): string => {
  const value: A = JSON.parse(text)
  what(value)
  return pretty(value)
}

/** A life that breaks one rule, beside the others. */
const life = (id: string, drafts: ReadonlyArray<Draft>, effects: ReadonlyArray<Effect> = [], over: Parameters<typeof request>[1] = {}, expect: Said = "NO-GO"): Plant => ({
  id, expect, run: (run) => add(run, drafts, effects, [request("x", over)])
})

const failed = (turn = 1) => event("task.failed", "x", { from: "RUNNING", by: "settle", attempt: turn, generation: turn, code: "x", error: "" })
const seen = (n: number, m: number) => ({ expect: { states: ["SUCCEEDED"], done_min: n, done_max: m } })
const ran = [...asked("x"), running("x"), intent("x")]
const well = [...ran, succeeded("x")]
const once = [started("x"), done("x")]

/** Runs that an honest gate has on record as they were. */
const honest: ReadonlyArray<Plant> = [
  { id: "a run that broke the ceiling", expect: "INSUFFICIENT", run: ({ card }) => void (card["ceiling"] = "INSUFFICIENT") },
  { id: "too few units", expect: "INSUFFICIENT", run: ({ card }, chance) => set(card, chance.pick(["legal", "permitted", "seeds", "traced"]), { n_min: 10_000 }) },
  { id: "a check that nothing measures", expect: "INSUFFICIENT", run: ({ card }) => set(card, "late", { measure: null }) },
  { id: "a reason that nobody allowed", expect: "INSUFFICIENT", run: ({ card }) => set(card, "recovered", { exclusions: [] }) },
  { id: "a sort that is rare", expect: "INSUFFICIENT", run: ({ card }) => set(card, "classes", { strata_min: 1000 }) },
  { id: "a table that does not reach", expect: "INSUFFICIENT", run: ({ card }) => set(card, "mostly-conserved", { n_min: 500 }) },
  { id: "a waiver in force", expect: "GO", run: ({ card }) => (set(card, "late", { n_min: 10_000 }), void (card["waivers"] = [{ check: "late", owner: "ada", reason: "known", expires: "2030-01-01" }])) },
  { id: "a waiver of what failed", expect: "GO", run: (run) => (add(run, [], [done("ghost")]), void (run.card["waivers"] = [{ check: "permitted", owner: "ada", reason: "known", expires: "1970-01-01" }])) },
  { id: "a waiver that ran out", expect: "NO-GO", run: (run) => (add(run, [], [done("ghost")]), void (run.card["waivers"] = [{ check: "permitted", owner: "ada", reason: "known", expires: "1969-12-31" }])) },
  { id: "a waiver of what passed", expect: "GO", run: ({ card }) => void (card["waivers"] = [{ check: "late", owner: "ada", reason: "known", expires: "2030-01-01" }]) },
  { id: "less than was released", expect: "INSUFFICIENT", run: (run) => void (run.released = { text: change<Card>(pretty(run.card), (card) => set(card, "mostly-conserved", { threshold_ppm: 500_000 })), adrText: null }) },
  { id: "a check less than was released", expect: "INSUFFICIENT", run: (run) => void (run.released = { text: change<Card>(pretty(run.card), (card) => set(card, "late", { id: "later" })), adrText: null }) },
  { id: "less, and an ADR that says why", expect: "GO", run: (run) => ((run.card["adr"] = 7), void (run.released = { text: change<Card>(pretty(run.card), (card) => (set(card, "late", { n_min: 9, exclusions: [] }), delete card["adr"])), adrText: "# 7\n\nThe check late asks for one." })) },
  { id: "less, and an ADR about something else", expect: "INSUFFICIENT", run: (run) => ((run.card["adr"] = 7), void (run.released = { text: change<Card>(pretty(run.card), (card) => (set(card, "late", { n_min: 9 }), delete card["adr"])), adrText: "# 7\n\nThe check legal asks for one." })) },
  { id: "more than was released", expect: "GO", run: (run) => void (run.released = { text: change<Card>(pretty(run.card), (card) => (set(card, "mostly-conserved", { threshold_ppm: 300_000 }), card.checks.pop())), adrText: null }) },
  { id: "a window of production", expect: "GO", run: (run) => ((first(run).over = { ...first(run).over }), run.tales.push({ ...first(run), id: "window", effects: null, drafts: [...asked("p"), running("p"), intent("p"), succeeded("p")], requests: [], replays: [], faults: [fault("window/1", ["p"])], over: { world: "production", started_at: 900_000 } })) },
  { id: "a window whose clock was set back", expect: "GO", run: (run) => void run.tales.push({ ...first(run), id: "window", effects: null, drafts: [...asked("p"), running("p"), intent("p"), { ...succeeded("p"), at: 990_000 }], requests: [], replays: [], faults: [fault("window/1", ["p"])], over: { world: "production", started_at: 900_000 } }) },
  { id: "a simulated soak", expect: "GO", run: (run) => void run.tales.push({ ...first(run), id: "soak", faults: [fault("soak/1", ["p"])], over: { world: "simulation", ended_at: 90_000_000 } }) },

  life("a job that was acknowledged and lost", []),
  life("a job that nobody acknowledged and nobody stored", [], [], { task: null, key: "nobody" }),
  { id: "a job that an aborted scenario left where it was", expect: "INSUFFICIENT", run: (run) => (add(run, ran, [started("x")], [request("x")]), void (first(run).over = { status: "aborted", note: "no time" })) },
  { id: "a job that nobody had answered when the scenario was aborted", expect: "INSUFFICIENT", run: (run) => (add(run, well, once), void (first(run).over = { status: "aborted", note: "no time" })) },
  { id: "an end that was wrong before the scenario was aborted", expect: "NO-GO", run: (run) => (add(run, [...asked("x"), running("x"), failed()], [], [request("x")]), void (first(run).over = { status: "aborted", note: "no time" })) },
  { id: "a job from nowhere", expect: "NO-GO", run: (run) => add(run, well, once) },
  life("a job that was requested twice", [...asked("x"), requested("x"), ...well.slice(1)], once),
  life("a job under another key", [...asked("x", { key: "other" }), ...ran.slice(3), succeeded("x")], once),
  life("two children of one step", [...ran, ...["c1", "c2"].flatMap((child) => [requested(child, { by: "child", parent: "x", parent_step: 1, key: null, command: null }), approved(child)]), succeeded("x")], once),
  { id: "a fork of nothing", expect: "NO-GO", run: (run) => add(run, [requested("x", { by: "fork", forked_from: "ghost", from_step: 1, key: null }), approved("x")]) },
  { id: "a tick of no schedule", expect: "NO-GO", run: (run) => add(run, [requested("x", { by: "schedule", schedule: "ghost", tick_ms: 1, tick_by: "tick", key: null, command: null }), approved("x")]) },
  life("a heavy duplicate", well, [...once, ...once], seen(1, 2)),
  { id: "a heavy duplicate that a fault hit", expect: "NO-GO", run: (run) => (add(run, well, [...once, ...once], [request("x", seen(1, 2))]), void first(run).faults.push(fault("one/9", ["x"]))) },
  life("a second start that nothing explains", [...ran, queuedAgain("x", "lease_lost"), running("x", 2), intent("x", 2), succeeded("x", 2)], [started("x"), started("x", 2), done("x", 2)]),
  life("a duplicate under a key of its own", well, [...once, started("x", 1, { dispatch_key: "y" }), done("x", 1, { dispatch_key: "y" })], seen(1, 2)),
  life("an effect without an intent", [...asked("x"), running("x"), succeeded("x")], once),
  life("an effect that came too late", well, [started("x", 1, { mono_ms: 10_021 }), done("x")]),
  life("an end without a start", well, [done("x")]),
  life("an effect under another key", well, [started("x", 1, { dispatch_key: "y" }), done("x", 1, { dispatch_key: "y" })]),
  life("an illegal move", [...asked("x"), event("task.succeeded", "x", { from: "QUEUED", by: "settle", attempt: 1, generation: 1 })], [], seen(0, 0)),
  life("a move by the wrong word", [requested("x"), approved("x"), event("task.queued", "x", { from: "APPROVED", by: "claim" })], [], { expect: { states: ["QUEUED"], done_min: 0, done_max: 0 } }),
  life("a move from a state that it was not in", [requested("x"), event("task.queued", "x", { from: "APPROVED", by: "resume" })], [], { expect: { states: ["QUEUED"], done_min: 0, done_max: 0 } }),
  life("an approval with an open hold", [requested("x", { holds: ["approval"] }), approved("x")], [], { expect: { states: ["APPROVED"], done_min: 0, done_max: 0 } }),
  life("a move while nobody knew the outcome", [...ran, unknownOutcome("x"), succeeded("x")], once),
  life("a write under an old generation", [...asked("x"), running("x", 2, { generation: 2 }), intent("x", 1), succeeded("x", 2)], [started("x"), done("x")]),
  life("a write after the end", [...well, event("step.failed", "x", { step: 1, attempt: 1, generation: 1, code: "x", error: "" })], once),
  life("a reconcile of what was known", [...ran, succeeded("x", 1, command("reconcile", null, "sure"))], once),
  life("an intent whose lease had run out", [...asked("x"), running("x"), intent("x", 1, { mono_ms: 10_000 }), succeeded("x")], once),
  life("a trace that breaks", [...asked("x").map((draft) => ({ ...draft, trace: "0".repeat(32) })), ...well.slice(3)], once),
  life("time that runs backwards", [...ran, { ...succeeded("x"), at: 900_000 }], once),
  life("a success without work", [...asked("x"), running("x"), succeeded("x")], [], seen(0, 0)),
  life("nobody who asked", [...asked("x", { command: null }), ...ran.slice(3), succeeded("x")], once),
  life("another end than was expected", [...asked("x"), running("x"), failed()]),
  life("an effect that was done too often", [...asked("x", { class: "light" }), ...ran.slice(3), succeeded("x")], [...once, done("x")], { class: "light" }),
  life("an effect that was never done", well, [started("x")]),
  { id: "one key for two tasks of one person", expect: "NO-GO", run: (run) => add(run, ["x", "y"].flatMap((task) => [requested(task, { key: "twice" })]), [], [request("x", { key: "twice", expect: { states: ["REQUESTED"], done_min: 0, done_max: 0 } })]) },
  { id: "one key for two tasks of two people", expect: "GO", run: (run) => add(run, ["x", "y"].map((task) => by(`cli:${task}`, requested(task, { key: "twice" }))), [], ["x", "y"].map((task) => request(task, { key: "twice", expect: { states: ["REQUESTED"], done_min: 0, done_max: 0 } }))) },
  { id: "a repeat that was answered otherwise", expect: "NO-GO", run: (run) => void first(run).replays.push({ key: "k", op: "submit", same_payload: true, exit: 0, task: "other", first_task: "one-1" }) },
  { id: "another payload that was taken", expect: "NO-GO", run: (run) => void first(run).replays.push({ key: "k", op: "submit", same_payload: false, exit: 0, task: "one-1", first_task: "one-1" }) },
  { id: "a seed that failed", expect: "NO-GO", run: ({ simulation }) => void Object.assign(simulation?.seeds[1] ?? {}, { failed: ["conservation"] }) },
  { id: "a seed in which nothing happened", expect: "NO-GO", run: ({ simulation }) => void Object.assign(simulation?.seeds[1] ?? {}, { events: 0 }) },
  { id: "a seed that gave another log", expect: "NO-GO", run: ({ simulation }) => void Object.assign(simulation?.seeds[0] ?? {}, { twice: false }) },
  { id: "a control test that did not pass", expect: "NO-GO", run: ({ control }, chance) => void Object.assign(control?.results[0] ?? {}, { status: chance.pick(["failed", "skipped"]) }) },
  { id: "a control test that was not run", expect: "NO-GO", run: (run) => void (run.control = run.control === null ? null : { ...run.control, results: run.control.results.slice(1) }) },
  { id: "a control test that nobody declared", expect: "NO-GO", run: (run) => void (run.control = run.control === null ? null : { ...run.control, results: [...run.control.results, { file: "b.test.ts", name: "more", status: "passed" }] }) },
  { id: "a mutant that escaped", expect: "NO-GO", run: ({ selfTest }) => void Object.assign(selfTest?.mutations[0] ?? {}, { after: selfTest?.baselines["evidence"]?.verdicts }) },
  { id: "a mutant that turned too much red", expect: "NO-GO", run: ({ selfTest }) => void Object.assign(selfTest?.mutations[3]?.after ?? {}, { "check-1": "FAIL", "check-2": "FAIL", "check-3": "FAIL" }) },

  { id: "a mutant that could not be made", expect: "INSUFFICIENT", run: ({ selfTest }) => void Object.assign(selfTest?.mutations[0] ?? {}, { error: "it does not fit" }) },
  { id: "a mutant twice", expect: "GO", run: ({ selfTest }) => void Object.assign(selfTest?.mutations[4] ?? {}, { digest: selfTest?.mutations[8]?.digest }) },
  { id: "a baseline that is red", expect: "INSUFFICIENT", run: ({ selfTest }) => void Object.assign(selfTest?.baselines["evidence"]?.verdicts ?? {}, { extra: "FAIL" }) },
  { id: "no self-test", expect: "INSUFFICIENT", run: (run) => void (run.selfTest = null) },
  { id: "no seeds", expect: "INSUFFICIENT", run: (run) => void (run.simulation = null) },
  { id: "a seed too few", expect: "INSUFFICIENT", run: (run) => void (run.simulation = run.simulation === null ? null : { ...run.simulation, seeds: run.simulation.seeds.slice(0, -1) }) },
  { id: "two seeds with one history", expect: "INSUFFICIENT", run: ({ simulation }) => void Object.assign(simulation?.seeds[0] ?? {}, { digest: simulation?.seeds[1]?.digest }) },
  { id: "a class of faults that struck nothing", expect: "INSUFFICIENT", run: ({ simulation }) => simulation?.seeds.forEach((seed) => Object.assign(seed, { hits: { kill: 1 } })) },
  { id: "a class of faults that nobody declared", expect: "INSUFFICIENT", run: ({ simulation }) => void Object.assign(simulation?.seeds[0]?.hits ?? {}, { flood: 1 }) },
  { id: "no control tests", expect: "INSUFFICIENT", run: (run) => void (run.control = null) },
  { id: "a fault without a witness", expect: "INSUFFICIENT", run: (run) => void first(run).faults.push(fault("one/9", ["one-1"], { witness: null })) },
  { id: "a fault that missed", expect: "INSUFFICIENT", run: (run) => void (first(run).faults = first(run).faults.map((one) => (one.class === "sigkill" ? { ...one, hit: [] } : one))) },
  { id: "a fault twice", expect: "INSUFFICIENT", run: (run) => void first(run).faults.push(fault("one/1", ["one-1"])) },
  { id: "a scenario that was aborted", expect: "INSUFFICIENT", run: (run) => void (first(run).over = { status: "aborted", note: "no time" }) },
  { id: "a ledger that is not there", expect: "INSUFFICIENT", run: (run) => void (first(run).effects = null) },
  { id: "a payload that was pruned", expect: "INSUFFICIENT", run: (run) => void first(run).drafts.push(event("run.progress", null, {}), { ...event("audit.read", null), payload: null }) }
]

/** Signs what is there, as somebody with the key would. */
const resign = (bundle: Bundle, what: (statement: Statement) => unknown = (statement) => statement): void => bundle.resign(what, key)
const relist = (bundle: Bundle, what?: (manifest: Manifest) => Manifest): void => {
  bundle.relist(what)
  resign(bundle)
}
const predicate = (over: (statement: Statement["predicate"]) => object) => (bundle: Bundle): void => resign(bundle, (statement) => ({ ...statement, predicate: { ...statement.predicate, ...over(statement.predicate) } }))
const checks = (id: string, over: object) => predicate(({ checks: all }) => ({ checks: all.map((one) => (one.id === id ? { ...one, ...over } : one)) }))
/** The same lie in the statement and in metrics.json, whose digests fit. */
const everywhere = (id: string, over: object) => (bundle: Bundle): void => {
  bundle.write(metricsFile, change<{ result: { lines: Array<{ id: string }> } }>(bundle.text(metricsFile), ({ result }) => result.lines.forEach((line) => line.id === id && Object.assign(line, over))))
  bundle.relist()
  checks(id, over)(bundle)
}
const rewritten = (path: string, what: (text: string) => string) => (bundle: Bundle): void => {
  const before = bundle.text(path)
  bundle.write(path, what(before))
  if (bundle.text(path) === before) throw new Error(`${path} is as it was`)
}
const andSigned = (forge: (bundle: Bundle) => void) => (bundle: Bundle): void => {
  forge(bundle)
  relist(bundle)
}
const log = "events/one.jsonl"
const envelope = "attestations/decision.dsse.json"
const cutLine = (text: string, at: number) => text.split("\n").toSpliced(at, 1).join("\n")
const ghost = { id: "ghost" }

/** A forged log, with its end in both lists. */
const relogged = (forge: (bundle: Bundle) => void) => (bundle: Bundle): void => {
  forge(bundle)
  const events = bundle.text(log).trim().split("\n").map((line): { hash: string; stream: string } => JSON.parse(line))
  const end = { stream: events[0]?.stream ?? null, events: events.length, head: events.at(-1)?.hash ?? "" }
  bundle.relist((manifest) => ({ ...manifest, logs: { ...manifest.logs, one: end } }))
  predicate(({ logs }) => ({ logs: { ...logs, one: end } }))(bundle)
}
/** Another decision, in the statement and in metrics.json. */
const decided = (over: (said: Statement["predicate"]) => object) => (bundle: Bundle): void => {
  rewritten(metricsFile, (text) => change<{ result: { decision: string } }>(text, ({ result }) => void (result.decision = "GO")))(bundle)
  bundle.relist()
  predicate((said) => ({ ...over(said), decision: "GO" }))(bundle)
}
const quietEnd = (run: Run) => add(run, [event("epoch.ended", null, { epoch: 1 })])

const lost = (run: Run) => add(run, [], [done("ghost")])

/** Bundles that are not what was signed, or were signed as what they are not. */
const forged: ReadonlyArray<Plant> = ([
  ["a file that was changed", rewritten("REPORT.md", () => "GO\n")],
  ["a log that was changed", rewritten(log, (text) => text.replace("\"heavy\"", "\"light\""))],
  ["a file that was changed, with lists that fit", (bundle) => (rewritten("REPORT.md", () => "GO\n")(bundle), bundle.relist())],
  ["a scorecard that was swapped, with lists that fit", (bundle) => (rewritten("policy/scorecard.json", (text) => change<Card>(text, (card) => set(card, "late", { n_min: 2 })))(bundle), bundle.relist())],
  ["a ledger that was cut", rewritten("effects/one.jsonl", (text) => cutLine(text, 0))],
  ["a file that was removed", (bundle) => bundle.remove("effects/one.jsonl")],
  ["a list without a file", rewritten("SHA256SUMS", (text) => cutLine(text, 2))],
  ["a list in another order", rewritten("SHA256SUMS", (text) => text.trim().split("\n").toReversed().join("\n").concat("\n"))],
  ["a file that was added", (bundle) => bundle.write("extra.txt", "")],
  ["no signature", (bundle) => bundle.remove(envelope)],
  ["a signature by another key", (bundle) => bundle.resign((statement) => statement, keyFrom("a forger"))],
  ["a signature that was broken", rewritten(envelope, (text) => text.replace(/"sig": "..../, "\"sig\": \"AAAA"))],
  ["a payload that was changed", rewritten(envelope, (text) => text.replace(/"payload": "..../, "\"payload\": \"e30K"))],
  ["another payload type", rewritten(envelope, (text) => text.replace("in-toto+json", "other+json"))],
  ["an envelope that is spelled otherwise", rewritten(envelope, (text) => `${text}\n`)],
  ["an envelope with a member more", rewritten(envelope, (text) => text.replace("{", "{\n  \"more\": 1,"))],
  ["the name of another key", rewritten(envelope, (text) => text.replace(/SHA256:..../, "SHA256:AAAA"))],
  ["a key copy of somebody else", andSigned((bundle) => bundle.write("keys/gate.pub.pem", publicPem(keyFrom("a forger"))))],

  ["a cut log, signed", andSigned(rewritten(log, (text) => cutLine(text, text.split("\n").length - 2)))],
  ["a log without its first event, signed", andSigned(rewritten(log, (text) => cutLine(text, 0)))],
  ["a log with a hole, its end signed", relogged(rewritten(log, (text) => cutLine(text, text.split("\n").length - 3))), (run) => (quietEnd(run), quietEnd(run))],
  ["a cut log in which nothing is missing that counts, signed", andSigned(rewritten(log, (text) => cutLine(text, text.split("\n").length - 2))), quietEnd],
  ["a log with an event twice, signed", andSigned(rewritten(log, (text) => text.split("\n").flatMap((line, at) => (at === 2 ? [line, line] : [line])).join("\n")))],
  ["a log that was told anew, signed", andSigned((bundle) => bundle.rewrite("a log", ({ events }) => ({ events: rechained(events.map((one) => ({ ...one, at: one.at + 1 }))) })))],
  ["half a line, signed", andSigned(rewritten(log, (text) => text.slice(0, -40)))],
  ["an empty line, signed", andSigned(rewritten(log, (text) => text.replace("\n", "\n\n")))],
  ["one log for two scenarios", (bundle) => {
    for (const [path, other] of [[log, "events/copy.jsonl"], ["effects/one.jsonl", "effects/copy.jsonl"]] as const) bundle.write(other, bundle.text(path))
    bundle.write("scenarios/copy.json", bundle.text("scenarios/one.json").replaceAll("\"one\"", "\"copy\"").replaceAll("one/", "copy/"))
    bundle.relist((manifest) => ({ ...manifest, logs: { ...manifest.logs, copy: manifest.logs["one"] ?? null } }))
    predicate(({ logs, seeds }) => ({ logs: { ...logs, copy: logs["one"] }, seeds: { ...seeds, copy: seeds["one"] } }))(bundle)
  }],
  ["a scenario less", andSigned((bundle) => ["scenarios/one.json", log, "effects/one.jsonl"].forEach((path) => bundle.remove(path)))],
  ["a journal with another seed", andSigned(rewritten("scenarios/one.json", (text) => change<{ seed: number }>(text, (journal) => void (journal.seed = 99))))],
  ["the journal of another", andSigned(rewritten("scenarios/one.json", (text) => change<{ scenario: { id: string } }>(text, (journal) => void (journal.scenario.id = "other"))))],
  ["a journal that forgot a request", andSigned(rewritten("scenarios/one.json", (text) => change<{ requests: Array<unknown> }>(text, ({ requests }) => void requests.shift())))],
  ["a manifest of another profile", (bundle) => relist(bundle, (manifest) => ({ ...manifest, profile: "other" }))],
  ["a manifest of another window", (bundle) => relist(bundle, (manifest) => ({ ...manifest, window: { ...manifest.window, end_ms: 9 } }))],
  ["a manifest with another head", (bundle) => relist(bundle, (manifest) => ({ ...manifest, logs: { ...manifest.logs, one: { stream: "store-one", events: 1, head: "0".repeat(64) } } }))],
  ["another commit", (bundle) => (bundle.relist((manifest) => ({ ...manifest, commit: "f".repeat(40) })), bundle.resign((statement) => ({ ...statement, subject: statement.subject.map((one) => (one.name === "source" ? { name: "source", digest: { gitCommit: "0".repeat(40) } } : one)) }), key))],

  ["a byte that was changed", rewritten("README.md", (text) => text.replace("Evidence", "evidence"))],
  ["a decision that was forged", predicate(() => ({ decision: "GO" })), lost],
  ["a decision that was forged everywhere", decided(() => ({})), lost],
  ["a failure that was called a pass", (bundle) => (checks("permitted", { verdict: "PASS" })(bundle), predicate(() => ({ decision: "GO" }))(bundle)), lost],
  ["a count that was forged everywhere", (bundle) => (everywhere("permitted", { verdict: "PASS", good: 50, total: 50 })(bundle), predicate(() => ({ decision: "GO" }))(bundle)), lost],
  ["a pass that was called a failure", (bundle) => (checks("legal", { verdict: "FAIL" })(bundle), predicate(() => ({ decision: "NO-GO" }))(bundle))],
  ["one more unit", everywhere("conservation", { good: 99, total: 99 })],
  ["a unit that was not left out", everywhere("recovered", { excluded: {} })],
  ["a unit that was left out", everywhere("traced", { excluded: { "it was late": 3 } })],
  ["a bound that was improved", everywhere("mostly-conserved", { bound_ppm: 999_000 })],
  ["a sample that need not be as large", everywhere("legal", { n_min: 5 })],
  ["other sorts", everywhere("classes", { strata: { kill: 1 } })],
  ["another rule", everywhere("legal", { rule: "zero" })],
  ["units whose end was not seen", everywhere("legal", { censored: 1 })],
  ["a count in metrics.json alone", andSigned(rewritten(metricsFile, (text) => text.replace(/"good": \d+/, "\"good\": 77777")))],
  ["another board in metrics.json", andSigned(rewritten(metricsFile, (text) => change<{ board: { lines: Array<object> } }>(text, ({ board }) => void Object.assign(board.lines[1] ?? {}, { good: 1, total: 1 }))))],
  ["a decision of the board", andSigned(rewritten(metricsFile, (text) => change<{ board: { decision: string } }>(text, ({ board }) => void (board.decision = "GO"))))],
  ["a check that is left out", predicate(({ checks: all }) => ({ checks: all.slice(1) }))],
  ["a check twice", predicate(({ checks: all }) => ({ checks: [...all, ...all.slice(0, 1)] }))],
  ["a check that nobody declared", predicate(({ checks: all }) => ({ checks: [...all, { ...all[0], ...ghost }] }))],
  ["other declared checks", predicate(({ declaredChecks }) => ({ declaredChecks: declaredChecks.slice(1) }))],
  ["other evaluated checks", predicate(({ evaluatedChecks }) => ({ evaluatedChecks: evaluatedChecks.slice(1) }))],
  ["a waiver that the scorecard does not have", predicate(() => ({ waivers: [{ check: "late", owner: "ada", reason: "known", expires: "2030-01-01", state: "unused" }] }))],
  ["a waiver that was renewed", decided(({ waivers }) => ({ waivers: waivers.map((waiver) => ({ ...waiver, state: "applied" })) })), (run) => (lost(run), void (run.card["waivers"] = [{ check: "permitted", owner: "ada", reason: "known", expires: "1969-12-31" }]))],
  ["another seed", predicate(({ seeds }) => ({ seeds: { ...seeds, one: 99 } }))],
  ["a seed of nobody", predicate(({ seeds }) => ({ seeds: { ...seeds, ghost: 1 } }))],
  ["the head of another log", predicate(({ logs }) => ({ logs: { ...logs, one: { stream: "store-one", events: 3, head: "0".repeat(64) } } }))],
  ["the digest of another scorecard", predicate(({ scorecard }) => ({ scorecard: { ...scorecard, digest: { sha256: "0".repeat(64) } } }))],
  ["the name of another scorecard", predicate(({ scorecard }) => ({ scorecard: { ...scorecard, name: "v1.2" } }))],
  ["a threshold that was lowered afterwards", (bundle) => (rewritten("policy/scorecard.json", (text) => text.replace("\"n_min\": 1,", "\"n_min\": 2,"))(bundle), relist(bundle))],
  ["a table that allows one more", (bundle) => (rewritten("policy/scorecard.json", (text) => change<Card>(text, (card) => set(card, "mostly-conserved", { acceptance: [[4, 3]] })))(bundle), bundle.relist(), bundle.resign((statement) => ({ ...statement, predicate: { ...statement.predicate, scorecard: { ...statement.predicate.scorecard, digest: { sha256: sha256(bundle.text("policy/scorecard.json")) } } } }), key))],
  ["a check of the scorecard twice", (bundle) => (rewritten("policy/scorecard.json", (text) => change<Card>(text, ({ checks: all }) => void all.push({ ...all[0], id: "legal" })))(bundle), relist(bundle))],
  ["a subject that is not there", (bundle) => bundle.resign((statement) => ({ ...statement, subject: [...statement.subject, { name: "ghost.tgz", digest: { sha256: "0".repeat(64) } }] }), key)],
  ["statements of another kind", (bundle) => bundle.resign((statement) => ({ ...statement, predicateType: "https://example.com/other" }), key)]
] satisfies ReadonlyArray<readonly [string, (bundle: Bundle) => void, ((run: Run) => void)?]>).map(([id, forge, run]): Plant => ({ id, expect: "refused", forge, ...(run === undefined ? {} : { run }) }))

const onDisk: ReadonlyArray<Plant> = [
  { id: "a link", expect: "refused", disk: (dir) => symlinkSync("REPORT.md", join(dir, "report")) },
  { id: "a name that a shell could trip over", expect: "refused", disk: (dir) => writeFileSync(join(dir, "a b;$(touch x)\n"), "") },
  { id: "a file in a folder that starts with a dot", expect: "refused", disk: (dir) => (mkdirSync(join(dir, ".hidden")), writeFileSync(join(dir, ".hidden", "x"), "")) },
  { id: "an RSA key in the place of the copy", expect: "refused", disk: (dir) => writeFileSync(join(dir, "keys/gate.pub.pem"), generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" })) }
]

export const plants: ReadonlyArray<Plant> = [...honest, ...forged, ...onDisk]
