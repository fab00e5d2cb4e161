/** What nobody may see: the token anywhere, and secrets of payloads in a chat. Real processes; everything that they have written is looked through. */
import { once } from "node:events"
import { createServer } from "node:net"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { expect, it, onTestFinished } from "vitest"
import { token } from "../../telegram/startFake.ts"
import { light } from "../cli/Opsgate.ts"
import { found, payload, schema, secrets, words } from "../cli/Planted.ts"
import { person, phones } from "./phones.ts"

const [ada, vic] = [101, 102]
const people = { ada: person(ada), vic: person(vic, ["viewer"]) }

/** All that stands in a folder, by file. */
const filesIn = (folder: string): ReadonlyArray<readonly [string, string]> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)).filter((path) => statSync(path).isFile()).map((path) => [path, readFileSync(path, "latin1")])

/** The words by which every process of this machine was started. */
const commandLines = (): ReadonlyArray<string> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, "latin1")]
    } catch {
      // It has ended meanwhile.
      return []
    }
  })

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" && address !== null ? address.port : 0
}

const secret = token.slice(token.indexOf(":") + 1)
const holds = (text: string): boolean => text.includes(secret)

it.each(["file", "environment"])("the token of the %s is in no output, log, event, file, error, and in no list of processes, whatever fails", async (from) => {
  const all = await phones(onTestFinished, { kinds: { env: light(["env"], {}, { env: ["PATH", "OPSGATE_TELEGRAM_TOKEN_2"] }) }, people })
  const fromFile = from === "file"
  if (!fromFile) {
    all.home.write("token", "")
    const config = JSON.parse(all.home.read("opsgate.config.json"))
    delete config.telegram.token_file
    all.home.write("opsgate.config.json", JSON.stringify(config))
  }
  const env = fromFile ? {} : { OPSGATE_TELEGRAM_TOKEN: token }
  // One on each way, since a start waits longer with each failure.
  const faults = [["error", "getMe"], ["reset_before", "deleteWebhook"], ["reset_after", "getUpdates"], ["garbage", "getMyCommands"]].map(([kind, method]) => ({ kind, method, times: 1, ...(kind === "error" ? { code: 502 } : {}) }))
  await all.fake.sim("faults", { queue: [...faults, { kind: "error", method: "sendMessage", code: 400, times: 1 }] })
  const server = await all.home.serve({ env, mayTakeMs: 90_000 })
  // Its answer is the one that is refused for good.
  await all.type(ada, "/start")
  await all.asks(ada, "/newtask env x", "env")
  // Somebody who knows the token by heart says it: it is no more his business than anybody's.
  await all.asks(ada, `/newtask env ${token}`, "env")
  await all.asks(ada, "/ops", "OPS")
  const id = all.home.tasks()[0]?.id ?? ""
  await all.home.untilTask(id, "SUCCEEDED")
  expect(commandLines().some((line) => line.includes("serve"))).toBe(true)
  // The fake is told its token in so many words; it is no part of what ships a bot.
  expect(commandLines().filter((line) => holds(line) && !line.includes("telegram-fake.js"))).toEqual([])
  const said: Array<string> = []
  for (const args of [["events"], ["logs"], ["logs", "--json"], ["task", "list"], ["task", "show", id], ["trace", id], ["why", id], ["ops-summary", "--json"], ["telegram", "status"], ["telegram", "dead"], ["doctor"], ["whoami"]]) {
    const { stderr, stdout } = await all.home.run(args, { env })
    said.push(stdout, stderr)
  }
  // Now the service does not know it any more.
  await all.fake.sim("faults", { rules: [{ kind: "error", method: "*", code: 401, probability: 1 }] })
  await all.fake.sim("outage", { ms: 1 })
  for (let tries = 0; tries < 600 && !server.stderr().includes("the bot has stopped"); tries++) await new Promise((resolve) => setTimeout(resolve, 50))
  expect(server.stderr()).toContain("the bot has stopped")
  server.signal("SIGTERM")
  const ended = await server.ended
  said.push(ended.stdout, ended.stderr, (await all.home.run(["ops-summary"], { env })).stdout)
  expect(said.filter(holds)).toEqual([])
  // What somebody typed stands as he typed it in the update and in the payload, and nowhere else.
  const files = filesIn(all.home.folder).filter(([, text]) => holds(text)).map(([path]) => path.slice(all.home.folder.length + 1))
  expect(files.filter((path) => !["token", ".opsgate/opsgate.db", ".opsgate/opsgate.db-wal"].includes(path) && !path.includes("/runs/"))).toEqual([])
  expect(all.home.query<object>("SELECT * FROM event").map((row) => JSON.stringify(row)).filter(holds)).toEqual([])
  expect(all.home.query<object>("SELECT body FROM delivery").map((row) => JSON.stringify(row)).filter(holds)).toEqual([])
  const output = all.home.read(`.opsgate/runs/${id}/1-1/stdout.log`)
  expect(output).toContain("PATH=")
  expect(holds(output)).toBe(false)
}, 120_000)

it("a token that is none stops the bot without being told, and the server goes on", async () => {
  const all = await phones(onTestFinished, { kinds: { note: light(["true"]) }, people })
  all.home.write("token", "not-a-token-but-perhaps-a-secret")
  const server = await all.home.serve()
  expect(server.stderr()).toContain("holds is not a bot token")
  expect(server.stderr()).not.toContain("perhaps-a-secret")
  expect((await all.home.run(["ops-summary"])).stdout).toContain("telegram_stopped")
}, 60_000)

it("the secret of the webhook, which looks like nothing, is in no answer, log or file of the server once it is loaded", async () => {
  const hook = "plain-words-that-are-the-hook"
  const port = await freePort()
  const webhook = { port, url: `http://127.0.0.1:${port}/hook`, secret_file: "hook" }
  const all = await phones(onTestFinished, { kinds: { note: light(["true"]) }, people, telegram: { webhook, chats: [5], notify: [-7] } })
  all.home.write("hook", `${hook}\n`)
  const server = await all.home.serve({ mayTakeMs: 60_000 })
  await all.asks(ada, `/newtask note the words are ${hook}`, "note")
  const id = all.home.tasks()[0]?.id ?? ""
  expect((await all.asks(ada, `/status ${id}`, "payload of")).text).toContain("the words are [redacted")
  await all.asks(ada, `/newtask ${hook} x`, "not done")
  await all.asks(ada, `/stop ${id} ${hook}`, "not done")
  // An answer shows the message that it answers; what the bot itself says is its text and its buttons.
  const shown = (await all.see(ada)).filter(({ by_bot }) => by_bot).map(({ buttons, caption, text }) => JSON.stringify({ buttons, caption, text }))
  expect(shown.length).toBeGreaterThan(3)
  for (const one of shown) expect(one).not.toContain(hook)
  expect(server.stderr()).not.toContain(hook)
  const logs = filesIn(join(all.home.dataDir)).filter(([path]) => path.endsWith(".jsonl") || path.includes("log"))
  expect(logs.length).toBeGreaterThan(0)
  for (const [path, text] of logs) expect(text.includes(hook), path).toBe(false)
  // What can hardly be meant is said at the start.
  expect(server.stderr()).toContain("telegram.chats names 5: numbers of groups are negative")
  expect(server.stderr()).toContain("telegram.notify names -7, which telegram.chats does not")
}, 90_000)

it("of thirty secrets of a payload none is seen in a chat, whatever is asked there, by whoever may ask", async () => {
  const kinds = {
    echo: light(["/bin/sh", "-c", "cat >&2; exit 3"], { payload: schema, retry: { attempts: 1 } }),
    held: { class: "heavy", approval: "required", payload: schema, exec: { argv: ["true"] } }
  }
  const all = await phones(onTestFinished, { kinds, people, settings: {}, telegram: { notify: [ada, vic] } })
  await all.serve({ mayTakeMs: 120_000 })
  await all.asks(vic, "/start", "Hello")
  expect(JSON.stringify(payload).length).toBeLessThan(4000)
  const failed = await all.asks(ada, `/newtask echo ${JSON.stringify(payload)}`, "echo")
  await all.sees(ada, "\nfailed")
  const held = await all.asks(ada, `/newtask held ${JSON.stringify(payload)}`, "held")
  const reason = words.join(" | ").slice(0, 1500)
  for (const card of [failed, held]) {
    const id = all.shortIn(card)
    for (const text of [`/status ${id}`, `/why ${id}`, `/trace ${id}`]) for (const user of [ada, vic]) await all.asks(user, text, "")
    for (const text of [`/approve ${id} ${reason}`, `/plan ${id} scope: ${reason}`, `/review ${id} fail other ${reason}`, `/resume ${id} ${reason}`, `/recover ${id} ${reason}`, `/stop ${id} ${reason}`, `/fork ${id} 1 ${reason}`, `/reconcile ${id} failed ${reason}`]) await all.asks(ada, text, "")
  }
  for (const text of ["/list", "/board", "/ops", "/queues", "/cron", `/status ${reason}`, `/${reason}`, `/newtask ${reason}`, `/newtask held {"codeword": 7, "password": "${secrets.password}"}`]) await all.asks(ada, text, "")
  const record: ReadonlyArray<object> = await all.fake.sim("record")
  const sent = record.filter((call) => "method" in call && call.method !== "getUpdates")
  expect(sent.length).toBeGreaterThan(30)
  // What the bot has said, and not what the service answers: that repeats the message of the person that was answered.
  const shown = JSON.stringify(sent.map((call) => ({ ...call, answer: null })))
  expect(found(shown)).toEqual([])
  expect(found(shown.replaceAll("\\\\", "\\").replaceAll("\\n", "\n").replaceAll("\\\"", "\""))).toEqual([])
  const papers = (await Promise.all([ada, vic].map(all.see))).flat().flatMap(({ document }) => (document === undefined ? [] : [document.file_id]))
  for (const id of papers) expect(found(await (await fetch(`${all.fake.simRoot}file?id=${id}`)).text())).toEqual([])
  expect(found(JSON.stringify(all.home.query("SELECT body FROM delivery WHERE body IS NOT NULL")))).toEqual([])
  expect(found(JSON.stringify(all.home.query("SELECT payload FROM event")))).toEqual([])
}, 300_000)
