/**
 * The bot of the shipped server against the strict fake: under crashes, beside telegraf's `bot.launch()` on the same script; with 500
 * commands in a minute; and how soon it accepts and answers, beside a bot that does nothing.
 *
 * `npm run bench telegram [crash|flood|latency] [commands kills]`
 */
import { loadavg } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import { line, quantile, rawCommits } from "./measure.mjs"
import { crashRun, launchRun, modes } from "./telegram-crash.mjs"
import { bareLatency, flood, latency } from "./telegram-pace.mjs"

const [, , , part = "all", commandsText = "1000", killsText = "100"] = process.argv
const seed = 1

/** How busy the machine is with other work: what it makes of a timer, and of a commit. */
const machine = async () => {
  const late = []
  for (let n = 0; n < 100; n++) {
    const startedAt = performance.now()
    await sleep(5)
    late.push(performance.now() - startedAt - 5)
  }
  const commits = (await rawCommits(200)).map((seconds) => seconds * 1000)
  const of = (values) => `p50 ${quantile(values, 0.5).toFixed(1)} ms, p99 ${quantile(values, 0.99).toFixed(1)} ms`
  console.log(`     the machine: load ${loadavg().map((load) => load.toFixed(1)).join(" ")}; a timer is late by ${of(late)}; a commit takes ${of(commits)}`)
}

const crash = async () => {
  const given = { commands: Number(commandsText), kills: Number(killsText), people: 50, seed }
  const { script, ...ours } = await crashRun(given)
  const wrong = ["lost", "doubled", "wrong", "disordered", "unanswered", "violations"].map((name) => [name, ours[name].length])
  const struck = Object.entries(ours.struck).map(([kind, times]) => `${kind} ${times}`).join(", ")
  console.log(`     ${ours.given} commands (${ours.presses} by buttons) of ${given.people} people, ${ours.kills} SIGKILLs, seed ${seed}; faults: ${struck}`)
  const fine = line("opsgate", `${wrong.map(([name, count]) => `${name} ${count}`).join(", ")}, dead ${ours.dead}, given up ${ours.givenUp}`, wrong.every(([, count]) => count === 0) && ours.dead + ours.givenUp === 0)
  const losses = []
  for (const mode of Object.keys(modes)) {
    const { doubled, ended, given: count, kills, lost, unanswered } = await launchRun(mode, script, given)
    line(`${modes[mode]}, the same script`, `${count} updates: lost ${lost}, doubled ${doubled}, unanswered ${unanswered} (${kills} SIGKILLs, ${ended} ends of its own)`, null)
    losses.push([lost, unanswered])
  }
  // What its handler has done it does again, or never answers; which of both, is a question of how the bot catches.
  return line("bot.launch() loses commands or their answers", losses.map(([lost, unanswered]) => lost + unanswered).join(", "), losses.every(([lost, unanswered]) => lost + unanswered > 0)) && fine
}

const crowd = async () => {
  const { given, overMs, unanswered, violations } = await flood()
  return line("500 commands in a minute", `${given - unanswered} of ${given} answered, the last ${Math.round(overMs / 1000)} s after the minute (groups take 20 a minute); violations of the limits ${violations.length}`, unanswered === 0 && violations.length === 0)
}

const times = async () => {
  await machine()
  const bare = await bareLatency()
  const { accepted, answered, cpuMs, violations } = await latency()
  const p = (values, q) => `p${q * 100} ${quantile(values, q).toFixed(1)} ms`
  line("a bot that does nothing answers", `${p(bare.answered, 0.5)}, ${p(bare.answered, 0.95)}`, null)
  line("the server's work", `${(cpuMs / accepted.length).toFixed(1)} ms of a core for a command`, null)
  const figures = [
    line("update to durable, wanted p99 < 20 ms", `${p(accepted, 0.5)}, ${p(accepted, 0.99)} (${accepted.length} updates)`, quantile(accepted, 0.99) < 20),
    line("command to answer, wanted p95 < 300 ms", `${p(answered, 0.5)}, ${p(answered, 0.95)} (${answered.length} commands, 20 a second over 100 chats)`, quantile(answered, 0.95) < 300),
    line("violations of the limits", String(violations.length), violations.length === 0)
  ]
  await machine()
  return figures.every(Boolean)
}

const parts = { latency: times, flood: crowd, crash }

/** True when everything is as wanted. */
export const telegramBench = async () => {
  const wanted = part === "all" ? Object.values(parts) : Object.hasOwn(parts, part) ? [parts[part]] : []
  if (wanted.length === 0) {
    console.error(`there is no part ${part}; there are: ${Object.keys(parts).join(", ")}`)
    return false
  }
  let fine = true
  for (const one of wanted) fine = (await one()) && fine
  return fine
}
