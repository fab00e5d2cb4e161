/** Stores changes at a steady rate, 1,000 a second unless told otherwise, and says how many were acknowledged when its input ends. */
import { Effect, Layer } from "effect"
import { Engine, Ids, Live, Request, SqliteEngine } from "../../dist/index.js"
import { kind as trivial } from "../bench/kind.mjs"

const [, , file, rate = "1000"] = process.argv
const kind = { ...trivial, name: "report" }
let sent = 0
let acknowledged = 0
let failed = 0
const submit = (engine) => {
  const command = { ask: { op: "submit", kind: kind.name, payload: { text: "x".repeat(200) }, reason: null }, actor: "cli:writer", channel: "cli", key: null, trace: "0123456789abcdef0123456789abcdef" }
  const id = Ids.taskIdFrom(Date.now(), [(sent % 1e6) / 1e6, Math.random()])
  return Effect.match(engine.commit({ tasks: [], key: null, rule: (_found, now) => Request.submit(command, kind, id, now) }), {
    onSuccess: () => {
      acknowledged += 1
      if (acknowledged === 2000) process.stdout.write("ready\n")
    },
    onFailure: () => (failed += 1)
  })
}

const program = Effect.gen(function*() {
  const engine = yield* Engine
  let going = true
  process.stdin.on("data", () => process.stdout.write(`${acknowledged}\n`)).on("end", () => (going = false))
  const startedAt = performance.now()
  while (going) {
    const due = Math.floor(((performance.now() - startedAt) * Number(rate)) / 1000)
    for (; sent < due; sent++) yield* Effect.fork(submit(engine))
    yield* Effect.sleep(1)
  }
  while (acknowledged + failed < sent) yield* Effect.sleep(1)
  process.stdout.write(`${JSON.stringify({ sent, acknowledged, failed })}\n`)
})

await Effect.runPromise(program.pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-writer" }).pipe(Layer.provide(Live.layer)))))
