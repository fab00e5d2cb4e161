/** Carries out the verbs of the audit. Whatever is sensitive is on record before it is shown. */
import { closeSync, createReadStream, existsSync, openSync, realpathSync, rmSync, writeSync } from "node:fs"
import { resolve } from "node:path"
import { Effect, Schema } from "effect"
import * as Config from "./Config.ts"
import { resolve as resolveTask } from "./control/Commands.ts"
import { handleRead } from "./control/Reads.ts"
import { localCaller } from "./Ask.ts"
import { databaseFile, locate } from "./DataDir.ts"
import { type AuditRange, auditVerifier, rangeLine } from "./domain/AuditFile.ts"
import type { ReadAnswer, ReadAsk, Sensitive } from "./domain/ReadAsk.ts"
import { chainStart, type TaskEvent, toLine } from "./domain/TaskEvent.ts"
import { type AuditAction, keysText, type KeyRow, recordsText, verifiedText } from "./edge/cli/AuditVerbs.ts"
import { refusedBy } from "./edge/cli/CommandSocket.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import type { Place, Print } from "./edge/cli/Program.ts"
import { EngineReader, Instants } from "./engine/Engine.ts"
import { TargetExists } from "./engine/sqlite/Copy.ts"
import { DatabaseRefused, readVersion } from "./engine/sqlite/Database.ts"
import { place as putInPlace, syncFile, unfinished } from "./engine/sqlite/Durable.ts"
import { orUnavailable } from "./engine/sqlite/SqliteError.ts"
import { type Failed, readingAt, run, warnings } from "./Launch.ts"
import * as Layers from "./Layers.ts"
import { reach } from "./Reach.ts"

/** The file cannot be read, or is no export: there is nothing to check. */
class NotReadable extends Schema.TaggedError<NotReadable>()("Usage", { file: Schema.String, why: Schema.String }) {
  override get message() {
    return `${this.file} cannot be read: ${this.why}`
  }
}

const isRead = (value: unknown): value is ReadAnswer => typeof value === "object" && value !== null && "recorded" in value
const isFailed = (value: object | number): value is Failed => typeof value === "object" && "tag" in value

const recordHere = (ask: ReadAsk, file: string, configFile: string | undefined) =>
  Effect.gen(function*() {
    // Who may look stands in the configuration.
    const config = yield* Config.load(configFile)
    if ((yield* readVersion(file)) === 0) return yield* DatabaseRefused.absent(file)
    return yield* Effect.provide(handleRead({ ask, key: null, ...localCaller(config), channel: "cli" }), Layers.engineOn(file))
  }).pipe(Effect.mapError(refusedBy), Effect.provide(warnings))

const isSame = (one: string, other: string): boolean => existsSync(one) && existsSync(other) && realpathSync(one) === realpathSync(other)

/** Refusals and what there is not are told as they are; for all else the look could not be put on record. */
const asTold: ReadonlySet<string> = new Set(["TaskNotFound", "TaskAmbiguous", "NotAllowed", "AskMalformed"])

/**
 * Puts a look on record, by the server or under the lock; null when it may be taken. Of a file that `--db` names, and that is not the
 * configured one, nothing is put on record, since nobody writes it: that is said.
 */
const recordLook = async (what: Sensitive, task: string | null, place: Place, print: Print): Promise<Failed | null> => {
  const file = databaseFile(locate(place.config))
  if (place.db !== undefined && !isSame(resolve(place.db), file)) {
    print.say(`that you look is not on record: ${place.db} is not the configured database`)
    return null
  }
  const ask: ReadAsk = { op: "read", what, reason: null, ...(task === null ? {} : { task }) }
  const answer = await reach(ask, null, place, isRead, () => run(recordHere(ask, file, place.config)))
  if (!isFailed(answer)) return null
  return asTold.has(answer.tag) ? answer : { tag: answer.tag, text: `${answer.text}; so the look cannot be put on record, and nothing is shown. A copy may be looked at: --db <file>` }
}

/** A look that is on record before it is taken. */
export const recordedFirst = async (what: Sensitive, task: string | null, place: Place, print: Print, look: () => Promise<number | Failed>): Promise<number | Failed> =>
  (await recordLook(what, task, place, print)) ?? look()

const listed = (print: Print, { actor, limit, op, sinceMs, task }: Extract<AuditAction, { readonly _tag: "List" }>) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const { wallMs } = yield* Instants
    const id = task === null ? null : yield* resolveTask(task)
    const records = yield* reader.commands({
      limit,
      ...(id === null ? {} : { task: id }),
      ...(actor === null ? {} : { actor }),
      ...(op === null ? {} : { op }),
      ...(sinceMs === null ? {} : { sinceMs: wallMs() - sinceMs })
    })
    print.result(records, () => recordsText(records))
    return exitCode.ok
  })

const keysListed = (print: Print, { actor, key, limit }: Extract<AuditAction, { readonly _tag: "Keys" }>, keysMs: number | null) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const found = yield* reader.keys({ limit, ...(actor === null ? {} : { actor }), ...(key === null ? {} : { key }) })
    const rows = found.map(({ channel, conflicts, fingerprint, firstMs, op, replays, ...owner }): KeyRow => ({
      ...owner,
      op,
      fingerprint,
      channel,
      first_use: firstMs,
      expires_after: keysMs === null ? null : firstMs + keysMs,
      replays,
      conflicts
    }))
    print.result(rows, () => keysText(rows))
    return key !== null && rows.length === 0 ? exitCode.notFound : exitCode.ok
  })

/** Events that are read and written at a time. */
const page = 1000

const pages = (after: number, toSeq: number, write: (lines: string) => void) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    for (let seq = after; seq < toSeq;) {
      const events: ReadonlyArray<TaskEvent> = yield* reader.events(seq, Math.min(page, toSeq - seq))
      const last = events.at(-1)
      if (last === undefined) return
      write(`${events.map(toLine).join("\n")}\n`)
      seq = last.seq
    }
  })

// As it stands now: what is written meanwhile is not in it.
const rangeBehind = (after: number) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const { asOfSeq } = yield* reader.summary(0)
    const at = (seq: number) => (seq === 0 ? Effect.void : Effect.map(reader.events(seq - 1, 1), ([event]) => event))
    const [before, last] = [yield* at(Math.min(after, asOfSeq)), yield* at(asOfSeq)]
    const from = before?.seq ?? 0
    const range: AuditRange = { stream: last?.stream ?? "", fromSeq: from + 1, toSeq: asOfSeq, count: asOfSeq - from, prev: before?.hash ?? chainStart, head: last?.hash ?? chainStart }
    return range
  })

const written = (out: string, lines: (write: (text: string) => void) => ReturnType<typeof pages>) =>
  Effect.gen(function*() {
    const part = unfinished(out)
    yield* Effect.acquireUseRelease(
      orUnavailable("write the export", () => openSync(part, "w", 0o600)),
      (descriptor) => lines((text) => void writeSync(descriptor, text)),
      (descriptor) => Effect.sync(() => closeSync(descriptor))
    )
    yield* orUnavailable("write the export", () => {
      syncFile(part)
      putInPlace(part, out)
    })
  }).pipe(Effect.onError(() => Effect.sync(() => rmSync(unfinished(out), { force: true }))))

const exported = (print: Print, { after, force, out }: Extract<AuditAction, { readonly _tag: "Export" }>) =>
  Effect.gen(function*() {
    const range = yield* rangeBehind(after)
    const lines = (write: (text: string) => void) =>
      Effect.suspend(() => {
        write(`${rangeLine(range)}\n`)
        return pages(range.fromSeq - 1, range.toSeq, write)
      })
    if (out === null) {
      yield* lines(print.out)
      return exitCode.ok
    }
    const file = resolve(out)
    if (existsSync(file) && !force) return yield* new TargetExists({ file, forced: "--force replaces it" })
    yield* written(file, lines)
    print.result({ file, ...range }, () => `${file}: ${range.count} events, ${range.fromSeq} to ${range.toSeq}\nhead ${range.head}`)
    return exitCode.ok
  })

/** The longest line that is read, in bytes: payloads of events are far smaller. */
const lineBytesMax = 16 * 1024 * 1024

const checked = async (file: string, head: string | null): Promise<ReturnType<ReturnType<typeof auditVerifier>["end"]> | string> => {
  const verifier = auditVerifier(head)
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let rest = ""
  let number = 0
  try {
    for await (const chunk of createReadStream(file)) {
      rest += decoder.decode(chunk, { stream: true })
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        number += 1
        const issue = verifier.line(rest.slice(0, end))
        if (issue !== null) return issue
        rest = rest.slice(end + 1)
      }
      if (rest.length > lineBytesMax) return `line ${number + 1} is longer than an event can be`
    }
    rest += decoder.decode()
  } catch (cause) {
    if (cause instanceof TypeError) return `line ${number + 1} is not UTF-8`
    throw cause
  }
  return verifier.end(rest === "")
}

const codeOf = (cause: unknown): string => (cause instanceof Error && "code" in cause ? String(cause.code) : "it is not there, or not to be read")

const verified = (print: Print, { file, head }: Extract<AuditAction, { readonly _tag: "Verify" }>) =>
  Effect.gen(function*() {
    const outcome = yield* Effect.tryPromise({ try: () => checked(file, head), catch: (cause) => new NotReadable({ file, why: codeOf(cause) }) })
    if (typeof outcome === "string" || outcome._tag === "Left") {
      const issue = typeof outcome === "string" ? outcome : outcome.left
      print.say(`${file} is not what was exported: ${issue}`)
      print.result({ ok: false, issue }, () => "not verified")
      return exitCode.failure
    }
    const { right: report } = outcome
    const { count, fromSeq: from_seq, head: found, ok, pinnedSeq: pinned_seq, prev, pruned, stream, toSeq: to_seq } = report
    print.result({ ok, stream, from_seq, to_seq, count, prev, head: found, pruned, pinned_seq, proves_author: false }, () => verifiedText(report))
    return exitCode.ok
  })

/** How long keys are kept at least, where the configuration tells. */
const keysMsOf = ({ config, db }: Place) =>
  db === undefined ? Effect.orElseSucceed(Effect.map(Config.load(config), ({ retention }) => retention.keysMs), () => null) : Effect.succeed(null)

export const carryOutAudit = async (action: AuditAction, place: Place, print: Print): Promise<number | Failed> => {
  if (action._tag === "Verify") return run(verified(print, action))
  return recordedFirst(action._tag === "Keys" ? "keys" : "audit", action._tag === "List" ? action.task : null, place, print, () => show(action, place, print))
}

const show = (action: Exclude<AuditAction, { readonly _tag: "Verify" }>, place: Place, print: Print): Promise<number | Failed> => {
  switch (action._tag) {
    case "List":
      return run(readingAt(place, print, listed(print, action)))
    case "Export":
      return run(readingAt(place, print, exported(print, action)))
    case "Keys":
      return run(readingAt(place, print, Effect.flatMap(keysMsOf(place), (keysMs) => keysListed(print, action, keysMs))))
  }
}
