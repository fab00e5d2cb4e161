/** Random histories of one task with several clients, made by carrying it out: every answer is what a task would have said at one instant. */
import type { Operation } from "../../../gate/History.ts"
import { type Facts, type View, viewOf } from "../../../gate/invariant/TaskModel.ts"

export interface Played {
  readonly operations: ReadonlyArray<Operation>
  /** As the log would have them. */
  readonly facts: Facts
}

/** What each operation may answer. */
export const vocabulary: Readonly<Record<Operation["op"], ReadonlyArray<string>>> = {
  submit: ["REQUESTED", "QUEUED"],
  approve: ["APPROVED", "REQUESTED", "refused"],
  reject: ["CANCELED", "refused"],
  resume: ["QUEUED", "refused"],
  cancel: ["CANCELED", "QUEUED", "refused"],
  read: ["REQUESTED", "APPROVED", "QUEUED", "SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"]
}

const between = (chance: () => number, from: number, to: number): number => from + Math.floor(chance() * (to - from + 1))

/** A task that says what it does. It knows nothing of the model that it is compared with. */
class Subject {
  state = "ABSENT"
  needed: number
  readonly answers = new Map<string, string>()
  readonly moves = new Map<View, Set<View>>()

  readonly chance: () => number

  constructor(chance: () => number) {
    this.chance = chance
    this.needed = between(chance, 0, 3)
  }

  act(op: Operation["op"], key: string | null): string {
    const known = key === null ? undefined : this.answers.get(key)
    if (known !== undefined) return known
    const answer = this.#act(op)
    if (key !== null) this.answers.set(key, answer)
    return answer
  }

  #act(op: Operation["op"]): string {
    const { state } = this
    const waits = state === "REQUESTED" || state === "APPROVED"
    if (op === "submit") this.state = this.needed > 0 ? "REQUESTED" : "QUEUED"
    else if (op === "approve") {
      if (state === "APPROVED") return state
      if (state !== "REQUESTED") return "refused"
      this.needed -= 1
      if (this.needed === 0) this.state = "APPROVED"
    } else if (op === "reject") {
      if (!waits) return "refused"
      this.state = "CANCELED"
    } else if (op === "resume") {
      if (state !== "APPROVED" && state !== "QUEUED") return "refused"
      this.state = "QUEUED"
    } else if (op === "cancel") {
      if (!waits && state !== "QUEUED") return "refused"
      if (waits || this.chance() < 0.5) this.state = "CANCELED"
    }
    return this.state
  }

  /** What the runtime does when its time has come. */
  drift(): void {
    const to = this.state === "QUEUED" ? (this.chance() < 0.7 ? "SUCCEEDED" : "FAILED") : "EXPIRED"
    if (!["REQUESTED", "APPROVED", "QUEUED"].includes(this.state)) return
    const [from, into] = [viewOf(this.state), viewOf(to)]
    if (from !== undefined && into !== undefined) this.moves.set(from, (this.moves.get(from) ?? new Set()).add(into))
    this.state = to
  }
}

/** 15 to 60 operations of 3 to 5 clients; a tenth of them hear no answer, and half of these were carried out. */
export const play = (chance: () => number): Played => {
  const subject = new Subject(chance)
  const { needed } = subject
  const operations: Array<Operation> = []
  const clients = Array.from({ length: between(chance, 3, 5) }, () => ({ freeAt: 1 }))
  const wanted = between(chance, 15, 60)
  const due: Array<{ readonly at: number; readonly run: () => void }> = []
  const names = ["read", "read", "approve", "resume", "read", "cancel", "reject", "approve", "resume"] as const
  const patience = chance() * 400
  const ask = (op: Operation["op"], key: string | null, invoked: number, isFirst: boolean): number => {
    const at = invoked + chance() * 10
    const heard = isFirst || chance() > 0.1
    const answered = heard ? at + chance() * 10 : null
    const happens = heard || chance() < 0.5
    due.push({ at, run: () => {
      const answer = happens ? subject.act(op, key) : null
      operations.push({ op, key, task: "t", invoked, answered, answer: heard ? answer : null })
    } })
    return answered ?? invoked + 30
  }
  const firstAt = ask("submit", "k0", 0, true)
  clients.forEach((client) => (client.freeAt = firstAt))
  for (let n = 1; n < wanted; n++) {
    const client = clients[between(chance, 0, clients.length - 1)]
    if (client === undefined) continue
    const invoked = client.freeAt + chance() * 20
    // Ends come late, so that the histories are long: cancel and reject are rare at first.
    const pick = names[between(chance, 0, n < wanted / 3 ? 4 : names.length - 1)] ?? "read"
    client.freeAt = ask(pick, pick === "read" ? null : `k${chance() < 0.2 ? between(chance, 1, n) : n}-${pick}`, invoked, false)
  }
  for (let n = 0; n < 2; n++) due.push({ at: 60 + patience + n * 300 * chance(), run: () => subject.drift() })
  due.toSorted((one, other) => one.at - other.at).forEach(({ run }) => run())
  return { operations, facts: { hidden: subject.moves, needed } }
}

/** The history with one answer that was not given; null when no other answer could be. */
export const withWrongAnswer = ({ facts, operations }: Played, chance: () => number): Played => {
  const answered = operations.filter(({ answer }) => answer !== null)
  const wrong = answered[between(chance, 0, answered.length - 1)]
  const others = vocabulary[wrong?.op ?? "read"].filter((answer) => answer !== wrong?.answer)
  const answer = others[between(chance, 0, others.length - 1)] ?? null
  return { facts, operations: operations.map((operation) => (operation === wrong ? { ...operation, answer } : operation)) }
}
