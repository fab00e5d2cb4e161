/**
 * Runs the tests that `scorecards/control-tests.json` declares to hold the control invariants, and answers what became of each. It judges
 * nothing: a test that was not run is simply not among the results.
 *
 * Tests are named, so that a file may grow without a word here; those that no name asks for are left alone. Where the tests or their
 * runner are not there, as in an installed package, nothing is answered, and that is missing evidence.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { Effect, Either, Schema } from "effect"
import type { ControlTests, TestName } from "../History.ts"

const limitMs = 120_000
/** The runner answers a name with its suites divided by blanks, and we by this. */
const divider = " > "

const Declared = Schema.parseJson(Schema.Struct({ v: Schema.Literal(1), tests: Schema.NonEmptyArray(Schema.Struct({ file: Schema.NonEmptyString, name: Schema.NonEmptyString })) }))

const Answer = Schema.parseJson(Schema.Struct({
  testResults: Schema.Array(Schema.Struct({
    name: Schema.String,
    assertionResults: Schema.Array(Schema.Struct({ ancestorTitles: Schema.Array(Schema.String), title: Schema.String, status: Schema.String }))
  }))
}))

export interface ControlOptions {
  /** The folder that holds `test`, `scorecards` and `node_modules`. */
  readonly root: string
  readonly env: Readonly<Record<string, string>>
}

/** The results, or a sentence on why there are none. What it started has ended when it answers or is interrupted. */
export const runControlTests = ({ env, root }: ControlOptions): Effect.Effect<Either.Either<ControlTests, string>> =>
  Effect.gen(function*() {
    const [list, runner] = [join(root, "scorecards", "control-tests.json"), join(root, "node_modules", "vitest", "vitest.mjs")]
    const declared = Either.flatMap(Either.try(() => readFileSync(list, "utf8")), Schema.decodeUnknownEither(Declared))
    if (Either.isLeft(declared)) return Either.left(`${list} is not there or no list of tests`)
    const { tests } = declared.right
    if (!existsSync(runner) || tests.some(({ file }) => !existsSync(join(root, file)))) return Either.left("the tests or their runner are not there")
    const dir = mkdtempSync(join(tmpdir(), "opsgate-control-"))
    const answer = join(dir, "answer.json")
    const files = [...new Set(tests.map(({ file }) => file))]
    const words = [runner, "run", "--config", "vitest.control.config.ts", "--reporter=json", `--outputFile=${answer}`, "--testNamePattern", patternOf(tests), ...files]
    return yield* ended(words, root, env).pipe(
      Effect.map(() => resultsIn(answer, root, tests)),
      Effect.ensuring(Effect.sync(() => rmSync(dir, { recursive: true, force: true })))
    )
  })

const patternOf = (tests: ReadonlyArray<TestName>): string => `^(?:${tests.map(({ name }) => name.replaceAll(divider, " ").replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})$`

// What it exits with says no more than its answer does. A process group of its own, so that nothing of it is left behind.
const ended = (words: ReadonlyArray<string>, cwd: string, env: ControlOptions["env"]): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const child = spawn(process.execPath, words, { cwd, env, stdio: "ignore", detached: true })
    child.on("error", () => resume(Effect.void))
    child.on("close", () => resume(Effect.void))
    return Effect.sync(() => endGroup(child.pid))
  }).pipe(Effect.timeoutOption(limitMs), Effect.asVoid)

const endGroup = (pid: number | undefined): void => {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL")
  } catch {
    // It has ended by itself.
  }
}

const resultsIn = (answer: string, root: string, declared: ReadonlyArray<TestName>): Either.Either<ControlTests, string> =>
  Either.flatMap(Either.try(() => readFileSync(answer, "utf8")), Schema.decodeUnknownEither(Answer)).pipe(
    Either.mapBoth({
      onLeft: () => "the tests of the control invariants gave no answer",
      onRight: ({ testResults }): ControlTests => ({
        v: 1,
        declared: declared.map(({ file, name }) => ({ file, name })),
        results: testResults.flatMap(({ assertionResults, name }) => {
          const file = relative(root, name)
          return assertionResults.flatMap(({ ancestorTitles, status, title }) => {
            const whole = [...ancestorTitles, title].join(divider)
            // Those that no name asked for are reported as skipped too.
            const asked = declared.some((test) => test.file === file && test.name === whole)
            return asked || statusOf(status) !== "skipped" ? [{ file, name: whole, status: statusOf(status) }] : []
          })
        })
      })
    })
  )

const statusOf = (status: string): ControlTests["results"][number]["status"] => (status === "passed" ? "passed" : status === "failed" ? "failed" : "skipped")
