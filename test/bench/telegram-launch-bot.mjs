/**
 * A bot with one handler, received in one of three ways, for `telegram-launch.mjs`. An effect is one line in a file, and the line
 * is also the mark that it is done; some updates fail the first time that they are tried.
 */
import { appendFileSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Telegraf } from "telegraf"

const [mode, dir, apiRoot, token, failing] = process.argv.slice(2)
const toFail = new Set(JSON.parse(failing))
const effects = join(dir, "effects")
const tried = join(dir, "tried")
const inbox = join(dir, "inbox")

const lines = (file) => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : [])

const handle = async (id) => {
  await sleep(5 + (id * 7919) % 40)
  if (toFail.has(id) && !lines(tried).includes(String(id))) {
    appendFileSync(tried, `${id}\n`)
    throw new Error(`update ${id} fails once`)
  }
  appendFileSync(effects, `${id}\n`)
}

const bot = new Telegraf(token, { telegram: { apiRoot } })
bot.on("message", (context) => handle(context.update.update_id))

/** Acknowledges what is in a file on the disk, and works from the file: what telegraf does not do. */
const fromInbox = async () => {
  const file = openSync(inbox, "a")
  const done = new Set(lines(effects).map(Number))
  // The last line may be half a line, of a process that died while it wrote.
  const stored = lines(inbox).flatMap((line) => /^\[(\d+)\]$/.exec(line)?.[1] ?? []).map(Number)
  const known = new Set(stored)
  const queue = stored.filter((id) => !done.has(id))
  let wake = () => undefined
  const work = async () => {
    for (;;) {
      while (queue.length > 0) {
        await handle(queue[0]).then(() => queue.shift(), () => undefined)
      }
      await new Promise((resolve) => {
        wake = resolve
      })
    }
  }
  void work()
  let offset = Math.max(0, ...known) + 1
  if (known.size === 0) offset = 0
  for (;;) {
    const updates = await bot.telegram.callApi("getUpdates", { offset, timeout: 50, limit: 100 })
    const fresh = updates.map(({ update_id }) => update_id).filter((id) => !known.has(id))
    if (fresh.length > 0) {
      writeSync(file, `\n${fresh.map((id) => `[${id}]\n`).join("")}`)
      fsyncSync(file)
    }
    for (const id of fresh) known.add(id)
    queue.push(...fresh)
    offset = Math.max(offset, ...updates.map(({ update_id }) => update_id + 1))
    wake()
  }
}

if (mode === "caught") bot.catch(() => undefined)
if (mode === "inbox") await fromInbox()
else await bot.launch()
