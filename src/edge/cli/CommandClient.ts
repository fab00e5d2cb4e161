/**
 * Sends a command to the server that holds the file. Only what node brings is used here, so that a command starts fast while
 * a server runs. `CommandSocket.ts` is the other end.
 */
import { connect } from "node:net"
import type { BulkAnswer } from "../../domain/Bulk.ts"
import type { AnyAsk } from "../../domain/Command.ts"
import { matrix } from "../../domain/Matrix.ts"
import type { Answer, QueueAnswer } from "../../domain/Decision.ts"
import type { How, Plan } from "../../domain/Plan.ts"
import type { Released } from "../../domain/Restore.ts"
import type { ScheduleAnswer } from "../../domain/ScheduleAsk.ts"

/** How long a silent server is waited for. */
export const silenceMs = matrix.command_answer.timeoutMs

/** The longest line that a server reads, in bytes. */
export const lineMax = 1_048_576

/**
 * The longest path of a Unix socket, in bytes (unix(7), `sun_path`). Node cuts a longer one without a word, and two folders
 * whose paths begin alike would share one socket: commands would reach a stranger's server.
 */
const pathMax = 107
export const isTooLong = (path: string): boolean => Buffer.byteLength(path) > pathMax

const lineOf = (ask: AnyAsk, key: string | null, how: How): string => `${JSON.stringify({ v: 1, ask, key, ...how })}\n`

/** Why no server would read the command, or null. Asked also where none runs, so that the limit is the same. */
export const lineIssueOf = (ask: AnyAsk, key: string | null, how: How = {}): string | null =>
  Buffer.byteLength(lineOf(ask, key, how)) > lineMax ? `the command is longer than ${lineMax} bytes` : null

/** There is no socket, or nobody behind it. */
const nobodyThere: ReadonlyArray<unknown> = ["ENOENT", "ENOTDIR", "ECONNREFUSED"]

/** What came back. `Nobody`: no server listens, and nothing was sent. `Broken`: it may or may not have decided. */
export type Reply<A> =
  | { readonly _tag: "Granted"; readonly answer: A }
  | { readonly _tag: "Refused"; readonly tag: string; readonly text: string }
  | { readonly _tag: "Nobody" }
  | { readonly _tag: "Broken"; readonly why: string }

/** What a caller can do who does not know whether he was heard. */
const repeat = (key: string | null): string =>
  key === null
    ? "it may or may not have decided, and without --key a repeat may do it twice: look first what is there"
    : "it may or may not have decided: repeat the command with the same --key, which does nothing twice"

/** `is` knows the answer to such an ask. */
export const send = <A>(path: string, ask: AnyAsk, key: string | null, is: (value: unknown) => value is A, how: How = {}): Promise<Reply<A>> =>
  new Promise((resolve) => {
    // No server listens on such a path.
    if (isTooLong(path)) return resolve({ _tag: "Nobody" })
    let connected = false
    let text = ""
    const socket = connect(path)
    socket.setTimeout(silenceMs, () => {
      resolve({ _tag: "Broken", why: `the server has been silent for ${silenceMs / 1000} s; ${repeat(key)}` })
      socket.destroy()
    })
    socket.on("connect", () => {
      connected = true
      socket.write(lineOf(ask, key, how))
    })
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      if (text.includes("\n")) socket.end()
    })
    socket.on("error", (error) => {
      const nobody = !connected && "code" in error && nobodyThere.includes(error.code)
      resolve(nobody ? { _tag: "Nobody" } : { _tag: "Broken", why: `${error.message}; ${repeat(key)}` })
    })
    socket.on("close", () => resolve(readReply(text, key, is)))
  })

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null

/** The answer to a command about one task. */
export const isAnswer = (value: unknown): value is Answer =>
  isObject(value) && typeof value["task"] === "string" && typeof value["state"] === "string" && Array.isArray(value["holds"])

/** The answer to a command about a queue. */
export const isQueueAnswer = (value: unknown): value is QueueAnswer => isObject(value) && typeof value["queue"] === "string" && typeof value["paused"] === "boolean"

/** The answer to a command about a bulk command. */
export const isBulkAnswer = (value: unknown): value is BulkAnswer => isObject(value) && typeof value["bulk"] === "string" && typeof value["matched"] === "number"

/** The answer to a release. */
export const isReleased = (value: unknown): value is Released => isObject(value) && value["held"] === false && typeof value["moved"] === "boolean"

/** What a command would do. */
export const isPlan = (value: unknown): value is Plan =>
  isObject(value) && value["v"] === 1 && typeof value["plan"] === "string" && typeof value["legal"] === "boolean" && Array.isArray(value["steps"])

/** The answer to a command about a schedule. */
export const isScheduleAnswer = (value: unknown): value is ScheduleAnswer =>
  isObject(value) && typeof value["schedule"] === "string" && typeof value["state"] === "string" && Array.isArray(value["tasks"])

const readReply = <A>(text: string, key: string | null, is: (value: unknown) => value is A): Reply<A> => {
  const broken: Reply<A> = { _tag: "Broken", why: `the server's answer cannot be read; ${repeat(key)}` }
  try {
    const json: unknown = JSON.parse(text)
    if (!isObject(json)) return broken
    const granted = json["ok"]
    if (is(granted)) return { _tag: "Granted", answer: granted }
    const refused = json["refused"]
    return isObject(refused) ? { _tag: "Refused", tag: String(refused["tag"]), text: String(refused["text"]) } : broken
  } catch {
    return broken
  }
}
