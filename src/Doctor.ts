/** Looks at everything that may be wrong with an opsgate on this machine, and changes nothing: works with the server up and down. */
import { dirname } from "node:path"
import { Effect, Either } from "effect"
import * as Config from "./Config.ts"
import { runsDir, socketFile } from "./DataDir.ts"
import { type DoctorReport, type Finding, statusOf } from "./domain/Reports.ts"
import { ask } from "./edge/cli/Probe.ts"
import { EngineReader, Instants } from "./engine/Engine.ts"
import * as Live from "./engine/Live.ts"
import { examine, type Examined, lockHolder } from "./engine/sqlite/Examine.ts"
import { orUnavailable } from "./engine/sqlite/SqliteError.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"

export interface DoctorOptions {
  readonly file: string
  readonly configFile: string | undefined
  /** Whether the file is the one that the configuration names: then its kinds are the ones that its tasks may have. */
  readonly configured: boolean
}

/** Whether the leases of whoever holds the lock are in force: a program without a socket tells that it lives by renewing them. */
const isRenewed = (file: string) =>
  Effect.flatMap(EngineReader, (reader) => reader.summary(0)).pipe(
    Effect.provide(SqliteReader.layer(file)),
    Effect.flatMap(({ epoch }) => Effect.map(Instants, ({ wallMs }) => epoch !== null && epoch.leaseUntilMs > wallMs())),
    Effect.orElseSucceed(() => false)
  )

/** How long after each other a lock without a socket is looked at: a command holds it for a moment. */
const secondLook = "1 second"

const lockFindings = (file: string) =>
  Effect.gen(function*() {
    const holder = orUnavailable("look at the lock", () => lockHolder(file))
    if (!(yield* holder).held) return []
    const answer = yield* Effect.promise(() => ask(socketFile(dirname(file))))
    if (answer === "answers" || (answer === "nobody" && (yield* isRenewed(file)))) return []
    if (answer === "nobody") yield* Effect.sleep(secondLook)
    const { held, pid } = yield* holder
    if (!held) return []
    const who = pid === null ? "<pid>" : String(pid)
    const finding: Finding = {
      code: "lock_silent",
      severity: "damage",
      found: `${pid === null ? "a process" : `process ${pid}`} holds the lock and does not answer`,
      since_ms: null,
      remedy: `kill -CONT ${who}   # if it was stopped; otherwise kill -KILL ${who} and start again: opsgate serve`
    }
    return [finding]
  })

const none: Examined = { findings: [], unchecked: [], checks: 0 }

export const doctor = ({ configFile, configured, file }: DoctorOptions) =>
  Effect.gen(function*() {
    const { wallMs } = yield* Instants
    const config = configured ? yield* Effect.either(Config.load(configFile)) : null
    const invalid: ReadonlyArray<Finding> = config !== null && Either.isLeft(config)
      ? [{ code: "config_invalid", severity: "damage", found: config.left.message, since_ms: null, remedy: `opsgate doctor --config ${config.left.file}   # after it was corrected; a server would not start` }]
      : []
    const kinds = config !== null && Either.isRight(config) ? new Set(config.right.kinds.keys()) : null
    const examined = yield* examine({ file, runsDir: runsDir(dirname(file)), kinds, nowMs: wallMs })
    const lock = yield* Effect.match(lockFindings(file), {
      onSuccess: (findings): Examined => ({ ...none, findings, checks: 1 }),
      onFailure: (error): Examined => ({ ...none, unchecked: [{ check: "lock", why: error.message }], checks: 1 })
    })
    const all = {
      findings: [...invalid, ...lock.findings, ...examined.findings],
      unchecked: [...lock.unchecked, ...examined.unchecked],
      checks: examined.checks + lock.checks + (configured ? 1 : 0)
    }
    const report: DoctorReport = { v: 1, file, status: statusOf(all), ...all }
    return report
  }).pipe(Effect.provide(Live.layer))
