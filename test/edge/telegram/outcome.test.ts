/** What follows from each answer of the service, and how long is waited. */
import { describe, expect, it } from "vitest"
import { matrix } from "../../../src/domain/Matrix.ts"
import { BotApiFailed } from "../../../src/edge/telegram/BotApi.ts"
import { outcomeOf } from "../../../src/edge/telegram/Outcome.ts"
import { againMs } from "../../../src/edge/telegram/Sender.ts"

const failed = (code: string, description = "", change: Partial<{ retryAfterMs: number; migrateTo: string }> = {}) =>
  new BotApiFailed({ method: "sendMessage", code, description, retryAfterMs: null, migrateTo: null, ...change })

describe("the answer of the service", () => {
  it.each([
    ["http_400", "Bad Request: message is not modified: specified new message content…", true, "Sent"],
    ["http_400", "Bad Request: message to edit not found", true, "Gone"],
    ["http_400", "Bad Request: message can't be edited", true, "Gone"],
    ["http_400", "Bad Request: MESSAGE_ID_INVALID", true, "Gone"],
    ["http_400", "Bad Request: message to edit not found", false, "Refused"],
    ["http_400", "Bad Request: message is too long", false, "Refused"],
    ["http_400", "Bad Request: chat not found", false, "Dead"],
    ["http_403", "Forbidden: bot was blocked by the user", false, "Dead"],
    ["http_401", "Unauthorized", false, "Stop"],
    ["http_404", "Not Found", true, "Stop"],
    ["http_429", "Too Many Requests: retry after 3", false, "Later"],
    ["http_500", "", false, "Later"],
    ["http_502", "", true, "Later"],
    ["unreadable", "", false, "Later"],
    ["timeout", "", false, "Later"],
    ["ECONNRESET", "", false, "Later"],
    ["http_409", "", false, "Refused"]
  ])("%s %s (edit: %s) is %s", (code, description, isEdit, tag) => {
    expect(outcomeOf(failed(code, description), isEdit)._tag).toBe(tag)
  })

  it("says where a chat has gone", () => {
    expect(outcomeOf(failed("http_400", "Bad Request: group chat was upgraded to a supergroup chat", { migrateTo: "-100" }), false)).toEqual({ _tag: "Moved", to: "-100" })
  })

  it("says how long to wait", () => {
    expect(outcomeOf(failed("http_429", "", { retryAfterMs: 7000 }), false)).toEqual({ _tag: "Later", code: "http_429", askedMs: 7000 })
  })
})

describe("a message that could not be sent", () => {
  it("comes again, first as a call and then as what is stored, until a day or so many tries are over", () => {
    expect(againMs(1, 0, 0, 0.999)).toBeLessThanOrEqual(1000)
    expect(againMs(4, 0, 0, 0.999)).toBeLessThanOrEqual(30_000)
    expect(againMs(5, 0, 0, 0.999)).toBeGreaterThan(1000)
    expect(againMs(100, 0, 0, 0.999)).toBeLessThanOrEqual(matrix.outbox_delivery.retry.capMs)
    expect(againMs(200, 0, 0, 0)).toBeNull()
    expect(againMs(3, 86_400_000, 0, 0)).toBeNull()
  })

  it("waits as long as it is asked to, to an hour", () => {
    expect(againMs(1, 0, 20_000, 0)).toBe(20_000)
    expect(againMs(1, 0, 86_400_000, 0)).toBe(3_600_000)
  })
})
