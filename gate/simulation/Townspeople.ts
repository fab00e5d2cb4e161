/** What virtual people do with a task: they ask for it, agree, resume, reject, cancel, and settle what nobody knows, by terminal. */
import { between, type Draw } from "./Chance.ts"
import { type Answer, Terminal } from "./Terminal.ts"
import { approvers, type Person, type Planned } from "./Workspace.ts"
import type { Request } from "../History.ts"
import type { Open, World } from "./World.ts"

/** How often somebody tries to resume what he was refused, and how long he waits in between: until a clock that was set back has caught up. */
const patience = 12
const againMs = 400_000

/** People look round so often. */
const roundMs = 60_000

export const thinking = ({ healed, setting }: World, draw: Draw): number => (healed ? 1000 : between(draw, ...setting.people.think_ms))

/** How many people have to agree. */
export const approvalsOf = { "light.family": 0, "light.leaf": 0, "light.signal": 0, "light.steps": 0, "light.poison": 0, "light.sh": 0, "light.flaky": 0, "light.broken": 0, "heavy.free": 0, "heavy.sh": 1, "heavy.brief": 1, "heavy.flow": 1, "heavy.twice": 2 } as const satisfies Record<Planned["kind"], number>

/** Who may agree, resume, reject and cancel. */
const may: ReadonlySet<Person> = new Set(approvers)

/** Plays one task by terminal, from the request to the last thing that a person does about it. */
export const byTerminal = async (world: World, planned: Planned): Promise<void> => {
  const { books, setting } = world
  const draw = world.chance(`person ${planned.key}`)
  const terminal = new Terminal(world, planned.key)
  await world.wait(planned.atMs)
  const request: Open<Request> = { key: planned.key, kind: planned.kind, class: planned.class, task: null, expect: planned.expect }
  books.requests.push(request)
  const ask = { op: "submit", kind: planned.kind, payload: planned.payload, reason: null, ...(planned.queue === null ? {} : { queue: planned.queue }) }
  // Nothing of it is on record: a task that came of it is one that nobody asked for.
  if (planned.handling === "misfit") await terminal.ask(planned.by, { ...ask, payload: { ...planned.payload, n: "one" } }, `${planned.key}:misfit`, true)
  const asked = await terminal.ask(planned.by, ask, planned.key)
  const task = taskOf(asked)
  request.task = task
  if (task === null) return
  if (draw() * 1_000_000 < setting.people.double_ppm) await again(world, terminal, planned, ask, task, draw)
  const say = async (person: Person, words: Readonly<Record<string, unknown>> & { readonly op: string }, key = `${planned.key}:${words.op}:${person}`, bare = !may.has(person)) => {
    await world.wait(thinking(world, draw))
    const asked = () => terminal.ask(person, { reason: "it is due", ...words, task }, key, bare)
    const answer = await asked()
    if (draw() * 1_000_000 < setting.people.double_ppm) await asked()
    return answer
  }
  if (planned.handling === "signal") return await signalled(world, terminal, planned, task, draw)
  if (planned.handling === "fork") return await forked(world, terminal, planned, task)
  if (approvalsOf[planned.kind] === 0) return
  if (draw() * 1_000_000 < setting.people.stranger_ppm) await say("eve", { op: "approve" })
  if (planned.handling === "leave") return
  if (planned.handling === "reject") return void await say("bob", { op: "reject" })
  if (planned.handling === "early") await say("bob", { op: "resume" }, `${planned.key}:early`)
  await say(planned.by, { op: "approve" })
  await say("bob", { op: "approve" })
  if (planned.handling === "cancel") return void await say("cyd", { op: "cancel" })
  if (planned.handling === "alone") {
    await say("bob", { op: "approve" }, `${planned.key}:alone`, true)
    return void await say("bob", { op: "resume" })
  }
  const second = approvalsOf[planned.kind] === 2
  if (second) await say("cyd", { op: "approve" })
  // An approval lapses when the clock is set: then it is given anew.
  for (let time = 1; (await say(draw() < 0.5 ? "bob" : "cyd", { op: "resume" }, `${planned.key}:resume:${time}`))._tag === "Refused" && time < patience; time++) {
    await world.wait(againMs)
    await say("bob", { op: "approve" }, `${planned.key}:approve:bob:${time}`)
    if (second) await say("cyd", { op: "approve" }, `${planned.key}:approve:cyd:${time}`)
  }
}

/** How long after it was asked for somebody tells a task to go: some before it waits for that, some after. */
const signalMs = [0, 25_000] as const

const signalled = async (world: World, terminal: Terminal, { key }: Planned, task: string, draw: Draw): Promise<void> => {
  await world.wait(between(draw, ...signalMs))
  const tell = (time: number) => terminal.ask("bob", { op: "signal", task, name: "go", payload: null, reason: "it is time" }, `${key}:signal:${time}`)
  await tell(1)
  if (draw() < 0.5) await tell(2)
}

/** The first step that a fork does anew, and what it is looked after for. */
const cut = 2

const forked = async (world: World, terminal: Terminal, { by, class: taskClass, key, kind, payload: { ms, n } }: Planned, task: string): Promise<void> => {
  while (!world.lately().some((event) => event.task === task && ends.has(event.type))) await world.wait(lookMs)
  // What has ended stays so: this has to be refused.
  await terminal.ask("bob", { op: "resume", task, reason: "once more" }, `${key}:resume`)
  const request: Open<Request> = { key: `${key}:fork`, kind, class: taskClass, task: null, expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 } }
  world.books.requests.push(request)
  request.task = taskOf(await terminal.ask(by === "ada" ? "bob" : "cyd", { op: "fork", task, step: cut, payload: { ms, n }, reason: "once more from here" }, request.key))
}

const ends: ReadonlySet<string> = new Set(["task.succeeded", "task.failed", "task.canceled", "task.expired"])
const lookMs = 7000

const taskOf = (answer: Answer): string | null => (answer._tag === "Done" ? String(answer.ok["task"]) : null)

// Once more under the same key, now and then with something else in it.
const again = async (world: World, terminal: Terminal, { by, key, payload }: Planned, ask: Readonly<Record<string, unknown>> & { readonly op: string }, task: string, draw: Draw): Promise<void> => {
  const same = draw() < 0.7
  const answer = await terminal.ask(by, same ? ask : { ...ask, payload: { ...payload, ms: payload.ms + 1 } }, key, !same)
  const exit = answer._tag === "Done" ? 0 : world.exitOf(answer.refused)
  world.books.replays.push({ key, op: ask.op, same_payload: same, exit, task: taskOf(answer), first_task: task })
  world.noted({ class: "replay", must_hit: "stored", hit: [task], witness: { kind: "answer", detail: `exit ${exit}` } })
}

/** Looks for tasks of which nobody knows whether they happened, asks whoever keeps the ledger, and says so. Never ends. */
export const settling = async (world: World): Promise<never> => {
  const draw = world.chance("settling")
  const terminal = new Terminal(world, "settling")
  const settled = new Set<string>()
  for (;;) {
    await world.wait(roundMs)
    for (const { payload, seq, task, type } of world.hear()) {
      if (type !== "task.outcome_unknown" || task === null || settled.has(`${task} ${seq}`)) continue
      settled.add(`${task} ${seq}`)
      const attempt = payload["attempt"]
      // The command may have begun after all, so long as its supervisor was not seen to end.
      const done = world.commands.ledger.some((line) => line.task === task && line.phase === "done" && line.attempt === attempt)
      const person = approvers[Math.floor(draw() * approvers.length)] ?? "bob"
      await terminal.ask(person, { op: "reconcile", task, outcome: done ? "succeeded" : "retry", reason: "looked at its ledger" }, `settle:${task}:${seq}`)
    }
  }
}
