/** Which steps left runs whose outcome nobody knows, from a log as it was printed. */
import { Either } from "effect"
import { eventsFile, readEvents } from "../evidence/Reader.ts"

/** By place, how many tasks wait for a person because of it. */
export const unknownIn = (text: string): ReadonlyMap<string, number> => {
  const events = Either.getOrElse(readEvents(eventsFile("own"), text), () => [])
  const names = new Map<string, string>()
  const found = new Map<string, number>()
  for (const { payload, task, type } of events) {
    if (type === "effect.intent") names.set(`${task}`, typeof payload?.["name"] === "string" ? `step "${payload["name"]}"` : "its command")
    const place = type === "task.outcome_unknown" ? names.get(`${task}`) : undefined
    if (place !== undefined) found.set(place, (found.get(place) ?? 0) + 1)
  }
  return found
}
