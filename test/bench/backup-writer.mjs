/** Stores changes at a steady rate and tells, for each word on its input, how long each commit took since the last word. */
import { Effect, Layer } from "effect"
import { Engine, Idempotency, Ids, Live, Request, SqliteEngine } from "../../dist/index.js"
import { kind } from "./kind.mjs"

const [, , file, tasks, rate] = process.argv
const trace = "0123456789abcdef0123456789abcdef"
let drawn = 0
const submit = (engine) => {
  const key = `${drawn}`
  const command = { ask: { op: "submit", kind: kind.name, payload: { n: drawn, text: "x".repeat(200) }, reason: null }, actor: "cli:bench", channel: "cli", key, trace }
  const id = Ids.taskIdFrom(Date.now(), [(drawn++ % 1e6) / 1e6, Math.random()])
  return engine.commit({ tasks: [], key, rule: ({ stored }, now) => Idempotency.oncePerKey(command, stored, () => Request.submit(command, kind, id, now)) })
}

const program = Effect.gen(function*() {
  const engine = yield* Engine
  for (let done = 0; done < Number(tasks); done += 500) yield* Effect.all(Array.from({ length: 500 }, () => submit(engine)), { concurrency: "unbounded", discard: true })
  let taken = []
  let going = true
  process.stdin.on("data", (chunk) => {
    for (let words = String(chunk).split("\n").length - 1; words > 0; words--) {
      process.stdout.write(`${JSON.stringify(taken)}\n`)
      taken = []
    }
  }).on("end", () => (going = false))
  process.stdout.write("[]\n")
  const startedAt = performance.now()
  let sent = 0
  while (going) {
    const due = Math.floor(((performance.now() - startedAt) * Number(rate)) / 1000)
    for (; sent < due; sent++) {
      const at = performance.now()
      yield* Effect.fork(Effect.tap(submit(engine), () => Effect.sync(() => taken.push(performance.now() - at))))
    }
    yield* Effect.sleep(1)
  }
})

await Effect.runPromise(program.pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-bench" }).pipe(Layer.provide(Live.layer)))))
