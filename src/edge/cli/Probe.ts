/** Whether a server answers on its socket. What it is asked is no command, so it decides and records nothing. */
import { connect } from "node:net"
import { isTooLong } from "./CommandClient.ts"

/** How long an answer is waited for. A server that is busy answers between two transactions. */
const patienceMs = 3000

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
      socket.write("{}\n")
    })
    socket.on("data", () => end("answers"))
    socket.on("error", () => end(connected ? "silent" : "nobody"))
    socket.on("close", () => end("silent"))
  })
