/** Waits until something is so, instead of asking again and again: each condition is looked at whenever anything changes. */
import { onlyFields } from "./People.ts"
import { badRequest, type Fields, isFields, type Message } from "./Wire.ts"
import type { World } from "./World.ts"

/** What was found, or null as long as it is not so. */
type Condition = () => unknown

const waitMaxMs = 120_000

const inside = (message: Message, text: string): boolean => (message.text ?? message.caption ?? "").includes(text)

const messages = (world: World, wanted: Fields): Condition => {
  onlyFields(wanted, ["chat", "min", "contains", "by_bot", "button", "after", "document"])
  const min = Number(wanted["min"] ?? 1)
  return () => {
    const room = world.rooms.get(Number(wanted["chat"]))
    const found = [...(room?.messages.values() ?? [])].filter((message) =>
      message.message_id > Number(wanted["after"] ?? 0)
      && (wanted["by_bot"] === undefined || room?.byBot.has(message.message_id) === wanted["by_bot"])
      && (typeof wanted["contains"] !== "string" || inside(message, wanted["contains"]))
      && (wanted["document"] !== true || message.document !== undefined)
      && (wanted["button"] === undefined || (message.reply_markup?.inline_keyboard ?? []).flat().some(({ text }) => text === wanted["button"])))
    return found.length >= min ? found : null
  }
}

const calls = (world: World, wanted: Fields): Condition => {
  onlyFields(wanted, ["method", "min", "after", "ok"])
  const min = Number(wanted["min"] ?? 1)
  return () => {
    const found = world.record.calls().filter((call) =>
      call.seq > Number(wanted["after"] ?? 0)
      && call.status !== null
      && (wanted["method"] === undefined || call.method === wanted["method"])
      && (wanted["ok"] === undefined || (call.status === 200) === wanted["ok"]))
    return found.length >= min ? { count: found.length, last: found.at(-1) } : null
  }
}

const conditions: Readonly<Record<string, (world: World, wanted: unknown) => Condition>> = {
  messages: (world, wanted) => messages(world, isFields(wanted) ? wanted : {}),
  calls: (world, wanted) => calls(world, isFields(wanted) ? wanted : {}),
  /** The answer to a button that was pressed. */
  query: (world, wanted) => () => world.queries.get(String(wanted))?.answer ?? null,
  confirmed: (world, wanted) => () => (world.updates.isConfirmed(Number(wanted)) ? true : null),
  /** Every update is confirmed. */
  drained: (world) => () => (world.updates.pending().length === 0 ? true : null),
  polled: (world, wanted) => () => (world.updates.isPolled() === (wanted !== false) ? true : null),
  /** Anything changed since a revision. */
  revision: (world, wanted) => () => (world.revision() > Number(wanted) ? world.revision() : null)
}

export const wait = (world: World, fields: Fields, gone: AbortSignal): Promise<Fields> => {
  const names = Object.keys(fields).filter((name) => name !== "timeout_ms")
  const [name = ""] = names
  const make = conditions[name]
  if (names.length !== 1 || make === undefined) throw badRequest(`wait for one of ${Object.keys(conditions).join(", ")}`)
  const timeoutMs = Number(fields["timeout_ms"] ?? 30_000)
  if (!(timeoutMs >= 0 && timeoutMs <= waitMaxMs)) throw badRequest(`timeout_ms must be from 0 to ${waitMaxMs}`)
  const look = make(world, fields[name])
  return new Promise((resolve) => {
    const end = (answer: Fields): void => {
      off()
      cancel()
      gone.removeEventListener("abort", leave)
      resolve(answer)
    }
    const leave = (): void => end({ met: false })
    const check = (): void => {
      const found = look()
      if (found !== null) end({ met: true, found })
    }
    const off = world.onChange(check)
    const cancel = world.clock.later(timeoutMs, leave)
    gone.addEventListener("abort", leave)
    check()
  })
}
