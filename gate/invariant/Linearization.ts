/**
 * Whether a concurrent history has an order that one client could have made: each operation takes effect at one instant between its begin
 * and its answer, and one without an answer at any instant after its begin, or never.
 *
 * The search of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993): take any operation that begins before every answer that
 * is still due, carry it out on the model, go on with the rest, and go back where that ends. With the memory of Lowe ("Testing for
 * linearizability", 2017): the same operations carried out with the same task left over are not tried twice.
 */
import type { Operation } from "../History.ts"
import { absent, after, type Facts, isSame, type Model, reachable } from "./TaskModel.ts"

/** `stuck`: the operation of the longest order that could not be continued: where the contradiction shows. */
export type Finding =
  | { readonly _tag: "Linearizable"; readonly nodes: number }
  | { readonly _tag: "Contradiction"; readonly stuck: Operation }
  | { readonly _tag: "Undecided"; readonly nodes: number }

/** So many steps of the search are made for one task. A history as long as a task has it needs about one for each operation. */
export const nodesMax = 20_000

interface Node {
  /** A bit for each operation that was carried out. */
  readonly done: bigint
  readonly model: Model
  readonly depth: number
}

/** An operation, with what the search knows of it from the start. */
interface Entry {
  readonly operation: Operation
  readonly bit: bigint
  /** Whether another operation has its key: then its answer has to be remembered. */
  readonly shared: boolean
}

/** Operations of one task, in any order. */
export const linearize = (operations: ReadonlyArray<Operation>, facts: Facts, most = nodesMax): Finding => {
  const entries = entriesOf(operations)
  const wanted = entries.reduce((mask, { bit, operation }) => (operation.answered === null ? mask : mask | bit), 0n)
  const seen = new Set<string>()
  const stack: Array<Node> = [{ done: 0n, model: absent, depth: 0 }]
  let [nodes, deepest] = [0, { depth: -1, done: 0n }]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if ((node.done & wanted) === wanted) return { _tag: "Linearizable", nodes }
    const name = nameOf(node)
    if (seen.has(name)) continue
    seen.add(name)
    nodes += 1
    if (nodes > most) return { _tag: "Undecided", nodes }
    if (node.depth > deepest.depth) deepest = node
    stack.push(...followers(entries, node, facts).toReversed())
  }
  const stuck = entries.find(({ bit, operation }) => operation.answered !== null && (deepest.done & bit) === 0n)
  return stuck === undefined ? { _tag: "Linearizable", nodes } : { _tag: "Contradiction", stuck: stuck.operation }
}

// By their answers: what is due first comes first, and what was never answered last, since it is tried only when it is needed.
const entriesOf = (operations: ReadonlyArray<Operation>): ReadonlyArray<Entry> => {
  const uses = new Map<string | null, number>()
  for (const { key } of operations) uses.set(key, (uses.get(key) ?? 0) + 1)
  return operations
    .toSorted((one, other) => (one.answered ?? Infinity) - (other.answered ?? Infinity) || one.invoked - other.invoked)
    .map((operation, index) => ({ operation, bit: 1n << BigInt(index), shared: operation.key !== null && (uses.get(operation.key) ?? 0) > 1 }))
}

const followers = (entries: ReadonlyArray<Entry>, { depth, done, model }: Node, facts: Facts): ReadonlyArray<Node> => {
  const left = entries.filter(({ bit }) => (done & bit) === 0n)
  const firstAnswer = left[0]?.operation.answered ?? Infinity
  const open = left.filter(({ operation }) => operation.invoked <= firstAnswer)
  const carried = ({ bit, operation, shared }: Entry, from: Model): ReadonlyArray<Node> =>
    after(from, shared ? operation : { ...operation, key: null }, facts).map((next) => ({ done: done | bit, model: next, depth: depth + 1 }))
  // What changes nothing, here and now, may as well come first: in every order that there is from here it can be put in front.
  for (const entry of open) {
    const [node] = entry.shared || entry.operation.answered === null ? [] : carried(entry, model).filter((next) => isSame(next.model, model))
    if (node !== undefined) return [node]
  }
  const tried = new Set<string>()
  return open.flatMap((entry) => {
    const { operation, shared } = entry
    const unheard = operation.answered === null && !shared
    // Of what nobody heard of, one of a sort is as good as another, and one that would change nothing is not needed.
    if (unheard && tried.has(operation.op)) return []
    if (unheard) tried.add(operation.op)
    return reachable(model.view, facts).flatMap((view) => {
      const from = { ...model, view }
      return carried(entry, from).filter((next) => !unheard || !isSame(next.model, from))
    })
  })
}

const nameOf = ({ done, model: { answers, view, yes } }: Node): string =>
  `${done} ${view} ${yes}${answers.size === 0 ? "" : [...answers].map(([key, answer]) => ` ${key}=${answer}`).toSorted().join("")}`
