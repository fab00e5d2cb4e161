/**
 * One conversation with the fake within a process, twice with one seed and once with another, on a clock of its own. It prints the
 * three records. Whoever asks for the time, a timer or chance of the machine meanwhile makes it fail.
 */
import crypto from "node:crypto"
import { syncBuiltinESMExports } from "node:module"

const forbidden = (name) => () => {
  throw new Error(`${name} was asked for`)
}
for (const name of ["randomBytes", "randomInt", "randomUUID"]) crypto[name] = forbidden(name)
syncBuiltinESMExports()
Date.now = forbidden("Date.now")
performance.now = forbidden("performance.now")
Math.random = forbidden("Math.random")
for (const name of ["setTimeout", "setInterval", "setImmediate"]) globalThis[name] = forbidden(name)

const { makeVirtualFake } = await import("../../dist/telegram-world.js")

const microtasks = async () => {
  for (let n = 0; n < 100; n++) await Promise.resolve()
}

const makeTimers = () => {
  let now = Date.UTC(2031, 0, 1)
  let timers = []
  return {
    nowMs: () => now,
    later: (delayMs, run) => {
      const timer = { at: now + delayMs, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    pass: async (ms) => {
      const end = now + ms
      for (;;) {
        await microtasks()
        const [next] = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        timers = timers.filter((other) => other !== next)
        now = next.at
        next.run()
      }
      now = end
    }
  }
}

const open = new AbortController().signal
const rules = [
  { kind: "latency", ms: 120, probability: 0.2 },
  { kind: "error", code: 502, probability: 0.05 },
  { kind: "error", code: 429, retry_after: 2, method: "sendMessage", probability: 0.05 },
  { kind: "error", code: 409, method: "getUpdates", probability: 0.1 },
  { kind: "reset_before", probability: 0.05 },
  { kind: "reset_after", probability: 0.05 },
  { kind: "hang", ms: 5000, probability: 0.05 },
  { kind: "slow", ms: 700, probability: 0.05 },
  { kind: "garbage", probability: 0.05 },
  { kind: "truncated", probability: 0.05 },
  { kind: "duplicate", probability: 0.2 },
  { kind: "reorder", probability: 0.2 }
]

const converse = async (seed) => {
  const timers = makeTimers()
  const fake = makeVirtualFake({ token: "4242424242:AAtest-token_of_a_bot", username: "opsgate_bot", seed, nowMs: timers.nowMs, later: timers.later })
  for (const id of [1, 2, 3]) fake.people.user({ id, first_name: `User ${id}` })
  for (const user of [1, 2, 3]) fake.people.send({ user, text: "/start" })
  fake.faults.script({ rules })
  const outcomes = []
  const note = (name, params, signal = open) => void fake.call(name, params, signal).then((outcome) => outcomes.push(outcome))
  let offset = 0
  for (let round = 0; round < 60; round++) {
    const ended = new AbortController()
    note("getUpdates", { offset, timeout: 20 }, ended.signal)
    await timers.pass(300)
    fake.people.send({ user: 1 + (round % 3), text: `/newtask ${round}` })
    await timers.pass(400)
    note("sendMessage", { chat_id: 1 + (round % 3), text: `task ${round}`, reply_markup: { inline_keyboard: [[{ text: "yes", callback_data: `v1:${round}` }]] } })
    if (round % 5 === 0) note("sendDocument", { chat_id: 1, document: { source: Buffer.from(`out ${round}`), filename: "out.txt" }, caption: "c" })
    await timers.pass(900)
    const last = fake.outbox().at(-1)?.message
    if (last?.reply_markup !== undefined) note("answerCallbackQuery", { callback_query_id: fake.people.press({ user: last.chat.id, message: last.message_id, button: "yes" }).query })
    await timers.pass(200)
    ended.abort()
    if (round === 30) fake.hangUp()
    offset = fake.pendingUpdates()[1]?.update_id ?? offset
  }
  fake.faults.off()
  await timers.pass(60_000)
  return { struck: fake.look("faults", {}).struck, record: fake.record(), outbox: fake.outbox(), outcomes }
}

const all = [await converse(7), await converse(7), await converse(8)]
process.stdout.write(JSON.stringify(all.map((one) => ({ text: JSON.stringify(one), struck: one.struck, calls: one.record.length }))))
