/**
 * `opsgate gate`: plays the scenarios against the built product, judges them, writes the bundle and prints the verdict; the verbs
 * around evidence and keys are in `cli/`. The only place of the gate that runs effects.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, homedir, tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Cause, Clock, Data, DateTime, Effect, Either, Exit, Fiber, FiberId, Schedule, Schema } from "effect"
import { checkedExit, checkedLines, checkTheChecker } from "./Checked.ts"
import { auditsFolder, isAudited, notAudited } from "./cli/Audits.ts"
import { play } from "./chaos/Runner.ts"
import { runControlTests } from "./control/ControlTests.ts"
import { readScenarios } from "./chaos/Scenarios.ts"
import { bundleFiles, writeBundle } from "./evidence/Bundle.ts"
import { type Environment, environmentSchema } from "./evidence/Environment.ts"
import { fingerprint, generateKey, loadPrivateKey } from "./evidence/Keys.ts"
import { loadPinnedKeys } from "./evidence/Pinned.ts"
import { plain } from "./evidence/Plain.ts"
import { readRun } from "./evidence/Reader.ts"
import type { House } from "./cli/House.ts"
import { readCard } from "./cli/Card.ts"
import { pinPublic } from "./cli/Pin.ts"
import { asksForOwn, ownUsage, ownVerb } from "./cli/Own.ts"
import { simulateUsage, simulateVerb } from "./cli/Simulate.ts"
import { verbOf } from "./cli/Verbs.ts"
import { compared } from "./Compared.ts"
import { type Profile, profiles } from "./Profiles.ts"
import { mutantsOfProduct, repeatOf, replayOf, type SimulatedPart, simulateFor } from "./Simulated.ts"
import { chartsOf } from "./report/chart/Charts.ts"
import { renderControlJunit, renderJunit } from "./report/Junit.ts"
import { coloured, colourless } from "./report/Paint.ts"
import { renderSarif } from "./report/Sarif.ts"
import { redIn, renderReport, selfTestLine, simulationLine } from "./report/Report.ts"
import { publishStepSummary } from "./report/StepSummary.ts"
import { renderSummary } from "./report/Summary.ts"
import { duration, terminal } from "./report/Terminal.ts"
import { restrained } from "./scorecard/Diff.ts"
import { judge } from "./scorecard/Judge.ts"
import { evidenceMutants } from "./selftest/all.ts"
import { selfTest } from "./selftest/SelfTest.ts"
import { shippedFrom, stillShipped } from "./Shipped.ts"
import { exitCode } from "./Verdict.ts"
import { type Asked, judgeWindow, windowProfile } from "./window/Gate.ts"

/** What the gate cannot work with. Exit code 254, and nothing was run. */
class Usage extends Data.TaggedError("Usage")<{ readonly text: string }> {
  override get message() {
    return this.text
  }
}

const exit = { usage: 254, internal: 255, interrupted: 130 } as const

/** The folder that holds `dist`, `scenarios`, `scorecards` and `evidence`. */
const root = fileURLToPath(new URL("..", import.meta.url))
const program = join(root, "dist", "opsgate.js")
const chatService = join(root, "dist", "telegram-fake.js")
const pinnedDir = join(root, "evidence", "keys")

const setting = (name: string): string | undefined => {
  // @effect-diagnostics-next-line processEnv:off
  const value = process.env[name]
  return value === "" ? undefined : value
}

// Everything but the verdict goes to stderr, so that stdout can be read by a program.
const shown = terminal({
  write: (text) => void process.stderr.write(text),
  now: () => Number(process.hrtime.bigint() / 1_000_000n),
  columns: () => (process.stderr.isTTY && setting("TERM") !== "dumb" ? process.stderr.columns : null)
})
const say = shown.say

const orUsage = <A>(either: Either.Either<A, { readonly message: string }>): Effect.Effect<A, Usage> =>
  Either.match(either, { onLeft: ({ message }) => new Usage({ text: message }), onRight: Effect.succeed })

const boardName = "v1.2-kpi.json"

const readScorecard = (file: string) => Effect.mapError(readCard(file), ({ message }) => new Usage({ text: message }))

/** What the commit stands for: the source of the product and everything that is shipped with it. Audits are written by the gate, and not shipped. */
const committed = ["src", "gate", "scripts", "package.json", "package-lock.json", "README.md", "LICENSE", "CHANGELOG.md", "docs", "scenarios", "scorecards", ":(exclude)docs/audits"]

/** The commit that the product was built from; a work tree with changes is none. */
const commitOf = (): string => {
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, stdio: ["ignore", "pipe", "ignore"] }).toString().trim()
    const dirty = execFileSync("git", ["status", "--porcelain", "--", ...committed], { cwd: root, stdio: ["ignore", "pipe", "ignore"] }).toString() !== ""
    return /^[0-9a-f]{40}$/.test(commit) && !dirty ? commit : "unknown"
  } catch {
    return "unknown"
  }
}

/**
 * The key that signs. Without one a key is made on this machine, and its public half is laid beside the pinned ones: whoever
 * commits that file says that this machine may sign. A bundle signed by any other key does not verify.
 */
const signingKey = (file: string) =>
  Effect.gen(function*() {
    const made = !existsSync(file)
    const key = yield* orUsage(made ? generateKey(file) : loadPrivateKey(file))
    const pinned = yield* orUsage(loadPinnedKeys(pinnedDir))
    const print = fingerprint(key)
    const retired = pinned.find((candidate) => candidate.fingerprint === print)?.retired
    if (retired !== undefined) return yield* new Usage({ text: `the key ${file} was retired, and ${retired.successor} signs in its place: name that one by --key, or finish with opsgate keys rotate` })
    const name = yield* orUsage(pinPublic(pinnedDir, pinned, key))
    if (name !== null) say(`signing key ${print} (${file}); its public half is now evidence/keys/${name}: commit it to let others verify`)
    return key
  })

interface GateOptions {
  readonly profile: string
  readonly scorecard: string | undefined
  readonly out: string | undefined
  readonly artifact: string | undefined
  readonly only: string | undefined
  readonly seed: number | undefined
  readonly keep: boolean
  readonly json: boolean
  readonly key: string
  /** Where audit reports are written; null for none. */
  readonly audits: string | null
}

/** What the played product may see: enough to find its programs, and no secrets of whoever runs the gate. */
// @effect-diagnostics-next-line processEnv:off
const environment = { PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`, HOME: homedir(), LANG: "C.UTF-8", TZ: "UTC" }

/** Scenarios that are played at a time: they wait half of it, and more would make each other wait for longer than they may. */
const atOnce = 2 * availableParallelism()

const playAll = (options: GateOptions, scenarios: Effect.Effect.Success<ReturnType<typeof scenariosFor>>, dir: string) => {
  const stage = shown.stage("scenarios", scenarios.length)
  let ended = 0
  // The longest first, so that none of them is left alone at the end.
  return Effect.forEach(scenarios.toSorted((one, other) => other.limits.wall_ms - one.limits.wall_ms), (scenario) =>
    Effect.gen(function*() {
      const seeded = options.seed === undefined ? scenario : { ...scenario, seed: options.seed }
      say(`${scenario.id}: ${scenario.title} (seed ${seeded.seed})`)
      const played = yield* play(seeded, { dir, program, chatService, env: environment })
      const { ended_at, faults, note, started_at, status, trials = [] } = played.journal
      say(`${scenario.id}: ${status} in ${((ended_at - started_at) / 1000).toFixed(1)} s, ${faults.length} faults${trials.length === 0 ? "" : `, ${trials.length} trials`}${note === null ? "" : `; ${note}`}`)
      stage.step(ended += 1)
      return played
    }), { concurrency: atOnce }).pipe(Effect.map((played) => played.toSorted((one, other) => (one.id < other.id ? -1 : 1))), Effect.tap(() => Effect.sync(() => stage.done())))
}

/** Beside the scenarios, which mostly wait. */
const controlTests = Effect.gen(function*() {
  const stage = shown.stage("control tests", null)
  const found = yield* runControlTests({ root, env: environment })
  if (Either.isLeft(found)) say(`no results of control tests: ${found.left}`)
  stage.done()
  return Either.getOrNull(found)
})

const scenariosFor = (options: GateOptions) =>
  Effect.gen(function*() {
    const profile = profiles.get(options.profile)
    if (profile === undefined) return yield* new Usage({ text: `there is no profile ${options.profile}; there are: ${[...profiles.keys()].join(", ")}` })
    const folders = [profile.scenarios, ...(profile.also === undefined ? [] : [profile.also])]
    const all = (yield* orUsage(Either.all(folders.map((folder) => readScenarios(join(root, "scenarios", folder)))))).flat()
    const chosen = options.only === undefined ? all : all.filter(({ id }) => id === options.only)
    if (chosen.length === 0) return yield* new Usage({ text: `there is no scenario ${options.only}; there are: ${all.map(({ id }) => id).join(", ")}` })
    return chosen
  })

/** A part of a run is played for its scenario alone. */
const simulatedBy = (options: GateOptions, profile: Profile | undefined) =>
  profile === undefined || options.only !== undefined || options.seed !== undefined
    ? Effect.succeed<SimulatedPart>({ simulation: null, product: null, failures: [], texts: [], ms: 0 })
    : Effect.mapError(simulateFor(profile, root, shown, () => Number(process.hrtime.bigint() / 1_000_000n)), ({ message }) => new Usage({ text: message }))

const gate = (options: GateOptions) =>
  Effect.gen(function*() {
    const scenarios = yield* scenariosFor(options)
    const profile = profiles.get(options.profile)
    const card = yield* readScorecard(resolve(options.scorecard ?? join(root, "scorecards", profile?.scorecard ?? "")))
    const board = yield* readScorecard(join(root, "scorecards", boardName))
    if (!existsSync(program)) return yield* new Usage({ text: `${program} is not built: npm run build` })
    const shipped = yield* orUsage(shippedFrom(root, version, options.artifact))
    const start_ms = yield* Clock.currentTimeMillis
    const run = DateTime.formatIso(DateTime.unsafeMake(start_ms)).replace(/[-:.]/g, "")
    const dir = resolve(options.out ?? join(root, "evidence", "runs", `${run}-${options.profile}`))
    if (existsSync(dir)) return yield* new Usage({ text: `${dir} exists already` })
    const key = yield* signingKey(options.key)
    // Times go on while nothing is reported.
    yield* Effect.fork(Effect.repeat(Effect.sync(shown.redraw), Schedule.spaced("1 second")))
    const work = mkdtempSync(join(tmpdir(), "opsgate-gate-"))
    // Real processes wait most of the time; what is simulated takes what they leave.
    const [played, control, simulated] = yield* Effect.all([playAll(options, scenarios, work), controlTests, simulatedBy(options, profile)], { concurrency: 3 }).pipe(
      Effect.onInterrupt(() => Effect.sync(() => rmSync(work, { recursive: true, force: true })))
    )
    yield* orUsage(stillShipped(root, shipped))
    const { failures, product, simulation } = simulated
    const ran = { control, simulation }
    const scenariosPlayed = [...played, ...simulated.texts]
    const { history: seen, problems } = readRun(scenariosPlayed, ran)
    problems.forEach(say)
    const { scorecard, text: scorecardText } = card
    const partial = options.only !== undefined || options.seed !== undefined
    const against = compared(root, options.profile, card, partial)
    if (against.unreadable > 0) say(`${against.unreadable} earlier bundles of this profile cannot be read and are not compared with`)
    const window = { start_ms, end_ms: yield* Clock.currentTimeMillis }
    const commit = commitOf()
    const given = { dir, run, commit, profile: options.profile, window, scenarios: scenariosPlayed, scorecardText, boardText: board.text, key, released: against.released, ...shipped }
    // The self-test breaks copies of what was run, so it needs the bundle as it would be without it.
    const mutants = shown.stage("self-test", evidenceMutants.length, "mutants")
    const unchecked = bundleFiles({ ...given, aside: ran, result: judge(scorecard, seen), boardResult: judge(board.scorecard, seen), report: "", junit: "", sarif: "" })
    const evidenceTested = yield* orUsage(Either.map(unchecked, (files) => selfTest(files, evidenceMutants, mutants)))
    mutants.done()
    const broken = yield* mutantsOfProduct(simulation, root, shown)
    const selfTested = broken === null ? evidenceTested : { ...evidenceTested, baselines: { ...evidenceTested.baselines, ...broken.baselines }, mutations: [...evidenceTested.mutations, ...broken.mutations] }
    const judging = shown.stage("judge", null)
    const history = { ...seen, selfTest: selfTested }
    const result = restrained(judge(scorecard, history), against.objections)
    const boardResult = judge(board.scorecard, history)
    judging.done()
    const repeat = (scenario: string, seed: number) => repeatOf(options.profile, scenario, seed)
    const red = redIn({ result, scenarios: scenariosPlayed, released: against.changes, sinceLast: against.sinceLast })
    const charts = chartsOf({ run, result, history, scorecard, earlier: against.earlier })
    const shownIn = {
      charts,
      run, version, commit, profile: options.profile, window, scenarios: scenariosPlayed, result, boardResult, scorecard, repeat,
      repeatAll: `npm run gate -- --profile ${options.profile}`, seedsAsked: profile?.seeds ?? 0,
      simulation, simulationMs: simulated.ms, repeatSeed: (seed: number) => replayOf(seed), shrunk: failures, product,
      selfTest: selfTested, released: against.changes, sinceLast: against.sinceLast, earlier: against.earlier
    }
    const report = renderReport(shownIn)
    const bundling = shown.stage("bundle", null)
    const input = {
      ...given, aside: { ...ran, selfTest: selfTested }, result, boardResult, report, charts, junit: renderJunit(result), sarif: renderSarif(result, version), environment: surroundings(partial),
      ...(control === null ? {} : { controlJunit: renderControlJunit(control) })
    }
    yield* orUsage(writeBundle(input))
    bundling.done()
    const unpublished = publishStepSummary(setting("GITHUB_STEP_SUMMARY"), report)
    if (unpublished !== null) say(unpublished)
    publishLatest(dir, { run, profile: options.profile, decision: result.decision, scorecard: scorecard.name, commit, bundle: dir, at_ms: window.end_ms, checks: result.lines.map(({ id, verdict }) => ({ id, verdict })) }, options.out === undefined && options.only === undefined)
    leave(work, options.keep || played.some(({ journal }) => journal.status === "aborted"))
    process.stdout.write(options.json ? `${JSON.stringify({ run, bundle: dir, result, board: boardResult })}\n` : `${renderSummary({ run, profile: options.profile, result, boardResult, bundle: dir, red, notes: [`Simulation: ${simulationLine(shownIn)}`, `Self-test: ${selfTestLine(selfTested)}`], paint })}\n`)
    if (options.audits !== null && isAudited({ ...options, partial })) writeAudits(options.audits, options.profile)
    say(`took ${shown.timings().map(({ ms, stage }) => `${stage} ${duration(ms)}`).join(", ")}; the gate held at most ${Math.ceil(peakBytes() / 1_048_576)} MiB`)
    return exitCode[result.decision]
  })

const leave = (work: string, kept: boolean): void => (kept ? say(`the workspaces are kept in ${work}`) : rmSync(work, { recursive: true, force: true }))

/** By a process of its own, which judges ten runs anew without what this one holds. What becomes of the reports changes no verdict. */
const writeAudits = (out: string, profile: string): void => {
  const stage = shown.stage("audit reports", null)
  const { status } = spawnSync(process.execPath, [program, "evidence", "audits", "--profile", profile, "--out", out], { cwd: root, env: environment, stdio: ["ignore", 2, 2], timeout: auditsTimeoutMs })
  stage.done(status === 0 ? "" : "none was written")
}

const auditsTimeoutMs = 300_000

/** Colours only where somebody looks, and has not asked for none. */
const paint = process.stdout.isTTY && setting("NO_COLOR") === undefined && setting("TERM") !== "dumb" ? coloured : colourless

const version = Either.getOrElse(
  Either.try(() => Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({ version: Schema.NonEmptyString })))(readFileSync(join(root, "package.json"), "utf8")).version),
  () => "unknown"
)

const peakBytes = (): number => process.resourceUsage().maxRSS * 1024

const surroundings = (partial: boolean): Environment => ({
  schema: environmentSchema,
  version,
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  cores: availableParallelism(),
  partial,
  stages: shown.timings().map(({ ms, stage }) => ({ stage, ms: Math.round(ms) })),
  peak_rss_bytes: peakBytes()
})

/** What stands beside runs that are no release. */
const aside = { root, program, env: environment, version, board: boardName, card: readScorecard, key: signingKey, commit: commitOf, controlTests, progress: shown, shipped: () => shippedFrom(root, version, undefined), surroundings: () => surroundings(false), say }

/** Judges a window of production. */
const gateWindow = (asked: Asked, json: boolean) =>
  Effect.gen(function*() {
    const { boardResult, dir, red, result, run, window } = yield* Effect.catchTag(judgeWindow(asked, aside), "WindowRefused", ({ message }) => new Usage({ text: message }))
    process.stdout.write(json ? `${JSON.stringify({ run, bundle: dir, window, result, board: boardResult })}\n` : `${renderSummary({ run, profile: windowProfile, result, boardResult, bundle: dir, red, paint })}\n`)
    return exitCode[result.decision]
  })

/** `evidence/latest.json`: what the product shows as the last verdict. A run of a single scenario, or one put elsewhere, is none. */
const publishLatest = (dir: string, latest: unknown, publish: boolean): void => {
  if (!publish) return
  const file = join(dirname(dirname(dir)), "latest.json")
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.tmp`, `${JSON.stringify(latest, null, 2)}\n`)
  renameSync(`${file}.tmp`, file)
}

const usage = `usage: opsgate gate [--profile ${[...profiles.keys()].join("|")}] [--scenario ID] [--seed N] [--scorecard FILE] [--artifact FILE] [--out DIR] [--key FILE] [--audits DIR | --no-audits] [--keep] [--json]
       opsgate gate --window 7d [--db FILE | --config FILE] [--until INSTANT] [--scorecard FILE] [--out DIR] [--key FILE] [--json]
       ${ownUsage}
       opsgate gate --self-test [--json]
       ${simulateUsage}
       opsgate verify --help, opsgate evidence --help, opsgate keys --help`

const checked = (json: boolean): Effect.Effect<number, Usage> =>
  Effect.gen(function*() {
    const attempt = Effect.suspend(() => Effect.flatMap(orUsage(loadPinnedKeys(pinnedDir)), (pinned) => checkTheChecker(root, pinned, shown)))
    // A clone that has never been judged has no evidence to break, and a small run makes some.
    const small = gate({ profile: "quick", scorecard: undefined, out: undefined, artifact: undefined, only: undefined, seed: undefined, keep: false, json: false, key: keyByDefault, audits: null })
    const found = yield* attempt.pipe(Effect.catchTag("NothingToBreak", () => Effect.zipRight(small, attempt)), Effect.mapError(({ message }) => new Usage({ text: message })))
    process.stdout.write(json ? `${JSON.stringify(found)}\n` : checkedLines(found).map((line) => `${plain(line)}\n`).join(""))
    return checkedExit(found)
  })

const keyByDefault = join(homedir(), ".config", "opsgate", "gate.key")

const house: House = { root, pinnedDir, keyFile: keyByDefault, program, chatService, env: environment, progress: shown, print: (text) => void process.stdout.write(text) }

const chosen = (words: ReadonlyArray<string>): Effect.Effect<Effect.Effect<number, Usage>, Usage> =>
  Effect.try({
    try: () => {
      const text = { type: "string" } as const
      const flag = { type: "boolean", default: false } as const
      const asked = verbOf(words)
      if (asked !== null) return Effect.mapError(asked(house), ({ message }) => new Usage({ text: message }))
      const rest = words.slice(1)
      if (rest.includes("--help")) return Effect.sync(() => (process.stdout.write(`${usage}\n`), 0))
      if (rest.some((word) => /^--window(=|$)/.test(word))) {
        const { values: { config, db, json, key = keyByDefault, out, scorecard, until, window: length = "" } } = parseArgs({ args: rest, options: { window: text, until: text, db: text, config: text, scorecard: text, out: text, key: text, json: flag } })
        if (db !== undefined && config !== undefined) return Effect.fail(new Usage({ text: "--db names the file itself, --config where to find it: one of them is enough" }))
        return gateWindow({ length, until, db, config, scorecard, out, key }, json)
      }
      if (asksForOwn(rest)) return Effect.mapError(ownVerb(rest, aside, { key: keyByDefault, paint, print: (words) => void process.stdout.write(words) }), ({ message }) => new Usage({ text: message }))
      if (rest.includes("--self-test")) return checked(parseArgs({ args: rest, options: { "self-test": flag, json: flag } }).values.json)
      if (rest.some((word) => /^--simulate(=|$)/.test(word))) {
        return Effect.mapError(simulateVerb(rest, house), ({ message }) => new Usage({ text: message }))
      }
      const { values } = parseArgs({ args: rest, options: { profile: { ...text, default: "release" }, scenario: text, seed: text, scorecard: text, artifact: text, out: text, key: text, audits: text, "no-audits": flag, keep: flag, json: flag } })
      const seed = values.seed === undefined ? undefined : Number(values.seed)
      if (seed !== undefined && !Number.isSafeInteger(seed)) return Effect.fail(new Usage({ text: "--seed wants a whole number" }))
      const { artifact, json, keep, key = keyByDefault, out, profile, scenario: only, scorecard } = values
      if (values.audits !== undefined && (values["no-audits"] || !isAudited({ profile, out, partial: only !== undefined || seed !== undefined }))) return Effect.fail(new Usage({ text: values["no-audits"] ? "--audits says where, and --no-audits that none: one of them is enough" : notAudited }))
      return gate({ profile, scorecard, out, artifact, only, seed, keep, json, key, audits: values["no-audits"] ? null : resolve(values.audits ?? join(root, auditsFolder)) })
    },
    catch: (cause) => new Usage({ text: `${cause instanceof Error ? cause.message : "the words are not understood"}\n${usage}` })
  })

const main = async (): Promise<void> => {
  const running = Effect.runFork(Effect.flatten(chosen(process.argv.slice(2))))
  // An interrupted run ends what it started and is no evidence; a second signal ends at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      say("interrupted: ending what was started")
      running.unsafeInterruptAsFork(FiberId.none)
    })
  }
  const done = await Effect.runPromise(Fiber.await(running))
  process.exitCode = Exit.match(done, {
    onSuccess: (code) => code,
    onFailure: (cause) => {
      if (Cause.isInterruptedOnly(cause)) return exit.interrupted
      const failure = Cause.failureOption(cause)
      say(failure._tag === "Some" ? `opsgate: ${failure.value.message}` : `opsgate: internal error: ${Cause.pretty(cause)}`)
      return failure._tag === "Some" ? exit.usage : exit.internal
    }
  })
  // A child that a scenario left behind must not keep the verdict waiting; what was written is flushed first.
  process.stdout.write("", () => process.exit())
}

await main()
