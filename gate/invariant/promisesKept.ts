/**
 * The product met each fault as its documentation promises (docs/OPERATIONS.md, docs/storage-faults.md). What it has to do differs by class of
 * faults; which processes met the fault, how they ended and what they said is in the journal, and what they did is in the log.
 *
 * Unit: a fault of a class with a promise that hit something and was witnessed, by class.
 */
import type { Encounter, Fault, FaultClass, LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { commandOf } from "./Commanded.ts"
import { text, whole } from "./Fold.ts"
import { overFolds, type Whole } from "./Units.ts"

interface Case extends Whole {
  readonly fault: Fault
  readonly met: ReadonlyArray<Encounter>
}

/** What was not as promised; null when all was. */
type Promised = (of: Case) => string | null

export const promisesKept: Measure = (history) =>
  overFolds(history, (scenario, _log, units) => {
    for (const fault of scenario.journal.faults) {
      const promise = promises[fault.class]
      // A clock that was set in a simulation was not set around a real process.
      if (promise === undefined || fault.hit.length === 0 || fault.witness === null || (fault.class === "clock" && fault.by_ms === undefined)) continue
      const met = (scenario.journal.encounters ?? []).filter((one) => one.fault === fault.id)
      const problem = promise({ ...scenario, fault, met })
      if (problem === null) units.good(1, fault.class)
      else units.bad(`${scenario.id}, fault ${fault.id}: ${problem}`, fault.class)
    }
  })

/** A server that was told to end begins nothing for longer than this afterwards: the signal and the claim cross. */
const crossingMs = 1000
/** A step of the clock is told this exactly. */
const steppedWithinMs = 1500

const promises: Partial<Record<FaultClass, Promised>> = {
  sigterm: (of) => endedWith(of, 0) ?? closedProblem(of) ?? claimedProblem(of) ?? idleProblem(of),
  sigterm_twice: (of) => endedWith(of, 130) ?? waitedProblem(of) ?? idleProblem(of),
  second_server: (of) => refusedServers(of, 5, /another opsgate process holds /),
  wal_damage: (of) => refusedServers(of, 1, behind) ?? rangeProblem(of) ?? doctorProblem(of) ?? acceptedProblem(of),
  read_only: (of) => readOnlyProblem(of),
  clock: (of) => clockProblem(of)
}

const askedFor = ({ met }: Case, words: string): ReadonlyArray<Encounter> => met.filter(({ asked }) => asked === words || asked.startsWith(`${words} `))

const ended = ({ code, signal }: Encounter): string => (code === null ? `by ${signal ?? "nothing"}` : `with code ${code}`)

const endedWith = (of: Case, code: number): string | null => {
  const [server] = askedFor(of, "serve")
  if (server === undefined) return "nobody saw the server end"
  return server.code === code ? null : `the server ended ${ended(server)}, not with code ${code}`
}

const startOf = (events: ReadonlyArray<LogEvent>, pid: number | undefined): LogEvent | undefined =>
  events.findLast(({ payload, type }) => type === "epoch.started" && whole(payload, "pid") === pid)

const nextStart = (events: ReadonlyArray<LogEvent>, after: LogEvent): LogEvent | undefined =>
  events.find(({ seq, type }) => type === "epoch.started" && seq > after.seq)

const own = (of: Case): LogEvent | undefined => startOf(of.events, askedFor(of, "serve")[0]?.pid)

const closedProblem = (of: Case): string | null => {
  const start = own(of)
  if (start === undefined) return "the log does not know its epoch"
  const epoch = whole(start.payload, "epoch")
  return of.events.some(({ payload, type }) => type === "epoch.ended" && whole(payload, "epoch") === epoch) ? null : `its epoch ${epoch} was not closed`
}

const claimedProblem = (of: Case): string | null => {
  const epoch = whole(own(of)?.payload ?? null, "epoch")
  const late = of.events.find(({ at, payload, type }) => type === "task.running" && whole(payload, "epoch") === epoch && at > of.fault.at + crossingMs)
  return late === undefined ? null : `seq ${late.seq}: it claimed ${late.task} ${late.at - of.fault.at} ms after the signal`
}

// A lease that is waited out is in force until its last renewal says; whatever is taken up before was free at once.
const idleProblem = (of: Case): string | null => {
  const start = own(of)
  const next = start === undefined ? undefined : nextStart(of.events, start)
  if (next === undefined) return "no server came after it"
  const until = leaseOf(next)
  const first = of.events.find(({ seq, type }) => seq > next.seq && (type === "task.running" || type === "effect.adopted"))
  if (until === null || first === undefined || first.at < until) return null
  return `seq ${first.seq}: the next server began ${first.at - until} ms after the lease had run out`
}

const isObject = (value: unknown): value is NonNullable<LogEvent["payload"]> => typeof value === "object" && value !== null

const leaseOf = ({ payload }: LogEvent): number | null => {
  const last = payload?.["last"]
  return isObject(last) ? whole(last, "lease_until_ms") : null
}

// The command in hand outlasts the signals by far: who has its end did wait for it.
const waitedProblem = (of: Case): string | null => {
  const start = own(of)
  const next = start === undefined ? undefined : nextStart(of.events, start)
  if (start === undefined || next === undefined) return "the log does not know its epoch, or none came after it"
  const left = of.fault.hit.filter((task) => !endedBetween(of.events, task, start.seq, next.seq))
  return left.length > 0 ? null : "it waited until everything had ended"
}

const endTypes: ReadonlySet<string> = new Set(["task.succeeded", "task.failed", "task.canceled", "task.expired"])
const endedBetween = (events: ReadonlyArray<LogEvent>, task: string, from: number, to: number): boolean =>
  events.some((event) => event.task === task && endTypes.has(event.type) && event.seq > from && event.seq < to)

// Whoever is refused says why, opens no epoch and leaves the file as it is.
const refusedServers = (of: Case, code: number, words: RegExp): string | null => {
  const servers = askedFor(of, "serve")
  for (const server of servers) {
    if (server.code !== code) return `it ended ${ended(server)}, not with code ${code}`
    if (!words.test(server.said)) return "it did not say why"
    if (startOf(of.events, server.pid) !== undefined) return `process ${server.pid} opened an epoch`
    if (server.files !== undefined && server.files.before !== server.files.after) return "it changed the file"
  }
  return servers.length === 0 ? "nobody tried to start" : null
}

const behind = /is behind its watermark: \d+ acknowledged events? (?:is|are) missing \((\d+) to (\d+)\)/

const rangeOf = (said: string | undefined): { readonly from: number; readonly to: number } | null => {
  const match = behind.exec(said ?? "")
  return match === null ? null : { from: Number(match[1]), to: Number(match[2]) }
}

const isAccepted = (of: Case): boolean => askedFor(of, "accept-loss").length > 0

// Where the whole log came back it is in the evidence, so what was named can be held against what was there.
const rangeProblem = (of: Case): string | null => {
  const range = rangeOf(askedFor(of, "serve")[0]?.said)
  if (range === null) return "no range was named"
  if (isAccepted(of)) return null
  const keys = new Set((of.journal.operations ?? []).filter(({ answer, answered }) => answer !== null && answered !== null && answered <= of.fault.at).map(({ key }) => key))
  const unnamed = of.events.find((event) => {
    const key = commandOf(event)?.key ?? null
    return event.seq > range.to && event.at <= of.fault.at && key !== null && keys.has(key)
  })
  if (unnamed !== undefined) return `seq ${unnamed.seq} was acknowledged and lost, and the range that was named ends at ${range.to}`
  const outside = of.events.find(({ seq, task, type }) => type === "task.requested" && task !== null && of.fault.hit.includes(task) && (seq < range.from || seq > range.to))
  return outside === undefined ? null : `seq ${outside.seq} was lost, and is not in the range that was named, ${range.from} to ${range.to}`
}

const doctorNames = (said: string): boolean => /behind_watermark: its log ends at event \d+, but event \d+ was acknowledged/.test(said)

const doctorProblem = (of: Case): string | null => {
  const silent = askedFor(of, "doctor").find(({ code, said }) => code !== 1 || !doctorNames(said))
  return silent === undefined ? null : `the doctor ended ${ended(silent)}${doctorNames(silent.said) ? "" : " and did not name the loss"}`
}

const acceptedProblem = (of: Case): string | null => {
  const [accepting] = askedFor(of, "accept-loss")
  if (accepting === undefined) return null
  if (accepting.code !== 0) return `accept-loss ended ${ended(accepting)}`
  const loss = of.events.find(({ at, type }) => type === "loss.accepted" && at >= of.fault.at)
  const range = rangeOf(askedFor(of, "serve")[0]?.said)
  const [head, marked] = [seqIn(loss, "head"), seqIn(loss, "marked")]
  if (loss === undefined || head === null) return "the loss is not on record"
  if (range === null || head + 1 !== range.from || marked !== range.to) return `seq ${loss.seq}: it is not what was named before`
  const blind = of.fault.hit.find((task) => {
    const next = of.events.find((event) => event.seq > head && event.task === task)
    return next?.type !== "task.outcome_unknown" || text(next.payload, "code") !== "loss_accepted"
  })
  return blind === undefined ? null : `${blind} went on as if nothing had been lost`
}

const seqIn = (event: LogEvent | undefined, name: string): number | null => {
  const place = event?.payload?.[name]
  return isObject(place) ? whole(place, "seq") : null
}

const refusedWords = /the store cannot [a-z ]+: (?:the file or its folder is read-only|the disk reports an error)/

const readOnlyProblem = (of: Case): string | null => {
  if (of.met.length === 0) return "nobody asked for anything while it lasted"
  const started = refusedServers(of, 1, refusedWords)
  if (askedFor(of, "serve").length > 0) return started
  const [command] = askedFor(of, "task submit")
  const [summary] = askedFor(of, "ops-summary")
  if (command === undefined || command.code !== 1 || !refusedWords.test(command.said)) return `a command ended ${command === undefined ? "never" : ended(command)}, or without a word`
  if (summary === undefined || summary.code !== 7 || !/storage_(?:io|read_only)/.test(summary.said)) return "ops-summary did not say it"
  // By itself: by the server that was there, without another boot.
  const boot = of.events.find(({ at, payload, type }) => type === "epoch.started" && text(payload, "why") === "boot" && at > of.fault.at)
  const again = of.events.find(({ at, seq, task }) => task !== null && at >= (of.fault.until ?? of.fault.at) && (boot === undefined || seq < boot.seq))
  return again === undefined ? "work did not go on by itself" : null
}

const clockProblem = (of: Case): string | null => {
  const alike = (byMs: number | null): boolean => byMs !== null && Math.abs(byMs - (of.fault.by_ms ?? 0)) <= steppedWithinMs
  const set = of.journal.faults.filter((fault) => fault.class === "clock" && alike(fault.by_ms ?? null)).length
  const noticed = of.events.filter(({ payload, type }) => type === "clock.stepped" && alike(whole(payload, "by_ms"))).length
  if (noticed !== set) return `the clock was set ${set} times by ${of.fault.by_ms} ms, and the log has ${noticed} of them`
  const lost = of.events.find(({ payload, type }) => type === "epoch.started" && text(payload, "why") === "lease_expired")
  if (lost !== undefined) return `seq ${lost.seq}: a lease was lost`
  const again = of.fault.hit.find((task) => of.events.filter((event) => event.task === task && (event.type === "task.running" || event.type === "effect.adopted")).length !== 1)
  return again === undefined ? null : `${again} was given out again`
}
