/** What is secret of one task: the values that the schema of its kind marked. Texts that may repeat them are cleaned before they are stored. */
import { canonical, type Json } from "./Canonical.ts"
import { isInnocent, plainly, redact, withoutValues } from "./Redaction.ts"
import { valuesAt } from "./Sensitive.ts"
import type { Task } from "./Task.ts"

type Marked = Pick<Task, "payload" | "sensitive">

/** The marked values of the payload of a task, as texts. */
export const secretsOf = ({ payload, sensitive }: Marked): ReadonlyArray<string> =>
  sensitive === undefined || sensitive.payload.length === 0 ? none : valuesAt(JSON.parse(payload), sensitive.payload)

const none: ReadonlyArray<string> = []

/** A text about the task, such as an error, without the marked values of its payload. */
export const withoutSecretsOf = (task: Marked, text: string): string => (task.sensitive === undefined ? text : withoutValues(text, secretsOf(task)))

/** The result of the task as the log keeps it; `text` is its canonical JSON, and as it is where nothing in it can be a secret. */
export const loggedResult = (task: Marked, result: Json, text = canonical(result)): Json =>
  task.sensitive === undefined && isInnocent(text) ? result : plainly.knowing(secretsOf(task)).json(result, task.sensitive?.result ?? [])

/** What somebody asks for, with the words that are on record for ever redacted. */
export const cleaned = <A extends { readonly reason: string | null }>(ask: A): A => {
  const said = ask.reason === null ? ask : { ...ask, reason: redact(ask.reason) }
  const planned = "plan" in said && typeof said.plan === "object" && said.plan !== null ? { ...said, plan: Object.fromEntries(Object.entries(said.plan).map(([part, text]) => [part, typeof text === "string" ? redact(text) : text])) } : said
  return "evidence" in planned && typeof planned.evidence === "string" ? { ...planned, evidence: redact(planned.evidence) } : planned
}
