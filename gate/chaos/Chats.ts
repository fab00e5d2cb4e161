/**
 * People in chats with the product: they ask for tasks, approve and resume, by words and by buttons. What they say goes on record before
 * anybody knows what becomes of it; what became of it is told by the log alone.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect, type Scope } from "effect"
import type { Burst, ChatCall, ChatCommand, Request, Standing } from "../History.ts"
import { type ChatService, startChatService } from "./ChatService.ts"
import { opsgate, ProductFailed } from "./Product.ts"
import { callIn, textIn, violationIn } from "./ChatRecord.ts"
import { isObject } from "../Json.ts"
import type { Stage } from "./Stage.ts"
import { prepare } from "./Workload.ts"

/** Who there is, with the number of each. `eve` is nobody's business: she is not among the people of the configuration. */
export const numbers = { ada: 101, bob: 102, cyd: 103, dan: 104, fay: 105, eve: 109 } as const
export type Person = keyof typeof numbers
/** Who asks for tasks. None of them may approve. */
export const requesters = ["ada", "dan", "fay"] as const

const bot = "123456789"
const token = `${bot}:gate-plays_with_the_strict_fake-0`

const roles: ReadonlyArray<readonly [Person, ReadonlyArray<string>]> = [
  ...requesters.map((person) => [person, ["requester"]] as const),
  ["bob", ["approver", "operator"]],
  ["cyd", ["approver", "operator"]]
]

const settings = (port: number) => ({
  approvals: { self: false },
  telegram: { token_file: "token", api_root: `http://127.0.0.1:${port}/`, notify: [numbers.cyd], commands_per_minute: 600 },
  people: Object.fromEntries(roles.map(([person, held]) => [person, { identities: [`telegram:${numbers[person]}`], roles: held, service: false }]))
})

/** What the log says, as far as it was read. */
export interface Heard {
  readonly type: string
  readonly task: string
  readonly at: number
  /** Of the command that caused it. */
  readonly key: string | null
}

// Who is nobody's business may not; whoever must come to nothing otherwise has said it before, or says it of his own work.
const standingOf = (person: Person, expect: ChatCommand["expect"]): Standing => (expect === "once" ? "valid" : person === "eve" ? "unauthorised" : "repeat")

export interface Chats {
  readonly service: ChatService
  /** Says something that is a command, and puts it on record; answers its key. */
  readonly say: (person: Person, text: string, op: ChatCommand["op"], about?: About) => Effect.Effect<string, ProductFailed>
  /** Presses the button of a message. */
  readonly press: (person: Person, message: number, button: string, op: ChatCommand["op"], about?: About) => Effect.Effect<string, ProductFailed>
  /** Asks for a task: its command, and the request that it makes. */
  readonly ask: (person: Person, wanted: Pick<Request, "kind" | "class"> & { readonly payload: unknown }) => Effect.Effect<string, ProductFailed>
  /** Reads on in the log; answers all that was read so far. */
  readonly listen: Effect.Effect<ReadonlyArray<Heard>, ProductFailed>
}

interface About {
  readonly task?: string | null
  readonly expect?: ChatCommand["expect"]
}

export const ends: ReadonlySet<string> = new Set(["task.succeeded", "task.failed", "task.canceled", "task.expired"])

/** The end of an id, which people see and type. */
export const shortOf = (task: string): string => task.slice(-6).toLowerCase()

/** The task that a command made, if the log has it. */
export const madeBy = (heard: ReadonlyArray<Heard>, key: string): string | null => heard.find((event) => event.type === "task.requested" && event.key === key)?.task ?? null

/** Which message or press the service made of it. */
const madeOf = (answer: unknown): Pick<ChatCommand, "message" | "query"> => {
  const { message = null, query = null } = isObject(answer) ? answer : {}
  const id = isObject(message) ? message["message_id"] : message
  return { message: typeof id === "number" && query === null ? id : null, query: textIn(query) }
}

const updateIn = (answer: unknown): Effect.Effect<number, ProductFailed> =>
  isObject(answer) && typeof answer["update_id"] === "number" ? Effect.succeed(answer["update_id"]) : new ProductFailed({ what: "the chat service", detail: "the bot does not hear this" })

/** Prepares the workspace and starts the chat service, with everybody in it. What it saw is collected when the scope closes. */
export const openChats = (stage: Stage): Effect.Effect<Chats, ProductFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { scenario, workspace } = stage
    const service = yield* startChatService(workspace, token, scenario.seed)
    yield* Effect.addFinalizer(() => Effect.ignore(collect(stage, service)))
    prepare(workspace.dir, scenario, settings(service.port))
    writeFileSync(join(workspace.dir, "token"), `${token}\n`, { mode: 0o600 })
    for (const [name, id] of Object.entries(numbers)) yield* service.order("POST", "users", { id, first_name: name })
    // A bot may write to nobody who has not written to it.
    for (const [name] of roles) yield* service.order("POST", "send", { user: numbers[name], text: "/start" })

    const put = (person: Person, answer: unknown, op: ChatCommand["op"], { expect = "once", task = null }: About) =>
      Effect.map(Effect.all([updateIn(answer), Clock.currentTimeMillis]), ([update, at]) => {
        const key = `telegram:${bot}:${update}`
        stage.chat.commands.push({ update, key, chat: numbers[person], person, op, task, expect, at, ...madeOf(answer), standing: standingOf(person, expect) })
        return key
      })
    const say: Chats["say"] = (person, text, op, about = {}) =>
      Effect.flatMap(service.order("POST", "send", { user: numbers[person], chat: numbers[person], text }), (answer) => put(person, answer, op, about))
    return {
      service,
      say,
      press: (person, message, button, op, about = {}) =>
        Effect.flatMap(service.order("POST", "press", { user: numbers[person], chat: numbers[person], message, button }), (answer) => put(person, answer, op, about)),
      ask: (person, { class: taskClass, kind, payload }) =>
        Effect.tap(say(person, `/newtask ${kind} ${JSON.stringify(payload)}`, "submit"), (key) =>
          Effect.sync(() => stage.requests.push({ key, kind, class: taskClass, task: null, expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 } }))),
      listen: listening(stage)
    }
  })

const heardIn = (line: string): (Heard & { readonly seq: number }) | null => {
  const event: unknown = JSON.parse(line)
  if (!isObject(event)) return null
  const { at, payload, seq, task, type } = event
  if (typeof seq !== "number" || typeof type !== "string" || typeof at !== "number") return null
  const command = isObject(payload) ? payload["command"] : null
  const key = isObject(command) ? command["key"] : null
  return { seq, at, type, task: typeof task === "string" ? task : "", key: typeof key === "string" ? key : null }
}

const listening = ({ workspace }: Stage): Chats["listen"] => {
  const heard: Array<Heard> = []
  let last = 0
  return Effect.flatMap(Effect.suspend(() => opsgate(workspace, "events", "--after", String(last))), ({ code, stderr, stdout }) => {
    if (code !== 0) return new ProductFailed({ what: "opsgate events", detail: stderr.slice(0, 400) })
    for (const line of stdout.split("\n").filter((text) => text !== "")) {
      const event = heardIn(line)
      if (event === null || event.seq <= last) continue
      heard.push(event)
      last = event.seq
    }
    return Effect.succeed(heard)
  })
}

/** The calls of the product, as the service has them on record. */
export const callsOf = (service: ChatService, query = ""): Effect.Effect<ReadonlyArray<ChatCall>, ProductFailed> =>
  Effect.map(service.order("GET", `record${query}`), (json) => (Array.isArray(json) ? json.flatMap((one: unknown) => callIn(one) ?? []) : []))

const collect = (stage: Stage, service: ChatService) =>
  Effect.gen(function*() {
    stage.chat.calls.push(...(yield* callsOf(service)))
    const violations = yield* service.order("GET", "violations")
    if (Array.isArray(violations)) stage.chat.violations.push(...violations.flatMap(violationIn))
  })

/** Puts a burst on record. */
export const recordBurst = (stage: Stage, burst: Omit<Burst, "id">): Effect.Effect<void> =>
  Effect.sync(() => void stage.chat.bursts.push({ id: `${stage.scenario.id}/burst-${stage.chat.bursts.length + 1}`, ...burst }))
