/**
 * `opsgate gate` and `opsgate verify`: plays the scenarios against the built product, judges them, writes the bundle and
 * prints the verdict; or checks a bundle that somebody else wrote. The only place of the gate that runs effects.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Cause, Clock, Data, DateTime, Effect, Either, Exit, Fiber, FiberId } from "effect"
import { play } from "./chaos/Runner.ts"
import { readScenarios } from "./chaos/Scenarios.ts"
import { writeBundle } from "./evidence/Bundle.ts"
import { sha256 } from "./evidence/Canonical.ts"
import { fingerprint, generateKey, loadPinnedKeys, loadPrivateKey, loadPublicKey, publicPem } from "./evidence/Keys.ts"
import { plain } from "./evidence/Plain.ts"
import { readRun } from "./evidence/Reader.ts"
import { verificationExit, verify } from "./evidence/Verifier.ts"
import { renderJunit } from "./report/Junit.ts"
import { renderReport } from "./report/Report.ts"
import { renderSummary } from "./report/Summary.ts"
import { parseScorecard } from "./scorecard/Decode.ts"
import { judge } from "./scorecard/Judge.ts"
import type { Scorecard } from "./scorecard/Scorecard.ts"
import { exitCode } from "./Verdict.ts"

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

const say = (text: string): void => void process.stderr.write(`${plain(text)}\n`)

const orUsage = <A>(either: Either.Either<A, { readonly message: string }>): Effect.Effect<A, Usage> =>
  Either.match(either, { onLeft: ({ message }) => new Usage({ text: message }), onRight: Effect.succeed })

/** Which scenarios and which scorecard belong to a profile. */
const profiles: ReadonlyMap<string, { readonly scenarios: string; readonly scorecard: string }> = new Map([
  ["spine", { scenarios: "spine", scorecard: "spine.json" }],
  ["quick", { scenarios: "quick", scorecard: "quick.json" }]
])
const boardName = "v1.2.json"

const readScorecard = (file: string): Effect.Effect<{ readonly text: string; readonly scorecard: Scorecard }, Usage> =>
  Effect.gen(function*() {
    const text = yield* Effect.try({ try: () => readFileSync(file, "utf8"), catch: () => new Usage({ text: `${file} cannot be read` }) })
    const json = yield* Effect.try({ try: (): unknown => JSON.parse(text), catch: () => new Usage({ text: `${file} is not JSON` }) })
    return { text, scorecard: yield* orUsage(parseScorecard(json)) }
  })

/** The commit that the product was built from; a work tree with changes is none. */
const commitOf = (): string => {
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, stdio: ["ignore", "pipe", "ignore"] }).toString().trim()
    const dirty = execFileSync("git", ["status", "--porcelain", "--", "src", "gate", "package-lock.json"], { cwd: root, stdio: ["ignore", "pipe", "ignore"] }).toString() !== ""
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
    if (!pinned.some((candidate) => candidate.fingerprint === print)) {
      const name = `${print.slice("SHA256:".length).replace(/[^A-Za-z0-9]/g, "").slice(0, 12).toLowerCase()}.pub.pem`
      writeFileSync(join(pinnedDir, name), publicPem(key))
      say(`signing key ${print} (${file}); its public half is now evidence/keys/${name}: commit it to let others verify`)
    }
    return key
  })

interface GateOptions {
  readonly profile: string
  readonly scorecard: string | undefined
  readonly out: string | undefined
  readonly only: string | undefined
  readonly seed: number | undefined
  readonly keep: boolean
  readonly json: boolean
  readonly key: string
}

/** What the played product may see: enough to find its programs, and no secrets of whoever runs the gate. */
// @effect-diagnostics-next-line processEnv:off
const environment = { PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`, HOME: homedir(), LANG: "C.UTF-8", TZ: "UTC" }

const playAll = (options: GateOptions, scenarios: Effect.Effect.Success<ReturnType<typeof scenariosFor>>, dir: string) =>
  Effect.forEach(scenarios, (scenario) =>
    Effect.gen(function*() {
      const seeded = options.seed === undefined ? scenario : { ...scenario, seed: options.seed }
      say(`${scenario.id}: ${scenario.title} (seed ${seeded.seed})`)
      const played = yield* play(seeded, { dir, program, chatService, env: environment })
      const { ended_at, faults, note, started_at, status } = played.journal
      say(`${scenario.id}: ${status} in ${((ended_at - started_at) / 1000).toFixed(1)} s, ${faults.length} faults${note === null ? "" : `; ${note}`}`)
      return played
    }), { concurrency: "unbounded" })

const scenariosFor = (options: GateOptions) =>
  Effect.gen(function*() {
    const profile = profiles.get(options.profile)
    if (profile === undefined) return yield* new Usage({ text: `there is no profile ${options.profile}; there are: ${[...profiles.keys()].join(", ")}` })
    const all = yield* orUsage(readScenarios(join(root, "scenarios", profile.scenarios)))
    const chosen = options.only === undefined ? all : all.filter(({ id }) => id === options.only)
    if (chosen.length === 0) return yield* new Usage({ text: `there is no scenario ${options.only}; there are: ${all.map(({ id }) => id).join(", ")}` })
    return chosen
  })

const gate = (options: GateOptions) =>
  Effect.gen(function*() {
    const scenarios = yield* scenariosFor(options)
    const profile = profiles.get(options.profile)
    const { scorecard, text: scorecardText } = yield* readScorecard(resolve(options.scorecard ?? join(root, "scorecards", profile?.scorecard ?? "")))
    const board = yield* readScorecard(join(root, "scorecards", boardName))
    if (!existsSync(program)) return yield* new Usage({ text: `${program} is not built: npm run build` })
    const start_ms = yield* Clock.currentTimeMillis
    const run = DateTime.formatIso(DateTime.unsafeMake(start_ms)).replace(/[-:.]/g, "")
    const dir = resolve(options.out ?? join(root, "evidence", "runs", `${run}-${options.profile}`))
    if (existsSync(dir)) return yield* new Usage({ text: `${dir} exists already` })
    const key = yield* signingKey(options.key)
    const work = mkdtempSync(join(tmpdir(), "opsgate-gate-"))
    const played = yield* playAll(options, scenarios, work).pipe(Effect.onInterrupt(() => Effect.sync(() => rmSync(work, { recursive: true, force: true }))))
    const { history, problems } = readRun(played)
    problems.forEach(say)
    const result = judge(scorecard, history)
    const boardResult = judge(board.scorecard, history)

    const window = { start_ms, end_ms: yield* Clock.currentTimeMillis }
    const commit = commitOf()
    const repeat = (scenario: string, seed: number) => `npm run gate -- --profile ${options.profile} --scenario ${scenario} --seed ${seed}`
    const report = renderReport({ run, commit, profile: options.profile, window, scenarios: played, result, boardResult, repeat })
    const input = { dir, run, commit, profile: options.profile, window, scenarios: played, scorecardText, boardText: board.text, result, boardResult, report, junit: renderJunit(result), key }
    yield* orUsage(writeBundle(input))
    publishLatest(dir, { run, profile: options.profile, decision: result.decision, scorecard: scorecard.name, commit, bundle: dir, at_ms: window.end_ms, checks: result.lines.map(({ id, verdict }) => ({ id, verdict })) }, options.out === undefined && options.only === undefined)
    if (options.keep || played.some(({ journal }) => journal.status === "aborted")) say(`the workspaces are kept in ${work}`)
    else rmSync(work, { recursive: true, force: true })
    process.stdout.write(options.json ? `${JSON.stringify({ run, bundle: dir, result, board: boardResult })}\n` : `${renderSummary({ run, profile: options.profile, result, boardResult, bundle: dir })}\n`)
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

const verifyBundle = (dir: string, keyFile: string | undefined, json: boolean) =>
  Effect.gen(function*() {
    const pinned = keyFile === undefined ? yield* orUsage(loadPinnedKeys(pinnedDir)) : [yield* orUsage(loadPublicKey(keyFile))]
    const found = verify(resolve(dir), { pinned })
    if (json) process.stdout.write(`${JSON.stringify(found)}\n`)
    if (found._tag === "NotABundle") say(found.why)
    else if (found._tag === "Refuted") {
      found.problems.forEach(say)
      say(`${dir} does not verify: ${found.total} ${found.total === 1 ? "problem" : "problems"}`)
    } else if (!json) {
      process.stdout.write(`${found.decision}  run ${found.run}, profile ${found.profile}, commit ${found.commit}\nsigned by ${found.by.fingerprint} (${plain(found.by.name)}); every digest, chain and count was checked, and the verdict was judged anew\n${scorecardLine(found.scorecardSha256)}\n`)
    }
    return verificationExit(found)
  })

/** The signer chose the scorecard; whoever relies on the verdict wants to know whether it is one of his own. */
const scorecardLine = (digest: string): string => {
  const own = [...profiles.values()].map(({ scorecard }) => scorecard).find((name) => sha256(readFileSync(join(root, "scorecards", name))) === digest)
  return own === undefined ? `CAUTION: the scorecard (sha256 ${digest}) is none of those in ${join(root, "scorecards")}` : `judged by scorecards/${own} as it stands here`
}

const usage = `usage: opsgate gate [--profile ${[...profiles.keys()].join("|")}] [--scenario ID] [--seed N] [--scorecard FILE] [--out DIR] [--key FILE] [--keep] [--json]
       opsgate verify BUNDLE [--key PUBLIC_KEY] [--json]`

const keyByDefault = join(homedir(), ".config", "opsgate", "gate.key")

const chosen = (words: ReadonlyArray<string>): Effect.Effect<Effect.Effect<number, Usage>, Usage> =>
  Effect.try({
    try: () => {
      const text = { type: "string" } as const
      const flag = { type: "boolean", default: false } as const
      const [verb, ...rest] = words
      if (rest.includes("--help")) return Effect.sync(() => (process.stdout.write(`${usage}\n`), 0))
      if (verb === "verify") {
        const { positionals, values } = parseArgs({ args: rest, allowPositionals: true, options: { key: text, json: flag } })
        const [dir, extra] = positionals
        return dir === undefined || extra !== undefined ? Effect.fail(new Usage({ text: usage })) : verifyBundle(dir, values.key, values.json)
      }
      const { values } = parseArgs({ args: rest, options: { profile: { ...text, default: "spine" }, scenario: text, seed: text, scorecard: text, out: text, key: text, keep: flag, json: flag } })
      const seed = values.seed === undefined ? undefined : Number(values.seed)
      if (seed !== undefined && !Number.isSafeInteger(seed)) return Effect.fail(new Usage({ text: "--seed wants a whole number" }))
      const { json, keep, key = keyByDefault, out, profile, scenario: only, scorecard } = values
      return gate({ profile, scorecard, out, only, seed, keep, json, key })
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
