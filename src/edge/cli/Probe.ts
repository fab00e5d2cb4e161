/** Whether a server answers on its socket. What it is asked is no command but a look, so it decides and records nothing. */
import { connect } from "node:net"
import { matrix } from "../../domain/Matrix.ts"
import { isTooLong } from "./CommandClient.ts"

/** How long an answer is waited for. A server that is busy answers between two transactions. */
const patienceMs = matrix.health_check.timeoutMs

export const ask = (path: string): Promise<"answers" | "nobody" | "silent"> =>
  new Promise((resolve) => {
    if (isTooLong(path)) return resolve("nobody")
    let connected = false
    const socket = connect(path)
    const end = (answer: "answers" | "nobody" | "silent"): void => {
      resolve(answer)
      socket.destroy()
    }
    socket.setTimeout(patienceMs, () => end("silent"))
    socket.on("connect", () => {
      connected = true
      socket.write(`${JSON.stringify({ v: 1, look: "storage", hours: 1 })}\n`)
    })
    socket.on("data", () => end("answers"))
    socket.on("error", () => end(connected ? "silent" : "nobody"))
    socket.on("close", () => end("silent"))
  })
