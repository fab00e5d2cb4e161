/** A bot on telegraf's `bot.launch()`, for `telegram-crash.mjs`. An effect is one line in a file, written when its work is done. */
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Telegraf } from "telegraf"

const [mode, dir, apiRoot, token] = process.argv.slice(2)
const effects = join(dir, "effects")
// By hand: a button of its `Markup` has a field that the Bot API does not know, and the fake is strict about it.
const keyboard = { reply_markup: { inline_keyboard: [[{ text: "Resume", callback_data: "resume" }]] } }

const bot = new Telegraf(token, { telegram: { apiRoot } })
bot.on("message", async (context) => {
  await sleep(5 + (context.update.update_id * 7919) % 40)
  appendFileSync(effects, `${context.update.update_id}\n`)
  await context.reply(`done ${context.update.update_id}`, keyboard)
})
bot.on("callback_query", async (context) => {
  appendFileSync(effects, `${context.update.update_id}\n`)
  await context.answerCbQuery("done")
})
if (mode === "caught") bot.catch(() => undefined)
await bot.launch()
