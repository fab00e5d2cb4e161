import { describe, expect, it } from "vitest"
import { type Forged, honest, json, problemsOf, relisted, resigned } from "./Forgery.ts"
import { chained, eventsOf, forge, lines, run, written } from "./SyntheticRun.ts"

describe("the log of a scenario", () => {
  const full = eventsOf("calm")
  const replaced = (eventsText: string): Forged => honest().set("events/calm.jsonl", eventsText)
  const logOf = (events: typeof full) => ({ stream: "stream-calm", events: events.length, head: events.at(-1)?.hash ?? "" })
  const withLog = (events: typeof full) => (manifest: Record<string, unknown>) => ({ ...manifest, logs: { ...Object(manifest["logs"]), calm: logOf(events) } })

  it("is named as truncated when its tail is cut off", () => {
    expect(problemsOf(forge(replaced(lines(full.slice(0, 10)))))).toContain(
      "events/calm.jsonl: stream stream-calm was truncated: it ends after seq 10, the signed statement has 14 events"
    )
  })

  it("is named as truncated when digests and manifest are made to fit", () => {
    const cut = full.slice(0, 10)
    const problems = problemsOf(forge(relisted(replaced(lines(cut)), withLog(cut))))
    expect(problems).toContain("events/calm.jsonl: stream stream-calm was truncated: it ends after seq 10, the signed statement has 14 events")
    expect(problems).toContain("manifest.json is not the one that was signed: its digest is not in the signed statement")
  })

  it("is held against the signed end even by a signer who forgot it", () => {
    const cut = full.slice(0, 13)
    expect(problemsOf(forge(resigned(relisted(replaced(lines(cut)), withLog(cut)))))).toContain(
      "events/calm.jsonl: stream stream-calm was truncated: it ends after seq 13, the signed statement has 14 events"
    )
  })

  it("is named as extended when events are added", () => {
    const more = chained("stream-calm", [...full, { type: "epoch.started", task: null, payload: { epoch: 2 } }])
    expect(problemsOf(forge(replaced(lines(more))))).toContain(
      "events/calm.jsonl: stream stream-calm was extended: it ends after seq 15, the signed statement has 14 events"
    )
  })

  it("is held against its signed head when it was written anew with as many events", () => {
    const anew = chained("stream-calm", full.map((event) => ({ ...event, payload: { ...event.payload, forged: true } })))
    expect(problemsOf(forge(relisted(replaced(lines(anew)), withLog(anew))))).toContain(
      "events/calm.jsonl: stream stream-calm, seq 14: the last hash is not the one in the signed statement"
    )
  })

  it.each([
    ["a changed payload", { payload: { by: "forged" } }, "the payload does not fit its digest"],
    ["a changed time", { at: 1 }, "the hash does not fit the event"],
    ["a changed actor", { actor: "cli:eve" }, "the hash does not fit the event"],
    ["another hash", { hash: "0".repeat(64) }, "the hash does not fit the event"],
    ["another prev", { prev: "0".repeat(64) }, "prev is not the hash of the event before"],
    ["another stream", { stream: "other" }, "the log began with stream stream-calm"],
    ["a gap", { seq: 9 }, "seq 5 is missing"]
  ])("is broken by %s, and the place is named", (_, change, why) => {
    const changed = full.map((event) => (event.seq === 5 ? { ...event, ...change } : event))
    const where = `events/calm.jsonl: stream ${"stream" in change ? change.stream : "stream-calm"}, seq ${"seq" in change ? change.seq : 5}`
    expect(problemsOf(forge(relisted(replaced(lines(changed)))))).toContain(`${where}: ${why}`)
  })

  it("keeps its chain when a payload was pruned", () => {
    const pruned = full.map((event) => (event.seq === 5 ? { ...event, payload: null } : event))
    expect(problemsOf(forge(replaced(lines(pruned)))).join("\n")).not.toContain("seq 5")
  })

  it.each([
    ["that is no JSON", "{", "it is not JSON"],
    ["with a member that no hash covers", JSON.stringify({ ...full[4], note: "x" }), "note: is unexpected"],
    ["with a text for a number", JSON.stringify({ ...full[4], seq: "5" }), "seq: Expected"],
    ["that is empty", "", "it is not JSON"]
  ])("names file and line of a line %s", (_, line, why) => {
    const changed = full.map((event) => (event.seq === 5 ? line : JSON.stringify(event)))
    expect(problemsOf(forge(replaced(`${changed.join("\n")}\n`))).join("\n")).toContain(`events/calm.jsonl line 5 is malformed: ${why}`)
  })

  it("is refused when it is not UTF-8", () => {
    const files = honest().set("events/calm.jsonl", Buffer.concat([Buffer.from(lines(full)), Buffer.from([0xff])]))
    expect(problemsOf(forge(files))).toContain("events/calm.jsonl is malformed: it is not UTF-8")
  })

  it("is missed when a forger removes it and makes the digests fit", () => {
    const files = honest()
    files.delete("events/calm.jsonl")
    expect(problemsOf(forge(relisted(files)))).toContain("events/calm.jsonl is missing: the signed statement has 14 events")
  })

  it.each([
    ["another stream", { ...logOf(full), stream: "other" }, "events/calm.jsonl: stream stream-calm: the signed statement names stream other"],
    ["no log", null, "events/calm.jsonl is a readable log, the signed statement has none"]
  ])("is refused when the statement was signed for %s", (_, calm, problem) => {
    const files = resigned(honest(), ({ predicate, ...statement }) => ({ ...statement, predicate: { ...predicate, logs: { ...predicate.logs, calm } } }))
    expect(problemsOf(forge(files))).toEqual([problem])
  })

  it("must end where the manifest says, too", () => {
    const files = relisted(honest(), withLog(full.slice(0, 13)))
    expect(problemsOf(forge(resigned(files)))).toEqual([
      "events/calm.jsonl: stream stream-calm was extended: it ends after seq 14, manifest.json has 13 events"
    ])
  })

  it("may not stand for two scenarios", () => {
    const twice = written((input) => input, { ...run, scenarios: run.scenarios.map((scenario) => (scenario.id === "calm" ? scenario : { ...scenario, eventsText: lines(full) })) })
    expect(problemsOf(twice)).toContain("events/kill-server.jsonl is the log of events/calm.jsonl once more: both are stream stream-calm")
  })
})

describe("a scenario", () => {
  const without = (id: string): Forged => {
    const files = honest()
    for (const path of [`events/${id}.jsonl`, `effects/${id}.jsonl`, `scenarios/${id}.json`]) files.delete(path)
    return files
  }

  it("is missed when all its files are gone and digests and manifest are made to fit", () => {
    const files = relisted(without("calm"), (manifest) => {
      const { calm: _, ...logs } = Object(manifest["logs"])
      return { ...manifest, logs }
    })
    expect(problemsOf(forge(files))).toContain("scenario calm is missing: the signed statement names its log")
    expect(problemsOf(forge(files))).toContain("scenario calm is missing: the signed statement has its seed")
  })

  it("is refused when nobody signed it", () => {
    const files = honest()
    const journal = json(files, "scenarios/calm.json")
    files.set("scenarios/new.json", JSON.stringify({ ...journal, scenario: { ...journal.scenario, id: "new" } }))
    const problems = problemsOf(forge(relisted(files)))
    expect(problems).toContain("the signed statement does not name the log of scenario new")
    expect(problems).toContain("scenarios/new.json has seed 7, signed was none")
  })

  it("must have the journal that bears its name", () => {
    const files = honest()
    files.set("scenarios/calm.json", files.get("scenarios/kill-server.json") ?? "")
    expect(problemsOf(forge(resigned(relisted(files))))).toContain("scenarios/calm.json is the journal of scenario kill-server")
  })

  it("must have a journal at all", () => {
    const files = honest()
    files.delete("scenarios/calm.json")
    expect(problemsOf(forge(resigned(relisted(files))))).toContain("scenarios/calm.json is missing: there is events/calm.jsonl")
  })
})
