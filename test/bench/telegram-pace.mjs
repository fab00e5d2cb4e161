/**
 * The shipped server with people who type at a pace: how soon an update is durable, how soon a command is answered, and what the fake
 * counts beyond the limits of Telegram when 500 commands come in a minute.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { chance, inFolder, program, startFake, token } from "./telegram-fake.mjs"

const watch = fileURLToPath(new URL("./telegram-watch.mjs", import.meta.url))
const bare = fileURLToPath(new URL("./telegram-bare.mjs", import.meta.url))
const firstPerson = 1001
const roles = ["requester", "approver", "reviewer", "operator"]
const answers = new Set(["sendMessage", "sendDocument"])

const configure = (dir, root, people, groups) => {
  writeFileSync(join(dir, "token"), `${token}\n`, { mode: 0o600 })
  writeFileSync(join(dir, "opsgate.config.json"), JSON.stringify({
    v: 1,
    people: Object.fromEntries(people.map((id) => [`p${id}`, { identities: [`telegram:${id}`], roles }])),
    telegram: { api_root: root, token_file: "token", chats: groups, commands_per_minute: 600 },
    kinds: { deploy: { class: "heavy", exec: { argv: ["true"] } } }
  }))
}

/** Until the process asks for updates, then `use`, then its orderly end. */
const whileItRuns = async (child, fake, use) => {
  const ended = once(child, "exit")
  try {
    const { met } = await fake.sim("wait", { polled: true, timeout_ms: 30_000 })
    if (!met) throw new Error("nobody asks for updates")
    // The first messages of a process wait until nobody can have been written to a second ago.
    await sleep(1500)
    const found = await use()
    child.kill("SIGTERM")
    await ended
    return found
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
  }
}

/** The fake with so many people and groups. */
const withFake = ({ groups = [], people: count, seed }, use) =>
  inFolder(async (dir) => {
    const fake = await startFake(seed)
    try {
      const people = Array.from({ length: count }, (_, n) => firstPerson + n)
      for (const id of people) await fake.sim("users", { id, first_name: `P${id}` })
      for (const id of groups) await fake.sim("chats", { type: "group", id, title: `G${id}`, members: people })
      return await use(fake, people, dir)
    } finally {
      fake.stop()
    }
  })

/** The shipped server, watched. `use` gets the fake and the people. */
const withServer = (given, use) =>
  withFake(given, async (fake, people, dir) => {
    configure(dir, fake.root, people, given.groups ?? [])
    const file = join(dir, "accepted.json")
    const env = { ...process.env, OPSGATE_BENCH_FILE: file, OPSGATE_BENCH_PROGRAM: program }
    const server = spawn(process.execPath, ["--import", watch, program, "serve"], { cwd: dir, env, stdio: "ignore" })
    const found = await whileItRuns(server, fake, () => use(fake, people))
    return { ...found, ...JSON.parse(readFileSync(file, "utf8")) }
  })

/** What the bot wrote to chats since `seq`, in order. */
const written = async (fake, seq) => (await fake.sim(`record?after=${seq}`)).filter(({ method, status }) => answers.has(method) && status === 200)

const byChat = (calls) => {
  const map = new Map()
  for (const call of calls) map.set(Number(call.params.chat_id), [...(map.get(Number(call.params.chat_id)) ?? []), call])
  return map
}

/** Commands at instants that are drawn: `[atMs, user, chat, text]`. Answers them with the instants at which they were sent. */
const typed = async (fake, acts) => {
  const startedAt = performance.now()
  const sent = []
  const flying = []
  for (const [atMs, user, chat, text] of acts) {
    await sleep(Math.max(0, atMs - (performance.now() - startedAt)))
    const one = { chat, text, atMs: Date.now(), update: 0 }
    sent.push(one)
    flying.push(fake.sim("send", { user, chat, text }).then(({ update_id }) => void (one.update = update_id)))
  }
  await Promise.all(flying)
  return sent
}

const looks = ["/ops", "/board", "/list 5", "/why", "/status"]

/** A command of the mix: every second asks for a task, which then waits for people; the others look. */
const drawnText = (draw, at, ids) => {
  if (at % 2 === 0 || ids.length === 0) return `/newtask deploy work ${at}`
  const look = looks[Math.floor(draw() * looks.length)]
  return look === "/why" || look === "/status" ? `${look} ${ids[Math.floor(draw() * ids.length)]}` : look
}

const shortIn = ({ params }) => /^[0-9a-z]{6}(?=  deploy)/.exec(params.text ?? "")?.[0]

/**
 * 20 commands a second over 100 chats, each chat in its turn, so that none has two within a second. Answers how many milliseconds each
 * answer took; the first round, in which every chat asks for a task, is not counted.
 */
const paced = async (fake, people, { perSecond, seconds, seed }) => {
  const draw = chance(seed)
  const round = async (count) => {
    const seq = (await fake.sim("record")).at(-1)?.seq ?? 0
    const ids = (await written(fake, 0)).flatMap((call) => shortIn(call) ?? [])
    const acts = Array.from({ length: count }, (_, at) => [((at + draw()) * 1000) / perSecond, people[at % people.length], people[at % people.length], drawnText(draw, at, ids)]).sort(([a], [b]) => a - b)
    const sent = await typed(fake, acts)
    await sleep(3000)
    const calls = byChat(await written(fake, seq))
    return sent.map(({ atMs, chat }) => (calls.get(chat)?.find((call) => call.at_ms >= atMs - 1)?.at_ms ?? Infinity) - atMs)
  }
  await round(people.length)
  return { answered: await round(perSecond * seconds), violations: await fake.sim("violations") }
}

const pace = { people: 100, perSecond: 20, seconds: 60, seed: 1 }

/** Milliseconds from update to durable, and from command to answer. */
export const latency = (given = {}) => withServer({ ...pace, ...given }, (fake, people) => paced(fake, people, { ...pace, ...given }))

/** The same with a bot that does nothing. */
export const bareLatency = (given = {}) =>
  withFake({ ...pace, ...given }, (fake, people) =>
    whileItRuns(spawn(process.execPath, [bare, fake.root, token], { stdio: "ignore" }), fake, () => paced(fake, people, { ...pace, ...given })))

/** 500 commands in a minute, some of them in two groups, at instants that chance has drawn. */
export const flood = ({ commands = 500, groups = [-501, -502], inGroups = 40, people: count = 60, seed = 2, withinMs = 60_000 } = {}) =>
  withServer({ groups, people: count, seed }, async (fake, people) => {
    const draw = chance(seed)
    const acts = Array.from({ length: commands }, (_, at) => {
      const user = people[Math.floor(draw() * people.length)]
      return [draw() * withinMs, user, at < inGroups ? groups[at % groups.length] : user, at % 2 === 0 ? `/newtask deploy work ${at}` : looks[Math.floor(draw() * 3)]]
    }).sort(([a], [b]) => a - b)
    const sent = await typed(fake, acts)
    const startedAt = performance.now()
    const perChat = new Map()
    for (const { chat } of sent) perChat.set(chat, (perChat.get(chat) ?? 0) + 1)
    // In a group 20 a minute: the last answers come minutes later.
    const missing = async () => {
      const had = new Map()
      for (const { params } of await written(fake, 0)) had.set(Number(params.chat_id), (had.get(Number(params.chat_id)) ?? 0) + 1)
      return [...perChat].reduce((sum, [chat, wanted]) => sum + Math.max(0, wanted - (had.get(chat) ?? 0)), 0)
    }
    let left = await missing()
    while (left > 0 && performance.now() - startedAt < 240_000) {
      await sleep(1000)
      left = await missing()
    }
    return { given: sent.length, unanswered: left, overMs: Math.round(performance.now() - startedAt), violations: await fake.sim("violations") }
  })
