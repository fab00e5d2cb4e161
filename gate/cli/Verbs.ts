/** The verbs of the gate's command line beside `gate` itself: which word leads where, and their help. */
import { Effect } from "effect"
import { clip } from "../evidence/Plain.ts"
import { auditsUsage, auditsVerb } from "./Audits.ts"
import { diffUsage, diffVerb } from "./Diff.ts"
import { type House, printLine, refused, type WordsRefused } from "./House.ts"
import { inspectUsage, inspectVerb } from "./Inspect.ts"
import { createUsage, createVerb, rotateUsage, rotateVerb, showUsage, showVerb } from "./Keys.ts"
import { packUsage, packVerb } from "./Pack.ts"
import { replayUsage, replayVerb } from "./Replay.ts"
import { requireUsage, requireVerb } from "./Require.ts"
import { verifyUsage, verifyVerb } from "./Verify.ts"

type Verb = (given: ReadonlyArray<string>, house: House) => Effect.Effect<number, WordsRefused>

interface Helped {
  readonly run: Verb
  readonly usage: string
}

const verified: Helped = { run: verifyVerb, usage: verifyUsage }

const groups: ReadonlyMap<string, ReadonlyMap<string, Helped>> = new Map([
  ["evidence", new Map([
    ["inspect", { run: inspectVerb, usage: inspectUsage }],
    ["verify", verified],
    ["audits", { run: auditsVerb, usage: auditsUsage }],
    ["diff", { run: diffVerb, usage: diffUsage }],
    ["replay", { run: replayVerb, usage: replayUsage }],
    ["require", { run: requireVerb, usage: requireUsage }],
    ["pack", { run: packVerb, usage: packUsage }]
  ])],
  ["keys", new Map([
    ["create", { run: createVerb, usage: createUsage }],
    ["show", { run: showVerb, usage: showUsage }],
    ["rotate", { run: rotateVerb, usage: rotateUsage }]
  ])]
])

/** What these words ask for; null for words of the gate itself. */
export const verbOf = ([first = "", ...rest]: ReadonlyArray<string>): ((house: House) => Effect.Effect<number, WordsRefused>) | null => {
  if (first === "verify") return running(verified, rest)
  const group = groups.get(first)
  return group === undefined ? null : ofGroup(first, group, rest)
}

const ofGroup = (name: string, group: ReadonlyMap<string, Helped>, [second = "", ...rest]: ReadonlyArray<string>) => {
  const helped = group.get(second)
  if (helped !== undefined) return running(helped, rest)
  const usage = `usage: ${[...group.values()].map((one) => one.usage).join("\n       ")}`
  return (house: House): Effect.Effect<number, WordsRefused> => {
    if (second === "--help" || second === "-h") return told(usage, house)
    return refused(`${second === "" ? `opsgate ${name} wants a verb` : `opsgate ${name} has no verb ${clip(second, 60)}`}: ${[...group.keys()].join(", ")}`)
  }
}

const running = ({ run, usage }: Helped, given: ReadonlyArray<string>) => (house: House): Effect.Effect<number, WordsRefused> =>
  given.includes("--help") || given.includes("-h") ? told(`usage: ${usage}`, house) : run(given, house)

const told = (usage: string, house: House): Effect.Effect<number> =>
  Effect.sync(() => {
    usage.split("\n").forEach((line) => printLine(house, line))
    return 0
  })
