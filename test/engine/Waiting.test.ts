import { Effect, Exit, Fiber, Option, type Scheduler, TestClock, TestContext } from "effect"
import { describe, expect, it } from "vitest"
import { Bell, endWithin, within } from "../../src/engine/Waiting.ts"

const played = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(Effect.provide(effect, TestContext.TestContext))

/** Whether an effect is over after so many milliseconds. */
const overAfter = (effect: Effect.Effect<unknown>, ms: number) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(ms)
    const over = Option.isSome(yield* Fiber.poll(fiber))
    yield* Fiber.interrupt(fiber)
    return over
  })

describe("a bell", () => {
  it("wakes whoever waits, and nobody before", () =>
    played(Effect.gen(function*() {
      const bell = new Bell()
      const fiber = yield* Effect.fork(bell.wait(60_000))
      yield* TestClock.adjust(1000)
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      bell.ring()
      yield* Fiber.join(fiber)
    })))

  it("is waited for so long at most", () =>
    played(Effect.gen(function*() {
      expect(yield* overAfter(new Bell().wait(500), 499)).toBe(false)
      expect(yield* overAfter(new Bell().wait(500), 500)).toBe(true)
    })))

  it("keeps one ring for whoever comes later, however often it rang", () =>
    played(Effect.gen(function*() {
      const bell = new Bell()
      bell.ring()
      bell.ring()
      yield* bell.wait(60_000)
      expect(yield* overAfter(bell.wait(60_000), 1000)).toBe(false)
    })))

  it("rings for the next when whoever waited has gone", () =>
    played(Effect.gen(function*() {
      const bell = new Bell()
      const gone = yield* Effect.fork(bell.wait(60_000))
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(gone)
      bell.ring()
      yield* bell.wait(60_000)
    })))
})

// A fiber may be made to give up its turn anywhere, and then it rings.
const ringingAt = (operation: number, ring: () => void): Scheduler.Scheduler => {
  let operations = 0
  return {
    shouldYield: () => {
      operations += 1
      if (operations !== operation) return false
      ring()
      return 0
    },
    scheduleTask: (task) => void setImmediate(task)
  }
}

it.each(Array.from({ length: 30 }, (_, index) => index + 1))("a ring at operation %i of whoever waits is not lost", async (operation) => {
  const bell = new Bell()
  let rang = false
  const ring = () => {
    rang = true
    bell.ring()
  }
  const waiting = Effect.runPromise(Effect.withScheduler(bell.wait(3_600_000), ringingAt(operation, ring)))
  await new Promise((resolve) => setTimeout(resolve, 10))
  // It waits in fewer operations.
  if (!rang) ring()
  await waiting
})

describe("the end of a fiber", () => {
  it("is told, also when it had come before", () =>
    played(Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.delay(Effect.fail("no"), 100))
      const waiting = yield* Effect.fork(endWithin(fiber, 200))
      yield* TestClock.adjust(100)
      expect(yield* Fiber.join(waiting)).toEqual(Option.some(Exit.fail("no")))
      expect(yield* endWithin(fiber, 1)).toEqual(Option.some(Exit.fail("no")))
    })))

  it("is waited for so long at most, and the fiber goes on", () =>
    played(Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.delay(Effect.succeed(1), 300))
      const waiting = yield* Effect.fork(endWithin(fiber, 200))
      yield* TestClock.adjust(200)
      expect(yield* Fiber.join(waiting)).toEqual(Option.none())
      yield* TestClock.adjust(100)
      expect(yield* Fiber.join(fiber)).toBe(1)
    })))
})

describe("within a time", () => {
  const late = within(200, () => "late" as const)

  it("an effect answers or fails as it does", () =>
    played(Effect.gen(function*() {
      expect(yield* late(Effect.succeed(1))).toBe(1)
      expect(yield* Effect.flip(late(Effect.fail("no")))).toBe("no")
      expect(Exit.isFailure(yield* Effect.exit(late(Effect.die("a bug"))))).toBe(true)
    })))

  it("one that takes longer fails, and is interrupted", () =>
    played(Effect.gen(function*() {
      let interrupted = 0
      const fiber = yield* Effect.fork(Effect.flip(late(Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++)))))
      yield* TestClock.adjust(200)
      expect(yield* Fiber.join(fiber)).toBe("late")
      yield* Effect.yieldNow()
      expect(interrupted).toBe(1)
    })))

  it("one that does not let itself be interrupted holds up nobody", () =>
    played(Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flip(late(Effect.uninterruptible(Effect.never))))
      yield* TestClock.adjust(200)
      expect(yield* Fiber.join(fiber)).toBe("late")
      const left = yield* Effect.fork(late(Effect.uninterruptible(Effect.never)))
      yield* Effect.yieldNow()
      expect(Exit.isInterrupted(yield* Fiber.interrupt(left))).toBe(true)
    })))

  it("whoever waits for one is interrupted with it", () =>
    played(Effect.gen(function*() {
      let interrupted = 0
      const fiber = yield* Effect.fork(late(Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))))
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(fiber)
      yield* Effect.yieldNow()
      expect(interrupted).toBe(1)
    })))

  it("the time counts also where nothing may be interrupted", () =>
    played(Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.uninterruptible(Effect.flip(late(Effect.never))))
      yield* TestClock.adjust(200)
      expect(yield* Fiber.join(fiber)).toBe("late")
    })))
})
