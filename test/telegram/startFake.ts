/** Starts the fake as the program that it is, and talks to it as a test does. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export const fakeProgram = fileURLToPath(new URL("../../dist/telegram-fake.js", import.meta.url))
export const token = "4242424242:AAtest-token_of_a_bot_that_is_none"

export interface Reply<A = any> {
  readonly status: number
  readonly ok: boolean
  readonly result: A
  readonly description: string
  readonly parameters: { readonly retry_after?: number; readonly migrate_to_chat_id?: number } | undefined
}

export type StartedFake = Awaited<ReturnType<typeof startFake>>

export const startFake = async (args: ReadonlyArray<string> = []) => {
  const child = spawn(process.execPath, [fakeProgram, "--token", token, "--with-parent", ...args], { stdio: ["pipe", "pipe", "inherit"] })
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string]
  const { control_port, port } = JSON.parse(line) as { readonly port: number; readonly control_port: number }
  const root = `http://127.0.0.1:${port}/`
  const simRoot = `http://127.0.0.1:${control_port}/_sim/`

  /** What the control API answers; an Error with its words where it refuses. */
  const sim = async <A = any>(path: string, body?: unknown, method = body === undefined ? "GET" : "POST"): Promise<A> => {
    const sent = body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
    const response = await fetch(`${simRoot}${path}`, { method, ...sent })
    const answer: any = await response.json()
    if (!response.ok) throw new Error(answer.error)
    return answer
  }

  /** A call of the bot, as JSON. */
  const call = async <A = any>(method: string, params: unknown = {}, signal?: AbortSignal): Promise<Reply<A>> => {
    const response = await fetch(`${root}bot${token}/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(params),
      ...(signal === undefined ? {} : { signal })
    })
    return { status: response.status, ...((await response.json()) as Omit<Reply<A>, "status">) }
  }

  /** As `call`, for calls that must succeed. */
  const result = async <A = any>(method: string, params: unknown = {}): Promise<A> => {
    const reply = await call<A>(method, params)
    if (!reply.ok) throw new Error(`${method}: ${reply.description}`)
    return reply.result
  }

  const stop = async (): Promise<number | null> => {
    if (child.exitCode !== null) return child.exitCode
    child.kill("SIGTERM")
    const [code] = (await once(child, "exit")) as [number | null]
    return code
  }

  return { child, port, controlPort: control_port, root, simRoot, sim, call, result, stop }
}
