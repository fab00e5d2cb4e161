/**
 * REPORT.md: the decision for people, on one screen, and behind it everything it rests on. It words a result
 * and decides nothing.
 */
import { DateTime, Option } from "effect"
import Handlebars from "handlebars"
import { eventsFile } from "../evidence/Reader.ts"
import { metricsFile } from "../evidence/Metrics.ts"
import type { Journal, SelfTest, Simulation } from "../History.ts"
import { escapeOf, green } from "../invariant/Mutations.ts"
import { type Change, sentenceOf } from "../scorecard/Diff.ts"
import type { Line, Result, Scorecard } from "../scorecard/Scorecard.ts"
import { changesSince, named, sinceWhen } from "./Changes.ts"
import type { Earlier } from "./Earlier.ts"
import { type Chart, chartNames } from "./chart/Charts.ts"
import { byHowMuch, howSure, scenariosIn } from "./Findings.ts"
import { brokenIn, limitsOf } from "./Limits.ts"
import { codeSpan, escapeText, imageOf, linkTo } from "./Markdown.ts"
import { seedsOf, type ShrunkSeed, type Simulated, simulated } from "./Simulated.ts"
import { template } from "./Template.ts"
import { bound, headline, measured, needs, next, verdictText, why, worstFirst } from "./Wording.ts"

export interface ReportInput {
  readonly run: string
  /** Of Opsgate. */
  readonly version?: string
  readonly commit: string
  readonly profile: string
  readonly window: { readonly start_ms: number; readonly end_ms: number }
  readonly scenarios: ReadonlyArray<{ readonly id: string; readonly journal: Journal }>
  readonly result: Result
  readonly boardResult: Result
  /** The scorecard that decided. */
  readonly scorecard?: Scorecard
  readonly simulation?: Simulation | null
  /** Of the seeds that failed, those whose faults were shrunk. */
  readonly shrunk?: ReadonlyArray<ShrunkSeed>
  /** What was simulated and what is shipped: how many modules, and the digest over each. */
  readonly product?: { readonly modules: number; readonly image: string; readonly shipped: string } | null
  /** How many seeds the profile asks for. */
  readonly seedsAsked?: number
  /** How long it took, milliseconds. */
  readonly simulationMs?: number | null
  readonly selfTest?: SelfTest | null
  /** Against the scorecard that was last released; null when none of its name was. */
  readonly released?: ReadonlyArray<Change> | null
  /** Against the scorecard of the newest earlier run. */
  readonly sinceLast?: ReadonlyArray<Change>
  /** Whole runs of this profile, newest first; null for a run that is compared with none. */
  readonly earlier?: ReadonlyArray<Earlier> | null
  /** As they lie in the bundle. */
  readonly charts?: ReadonlyArray<Chart>
  /** The command that runs one scenario, or all of them, again with one seed. */
  readonly repeat: (scenario: string, seed: number) => string
  readonly repeatSeed?: (seed: number) => string
  readonly repeatAll?: string
}

// An instance of its own: helpers registered on the shared one could be replaced by anyone who imports it.
const engine = Handlebars.create()
engine.registerHelper("md", (value: unknown) => escapeText(text(value)))
engine.registerHelper("code", (value: unknown) => codeSpan(text(value)))
engine.registerHelper("link", (value: unknown) => linkTo(text(value)))
engine.registerHelper("image", (path: unknown, title: unknown) => imageOf(text(path), text(title)))
const render = engine.compile(template, { strict: true, noEscape: true, knownHelpersOnly: true, knownHelpers: { md: true, code: true, link: true, image: true } })

/** The text of REPORT.md. The same input gives the same text. */
export const renderReport = (input: ReportInput): string => {
  const { boardResult, result, scenarios } = input
  const simulation = simulationOf(input)
  return render({
    decision: headline(result),
    why: why(result),
    next: next(result).join(" "),
    run: input.run,
    version: input.version ?? "unknown",
    commit: input.commit,
    profile: input.profile,
    scorecard: result.scorecard,
    window: `${instant(input.window.start_ms)} to ${instant(input.window.end_ms)}`,
    simulationLine: simulationLine(input),
    selfTestLine: selfTestLine(input.selfTest ?? null),
    waiverLine: result.waivers.length === 0 ? "none." : `${result.waivers.map(({ check, expires, owner, state }) => `${check} by ${owner} until ${expires}, ${state}`).join("; ")}.`,
    checkLine,
    red: redIn(input),
    checks: worstFirst(result.lines).map((line) => ({ ...checkOf(line), evidence: evidenceOf(line, scenarios.map(({ id }) => id)) })),
    findings: worstFirst(result.lines).filter(({ verdict }) => verdict !== "PASS").map((line) => findingOf(line, input)),
    changes: changesOf(input),
    scenarios: scenarios.map(({ id, journal }) => scenarioOf(id, journal, input.repeat)),
    simulation: { faults: simulation?.faults ?? [], failing: simulation?.failing ?? [], failingLine: failingLine(simulation), productLine: productLine(input) },
    exclusions: result.lines.flatMap((line) => leftOutOf(line).map(([reason, units]) => ({ id: line.id, reason, units }))),
    figures: result.lines.flatMap(({ figures = {}, id }) => Object.entries(figures).map(([what, figure]) => ({ id, what, figure }))),
    waivers: result.waivers,
    board: { decision: boardResult.decision, checks: worstFirst(boardResult.lines).map(checkOf) },
    broken: brokenIn(scenarios.map(({ journal }) => journal)),
    charts: Object.fromEntries(chartNames.map((name) => [name, (input.charts ?? []).filter((chart) => chart.name === name)])),
    limits: limitsOf({ journals: scenarios.map(({ journal }) => journal), simulation: input.simulation ?? null, comparesEarlier: (input.earlier ?? []).length > 0, ofUse: result.use === true })
  }).replace(/\n{3,}/g, "\n\n").replace(/ +\|$/gm, " |")
}

const checkLine = "opsgate verify, on the folder that this file lies in, follows every digest and judges the raw files anew; README.md tells how to do it without our code."

const simulationOf = ({ repeatSeed = (seed) => `seed ${seed}`, shrunk = [], simulation = null, simulationMs = null }: ReportInput): Simulated | null =>
  simulation === null ? null : simulated(simulation, { repeat: repeatSeed, ms: simulationMs, shrunk })

/** What was simulated, or that nothing was, in one sentence. */
export const simulationLine = (input: ReportInput): string =>
  simulationOf(input)?.line ?? `none in this run${(input.seedsAsked ?? 0) === 0 ? "" : `, although the profile asks for ${input.seedsAsked} seeds`}.`

const productLine = ({ product = null }: ReportInput): string =>
  product === null
    ? "Nobody compared what was simulated with what is shipped."
    : `${product.modules} modules were simulated (digest ${product.image}); as shipped they have the digest ${product.shipped}: ${product.image === product.shipped ? "the same code" : "NOT the same code"}.`

const failingLine = (simulation: Simulated | null): string =>
  simulation === null ? "" : `${simulation.failingTotal} seeds failed${simulation.failingTotal > simulation.failing.length ? `; the first ${simulation.failing.length}` : ""}:`

/** What became of the mutants by which the checks were checked, in one sentence. Nothing is credited on a baseline that is not green. */
export const selfTestLine = (selfTest: SelfTest | null): string => {
  if (selfTest === null) return "the checks were not checked in this run."
  const { baselines, mutations } = selfTest
  const made = mutations.filter(({ digest }, index) => digest !== null && mutations.findIndex((other) => other.digest === digest) === index)
  const red = Object.values(baselines).flatMap(({ verdicts }) => Object.entries(verdicts)).find(([, verdict]) => verdict !== green)
  if (red !== undefined) return `${made.length} mutations, none credited, since ${red[0]} is ${red[1]} without any.`
  const escaped = made.filter((mutation) => escapeOf(mutation, baselines[mutation.baseline]?.verdicts ?? {}) !== null)
  return `${made.length} mutations, ${made.length - escaped.length} caught${namedIn("not caught", escaped)}${namedIn("could not be executed", mutations.filter(({ error }) => error !== null))}.`
}

const mutantsShown = 10

const namedIn = (what: string, mutations: SelfTest["mutations"]): string => {
  const more = mutations.length > mutantsShown ? ` and ${mutations.length - mutantsShown} more` : ""
  return mutations.length === 0 ? "" : `; ${what}: ${mutations.slice(0, mutantsShown).map(({ id }) => id).join(", ")}${more}`
}

/** What nobody may overlook: the sentences that are shown in red. */
export const redIn = ({ released, result, scenarios, sinceLast = [] }: Pick<ReportInput, "released" | "result" | "scenarios" | "sinceLast">): ReadonlyArray<string> => [
  ...scenarios.filter(({ journal }) => journal.status === "aborted").map(({ id }) => `${id} was aborted, so what it had to show is not shown, and its tasks were left where they were.`),
  ...(result.objections ?? []),
  ...(released ?? []).filter(isRed).map((change) => `Otherwise than released: ${sentenceOf(change)}.`),
  ...sinceLast.filter(isRed).filter((change) => !(released ?? []).some((other) => sentenceOf(other) === sentenceOf(change))).map((change) => `Otherwise than in the last run: ${sentenceOf(change)}.`)
]

const isRed = ({ severity }: Change): boolean => severity !== "noted"

const checkOf = (line: Line) => ({
  id: line.id,
  title: line.title,
  verdict: verdictText(line),
  measured: measured(line),
  needs: needs(line),
  bound: bound(line)
})

// What passed rests on all logs together; what did not, on those that its sentences are about.
const evidenceOf = (line: Line, scenarios: ReadonlyArray<string>): ReadonlyArray<string> => {
  const about = line.verdict === "PASS" ? [] : scenariosIn(line, scenarios).map(eventsFile)
  return about.length === 0 ? [metricsFile] : about
}

// What the end of the run hid is left out as well, and not for a reason of the scorecard.
const leftOutOf = ({ censored, excluded }: Line): ReadonlyArray<readonly [string, number]> => [
  ...Object.entries(excluded),
  ...(censored === 0 ? [] : [["the deadline lies behind the end of what was seen", censored] as const])
]

const findingOf = (line: Line, input: ReportInput) => {
  const { offenders, population, reason, remedy, title, traffic, waived } = line
  const leftOut = leftOutOf(line).map(([why, units]) => `${units} (${why})`)
  return {
    verdict: verdictText(line),
    title,
    reason,
    byHowMuch: byHowMuch(line),
    howSure: howSure(line),
    since: sinceOf(line, input),
    population: population.replace(/[.;]$/, ""),
    traffic: traffic.length === 0 ? "nothing" : traffic.join("; "),
    leftOut: leftOut.length === 0 ? "nothing" : leftOut.join(", "),
    waived: waived === null ? "no" : `by ${waived.owner} until ${waived.expires}: ${waived.reason.replace(/\.$/, "")}`,
    repeats: repeatsOf(line, input),
    remedy,
    offenders
  }
}

const sinceOf = (line: Line, { earlier = [] }: ReportInput): string =>
  earlier === null ? "not known, since a run of single scenarios is compared with none" : sinceWhen(line.id, line.verdict, earlier)

/** The most commands that one finding shows. */
const repeatsMax = 5

// The scenarios that a check names, the seeds in which its measure failed, or else the whole run.
export const repeatsOf = (line: Line, { repeat, repeatAll, repeatSeed, scenarios, scorecard, simulation = null }: Pick<ReportInput, "repeat" | "repeatAll" | "repeatSeed" | "scenarios" | "scorecard" | "simulation">): ReadonlyArray<string> => {
  const about = scenariosIn(line, scenarios.map(({ id }) => id))
  const measure = scorecard?.checks.find(({ id }) => id === line.id)?.measure ?? null
  const seeds = simulation === null || repeatSeed === undefined || measure === null ? [] : seedsOf(measure, simulation).map(repeatSeed)
  const commands = [...scenarios.filter(({ id }) => about.includes(id)).map(({ id, journal }) => repeat(id, journal.seed)), ...seeds]
  return commands.length === 0 ? (repeatAll === undefined ? [] : [repeatAll]) : commands.slice(0, repeatsMax)
}

const changesOf = (input: ReportInput) => {
  const { earlier = [], released = null, result, sinceLast = [] } = input
  const last = earlier?.[0]
  const checks = last === undefined ? [] : changesSince(result, last)
  const against = (changes: ReadonlyArray<Change>, what: string) =>
    changes.map((change) => ({ red: isRed(change), check: change.check ?? "the scorecard", against: what, what: change.kind.replaceAll("_", " "), from: change.from ?? "none", to: change.to ?? "none" }))
  const scorecard = [...against(released ?? [], "what was released"), ...against(sinceLast, "the last run")]
  return {
    line: earlier === null
      ? "This is a run of single scenarios; it is compared with none."
      : last === undefined ? "No earlier run of this profile is on record." : `Against ${named(last)}, which said ${last.decision}: ${checks.length === 0 ? "every check passed then and now." : counted(checks.map(({ turn }) => turn))}`,
    checks: checks.map((change) => ({ ...change, before: change.before ?? "was not there" })),
    scorecardLine: released === null
      ? "No scorecard of this name was released, so there is nothing that it has to ask for."
      : scorecard.length === 0 ? "The scorecard asks for what was released." : "The scorecard asks otherwise:",
    scorecard
  }
}

const counted = (turns: ReadonlyArray<string>): string => `${[...new Set(turns)].map((turn) => `${turns.filter((one) => one === turn).length} ${turn.toLowerCase()}`).join(", ")}.`

const scenarioOf = (id: string, journal: Journal, repeat: ReportInput["repeat"]) => ({
  id,
  hypothesis: journal.scenario.hypothesis,
  traffic: journal.scenario.traffic_class,
  seed: journal.seed,
  injected: journal.faults.length,
  hit: journal.faults.filter(({ hit, witness }) => hit.length > 0 && witness !== null).length,
  ended: journal.note === null ? journal.status : `${journal.status}: ${journal.note}`,
  repeat: repeat(id, journal.seed)
})

const instant = (ms: number): string => Option.match(DateTime.make(ms), { onNone: () => String(ms), onSome: DateTime.formatIso })

const text = (value: unknown): string => {
  if (typeof value === "string") return value
  if (typeof value === "number") return String(value)
  // A value of another kind is a mistake in the template, and an empty cell would hide it.
  throw new TypeError(`the report template shows a value that is ${typeof value}`)
}
