import { describe, expect, it } from "vitest"
import { promisesKept } from "../../../gate/invariant/promisesKept.ts"
import type { Encounter, Fault } from "../../../gate/History.ts"
import { asked, type Draft, epoch, event, fault, history, intent, requested, running, succeeded, unknownOutcome } from "./Story.ts"

type Over = Partial<Encounter>

const met = (over: Over = {}): Encounter => ({ fault: "one/1", asked: "serve", pid: 70, from: 1_000_000, to: 1_000_100, code: 0, signal: null, said: "", ...over })

const judged = (broken: Partial<Fault>, encounters: ReadonlyArray<Encounter>, events: ReadonlyArray<Draft> = []): string => {
  const found = promisesKept(history({ events, journal: { faults: [fault("one/1", ["t1"], broken)], encounters, operations: [{ op: "submit", key: "key-t1", task: "t1", invoked: 1, answered: 2, answer: "QUEUED" }] } }))
  return found._tag === "Missing" ? found.why : found.total === 0 ? "nothing" : found.offenders[0]?.replace("one, fault one/1: ", "") ?? "kept"
}

const at = (draft: Draft, ms: number): Draft => ({ ...draft, at: 1_000_000 + ms })
const own = epoch(1, { pid: 70 })
const next = epoch(2, { pid: 71, last: { epoch: 1, lease_until_ms: 1_015_000 } })
const closed = event("epoch.ended", null, { epoch: 1 })
const adopted = event("effect.adopted", "t1", { epoch: 2, generation: 2, from_generation: 1 })
const working = [own, ...asked("t1"), running("t1"), intent("t1")]

describe("promisesKept", () => {
  it("asks nothing about faults without a promise, or without a hit or a witness", () => {
    expect([judged({ class: "sigkill" }, []), judged({ class: "sigterm", hit: [] }, []), judged({ class: "sigterm", witness: null }, []), judged({ class: "clock" }, [])]).toEqual(["nothing", "nothing", "nothing", "nothing"])
  })

  it("wants a server that is told to end to end with 0, to close its epoch, to begin nothing more, and to leave no lease behind", () => {
    const term = (server: Over, ...events: ReadonlyArray<Draft>) => judged({ class: "sigterm" }, [met(server)], events)
    const well = [...working, closed, next, adopted]
    expect(term({}, ...well)).toBe("kept")
    expect(term({ code: 1 }, ...well)).toBe("the server ended with code 1, not with code 0")
    expect(term({ code: null, signal: "SIGTERM" }, ...well)).toBe("the server ended by SIGTERM, not with code 0")
    expect(term({}, ...working, next, adopted)).toBe("its epoch 1 was not closed")
    expect(term({}, ...working, ...asked("t2"), at(running("t2"), 1500), closed, next, adopted)).toBe("seq 10: it claimed t2 1500 ms after the signal")
    expect(term({}, ...working, closed, next, at(adopted, 15_500))).toBe("seq 9: the next server began 500 ms after the lease had run out")
    expect(term({}, ...working, closed)).toBe("no server came after it")
    expect(judged({ class: "sigterm" }, [], well)).toBe("nobody saw the server end")
  })

  it("wants a server that is told twice to wait for nothing", () => {
    const twice = (code: number, ...events: ReadonlyArray<Draft>) => judged({ class: "sigterm_twice" }, [met({ code })], events)
    expect(twice(130, ...working, next, adopted, succeeded("t1"))).toBe("kept")
    expect(twice(0, ...working, next, adopted, succeeded("t1"))).toBe("the server ended with code 0, not with code 130")
    expect(twice(130, ...working, succeeded("t1"), next)).toBe("it waited until everything had ended")
  })

  it("wants a second server to be refused in words, to open no epoch and to leave the file as it is", () => {
    const second = (server: Over, ...events: ReadonlyArray<Draft>) => judged({ class: "second_server" }, [met({ code: 5, said: "opsgate: another opsgate process holds x", ...server })], events)
    const files = { before: "a".repeat(64), after: "b".repeat(64) }
    expect(second({ pid: 99 }, own)).toBe("kept")
    expect(second({ pid: 99, code: 0 }, own)).toBe("it ended with code 0, not with code 5")
    expect(second({ pid: 99, said: "no" }, own)).toBe("it did not say why")
    expect(second({}, own)).toBe("process 70 opened an epoch")
    expect(second({ pid: 99, files }, own)).toBe("it changed the file")
    expect(judged({ class: "second_server" }, [], [own])).toBe("nobody tried to start")
  })

  it("wants a damaged log to be refused with the whole range that was acknowledged and lost", () => {
    const said = (from: number, to: number) => `x is behind its watermark: 3 acknowledged events are missing (${from} to ${to}), from after y on`
    const lost = (from: number, to: number, over: Over = {}, more: ReadonlyArray<Encounter> = []) =>
      judged({ class: "wal_damage", must_hit: "stored" }, [met({ code: 1, pid: 99, said: said(from, to), ...over }), ...more], working)
    const doctor = (code: number, text: string) => [met({ asked: "doctor", code, said: text })]
    expect(lost(2, 5)).toBe("kept")
    expect(lost(2, 5, { code: 0 })).toBe("it ended with code 0, not with code 1")
    expect(lost(2, 5, { said: "damaged" })).toBe("it did not say why")
    expect(lost(1, 1)).toBe("seq 2 was acknowledged and lost, and the range that was named ends at 1")
    expect(lost(3, 5)).toBe("seq 2 was lost, and is not in the range that was named, 3 to 5")
    expect(lost(2, 5, {}, doctor(1, "behind_watermark: its log ends at event 1, but event 5 was acknowledged: 4 events are lost"))).toBe("kept")
    expect(lost(2, 5, {}, doctor(0, "ok"))).toBe("the doctor ended with code 0 and did not name the loss")
  })

  it("wants an accepted loss on record as it was named, and what may have run to be unknown", () => {
    const refused = met({ code: 1, pid: 99, said: "x is behind its watermark: 1 acknowledged event is missing (7 to 7), from after y on" })
    const accepts = met({ asked: "accept-loss --reason x", code: 0 })
    const unknown = (code: string) => ({ ...unknownOutcome("t1"), payload: { ...unknownOutcome("t1").payload, code } })
    const loss = (head: number) => event("loss.accepted", null, { missing: 1, head: { seq: head }, marked: { seq: 7 } })
    const after = (over: Over, ...events: ReadonlyArray<Draft>) => judged({ class: "wal_damage", must_hit: "stored" }, [refused, { ...accepts, ...over }], [...working, ...events])
    expect(after({}, unknown("loss_accepted"), loss(6))).toBe("kept")
    expect(after({ code: 5 }, unknown("loss_accepted"), loss(6))).toBe("accept-loss ended with code 5")
    expect(after({}, unknown("loss_accepted"))).toBe("the loss is not on record")
    expect(after({}, unknown("loss_accepted"), loss(5))).toBe("seq 8: it is not what was named before")
    expect(after({}, loss(6))).toBe("t1 went on as if nothing had been lost")
    expect(after({}, succeeded("t1"), loss(6))).toBe("t1 went on as if nothing had been lost")
  })

  it("wants a file that cannot be written to be told in words, and work to go on by itself", () => {
    const readOnly = (encounters: ReadonlyArray<Encounter>, ...events: ReadonlyArray<Draft>) => judged({ class: "read_only", until: 1_005_000 }, encounters, events)
    const command = met({ asked: "task submit light.sh {}", code: 1, said: "opsgate: the store cannot write: the disk reports an error" })
    const summary = met({ asked: "ops-summary --check", code: 7, said: "why: storage_io: observed 2" })
    const goesOn = at(succeeded("t1"), 6000)
    const boot = at(next, 5500)
    const start = met({ code: 1, pid: 99, said: "opsgate: the store cannot open the database: the file or its folder is read-only" })
    expect(readOnly([command, summary], ...working, goesOn)).toBe("kept")
    expect(readOnly([{ ...command, code: 0 }, summary], ...working, goesOn)).toBe("a command ended with code 0, or without a word")
    expect(readOnly([command, { ...summary, said: "status: healthy" }], ...working, goesOn)).toBe("ops-summary did not say it")
    expect(readOnly([command, summary], ...working, boot, goesOn)).toBe("work did not go on by itself")
    expect(readOnly([start], ...working)).toBe("kept")
    expect(readOnly([{ ...start, code: 0 }], ...working)).toBe("it ended with code 0, not with code 1")
    expect(readOnly([], ...working)).toBe("nobody asked for anything while it lasted")
  })

  it("wants a clock that was set to be noticed, to cost no lease and to run nothing again", () => {
    const set = (...events: ReadonlyArray<Draft>) => judged({ class: "clock", by_ms: 7_200_000 }, [], events)
    const stepped = event("clock.stepped", null, { by_ms: 7_199_999, mono_ms: 1 })
    const well = [own, requested("t1"), running("t1"), intent("t1"), stepped]
    expect(set(...well)).toBe("kept")
    expect(set(...well.slice(0, -1))).toBe("the clock was set 1 times by 7200000 ms, and the log has 0 of them")
    expect(set(...well, epoch(2, { why: "lease_expired" }))).toBe("seq 6: a lease was lost")
    expect(set(...well, running("t1", 2))).toBe("t1 was given out again")
  })
})
