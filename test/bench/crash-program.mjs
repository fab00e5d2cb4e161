/** A program with many tasks that run for ever; says so on standard output when all of them do. */
import { Effect, Layer, Logger, Schema } from "effect"
import { Opsgate, Task } from "../../dist/index.js"

const [file, countText, mode] = process.argv.slice(2)
const count = Number(countText)

let running = 0
const task = Task.define("bench.long", { payload: Schema.Struct({ n: Schema.Number }), timeouts: { startToClose: "1 hour" } }, (ctx) =>
  ctx.step("wait", { effect: "idempotent" }, () =>
    Effect.suspend(() => {
      running += 1
      if (running === count) console.log("running")
      return Effect.never
    })))

const main = Effect.gen(function*() {
  const opsgate = yield* Opsgate.Opsgate
  if (mode === "fresh") yield* opsgate.submitAll(task, Array.from({ length: count }, (_, n) => ({ payload: { n } })))
  yield* Effect.never
})
await Effect.runPromise(main.pipe(Effect.provide(Layer.provide(Opsgate.layer({ file, tasks: [task], workers: count, lease: "10 seconds" }), Logger.remove(Logger.defaultLogger)))))
