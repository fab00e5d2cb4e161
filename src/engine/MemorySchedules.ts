/** Schedules and their ticks in the reference engine. */
import type { Schedule, ScheduleChange, TickRange, TickRow } from "../domain/Schedule.ts"
import type { Task, TaskId } from "../domain/Task.ts"
import { isTerminal } from "../domain/TaskState.ts"
import { type FoundSchedule, openMax, type SchedulesDue, type WantedSchedule } from "./Engine.ts"

const byName = (one: Schedule, other: Schedule): number => (one.name < other.name ? -1 : 1)

/** `tasks` is where the runs of schedules are looked up. */
export const make = (tasks: ReadonlyMap<TaskId, Task>) => {
  const schedules = new Map<string, Schedule>()
  const ticks = new Map<string, TickRow>()
  const ranges: Array<TickRange> = []

  const store = (change: ScheduleChange) => {
    if (change._tag === "Put") schedules.set(change.schedule.name, change.schedule)
    else if (change._tag === "Range") ranges.push(change.range)
    else ticks.set(`${change.tick.schedule} ${change.tick.nominalMs}`, change.tick)
  }

  const hasTick = ({ nominalMs, schedule }: TickRow): boolean => ticks.has(`${schedule} ${nominalMs}`)

  const ticksOf = (name: string): ReadonlyArray<TickRow> => [...ticks.values()].filter((tick) => tick.schedule === name).sort((a, b) => a.nominalMs - b.nominalMs)

  const found = ({ name, range }: WantedSchedule): FoundSchedule => {
    const schedule = schedules.get(name)
    const within = range ?? { fromMs: (schedule?.cursorMs ?? Infinity) + 1, toMs: Infinity }
    return {
      schedule,
      open: [...tasks.values()].filter((task) => task.schedule?.name === name && !isTerminal[task.state]).sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, openMax),
      ticks: ticksOf(name).filter(({ nominalMs }) => nominalMs >= within.fromMs && nominalMs <= within.toMs)
    }
  }

  const due = (nowMs: number, limit: number): SchedulesDue => {
    const all = [...schedules.values()].sort(byName)
    const dated = all.flatMap(({ dueMs, name }) => (dueMs === null ? [] : [{ dueMs, name }])).sort((a, b) => a.dueMs - b.dueMs)
    return {
      due: dated.filter(({ dueMs }) => dueMs <= nowMs).slice(0, limit).map(({ name }) => name),
      waiting: all.filter(({ waiting }) => waiting.length > 0).slice(0, limit).map(({ name }) => name),
      nextMs: dated[0]?.dueMs ?? null
    }
  }

  return {
    store,
    hasTick,
    found,
    due,
    all: (): ReadonlyArray<Schedule> => [...schedules.values()].sort(byName),
    ticks: (name: string, limit: number): ReadonlyArray<TickRow> => [...ticksOf(name)].reverse().slice(0, limit),
    ranges: (name: string, limit: number): ReadonlyArray<TickRange> =>
      ranges.filter(({ schedule }) => schedule === name).sort((a, b) => b.fromMs - a.fromMs).slice(0, limit)
  }
}
