/** Asks a running server how its storage is, over the same socket as commands. Silence is an answer too: null. */
import { connect } from "node:net"
import type { OpsSummary, ReasonDetail } from "../../control/OpsSummary.ts"
import { matrix } from "../../domain/Matrix.ts"
import { isTooLong } from "./CommandClient.ts"

/** How long a server is waited for that has something else to do, in ms. */
const patienceMs = matrix.storage_question.timeoutMs

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null

const isReason = (value: unknown): value is ReasonDetail =>
  isObject(value) && typeof value["code"] === "string" && typeof value["next"] === "string" && typeof value["observed"] === "number"

const isSummary = (value: unknown): value is OpsSummary =>
  isObject(value) && value["v"] === 1 && isObject(value["tasks"]) && isObject(value["leases"]) && isObject(value["idempotency"]) &&
  isObject(value["timeouts"]) && Array.isArray(value["reason_details"]) && value["reason_details"].every(isReason)

const lookAt = (path: string, line: object): Promise<unknown> =>
  new Promise((resolve) => {
    if (isTooLong(path)) return resolve(null)
    let text = ""
    const socket = connect(path)
    socket.setTimeout(patienceMs, () => socket.destroy())
    socket.on("connect", () => void socket.write(`${JSON.stringify(line)}\n`))
    socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
    socket.on("error", () => resolve(null))
    socket.on("close", () => resolve(parsed(text)))
  })

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** What the server says of its storage; null when none answers. */
export const storageOf = async (path: string): Promise<ReadonlyArray<ReasonDetail> | null> => {
  const answer = await lookAt(path, { v: 1, look: "storage", hours: 1 })
  return isObject(answer) && Array.isArray(answer["storage"]) && answer["storage"].every(isReason) ? answer["storage"] : null
}

/** The summary as the server sees it, for who cannot read the file himself. */
export const summaryOf = async (path: string, hours: number): Promise<OpsSummary | null> => {
  const answer = await lookAt(path, { v: 1, look: "ops", hours })
  return isObject(answer) && isSummary(answer["ops"]) ? answer["ops"] : null
}
