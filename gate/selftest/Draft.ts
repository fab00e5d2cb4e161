/**
 * A copy of a bundle that is about to be broken, in memory. It is signed with a key that everybody can make and nobody pins, so that
 * what is forged here proves nothing anywhere else.
 */
import { createPrivateKey, type KeyObject } from "node:crypto"
import { Data, Either, Schema } from "effect"
import { attest } from "../evidence/Attestations.ts"
import { publicKeyFile, scorecardFile, sshKeyFile } from "../evidence/Bundle.ts"
import { canonical, sha256 } from "../evidence/Canonical.ts"
import { endOf, genesis, hashOf } from "../evidence/Chain.ts"
import { signEnvelope, verifyEnvelope } from "../evidence/Dsse.ts"
import type { Files } from "../evidence/Files.ts"
import { type PinnedKey, publicKeyOf, publicPem, publicSsh } from "../evidence/Keys.ts"
import { listFiles, Manifest, manifestFile } from "../evidence/Manifest.ts"
import { metricsFile, metricsOf } from "../evidence/Metrics.ts"
import { decodeJson, effectsFile, eventsFile, journalFile, readBundle } from "../evidence/Reader.ts"
import { rejudge } from "../evidence/Rejudge.ts"
import { evaluated, Statement, statementOf, subjectsOf } from "../evidence/Statement.ts"
import { envelopeFile, isAttestation, renderSums, sumsFile } from "../evidence/Sums.ts"
import type { Effect, Journal, LogEvent } from "../History.ts"
import { parseScorecard } from "../scorecard/Decode.ts"
import type { Result, Scorecard } from "../scorecard/Scorecard.ts"

/** Raised when a mutant could not be made. Nothing was judged. */
export class NotMade extends Data.TaggedError("NotMade")<{ readonly why: string }> {
  override get message() {
    return this.why
  }
}

/** A scenario of which nothing is missing. */
export interface Scene {
  readonly id: string
  readonly journal: Journal
  readonly events: ReadonlyArray<LogEvent>
  readonly effects: ReadonlyArray<Effect>
}

// PKCS #8 of an Ed25519 key (RFC 8410, section 7) is this and the 32 bytes of the key.
const privateKeyPrefix = Buffer.from("302e020100300506032b657004220420", "hex")

/** A key from words: the same words, the same key. */
export const keyFrom = (words: string): KeyObject =>
  createPrivateKey({ key: Buffer.concat([privateKeyPrefix, Buffer.from(sha256(words), "hex")]), format: "der", type: "pkcs8" })

export const selfTestKey = keyFrom("opsgate self-test")

export const pinnedFor = (key: KeyObject, name = "self-test.pub.pem"): PinnedKey => made(publicKeyOf(name, publicPem(key)))

const made = <A>(either: Either.Either<A, { readonly message: string }>): A =>
  Either.getOrThrowWith(either, ({ message }) => new NotMade({ why: message }))

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

const encode = (text: string): Uint8Array => Buffer.from(text, "utf8")

export class Draft {
  readonly files: Map<string, Uint8Array>
  /** Whom the verifier trusts. */
  pinned: ReadonlyArray<PinnedKey> = [pinnedFor(selfTestKey)]

  constructor(files: Files) {
    this.files = new Map(files)
  }

  text(path: string): string {
    const bytes = this.files.get(path)
    if (bytes === undefined) throw new NotMade({ why: `${path} is not in the bundle` })
    return Buffer.from(bytes).toString("utf8")
  }

  read<A, I>(path: string, schema: Schema.Schema<A, I>): A {
    return made(decodeJson(schema, path, this.text(path)))
  }

  write(path: string, content: string): void {
    this.files.set(path, encode(content))
  }

  writeJson(path: string, value: unknown): void {
    this.write(path, pretty(value))
  }

  /** Refused when it is not there: nothing would have been taken away. */
  remove(path: string): void {
    if (!this.files.delete(path)) throw new NotMade({ why: `${path} is not in the bundle` })
  }

  /** Whether this is about the product in use, and nothing was played. */
  isInUse(): boolean {
    const { scenarios } = readBundle(this.files).history
    return scenarios.length > 0 && scenarios.every(({ journal }) => journal?.world === "production")
  }

  /** Every scenario of which nothing is missing, the shortest log first. */
  scenes(): ReadonlyArray<Scene> {
    // Nobody keeps a ledger beside a product in use.
    const whole = readBundle(this.files).history.scenarios.flatMap(({ effects, events, id, journal }) =>
      journal === null || events === null || (effects === null && journal.world !== "production") ? [] : [{ id, journal, events, effects: effects ?? [] }]
    )
    return whole.toSorted((one, other) => one.events.length - other.events.length)
  }

  /**
   * Writes what `change` makes of the first scenario that it can do something with; it answers null where it cannot. A log is written
   * as it is given.
   */
  rewrite(what: string, change: (scene: Scene) => Partial<Scene> | null): void {
    for (const scene of this.scenes()) {
      const changed = change(scene)
      if (changed === null) continue
      this.put(scene.id, changed)
      return
    }
    throw new NotMade({ why: `no scenario has ${what}` })
  }

  /** Writes what `change` makes of every scenario. */
  rewriteAll(change: (scene: Scene) => Partial<Scene>): void {
    for (const scene of this.scenes()) this.put(scene.id, change(scene))
  }

  put(id: string, { effects, events, journal }: Partial<Scene>): void {
    if (journal !== undefined) this.writeJson(journalFile(id), journal)
    if (events !== undefined) this.write(eventsFile(id), lines(events))
    if (effects !== undefined) this.write(effectsFile(id), lines(effects))
  }

  statement(): Statement {
    const { payload } = made(verifyEnvelope(this.text(envelopeFile), this.pinned))
    return made(decodeJson(Statement, envelopeFile, Buffer.from(payload).toString("utf8")))
  }

  scorecard(path: string = scorecardFile): Scorecard {
    const json: unknown = JSON.parse(this.text(path))
    return made(parseScorecard(json))
  }

  /** A forger without the key: makes the two lists of files fit the files again. */
  relist(change: (manifest: Manifest) => Manifest = (manifest) => manifest): void {
    this.writeJson(manifestFile, change({ ...this.read(manifestFile, Manifest), files: listFiles(this.files) }))
    this.write(sumsFile, renderSums(this.files))
  }

  /** A forger with the key: claims what he likes about these files, and signs it. */
  resign(change: (statement: Statement) => unknown = (statement) => statement, key: KeyObject = selfTestKey): void {
    const subject = subjectsOf(this.files.get(sumsFile) ?? "", this.files.get(manifestFile) ?? "", this.read(manifestFile, Manifest))
    this.sign(change({ ...this.statement(), subject }), key)
  }

  /** An honest gate: judges the files as they are now, and writes and signs what it found. */
  remake(): void {
    const { history } = readBundle(this.files)
    const { board, result } = rejudge(this.files, history, null)
    if (board === null || result === null) throw new NotMade({ why: "there is no scorecard to judge by" })
    this.writeJson(metricsFile, metricsOf(result, board))
    this.write(publicKeyFile, publicPem(selfTestKey))
    this.write(sshKeyFile, `${publicSsh(selfTestKey)}\n`)
    const logs = Object.fromEntries(history.scenarios.map(({ events, id }) => [id, events === null ? null : endOf(events)]))
    this.relist((manifest) => ({ ...manifest, logs }))
    const scorecardText = this.text(scorecardFile)
    const declaredChecks = this.scorecard().checks.map(({ id }) => id)
    const seeds = Object.fromEntries(history.scenarios.flatMap(({ id, journal }) => (journal === null ? [] : [[id, journal.seed]])))
    const input = { sums: this.text(sumsFile), manifestText: this.text(manifestFile), manifest: this.read(manifestFile, Manifest), scorecardText, declaredChecks, result, seeds }
    this.sign(statementOf(input), selfTestKey)
  }

  /** Signs a decision, and makes everything else that is said of it fit. What is no decision is signed alone. */
  private sign(decision: unknown, key: KeyObject): void {
    const envelope = made(signEnvelope(encode(made(canonical(decision))), key))
    for (const path of [...this.files.keys()].filter(isAttestation)) this.files.delete(path)
    this.write(envelopeFile, envelope)
    const statement = Schema.decodeUnknownEither(Statement)(decision)
    if (Either.isLeft(statement)) return
    const texts = made(attest(new Map([...this.files].filter(([path]) => path !== envelopeFile)), { manifest: this.read(manifestFile, Manifest), statement: statement.right }, envelope, key))
    for (const [path, text] of texts) this.write(path, text)
  }

  /** What a signer says of the checks after he changed them to his taste. */
  claim(change: (checks: Statement["predicate"]["checks"]) => Statement["predicate"]["checks"], decision?: Result["decision"]): void {
    this.resign((statement) => {
      const checks = change(statement.predicate.checks)
      return { ...statement, predicate: { ...statement.predicate, checks, evaluatedChecks: evaluated(checks), decision: decision ?? statement.predicate.decision } }
    })
  }

  /** SHA-256 of everything in which this differs from `before`; null when nothing does. */
  digestAgainst(before: Draft): string | null {
    const paths = [...new Set([...before.files.keys(), ...this.files.keys()])].sort()
    const changed = paths.flatMap((path) => {
      const [was, is] = [before.files.get(path), this.files.get(path)]
      return was === is || (was !== undefined && is !== undefined && Buffer.compare(was, is) === 0) ? [] : [`${path} ${is === undefined ? "-" : sha256(is)}`]
    })
    const keys = keysOf(this)
    const all = keys === keysOf(before) ? changed : [...changed, keys]
    return all.length === 0 ? null : sha256(all.join("\n"))
  }
}

const keysOf = ({ pinned }: Draft): string => pinned.map(({ fingerprint, key }) => `${fingerprint} ${key.asymmetricKeyType}`).join("\n")

const lines = (records: ReadonlyArray<unknown>): string => records.map((record) => `${JSON.stringify(record)}\n`).join("")

/** Events made one chain again: places, digests and hashes fit, whatever they say. */
export const rechained = (events: ReadonlyArray<LogEvent>): ReadonlyArray<LogEvent> => {
  let prev = genesis
  return events.map((event, index) => {
    const payload_sha256 = event.payload === null ? event.payload_sha256 : sha256(made(canonical(event.payload)))
    const placed = { ...event, seq: index + 1, prev, payload_sha256 }
    const hash = hashOf(placed) ?? genesis
    prev = hash
    return { ...placed, hash }
  })
}
