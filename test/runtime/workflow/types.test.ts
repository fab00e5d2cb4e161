/** What does not compile: wrong use that the types of the public surface refuse. `npm run types` reads this file; nothing here runs but one line. */
import { Effect, Schema } from "effect"
import { assert, describe, it } from "@effect/vitest"
import { type AsyncContext, type Context, type Opsgate, Task } from "#opsgate"

type Client = Awaited<ReturnType<typeof Opsgate.open>>

const charge = Task.defineAsync("charge", { payload: Schema.Struct({ cents: Schema.Int, at: Schema.Date }) }, async (ctx) => ctx.payload.cents)

/** The body of a function whose calls are only compiled. */
const compiled = {
  dangerousSteps: async (ctx: AsyncContext<string>, effects: Context<string>) => {
    // @ts-expect-error a dangerous step says how long it may take
    await ctx.step("x", { effect: "dangerous", atMostOnce: true }, async () => 1)
    // @ts-expect-error a dangerous step says what is to be done when nobody knows whether it happened
    await ctx.step("x", { effect: "dangerous", timeout: "1 second" }, async () => 1)
    // @ts-expect-error it is either never run again by itself or asked about, not both
    await ctx.step("x", { effect: "dangerous", timeout: "1 second", atMostOnce: true, probe: async () => ({ happened: false }) }, async () => 1)
    // @ts-expect-error `false` is no answer
    await ctx.step("x", { effect: "dangerous", timeout: "1 second", atMostOnce: false }, async () => 1)
    // @ts-expect-error the effect of a step is said
    await ctx.step("x", {}, async () => 1)
    // @ts-expect-error there is no such class
    await ctx.step("x", { effect: "harmless" }, async () => 1)
    // @ts-expect-error a step that may be repeated needs no answer
    await ctx.step("x", { effect: "read", atMostOnce: true }, async () => 1)
    // @ts-expect-error a probe that found it answers the result of the step
    await ctx.step("x", { effect: "dangerous", timeout: "1 second", probe: async () => ({ happened: true, result: "text" }) }, async (): Promise<number> => 1)
    // @ts-expect-error the same for Effect: no timeout
    const one: unknown = effects.step("x", { effect: "dangerous", atMostOnce: true }, () => Effect.succeed(1))
    // @ts-expect-error the same for Effect: no answer
    const two: unknown = effects.step("x", { effect: "dangerous", timeout: 1 }, () => Effect.succeed(1))
    // @ts-expect-error the body of an Effect step is no promise
    const three: unknown = effects.step("x", { effect: "read" }, async () => 1)
    return [one, two, three]
  },

  results: async (ctx: AsyncContext<string>, effects: Context<string>) => {
    const length: number = await ctx.step("x", { effect: "read" }, () => ctx.payload.length)
    // @ts-expect-error the result of a step has its type
    const text: string = await ctx.step("x", { effect: "read" }, () => ctx.payload.length)
    const day: Date = await ctx.step("x", { effect: "read", output: Schema.Date }, () => new Date(0))
    // @ts-expect-error the body answers what the schema of the output reads
    await ctx.step("x", { effect: "read", output: Schema.Date }, () => "1970")
    const cents: number = await ctx.child("x", charge, { cents: 1, at: day })
    // @ts-expect-error a child is asked with the payload of its kind
    await ctx.child("x", charge, { cents: "1" })
    const seen: ReadonlyArray<number> = await ctx.all([(own) => own.step("x", { effect: "read" }, () => 1)])
    // @ts-expect-error what is undone is what was done
    await ctx.step("x", { effect: "idempotent", compensate: async (result: string) => result }, (): number => 1)
    const effect: Effect.Effect<number, unknown> = effects.step("x", { effect: "read" }, () => Effect.succeed(1))
    // @ts-expect-error the result of an Effect step has its type
    const wrong: Effect.Effect<string, unknown> = effects.step("x", { effect: "read" }, () => Effect.succeed(1))
    // What a step needs is what its body and its compensation need, also where something else asks for its type.
    const many: Effect.Effect<ReadonlyArray<number>, unknown> = Effect.all([effects.step("x", { effect: "read" }, () => Effect.succeed(1))])
    return { length, text, cents, seen, effect, wrong, many }
  },

  requests: async (ops: Client) => {
    const { task } = await ops.submit(charge, { cents: 1, at: new Date(0) })
    // @ts-expect-error a payload has the type of its kind, as the code sees it
    await ops.submit(charge, { cents: 1, at: "1970" })
    // @ts-expect-error a member is missing
    await ops.submit(charge, { cents: 1 })
    // @ts-expect-error one of many does not fit
    await ops.submitAll(charge, [{ payload: { cents: 1, at: new Date(0) } }, { payload: {} }])
    const cents: number = await ops.result(charge, task)
    // @ts-expect-error the result has the type of its kind
    const text: string = await ops.result(charge, task)
    // @ts-expect-error a reconcile says what became of it
    await ops.command({ op: "reconcile", task, reason: "x" })
    return { cents, text }
  }
}

describe("the types of the public surface", () => {
  it("refuse wrong use, as `tsc` has read above", () => {
    assert.deepStrictEqual(Object.keys(compiled), ["dangerousSteps", "results", "requests"])
  })
})
