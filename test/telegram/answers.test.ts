/** Answers of the fake that do not come whole, as the calls of the product see them: none is waited for until its time is up. */
import { Effect, Either } from "effect"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { make } from "../../src/edge/telegram/BotApi.ts"
import { startFake, type StartedFake, token } from "./startFake.ts"

let fake: StartedFake

beforeAll(async () => {
  fake = await startFake()
})
afterAll(() => fake.stop())
beforeEach(async () => {
  await fake.sim("reset", { seed: 5, first_update_id: 100 })
  await fake.sim("users", { id: 1, first_name: "Ada" })
})

describe("an answer that ends before its length", () => {
  it.each([
    ["getUpdates", { timeout: 0 }],
    ["sendMessage", { chat_id: 1, text: "hello" }],
    ["getMe", {}]
  ])("of %s fails as a lost connection, and the next call is answered", async (method, params) => {
    await fake.sim("send", { user: 1, text: "a long text, so that half of its answer is not nothing ".repeat(50) })
    await fake.sim("faults", { queue: [{ kind: "truncated", method }] })
    const { call } = make({ token, root: fake.root })
    const [first, second] = await Effect.runPromise(Effect.all([Effect.either(call(method, params)), Effect.either(call(method, params))]))
    expect(Either.isLeft(first) && first.left.code).toBe("ECONNRESET")
    expect(Either.isRight(second)).toBe(true)
  })

  it("leaves calls beside it alone", async () => {
    await fake.sim("faults", { queue: [{ kind: "truncated", method: "getMe" }] })
    const { call } = make({ token, root: fake.root })
    const answers = await Effect.runPromise(Effect.all(Array.from({ length: 8 }, () => Effect.either(call("getMe", {}))), { concurrency: "unbounded" }))
    expect(answers.filter(Either.isLeft)).toHaveLength(1)
  })
})
