/**
 * Loaded before the shipped server (`--import`): notes how long it takes from the end of an answer with updates until the commit with them
 * has returned, for each update. Written when the process ends, into the file that the environment names.
 */
import http from "node:http"
import { createRequire, syncBuiltinESMExports } from "node:module"
import { writeFileSync } from "node:fs"
import { performance } from "node:perf_hooks"

const found = []
const cpuMs = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}
/** What the start had cost when the first updates came. */
let readyMs = 0
let endedAt = null
let stored = 0

const request = http.request
http.request = (...args) => {
  const made = request(...args)
  if (made.path.endsWith("/getUpdates")) made.once("response", (response) => response.once("end", () => void (endedAt = performance.now())))
  return made
}
syncBuiltinESMExports()

const { prototype } = createRequire(process.env.OPSGATE_BENCH_PROGRAM)("better-sqlite3")
const prepare = prototype.prepare
prototype.prepare = function(sql) {
  const statement = prepare.call(this, sql)
  const isInsert = sql.startsWith("INSERT INTO inbox")
  if (isInsert || sql === "COMMIT") {
    const run = statement.run
    statement.run = (...values) => {
      const answer = run.apply(statement, values)
      if (isInsert) {
        readyMs ||= cpuMs()
        stored += answer.changes
      } else if (stored > 0 && endedAt !== null) {
        for (const ms = performance.now() - endedAt; stored > 0; stored--) found.push(ms)
      }
      return answer
    }
  }
  return statement
}
process.on("exit", () => writeFileSync(process.env.OPSGATE_BENCH_FILE, JSON.stringify({ accepted: found, cpuMs: cpuMs() - readyMs })))
