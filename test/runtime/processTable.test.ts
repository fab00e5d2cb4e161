import { type ChildProcess, spawn } from "node:child_process"
import { copyFileSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import * as ProcessTable from "../../src/runtime/ProcessTable.ts"
import { isEnded, parseStat } from "../../src/runtime/supervisor/ProcStat.ts"
import { folder, home, pidIn, removeHome, runs, until } from "./supervised.ts"

const children: Array<ChildProcess> = []
afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
  removeHome()
})

const run = Effect.runPromise

/** Pids end far below this. */
const noPid = 2 ** 30

const start = (script: string, marker: string | null = null, dir = folder()): { readonly pid: number; readonly dir: string } => {
  const env = { PATH: "/usr/bin:/bin", ...(marker === null ? {} : { OPSGATE_RUN: marker }) }
  const child = spawn("/bin/sh", ["-c", script], { cwd: dir, env, stdio: "ignore" })
  children.push(child)
  return { pid: child.pid ?? 0, dir }
}

const refOf = async (pid: number): Promise<ProcessTable.ProcessRef> => ({ pid, startTicks: Option.getOrThrow(await run(ProcessTable.startTicks(pid))) })

describe("a line of stat", () => {
  const line = (name: string, state = "S") => `42 (${name}) ${state} 1 41 40 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 98765 1000 1 18446744073709551615\n`

  it.each(["", "42", "42 (sleep)", "42 (sleep) S 1 2", line("sleep").replace("98765", "soon")])("is refused when it is not one: %j", (text) => {
    expect(parseStat(text)).toBeUndefined()
  })

  it.each(["sleep", "a b", "a) R 1 2 3 (b", ")", "tmux: server"])("is read behind the name (%s)", (name) => {
    expect(parseStat(line(name))).toEqual({ state: "S", pgrp: 41, startTicks: 98765 })
  })

  it("tells who has ended from who only sleeps or is stopped", () => {
    const ended = ["R", "S", "D", "T", "t", "I", "Z", "X"].filter((state) => {
      const stat = parseStat(line("x", state))
      return stat !== undefined && isEnded(stat)
    })
    expect(ended).toEqual(["Z", "X"])
  })
})

describe("ProcessTable.isAlive", () => {
  it("is false for a pid nobody has", async () => {
    expect(await run(ProcessTable.isAlive({ pid: noPid, startTicks: 1 }))).toBe(false)
    expect(await run(ProcessTable.startTicks(noPid))).toEqual(Option.none())
  })

  it("is false for another process with the same pid", async () => {
    const { startTicks } = await refOf(process.pid)
    expect(await run(ProcessTable.isAlive({ pid: process.pid, startTicks: startTicks - 1 }))).toBe(false)
    expect(await run(ProcessTable.isAlive({ pid: process.pid, startTicks }))).toBe(true)
  })

  it("is false for a zombie", async () => {
    // The shell becomes a sleep that never collects its child.
    const { dir, pid: parent } = start("sleep 0.2 & echo $! >child; exec sleep 30")
    const ref = await refOf(await pidIn(join(dir, "child")))
    expect(await run(ProcessTable.isAlive(ref))).toBe(true)
    await until("the child is a zombie", () => readFileSync(`/proc/${ref.pid}/stat`, "utf8").includes(") Z "))
    expect(await run(ProcessTable.isAlive(ref))).toBe(false)
    process.kill(parent, "SIGKILL")
  })

  it("reads a process with a name made to deceive", async () => {
    const path = join(home, "a) Z 1 (b")
    copyFileSync("/usr/bin/sleep", path)
    const child = spawn(path, ["30"], { stdio: "ignore" })
    children.push(child)
    const pid = child.pid ?? 0
    await until("it has its name", () => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("a) Z"))
    expect(await run(ProcessTable.isAlive(await refOf(pid)))).toBe(true)
  })
})

describe("ProcessTable.findByMarker", () => {
  it("finds the processes of a run with their children, and nobody whose marker only looks alike", async () => {
    const marker = join(home, "marker")
    const { dir, pid } = start("sleep 30 & echo $! >child; wait", marker)
    start("exec sleep 30", `${marker}2`)
    start("exec sleep 30", null)
    const child = await pidIn(join(dir, "child"))
    const found = await run(ProcessTable.findByMarker(marker))
    expect(found.map((one) => one.pid).toSorted()).toEqual([pid, child].toSorted())
    expect(found).toContainEqual(await refOf(child))
    expect(await run(ProcessTable.findByMarker(join(home, "marke")))).toEqual([])
    await run(ProcessTable.endAll(marker, "100 millis"))
  })
})

describe("ProcessTable.signal", () => {
  it("reaches nobody when the start time does not fit", async () => {
    const { pid } = start("exec sleep 30")
    const ref = await refOf(pid)
    expect(await run(ProcessTable.signal({ pid, startTicks: ref.startTicks + 1 }, "SIGKILL"))).toBe(false)
    expect(await run(ProcessTable.signal(ref, "SIGKILL"))).toBe(true)
    await until("it is dead", () => !runs(pid))
    expect(await run(ProcessTable.signal(ref, "SIGKILL"))).toBe(false)
  })
})

describe("ProcessTable.endAll", () => {
  it("ends nobody when nobody has the marker", async () => {
    expect(await run(ProcessTable.endAll(join(home, "nobody"), "1 second"))).toBe(0)
  })

  it("lets them end by themselves first", async () => {
    const marker = join(home, "gentle")
    const { dir, pid } = start("trap 'sleep 0.1; touch cleaned; exit' TERM; echo $$ >ready; while :; do sleep 0.02; done", marker)
    await pidIn(join(dir, "ready"))
    expect(await run(ProcessTable.endAll(marker, "5 seconds"))).toBeGreaterThanOrEqual(1)
    expect(runs(pid)).toBe(false)
    expect(existsSync(join(dir, "cleaned"))).toBe(true)
  })

  it("kills those that do not, and what they started in the meantime, and no stranger", async () => {
    const marker = join(home, "stubborn")
    const stranger = start("exec sleep 30", join(home, "stranger"))
    const heir = "setsid sh -c \"trap '' TERM; echo \\$\\$ >heir; while :; do sleep 0.1; done\" &"
    const { dir, pid } = start(`trap '${heir.replaceAll("'", "'\\''")} ' TERM; echo $$ >ready; while :; do sleep 0.02; done`, marker)
    await pidIn(join(dir, "ready"))
    expect(await run(ProcessTable.endAll(marker, "400 millis"))).toBeGreaterThanOrEqual(2)
    expect(runs(pid)).toBe(false)
    expect(runs(await pidIn(join(dir, "heir")))).toBe(false)
    expect(await run(ProcessTable.findByMarker(marker))).toEqual([])
    expect(runs(stranger.pid)).toBe(true)
  })
})
