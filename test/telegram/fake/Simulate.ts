/**
 * `opsgate telegram simulate`: the fake with some people in it, for whoever wants to try the bot without a token. It prints where
 * it is and what to put into the configuration.
 */
import { randomBytes, randomInt } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { addChat, addUser } from "./People.ts"
import { prompt } from "./Prompt.ts"
import { startFake } from "./Server.ts"
import type { World } from "./World.ts"

/** The words of the command line make no sense. Nothing was started. */
export class UsageError extends Error {}

const help = `Usage: opsgate telegram simulate [options]

Runs a Telegram of its own on this machine, with three people and a group, so that the bot can be tried without a token.

Options:
  --port <n>           the port of the Bot API and of the chat page (default: any that is free)
  --no-serve           serve no chat page; write and read in this terminal instead
  --token-file <file>  the bot's token; made if the file is not there (default: a file that goes with the simulator)
  --json               print where it is as one line of JSON
  -h, --help           print this
`

const people = [
  { id: 1001, first_name: "Ada", username: "ada" },
  { id: 1002, first_name: "Grace", username: "grace" },
  { id: 1003, first_name: "Mallory", username: "mallory" }
]

const groupId = -4001

const newToken = (): string => `${randomInt(100_000_000, 999_999_999)}:AA${randomBytes(25).toString("base64url").slice(0, 33)}`

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : undefined)

/** The token in the file; a new one if there is no file yet, readable by its owner only. */
const tokenIn = (file: string): string => {
  const token = newToken()
  try {
    writeFileSync(file, `${token}\n`, { flag: "wx", mode: 0o600 })
    return token
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw new UsageError(`${file} cannot be written`)
  }
  const found = readFileSync(file, "utf8").trim()
  if (!/^[0-9]+:[\w-]{10,80}$/.test(found)) throw new UsageError(`${file} holds no token of a bot`)
  return found
}

const portOf = (text: string | undefined): number => {
  const port = Number(text ?? "0")
  if (text?.trim() === "" || !Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError("--port wants a whole number from 0 to 65535")
  return port
}

const populate = (world: World): void => {
  for (const person of people) world.privateRoom(addUser(world, person))
  addChat(world, { id: groupId, type: "group", title: "Ops", members: [...people.map(({ id }) => id), world.bot.id], admins: [1001] })
}

export const simulate = async (args: ReadonlyArray<string>, readPage: () => string): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: "string" },
      "no-serve": { type: "boolean", default: false },
      "token-file": { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false }
    }
  })
  if (values.help) return void process.stdout.write(help)
  const port = portOf(values.port)
  const kept = values["token-file"]
  const dir = kept === undefined ? mkdtempSync(join(tmpdir(), "opsgate-telegram-")) : null
  if (dir !== null) process.on("exit", () => rmSync(dir, { recursive: true, force: true }))
  const tokenFile = dir === null ? resolve(kept ?? "") : join(dir, "token")
  const token = tokenIn(tokenFile)
  const withPage = !values["no-serve"]
  const fake = await startFake({ token, username: "opsgate_bot", seed: 1 }, port, 0, withPage ? readPage() : null)
  populate(fake.world())
  const root = `http://127.0.0.1:${fake.port}/`
  const settings = { telegram: { api_root: root, token_file: tokenFile } }
  process.stdout.write(values.json ? `${JSON.stringify({ page: withPage ? root : null, api_root: root, token, token_file: tokenFile, settings, people, group: groupId })}\n` : said(withPage ? root : null, root, token, settings))
  if (!withPage || process.stdin.isTTY) prompt(fake.world)
}

const said = (page: string | null, root: string, token: string, settings: unknown): string => `
${page === null ? "" : `The chat page   ${page}\n`}The Bot API     ${root}
The bot's token ${token}   (it opens nothing but this simulator)

Put this into opsgate.config.json and start opsgate serve:

${JSON.stringify(settings, null, 2)}

People: ${people.map(({ first_name, id }) => `${first_name} ${id}`).join(", ")}; the group Ops ${groupId}. Let the bot know those who may speak to it; one of them better not.
Ctrl+C ends it.

`
