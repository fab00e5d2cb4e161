/**
 * A process that is killed at any instant of a workflow leaves a file from which the next one goes on rightly: SIGKILL right before
 * and right after every commit, and in every body behind each line that it writes to the outside world.
 */
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { TaskRecord } from "#opsgate"
import type { Step } from "../../../src/domain/Step.ts"
import { breaksOf, bundle, type Ended, logOf, makeHome, start } from "./Home.ts"
import { type Line, linesOf } from "./Ledger.ts"
import type { Orders } from "./program.ts"
import { classes, type Flavour, flavours, stepNames, storyOf } from "./Story.ts"
import { openStory, type Settled, survive } from "./Survivor.ts"

const { folder, home, remove } = makeHome()
let program = ""
beforeAll(async () => {
  program = await bundle(home, "program")
})
afterAll(remove)

/**
 * The commits of a run that nobody disturbs: the epoch and its first heartbeat, the request, the claim, intent and outcome of five
 * steps, the end of the task, the end of the epoch. The mixed one is parked and claimed twice more, and is sent a signal, which it takes.
 */
const plain = 2 + 1 + 1 + 2 * stepNames.length + 1 + 1
const commitsOf = { read: plain, idempotent: plain, atMostOnce: plain, probe: plain, mixed: plain + 2 * 2 + 2 } as const satisfies Record<Flavour, number>

type Fault = Pick<Orders, "commit" | "body">
const named = ({ body, commit }: Fault): string => (commit === null ? `${body?.at} of body ${body?.step}` : `${commit.when} commit ${commit.number}`)

/** How many processes run side by side. */
const atOnce = 4

const forAll = async <A, B>(items: ReadonlyArray<A>, use: (item: A) => Promise<B>): Promise<ReadonlyArray<B>> => {
  const results: Array<B> = []
  let next = 0
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index]
      if (item !== undefined) results[index] = await use(item)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return results
}

interface Told {
  readonly fault: string
  readonly killed: Ended
  readonly task: TaskRecord
  readonly settled: ReadonlyArray<Settled>
  readonly steps: ReadonlyArray<Step>
  readonly ledger: ReadonlyArray<Line>
  readonly file: string
}

/** Runs the story into the fault, and then to its end in another process. */
const told = async (flavour: Flavour, fault: Fault): Promise<Told> => {
  const dir = folder()
  const [file, ledger] = [join(dir, "ops.db"), join(dir, "ledger")]
  const killed = await start(program, { file, ledger, flavour, ...fault } satisfies Orders).ended
  const story = storyOf(flavour, ledger)
  const ops = await openStory(file, story)
  try {
    const { settled, task } = await survive(ops, story, flavour, ledger)
    return { fault: named(fault), killed, task, settled, steps: await ops.steps(task.id), ledger: linesOf(ledger), file }
  } finally {
    await ops.close()
  }
}

const startsOf = (ledger: ReadonlyArray<Line>, name: string) => ledger.filter((line) => line.at === "start" && line.name === name)

/** Every way in which the end of a story is not right. */
const wrongs = (flavour: Flavour, { ledger, file, settled, steps, task }: Told): ReadonlyArray<string> => {
  const found: Array<string> = []
  const wrong = (is: boolean, what: string) => void (is && found.push(what))
  wrong(task.state !== "SUCCEEDED", `it ended ${task.state}: ${JSON.stringify(task.failure)}`)
  const values: Array<string | undefined> = []
  stepNames.forEach((name, index) => {
    const starts = startsOf(ledger, name)
    const step = steps.find((one) => one.name === name)
    const isDangerous = classes[flavour][index] === "atMostOnce" || classes[flavour][index] === "probe"
    wrong(starts.length === 0, `${name} never happened`)
    wrong(isDangerous && starts.length > 1, `${name} is dangerous and began ${starts.length} times`)
    wrong(starts.length > 2, `${name} began ${starts.length} times`)
    wrong(new Set(starts.map(({ key }) => key)).size > 1, `${name} began under other keys`)
    wrong(new Set(starts.map(({ generation }) => generation)).size < starts.length, `${name} began twice under one generation`)
    wrong(step?.dispatchKey !== starts[0]?.key, `${name} was handed another key than the one on record`)
    wrong(step?.state !== "succeeded", `${name} stands as ${step?.state}`)
    wrong(step?.result !== JSON.stringify(starts.at(-1)?.value), `${name} is recorded as ${step?.result}, and answered ${starts.at(-1)?.value}`)
    values.push(starts.at(-1)?.value)
  })
  wrong(task.result !== JSON.stringify(values), `the result is ${task.result}`)
  wrong(settled.length > 1, `it had to be settled ${settled.length} times`)
  found.push(...breaksOf(file))
  const fenced = logOf(file).filter(({ type }) => type === "write.fenced")
  wrong(fenced.length > 0, "a write was refused")
  return found
}

/** Whether a person has to be asked: an intent of a dangerous step without a probe stands without its outcome. */
const openAtMostOnce = (flavour: Flavour, file: string): ReadonlyArray<number> => {
  const open = new Set<number>()
  for (const { payload, type } of logOf(file)) {
    if (type === "epoch.started" && open.size > 0) break
    const step = Number(payload?.["step"])
    if (type === "effect.intent" && classes[flavour][stepNames.findIndex((name) => name === payload?.["name"])] === "atMostOnce") open.add(step)
    if (type === "step.succeeded") open.delete(step)
  }
  return [...open]
}

const check = (flavour: Flavour, all: ReadonlyArray<Told>): void => {
  const problems = all.flatMap((one) => wrongs(flavour, one).map((what) => `killed ${one.fault}: ${what}`))
  assert.deepStrictEqual(problems, [])
  for (const one of all) assert.deepStrictEqual(one.settled.map(({ step }) => step), openAtMostOnce(flavour, one.file), `killed ${one.fault}: what was unknown`)
}

describe("a workflow that is killed", { timeout: 120_000 }, () => {
  for (const flavour of flavours) {
    it(`at every commit ends right, with five steps: ${flavour}`, async () => {
      const points = Array.from({ length: commitsOf[flavour] }, (_, index) => index + 1).flatMap((number) => [{ number, when: "before" } as const, { number, when: "after" } as const])
      const all = await forAll(points, (commit) => told(flavour, { commit, body: null }))
      const alive = all.filter(({ killed }) => killed.signal !== "SIGKILL")
      assert.deepStrictEqual(alive.map(({ fault, killed }) => `${fault}: ${killed.code} ${killed.stderr}`), [])
      check(flavour, all)
      // One commit more is never reached: the enumeration is whole.
      const beyond = await told(flavour, { commit: { number: commitsOf[flavour] + 1, when: "before" }, body: null })
      assert.deepStrictEqual([beyond.killed.code, beyond.killed.stdout], [0, String(commitsOf[flavour])])
      check(flavour, [beyond])
      process.stdout.write(`${flavour}: ${all.length} points at ${commitsOf[flavour]} commits\n`)
    })

    it(`between an effect and its outcome ends right: ${flavour}`, async () => {
      // The other side of the effect is "before commit" of its outcome.
      const points = stepNames.map((_, index) => ({ step: index + 1, at: "start" } as const))
      const all = await forAll(points, (body) => told(flavour, { commit: null, body }))
      assert.deepStrictEqual(all.map(({ killed }) => killed.signal), points.map(() => "SIGKILL" as const))
      check(flavour, all)
    })
  }
})
