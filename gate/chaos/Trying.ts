/** What scenarios with trials share: how they ask, and how they put on record what they tried and saw. */
import { createHash } from "node:crypto"
import { Clock, Effect } from "effect"
import type { Look, Trial } from "../History.ts"
import { isObject } from "../Json.ts"
import { sendLine } from "./Socket.ts"
import type { Stage } from "./Stage.ts"
import type { Planned } from "./Workload.ts"

export const look = (what: string, seen: string, ...promised: ReadonlyArray<string>): Look => ({ what, promised, seen })

/** Puts a trial on record. What makes it one of its own is its sort and what `of` says. */
export const tried = (stage: Stage, trial: Omit<Trial, "id" | "digest">, of: string): void => {
  const digest = createHash("sha256").update(`${trial.kind} ${trial.sort} ${of}`).digest("hex")
  stage.trials.push({ id: `${trial.kind}/${stage.trials.length + 1}`, digest, ...trial })
}

export const once = { states: ["SUCCEEDED"], done_min: 1, done_max: 1 } as const

/** A task that runs when it is asked for, without anybody's yes. */
export const plainTask = ({ requests, scenario }: Stage, kind: "light.sh" | "heavy.git", ms: number): Planned => {
  const n = requests.length
  return { key: `${scenario.id}:${scenario.seed}:${n}`, kind, class: kind === "heavy.git" ? "heavy" : "light", payload: { n, ms }, handling: "run", expect: once }
}

export interface Heard {
  readonly task: string | null
  /** `taken`, `refused: <tag>`, or `no answer`. */
  readonly word: string
}

/** Asks for a task over the socket and puts request and answer on record. */
export const askFor = (stage: Stage, planned: Planned): Effect.Effect<Heard> =>
  Effect.gen(function*() {
    const { class: taskClass, expect, key, kind, payload } = planned
    const invoked = yield* Clock.currentTimeMillis
    const reply = yield* Effect.orElseSucceed(sendLine(stage.workspace, { v: 1, ask: { op: "submit", kind, payload, reason: null }, key }), () => null)
    const answered = yield* Clock.currentTimeMillis
    const [ok, refused] = isObject(reply) ? [reply["ok"], reply["refused"]] : [null, null]
    const task = isObject(ok) && typeof ok["task"] === "string" ? ok["task"] : null
    const state = isObject(ok) && typeof ok["state"] === "string" ? ok["state"] : null
    stage.requests.push({ key, kind, class: taskClass, task, expect })
    stage.operations.push({ op: "submit", key, task, invoked, answered: state === null ? null : answered, answer: state })
    return { task, word: task !== null ? "taken" : isObject(refused) ? `refused: ${String(refused["tag"])}` : "no answer" }
  })

/** Asks again, each with its key, what nobody answered: what a careful user does when the trouble is over. */
export const askAgain = (stage: Stage, asked: ReadonlyArray<Planned>): Effect.Effect<void> =>
  Effect.forEach(asked, (planned) =>
    Effect.gen(function*() {
      const at = stage.requests.findIndex(({ key, task }) => key === planned.key && task === null)
      if (at < 0) return
      const [unanswered] = stage.requests.splice(at, 1)
      const { task } = yield* askFor(stage, planned)
      // Refused once more: the request stays as it was.
      if (task === null && unanswered !== undefined) stage.requests.splice(stage.requests.length - 1, 1, unanswered)
    }), { discard: true })

const reasons: ReadonlyArray<readonly [string, string]> = [
  ["in doubt", "the disk failed to sync a commit"],
  ["full", "the disk is full"],
  ["error", "the disk reports an error"],
  ["read-only", "is read-only"],
  ["read-only", "EROFS"]
]

/** How a server or a verb ended, and why by its own words. */
export const endWords = (how: string, stderr: string): string => {
  const [reason] = reasons.find(([, phrase]) => stderr.includes(phrase)) ?? [`it said ${stderr.trim().split("\n").at(-1)?.slice(-160) ?? ""}`]
  return `${how}: ${reason}`
}
