#!/usr/bin/env node
/**
 * Decides a bundle of the gate anew, without the gate: one file, no package, nothing of its code. It takes the key from whoever
 * calls, checks the signature, every digest, every chain and the end of every log, counts what happened from the raw files, judges
 * these counts by the scorecard in the bundle, and compares all of it with what was signed.
 *
 *     node verify/verify.mjs --key FILE [BUNDLE]
 *
 * It ends with 0 when all agrees and the decision is GO, 1 when something differs or the decision is NO-GO, 2 when it is INSUFFICIENT,
 * 254 when it was not told what to check. Formats: docs/gate.md and docs/event-log.md of Opsgate. The copy that lies in a bundle came
 * with that bundle, so whoever wants to be sure takes this file from a clone.
 */
import { createHash, createPublicKey, verify as verifySignature } from "node:crypto"
import { lstatSync, readdirSync, readFileSync, realpathSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const million = 1_000_000
const sha256 = (data) => createHash("sha256").update(data).digest("hex")
const same = (a, b) => canonical(a) === canonical(b)
const sorted = (list) => [...list].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))

// ---------------------------------------------------------------------------------------------------- what is said

let said = { same: 0, differs: 0 }
let print = (line) => void process.stdout.write(`${line}\n`)
/** Names come from the bundle, and a terminal obeys what it is sent. */
const plain = (text) => String(text).replace(/[^\x20-\x7e]/g, "?").slice(0, 300)
const say = (word, text) => print(`${word.padEnd(8)} ${plain(text)}`)
const agrees = (what) => {
  said.same += 1
  say("same", what)
}
const differs = (what) => {
  said.differs += 1
  say("DIFFERS", what)
}
/** One line for what is all right, or one for each thing that is not. */
const report = (what, problems) => (problems.length === 0 ? agrees(what) : problems.forEach((problem) => differs(`${what}: ${problem}`)))

class Refused extends Error {}
const refuse = (why) => {
  throw new Refused(why)
}

// ---------------------------------------------------------------------------------------------------- reading

/** RFC 8785: members by UTF-16 code units, no white space. A lone surrogate has no canonical form. */
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value === "object" && value !== null) return `{${sorted(Object.keys(value)).map((name) => `${canonical(name)}:${canonical(value[name])}`).join(",")}}`
  if (typeof value === "string" && /\p{Cs}/u.test(value)) refuse("a text has half a character")
  return JSON.stringify(value) ?? "null"
}

const plainPath = /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/

/** Every file below a directory, read once. What is no plain file is a problem. */
const readAll = (dir) => {
  const [files, problems] = [new Map(), []]
  const visit = (folder) => {
    for (const entry of readdirSync(join(dir, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`
      if (entry.isSymbolicLink() || !plainPath.test(path)) problems.push(`${path} may not be in a bundle`)
      else if (entry.isDirectory()) visit(path)
      else if (entry.isFile()) files.set(path, readFileSync(join(dir, path)))
      else problems.push(`${path} is no plain file`)
    }
  }
  visit("")
  return { files, problems }
}

const textOf = (files, path) => {
  const bytes = files.get(path)
  if (bytes === undefined) refuse(`${path} is missing`)
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refuse(`${path} is not UTF-8`)
  }
}
const parsed = (text, where) => {
  try {
    return JSON.parse(text)
  } catch {
    return refuse(`${where} is not JSON`)
  }
}
const jsonIn = (files, path) => parsed(textOf(files, path), path)
const maybeIn = (files, path) => (files.has(path) ? jsonIn(files, path) : null)
const linesIn = (files, path) => {
  if (!files.has(path)) return null
  const lines = textOf(files, path).split("\n")
  if (lines.at(-1) === "") lines.pop()
  return lines.map((line, index) => parsed(line, `${path} line ${index + 1}`))
}

// ---------------------------------------------------------------------------------------------------- signature and digests

const envelopeFile = "attestations/decision.dsse.json"
const payloadType = "application/vnd.in-toto+json"
/** What is signed each by itself: no digest list covers it, and `opsgate verify` says whether it fits the decision. */
const attestation = /^attestations\/((decision|test-result|provenance|vsa)\.dsse\.json|vsa\.sigstore\.json|root\.layout|[A-Za-z0-9_][A-Za-z0-9._-]*\.intoto\.jsonl|gate\.[0-9a-f]{8}\.link)$/
const isSummed = (path) => path !== "SHA256SUMS" && !attestation.test(path)

/** `SHA256:` and the digest of the key in SSH wire form, as `ssh-keygen -l` prints it. */
const fingerprint = (key) => {
  const part = (bytes) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  const wire = Buffer.concat([part(Buffer.from("ssh-ed25519")), part(Buffer.from(key.export({ format: "jwk" }).x, "base64url"))])
  return `SHA256:${createHash("sha256").update(wire).digest("base64").replace(/=+$/, "")}`
}

/** The statement in an envelope (DSSE 1.0.2), from the bytes that were verified. Node verifies with keys of any type, so the type is asked first. */
const openEnvelope = (text, pem) => {
  if (/PRIVATE KEY/.test(pem)) refuse("the key is a private key")
  const key = createPublicKey(pem)
  if (key.asymmetricKeyType !== "ed25519") refuse(`the key is ${key.asymmetricKeyType}, not ed25519`)
  const envelope = parsed(text, envelopeFile)
  if (envelope?.payloadType !== payloadType) refuse(`its payload type is not ${payloadType}`)
  if (typeof envelope.payload !== "string" || !Array.isArray(envelope.signatures) || envelope.signatures.length !== 1) refuse("it is no envelope with one signature")
  const [{ keyid, sig }] = envelope.signatures
  const body = Buffer.from(envelope.payload, "base64")
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `), body])
  if (typeof sig !== "string" || !verifySignature(null, pae, key, Buffer.from(sig, "base64"))) refuse("the key that was given did not sign it")
  // The signature covers the payload alone; every other spelling of the file is a change.
  const written = { payload: body.toString("base64"), payloadType, signatures: [{ keyid: fingerprint(key), sig: Buffer.from(sig, "base64").toString("base64") }] }
  if (keyid !== fingerprint(key) || text !== `${JSON.stringify(written, null, 2)}\n`) refuse("the file was changed around what is signed")
  return { statement: parsed(body.toString("utf8"), "the signed statement"), key }
}

const statementProblems = (files, pem) => [...files.keys()].filter((path) => /^attestations\/.+\.dsse\.json$/.test(path)).flatMap((path) => {
  try {
    openEnvelope(textOf(files, path), pem)
    return []
  } catch (cause) {
    return [`${path}: ${cause.message}`]
  }
})

/** The copy in the bundle is for convenience; it must be the key that signed all the same. */
const copyProblems = (files, key) => {
  try {
    return createPublicKey(textOf(files, "keys/gate.pub.pem")).equals(key) ? [] : ["it is another"]
  } catch {
    return ["it is none"]
  }
}

const listingProblems = (files, manifest) => {
  const [problems, listed] = [[], new Map()]
  const text = textOf(files, "SHA256SUMS")
  for (const line of text.split("\n").slice(0, -1)) {
    const [, digest, path] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? []
    if (path === undefined || !isSummed(path) || listed.has(path)) problems.push(`SHA256SUMS may not have the line ${line}`)
    else listed.set(path, digest)
  }
  if (!text.endsWith("\n") || !same([...listed.keys()], sorted(listed.keys()))) problems.push("SHA256SUMS is not in order")
  for (const [path, digest] of listed) {
    if (!files.has(path)) problems.push(`${path} is missing`)
    else if (sha256(files.get(path)) !== digest) problems.push(`${path} was changed`)
  }
  for (const path of files.keys()) if (isSummed(path) && !listed.has(path)) problems.push(`${path} was added`)
  const entries = manifest.files.map(({ bytes, path, sha256: digest }) => `${digest} ${bytes} ${path}`)
  const due = [...listed].filter(([path]) => path !== "manifest.json").map(([path, digest]) => `${digest} ${files.get(path)?.length} ${path}`)
  if (!same(sorted(entries), sorted(due))) problems.push("manifest.json lists other files than SHA256SUMS")
  return problems
}

const subjectProblems = (files, manifest, { subject }) => {
  const problems = []
  const digestOf = (name) => (name === "SHA256SUMS" || files.has(name) ? sha256(files.get(name) ?? "") : null)
  const due = ["SHA256SUMS", "manifest.json", manifest.release.name, ...(manifest.commit === "unknown" ? [] : ["source"])]
  for (const name of due) if (subject.filter((one) => one.name === name).length !== 1) problems.push(`${name} is not signed once`)
  for (const { digest, name } of subject) {
    const right = name === "source" ? digest.gitCommit === manifest.commit : name === manifest.release.name ? digest.sha256 === manifest.release.sha256 : digest.sha256 === digestOf(name)
    if (!right) problems.push(`${name} is not what was signed`)
  }
  const artifact = files.get(`release/${manifest.release.name}`)
  if (artifact !== undefined && sha256(artifact) !== manifest.release.sha256) problems.push("the artifact is another")
  if (sha256(files.get("config/effective-config.json") ?? "") !== manifest.configHash) problems.push("the configuration is another")
  return problems
}

// ---------------------------------------------------------------------------------------------------- logs

const genesis = "0".repeat(64)

/** Every event that is not the one that follows the one before, by its place; docs/event-log.md says how events are hashed. */
const breaksIn = (events) => {
  const breaks = new Map()
  events.forEach((event, index) => {
    const { actor, at, payload, payload_sha256, seq, stream, task, trace, type, v } = event
    const before = events[index - 1]
    const header = canonical({ actor, at, seq, stream, task, trace, type, v })
    if (v !== 1 || stream !== events[0].stream) breaks.set(index, "another version or stream")
    else if (seq !== (before?.seq ?? 0) + 1) breaks.set(index, "a place is missing")
    else if (event.prev !== (before?.hash ?? genesis)) breaks.set(index, "prev is not the hash of the event before")
    else if (payload !== null && sha256(canonical(payload)) !== payload_sha256) breaks.set(index, "the payload does not have its digest")
    else if (sha256(`${event.prev}\n${header}\n${payload_sha256}`) !== event.hash) breaks.set(index, "the event does not have its hash")
  })
  return breaks
}

const members = "actor at hash payload payload_sha256 prev seq stream task trace type v".split(" ")

const logProblems = ({ events }, ends) => {
  if (events === null) return ends.every((end) => end === null) ? [] : ["the log is missing"]
  const stray = events.findIndex((event) => !same(sorted(Object.keys(event)), members))
  if (stray >= 0) return [`line ${stray + 1} is no event`]
  const [first] = breaksIn(events)
  const found = { stream: events[0]?.stream ?? null, events: events.length, head: events.at(-1)?.hash ?? genesis }
  const cut = ends.find((end) => !same(end, found))
  return [...(first === undefined ? [] : [`line ${first[0] + 1}: ${first[1]}`]), ...(cut === undefined ? [] : [`it has ${found.events} events, and ${cut?.events ?? "no"} were signed, or it ends otherwise`])]
}

/** A scenario is whatever has a journal, a log or a ledger. */
const scenariosIn = (files) => {
  const ids = [...files.keys()].flatMap((path) => /^(?:(?:events|effects)\/(.+)\.jsonl|scenarios\/(.+)\.json)$/.exec(path)?.slice(1).filter(Boolean) ?? [])
  return sorted(new Set(ids)).map((id) => {
    const [journal, events, effects] = [maybeIn(files, `scenarios/${id}.json`), linesIn(files, `events/${id}.jsonl`), linesIn(files, `effects/${id}.jsonl`)]
    return { id, journal, events, effects, log: events === null ? null : logOf(events) }
  })
}

const scenarioProblems = ({ id, journal }, seeds) => {
  if (journal === null) return ["it has no journal"]
  return [...(journal.scenario.id === id ? [] : ["its journal is that of another"]), ...(seeds[id] === journal.seed ? [] : ["its seed is not the one that was signed"])]
}

// ---------------------------------------------------------------------------------------------------- the state of tasks

const text = (payload, name) => (typeof payload?.[name] === "string" ? payload[name] : null)
const whole = (payload, name) => (Number.isSafeInteger(payload?.[name]) ? payload[name] : null)
const holdsIn = (payload) => new Set(Array.isArray(payload?.holds) ? payload.holds.map(String) : [])
const commandIn = (payload) => (typeof payload?.command === "object" && payload.command !== null ? payload.command : null)
const states = ["REQUESTED", "APPROVED", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"]
const terminal = new Set(["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"])
const entered = new Map(states.map((state) => [`task.${state.toLowerCase()}`, state]))

/** From, to and the words that lead there: the table of docs/state-machine.md. */
const legal = new Set(`
  NEW REQUESTED submit fork child schedule
  REQUESTED APPROVED release
  REQUESTED CANCELED reject cancel
  REQUESTED EXPIRED expire
  APPROVED QUEUED resume
  APPROVED REQUESTED void
  APPROVED CANCELED reject cancel
  APPROVED EXPIRED expire
  QUEUED RUNNING claim
  QUEUED REQUESTED void
  QUEUED CANCELED cancel
  QUEUED EXPIRED expire
  RUNNING SUCCEEDED settle
  RUNNING FAILED settle lease_lost reconcile
  RUNNING QUEUED retry lease_lost hand_back suspend reconcile
  RUNNING CANCELED cancel
  RUNNING EXPIRED expire
  FAILED QUEUED recover
  FAILED REQUESTED recover
  CANCELED QUEUED recover
  CANCELED REQUESTED recover
  EXPIRED REQUESTED recover
`.trim().split("\n").flatMap((row) => {
  const [from, to, ...words] = row.trim().split(" ")
  return words.map((word) => `${from} ${to} ${word}`)
}))

const underLease = new Set(["step.succeeded", "step.failed", "step.settled", "run.progress"])
const ofKnownOutcome = new Set(["effect.intent", "task.outcome_unknown", ...underLease])
const howEnded = { "step.succeeded": "succeeded", "step.failed": "failed", "step.settled": "settled" }

/** What a log says of each task, told task by task: they touch each other only by a restore of the whole file. */
const logOf = (events) => {
  const own = grouped(events, ({ task }) => task)
  const around = { restores: events.filter(({ type }) => type === "store.restored"), releases: events.filter(({ type }) => type === "store.released") }
  const tasks = new Map([...own].filter(([id]) => id !== null).map(([id, list]) => [id, taskOf(id, list, around)]))
  // As often as a key was asked for, by whatever task.
  const byKey = new Map([...grouped([...tasks.values()].flatMap((task) => task.asks.map((key) => ({ key, task }))), ({ key }) => key)].map(([key, asks]) => [key, asks.map(({ task }) => task)]))
  return {
    tasks, byKey, pruned: events.some(({ payload }) => payload === null),
    schedules: new Set(events.filter(({ type }) => type === "schedule.declared").map(({ payload }) => text(payload, "schedule") ?? "")),
    fenced: events.filter(({ task, type }) => task !== null && type === "write.fenced").length
  }
}

const grouped = (items, key) => {
  const groups = new Map()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}

const taskOf = (id, events, { releases, restores }) => {
  const task = { id, events, state: null, requested: 0, asks: [], origin: null, class: null, kind: null, key: null, requester: null, dispatchKey: null, commanded: false, holds: new Set(), unknown: false, generation: 0, illegal: 0, moves: 0, places: new Map(), grants: [], writes: [], intents: [], ends: [], rests: [] }
  const last = (list, seq) => Math.max(0, ...list.filter((one) => one.seq < seq).map((one) => one.seq))
  const isHeld = (seq) => last(restores, seq) > last(releases, seq)
  const highest = (seq) => Math.max(task.generation, ...restores.filter((one) => events[0].seq < one.seq && one.seq < seq).map(({ payload }) => whole(payload, "generation_floor") ?? 0))
  const grant = ({ payload, seq }) => {
    const [generation, from, most] = [whole(payload, "generation"), whole(payload, "from_generation"), highest(seq)]
    task.grants.push({ seq, generation, right: generation === most + 1 && (from === null || from === most) })
    task.generation = Math.max(task.generation, generation ?? 0)
  }
  const write = ({ payload, seq, type }) => {
    const reconciled = commandIn(payload)?.op === "reconcile"
    const parked = type === "task.outcome_unknown" && text(payload, "code") === "restored" && isHeld(seq)
    const late = type === "effect.intent" && (whole(payload, "mono_ms") ?? 0) >= (whole(payload, "start_before_mono_ms") ?? Infinity)
    const doubtful = task.unknown ? !reconciled && !parked && ofKnownOutcome.has(type) : reconciled
    task.writes.push(task.state === "RUNNING" && whole(payload, "generation") === task.generation && !late && !doubtful)
  }
  const end = ({ payload, seq, type }) => {
    const [step, outcome] = [whole(payload, "step"), text(payload, "outcome")]
    const how = outcome === "succeeded" ? "reconciled" : howEnded[type] ?? (outcome === null ? undefined : "settled")
    if (step !== null && how !== undefined) task.ends.push({ seq, step, name: text(payload, "name"), how })
  }
  const enter = (event, to) => {
    const { payload, seq } = event
    const [from, by, op] = [payload?.from ?? null, text(payload, "by") ?? "nothing", commandIn(payload)?.op]
    const fits = from === task.state && legal.has(`${from ?? "NEW"} ${to} ${by}`)
    const allowed = fits && (!task.unknown || by === "reconcile" || op === "reconcile") && (to !== "APPROVED" || task.holds.size === 0)
    task.moves += 1
    if (!allowed) task.illegal += 1
    task.places.set(to, (task.places.get(to) ?? 0) + 1)
    if (typeof from === "string") task.places.set(from, (task.places.get(from) ?? 0) - 1)
    if (to === "SUCCEEDED" || to === "FAILED" || (to === "QUEUED" && (task.state === "RUNNING" || from === "RUNNING"))) write(event)
    if (to === "QUEUED") task.rests.push({ seq, by })
    if (op === "reconcile" || by === "reconcile") end(event)
    if (to === "REQUESTED") task.holds = holdsIn(payload)
    if (to === "REQUESTED" && from === null) {
      task.requested += 1
      if (text(payload, "key") !== null) task.asks.push(payload.key)
      Object.assign(task, { origin: { ...payload, by }, class: text(payload, "class"), kind: text(payload, "kind"), key: text(payload, "key"), requester: event.actor, dispatchKey: text(payload, "dispatch_key"), commanded: commandIn(payload)?.op !== undefined })
    }
    if (to === "RUNNING") grant(event)
    task.state = to
    task.unknown = false
  }
  for (const event of events) {
    const { payload, type } = event
    const to = entered.get(type)
    if (to !== undefined) enter(event, to)
    else if (type === "hold.released") task.holds.delete(text(payload, "hold"))
    else if (type === "hold.opened" && text(payload, "hold") !== null) task.holds.add(text(payload, "hold"))
    else if (type === "approval.voided") task.holds = holdsIn(payload)
    else if (type === "effect.adopted") grant(event)
    else if (ofKnownOutcome.has(type)) {
      write(event)
      if (type === "effect.intent") task.intents.push(intentOf(task, event))
      else if (type === "task.outcome_unknown") task.unknown = true
      else end(event)
    }
  }
  return task
}

const intentOf = ({ dispatchKey }, { payload, seq }) => ({
  seq, step: whole(payload, "step"), name: text(payload, "name"), effect: text(payload, "effect"), attempt: whole(payload, "attempt"), generation: whole(payload, "generation"), dispatchKey: text(payload, "dispatch_key"),
  before: whole(payload, "start_before_mono_ms"), code: whole(payload, "pid") === null && text(payload, "dispatch_key") !== dispatchKey
})

const isAt = ({ state, unknown }, expected) => expected.some((one) => one === state || (one === "OUTCOME_UNKNOWN" && unknown))
const placesHeld = ({ places }) => [...places.values()].reduce((sum, times) => sum + Math.abs(times), 0)
const taskAsked = ({ byKey, tasks }, { key, task }) => (task === null ? byKey.get(key)?.[0] : tasks.get(task))

// ---------------------------------------------------------------------------------------------------- counting

const counter = () => {
  const units = { good: 0, total: 0, excluded: {}, censored: 0, strata: {}, missing: null }
  const sort = (name, count) => name !== undefined && (units.strata[name] = (units.strata[name] ?? 0) + count)
  return {
    units,
    good: (count = 1, name) => void ((units.good += count), (units.total += count), sort(name, count)),
    bad: (name) => void ((units.total += 1), sort(name, 1)),
    count: (right) => void ((units.good += right ? 1 : 0), (units.total += 1)),
    leftOut: (reason, count = 1) => void (units.excluded[reason] = (units.excluded[reason] ?? 0) + count),
    censored: () => void (units.censored += 1),
    missing: (why) => void (units.missing ??= why)
  }
}

/** A measure of scenarios. Every part of each must be there; nobody keeps a ledger beside a product in use. */
const overScenarios = (count) => (run, check, card) => {
  const tally = counter()
  for (const scenario of run.scenarios) {
    const { effects, events, id, journal } = scenario
    if (journal === null || events === null || (effects === null && journal.world !== "production")) tally.missing(`${id} is not whole`)
    else count({ ...scenario, effects: effects ?? [] }, tally, check, card)
  }
  return tally.units
}
/** The same where events without their payload are missing evidence. */
const overLogs = (count) => overScenarios((scenario, tally, check, card) => (scenario.log.pruned ? tally.missing(`${scenario.id} was pruned`) : count(scenario, tally, check, card)))

/** The intents under which an effect may have been started; a key that none of them has hides no effect. */
const intentsOf = (task, { attempt, dispatch_key, generation }) => {
  const held = task?.intents.filter((one) => one.attempt === attempt && one.generation === generation) ?? []
  const own = held.filter(({ dispatchKey }) => dispatchKey === dispatch_key)
  return own.length > 0 ? own : held
}
/** The intent of each start: the first start belongs to the first of its intents, one beyond the last to the last. */
const intentsByStart = (effects, { tasks }) => {
  const [tries, found] = [new Map(), new Map()]
  for (const effect of effects.filter(({ phase }) => phase === "start")) {
    const run = canonical([effect.task, effect.attempt, effect.generation, effect.dispatch_key])
    const intents = intentsOf(tasks.get(effect.task), effect)
    const intent = intents[tries.get(run) ?? 0] ?? intents.at(-1)
    tries.set(run, (tries.get(run) ?? 0) + 1)
    if (intent !== undefined) found.set(effect, intent)
  }
  return found
}
/** What ended an effect between its intent and a later one of its task. */
const endsBetween = (task, from, until) => {
  if (task === undefined || from === undefined || until === undefined) return []
  const between = ({ seq }) => from.seq < seq && seq < until.seq
  return [...task.rests.filter(between).map(({ by }) => by), ...task.ends.filter((end) => end.step === from.step && between(end) && (end.how === "failed" || end.how === "settled")).map(({ how }) => `step_${how}`)]
}
const repeatable = (intent) => intent?.effect === "idempotent" || intent?.effect === "read"
const knownEnds = ["retry", "reconcile", "recover", "step_failed", "step_settled"]
const leaves = ["lease_lost", "hand_back", "suspend"]

const heavyIn = ({ journal, log }) => {
  const stored = [...log.tasks.values()].filter((task) => task.class === "heavy").map(({ id }) => id)
  const asked = journal.requests.filter((request) => request.class === "heavy").flatMap(({ key, task }) => [...(task === null ? [] : [task]), ...(log.byKey.get(key) ?? []).map(({ id }) => id)])
  return new Set([...stored, ...asked])
}

const duplicatesIn = ({ effects, log }, heavy) => {
  const intents = intentsByStart(effects, log)
  const runOf = ({ attempt, dispatch_key, generation, task }) => canonical([task, attempt, generation, dispatch_key])
  const steps = new Map([...intents].map(([start, { step }]) => [runOf(start), step]))
  // A start that no intent names is taken for the first step.
  const bySteps = grouped(effects, (effect) => canonical([effect.task, steps.get(runOf(effect)) ?? 1]))
  const isTwice = (group) => {
    const starts = group.filter(({ phase }) => phase === "start")
    const inCode = starts.length > 0 && starts.every((start) => repeatable(intents.get(start)) && intents.get(start).code)
    if (group.length - starts.length > 1 && !inCode) return true
    return starts.slice(1).some((start, index) => {
      const before = starts[index]
      const task = before.task === start.task ? log.tasks.get(start.task) : undefined
      const ends = endsBetween(task, intents.get(before), intents.get(start))
      return !ends.some((by) => knownEnds.includes(by) || (repeatable(intents.get(before)) && leaves.includes(by)))
    })
  }
  const groups = [...bySteps.values(), ...grouped(effects, ({ dispatch_key }) => dispatch_key).values()]
  return new Set(groups.flatMap((group) => {
    const tasks = group.map(({ task }) => task).filter((task) => heavy.has(task))
    return tasks.length > 0 && isTwice(group) ? tasks : []
  }))
}

const noDuplicateHeavy = overLogs((scenario, tally) => {
  const { journal, log } = scenario
  const heavy = heavyIn(scenario)
  const duplicates = duplicatesIn(scenario, heavy)
  const hit = journal.faults.filter((fault) => fault.class !== "replay" && fault.witness !== null).flatMap(({ hit: tasks, id }) => tasks.map((task) => ["fault", id, task]))
  const again = journal.replays.map(({ first_task, key }) => ["replay", key, first_task ?? log.byKey.get(key)?.[0]?.id]).filter(([, , task]) => task !== undefined)
  const exposures = [...new Map([...hit, ...again].map((exposure) => [canonical(exposure), exposure[2]])).values()]
  for (const task of exposures) {
    if (!heavy.has(task)) tally.leftOut("not heavy")
    else tally.count(!duplicates.has(task))
  }
  for (const task of duplicates) if (!exposures.includes(task)) tally.bad()
})

const effectsPermitted = overLogs(({ effects, log }, tally) => {
  const [used, started] = [new Set(), new Set()]
  const runOf = ({ attempt, dispatch_key, generation, pid, task }) => canonical([task, dispatch_key, attempt, generation, pid])
  const isPermitted = (start) => {
    const task = log.tasks.get(start.task)
    const intent = intentsOf(task, start).find(({ seq }) => !used.has(seq))
    if (intent === undefined) return false
    used.add(intent.seq)
    const keys = [task.dispatchKey ?? "none", `${task.dispatchKey ?? "none"}:${intent.step}`]
    if (intent.dispatchKey !== start.dispatch_key || !keys.includes(start.dispatch_key)) return false
    // The ledger reads its clock to 10 ms; two ticks are allowed.
    return intent.code || (intent.before !== null && start.mono_ms - intent.before <= 20)
  }
  for (const effect of effects) {
    if (effect.phase === "start") tally.count(isPermitted(effect))
    else if (!started.has(runOf(effect))) tally.bad()
    if (effect.phase === "start") started.add(runOf(effect))
  }
})

const singleOwner = overLogs(({ effects, log }, tally) => {
  const spoiled = new Set()
  for (const [id, lines] of grouped(effects, ({ task }) => task)) {
    const [task, intents, givenUp] = [log.tasks.get(id), intentsByStart(lines, log), []]
    const isRun = (start, line) => start.pid === line.pid && start.attempt === line.attempt && start.generation === line.generation && start.dispatch_key === line.dispatch_key
    let running = []
    for (const line of lines) {
      const owner = canonical([id, line.generation])
      if (line.phase === "done") {
        const own = running.find((start) => isRun(start, line))
        const late = givenUp.some((start) => isRun(start, line) && !(intents.get(start)?.code === true && intents.get(start).effect !== "dangerous"))
        if (own === undefined && late) spoiled.add(owner)
        running = running.filter((start) => start !== own)
        continue
      }
      const intent = intents.get(line)
      const others = running.filter((start) => start.generation !== line.generation || intents.get(start)?.step === intent?.step)
      if (intent === undefined || others.some((start) => endsBetween(task, intents.get(start), intent).length === 0)) spoiled.add(owner)
      givenUp.push(...others)
      running = [...running.filter((start) => !others.includes(start)), line]
    }
  }
  for (const { generation, id, right } of [...log.tasks.values()].flatMap((task) => task.grants.map((grant) => ({ ...grant, id: task.id })))) {
    const owner = canonical([id, generation])
    tally.count(right && !spoiled.has(owner))
    spoiled.delete(owner)
  }
  for (const _ of spoiled) tally.bad()
})

const unanswered = "not answered and not stored"

const jobsConserved = overLogs(({ journal, log }, tally) => {
  const isPlaced = (task) => task.requested === 1 && placesHeld(task) === 1
  for (const request of journal.requests) {
    const task = taskAsked(log, request)
    if (task === undefined && request.task === null) tally.leftOut(unanswered)
    else tally.count(task !== undefined && task.key === request.key && isPlaced(task))
  }
  const [keys, children] = [new Set(journal.requests.map(({ key }) => key)), new Set()]
  const hasOrigin = ({ commanded, origin, requested }) => {
    if (requested === 0) return false
    const [parent, step, source] = [text(origin, "parent"), whole(origin, "parent_step"), text(origin, "forked_from")]
    if (origin.by === "child") {
      const place = canonical([parent, step])
      if (parent === null || step === null || !log.tasks.has(parent) || children.has(place)) return false
      children.add(place)
      return true
    }
    if (origin.by === "fork") return commanded && source !== null && whole(origin, "from_step") !== null && log.tasks.has(source)
    const schedule = text(origin, "schedule")
    if (origin.by !== "schedule" || schedule === null || whole(origin, "tick_ms") === null) return null
    return text(origin, "tick_by") === "manual" ? commanded : log.schedules.has(schedule)
  }
  for (const task of log.tasks.values()) {
    if (task.requested > 0 && task.key !== null && keys.has(task.key)) continue
    const origin = hasOrigin(task)
    // The journal gets a request when it was answered.
    if (origin === null) undone(journal, tally)
    else tally.count(origin && isPlaced(task))
  }
})

const tasksEndRight = overLogs(({ effects, journal, log }, tally) => {
  const done = effects.filter(({ phase }) => phase === "done")
  const [byTask, byKey] = [grouped(done, ({ task }) => task), grouped(done, ({ dispatch_key }) => dispatch_key)]
  for (const request of journal.requests) {
    const { done_max, done_min, states: expected } = request.expect
    const task = taskAsked(log, request)
    // Under the task or under its key. Of a step in code the times count once.
    const own = new Set([...(byTask.get(task?.id) ?? []), ...(byKey.get(task?.dispatchKey) ?? [])])
    const steps = new Set(task?.intents.filter(({ code }) => code).map(({ dispatchKey }) => dispatchKey))
    const times = new Set([...own].map((effect) => (steps.has(effect.dispatch_key) ? effect.dispatch_key : effect))).size
    const right = task !== undefined && isAt(task, expected) && done_min <= times && times <= done_max
    if (right || terminal.has(task?.state) || times > done_max) tally.count(right)
    else undone(journal, tally)
  }
})

/** What did not come about in a scenario that was aborted is missing evidence there, and bad elsewhere. */
const undone = ({ status }, tally) => (status === "aborted" ? tally.missing("it was aborted") : tally.bad())

const mere = ["idempotency.replayed", "idempotency.in_progress", "idempotency.conflict", "command.refused", "command.denied", "command.accepted"]
const begun = ["effect.intent", "effect.adopted", "step.succeeded", "step.failed", "step.settled"]

/** From its end back to whoever asked: a request, what people released, an entry into the queue before each run, work in it, one trace. */
const isTraced = ({ events }, log, steps) => {
  const own = events.filter(({ type }) => !mere.includes(type))
  const [first] = own
  const by = text(first?.payload, "by")
  if (first?.type !== "task.requested" || (first.payload.from ?? null) !== null) return false
  const origin = by === "child" ? text(first.payload, "parent") : text(first.payload, "forked_from")
  if (by === "child" || by === "fork" ? !log.tasks.has(origin) : by === "schedule" ? text(first.payload, "schedule") === null : commandIn(first.payload) === null) return false
  let [open, state, ran, worked] = [new Set(), null, false, false]
  for (const [index, { at, payload, seq, trace, type }] of own.entries()) {
    const [before, to] = [own[index - 1] ?? own[index], entered.get(type)]
    if (type === "task.requested" || type === "approval.voided") open = holdsIn(payload)
    else if (type === "hold.opened") open.add(text(payload, "hold") ?? "")
    else if (type === "hold.released") open.delete(text(payload, "hold") ?? "")
    if ((to === "APPROVED" || to === "QUEUED") && open.size > 0) return false
    worked ||= begun.includes(type)
    if (to === "RUNNING" && state !== "QUEUED") return false
    ran ||= to === "RUNNING"
    if (to === "SUCCEEDED" && !(ran && worked)) return false
    state = to ?? state
    const setBack = steps.filter((step) => before.seq <= step.seq && (step.seq <= seq || Math.abs(step.at - at) <= 60_000) && step.by < 0).reduce((sum, step) => sum - step.by, 0)
    if (first.trace === null || trace !== first.trace || before.at - at > 1000 + setBack) return false
  }
  return true
}

const traceability = overLogs(({ events, log }, tally) => {
  const steps = events.filter(({ type }) => type === "clock.stepped").map(({ at, payload, seq }) => ({ at, seq, by: Number(payload.by_ms ?? 0) }))
  for (const task of log.tasks.values()) if (terminal.has(task.state)) tally.count(isTraced(task, log, steps))
})

/** A span of use is counted as the scorecard says; one whose clock was set back means nothing. */
const heavySuccess = (run, check, card) => {
  const tally = counter()
  const limit = check.parameters?.end_within_ms
  if (card.window === undefined || !Number.isSafeInteger(limit)) tally.missing("the scorecard does not say how it is counted")
  for (const scenario of run.scenarios) {
    if (scenario.journal === null || scenario.events === null) tally.missing(`${scenario.id} is not whole`)
    else if (tally.units.missing === null) heavyEnds(scenario, tally, limit, card.window)
  }
  return tally.units
}

const heavyEnds = ({ effects, events: all, id: scenario, journal }, tally, limit, { tests }) => {
  const { ended_at: until, requests, started_at: from } = journal
  const events = all.filter(({ at }) => at < until)
  const isBack = ({ at, payload, type }, index) => {
    const before = events[index - 1]
    if (at < from && (before === undefined || before.at < from)) return false
    return (before !== undefined && at < before.at - 1000) || (type === "clock.stepped" && payload?.by_ms < -1000)
  }
  if (events.some(isBack)) return tally.missing(`${scenario}: the clock was set back`)
  if (effects === null && requests.length > 0) return tally.missing(`${scenario} has no ledger`)
  const asked = new Map(requests.map((request) => [request.task ?? request.key, request]))
  const isFailure = ({ payload, type }) => ["task.failed", "step.failed", "task.outcome_unknown"].includes(type) || (type === "task.queued" && ["retry", "lease_lost"].includes(payload?.by))
  const isTestKind = (kind) => tests.kinds.some((name) => (name.endsWith("*") ? kind.startsWith(name.slice(0, -1)) : kind === name))
  for (const [id, own] of grouped(events.filter(({ task }) => task !== null), ({ task }) => task)) {
    const [first, ran] = [own[0], own.find(({ type }) => type === "task.running")]
    const request = asked.get(id) ?? asked.get(text(first.payload, "key") ?? "")
    const due = request?.due_at ?? (ran?.at ?? 0) + limit
    if (text(first.payload, "class") !== "heavy" || ran === undefined || due < from) continue
    const cancel = own.findIndex(({ type }) => type === "task.cancel_requested" || type === "task.canceled")
    const last = own.findLast(({ at, type }) => at <= due && entered.has(type))
    const canceled = own.findLast(({ type }) => entered.has(type))?.type === "task.canceled" && !own.slice(0, cancel).some(isFailure)
    if (isTestKind(text(first.payload, "kind") ?? "") || tests.actors.includes(first.actor)) tally.leftOut("marked as a test")
    else if (request !== undefined && !request.expect.states.includes("SUCCEEDED")) tally.leftOut("it was made to end otherwise")
    else if (canceled) tally.leftOut("somebody canceled it before it failed once")
    else if (due >= until) tally.censored()
    else {
      const done = (effects ?? []).filter(({ phase, task }) => phase === "done" && task === id).length
      const right = request === undefined || (request.expect.done_min <= done && done <= request.expect.done_max)
      tally.count(last?.type === "task.succeeded" && (last.payload?.result?.exit_code ?? 0) === 0 && right)
    }
  }
}

/** Who said yes to what, told from what people said and not from what the product says of its holds. */
const runsApproved = overLogs(({ log }, tally) => {
  for (const { events } of log.tasks.values()) {
    const [authors, words] = [new Set(), { yes: [], plan: null, passed: null, broken: null }]
    let [holds, needed, ending] = [new Set(), 0, false]
    const forget = () => Object.assign(words, { yes: [], passed: null, broken: null })
    const isMissing = () => {
      const { broken, passed, plan, yes } = words
      if (broken !== null && !authors.has(broken.actor)) return false
      if (holds.has("policy") || (holds.has("plan") && plan === null)) return true
      if (holds.has("review") && (passed === null || authors.has(passed.actor) || passed.actor === plan?.actor)) return true
      const digest = (word) => text(word?.payload, "digest")
      const counted = yes.filter((word) => digest(word) === digest(yes.at(-1)) && (word.payload.self === true || !authors.has(word.actor)))
      return new Set(counted.map(({ actor }) => actor)).size < needed
    }
    for (const event of events) {
      const { actor, payload, type } = event
      if (type === "task.running") {
        if (holds.size === 0) tally.leftOut("nobody had to be asked")
        else if (ending) tally.leftOut("it was asked to end and begins nothing")
        else tally.count(!isMissing())
      }
      if (type === "task.requested" && (payload.from ?? null) === null) for (const author of [actor, ...(Array.isArray(payload.authors) ? payload.authors.map(String) : [])]) authors.add(author)
      if (type === "task.requested" || type === "approval.voided") {
        forget()
        holds = holdsIn(payload)
        needed = typeof payload.approvals === "number" ? payload.approvals : holds.has("approval") ? 1 : 0
      }
      if (type === "task.debounced") authors.add(actor)
      if (type === "plan.filed") Object.assign(forget(), { plan: event })
      if (type === "approval.given") words.yes.push(event)
      if (type === "review.passed") words.passed = event
      if (type === "review.failed") words.passed = null
      if (type === "review.failed" && holds.has("plan")) Object.assign(forget(), { plan: null })
      if (type === "hold.broken") words.broken = event
      if (type === "task.cancel_requested") ending = true
      if (type === "task.canceled" && payload.by === "reject") forget()
      if (["task.canceled", "task.succeeded", "task.failed", "task.expired"].includes(type)) ending = false
    }
  }
})

const interruptedRecovered = overLogs(({ journal, log }, tally) => {
  const requests = new Map(journal.requests.map((request) => [request.task ?? log.byKey.get(request.key)?.[0]?.id, request]))
  const counted = new Set()
  for (const fault of journal.faults) {
    if (!["running", "claimed", "effect", "stored", "commit"].includes(fault.must_hit)) tally.leftOut("it interrupts no task")
    else for (const id of fault.hit) {
      const [task, pair] = [log.tasks.get(id), canonical([fault.id, id])]
      if (counted.has(pair)) continue
      counted.add(pair)
      const right = task !== undefined && requests.has(id) && isAt(task, requests.get(id).expect.states)
      if (fault.class === "replay") tally.leftOut("replays interrupt nothing")
      else if (right || task === undefined || terminal.has(task.state)) tally.count(right)
      else undone(journal, tally)
    }
  }
})

const tokensMonotonic = overLogs(({ events }, tally) => {
  let newest = 0
  for (const { payload, type } of events) {
    const epoch = whole(payload, "epoch")
    if (type === "task.running" || type === "effect.adopted") tally.count(epoch !== null && epoch === newest)
    if (type !== "epoch.started") continue
    tally.count(epoch !== null && epoch > newest)
    newest = Math.max(newest, epoch ?? 0)
  }
})

const stepsNotRestarted = overLogs(({ log }, tally) => {
  const isDone = ({ how }) => how === "succeeded" || how === "reconciled"
  for (const { ends, intents, origin } of log.tasks.values()) {
    const source = origin?.by === "fork" ? log.tasks.get(text(origin, "forked_from")) : undefined
    const taken = new Map(source?.ends.filter((end) => end.step < (whole(origin, "from_step") ?? 0) && isDone(end)).map(({ name, step }) => [step, name]))
    const begun = new Map()
    for (const intent of intents) {
      const before = begun.get(intent.step)
      const own = ends.filter(({ seq, step }) => step === intent.step && seq < intent.seq)
      const open = before !== undefined && !own.some(({ seq }) => seq > before.seq)
      const wrong = (intent.name !== null && taken.get(intent.step) === intent.name) || own.some(isDone) || (open && (before.generation === intent.generation || (before.code && before.effect === "dangerous")))
      tally.count(!wrong)
      begun.set(intent.step, intent)
    }
  }
})

const chainIntact = (run) => {
  const streams = new Set()
  return overScenarios(({ events }, tally) => {
    const [breaks, copied] = [breaksIn(events), streams.has(events[0]?.stream ?? "")]
    events.forEach((_, index) => tally.count(!breaks.has(index) && !(copied && index === 0)))
    streams.add(events[0]?.stream ?? "")
  })(run)
}

const faultsHit = (run) => {
  const seen = new Set()
  return overScenarios(({ id, journal: { faults, points = [], scenario } }, tally) => {
    const struck = faults.filter(({ hit, point }) => hit.length > 0 && point !== undefined).map(({ point }) => point)
    if (new Set(struck).size < struck.length || points.some((point) => !struck.includes(point))) tally.missing(`${id}: a point that was struck twice, or never`)
    for (const fault of faults) {
      if (seen.has(fault.id) || fault.witness === null || fault.witness.detail === "") tally.missing(`${id}: a fault without a witness`)
      else if (fault.hit.length === 0) tally.leftOut("it missed what it had to hit")
      else tally.good()
      seen.add(fault.id)
    }
    for (const declared of scenario.faults) {
      const alike = (fault) => fault.class === declared.class && fault.must_hit === declared.must_hit
      const due = scenario.faults.filter(alike).reduce((sum, { count }) => sum + count, 0)
      if (faults.filter((fault) => alike(fault) && fault.hit.length > 0).length < due) tally.missing(`${id}: too few faults hit`)
    }
  })(run)
}

const commandsDeduplicated = overLogs(({ journal, log }, tally) => {
  for (const { exit, first_task, same_payload, task } of journal.replays) tally.count(same_payload ? exit === 0 && task !== null && task === first_task : exit === 5)
  for (const tasks of log.byKey.values()) if (new Set(tasks.map(({ requester }) => requester)).size < tasks.length) tally.bad()
})

const leaseColumns = ["lease", "generation", "epoch", "updated_at", "updated_at_ms"]

const restartsKeepState = overScenarios(({ journal }, tally) => {
  for (const { after, before } of journal.restarts) {
    for (const id of new Set([...before, ...after].map((row) => row.id))) {
      const [was, is] = [before.filter((row) => row.id === id), after.filter((row) => row.id === id)]
      const bare = (row) => Object.fromEntries(Object.entries(row).filter(([column]) => was[0]?.state !== "RUNNING" || !leaseColumns.includes(column)))
      tally.count(was.length === 1 && is.length === 1 && same(bare(was[0]), bare(is[0])))
    }
  }
})

const pollRecovery = overScenarios(({ events, id, journal: { chat, faults } }, tally) => {
  if (chat === undefined && faults.some((fault) => fault.class === "poll_fault")) tally.missing(`${id} has no record of the chat service`)
  const keys = new Set(events.map(({ payload }) => commandIn(payload)?.key))
  const endOf = ({ at, took_ms }) => at + (took_ms ?? 0)
  for (const burst of chat?.bursts ?? []) {
    const struck = chat.calls.filter((call) => call.method === "getUpdates" && burst.struck.includes(call.seq) && (call.faults.length > 0 || !call.answered))
    const last = Math.max(...struck.map(({ seq }) => seq))
    const well = chat.calls.find((call) => call.seq > last && call.method === "getUpdates" && call.status === 200 && call.answered && call.faults.length === 0)
    const lost = burst.keys.some((key) => !keys.has(key) && chat.commands.some((command) => command.key === key && command.expect === "once"))
    if (struck.length === 0) tally.leftOut("no poll was struck")
    else if (well !== undefined && endOf(well) - Math.max(...struck.map(endOf)) > 60_000) tally.bad()
    else if (well === undefined || lost) undone(journal, tally)
    else tally.good()
  }
})

const watched = {
  succeeded: ({ type }) => type === "task.succeeded",
  failed: ({ type }) => type === "task.failed",
  rescued: ({ payload, type }) => type === "effect.adopted" || (type === "task.queued" && payload?.by === "lease_lost"),
  fenced: ({ type }) => type === "write.fenced"
}

const everythingOccurs = (run) => {
  const times = Object.entries(watched).map(([name, matches]) =>
    (run.simulation?.seeds ?? []).reduce((sum, { seen }) => sum + (seen[name] ?? 0), 0) + run.scenarios.reduce((sum, { events }) => sum + (events ?? []).filter(matches).length, 0))
  const units = overScenarios((_, tally) => void tally)(run)
  const total = times.reduce((sum, count) => sum + count, 0)
  return total > 0 && times.includes(0) ? { ...units, missing: units.missing ?? "something never came about" } : { ...units, good: total, total }
}

const named = ({ file, name }) => canonical([file, name])

const controlInvariants = ({ control }) => {
  const tally = counter()
  const declared = new Set(control?.declared.map(named))
  if (control === null || declared.size === 0 || declared.size < control.declared.length) tally.missing("the declared tests are not there, or one is twice")
  for (const name of declared) tally.count(control.results.filter((result) => named(result) === name).map(({ status }) => status).join() === "passed")
  for (const name of new Set(control?.results.map(named))) if (!declared.has(name)) tally.bad()
  return tally.units
}

const overSeeds = (count) => ({ simulation }) => {
  const tally = counter()
  if (simulation === null) tally.missing("the seeds are not there")
  else {
    const { declared, seeds } = simulation
    const unlike = (member) => new Set(seeds.map((seed) => seed[member])).size === seeds.length
    if (seeds.length < declared.seeds || !unlike("seed") || !unlike("digest")) tally.missing("seeds are missing, or there twice")
    count(declared, seeds, tally)
  }
  return tally.units
}

const isCaught = ({ after, baseline, error, may_flip, must_flip }, baselines) => {
  const before = baselines[baseline]?.verdicts ?? {}
  const flips = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name])
  const turned = must_flip.length > 0 && must_flip.every((name) => name in before && flips.includes(name))
  return error === null && turned && ("*" in may_flip || flips.every((name) => must_flip.includes(name) || name in may_flip))
}

const mutants = (...families) => ({ selfTest }) => {
  const [tally, made] = [counter(), new Set()]
  if (selfTest === null) tally.missing("there was no self-test")
  const own = selfTest?.mutations.filter(({ family }) => families.includes(family)) ?? []
  for (const mutation of own) {
    const { baseline, digest, error } = mutation
    const before = Object.values(selfTest.baselines[baseline]?.verdicts ?? {})
    if (error !== null || (digest !== null && (before.length === 0 || before.some((verdict) => verdict !== "PASS")))) tally.missing("a mutant, or what it was made from, is no evidence")
    else if (digest === null) tally.leftOut("the scorecard asks nothing that it breaks")
    else if (made.has(digest)) tally.leftOut("the same change under another name")
    else tally.count(isCaught(mutation, selfTest.baselines))
    made.add(digest)
  }
  if (families.some((family) => !own.some((mutation) => mutation.family === family && mutation.digest !== null))) tally.missing("a family has no mutant")
  return tally.units
}

const checksCanFail = ({ selfTest }) => {
  const tally = counter()
  const names = selfTest?.baselines.evidence === undefined ? null : Object.keys(selfTest.baselines.evidence.verdicts)
  const turned = new Set(selfTest?.mutations.filter((mutation) => isCaught(mutation, selfTest.baselines)).flatMap(({ must_flip }) => must_flip))
  if (names === null || names.some((name) => !turned.has(name))) tally.missing("a check was never seen to fail")
  else tally.good(names.length)
  return tally.units
}

/** What is counted here. Every other measure is counted by `opsgate verify` alone. */
const measures = {
  chainIntact, checksCanFail, commandsDeduplicated, controlInvariants, effectsPermitted, everythingOccurs, faultsHit, heavySuccess, interruptedRecovered, jobsConserved, noDuplicateHeavy, pollRecovery,
  restartsKeepState, runsApproved, singleOwner, stepsNotRestarted, tasksEndRight, tokensMonotonic, traceability,
  chatLimitsKept: overScenarios(({ journal: { chat, faults } }, tally) => {
    const sends = ["sendMessage", "editMessageText", "editMessageReplyMarkup", "sendDocument"]
    tally.good(chat?.calls.filter(({ method, status }) => status === 200 && sends.includes(method)).length ?? 0)
    for (const { at, early, method, scope } of chat?.violations ?? []) {
      const asked = chat.calls.filter((call) => call.status === 429 && !chat.violations.some((other) => other.early && other.at === call.at && other.method === call.method) && call.method === method && call.at < at && (!scope.startsWith("chat ") || scope === `chat ${call.chat}`)).at(-1)
      const since = (kinds, to) => faults.some((fault) => kinds.includes(fault.class) && (fault.service_at ?? fault.at) >= asked.at && (fault.service_at ?? fault.at) <= to)
      const began = Math.max(...chat.calls.filter((call) => call.method === "getMe" && call.at <= at).map((call) => call.at), -Infinity)
      const unknown = early && asked !== undefined && (at <= asked.at + 250 || !asked.answered || since(["sigkill", "sync"], asked.at + 500) || since(["clock"], began))
      if (unknown) tally.leftOut("whoever called could not know yet that a pause was asked for")
      else tally.bad()
    }
  }),
  conservation: overLogs(({ log }, tally) => log.tasks.forEach((task) => tally.count(task.requested === 1 && placesHeld(task) === 1))),
  faultClassesHit: overSeeds((declared, seeds, tally) => {
    const classes = declared.fault_classes
    if (classes.length === 0 || seeds.some(({ hits }) => Object.keys(hits).some((name) => !classes.includes(name)))) tally.missing("other classes of faults struck than were declared")
    for (const name of classes) {
      const hits = seeds.reduce((sum, seed) => sum + (seed.hits[name] ?? 0), 0)
      if (hits === 0) tally.missing(`no ${name} struck anything`)
      tally.good(hits, name)
    }
  }),
  lateWritesSeen: overLogs(({ journal, log }, tally) => journal.faults.some((fault) => fault.class === "sigstop") && tally.good(log.fenced)),
  legalTransitions: overLogs(({ log }, tally) => log.tasks.forEach(({ illegal, moves }) => (tally.good(moves - illegal), Array.from({ length: illegal }, () => tally.bad())))),
  mutantsCaught: mutants("tampering", "absence", "ancestor"),
  runtimeMutantsCaught: mutants("runtime"),
  scenariosComplete: overScenarios(({ id, journal }, tally) => (journal.status === "completed" && journal.scenario.id === id ? tally.good() : tally.missing(`${id} did not end`))),
  seedsHold: overSeeds((declared, seeds, tally) => {
    if (declared.measures.length === 0) tally.missing("no measure judged the seeds")
    for (const { events, failed } of seeds) tally.count(failed.length === 0 && events > 0)
  }),
  seedsRepeat: overSeeds((declared, seeds, tally) => {
    const twice = seeds.filter((seed) => seed.twice !== null)
    if (twice.length < declared.twice) tally.missing("too few seeds were run twice")
    for (const seed of twice) tally.count(seed.twice)
  }),
  virtualHours: overScenarios(({ id, journal: { ended_at, started_at, status, world } }, tally) => {
    if (world !== "simulation") tally.leftOut("it was not simulated")
    else if (status !== "completed") tally.missing(`${id} did not end`)
    else tally.good(Math.max(0, Math.floor((ended_at - started_at) / 3_600_000)))
  }),
  writesFenced: overLogs(({ log }, tally) => log.tasks.forEach(({ writes }) => writes.forEach(tally.count)))
}

// ---------------------------------------------------------------------------------------------------- judging

/** ln Γ(x) for x ≥ 1, by Stirling's series behind a shift. */
const logGamma = (x) => {
  let [shift, y] = [0, x]
  for (; y < 15; y++) shift += Math.log(y)
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * y) - 1 / (360 * y ** 3) + 1 / (1260 * y ** 5) - shift
}

/** Regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz; Numerical Recipes, section 6.4). */
const beta = (x, a, b) => {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1
  if (x > (a + 1) / (a + b + 2)) return 1 - beta(1 - x, b, a)
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a
  let [c, d] = [1, 1 / (1 - ((a + b) * x) / (a + 1))]
  let product = d
  for (let m = 1; m <= 10_000; m++) {
    for (const factor of [(m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)), (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))]) {
      d = 1 / (1 + factor * d)
      c = 1 + factor / c
      product *= c * d
    }
    if (Math.abs(c * d - 1) < 1e-15) break
  }
  return front * product
}

/** The chance of at most `bad` bad units in `total`, where each is bad at `ppm`: P(X ≤ k) = I_{1−p}(n − k, k + 1). */
const chance = (bad, total, ppm) => (bad >= total ? 1 : beta(1 - ppm / million, total - bad, bad + 1))

/** One-sided 95 % Clopper–Pearson bound: the highest good rate, in whole ppm, that so few bad units still prove. */
const provenPpm = (bad, total) => {
  let [low, high] = [0, million]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (chance(bad, total, million - middle) <= 0.05) low = middle
    else high = middle
  }
  return low
}

const boundOf = (rule, good, total) => {
  if (total === 0 || rule === "census" || rule === "score") return null
  return rule === "rate_at_least" ? provenPpm(total - good, total) : million - provenPpm(total - good, total)
}

/** Why a scorecard may decide nothing; the table of each rate is computed anew. */
const cardProblems = ({ checks, waivers = [] }) => {
  const problems = []
  for (const { acceptance, id, rule, threshold_ppm } of checks) {
    if (checks.filter((check) => check.id === id).length > 1) problems.push(`check ${id} is there twice`)
    if (!rule.startsWith("rate")) {
      if (acceptance !== undefined || (rule !== "score" && threshold_ppm !== undefined)) problems.push(`check ${id} has a table or a threshold that its rule does not know`)
      continue
    }
    if (acceptance === undefined || threshold_ppm === undefined) problems.push(`check ${id} has no table or no threshold`)
    const goodPpm = rule === "rate_at_least" ? threshold_ppm : million - threshold_ppm
    for (const [index, [n, failures]] of (acceptance ?? []).entries()) {
      const right = n > (acceptance[index - 1]?.[0] ?? 0) && chance(failures, n, million - goodPpm) <= 0.05 && chance(failures + 1, n, million - goodPpm) > 0.05
      if (!right) problems.push(`check ${id} has a table that allows ${failures} failures in ${n}`)
    }
  }
  const points = checks.reduce((sum, { weight = 0 }) => sum + weight, 0)
  const scores = checks.filter(({ rule }) => rule === "score")
  if (scores.length > 1 || (scores.length === 0 && points > 0) || scores.some(({ measure, n_min }) => measure !== null || n_min !== points)) problems.push("its weights and its score do not fit")
  for (const { check, expires } of waivers) {
    const day = new Date(`${expires}T00:00:00.000Z`)
    const unfit = !checks.some(({ id, key }) => id === check && key !== true) || waivers.filter((one) => one.check === check).length > 1 || Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== expires
    if (unfit) problems.push(`the waiver of ${check} is none`)
  }
  return problems
}

/** The verdict on counts alone, in integers. */
const verdictOf = (check, { censored, excluded, good, missing, strata, total }, censoredMax) => {
  const { acceptance = [], exclusions, n_min, rule, strata_min = 0, threshold_ppm } = check
  if (check.measure === null) return "INSUFFICIENT"
  if (missing !== null || good > total || ![good, total, censored].every((count) => Number.isSafeInteger(count) && count >= 0)) return "ERROR"
  const bad = total - good
  const integrity = rule === "census" || rule === "zero"
  const misses = rule === "rate_at_least" ? good * million < threshold_ppm * total : bad * million > threshold_ppm * total
  if (integrity ? bad > 0 : misses) return "FAIL"
  if (Object.keys(excluded).some((reason) => !exclusions.includes(reason))) return "ERROR"
  if (censored * million > censoredMax * (censored + total) || total === 0 || Object.values(strata).some((units) => units < strata_min)) return "INSUFFICIENT"
  const step = acceptance.findLast(([n]) => n <= total)
  return total >= n_min && (integrity || (step !== undefined && bad <= step[1])) ? "PASS" : "INSUFFICIENT"
}

/** The score of the audit: what is not proven counts as none and stays in the sum. */
const scoreOf = (check, lines) => {
  const points = (wanted) => lines.reduce((sum, { verdict, weight }) => sum + (wanted(verdict) ? weight : 0), 0)
  const [good, total, failed] = [points((verdict) => verdict === "PASS"), points(() => true), points((verdict) => verdict === "FAIL")]
  const meets = (count) => count * million >= (check.threshold_ppm ?? million) * total
  const keys = lines.filter(({ key }) => key).map(({ verdict }) => verdict)
  const verdict = total !== check.n_min || total === 0 ? "ERROR"
    : keys.includes("FAIL") || !meets(total - failed) ? "FAIL"
    : meets(good) && keys.every((one) => one === "PASS") ? "PASS" : "INSUFFICIENT"
  return { id: check.id, verdict, good, total, excluded: {}, censored: 0, strata: {}, rule: check.rule, bound_ppm: null, n_min: check.n_min }
}

const restricted = (run, { traffic_classes }, worlds) => ({
  ...run,
  scenarios: run.scenarios.filter(({ journal }) => journal === null || (traffic_classes.includes(journal.scenario.traffic_class) && worlds.includes(journal.world ?? "machine"))),
  control: worlds.includes("machine") ? run.control : null,
  simulation: worlds.includes("simulation") ? run.simulation : null
})

/** One check: counted anew where this file can, else judged on the counts that were claimed. */
const lineOf = (check, run, card, claimed) => {
  const asked = restricted(run, check, check.worlds)
  const preview = check.worlds.every((world) => world === "production") && !asked.scenarios.some(({ journal }) => journal !== null)
  const measure = Object.hasOwn(measures, check.measure ?? "") ? measures[check.measure] : undefined
  const nothing = { good: 0, total: 0, excluded: {}, censored: 0, strata: {}, missing: null }
  const claim = claimed === undefined ? nothing : { ...claimed, missing: claimed.verdict === "ERROR" && claimed.total === 0 ? "claimed" : null }
  const counted = check.measure === null ? nothing : measure === undefined ? claim : measure(preview ? restricted(run, check, ["machine", "simulation", "production"]) : asked, check, card)
  const { censored, excluded, good, strata, total } = counted.missing === null ? counted : nothing
  const verdict = verdictOf(check, counted, card.censored_max_ppm)
  const line = { id: check.id, verdict: preview && verdict === "PASS" ? "INSUFFICIENT" : verdict, good, total, excluded, censored, strata, rule: check.rule, bound_ppm: boundOf(check.rule, good, total), n_min: check.n_min }
  return { line, recounted: measure !== undefined || check.measure === null }
}

/** When the last scenario ended that was not simulated. */
const endOf = ({ scenarios }) => {
  const ends = scenarios.flatMap(({ journal }) => (journal === null || journal.world === "simulation" ? [] : [journal.ended_at]))
  return ends.length === 0 ? null : Math.max(...ends)
}

const judge = (card, run, claimed) => {
  const found = card.checks.filter(({ rule }) => rule !== "score").map((check) => ({ check, ...lineOf(check, run, card, claimed.find(({ id }) => id === check.id)) }))
  const scored = found.map(({ check, line }) => ({ ...line, weight: check.weight ?? 0, key: check.key === true }))
  const lines = card.checks.map((check) => found.find((one) => one.check === check)?.line ?? scoreOf(check, scored))
  const at = endOf(run)
  const waivers = (card.waivers ?? []).map((waiver) => {
    const over = at === null || at >= Date.parse(`${waiver.expires}T00:00:00.000Z`) + 86_400_000
    return { ...waiver, state: over ? "expired" : lines.find(({ id }) => id === waiver.check)?.verdict === "PASS" ? "unused" : "applied" }
  })
  const waived = waivers.filter(({ state }) => state === "applied").map(({ check }) => check)
  const verdicts = lines.filter(({ id }) => !waived.includes(id)).map(({ verdict }) => verdict)
  const decision = verdicts.includes("FAIL") ? "NO-GO" : verdicts.length > 0 && verdicts.every((verdict) => verdict === "PASS") ? "GO" : "INSUFFICIENT"
  return { lines, waivers, decision: decision === "GO" ? card.ceiling : decision, unread: new Set(found.filter(({ recounted }) => !recounted).map(({ line }) => line.id)) }
}

/** What is no reason to ask why: words, and what follows from other members. */
const wordsOnly = ["$schema", "v", "id", "name", "title", "remedy", "acceptance", "adr", "checks"]
const asSet = (value) => (Array.isArray(value) ? `[${sorted(value.map(asSet)).join()}]` : typeof value === "object" && value !== null ? `{${sorted(Object.entries(value).map(([name, one]) => `${name}:${asSet(one)}`)).join()}}` : JSON.stringify(value))

const loosens = (member, from, to, rule) => {
  const first = from === undefined || from === null
  if (member === "threshold_ppm") return typeof to !== "number" || (typeof from === "number" && (rule === "rate_at_most" ? to > from : to < from))
  if (member === "n_min" || member === "strata_min") return !first && !(to > from)
  if (member === "exclusions") return !first && !(Array.isArray(to) && to.every((reason) => from.includes(reason)))
  if (member === "key") return to !== true
  return !(first && ["traffic_classes", "worlds", "population", "measure", "weight"].includes(member))
}

/** Whether a scorecard asks for less than the one that was released under its name, without an ADR that names every check concerned. */
const asksForLess = (released, card, adr) => {
  const changed = (from, to) => [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((member) => !wordsOnly.includes(member) && asSet(from[member]) !== asSet(to[member]))
  const whole = changed(released, card).some((member) => member !== "waivers" && (member !== "ceiling" || card.ceiling === "GO"))
  const checks = released.checks.filter((from) => {
    const to = card.checks.find(({ id }) => id === from.id)
    return to === undefined || changed(from, to).some((member) => loosens(member, from[member], to[member], to.rule))
  }).map(({ id }) => id)
  if (!whole && checks.length === 0) return false
  return card.adr === undefined || card.adr === released.adr || adr === null || checks.some((id) => !adr.split(/[^a-z0-9-]+/).includes(id))
}

// ---------------------------------------------------------------------------------------------------- comparing

/** A bound is a floating-point figure for people; the last digit may differ. */
const alike = (claim, line) => same({ ...claim, bound_ppm: null }, { ...line, bound_ppm: null }) && (claim.bound_ppm === null || line.bound_ppm === null ? claim.bound_ppm === line.bound_ppm : Math.abs(claim.bound_ppm - line.bound_ppm) <= 1)

const compare = (what, claims, { lines, unread }) => {
  if (!same(sorted(claims.map(({ id }) => id)), sorted(lines.map(({ id }) => id)))) differs(`${what}: other checks than the scorecard has`)
  for (const line of lines) {
    const claim = claims.find(({ id }) => id === line.id)
    const counts = `${line.id} ${line.good}/${line.total} ${line.verdict}`
    if (claim === undefined || !alike(claim, line)) differs(`${what}: ${counts}, and ${claim?.good}/${claim?.total} ${claim?.verdict} was claimed`)
    else if (unread.has(line.id)) say("not", `recomputed here (opsgate verify does): ${what}: ${counts}; its verdict follows from the counts that were claimed`)
    else agrees(`${what}: ${counts}`)
  }
}

const claimsIn = (list) => list.map(({ bound_ppm, censored, excluded, good, id, n_min, rule, strata, total, verdict }) => ({ id, verdict, good, total, excluded, censored, strata, rule, bound_ppm, n_min }))

const kinds = ["https://in-toto.io/Statement/v1", "https://opsgate.dev/attestation/gate-decision/v0.1"]

const check = (dir, pem) => {
  const { files, problems } = readAll(dir)
  const { key, statement } = openEnvelope(textOf(files, envelopeFile), pem)
  agrees("the decision is signed by the key that was given")
  report("the copy of the key in the bundle is that key", copyProblems(files, key))
  if (!same(kinds, [statement._type, statement.predicateType])) refuse("what was signed is no decision of a gate")
  const manifest = jsonIn(files, "manifest.json")
  const { predicate } = statement
  report("nothing was changed, removed or added", [...problems, ...listingProblems(files, manifest)])
  report("the other statements are signed by that key", statementProblems(files, pem))
  report("what was signed is these files", subjectProblems(files, manifest, statement))
  report("statement and manifest say the same", ["profile", "window", "logs", "configHash"].filter((member) => !same(manifest[member], predicate[member])))
  const run = { scenarios: scenariosIn(files), control: maybeIn(files, "tests/control.json"), simulation: maybeIn(files, "simulation/seeds.json"), selfTest: maybeIn(files, "selftest/mutations.json") }
  for (const scenario of run.scenarios) {
    report(`log of ${scenario.id}: chain, length and head`, logProblems(scenario, [manifest.logs[scenario.id], predicate.logs[scenario.id]]))
    report(`journal of ${scenario.id}: its own, with the seed that was signed`, scenarioProblems(scenario, predicate.seeds))
  }
  const ids = run.scenarios.map(({ id }) => id)
  const streams = run.scenarios.flatMap(({ events }) => (events?.[0] === undefined ? [] : [events[0].stream]))
  const strangers = [...Object.keys(predicate.seeds), ...Object.keys(predicate.logs), ...Object.keys(manifest.logs)].filter((id) => !ids.includes(id))
  report("every scenario that was signed is there, with a log of its own", [...strangers, ...(new Set(streams).size < streams.length ? ["one log stands for two"] : [])])
  const [card, board, metrics] = ["policy/scorecard.json", "policy/board.json", "metrics.json"].map((path) => jsonIn(files, path))
  report("the scorecard is the one that was signed, and its tables are right", [
    ...(sha256(files.get("policy/scorecard.json")) === predicate.scorecard.digest.sha256 && predicate.scorecard.name === card.name ? [] : ["another scorecard was signed"]),
    ...cardProblems(card), ...cardProblems(board)
  ])
  const [claims, result] = [claimsIn(predicate.checks), judge(card, run, predicate.checks)]
  const released = maybeIn(files, "policy/released.json")
  const less = released !== null && asksForLess(released, card, files.has("policy/adr.md") ? textOf(files, "policy/adr.md") : null)
  const decision = less && result.decision === "GO" ? "INSUFFICIENT" : result.decision
  compare("signed", claims, result)
  report("metrics.json says what was signed", same(claimsIn(metrics.result.lines), claims) && metrics.result.decision === predicate.decision && metrics.result.scorecard === card.name ? [] : ["it says something else"])
  const onBoard = judge(board, run, metrics.board.lines)
  compare("board", claimsIn(metrics.board.lines), onBoard)
  const evaluated = claims.filter(({ verdict }) => verdict === "PASS" || verdict === "FAIL").map(({ id }) => id)
  const lists = same(predicate.declaredChecks, card.checks.map(({ id }) => id)) && same(predicate.evaluatedChecks, evaluated)
  report("checks and waivers are those of the scorecard", [...(lists ? [] : ["other checks were signed"]), ...(same(predicate.waivers, result.waivers) ? [] : ["other waivers were signed"])])
  report(`the decision is ${decision}`, [...(predicate.decision === decision ? [] : [`${predicate.decision} was signed`]), ...(metrics.board.decision === onBoard.decision && metrics.board.scorecard === board.name ? [] : ["the board says otherwise"])])
  return decision
}

const main = () => {
  let asked
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { key: { type: "string" } } })
    const dir = resolve(positionals[0] ?? join(dirname(fileURLToPath(import.meta.url)), ".."))
    if (values.key === undefined || positionals.length > 1) refuse("name the public key that you trust")
    if (lstatSync(join(dir, "manifest.json"), { throwIfNoEntry: false }) === undefined && lstatSync(join(dir, "SHA256SUMS"), { throwIfNoEntry: false }) === undefined) refuse(`${dir} is no bundle`)
    asked = { dir, pem: readFileSync(values.key, "utf8") }
  } catch (cause) {
    process.stderr.write(`${plain(cause.message)}\nusage: node verify.mjs --key PUBLIC_KEY.pem [BUNDLE]; not the key that lies in the bundle, which proves nothing\n`)
    return 254
  }
  return decide(asked.dir, asked.pem)
}

/** Checks the bundle in `dir` by a public key (PEM), line by line, and answers the exit code. It writes nothing. */
export const decide = (dir, pem, write = print) => {
  print = write
  said = { same: 0, differs: 0 }
  let decision = null
  try {
    decision = check(dir, pem)
  } catch (cause) {
    // Whatever cannot be read as it should be is refused, and says where it ended.
    differs(cause instanceof Refused ? cause.message : `the bundle is malformed: ${cause.message}`)
  }
  if (said.differs > 0) say("REFUSED", `${said.differs} differ, ${said.same} are the same`)
  else say(decision, `all ${said.same} that were compared are the same`)
  return said.differs > 0 || decision === "NO-GO" ? 1 : decision === "GO" ? 0 : 2
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) process.exitCode = main()
