import { Schema } from "effect"
import { Task } from "opsgate"
import { charge, findCharge, print } from "./outside.mjs"

const invoice = Task.defineAsync("invoice", {
  payload: Schema.Struct({ customer: Schema.String, cents: Schema.Int }),
  class: "heavy",
  risk: "moves money"
}, async (ctx) => {
  const { cents, customer } = ctx.payload

  const address = await ctx.step("find address", { effect: "read" }, async () => `${customer}, 1 Main Street`)

  await ctx.sleep("second thoughts", "3 seconds")

  const receipt = await ctx.step("charge", {
    effect: "dangerous",
    timeout: "1 minute",
    probe: async ({ dispatchKey }) => {
      const found = await findCharge(dispatchKey)
      return found === undefined ? { happened: false } : { happened: true, result: found }
    }
  }, ({ dispatchKey }) => charge(dispatchKey, cents))

  await ctx.step("print letter", { effect: "dangerous", timeout: "1 minute", atMostOnce: true }, () =>
    print(`To ${address}: we took ${receipt.booked} cents.`))

  return receipt
})

export const tasks = [invoice]
