/** The last verdict of the gate, read as data: nothing of the gate is run, and nothing that the file says is believed but what it says. */
import { readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { Effect, Either, Schema } from "effect"

const Latest = Schema.Struct({
  run: Schema.String,
  profile: Schema.String,
  decision: Schema.String,
  scorecard: Schema.String,
  commit: Schema.NullOr(Schema.String),
  bundle: Schema.String,
  at_ms: Schema.Number,
  checks: Schema.Array(Schema.Struct({ id: Schema.String, verdict: Schema.String }))
})
type Latest = typeof Latest.Type

export interface Verdict extends Omit<Latest, "bundle"> {
  /** The report of the run, if it is there. */
  readonly report: string | null
}

const reportMax = 1_000_000
const decode = Schema.decodeUnknownEither(Schema.parseJson(Latest))

const textOf = (file: string): string | null => {
  try {
    return statSync(file).size > reportMax ? null : readFileSync(file, "utf8")
  } catch {
    // Nobody has run the gate here, or its bundle was removed.
    return null
  }
}

// Only what lies beside the file is sent: it names the folder, and whoever can write it could name any other.
const reportIn = (file: string, bundle: string): string | null => {
  const root = dirname(file)
  const path = relative(root, resolve(root, bundle))
  return path === "" || path.startsWith("..") || resolve(root, path) !== join(root, path) ? null : textOf(join(root, path, "REPORT.md"))
}

/** What `file` says (`evidence/latest.json`); null when there is no verdict that can be read. */
export const latest = (file: string): Effect.Effect<Verdict | null> =>
  Effect.sync(() => {
    const found = decode(textOf(resolve(file)))
    if (Either.isLeft(found)) return null
    const { bundle, ...verdict } = found.right
    return { ...verdict, report: reportIn(resolve(file), bundle) }
  })
