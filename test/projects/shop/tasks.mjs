import { appendFile } from "node:fs/promises"
import { Schema, Task } from "opsgate"
import { book, booked } from "./bank.mjs"

const order = Schema.Struct({ order: Schema.String, cents: Schema.Int })
  .annotations({ examples: [{ order: "A-17", cents: 4200 }] })

const sell = Task.defineAsync("sell", { payload: order }, async (ctx) => {
  const { cents, order } = ctx.payload
  await ctx.step("charge", { effect: "idempotent" }, () => book(order, cents))
})

const refund = Task.defineAsync("refund", { payload: order, class: "heavy", risk: "moves money" }, async (ctx) => {
  await ctx.step("pay back", {
    effect: "dangerous",
    timeout: "1 minute",
    probe: async ({ dispatchKey }) => ({ happened: await booked(dispatchKey) })
  }, ({ dispatchKey }) => book(dispatchKey, -ctx.payload.cents))
})

const remind = Task.defineAsync("remind", { payload: Schema.Struct({}) }, async (ctx) => {
  await ctx.sleep("until the morning", "6 hours")
  await ctx.step("print letters", { effect: "dangerous", timeout: "1 minute", atMostOnce: true }, () =>
    appendFile("letters.txt", "one letter for each open order\n"))
})

export const tasks = [sell, refund, remind]
