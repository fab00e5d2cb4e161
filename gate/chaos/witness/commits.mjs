/**
 * Loaded into a server beside the product (`node --import`): counts the transactions of its writing connection that put something on
 * record, where the driver of the database is asked for them, writes a line for each of three instants of each, and ends the process
 * with SIGKILL at the one that it was armed for. The product knows nothing of it. Heartbeats and transactions that write nothing come and
 * go with the load and leave nothing that a run could stand on: they have no number.
 *
 * The query of its address has `file`, to which the lines go, and `orders`, a file that arms it: `<number> <point>` counts from the next
 * transaction on, and ends the process at that point of the transaction of that number; 0 only counts. The file is read whenever
 * a transaction begins, and other words in it begin a new count.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs"
import { uptime } from "node:process"
import Database from "better-sqlite3"

const settings = new URL(import.meta.url).searchParams
const orders = settings.get("orders") ?? ""
const descriptor = openSync(settings.get("file") ?? "", "a")

let words = null
let wanted = { number: 0, point: "" }
let number = 0

const ordersNow = () => {
  try {
    return readFileSync(orders, "utf8").trim()
  } catch {
    return ""
  }
}

/** SIGKILL to this process. Not even the next line runs. */
const die = () => {
  closeSync(descriptor)
  process.kill(process.pid, "SIGKILL")
  for (;;);
}

const pass = (point) => {
  if (words === "" || words === null) return
  writeSync(descriptor, `${JSON.stringify({ orders: words, number, point, pid: process.pid, up_ms: Math.round(uptime() * 1000) })}\n`)
  if (wanted.number === number && wanted.point === point) die()
}

const begins = () => {
  const now = ordersNow()
  if (now !== words) {
    words = now
    number = 1
    const [count = "0", point = ""] = now.split(" ")
    wanted = { number: Number(count), point }
  }
  pass("before_begin")
}

// An INSERT into the table of the log has been seen since the transaction began.
let isRecording = false

const ends = (commit) => {
  if (!isRecording) return commit()
  pass("before_commit")
  const done = commit()
  pass("after_commit")
  number += 1
  return done
}

// The file beside the database that tells who may write is a database too, and is never committed to.
const isWriter = (db) => !db.readonly && !db.memory && !db.name.endsWith(".lock")

const seen = (db, sql, call) => {
  if (/^\s*begin\b/i.test(sql)) {
    isRecording = false
    begins()
    return call()
  }
  if (/^\s*(commit|end)\b/i.test(sql)) return ends(call)
  if (!/^\s*insert\s.*?\binto\s+"?event"?\s/i.test(sql)) return call()
  isRecording = true
  if (db.inTransaction) return call()
  // Written outside of a transaction it is one of its own.
  begins()
  return ends(call)
}

// They are called on the connection that they are asked of.
// oxlint-disable-next-line typescript/unbound-method
const { exec, prepare } = Database.prototype

Database.prototype.exec = function(sql) {
  return isWriter(this) ? seen(this, sql, () => exec.call(this, sql)) : exec.call(this, sql)
}

Database.prototype.prepare = function(sql) {
  const statement = prepare.call(this, sql)
  if (!isWriter(this) || !/^\s*(begin|commit|end|insert)\b/i.test(sql)) return statement
  for (const method of ["run", "get", "all"]) {
    const call = statement[method]
    statement[method] = (...values) => seen(this, sql, () => call.apply(statement, values))
  }
  return statement
}
