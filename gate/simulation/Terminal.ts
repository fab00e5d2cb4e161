/** People at a terminal of the machine: they send a command over its socket, and again under the same key for as long as nobody answers. */
import type { OperationName } from "../History.ts"
import { between, type Draw } from "./Chance.ts"
import { isObject } from "../Json.ts"
import type { World } from "./World.ts"

/** What came of a command. */
export type Answer = { readonly _tag: "Done"; readonly ok: Readonly<Record<string, unknown>> } | { readonly _tag: "Refused"; readonly refused: string }

type Ask = Readonly<Record<string, unknown>> & { readonly op: string }

/** A client waits for so long. */
const patienceMs = 30_000
const pauseMs = [500, 5000] as const
const stillDeciding = "still being decided"
/** Nothing was decided: it is asked again. */
const passing: ReadonlySet<string> = new Set(["EngineUnavailable", "CommandTimedOut", stillDeciding])

const linearized: ReadonlySet<string> = new Set(["submit", "approve", "resume", "cancel"])
const isName = (op: string): op is OperationName => linearized.has(op)

const decoded = (line: string): Answer => {
  const reply: unknown = JSON.parse(line)
  if (isObject(reply) && isObject(reply["ok"])) return { _tag: "Done", ok: reply["ok"] }
  const refused = isObject(reply) ? reply["refused"] : null
  if (!isObject(refused)) return { _tag: "Refused", refused: "unreadable" }
  return { _tag: "Refused", refused: String(refused["text"]).includes(stillDeciding) ? stillDeciding : String(refused["tag"]) }
}

export class Terminal {
  private readonly world: World
  private readonly draw: Draw

  constructor(world: World, name: string) {
    this.world = world
    this.draw = world.chance(`terminal ${name}`)
  }

  /** Asks once. Null: no answer came, and nobody knows what became of it. `bare`: what whoever may not asks, or under a key of something else, is no operation on the task. */
  async once(person: string, ask: Ask, key: string | null, bare = false): Promise<Answer | null> {
    const { kernel, machine } = this.world
    const invoked = kernel.monoMs
    const process = machine?.process
    const line = process === null || process === undefined ? null : await new Promise<string | null>((resolve) => {
      const cancel = kernel.later(null, patienceMs, () => resolve(null))
      kernel.soon(process, () => {
        void machine?.server?.ask(`cli:${person}`, JSON.stringify({ v: 1, ask, key })).then((answer) => kernel.soon(null, () => {
          cancel()
          resolve(answer)
        }))
      })
    })
    const answer = line === null ? null : decoded(line)
    if (!bare) this.recorded(ask, key, invoked, answer)
    return answer
  }

  /** Asks until something was decided. Under one key, since nobody knows of a lost answer what it said. */
  async ask(person: string, ask: Ask, key: string, bare = false): Promise<Answer> {
    for (;;) {
      const answer = await this.once(person, ask, key, bare)
      if (answer !== null && (answer._tag === "Done" || !passing.has(answer.refused))) return answer
      await this.world.wait(between(this.draw, ...pauseMs))
    }
  }

  private recorded(ask: Ask, key: string | null, invoked: number, answer: Answer | null): void {
    // An approval lapses when the clock is set: what is answered then depends on more than what people asked.
    if (!isName(ask.op) || this.world.isClockSet) return
    const told = answer === null || (answer._tag === "Refused" && passing.has(answer.refused)) ? null : answer
    const task = told?._tag === "Done" && ask.op === "submit" ? String(told.ok["task"]) : typeof ask["task"] === "string" ? ask["task"] : null
    this.world.books.operations.push({
      op: ask.op,
      key,
      task,
      invoked,
      answered: told === null ? null : this.world.kernel.monoMs,
      answer: told === null ? null : told._tag === "Done" ? String(told.ok["state"]) : "refused"
    })
  }
}
