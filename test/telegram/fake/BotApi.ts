/**
 * The Bot API without the way that a call comes and goes: it lets faults strike, carries the method out and says what goes back.
 * Each call is in the record, whatever became of it. `BotDoor.ts` is the way over HTTP, `Virtual.ts` the one within a process.
 */
import type { Body } from "./Body.ts"
import { shuffled } from "./Chance.ts"
import type { Fault } from "./Faults.ts"
import { tooMany } from "./Flood.ts"
import { methodOf } from "./Methods.ts"
import { paramsOf } from "./Params.ts"
import { type Entry, filesIn } from "./Record.ts"
import { ApiError, type Update } from "./Wire.ts"
import type { World } from "./World.ts"

export interface Answer {
  readonly status: number
  readonly json: unknown
}

/** The way back to who asked. Of what is below `gone` exactly one is used, once, also when nobody is there any more. */
export interface Line {
  /** Aborted when who asked has gone away. */
  readonly gone: AbortSignal
  readonly answer: (status: number, json: unknown) => void
  /** What is no answer of the Bot API, but of something in between. */
  readonly page: (status: number, html: string) => void
  /** The whole answer, after `ms`. */
  readonly slowly: (status: number, json: unknown, ms: number) => Promise<void>
  /** Half of the answer, then the end. */
  readonly cut: (status: number, json: unknown) => void
  readonly reset: () => void
  /** The end without an answer. */
  readonly end: () => void
}

export const refusal = ({ code, message, parameters }: ApiError): Answer => ({
  status: code,
  json: { ok: false, error_code: code, description: message, ...(parameters === undefined ? {} : { parameters }) }
})

export const internal = (cause: unknown): ApiError => (cause instanceof ApiError ? cause : new ApiError(500, `Internal Server Error: ${String(cause)}`))

/** Carries a method out, without faults: also for what a webhook answers with. */
export const call = async (world: World, name: string, body: Body, gone: AbortSignal, entry: Entry): Promise<Answer> => {
  try {
    const method = methodOf(name)
    if (method === undefined) throw new ApiError(404, "Not Found: method not found")
    const params = paramsOf(body)
    entry.add({ unknown: params.names.filter((field) => field !== "method" && !field.startsWith("attach") && !method.takes.includes(field)) })
    world.flood.checkWait(`method ${name.toLowerCase()}`, name)
    return { status: 200, json: { ok: true, result: await method.run(world, params, gone) } }
  } catch (cause) {
    return refusal(internal(cause))
  }
}

const html = (code: number): string => `<html>\r\n<head><title>${code} Bad Gateway</title></head>\r\n<body><center><h1>${code} Bad Gateway</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n`

const twisted = (world: World, answer: Answer, faults: ReadonlyArray<Fault>, before: ReadonlyArray<Update>): Answer => {
  const { json } = answer
  if (typeof json !== "object" || json === null || !("result" in json) || !Array.isArray(json.result)) return answer
  let updates: ReadonlyArray<Update> = json.result
  if (faults.some(({ kind }) => kind === "duplicate")) {
    for (const { update_id } of updates) world.updates.delivered(update_id)
    updates = [...before.filter(({ update_id }) => !updates.some((update) => update.update_id === update_id)), ...updates.flatMap((update) => [update, update])]
  }
  if (faults.some(({ kind }) => kind === "reorder")) updates = shuffled(updates, world.chance)
  return { ...answer, json: { ok: true, result: updates } }
}

/** What strikes before the effect. True when the call is over. */
const before = async (world: World, name: string, faults: ReadonlyArray<Fault>, chat: unknown, entry: Entry, line: Line): Promise<boolean> => {
  for (const { code, kind, ms, retry_after } of faults) {
    if (kind === "latency") await world.clock.sleep(ms, line.gone)
    if (kind === "reset_before") {
      entry.add({ answered: false })
      line.reset()
      return true
    }
    if (kind === "hang") {
      entry.add({ answered: false })
      await world.clock.sleep(ms, line.gone)
      line.end()
      return true
    }
    if (kind === "error") {
      if (code === 429) world.flood.ask(chat === undefined ? `method ${name.toLowerCase()}` : `chat ${String(chat)}`, retry_after)
      const { json, status } = refusal(code === 429 ? tooMany(retry_after) : new ApiError(code, words[code] ?? "Internal Server Error"))
      entry.add({ status, answer: code === 502 ? html(code) : json, answered: true })
      if (code === 502) line.page(code, html(code))
      else line.answer(status, json)
      return true
    }
  }
  return false
}

const words: Readonly<Record<number, string>> = {
  400: "Bad Request: injected",
  401: "Unauthorized",
  403: "Forbidden: injected",
  404: "Not Found",
  409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
  500: "Internal Server Error"
}

const after = async (faults: ReadonlyArray<Fault>, { json, status }: Answer, entry: Entry, line: Line): Promise<void> => {
  const fault = faults.find(({ kind }) => kind === "reset_after" || kind === "slow" || kind === "garbage" || kind === "truncated")
  entry.add({ status, answer: json, answered: fault === undefined ? !line.gone.aborted : fault.kind === "slow" })
  if (fault === undefined) line.answer(status, json)
  else if (fault.kind === "reset_after") line.reset()
  else if (fault.kind === "slow") await line.slowly(status, json, fault.ms)
  else if (fault.kind === "garbage") line.page(200, "<!doctype html><title>Please wait</title>")
  else line.cut(status, json)
}

/** Answers what was not read as a call. */
export const refuse = (error: ApiError, entry: Entry, line: Line): void => {
  const { json, status } = refusal(error)
  entry.add({ status, answer: json, answered: true })
  line.answer(status, json)
}

/** One call of a bot, from what it carries to what goes back. */
export const carry = async (world: World, name: string, body: Body, entry: Entry, line: Line): Promise<void> => {
  const faults = world.faults.strike(name)
  entry.add({ params: body.fields, files: filesIn(body), faults: faults.map((fault) => fault.kind) })
  if (await before(world, name, faults, body.fields["chat_id"], entry, line)) return
  const lately = world.updates.lately()
  const done = await call(world, name, body, line.gone, entry)
  await after(faults, twisted(world, done, faults, lately), entry, line)
}
