/**
 * A command sent the way the command line sends it: one JSON line over the server's Unix socket. It goes this way where many are
 * wanted in a short time; a process for each would cost more than what is tried.
 */
import { connect } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"
import { ProductFailed, type Workspace } from "./Product.ts"

/** The answer line, parsed; fails when there is none within the time. */
export const sendLine = ({ dir }: Workspace, line: unknown): Effect.Effect<unknown, ProductFailed> =>
  Effect.async<unknown, ProductFailed>((resume) => {
    const failed = (detail: string) => resume(new ProductFailed({ what: "the command socket", detail }))
    const socket = connect(join(dir, ".opsgate", "opsgate.sock"))
    let text = ""
    socket.on("connect", () => void socket.write(`${JSON.stringify(line)}\n`))
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")))
    socket.on("error", (error) => failed(error.message))
    socket.on("close", () => {
      try {
        resume(Effect.succeed(JSON.parse(text)))
      } catch {
        failed("no answer")
      }
    })
    return Effect.sync(() => void socket.destroy())
  }).pipe(Effect.timeoutFail({ duration: 10_000, onTimeout: () => new ProductFailed({ what: "the command socket", detail: "no answer within 10 s" }) }))
