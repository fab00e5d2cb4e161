/**
 * `opsgate gate --config`: kills the tasks of somebody's own project at every commit of their runs, judges what their steps did, and writes the
 * bundle. It is no verdict on a release, so it does not become the last one.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Clock, DateTime, Effect, Either } from "effect"
import { compared } from "../Compared.ts"
import { writeBundle } from "../evidence/Bundle.ts"
import { readRun } from "../evidence/Reader.ts"
import { renderJunit } from "../report/Junit.ts"
import { escapeText } from "../report/Markdown.ts"
import { redIn, renderReport } from "../report/Report.ts"
import { renderSarif } from "../report/Sarif.ts"
import { restrained } from "../scorecard/Diff.ts"
import { judge } from "../scorecard/Judge.ts"
import type { Result } from "../scorecard/Scorecard.ts"
import type { House } from "../window/Gate.ts"
import { kindsOfCode, playKind } from "./Play.ts"
import { kindsOfCommands, type OwnKind, ProjectRefused, readProject } from "./Project.ts"
import { clockFindings } from "./Schedules.ts"
import { findingsOf } from "./Words.ts"

export interface OwnAsked {
  readonly config: string
  /** Null: all kinds. */
  readonly kind: string | null
  /** `kind=file`, each. */
  readonly payloads: ReadonlyArray<string>
  readonly scorecard: string | undefined
  readonly out: string | undefined
  readonly key: string
  readonly keep: boolean
}

export const ownProfile = "own"
export const ownCard = "own.json"

export interface JudgedProject {
  readonly run: string
  readonly dir: string
  readonly result: Result
  readonly boardResult: Result
  readonly red: ReadonlyArray<string>
  /** What there is to know beside the checks, one sentence each. */
  readonly findings: ReadonlyArray<string>
}

const orRefused = <A>(either: Either.Either<A, { readonly message: string }>): Effect.Effect<A, ProjectRefused> =>
  Either.mapLeft(either, ({ message }) => new ProjectRefused({ issue: message }))

/** How many kinds are played side by side. */
const atOnce = 2

interface Chosen {
  readonly own: OwnKind
  readonly payload: unknown
  readonly unjudged: string | null
}

const noPayload = "nothing says what payload it takes: give its schema an example, or name one with --payload"

/** With which payload each kind is tried: the one that was named, or else the example of its schema. */
const chosenOf = (all: ReadonlyArray<OwnKind>, { kind, payloads }: OwnAsked): Either.Either<ReadonlyArray<Chosen>, ProjectRefused> =>
  Either.gen(function*() {
    const refused = (issue: string) => Either.left(new ProjectRefused({ issue }))
    const names = all.map((own) => own.kind)
    if (kind !== null && !names.includes(kind)) return yield* refused(`the configuration declares no kind ${kind}; it has: ${names.join(", ") || "none"}`)
    const named = new Map<string, unknown>()
    for (const word of payloads) {
      const [, of = "", file = ""] = /^([^=]+)=(.+)$/.exec(word) ?? []
      if (!names.includes(of)) return yield* refused(`--payload wants kind=file, with a kind of the configuration, not ${word}`)
      named.set(of, yield* Either.try({ try: (): unknown => JSON.parse(readFileSync(file, "utf8")), catch: () => new ProjectRefused({ issue: `${file} cannot be read, or is not JSON` }) }))
    }
    return all.filter((own) => kind === null || own.kind === kind).map((own): Chosen => {
      const payload = named.has(own.kind) ? named.get(own.kind) : own.example
      return { own, payload, unjudged: payload === undefined ? noPayload : null }
    })
  })

/** Refused, with nothing written, when the words, the project or the scorecard do not fit. */
export const judgeProject = <E>(asked: OwnAsked, house: House<E>): Effect.Effect<JudgedProject, ProjectRefused | E> =>
  Effect.gen(function*() {
    const { program, root, say } = house
    const card = yield* house.card(resolve(asked.scorecard ?? join(root, "scorecards", ownCard)))
    const board = yield* house.card(join(root, "scorecards", house.board))
    if (!existsSync(program)) return yield* new ProjectRefused({ issue: `${program} is not built: npm run build` })
    const project = yield* readProject(asked.config)
    const start_ms = yield* Clock.currentTimeMillis
    const run = DateTime.formatIso(DateTime.unsafeMake(start_ms)).replace(/[-:.]/g, "")
    const dir = resolve(asked.out ?? join(root, "evidence", "runs", `${run}-${ownProfile}`))
    if (existsSync(dir)) return yield* new ProjectRefused({ issue: `${dir} exists already` })
    const work = mkdtempSync(join(tmpdir(), "opsgate-own-"))
    const { clocks, scenarios } = yield* playProject(asked, house, project, work).pipe(Effect.ensuring(Effect.sync(() => asked.keep ? say(`the copies are kept in ${work}`) : rmSync(work, { recursive: true, force: true }))))
    const key = yield* house.key(asked.key)
    const shipped = yield* orRefused(house.shipped())
    const { history, problems } = readRun(scenarios)
    problems.forEach(say)
    const against = compared(root, ownProfile, card, true)
    const result = restrained(judge(card.scorecard, history), against.objections)
    const boardResult = judge(board.scorecard, history)
    const findings = findingsOf(scenarios, result, clocks)
    const about = { run, commit: house.commit(), profile: ownProfile, window: { start_ms, end_ms: yield* Clock.currentTimeMillis }, scenarios }
    const again = `opsgate gate --config ${asked.config}`
    const changes = { released: against.changes, sinceLast: against.sinceLast }
    const report = renderReport({ ...about, ...changes, result, boardResult, version: house.version, scorecard: card.scorecard, earlier: against.earlier, repeat: (scenario) => `${again} --kind ${scenario.replace(/^own-/, "")}`, repeatAll: again })
    const text = `${report}\n## Your steps\n\n${findings.map((finding) => `- ${escapeText(finding.trim())}\n`).join("")}`
    yield* orRefused(writeBundle({ dir, ...about, scorecardText: card.text, boardText: board.text, key, released: against.released, ...shipped, aside: {}, result, boardResult, report: text, junit: renderJunit(result), sarif: renderSarif(result, house.version), environment: house.surroundings() }))
    return { run, dir, result, boardResult, red: redIn({ result, scenarios, ...changes }), findings }
  })

const playProject = <E>(asked: OwnAsked, { env, program, progress, say }: House<E>, project: Effect.Effect.Success<ReturnType<typeof readProject>>, work: string) =>
  Effect.gen(function*() {
    const around = { dir: work, program, env }
    const all = [...kindsOfCommands(project), ...yield* kindsOfCode(project, around)]
    const chosen = yield* chosenOf(all, asked)
    const kinds = chosen.map(({ own: { kind }, unjudged }) => ({ kind, unjudged }))
    const judged = chosen.filter(({ unjudged }) => unjudged === null)
    if (judged.length === 0) return yield* new ProjectRefused({ issue: all.length === 0 ? "the configuration declares no kind: there is nothing to judge" : `no kind can be judged; ${kinds.map(({ kind, unjudged }) => `${kind}: ${unjudged}`).join("; ")}` })
    say(`${judged.length} of ${chosen.length} kinds are run again and again in copies of ${project.folder}; what their steps do outside of it, they really do`)
    const stage = progress.stage("kinds", judged.length)
    let ended = 0
    const scenarios = yield* Effect.forEach(judged, ({ own, payload }) =>
      Effect.tap(playKind(project, own, payload, kinds, around), ({ journal }) => Effect.sync(() => {
        say(`${own.kind}: ${journal.status}, ${journal.faults.length} kills in ${((journal.ended_at - journal.started_at) / 1000).toFixed(0)} s${journal.note === null ? "" : `; ${journal.note}`}`)
        stage.step(ended += 1)
      })), { concurrency: atOnce })
    stage.done()
    const clocks = yield* Effect.mapError(clockFindings(project, { dir: work, program, chatService: "", env }), ({ message }) => new ProjectRefused({ issue: message }))
    return { scenarios, clocks }
  })
