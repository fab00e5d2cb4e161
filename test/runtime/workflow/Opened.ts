/** Opsgate in the process of the test, on a file of its own, and what tests look at while it works. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Schema } from "effect"
import { type AsyncContext, isTerminal, Opsgate, Task, type TaskRecord } from "#opsgate"
import { breaksOf, logOf } from "./Home.ts"

export type Client = Awaited<ReturnType<typeof Opsgate.open>>
type Tasks = Opsgate.Options["tasks"]

/** The longest that something may take to come. */
const patienceMs = 15_000

/** Waits until something is there, and fails when it does not come in good time. */
export const until = async <A>(what: string, look: () => Promise<A | undefined | false> | A | undefined | false): Promise<A> => {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() > deadline) throw new Error(`${what}: it did not come`)
    await sleep(2)
  }
}

/** A file in a folder of its own, opened as often as a test likes; all of it goes with the test. */
export const fileFor = (atTheEnd: (act: () => Promise<void>) => void) => {
  const dir = mkdtempSync(join(tmpdir(), "opsgate-run-"))
  const file = join(dir, "ops.db")
  const clients: Array<Client> = []
  atTheEnd(async () => {
    await Promise.all(clients.map((client) => client.close()))
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  return {
    dir,
    file,
    open: async (tasks: Tasks, more: Partial<Opsgate.Options> = {}) => {
      const client = await Opsgate.open({ file, tasks, workers: 4, stopGrace: "50 millis", ...more })
      clients.push(client)
      return client
    },
    events: (type?: string) => logOf(file).filter((event) => type === undefined || event.type === type),
    breaks: () => breaksOf(file)
  }
}

/** Waits until a task stands as wanted. */
export const untilTask = (ops: Client, id: string, what: string, holds: (task: TaskRecord) => boolean): Promise<TaskRecord> =>
  until(what, async () => {
    const task = await ops.get(id)
    return holds(task) && task
  })

/** Waits until a run is parked and waits for this. */
export const parkedFor = (ops: Client, id: string, wait: string): Promise<TaskRecord> =>
  untilTask(ops, id, `a run that waits for ${wait}`, ({ state, waits }) => state === "QUEUED" && waits.includes(wait))

export const unknownOf = (ops: Client, id: string): Promise<TaskRecord> => untilTask(ops, id, "an unknown outcome", ({ unknown }) => unknown !== null)

export const endedBadly = async (ops: Client, id: string): Promise<{ readonly state: string; readonly code: string; readonly error: string }> => {
  const { failure, state } = await untilTask(ops, id, "the end", (task) => isTerminal[task.state])
  return { state, code: failure?.code ?? "", error: failure?.error ?? "" }
}

/** The steps of a task, each in a line. */
export const stepsOf = async (ops: Client, id: string): Promise<ReadonlyArray<string>> =>
  (await ops.steps(id)).map(({ code, name, number, result, state }) => [number, name, state, result ?? code].filter((word) => word !== null).join(" "))

export const signal = (ops: Client, id: string, name: string, payload: string | number | null = null) =>
  ops.command({ op: "signal", task: id, name, payload, reason: null })

/** A gate that a body waits at until the test opens it. */
export const gate = () => {
  const waiting: Array<() => void> = []
  let isOpen = false
  return {
    pass: () => new Promise<void>((resolve) => (isOpen ? resolve() : waiting.push(resolve))),
    open: () => {
      isOpen = true
      waiting.forEach((resolve) => resolve())
    }
  }
}

export const never = new Promise<never>(() => undefined)

export type Code = (ctx: AsyncContext<string>) => Promise<unknown>

/** A task whose code can be changed between two runs, as a new release would. */
export const changing = (first: Code, options: Partial<Task.TaskOptions<string, unknown>> = {}) => {
  let code = first
  const task = Task.defineAsync("changing", { payload: Schema.String, retry: { attempts: 1 }, ...options }, (ctx) => code(ctx))
  return { task, become: (next: Code): void => void (code = next) }
}

/** A task that is one piece of code. */
export const taskOf = (code: Code, options: Partial<Task.TaskOptions<string, unknown>> = {}, name = "one") =>
  Task.defineAsync(name, { payload: Schema.String, retry: { attempts: 1 }, ...options }, code)
