/**
 * Bundles that were tampered with: by somebody without the key, who can only hope that nobody looks, and by somebody with it, whose
 * signature is good and whose claims the raw files do not bear out.
 */
import { generateKeyPairSync, sign } from "node:crypto"
import { Schema } from "effect"
import { publicKeyFile, scorecardFile } from "../evidence/Bundle.ts"
import { sha256 } from "../evidence/Canonical.ts"
import { pae, payloadType } from "../evidence/Dsse.ts"
import { fingerprint, publicPem } from "../evidence/Keys.ts"
import { Metrics, metricsFile } from "../evidence/Metrics.ts"
import type { CheckCounts } from "../evidence/Statement.ts"
import { envelopeFile } from "../evidence/Sums.ts"
import type { LogEvent } from "../History.ts"
import type { Check } from "../scorecard/Scorecard.ts"
import { type Draft, keyFrom, NotMade, pinnedFor, rechained, selfTestKey } from "./Draft.ts"
import { aspect, measure, type Mutant } from "./Mutant.ts"

const Envelope = Schema.Struct({
  payload: Schema.String,
  payloadType: Schema.String,
  signatures: Schema.Array(Schema.Struct({ keyid: Schema.String, sig: Schema.String }))
})
type Envelope = typeof Envelope.Type

const reworded = (draft: Draft, change: (envelope: Envelope) => unknown): void => draft.writeJson(envelopeFile, change(draft.read(envelopeFile, Envelope)))

const inPayload = (draft: Draft, change: (text: string) => string): void =>
  reworded(draft, (envelope) => ({ ...envelope, payload: Buffer.from(change(Buffer.from(envelope.payload, "base64").toString("utf8"))).toString("base64") }))

/** One more good unit than there was. */
export const better = <A extends Pick<CheckCounts, "good" | "total">>(line: A): A => ({ ...line, good: line.good + 1, total: line.total + 1 })

const first = <A>(items: ReadonlyArray<A>, change: (item: A) => A): ReadonlyArray<A> => items.map((item, index) => (index === 0 ? change(item) : item))

const editedMetrics = (draft: Draft): void => {
  const metrics = draft.read(metricsFile, Metrics)
  draft.writeJson(metricsFile, { ...metrics, result: { ...metrics.result, lines: first(metrics.result.lines, better) } })
}

const editedScorecard = (draft: Draft, change: (check: Check) => Check | null): void => {
  const { checks, ...rest } = draft.scorecard()
  draft.writeJson(scorecardFile, { ...rest, checks: checks.flatMap((check) => change(check) ?? []) })
}

const loosened = (draft: Draft): void => editedScorecard(draft, (check) => (check.measure === null ? check : { ...check, n_min: 1 }))

/** In the middle of the log, where no summary and no start of an epoch is disturbed by a change of words. */
const inLog = (draft: Draft, change: (events: ReadonlyArray<LogEvent>) => ReadonlyArray<LogEvent>): void =>
  draft.rewrite("three events", ({ events }) => (events.length < 3 ? null : { events: change(events) }))

const otherActor = (events: ReadonlyArray<LogEvent>): ReadonlyArray<LogEvent> => {
  const at = events.findIndex(({ type }) => type === "epoch.started")
  return events.map((event, index) => (index === Math.max(at, 0) ? { ...event, actor: `${event.actor}-forged` } : event))
}

const withRsa = (draft: Draft): void => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const [trusted] = draft.pinned
  const keyid = fingerprint(selfTestKey)
  draft.pinned = [{ name: trusted?.name ?? "", fingerprint: keyid, key: rsa.publicKey }]
  reworded(draft, (envelope) => ({ ...envelope, signatures: [{ keyid, sig: sign(null, pae(payloadType, Buffer.from(envelope.payload, "base64")), rsa.privateKey).toString("base64") }] }))
}

const sealed = (draft: Draft): void => {
  draft.relist()
  draft.resign()
}

const recounted = { "*": "an event more, less or elsewhere can be seen by every check that reads the log" }

const mutant = (hand: Mutant["hand"], name: string, what: string, flips: Mutant["flips"], apply: Mutant["apply"], also?: Mutant["also"]): Mutant =>
  ({ id: `tampering/${name}`, family: "tampering", hand, what, flips, apply, ...(also === undefined ? {} : { also }) })

const byStranger: ReadonlyArray<Mutant> = [
  mutant("stranger", "count-in-metrics", "A count in metrics.json is edited.", [aspect("listing")], editedMetrics),
  mutant("stranger", "count-in-metrics-relisted", "A count in metrics.json is edited, and both lists of files are made to fit.", [aspect("subjects"), aspect("counts")], (draft) => {
    editedMetrics(draft)
    draft.relist()
  }),
  mutant("stranger", "count-in-decision", "A count in the signed decision is edited.", [aspect("signature")], (draft) => inPayload(draft, (text) => text.replace(/"total":(\d+)/, '"total":1$1'))),
  mutant("stranger", "decision-word", "The decision in the signed statement is another.", [aspect("signature")], (draft) =>
    inPayload(draft, (text) => text.replace(/"decision":"[A-Z-]+"/, (word) => (word.includes("NO-GO") ? '"decision":"GO"' : '"decision":"NO-GO"')))),
  mutant("stranger", "other-key", "The decision is signed by a key that nobody trusts.", [aspect("signature")], (draft) => draft.resign((statement) => statement, keyFrom("somebody else"))),
  mutant("stranger", "own-key-in-bundle", "A forger signs with his own key and puts its public half into the bundle.", [aspect("signature"), aspect("listing")], (draft) => {
    const forger = keyFrom("a forger")
    draft.write(publicKeyFile, publicPem(forger))
    draft.resign((statement) => statement, forger)
  }),
  mutant("stranger", "payload-type", "The envelope says that its payload is of another type.", [aspect("signature")], (draft) => reworded(draft, (envelope) => ({ ...envelope, payloadType: "application/json" }))),
  mutant("stranger", "keyid", "The envelope names another key than the one that signed it.", [aspect("signature")], (draft) =>
    reworded(draft, (envelope) => ({ ...envelope, signatures: envelope.signatures.map((one) => ({ ...one, keyid: pinnedFor(keyFrom("somebody else")).fingerprint })) }))),
  mutant("stranger", "envelope-spelled-otherwise", "The envelope is spelled in another way around the same payload.", [aspect("signature")], (draft) => draft.write(envelopeFile, `${JSON.stringify(draft.read(envelopeFile, Envelope))}\n`)),
  mutant("stranger", "rsa-as-ed25519", "The key that is trusted as Ed25519 is an RSA key, and its signature is good.", [aspect("signature")], withRsa),
  mutant("stranger", "file-and-digest", "A file is replaced, and its digest in both lists too.", [aspect("subjects")], (draft) => {
    draft.write("REPORT.md", "# GO\n")
    draft.relist()
  }),
  mutant("stranger", "extra-file", "A file lies in the bundle that no list has.", [aspect("listing")], (draft) => draft.write("events-more.txt", "more")),
  mutant("stranger", "payload-of-event", "The payload of an event is edited.", [aspect("listing"), aspect("chains"), measure("chainIntact")], (draft) =>
    inLog(draft, (events) => events.map((event, index) => (index === 1 ? { ...event, payload: { ...event.payload, forged: true } } : event)))),
  mutant("stranger", "scorecard-loosened", "The scorecard asks for smaller samples than the one that was signed.", [aspect("subjects"), aspect("counts")], (draft) => {
    loosened(draft)
    draft.relist()
  })
]

const bySigner: ReadonlyArray<Mutant> = [
  mutant("signer", "count-in-metrics-signed", "A count in metrics.json is edited, and everything is signed anew.", [aspect("counts")], (draft) => {
    editedMetrics(draft)
    sealed(draft)
  }),
  mutant("signer", "count-in-decision-signed", "A count in the decision is edited, and the decision is signed anew.", [aspect("counts")], (draft) => draft.claim((checks) => first(checks, better))),
  mutant("signer", "decision-word-signed", "The signer says another decision than the files bear out.", [aspect("counts")], (draft) => draft.claim((checks) => checks, draft.statement().predicate.decision === "NO-GO" ? "GO" : "NO-GO")),
  mutant("signer", "event-rehashed", "An event is edited and its own hash made to fit.", [aspect("chains"), measure("chainIntact")], (draft) => {
    inLog(draft, (events) => {
      const [edited] = rechained(otherActor(events).slice(0, 1))
      return edited === undefined ? events : [edited, ...events.slice(1)]
    })
    sealed(draft)
  }, { "verify/counts": "the chain is counted anew" }),
  mutant("signer", "event-edited-chain-rehashed", "An event is edited and the whole chain hashed anew.", [aspect("log-ends")], (draft) => {
    inLog(draft, (events) => rechained(otherActor(events)))
    sealed(draft)
  }),
  mutant("signer", "event-inserted", "An event is put into the log, and the chain hashed anew.", [aspect("log-ends"), aspect("counts")], (draft) => {
    inLog(draft, (events) => rechained([...events.slice(0, 2), { ...(events[1] ?? fail()), type: "note.inserted", task: null, payload: {} }, ...events.slice(2)]))
    sealed(draft)
  }, recounted),
  mutant("signer", "event-removed", "An event is taken out of the log, and the chain hashed anew.", [aspect("log-ends"), aspect("counts")], (draft) => {
    inLog(draft, (events) => rechained(events.filter((_, index) => index !== 1)))
    sealed(draft)
  }, recounted),
  mutant("signer", "events-reordered", "Two events change places, and the chain is hashed anew.", [aspect("log-ends")], (draft) => {
    inLog(draft, (events) => rechained([...events.slice(0, 1), ...events.slice(2, 3), ...events.slice(1, 2), ...events.slice(3)]))
    sealed(draft)
  }, recounted),
  mutant("signer", "wrong-commit", "The manifest names another commit than the signed statement.", [aspect("subjects")], (draft) => {
    const commit = sha256("another commit").slice(0, 40)
    const subject = draft.statement().subject.filter(({ name }) => name === "source")
    draft.relist((manifest) => ({ ...manifest, commit }))
    draft.resign((statement) => ({ ...statement, subject: [...statement.subject.filter(({ name }) => name !== "source"), ...subject] }))
  }),
  mutant("signer", "key-copy", "The copy of the key in the bundle is not the key that signed.", [aspect("key")], (draft) => {
    draft.write(publicKeyFile, publicPem(keyFrom("somebody else")))
    sealed(draft)
  }),
  mutant("signer", "window", "The manifest has another window than the signed statement.", [aspect("statement")], (draft) => {
    draft.relist((manifest) => ({ ...manifest, window: { ...manifest.window, start_ms: manifest.window.start_ms - 1 } }))
    draft.resign()
  }),
  mutant("signer", "seed", "A journal has another seed than the signed statement.", [aspect("journals")], (draft) => {
    draft.rewrite("a journal", ({ journal }) => ({ journal: { ...journal, seed: journal.seed + 1 } }))
    sealed(draft)
  }),
  mutant("signer", "ledger-malformed", "A line of a ledger says that what the command did was something else.", [aspect("records")], (draft) => {
    draft.rewrite("a ledger", ({ effects, id }) => {
      if (effects.length === 0) return null
      const path = `effects/${id}.jsonl`
      draft.write(path, draft.text(path).replace('"phase":"start"', '"phase":"done?"'))
      return {}
    })
    sealed(draft)
  }, { "*": "a ledger that cannot be read is missing for every check" }),
  mutant("signer", "scorecard-replaced", "A looser scorecard takes the place of the one that was fixed before the run; everything is judged by it and signed.", [aspect("scorecard")], (draft) => {
    loosened(draft)
    draft.remake()
  })
]

const fail = (): never => {
  throw new NotMade({ why: "the log has no second event" })
}

export const tampering: ReadonlyArray<Mutant> = [...byStranger, ...bySigner]
