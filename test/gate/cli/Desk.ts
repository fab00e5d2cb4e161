/** The verbs of the gate's command line in this process, with what they print and exit with. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import type { KeyObject } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Clock, Effect, Exit } from "effect"
import type { House } from "../../../gate/cli/House.ts"
import { verbOf } from "../../../gate/cli/Verbs.ts"
import { publicPem } from "../../../gate/evidence/Keys.ts"
import { plain } from "../../../gate/evidence/Plain.ts"
import { journalOf, key, type Run, run } from "../evidence/SyntheticRun.ts"

export const repository = fileURLToPath(new URL("../../..", import.meta.url))

/** A folder of pinned public keys: those of these private ones. */
export const pinnedFolder = (...keys: ReadonlyArray<KeyObject>): string => {
  const dir = mkdtempSync(join(tmpdir(), "opsgate-pinned-"))
  keys.forEach((one, index) => writeFileSync(join(dir, `key${index}.pub.pem`), publicPem(one)))
  return dir
}

export interface Answer {
  readonly exit: number
  readonly out: string
  readonly err: string
}

export interface DeskOptions {
  readonly root?: string
  readonly pinnedDir?: string
  readonly keyFile?: string
  /** The product that is played. */
  readonly program?: string
  /** Unix milliseconds that the clock shows. */
  readonly nowMs?: number
}

/** Runs one command as `opsgate …` would, except that nothing outside of this process is started by the desk itself. */
export const desk = ({ keyFile, nowMs, pinnedDir = pinnedFolder(key), program = join(repository, "dist/opsgate.js"), root = repository }: DeskOptions = {}) => async (...given: ReadonlyArray<string>): Promise<Answer> => {
  let out = ""
  let err = ""
  const say = (text: string): void => void (err += `${plain(text)}\n`)
  const home = keyFile ?? join(mkdtempSync(join(tmpdir(), "opsgate-desk-")), "gate.key")
  const house: House = {
    root, pinnedDir, keyFile: home, program, chatService: join(repository, "dist/telegram-fake.js"),
    env: { PATH: process.env.PATH ?? "", LANG: "C.UTF-8", TZ: "UTC" },
    progress: { say, timings: () => [], stage: () => ({ step: () => undefined, done: () => undefined }) },
    print: (text) => void (out += text)
  }
  const asked = verbOf(given)
  if (asked === null) throw new Error(`no verb: ${given.join(" ")}`)
  const ended = await Effect.runPromiseExit(nowMs === undefined ? asked(house) : Effect.withClock(asked(house), { ...Clock.make(), unsafeCurrentTimeMillis: () => nowMs, currentTimeMillis: Effect.succeed(nowMs) }))
  if (Exit.isSuccess(ended)) return { exit: ended.value, out, err: err.trimEnd() }
  const [failure] = ended.cause._tag === "Fail" ? [ended.cause.error] : []
  if (failure === undefined) throw new Error(`it died: ${JSON.stringify(ended.cause)}`)
  say(`opsgate: ${failure.message}`)
  return { exit: 254, out, err: err.trimEnd() }
}

/** An `evidence`, `scorecards` and `docs` of its own, as a clone has them. */
export const clone = (): string => {
  const root = mkdtempSync(join(tmpdir(), "opsgate-clone-"))
  mkdirSync(join(root, "evidence/keys"), { recursive: true })
  return root
}

/** The synthetic run, in which the tasks of `calm` came to another end than they should: NO-GO, by the check `ends`. */
export const failing: Run = {
  ...run,
  scenarios: run.scenarios.map((one) => {
    const journal = journalOf("calm", 7)
    return one.id === "calm" ? { ...one, journal: { ...journal, requests: journal.requests.map((request) => ({ ...request, expect: { ...request.expect, states: ["FAILED"] } })) } } : one
  })
}
