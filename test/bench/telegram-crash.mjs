/**
 * People who give commands in chats, by words and by buttons, while every fault of the fake strikes and the process that answers is killed
 * at random instants. First with the shipped server, whose log says what became of each command; then the very same script with a bot on
 * telegraf's `bot.launch()`, whose handler writes a line for each. A seed draws people, commands, faults and instants.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { bot, chance, everyFault, inFolder, program, startFake, token } from "./telegram-fake.mjs"

const launched = fileURLToPath(new URL("./telegram-launch-bot.mjs", import.meta.url))
const firstPerson = 1001
const group = -500
const endMs = 240_000

const roles = ["requester", "approver", "reviewer", "operator"]

const configure = (dir, root, people) => {
  writeFileSync(join(dir, "token"), `${token}\n`, { mode: 0o600 })
  writeFileSync(join(dir, "opsgate.config.json"), JSON.stringify({
    v: 1,
    lease_ms: 1000,
    people: Object.fromEntries(people.map((id) => [`p${id}`, { identities: [`telegram:${id}`], roles }])),
    telegram: { api_root: root, token_file: "token", chats: [group], commands_per_minute: 600 },
    kinds: { note: { class: "light", exec: { argv: ["true"] } }, deploy: { class: "heavy", exec: { argv: ["true"] } } }
  }))
}

/** A process that is started again whenever it ends by itself. */
const keeper = (args, cwd) => {
  let child = null
  let wanted = false
  const counts = { killed: 0, ended: 0 }
  const run = async () => {
    while (wanted) {
      child = spawn(process.execPath, args, { cwd, stdio: "ignore" })
      await once(child, "exit")
      if (wanted) counts.ended++
    }
  }
  let running = Promise.resolve()
  return {
    counts,
    start: () => {
      wanted = true
      running = run()
    },
    kill: async () => {
      wanted = false
      if (child.exitCode === null) child.kill("SIGKILL")
      await running
      counts.killed++
    }
  }
}

/** What people want done, step by step. Each step waits for the effect of the one before. */
const flows = {
  light: [["submit", "owner", "words"]],
  words: [["submit", "owner", "words"], ["approve", "other", "words"], ["resume", "owner", "words"]],
  buttons: [["submit", "owner", "words"], ["approve", "other", "words"], ["resume", "owner", "button"]],
  group: [["submit", "owner", "words"], ["approve", "other", "button"], ["resume", "other", "button"]],
  stop: [["submit", "owner", "words"], ["cancel", "owner", "words"]],
  reject: [["submit", "owner", "words"], ["reject", "other", "words"]]
}
const drawnFlows = ["light", "light", "words", "buttons", "buttons", "stop", "reject", "group"]
/** Of those in the group: it may be written to 20 times a minute only. */
const groupMax = 4

/** Looks at a chat without the button that is wanted, before somebody types. */
const patience = 60

const labels = { approve: "Approve", resume: "Resume" }
const typed = { approve: (id) => `/approve ${id} fine`, resume: (id) => `/resume ${id}`, cancel: (id) => `/stop ${id} not needed`, reject: (id) => `/reject ${id} not today` }
const effects = { submit: "task.requested", approve: "approval.given", resume: "task.queued", cancel: "task.canceled", reject: "task.canceled" }
/** Events that give an answer, and change nothing. */
const mere = new Set(["idempotency.replayed", "idempotency.in_progress", "command.refused", "command.denied", "command.accepted"])

/** What the log says by the keys of commands; null while there is no file. */
const heardIn = (dir) => {
  const file = join(dir, ".opsgate", "opsgate.db")
  if (!existsSync(file)) return new Map()
  const db = new Database(file, { readonly: true, timeout: 5000 })
  try {
    const rows = db.prepare("SELECT seq, type, task, payload ->> '$.command.key' AS key FROM event WHERE payload ->> '$.command.key' IS NOT NULL ORDER BY seq").all()
    return effectsByKey(rows)
  } catch (cause) {
    // The first server was killed before it had made its tables.
    if (/no such table/.test(cause.message)) return new Map()
    throw cause
  } finally {
    db.close()
  }
}
const effectsByKey = (rows) => {
  const map = new Map()
  for (const row of rows) if (!mere.has(row.type)) map.set(row.key, [...(map.get(row.key) ?? []), row])
  return map
}

const keyOf = (update) => `telegram:${bot}:${update}`
const referenceOf = (text) => createHash("sha256").update(text).digest("hex").slice(0, 8)

/** People who give the next command that can be given: of something that is under way, or of something new. */
const makePeople = ({ dir, draw, fake, people }) => {
  const between = (from, below) => from + Math.floor(draw() * (below - from))
  const running = []
  const commands = []
  const script = []

  const begin = () => {
    const drawn = drawnFlows[between(0, drawnFlows.length)]
    const kind = drawn === "group" && running.filter((flow) => flow.kind === "group").length >= groupMax ? "light" : drawn
    const owner = between(0, people.length)
    const flow = { kind, owner: people[owner], other: people[(owner + between(1, people.length)) % people.length], at: 0, task: null, last: null, waited: 0 }
    running.push(flow)
    return flow
  }

  const cardWith = async (chat, short, label) => {
    for (const message of (await fake.sim(`messages?chat=${chat}`)).toReversed()) {
      const button = message.by_bot && message.text?.startsWith(short) ? message.buttons.flat().find(({ text }) => text.includes(label)) : undefined
      if (button !== undefined) return { message: message.message_id, data: button.callback_data }
    }
    return null
  }

  const say = async (flow, user, chat, op, act) => {
    const { update_id } = await fake.sim(act.press === undefined ? "send" : "press", act.press === undefined ? { user, chat, text: act.text } : { user, chat, ...act.press })
    script.push({ user, chat, text: act.text, isPress: act.press !== undefined })
    commands.push({ update: update_id, key: keyOf(update_id), chat, op, user, isPress: act.press !== undefined, flow })
    flow.last = keyOf(update_id)
    flow.at += 1
    flow.waited = 0
  }

  /** The next step of this flow; false when it cannot be taken yet. */
  const step = async (flow, heard) => {
    const [op, who, how] = flows[flow.kind][flow.at] ?? []
    if (op === undefined) return false
    const user = flow[who]
    const chat = flow.kind === "group" ? group : user
    if (op === "submit") {
      await say(flow, user, chat, op, { text: `/newtask ${flow.kind === "light" ? "note" : "deploy"} work ${commands.length}` })
      return true
    }
    const [effect] = heard.get(flow.last) ?? []
    if (effect === undefined) return false
    flow.task ??= effect.task
    const short = flow.task.slice(-6).toLowerCase()
    const card = how === "button" ? await cardWith(chat, short, labels[op]) : null
    flow.waited += 1
    // Who sees no button for a while types.
    if (how === "button" && card === null && flow.waited < patience) return false
    await say(flow, user, chat, op, card === null ? { text: typed[op](short) } : { press: card })
    // Some fingers are quick: what the second press asks for is done already.
    if (card !== null && draw() < 0.3) await fake.sim("press", { user, chat, ...card }).catch(() => undefined)
    return true
  }

  return {
    commands,
    script,
    /** Gives one command. */
    next: async () => {
      const heard = heardIn(dir)
      for (const flow of running) if (flow.at > 0 && (await step(flow, heard))) return
      await step(begin(), heard)
    },
    isOver: (flow) => flow.at >= flows[flow.kind].length
  }
}

const enlist = async (fake, people) => {
  for (const id of people) await fake.sim("users", { id, first_name: `P${id}` })
  await fake.sim("chats", { type: "group", id: group, title: "Ops", members: people })
}

const until = async (what, look, everyMs = 200) => {
  for (const startedAt = performance.now(); ; await sleep(everyMs)) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() - startedAt > endMs) throw new Error(`${what}: it did not come in ${endMs / 1000} s`)
  }
}

/**
 * The rounds of a load: in each the process lives until an instant that is drawn from its start, or from its first poll, while people give
 * the commands of the round; some wait for it already.
 */
const rounds = async ({ commands, draw, fake, kills, next, runner }) => {
  for (let round = 0; round <= kills; round++) {
    const count = Math.floor((commands * (round + 1)) / (kills + 1)) - Math.floor((commands * round) / (kills + 1))
    const early = Math.floor(draw() * (count + 1))
    for (let n = 0; n < early; n++) await next(round)
    runner.start()
    const give = (async () => {
      await sleep(draw() * 400)
      for (let n = early; n < count; n++) {
        await next(round)
        await sleep(draw() * 120)
      }
    })()
    // Some lives are long enough for cards to be seen and pressed.
    const [isFromPoll, lifeMs] = [draw() < 0.6, draw() * (draw() < 0.4 ? 4000 : 1200)]
    const life = (async () => {
      if (isFromPoll) await fake.sim("wait", { polled: true, timeout_ms: 5000 })
      await sleep(lifeMs)
      if (round < kills) await runner.kill()
    })()
    await Promise.all([give, life])
  }
}

const standing = (dir) => {
  const db = new Database(join(dir, ".opsgate", "opsgate.db"), { readonly: true, timeout: 5000 })
  try {
    const of = (sql) => db.prepare(sql).get().n
    return {
      pending: of("SELECT COUNT(*) AS n FROM inbox WHERE state = 'pending'"),
      dead: of("SELECT COUNT(*) AS n FROM inbox WHERE state = 'dead'"),
      waits: of("SELECT COUNT(*) AS n FROM delivery WHERE state = 'waits'"),
      givenUp: of("SELECT COUNT(*) AS n FROM delivery WHERE state = 'given_up'")
    }
  } finally {
    db.close()
  }
}

/** Whether the chat shows an answer to the command: its reference, or the card of its task. */
const isAnswered = (texts, { flow, isPress, key, op }, task) =>
  texts.some((text) => op === "submit" || isPress ? text.startsWith((flow.task ?? task).slice(-6).toLowerCase()) : text.endsWith(`· ${referenceOf(key)}`))

const judged = async ({ commands }, dir, fake) => {
  const heard = heardIn(dir)
  const found = { lost: [], doubled: [], wrong: [], disordered: [], unanswered: [] }
  const last = new Map()
  const texts = new Map()
  for (const command of commands.toSorted((a, b) => a.update - b.update)) {
    const { chat, key, op } = command
    const [effect, second] = heard.get(key) ?? []
    if (effect === undefined) found.lost.push(key)
    else if (second !== undefined) found.doubled.push(key)
    else if (effect.type !== effects[op] || (command.flow.task !== null && effect.task !== command.flow.task)) found.wrong.push(`${key} ${op} ${effect.type}`)
    if (effect === undefined) continue
    if (effect.seq < (last.get(chat) ?? 0)) found.disordered.push(key)
    last.set(chat, Math.max(effect.seq, last.get(chat) ?? 0))
    if (!texts.has(chat)) texts.set(chat, (await fake.sim(`messages?chat=${chat}`)).flatMap(({ by_bot, text }) => (by_bot && text !== undefined ? [text] : [])))
    if (!isAnswered(texts.get(chat), command, effect.task)) found.unanswered.push(`${key} ${op}`)
  }
  return found
}

/**
 * Violations that could have been avoided. Presses are answered side by side: a word that was on its way when another one was told to wait
 * is none.
 */
const avoidable = async (fake) => {
  const told = (await fake.sim("record?method=answerCallbackQuery")).filter(({ faults, status }) => status === 429 && faults.includes("error"))
  const onItsWay = ({ at_ms, method }) => method === "answerCallbackQuery" && told.some((call) => at_ms >= call.at_ms && at_ms - call.at_ms < (call.took_ms ?? 0) + noticeMs)
  return (await fake.sim("violations")).filter((violation) => !onItsWay(violation))
}
/** What a busy machine needs to bring an answer to the process that asked. */
const noticeMs = 250

/** The shipped server under the load of a seed. Answers what became of it, and the script of what people did. */
export const crashRun = ({ commands, kills, people: count, seed }) =>
  inFolder(async (dir) => {
    const draw = chance(seed)
    const fake = await startFake(seed)
    const people = Array.from({ length: count }, (_, n) => firstPerson + n)
    const runner = keeper([program, "serve"], dir)
    try {
      await enlist(fake, people)
      configure(dir, fake.root, people)
      const crowd = makePeople({ dir, draw, fake, people })
      await fake.sim("faults", { seed, rules: everyFault })
      const marks = []
      await rounds({ commands, draw, fake, kills, runner, next: async (round) => (await crowd.next(), void marks.push(round)) })
      await until("the end of the work", async () => {
        const { pending, waits } = standing(dir)
        const { met } = await fake.sim("wait", { drained: true, timeout_ms: 1 })
        return met && pending === 0 && waits === 0 ? true : null
      })
      const { struck } = await fake.sim("faults")
      const violations = await avoidable(fake)
      const found = await judged(crowd, dir, fake)
      const { dead, givenUp } = standing(dir)
      await runner.kill()
      return {
        given: crowd.commands.length,
        presses: crowd.commands.filter(({ isPress }) => isPress).length,
        kills: runner.counts.killed - 1,
        ended: runner.counts.ended,
        ...found,
        dead,
        givenUp,
        violations,
        struck,
        script: crowd.script.map((act, at) => ({ ...act, round: marks[at] }))
      }
    } finally {
      await runner.kill().catch(() => undefined)
      fake.stop()
    }
  })

const linesIn = (file) => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : [])

/** The newest button that a person sees in a chat; null when the bot has said nothing there. */
const newestButton = async (fake, chat) => {
  for (const message of (await fake.sim(`messages?chat=${chat}`)).toReversed()) {
    const data = message.by_bot ? message.buttons.flat()[0]?.callback_data : undefined
    if (data !== undefined) return { message: message.message_id, data }
  }
  return null
}

/** How many of what was typed have no answer. */
const unansweredIn = async (fake, updates) => {
  const said = new Set()
  for (const chat of new Set(updates.flatMap(({ chat }) => chat ?? []))) {
    for (const { by_bot, text } of await fake.sim(`messages?chat=${chat}`)) if (by_bot) said.add(`${chat} ${text}`)
  }
  return updates.filter(({ chat, update }) => chat !== null && !said.has(`${chat} done ${update}`)).length
}

/**
 * The same people, words, faults and instants with `bot.launch()`. Where a button was pressed that the bot never showed, the same person
 * types. `mode`: `plain`, or `caught` with a `bot.catch` that swallows.
 */
export const launchRun = (mode, script, { kills, people: count, seed }) =>
  inFolder(async (dir) => {
    const draw = chance(seed)
    const fake = await startFake(seed)
    const runner = keeper([launched, mode, dir, fake.root, token], dir)
    const updates = []
    let at = 0
    try {
      await enlist(fake, Array.from({ length: count }, (_, n) => firstPerson + n))
      await fake.sim("faults", { seed, rules: everyFault })
      const next = async () => {
        const { chat, isPress, text, user } = script[at++]
        const button = isPress ? await newestButton(fake, chat) : null
        const { update_id } = button === null ? await fake.sim("send", { user, chat, text: text ?? "/resume it" }) : await fake.sim("press", { user, chat, ...button })
        updates.push({ update: update_id, chat: button === null ? chat : null })
      }
      await rounds({ commands: script.length, draw, fake, kills, runner, next })
      // Its client waits 500 s for the rest of half an answer; from here on nothing strikes, and it is started once more.
      await fake.sim("faults", { rules: [] })
      await runner.kill()
      runner.start()
      await fake.sim("wait", { drained: true, timeout_ms: 60_000 })
      const effects = join(dir, "effects")
      for (let before = -1, now = linesIn(effects).length; now !== before; now = linesIn(effects).length) {
        before = now
        await sleep(2000)
      }
      const done = new Map()
      for (const line of linesIn(effects)) done.set(Number(line), (done.get(Number(line)) ?? 0) + 1)
      return {
        given: updates.length,
        kills: runner.counts.killed - 1,
        ended: runner.counts.ended,
        lost: updates.filter(({ update }) => !done.has(update)).length,
        doubled: updates.filter(({ update }) => (done.get(update) ?? 0) > 1).length,
        unanswered: await unansweredIn(fake, updates)
      }
    } finally {
      await runner.kill().catch(() => undefined)
      fake.stop()
    }
  })

export const modes = { plain: "bot.launch(), no catch", caught: "bot.launch(), catch swallows" }
