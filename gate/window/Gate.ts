/**
 * `opsgate gate --window`: reads a window of production, judges it by a scorecard that says how one is counted, and writes the bundle. It is no
 * verdict on a release, so it does not become the last one.
 */
import type { KeyObject } from "node:crypto"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { Clock, DateTime, Effect, Either } from "effect"
import { compared } from "../Compared.ts"
import { type BundleInput, bundleFiles, writeBundle } from "../evidence/Bundle.ts"
import type { Environment } from "../evidence/Environment.ts"
import { readRun } from "../evidence/Reader.ts"
import type { ControlTests, SelfTest } from "../History.ts"
import type { Progress } from "../Progress.ts"
import { chartsOf } from "../report/chart/Charts.ts"
import { renderControlJunit, renderJunit } from "../report/Junit.ts"
import { renderSarif } from "../report/Sarif.ts"
import { redIn, renderReport } from "../report/Report.ts"
import { restrained } from "../scorecard/Diff.ts"
import { judge } from "../scorecard/Judge.ts"
import { subjectOf } from "../scorecard/Measures.ts"
import type { Result, Scorecard } from "../scorecard/Scorecard.ts"
import type { Shipped } from "../Shipped.ts"
import { evidenceMutants } from "../selftest/all.ts"
import { selfTest } from "../selftest/SelfTest.ts"
import { readWindow } from "./Reading.ts"
import { type Window, windowOf, WindowRefused } from "./Words.ts"

export interface Asked {
  readonly length: string
  readonly until: string | undefined
  readonly db: string | undefined
  readonly config: string | undefined
  readonly scorecard: string | undefined
  readonly out: string | undefined
  readonly key: string
}

/** What the gate has for all its runs. */
export interface House<E> {
  /** Holds `dist`, `scorecards` and `evidence`. */
  readonly root: string
  readonly program: string
  readonly env: Readonly<Record<string, string>>
  readonly version: string
  /** File name of the scorecard that is judged beside, for information. */
  readonly board: string
  readonly card: (file: string) => Effect.Effect<{ readonly text: string; readonly scorecard: Scorecard }, E>
  readonly key: (file: string) => Effect.Effect<KeyObject, E>
  readonly commit: () => string
  /** Null when there are no results. */
  readonly controlTests: Effect.Effect<ControlTests | null>
  readonly progress: Progress
  /** What is in use here, as far as this machine knows. */
  readonly shipped: () => Either.Either<Shipped, { readonly message: string }>
  readonly surroundings: () => Environment
  readonly say: (sentence: string) => void
}

export interface JudgedWindow {
  readonly run: string
  readonly dir: string
  readonly window: Window
  readonly result: Result
  readonly boardResult: Result
  readonly red: ReadonlyArray<string>
}

/** Decides on a window of production, unless another is asked for. */
export const windowCard = "v1.2-kpi.json"
export const windowProfile = "window"

const orRefused = <A>(either: Either.Either<A, { readonly message: string }>): Effect.Effect<A, WindowRefused> =>
  Either.mapLeft(either, ({ message }) => new WindowRefused({ issue: message }))

/** Refused, with nothing written, when the words, the file or the scorecard do not fit. */
export const judgeWindow = <E>(asked: Asked, house: House<E>): Effect.Effect<JudgedWindow, WindowRefused | E> =>
  Effect.gen(function*() {
    const { root, say } = house
    const card = yield* house.card(resolve(asked.scorecard ?? join(root, "scorecards", windowCard)))
    const board = yield* house.card(join(root, "scorecards", house.board))
    const { scorecard, text: scorecardText } = card
    if (scorecard.window === undefined) return yield* new WindowRefused({ issue: `scorecard ${scorecard.name} does not say how a window is counted` })
    if (!existsSync(house.program)) return yield* new WindowRefused({ issue: `${house.program} is not built: npm run build` })
    const nowMs = yield* Clock.currentTimeMillis
    const window = yield* windowOf(asked.length, asked.until, nowMs)
    const run = DateTime.formatIso(DateTime.unsafeMake(nowMs)).replace(/[-:.]/g, "")
    const dir = resolve(asked.out ?? join(root, "evidence", "runs", `${run}-${windowProfile}`))
    if (existsSync(dir)) return yield* new WindowRefused({ issue: `${dir} exists already` })
    const read = yield* readWindow(window, { program: house.program, env: house.env, db: asked.db, config: asked.config })
    if (read.journal.note !== null) say(read.journal.note)
    const shipped = yield* orRefused(house.shipped())
    const key = yield* house.key(asked.key)
    const ran = { control: asksFor(scorecard, "tests") ? yield* house.controlTests : null }
    const { history: seen, problems } = readRun([read], ran)
    problems.forEach(say)
    const against = compared(root, windowProfile, card, false)
    const about = { run, commit: house.commit(), profile: windowProfile, window: { start_ms: window.start_ms, end_ms: window.end_ms }, scenarios: [read] }
    const given = { dir, ...about, scorecardText, boardText: board.text, key, released: against.released, ...shipped }
    const selfTested = asksFor(scorecard, "mutants") ? yield* checkedChecks({ ...given, aside: ran, result: judge(scorecard, seen), boardResult: judge(board.scorecard, seen), report: "", junit: "", sarif: "" }, house.progress) : null
    const history = { ...seen, selfTest: selfTested }
    const result = restrained(judge(scorecard, history), against.objections)
    const boardResult = judge(board.scorecard, history)

    const changes = { released: against.changes, sinceLast: against.sinceLast }
    const again = `opsgate gate --window ${asked.length} --until ${DateTime.formatIso(DateTime.unsafeMake(window.end_ms))}${asked.db === undefined ? "" : ` --db ${asked.db}`}`
    const charts = chartsOf({ run, result, history, scorecard, earlier: against.earlier })
    const report = renderReport({ charts, ...about, ...changes, result, boardResult, selfTest: selfTested, version: house.version, scorecard, earlier: against.earlier, repeat: () => again, repeatAll: again })
    const control = ran.control === null ? {} : { controlJunit: renderControlJunit(ran.control) }
    yield* orRefused(writeBundle({ ...given, aside: { ...ran, selfTest: selfTested }, result, boardResult, report, charts, junit: renderJunit(result), sarif: renderSarif(result, house.version), environment: house.surroundings(), ...control }))
    return { run, dir, window, result, boardResult, red: redIn({ result, scenarios: [read], ...changes }) }
  })

// What a scorecard does not ask for is not done: a window may be judged on the machine that is in use.
const asksFor = ({ checks }: Scorecard, subject: "mutants" | "tests"): boolean => checks.some(({ measure }) => measure !== null && subjectOf(measure) === subject)

/** The self-test breaks copies of what was read, so it needs the bundle as it would be without it. */
const checkedChecks = (unchecked: BundleInput, progress: Progress): Effect.Effect<SelfTest, WindowRefused> =>
  Effect.gen(function*() {
    const stage = progress.stage("self-test", evidenceMutants.length, "mutants")
    const tested = selfTest(yield* orRefused(bundleFiles(unchecked)), evidenceMutants, stage)
    stage.done()
    return tested
  })
