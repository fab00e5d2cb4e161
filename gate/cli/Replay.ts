/**
 * `opsgate evidence replay`: plays again what a bundle tells of. A simulated world is the same byte for byte, so its digest must be; real processes never
 * are, so such a scenario is played and judged anew.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either } from "effect"
import { play } from "../chaos/Runner.ts"
import { readScenarios } from "../chaos/Scenarios.ts"
import { canonical } from "../evidence/Canonical.ts"
import type { Files } from "../evidence/Files.ts"
import { effectsFile, eventsFile, readRun } from "../evidence/Reader.ts"
import type { Journal, Scenario } from "../History.ts"
import { type Profile, profiles } from "../Profiles.ts"
import { type SettingName, soakSeed } from "../Simulated.ts"
import { judge } from "../scorecard/Judge.ts"
import { subjectOf } from "../scorecard/Measures.ts"
import type { Line } from "../scorecard/Scorecard.ts"
import { digestOfTexts } from "../simulation/Judged.ts"
import type { Told } from "../simulation/Protocol.ts"
import { hourMs, simulateOne } from "../simulation/Simulation.ts"
import { measured } from "../report/Wording.ts"
import { claimsOf } from "./Claims.ts"
import { type House, oneOf, orRefused, places, printJson, printLine, refused, wholeNumber, words, type WordsRefused } from "./House.ts"
import { opened } from "./Inspect.ts"
import { readCard } from "./Card.ts"
import { hoursOf } from "./Simulate.ts"
import { table } from "./Table.ts"

export const replayUsage = "opsgate evidence replay SCENARIO|seeds-N|soak [--seed N] [--bundle BUNDLE] [--hours N] [--profile NAME] [--json]"

interface Asked {
  readonly what: string
  readonly seed: number | undefined
  readonly files: Files | null
  readonly hours: string | undefined
  readonly profile: string | undefined
  readonly json: boolean
}

export const replayVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const text = { type: "string" } as const
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { seed: text, bundle: text, hours: text, profile: text, json: { type: "boolean", default: false } } })
    const [named] = yield* places(positionals, ["SCENARIO"], `usage: ${replayUsage}`)
    const [, setting, suffix] = /^(seeds|soak)(?:-(\d{1,15}))?$/.exec(named) ?? []
    const [asked, said] = [yield* wholeNumber("--seed", values.seed), yield* wholeNumber("the seed", suffix)]
    if (asked !== undefined && said !== undefined && asked !== said) return yield* refused(`${named} is seed ${said}, and --seed says ${asked}`)
    const files = values.bundle === undefined ? null : (yield* opened(values.bundle)).files
    const about: Asked = { what: named, seed: asked ?? said, files, hours: values.hours, profile: values.profile, json: values.json }
    if (setting === undefined) return yield* processes(about, house)
    return yield* simulated(setting === "soak" ? "soak" : "seeds", about, house)
  })

/** What a bundle says of a simulated world. */
interface Expected {
  readonly seed: number
  readonly digest: string
  readonly hours?: number
  /** Its log, where the bundle has it. */
  readonly eventsText: string | null
}

const simulated = (setting: SettingName, asked: Asked, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    if (asked.profile !== undefined) return yield* refused("--profile goes with scenarios of real processes")
    const { files } = asked
    const expected = files === null ? null : yield* expectedIn(setting, asked.seed, files)
    const seed = expected?.seed ?? asked.seed ?? (setting === "soak" ? soakSeed : undefined)
    if (seed === undefined) return yield* refused("which seed? Name it, as in seeds-12 or by --seed 12")
    if (expected !== null && asked.hours !== undefined) return yield* refused("--hours is told by the bundle")
    const { hours } = expected ?? (yield* hoursOf(asked.hours, setting))
    const once = simulateOne(house.root, setting, seed, null, hours === undefined ? undefined : hours * hourMs).pipe(Effect.mapError(({ message }) => refused(message)))
    const told = yield* once
    // Without a bundle it is held against itself.
    const other = expected ?? (yield* Effect.map(once, againstItself))
    const same = told.run.digest === other.digest
    const name = `${setting}-${seed}`
    const by = expected === null ? "the second time" : "in the bundle"
    if (asked.json) printJson(house, { scenario: name, seed, kind: "simulated", digest: told.run.digest, expected: other.digest, against: expected === null ? "itself" : "bundle", same, failed: told.run.failed })
    else {
      printLine(house, `${name}: ${told.run.events} events in ${(told.run.virtual_ms / hourMs).toFixed(1)} virtual hours; ${told.run.failed.length === 0 ? "nothing failed" : `failed: ${told.run.failed.join(", ")}`}`)
      printLine(house, same ? `the same digest ${by}: ${told.run.digest}` : `the digest differs: ${told.run.digest} now, ${other.digest} ${by}`)
      if (!same) differing(told, other, expected === null ? null : commitIn(asked.files)).forEach((line) => printLine(house, line))
    }
    return same ? 0 : 1
  })

const againstItself = ({ kept, run }: Told): Pick<Expected, "digest" | "eventsText"> => ({ digest: run.digest, eventsText: kept?.eventsText ?? null })

const differing = ({ kept }: Told, { eventsText }: Pick<Expected, "eventsText">, commit: string | null): ReadonlyArray<string> => {
  const product = commit === null ? [] : [`the bundle is of commit ${commit}: a product that was changed since plays otherwise`]
  if (kept === null || eventsText === null) return product
  const [now, then] = [kept.eventsText.split("\n"), eventsText.split("\n")]
  const at = now.findIndex((line, index) => line !== then[index])
  return [...product, at === -1 ? "the logs are the same as far as the shorter goes" : `the logs part at line ${at + 1}`]
}

const commitIn = (files: Files | null): string | null => (files === null ? null : claimsOf(files).about?.commit ?? null)

const expectedIn = (setting: SettingName, seed: number | undefined, files: Files): Effect.Effect<Expected, WordsRefused> => {
  const { history: { scenarios, simulation } } = claimsOf(files)
  const textAt = (file: string): string | null => {
    const bytes = files.get(file)
    return bytes === undefined ? null : Buffer.from(bytes).toString("utf8")
  }
  if (setting === "seeds") {
    const found = simulation?.seeds.find((run) => run.seed === seed)
    if (seed === undefined) return refused("which seed? Name it, as in seeds-12 or by --seed 12")
    return found === undefined ? refused(`the bundle has no seed ${seed}`) : Effect.succeed({ seed, digest: found.digest, eventsText: textAt(eventsFile(`seeds-${seed}`)) })
  }
  const soak = scenarios.find(({ id }) => /^soak-\d+$/.test(id) && (seed === undefined || id === `soak-${seed}`))
  const [eventsText, effectsText] = [textAt(eventsFile(soak?.id ?? "")), textAt(effectsFile(soak?.id ?? ""))]
  const journal = soak?.journal ?? null
  if (journal === null || eventsText === null || effectsText === null) return refused(`the bundle has no soak${seed === undefined ? "" : ` of seed ${seed}`} that can be read`)
  return Effect.succeed({ seed: journal.seed, digest: digestOfTexts(eventsText, effectsText), hours: journal.scenario.limits.wall_ms / hourMs, eventsText })
}

/** Real processes: other interleavings each time. What can be said is whether what the scenario is there for holds again. */
const processes = (asked: Asked, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { files, json, what } = asked
    if (asked.hours !== undefined) return yield* refused("--hours goes with the soak only")
    const claims = files === null ? null : claimsOf(files)
    const then = claims?.history.scenarios.find(({ id }) => id === what)?.journal ?? null
    if (claims !== null && then === null) return yield* refused(`the bundle has no scenario ${what} that can be read`)
    const profile = yield* profileOf(asked.profile ?? claims?.about?.profile ?? "release")
    const scenario = yield* scenarioOf(what, profile, house)
    const seed = asked.seed ?? then?.seed ?? scenario.seed
    const { scorecard } = yield* readCard(join(house.root, "scorecards", profile.scorecard))
    const dir = mkdtempSync(join(tmpdir(), "opsgate-replay-"))
    const played = yield* play({ ...scenario, seed }, { dir, program: house.program, chatService: house.chatService, env: house.env }).pipe(Effect.ensuring(Effect.sync(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))))
    const { history, problems } = readRun([played])
    const lines = judge(scorecard, history).lines.filter((line) => subjectOf(measureOf(scorecard.checks, line.id)) === "scenarios")
    const verdict = verdictOn(lines, scorecard.checks, problems)
    const { journal } = played
    if (json) printJson(house, { scenario: what, seed, kind: "processes", status: journal.status, note: journal.note, holds: verdict.holds, why: verdict.why, checks: lines.filter(({ total }) => total > 0).map(({ good, id, offenders, total, verdict: said }) => ({ id, good, total, failed: said === "FAIL", offenders })) })
    else told({ journal, lines, verdict, changed: then !== null && !sameScenario(then.scenario, scenario) }).forEach((line) => printLine(house, line))
    return exits[`${verdict.holds}`]
  })

const exits = { true: 0, false: 1, null: 2 } as const

interface Verdict {
  /** Null: nothing is shown either way. */
  readonly holds: boolean | null
  readonly why: string
}

type Checks = ReadonlyArray<{ readonly id: string; readonly measure: string | null }>

const measureOf = (checks: Checks, id: string): string => checks.find((check) => check.id === id)?.measure ?? ""

/** Without these a scenario shows nothing, however well all else looks. */
const premises: ReadonlySet<string> = new Set(["scenariosComplete", "faultsHit"])

export const verdictOn = (lines: ReadonlyArray<Line>, checks: Checks, problems: ReadonlyArray<string>): Verdict => {
  const failed = lines.filter(({ verdict }) => verdict === "FAIL")
  if (failed.length > 0) return { holds: false, why: `${failed.map(({ id }) => id).join(", ")}: ${failed[0]?.offenders[0] ?? failed[0]?.reason ?? ""}` }
  const [problem] = problems
  if (problem !== undefined) return { holds: null, why: problem }
  const missing = lines.find((line) => line.verdict === "ERROR" && premises.has(measureOf(checks, line.id)))
  if (missing !== undefined) return { holds: null, why: missing.reason }
  const shown = lines.filter(({ total }) => total > 0)
  return shown.length === 0 ? { holds: null, why: "no check saw anything in it" } : { holds: true, why: `${shown.length} checks saw something in it, and none failed` }
}

const told = ({ changed, journal, lines, verdict }: { readonly changed: boolean; readonly journal: Journal; readonly lines: ReadonlyArray<Line>; readonly verdict: Verdict }): ReadonlyArray<string> => [
  `${journal.scenario.id} has real processes, which no seed repeats byte for byte: it was played with seed ${journal.seed} and judged anew.`,
  ...(changed ? ["The bundle played this scenario as it was written then; it was played as it is written here."] : []),
  `${journal.status} in ${((journal.ended_at - journal.started_at) / 1000).toFixed(1)} s, ${journal.faults.length} faults${journal.note === null ? "" : `; ${journal.note}`}`,
  ...table(lines.filter(({ total }) => total > 0).map((line) => [line.verdict === "FAIL" ? "FAIL" : "holds", line.id, measured(line), line.verdict === "FAIL" ? line.offenders[0] ?? "" : ""])),
  verdict.holds === null ? `nothing is shown: ${verdict.why}` : verdict.holds ? `it holds: ${verdict.why}` : `it does not hold: ${verdict.why}`
]

// The file names its schema for editors, which a journal that was decoded does not have.
const sameScenario = (then: Scenario, now: Scenario): boolean => spelled(then) === spelled(now)

const spelled = (scenario: Scenario): string => Either.getOrElse(canonical({ ...scenario, seed: 0, $schema: "" }), ({ message }) => message)

const profileOf = (name: string): Effect.Effect<Profile, WordsRefused> =>
  Effect.flatMap(oneOf("the profile", name, [...profiles.keys()]), (known) => {
    const profile = profiles.get(known)
    return profile === undefined ? refused(`there is no profile ${known}`) : Effect.succeed(profile)
  })

const scenarioOf = (id: string, profile: Profile, house: House): Effect.Effect<Scenario, WordsRefused> =>
  Effect.flatMap(orRefused(readScenarios(join(house.root, "scenarios", profile.scenarios))), (all) => {
    const found = all.find((scenario) => scenario.id === id)
    return found === undefined ? refused(`there is no scenario ${id}; there are: ${all.map((one) => one.id).join(", ")}, seeds-N, soak`) : Effect.succeed(found)
  })
