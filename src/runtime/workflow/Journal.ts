/**
 * What earlier runs of a task kept, by place, and whether the code still asks for the same in the same order. A place is the scope
 * (the run or a branch) and the index in it; the name that stands there has to be the one that was recorded.
 */
import type { Step, StepSort } from "../../domain/Step.ts"

/** One line of execution: the run, or a branch of it. */
export interface Scope {
  readonly path: string
  /** Index of the next place. */
  next: number
  /** How many values the code drew here since the last place. */
  draws: number
  /** What the next place is stored with: the values that whatever comes there may have been built on, each with its address. */
  drawn: Array<readonly [address: string, value: Drawn]>
  /** The scope that this one is a branch of. */
  readonly parent: Scope | null
}

/** A value that the code drew: now, chance, a UUID. */
export type Drawn = number | string

export const rootScope = (path = ""): Scope => ({ path, next: 0, draws: 0, drawn: [], parent: null })

// A branch is built on what was drawn before it, and what comes behind the branches on what they drew.
const branchOf = (parent: Scope, path: string): Scope => ({ path, next: 0, draws: 0, drawn: [...parent.drawn], parent })

/** A place that the code has come to. */
export interface Place {
  readonly scope: string
  readonly index: number
  readonly name: string
  readonly number: number
  /** JSON of what was drawn before it. */
  readonly drawn: string
  readonly known: Step | undefined
  /** Whether something was recorded behind it: then its outcome has been built on. */
  readonly builtOn: boolean
}

/** The code does not ask for what was recorded. The message says what stands where. */
export interface Mismatch {
  readonly code: "replay_mismatch" | "step_name_taken" | "step_name_unfit" | "step_unfit"
  readonly error: string
}

export interface Journal {
  readonly enter: (scope: Scope, name: string, sort: StepSort) => Place | Mismatch
  /** Comes to a place that only opens branches, and answers the scope of each. */
  readonly branch: (scope: Scope) => ((branch: number) => Scope) | Mismatch
  /** The value at this point, if it was recorded. */
  readonly drawnBefore: (scope: Scope) => Drawn | undefined
  /** Takes note of the value at this point; the next draw is at the next one. */
  readonly draw: (scope: Scope, value: Drawn) => void
  /** Recorded steps that the code did not come to. */
  readonly unvisited: () => ReadonlyArray<Step>
}

const names = /^[\p{L}\p{N}][\p{L}\p{N} ._:/#@+-]{0,99}$/u
const unfit = (name: string): Mismatch => ({
  code: "step_name_unfit",
  error: `a step is named by 1 to 100 letters, digits, blanks and . _ : / # @ + -, beginning with a letter or digit; this name does not fit: ${JSON.stringify(name).slice(0, 120)}`
})
const taken = (name: string): Mismatch => ({
  code: "step_name_taken",
  error: `two steps of one run are named ${JSON.stringify(name)}; in a loop give each a name of its own, for example \`${name} \${index}\``
})

const isDrawn = (pair: unknown): pair is readonly [string, Drawn] =>
  Array.isArray(pair) && typeof pair[0] === "string" && (typeof pair[1] === "number" || typeof pair[1] === "string")

const drawnWith = ({ drawn }: Step): ReadonlyArray<readonly [string, Drawn]> => {
  if (drawn === "[]") return []
  const pairs: unknown = JSON.parse(drawn)
  return Array.isArray(pairs) ? pairs.filter(isDrawn) : []
}

const addressIn = ({ draws, next, path }: Scope): string => `${path}#${next}.${draws}`

export const isMismatch = (found: object): found is Mismatch => "error" in found

/** A run that begins has nothing recorded, and most have few steps: what a replay needs is not made for them. */
const nothingRecorded = {
  at: new Map<string, Step>(),
  byName: new Map<string, Step>(),
  /** A step of the branches that stood at a place. */
  inBranches: new Map<string, Step>(),
  /** The last place in a scope at which, or in whose branches, something was recorded. */
  lastIn: new Map<string, number>(),
  drawn: new Map<string, Drawn>()
}

/** The place whose branch a scope is. */
const placeOf = (path: string): { readonly scope: string; readonly index: number } | null => {
  const found = /^(.*\/)?(\d+)\.\d+\/$/.exec(path)
  return found === null ? null : { scope: found[1] ?? "", index: Number(found[2]) }
}

const indexed = (steps: ReadonlyArray<Step>): typeof nothingRecorded => {
  if (steps.length === 0) return nothingRecorded
  const at = new Map(steps.map((step) => [`${step.scope}#${step.index}`, step]))
  const byName = new Map(steps.map((step) => [step.name, step]))
  const inBranches = new Map<string, Step>()
  const lastIn = new Map<string, number>()
  for (const step of steps) {
    for (let place: ReturnType<typeof placeOf> = step; place !== null; place = placeOf(place.scope)) {
      lastIn.set(place.scope, Math.max(lastIn.get(place.scope) ?? -1, place.index))
      if (place !== step) inBranches.set(`${place.scope}#${place.index}`, step)
    }
  }
  return { at, byName, inBranches, lastIn, drawn: new Map(steps.flatMap(drawnWith)) }
}

export const make = (steps: ReadonlyArray<Step>): Journal => {
  const { at, byName, drawn: recorded, inBranches, lastIn } = indexed(steps)
  const visited = new Set<Step>()
  const used = new Set<string>()
  let last = steps.reduce((highest, { number }) => Math.max(highest, number), 0)

  const differs = (there: Step, name: string): Mismatch => {
    const elsewhere = byName.get(name)
    const where = elsewhere === undefined ? "which was never recorded: it was renamed or put in between" : `which was recorded as step ${elsewhere.number}: the order has changed`
    return {
      code: "replay_mismatch",
      error: `step ${there.number} was ${JSON.stringify(there.name)} when this run began; the code now asks there for ${JSON.stringify(name)}, ${where}. Restore the code and recover the task, or fork it at ${there.number}`
    }
  }

  const branched = (step: Step, name: string): Mismatch => ({
    code: "replay_mismatch",
    error: `there were branches when this run began, with step ${step.number} ${JSON.stringify(step.name)} in one of them; the code now asks there for ${JSON.stringify(name)}. Restore the code and recover the task, or fork it at ${step.number}`
  })

  // What stands behind branches was built on all of them.
  const isBuiltOn = (scope: string, index: number): boolean => {
    if ((lastIn.get(scope) ?? -1) > index) return true
    const place = placeOf(scope)
    return place !== null && isBuiltOn(place.scope, place.index)
  }

  return {
    enter: (scope, name, sort) => {
      const index = scope.next++
      const drawn = scope.drawn.length === 0 ? "[]" : JSON.stringify(scope.drawn)
      scope.drawn = []
      scope.draws = 0
      if (!names.test(name)) return unfit(name)
      if (used.has(name)) return taken(name)
      used.add(name)
      const known = at.get(`${scope.path}#${index}`)
      if (known === undefined) {
        const instead = inBranches.get(`${scope.path}#${index}`)
        return instead === undefined ? { scope: scope.path, index, name, number: ++last, drawn, known, builtOn: false } : branched(instead, name)
      }
      if (known.name !== name) return differs(known, name)
      if (known.sort !== sort) {
        return { code: "replay_mismatch", error: `step ${known.number} ${JSON.stringify(name)} was a ${known.sort} step when this run began, and is a ${sort} step now` }
      }
      visited.add(known)
      return { scope: scope.path, index, name, number: known.number, drawn: known.drawn, known, builtOn: isBuiltOn(scope.path, index) }
    },
    branch: (scope) => {
      const index = scope.next++
      scope.draws = 0
      const known = at.get(`${scope.path}#${index}`)
      if (known !== undefined) return differs(known, "branches")
      return (branch) => branchOf(scope, `${scope.path}${index}.${branch}/`)
    },
    drawnBefore: (scope) => recorded.get(addressIn(scope)),
    draw: (scope, value) => {
      const pair = [addressIn(scope), value] as const
      scope.draws += 1
      for (let line: Scope | null = scope; line !== null; line = line.parent) line.drawn.push(pair)
    },
    unvisited: () => steps.filter((step) => !visited.has(step) && !step.scope.startsWith("undo"))
  }
}
