/** What a sequence consists of: the operations of the table, alone or several at once, and what happens to clocks and files. */
import { Effect } from "effect"
import fc from "fast-check"
import type { Decision } from "../../../src/domain/Decision.ts"
import { taskIdFrom } from "../../../src/domain/Ids.ts"
import type { Change } from "../../../src/engine/Engine.ts"
import { versionMax } from "./Declared.ts"
import { flags } from "./Draws.ts"
import { type Drawn, table, type Write } from "./Operations.ts"
import { type Act, type Ending, plainEither, type World } from "./World.ts"

/** One element of a sequence. Playing it tells in words what it came to in this world. */
export interface Move {
  readonly play: (world: World) => { readonly text: () => string; readonly done: Promise<void> }
  readonly [fc.toStringMethod]: () => string
}

const move = (name: string, play: Move["play"]): Move => ({ play, [fc.toStringMethod]: () => name })

const setting = (text: string, set: (world: World) => void): Move =>
  move(text, (world) => {
    set(world)
    return { text: () => text, done: Promise.resolve() }
  })

type Fate = "stays" | "leaves" | "throws" | "unstorable"

/** What becomes of a write that others are asked along with. */
const fate = fc.constantFrom<Fate>("stays", "stays", "stays", "stays", "leaves", "throws", "unstorable")

interface Named extends Drawn {
  readonly name: string
}

const drawn: fc.Arbitrary<Named> = fc.oneof(
  ...Object.entries(table).map(([name, { drawn, weight }]) => ({ weight, arbitrary: drawn.map((value): Named => ({ ...value, name })) }))
)

const textOf = ({ name, text }: Named): string => `${name}(${text()})`

const thrown = (): never => {
  throw new Error("a bug in a rule")
}

// No attempt has such a number: the row is refused after those of the tasks and the steps have been written.
const unstorable = <A>(decision: Decision<A>): Decision<A> => ({
  ...decision,
  attempts: [...decision.attempts, { task: taskIdFrom(0, [0, 0]), number: Number.NaN, generation: 1, code: "", error: "", startedAtMs: null, endedAtMs: 0 }]
})

const spoiledChange = (change: Change<unknown>): Change<unknown> => ({ ...change, rule: (found, now) => unstorable(change.rule(found, now)) })

const spoiled = (write: Write, fate: Fate): Write => {
  const { change } = write
  if (fate === "leaves") return { ...write, left: true }
  if (fate === "stays" || change === undefined) return write
  const throwing = { ...change, rule: thrown }
  const broken = fate === "throws" ? throwing : spoiledChange(change)
  return { broken: true, on: (engine, side) => engine.commit(side === "model" ? throwing : broken) }
}

interface Fated {
  readonly one: Named
  readonly fate: Fate
}

/** What is asked of the world as it stands, without what finds nothing to do. */
const asked = (world: World, all: ReadonlyArray<Fated>) => {
  const some = all.map(({ fate: wanted, one }) => {
    const writes = one.writes(world)
    // Only a change has a rule that can be spoiled.
    const fate = wanted === "leaves" || writes.every(({ change }) => change !== undefined) ? wanted : "stays"
    return { fate, one, acts: writes.map((write): Act => ({ ...spoiled(write, fate), name: one.name })) }
  }).filter(({ acts }) => acts.length > 0)
  return {
    acts: some.flatMap(({ acts }) => acts),
    text: () => some.map(({ fate, one }) => (fate === "stays" ? textOf(one) : `${fate}: ${textOf(one)}`)).join(", ")
  }
}

const staying = (one: Named): Fated => ({ one, fate: "stays" })

// Most operations fit few tasks, so several are drawn, and the first that finds something to do is asked.
const alone = fc.array(drawn, { minLength: 1, maxLength: 5, size: "max" }).map((some) =>
  move("alone", (world) => {
    for (const one of some) {
      const { acts, text } = asked(world, [staying(one)])
      if (acts.length > 0) return { text, done: world.ask(acts) }
    }
    return { text: () => "nothing", done: Promise.resolve() }
  })
)

const together = fc.array(fc.record({ one: drawn, fate }), { minLength: 1, maxLength: 6, size: "max" }).map((all) =>
  move("together", (world) => {
    const { acts, text } = asked(world, all)
    return { text: () => `together(${text()})`, done: world.ask(acts) }
  })
)

type Changing = Pick<Write, "key" | "heard"> & { readonly change: Change<unknown>; readonly broken: boolean }

/** Many changes under one question; the model is not asked those that cannot be stored. */
const bulk = (changes: ReadonlyArray<Changing>): Act => ({
  name: "inBulk",
  parts: changes.map(({ key }) => key ?? null),
  on: (engine, side) => {
    const asked = changes.filter(({ broken }) => side === "file" || !broken).map(({ broken, change }) => (broken ? spoiledChange(change) : change))
    return Effect.map(engine.commitAll(asked), (answers) => {
      const rest = answers.map(plainEither)
      return side === "file" ? rest : changes.map(({ broken }) => (broken ? "broken" : rest.shift()))
    })
  },
  heard: (answers) =>
    changes.forEach(({ heard }, index) => {
      const { granted } = Object(Object(answers)[index])
      if (granted !== undefined) heard?.(granted)
    })
})

const inBulk = fc.array(fc.record({ one: drawn, spoiled: flags }), { minLength: 1, maxLength: 6, size: "max" }).map((all) =>
  move("inBulk", (world) => {
    const some = all.flatMap(({ one, spoiled }) =>
      one.writes(world).flatMap((write) => (write.change === undefined ? [] : [{ ...write, change: write.change, broken: spoiled, one }]))
    )
    const text = () => `inBulk(${some.map(({ broken, one }) => (broken ? `unstorable: ${textOf(one)}` : textOf(one))).join(", ")})`
    return { text, done: world.ask([bulk(some)]) }
  })
)

/** Steps of the clocks; the wall clock may be set back. */
const clocks = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 50 }).map((ms) => ({ wallMs: ms, monoMs: ms })) },
  { weight: 3, arbitrary: fc.integer({ min: 500, max: 30_000 }).map((ms) => ({ wallMs: ms, monoMs: ms })) },
  { weight: 1, arbitrary: fc.integer({ min: 30_000, max: 4_000_000 }).map((ms) => ({ wallMs: ms, monoMs: ms })) },
  { weight: 1, arbitrary: fc.integer({ min: -120_000, max: -1 }).map((ms) => ({ wallMs: ms, monoMs: 0 })) }
).map(({ monoMs, wallMs }) =>
  setting(`clocks(wall ${wallMs} ms, mono ${monoMs} ms)`, ({ clocks }) => {
    clocks.wallMs += wallMs
    clocks.monoMs += monoMs
  })
)

const declare = fc.integer({ min: 1, max: versionMax }).map((version) =>
  setting(`declare(v${version})`, (world) => {
    world.version = version
  })
)

const reopen = fc.record({ ending: fc.constantFrom<Ending>("closed", "crashed"), pending: fc.array(drawn, { maxLength: 3 }) }).map(({ ending, pending }) =>
  move("reopen", (world) => {
    const { acts, text } = asked(world, pending.map(staying))
    return { text: () => `reopen(${ending}, pending: ${text() || "nothing"})`, done: world.reopen(ending, acts) }
  })
)

const look = fc.constant(null).map(() => move("look", (world) => ({ text: () => "look", done: world.look() })))

const one = fc.oneof(
  { weight: 60, arbitrary: alone },
  { weight: 12, arbitrary: together },
  { weight: 3, arbitrary: inBulk },
  { weight: 16, arbitrary: clocks },
  { weight: 2, arbitrary: declare },
  { weight: 2, arbitrary: reopen },
  { weight: 2, arbitrary: look }
)

/** Sequences of up to `movesMax` moves; shrinks to fewer and simpler ones. */
export const sequences = (movesMax: number): fc.Arbitrary<ReadonlyArray<Move>> => fc.noBias(fc.array(one, { maxLength: movesMax, size: "max" }))
