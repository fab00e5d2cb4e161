/**
 * What goes wrong, and when: rules that strike by chance from a seed, and a queue of faults for the next calls. A fault that
 * strikes before the effect leaves everything as it was; one that strikes after it loses only the answer.
 */
import type { Chance } from "./Chance.ts"
import { badRequest, type Fields, isFields } from "./Wire.ts"

export const faultKinds = {
  /** An answer with `code` and, for 429, `retry_after` in seconds; 5xx come as the HTML page of a proxy. Without effect. */
  error: "before",
  /** The connection is reset before anything happened. */
  reset_before: "before",
  /** The call is carried out, and its answer is lost. */
  reset_after: "after",
  /** The answer comes in pieces, in `ms` altogether. */
  slow: "after",
  /** Nothing is answered for `ms`, whatever timeout was asked for; then the connection ends. Without effect. */
  hang: "before",
  /** The call is carried out; the answer is 200, and not JSON. */
  garbage: "after",
  /** The call is carried out; half of the answer comes, then the connection ends. */
  truncated: "after",
  /** The call waits for `ms` first. Others may strike the same call. */
  latency: "before",
  /** getUpdates: updates come twice, and those of the batch before once more. */
  duplicate: "after",
  /** getUpdates: updates come in another order. */
  reorder: "after"
} as const

export type FaultKind = keyof typeof faultKinds

export interface Fault {
  readonly kind: FaultKind
  readonly code: number
  readonly retry_after: number
  readonly ms: number
}

export interface Rule extends Fault {
  /** `*` for every method. */
  readonly method: string
  readonly probability: number
  /** How many calls it strikes at most; null for no end. */
  left: number | null
  struck: number
}

const isKind = (value: unknown): value is FaultKind => typeof value === "string" && Object.hasOwn(faultKinds, value)

const numberOr = (value: unknown, name: string, fallback: number, most: number): number => {
  if (value === undefined) return fallback
  if (typeof value !== "number" || !(value >= 0 && value <= most)) throw badRequest(`${name} must be a number from 0 to ${most}`)
  return value
}

const fields = ["kind", "method", "probability", "times", "code", "retry_after", "ms"]

export const ruleOf = (value: unknown): Rule => {
  if (!isFields(value)) throw badRequest("a fault is an object")
  const { kind, method } = value
  if (!isKind(kind)) throw badRequest(`kind must be one of ${Object.keys(faultKinds).join(", ")}`)
  const unknown = Object.keys(value).filter((name) => !fields.includes(name))
  if (unknown.length > 0) throw badRequest(`unknown field ${unknown.join(", ")}; there are ${fields.join(", ")}`)
  if (method !== undefined && typeof method !== "string") throw badRequest("method must be a name, or * for every one")
  if ((kind === "duplicate" || kind === "reorder") && method !== undefined && method !== "getUpdates") throw badRequest(`${kind} strikes getUpdates only`)
  return {
    kind,
    method: kind === "duplicate" || kind === "reorder" ? "getUpdates" : method ?? "*",
    probability: numberOr(value["probability"], "probability", 1, 1),
    left: value["times"] === undefined ? null : numberOr(value["times"], "times", 1, 1_000_000),
    code: numberOr(value["code"], "code", 502, 599),
    retry_after: numberOr(value["retry_after"], "retry_after", 1, 3600),
    ms: numberOr(value["ms"], "ms", 1000, 3_600_000),
    struck: 0
  }
}

export interface Faults {
  /** What strikes this call, latencies first, then at most one of the others. */
  readonly strike: (method: string) => ReadonlyArray<Fault>
  readonly set: (rules: ReadonlyArray<Rule>) => void
  /** For the next calls of its method, in order; `times` calls each. */
  readonly enqueue: (rule: Rule) => void
  readonly off: () => void
  readonly state: () => Fields
}

const fits = (rule: Rule, method: string): boolean => rule.left !== 0 && (rule.method === "*" || rule.method.toLowerCase() === method.toLowerCase())

export const makeFaults = (chance: Chance): Faults => {
  let rules: ReadonlyArray<Rule> = []
  let queue: ReadonlyArray<Rule> = []
  let struck: Record<string, number> = {}

  const use = (rule: Rule): Fault => {
    rule.struck++
    if (rule.left !== null) rule.left--
    struck = { ...struck, [rule.kind]: (struck[rule.kind] ?? 0) + 1 }
    return rule
  }

  return {
    strike: (method) => {
      const queued = queue.find((rule) => fits(rule, method))
      if (queued !== undefined) {
        const fault = use(queued)
        queue = queue.filter(({ left }) => left !== 0)
        return [fault]
      }
      // A draw for every rule that fits, so that what one rule does has no part in what the next one draws.
      const drawn = rules.filter((rule) => fits(rule, method) && chance.draw() < rule.probability)
      const first = drawn.find(({ kind }) => kind !== "latency")
      return [...drawn.filter(({ kind }) => kind === "latency"), ...(first === undefined ? [] : [first])].map(use)
    },
    set: (next) => {
      rules = next
    },
    enqueue: (rule) => {
      queue = [...queue, { ...rule, left: rule.left ?? 1 }]
    },
    off: () => {
      rules = []
      queue = []
    },
    state: () => ({ rules: rules.map((rule) => ({ ...rule })), queue: queue.map((rule) => ({ ...rule })), struck })
  }
}
