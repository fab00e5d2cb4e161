/**
 * The chat service as its users and its faults make it: a program of its own that speaks the Bot API to the product, and takes orders as
 * JSON over HTTP (docs/telegram-fake.md). Nothing here comes from its code.
 */
import { spawn } from "node:child_process"
import { Agent, request } from "node:http"
import { createInterface } from "node:readline"
import { Effect, type Scope } from "effect"
import { ProductFailed, type Workspace } from "./Product.ts"
import { isObject } from "../Json.ts"

export interface ChatService {
  readonly port: number
  /** Gives an order, or asks; answers the JSON. Fails when it is refused. */
  readonly order: (method: "GET" | "POST" | "DELETE", name: string, body?: unknown) => Effect.Effect<unknown, ProductFailed>
}

const failed = (detail: string) => new ProductFailed({ what: "the chat service", detail })
const startMs = 10_000
const orderMs = 90_000

const portsIn = (line: string): { readonly port: number; readonly control: number } | null => {
  try {
    const json: unknown = JSON.parse(line)
    if (!isObject(json)) return null
    const { control_port: control, port } = json
    return typeof port === "number" && typeof control === "number" ? { port, control } : null
  } catch {
    return null
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const orders = (agent: Agent, control: number): ChatService["order"] => (method, name, body) =>
  Effect.async<unknown, ProductFailed>((resume) => {
    const refuse = (detail: string) => resume(failed(`${name}: ${detail}`))
    const sent = request({ agent, host: "127.0.0.1", port: control, path: `/_sim/${name}`, method, headers: body === undefined ? {} : { "content-type": "application/json" } }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => {
        const json = parsed(Buffer.concat(chunks).toString("utf8"))
        if (response.statusCode === 200) resume(Effect.succeed(json))
        else refuse(isObject(json) ? String(json["error"]) : `status ${response.statusCode}`)
      })
      response.on("error", (error) => refuse(error.message))
    })
    sent.on("error", (error) => refuse(error.message))
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    return Effect.sync(() => void sent.destroy())
  }).pipe(Effect.timeoutFail({ duration: orderMs, onTimeout: () => failed(`${name}: no answer within ${orderMs} ms`) }))

/** Starts it; it ends with the scope, or with this process. */
export const startChatService = ({ chatService, env }: Workspace, token: string, seed: number): Effect.Effect<ChatService, ProductFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const agent = new Agent({ keepAlive: true })
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [chatService, "--token", token, "--seed", String(seed), "--with-parent", "--no-page"], { env, stdio: ["pipe", "pipe", "ignore"] })),
      (started) =>
        Effect.sync(() => {
          agent.destroy()
          started.kill("SIGKILL")
        })
    )
    const ports = yield* Effect.async<{ readonly port: number; readonly control: number }, ProductFailed>((resume) => {
      child.on("error", (error) => resume(failed(error.message)))
      child.on("exit", (code) => resume(failed(`ended with ${code} before it was ready`)))
      createInterface({ input: child.stdout }).once("line", (line) => {
        const found = portsIn(line)
        resume(found === null ? failed("said no ports") : Effect.succeed(found))
      })
    }).pipe(Effect.timeoutFail({ duration: startMs, onTimeout: () => failed(`was not ready within ${startMs} ms`) }))
    return { port: ports.port, order: orders(agent, ports.control) }
  })
