/** What the benches of the bot share: the strict fake as a process, folders, chance, and the faults that strike it. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const fakeProgram = fileURLToPath(new URL("../../dist/telegram-fake.js", import.meta.url))
export const program = fileURLToPath(new URL("../../dist/opsgate.js", import.meta.url))
export const bot = "4242424242"
export const token = `${bot}:AAbench-token_of_a_bot_that_is_none`

/** mulberry32: the same seed draws the same. */
export const chance = (seed) => () => {
  seed = (seed + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

export const startFake = async (seed) => {
  const child = spawn(process.execPath, [fakeProgram, "--token", token, "--seed", String(seed), "--with-parent", "--no-page"], { stdio: ["pipe", "pipe", "inherit"] })
  const [text] = await once(createInterface({ input: child.stdout }), "line")
  const { control_port, port } = JSON.parse(text)
  const sim = async (path, body) => {
    const response = await fetch(`http://127.0.0.1:${control_port}/_sim/${path}`, body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    const answer = await response.json()
    if (!response.ok) throw new Error(`${path}: ${answer.error}`)
    return answer
  }
  return { root: `http://127.0.0.1:${port}/`, sim, stop: () => void child.kill() }
}

export const inFolder = async (use) => {
  const dir = mkdtempSync(join(tmpdir(), "opsgate-telegram-"))
  try {
    return await use(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Every fault that the fake has, on what is received and on what is sent. */
export const everyFault = [
  { kind: "duplicate", probability: 0.15 },
  { kind: "reorder", probability: 0.15 },
  ...[["getUpdates", 0.03], ["sendMessage", 0.015], ["editMessageText", 0.015], ["answerCallbackQuery", 0.03]].flatMap(([method, probability]) => [
    { kind: "error", code: 429, retry_after: 2 },
    { kind: "error", code: 500 },
    { kind: "error", code: 502 },
    { kind: "reset_before" },
    { kind: "reset_after" },
    { kind: "slow", ms: 200 },
    { kind: "garbage" },
    { kind: "truncated" },
    { kind: "hang", ms: 800 },
    { kind: "latency", ms: 100 }
  ].map((fault) => ({ ...fault, method, probability }))),
  { kind: "error", code: 409, method: "getUpdates", probability: 0.03 }
]
