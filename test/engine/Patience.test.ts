/** Trying again as the matrix says, with a clock that is moved: pauses, budgets, and what must not become a tight loop. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Data, Duration, Effect, Exit, Fiber, Option } from "effect"
import * as fc from "fast-check"
import { afterFailure, ceilingMs, floorMs, jitteredMs, noTries, type Pauses, triesPerHourMax } from "../../src/domain/Backoff.ts"
import { matrix, type Row, rows, type Subsystem } from "../../src/domain/Matrix.ts"
import { Chance } from "../../src/engine/Engine.ts"
import { type Failed, PatienceSpent, rounds, scheduleOf, TryTimedOut, withPatience } from "../../src/engine/Patience.ts"

class Trouble extends Data.TaggedError("Trouble")<{ readonly code: string; readonly retryAfterMs?: number }> {}

const hourMs = 3_600_000
const nowMs = Effect.map(Effect.clockWith((clock) => clock.currentTimeNanos), (nanos) => Number(nanos / 1_000_000n))
/** What something failed with. */
const failureOf = <A, E>(exit: Exit.Exit<A, E> | undefined): E | "nothing" => {
  const cause = exit === undefined ? Option.none() : Exit.causeOption(exit)
  return Option.isSome(cause) && cause.value._tag === "Fail" ? cause.value.error : "nothing"
}
/** The budget that is spent, and after how many tries. */
const spentOf = <A, E>(exit: Exit.Exit<A, E> | undefined): string => {
  const failure: unknown = failureOf(exit)
  return failure instanceof PatienceSpent ? `${failure.why} after ${failure.tries}, ${failure.lastCode}` : String(failure)
}

/** Chance that is told. */
const drawing = (next: () => number) => Effect.provideService(Chance, { next })

/** Repeatable chance (mulberry32). */
const seeded = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Something that fails each time, and the instants at which it was tried. */
const failing = (failure: (tries: number) => Trouble) => {
  const at: Array<number> = []
  return { at, effect: Effect.flatMap(nowMs, (ms) => Effect.suspend(() => failure(at.push(ms)))) }
}

/** More than any row may need for an hour of tries: a loop without pauses is found, not waited for. */
const wakesMax = 100_000

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

/**
 * A clock that stands still while anybody does something, and then goes to the next instant at which somebody wakes: an hour of pauses
 * takes as long as the tries in it. `wallMs` is what the wall clock says at an instant.
 */
const virtual = (wallMs: (ms: number) => number = (ms) => ms) => {
  let nowMs = 0
  const sleepers = new Set<Sleeper>()
  const sleep = (duration: Duration.Duration) =>
    Effect.async<void>((resume) => {
      const one = { atMs: nowMs + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      sleepers.add(one)
      return Effect.sync(() => void sleepers.delete(one))
    })
  const nanos = () => BigInt(Math.round(nowMs)) * 1_000_000n
  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => wallMs(nowMs),
    currentTimeMillis: Effect.sync(() => wallMs(nowMs)),
    unsafeCurrentTimeNanos: nanos,
    currentTimeNanos: Effect.sync(nanos),
    sleep
  }
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  /** Lets an effect go on for so long; answers how it ended, if it did. */
  const during = async <A, E>(effect: Effect.Effect<A, E>, ms: number): Promise<Exit.Exit<A, E> | undefined> => {
    const fiber = Effect.runFork(Effect.withClock(effect, clock))
    for (let wakes = 0;; wakes++) {
      await turn()
      if (wakes > wakesMax) throw new Error(`a tight loop: ${wakes} wakes by ${nowMs} ms`)
      const exit = fiber.unsafePoll()
      if (exit !== null) return exit
      const next = [...sleepers].sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > ms) break
      sleepers.delete(next)
      nowMs = next.atMs
      next.wake()
    }
    await Effect.runPromise(Fiber.interruptFork(fiber))
    return undefined
  }
  return { during, nowMs: () => nowMs }
}

const during = <A, E>(effect: Effect.Effect<A, E>, ms: number) => Effect.promise(() => virtual().during(effect, ms))

const silent = { onFailure: () => Effect.void }
const asked = { ...silent, askedMs: ({ retryAfterMs }: Trouble) => retryAfterMs }

/** Rows whose loops try again through this module. */
const retrying = rows.flatMap(([name, row]): ReadonlyArray<readonly [Subsystem, Row, Pauses]> => (row.retry === null ? [] : [[name, row, row.retry]]))
const transientOf = (row: Row): string => row.transient.find((code) => code !== "*") ?? "anything"

describe("a pause", () => {
  it("lies between a tenth of its ceiling and the ceiling, which doubles up to the cap, at any chance", () => {
    const pauses = fc.record({ baseMs: fc.integer({ min: 1, max: 100_000 }), more: fc.integer({ min: 0, max: 10_000_000 }) }).map(({ baseMs, more }) => ({ baseMs, capMs: baseMs + more }))
    fc.assert(fc.property(pauses, fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (one, failures, chance) => {
      const ceiling = Math.min(one.capMs, one.baseMs * 2 ** Math.min(failures - 1, 30))
      const ms = jitteredMs(one, failures, chance)
      assert.strictEqual(ceilingMs(one, failures), ceiling)
      assert.isTrue(Number.isSafeInteger(ms) && ms >= Math.max(1, Math.ceil(ceiling / 10)) && ms <= ceiling, `${ms} of ${ceiling}`)
    }))
  })

  it("reaches every millisecond above the tenth", () => {
    const seen = new Set(Array.from({ length: 100 }, (_, n) => jitteredMs({ baseMs: 99, capMs: 99 }, 1, (n + 0.5) / 100)))
    assert.deepEqual([...seen].sort((a, b) => a - b), Array.from({ length: 90 }, (_, n) => n + 10))
  })

  it.effect("is slept to the millisecond, at the least of chance and at the most", () =>
    Effect.gen(function*() {
      const { retry } = matrix.telegram_poll
      for (const [chance, bound] of [[0, floorMs], [0.999_999_999, ceilingMs]] as const) {
        const { at, effect } = failing(() => new Trouble({ code: "http_502" }))
        yield* during(withPatience<Trouble>("telegram_poll", silent)(effect).pipe(drawing(() => chance)), hourMs)
        const pauses = at.slice(1).map((ms, index) => ms - (at[index] ?? 0))
        assert.isAbove(pauses.length, 10)
        assert.deepEqual(pauses, pauses.map((_, index) => bound(retry, index + 1)))
      }
    }))
})

describe("transient failures retry with capped budget", () => {
  it.effect("of attempts: so many tries, and the last failure is told", () =>
    Effect.gen(function*() {
      const { at, effect } = failing((tries) => new Trouble({ code: tries === 5 ? "ECONNRESET" : "http_500" }))
      const told: Array<Failed> = []
      const exit = yield* during(withPatience<Trouble>("telegram_send", { onFailure: (one) => Effect.sync(() => void told.push(one)) })(effect).pipe(drawing(() => 0.5)), hourMs)
      assert.strictEqual(spentOf(exit), "attempts after 5, ECONNRESET")
      assert.lengthOf(at, matrix.telegram_send.retry.attemptsMax)
      assert.deepEqual(told.map(({ tries }) => tries), [1, 2, 3, 4, 5])
      assert.deepEqual(told.map(({ pauseMs }) => pauseMs === null), [false, false, false, false, true])
    }))

  it.effect("of time: no try begins after it, and nobody sleeps towards its end in vain", () =>
    Effect.gen(function*() {
      const { at, effect } = failing(() => new Trouble({ code: "http_429", retryAfterMs: 200_000 }))
      const exit = yield* during(withPatience<Trouble>("telegram_send", asked)(effect), 200_001)
      assert.deepEqual(at, [0, 200_000])
      assert.strictEqual(spentOf(exit), "time after 2, http_429")
    }))

  it.effect("and what is not in the list is not tried again: it fails as it is", () =>
    Effect.gen(function*() {
      const { at, effect } = failing(() => new Trouble({ code: "http_401" }))
      const error = yield* Effect.flip(withPatience<Trouble>("telegram_poll", silent)(effect))
      assert.deepInclude({ ...error }, { _tag: "Trouble", code: "http_401" })
      assert.lengthOf(at, 1)
    }))

  it.effect("and a try that takes too long is one of them, also one that cannot be interrupted", () =>
    Effect.gen(function*() {
      const at: Array<number> = []
      const hangs = Effect.zipRight(Effect.map(nowMs, (ms) => at.push(ms)), Effect.uninterruptible(Effect.sleep("3 hours")))
      const exit = yield* during(withPatience("telegram_send", silent)(hangs).pipe(drawing(() => 0)), hourMs)
      assert.strictEqual(spentOf(exit), "attempts after 5, timeout")
      assert.deepEqual(at.slice(0, 3), [0, 15_100, 30_300])
      const once = yield* during(withPatience<never>("health_check")(Effect.never), matrix.health_check.timeoutMs)
      assert.instanceOf(failureOf(once), TryTimedOut)
    }))

  it.effect("as a schedule too, which ends where the budget ends", () =>
    Effect.gen(function*() {
      const { at, effect } = failing(() => new Trouble({ code: "x" }))
      yield* during(Effect.exit(Effect.retry(effect, { schedule: scheduleOf<Trouble>(matrix.exit_record.retry) })), hourMs)
      assert.lengthOf(at, 6)
      const held = failing(() => new Trouble({ code: "InstanceLocked" }))
      yield* during(Effect.exit(Effect.retry(held.effect, { schedule: scheduleOf<Trouble>(matrix.instance_lock.retry) })).pipe(drawing(seeded(1))), hourMs)
      assert.isAtMost(held.at.at(-1) ?? Infinity, matrix.instance_lock.timeoutMs)
      assert.isAbove(held.at.at(-1) ?? 0, matrix.instance_lock.timeoutMs - matrix.instance_lock.retry.capMs)
    }))
})

describe("a pause that the other side asks for", () => {
  const pausesFor = (retryAfterMs: number) =>
    Effect.gen(function*() {
      const { at, effect } = failing(() => new Trouble({ code: "http_429", retryAfterMs }))
      yield* during(withPatience<Trouble>("telegram_poll", asked)(effect).pipe(drawing(() => 0)), 3 * hourMs)
      return at.slice(1, 4).map((ms, index) => ms - (at[index] ?? 0))
    })
  const own = [1, 2, 3].map((failures) => floorMs(matrix.telegram_poll.retry, failures))

  it.effect("is honoured where it is longer than the own one, and cut where it is beyond measure", () =>
    Effect.gen(function*() {
      assert.deepEqual(yield* pausesFor(35_000), [35_000, 35_000, 35_000])
      assert.deepEqual(yield* pausesFor(150.5), [151, 200, 400])
      assert.deepEqual((yield* pausesFor(1e300)).slice(0, 2), [hourMs, hourMs])
      assert.deepEqual((yield* pausesFor(Infinity)).slice(0, 2), [hourMs, hourMs])
    }))

  it.effect.each([0, -1, -1e300, Number.NaN, -Infinity])("is not heard where it makes no sense: %s", (retryAfterMs) =>
    Effect.gen(function*() {
      assert.deepEqual(yield* pausesFor(retryAfterMs), own)
    }))

  it.effect("is not heard where nobody asks: a row without such a pause", () =>
    Effect.sync(() => {
      const step = afterFailure(matrix.store_write.retry, noTries(0), 0, 0, 1_000_000)
      assert.deepInclude(step, { _tag: "Pause", ms: floorMs(matrix.store_write.retry, 1) })
    }))
})

describe("no tight restart/retry loops in fault tests", () => {
  const faults: Readonly<Record<string, (tries: number) => Partial<Trouble>>> = {
    "fails at once": () => ({}),
    "asks for no pause": () => ({ retryAfterMs: 0 }),
    "asks for a negative pause": () => ({ retryAfterMs: -5 }),
    "asks for NaN": () => ({ retryAfterMs: Number.NaN }),
    "asks for more than a clock can count": () => ({ retryAfterMs: Number.MAX_VALUE })
  }
  const chances: Readonly<Record<string, () => () => number>> = { "the least of chance": () => () => 0, "any chance": () => seeded(7) }

  describe.each(retrying.map(([name]) => name))("%s", (name) => {
    const row: Row = matrix[name]
    const pauses = row.retry ?? matrix.store_write.retry
    const trouble = (more: Partial<Trouble>) => new Trouble({ code: transientOf(row), ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }) })

    // Where nobody may ask for a pause, one fault is as the other.
    const applicable = pauses.askedMaxMs === null ? ["fails at once"] : Object.keys(faults)

    it.effect.each(applicable.flatMap((fault) => Object.keys(chances).map((chance) => [fault, chance] as const)))("that %s, with %s", ([fault, chance]) =>
      Effect.gen(function*() {
        const { at, effect } = failing((tries) => trouble(faults[fault]?.(tries) ?? {}))
        yield* during(Effect.exit(withPatience<Trouble>(name, asked)(effect)).pipe(drawing(chances[chance]?.() ?? (() => 0))), hourMs)
        assert.isAtLeast(at.length, 1)
        assert.isAtMost(at.length, triesPerHourMax(pauses))
        assert.isTrue(at.every((ms, index) => index === 0 || ms > (at[index - 1] ?? 0)), "two tries at one instant")
      }))

    it.effect("that fails every second time: a success does not begin the backoff anew", () =>
      Effect.gen(function*() {
        let [calls, failures] = [0, 0]
        const round = Effect.suspend(() => {
          calls += 1
          if (calls % 2 === 0) return Effect.void
          failures += 1
          return Effect.fail(trouble({}))
        })
        yield* during(Effect.exit(rounds<Trouble>(name, asked)(round)).pipe(drawing(() => 0)), hourMs)
        assert.isAtMost(failures, triesPerHourMax(pauses))
        assert.isAtMost(calls, triesPerHourMax(pauses) * 2)
      }))

    it("that fails while the wall clock is set back and forth", async () => {
      let jumps = 0
      const { at, effect } = failing(() => trouble({}))
      await virtual(() => (jumps++ % 2 === 0 ? -1 : 1) * 1e12).during(Effect.exit(withPatience<Trouble>(name, asked)(effect)).pipe(drawing(() => 0)), hourMs)
      const again = failing(() => trouble({}))
      await virtual(() => (jumps++ % 2 === 0 ? -1 : 1) * 1e12).during(Effect.exit(Effect.retry(again.effect, { schedule: scheduleOf<Trouble>(pauses) })).pipe(drawing(() => 0)), hourMs)
      assert.isAtMost(at.length, triesPerHourMax(pauses))
      assert.isAtMost(again.at.length, triesPerHourMax(pauses))
      assert.isAtLeast(again.at.length, 1)
    })

    it("that fails while its own clock goes backwards, or leaps: neither budget nor pauses come back", () => {
      let tries = noTries(1_000_000)
      let slept = 0
      let count = 1
      for (let clock = 1_000_000; slept < hourMs; clock -= 5000) {
        const step = afterFailure(pauses, tries, clock, 0)
        if (step._tag === "Spent") break
        slept += step.ms
        tries = step.tries
        count += 1
      }
      assert.isAtMost(count, triesPerHourMax(pauses) + 1)
      if (pauses.totalMs !== null) assert.isAtMost(slept, pauses.totalMs)
      const leapt = afterFailure(pauses, { ...noTries(0), tried: 3, failures: 3 }, 1e15, 0)
      assert.isTrue(leapt._tag === "Spent" || leapt.ms >= floorMs(pauses, 4), "the backoff began anew")
    })
  })

  it.effect("rounds that go well at once begin no faster than their row says, and a slow one is followed at once", () =>
    Effect.gen(function*() {
      let calls = 0
      yield* during(Effect.exit(rounds("telegram_poll")(Effect.sync(() => void (calls += 1)))), 1000 * matrix.telegram_poll.roundMs)
      assert.strictEqual(calls, 1001)
      const at: Array<number> = []
      yield* during(Effect.exit(rounds("telegram_poll")(Effect.zipRight(Effect.map(nowMs, (ms) => at.push(ms)), Effect.sleep("25 seconds")))), 100_000)
      assert.deepEqual(at.map((ms) => ms - (at[0] ?? 0)), [0, 25_000, 50_000, 75_000, 100_000])
    }))

  it.effect("the backoff begins anew once all went well for twice the cap", () =>
    Effect.gen(function*() {
      const { retry, roundMs } = matrix.telegram_poll
      const many = (ms: number) => Math.ceil(ms / roundMs)
      const early = 8 + many(retry.capMs * 2 - 10_000)
      const late = early + many(retry.capMs * 2 + 10_000)
      const told: Array<number> = []
      let calls = 0
      const round = Effect.suspend(() => {
        calls += 1
        return calls <= 8 || calls === early || calls === late ? Effect.fail(new Trouble({ code: "timeout" })) : Effect.void
      })
      yield* during(Effect.exit(rounds<Trouble>("telegram_poll", { onFailure: ({ pauseMs }) => Effect.sync(() => void told.push(pauseMs ?? 0)) })(round)).pipe(drawing(() => 0)), 6 * retry.capMs)
      assert.deepEqual(told.slice(-2), [retry.capMs / 10, retry.baseMs / 10])
    }))
})

it.effect("an effect that goes well is not touched: no pause, no draw", () =>
  Effect.gen(function*() {
    const broken = { next: () => {
      throw new Error("it was drawn")
    } }
    assert.strictEqual(yield* withPatience("store_write")(Effect.succeed(7)).pipe(Effect.provideService(Chance, broken)), 7)
  }))
