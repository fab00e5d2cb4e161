/** The rows of docs/storage-faults.md where no server runs: what each sort of verb answers, word for word. */
import { rmSync } from "node:fs"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { storageOf } from "../../src/edge/cli/StorageClient.ts"
import { type AtTheEnd, type Ended, type Home, light, opsgate, program, start, until } from "../edge/cli/Opsgate.ts"
import { disk, remount } from "../disk.ts"
import { canInject, expectKept, fill, noMount, noProtection, noStrace, protect, skipLoudly } from "./Faults.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 60_000 })

const kinds = { report: light(["/bin/true"]) }

interface Cell {
  readonly args: ReadonlyArray<string>
  readonly code: number
  readonly stderr: RegExp
  readonly stdout?: RegExp
}

const submit = ["task", "submit", "report"]
const list = ["task", "list"]
const check = ["ops-summary", "--check"]
const serve = ["serve"]

const lines = (text: string): RegExp => new RegExp(`^opsgate: ${text}\n$`)
const nothing = /^$/
const storeCannot = "the store cannot [a-z ]+: "

const expectRow = async (expect: Expect, run: (args: ReadonlyArray<string>) => Promise<Ended>, cells: ReadonlyArray<Cell>): Promise<void> => {
  for (const { args, code, stderr, stdout = nothing } of cells) {
    const ended = await run(args)
    expect({ args, ...ended }).toMatchObject({ args, code, stderr: expect.stringMatching(stderr), stdout: expect.stringMatching(stdout) })
  }
}
type Expect = (typeof import("vitest"))["expect"]

/** Starts a server that cannot begin, and waits until it has said so. */
const held = async (home: Home, atTheEnd: AtTheEnd) => {
  const server = home.launch(serve)
  atTheEnd(() => server.signal("SIGKILL"))
  await vi.waitFor(async () => {
    const asked = await storageOf(home.socket)
    if (asked === null || asked.length === 0) throw new Error(`no server in trouble: ${server.stderr()}`)
  }, { timeout: 20_000, interval: 50 })
  return server
}

const untilReady = (server: Awaited<ReturnType<typeof held>>) => until("a server that is ready", () => server.stderr().includes("the runtime is ready"))

describe.concurrent("without a server, a disk that is full", () => {
  it("refuses every verb that needs room, in words, and is no obstacle later", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(4000, onTestFinished)
    if (folder === undefined) return skipLoudly(skip, noMount)
    const home = opsgate(onTestFinished, kinds, {}, folder)
    const id = await home.submit("report")
    fill(folder)
    const stderr = lines(`${storeCannot}the disk is full`)
    await expectRow(expect, home.run, [submit, list, check, serve].map((args) => ({ args, code: 1, stderr })))
    rmSync(`${folder}/ballast`)
    await home.serve()
    await home.untilTask(id, "SUCCEEDED")
    await expectKept(home, [id])
  })

  it("after a server was killed: reads answer, /ops says so, and the next server waits for room", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(4000, onTestFinished)
    if (folder === undefined) return skipLoudly(skip, noMount)
    const home = opsgate(onTestFinished, kinds, {}, folder)
    const first = await home.serve()
    const id = await home.submit("report")
    await home.untilTask(id, "SUCCEEDED")
    fill(folder)
    first.signal("SIGKILL")
    await first.ended
    await expectRow(expect, home.run, [
      { args: list, code: 0, stderr: nothing, stdout: /SUCCEEDED/ },
      { args: check, code: 7, stderr: nothing, stdout: /status: degraded\nwhy: storage_full: observed \d+; next: df -h / }
    ])
    const second = await held(home, onTestFinished)
    expect(second.stderr()).not.toContain("the runtime is ready")
    await expectRow(expect, home.run, [{ args: submit, code: 1, stderr: lines(`${storeCannot}the disk is full`) }])
    rmSync(`${folder}/ballast`)
    await untilReady(second)
    await expectKept(home, [id])
  })
})

describe.concurrent("without a server, a disk that is read-only", () => {
  it("answers reads after a server was killed, says so in /ops, and refuses the rest", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(4000, onTestFinished)
    if (folder === undefined) return skipLoudly(skip, noMount)
    const home = opsgate(onTestFinished, kinds, {}, folder)
    const first = await home.serve()
    const id = await home.submit("report")
    await home.untilTask(id, "SUCCEEDED")
    first.signal("SIGKILL")
    await first.ended
    remount(folder, "ro")
    await expectRow(expect, home.run, [
      { args: submit, code: 1, stderr: lines(`${storeCannot}the file or its folder is read-only`) },
      { args: list, code: 0, stderr: nothing, stdout: /SUCCEEDED/ },
      { args: check, code: 7, stderr: nothing, stdout: /status: degraded\nwhy: storage_read_only: observed 1; next: findmnt -T / },
      { args: serve, code: 1, stderr: lines(`${storeCannot}the file or its folder is read-only`) }
    ])
    remount(folder, "rw")
    await home.serve()
    await expectKept(home, [id])
  })
})

describe.concurrent("without a server, a file that may not be written", () => {
  it("is refused by whoever would write it, and starts when it may be written again: nobody waits with a file that is open for reading", async ({ expect, onTestFinished, skip }) => {
    const home = opsgate(onTestFinished, kinds)
    const first = await home.serve()
    const id = await home.submit("report")
    await home.untilTask(id, "SUCCEEDED")
    first.signal("SIGKILL")
    await first.ended
    const undo = protect([home.file, `${home.file}-wal`])
    if (undo === null) return skipLoudly(skip, noProtection)
    onTestFinished(undo)
    const stderr = lines(`${storeCannot}the file or its folder is read-only`)
    await expectRow(expect, home.run, [{ args: submit, code: 1, stderr }, { args: serve, code: 1, stderr }, { args: list, code: 0, stderr: nothing, stdout: /SUCCEEDED/ }])
    undo()
    await home.serve()
    await expectKept(home, [id])
  })
})

describe.concurrent("without a server, a file that another program locks", () => {
  it("refuses changes after five seconds, answers reads, and holds up the start of a server until it is free", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const id = await home.submit("report")
    const stranger = new Database(home.file, { timeout: 5000 })
    onTestFinished(() => void stranger.close())
    stranger.exec("BEGIN EXCLUSIVE")
    await expectRow(expect, home.run, [
      { args: submit, code: 1, stderr: lines(`${storeCannot}another program holds its lock`) },
      { args: list, code: 0, stderr: nothing, stdout: /QUEUED/ },
      { args: check, code: 0, stderr: nothing, stdout: /status: healthy/ }
    ])
    const server = await held(home, onTestFinished)
    expect(server.stderr()).not.toContain("the runtime is ready")
    stranger.exec("COMMIT")
    await untilReady(server)
    await home.untilTask(id, "SUCCEEDED")
  })
})

/** Runs a verb whose system calls fail as asked. */
const failing = (home: Home, what: string, paths: ReadonlyArray<string>) => {
  const [calls = ""] = what.split(":")
  const words = ["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", `trace=${calls}`, ...paths.flatMap((path) => ["-P", path]), "-e", `inject=${what}`]
  return (args: ReadonlyArray<string>): Promise<Ended> => start("strace", [...words, process.execPath, program, ...args], { cwd: home.folder }).ended
}

describe.concurrent("without a server, a disk that reports an error", () => {
  it("on each write refuses changes and nothing else", async ({ expect, onTestFinished, skip }) => {
    if (!canInject) return skipLoudly(skip, noStrace)
    const home = opsgate(onTestFinished, kinds)
    const id = await home.submit("report")
    await expectRow(expect, failing(home, "pwrite64:error=EIO", [home.file, `${home.file}-wal`]), [
      { args: submit, code: 1, stderr: lines(`${storeCannot}the disk reports an error`) },
      { args: list, code: 0, stderr: nothing, stdout: /QUEUED/ },
      { args: check, code: 0, stderr: nothing, stdout: /status: healthy/ }
    ])
    await expectKept(home, [id])
    expect(home.tasks()).toHaveLength(1)
  })

  it("on each sync ends whoever changes something before he answers", async ({ expect, onTestFinished, skip }) => {
    if (!canInject) return skipLoudly(skip, noStrace)
    const home = opsgate(onTestFinished, kinds)
    const id = await home.submit("report")
    const inDoubt = /opsgate: the disk failed to sync a commit; nobody knows whether it is stored\. Start again: the file decides\.\n$/
    await expectRow(expect, failing(home, "fdatasync,fsync:error=EIO", []), [
      { args: submit, code: 1, stderr: inDoubt },
      { args: list, code: 0, stderr: nothing, stdout: /QUEUED/ },
      { args: check, code: 0, stderr: nothing, stdout: /status: healthy/ },
      { args: serve, code: 1, stderr: inDoubt }
    ])
    await expectKept(home, [id])
  })

  it("on each read refuses every verb", async ({ expect, onTestFinished, skip }) => {
    if (!canInject) return skipLoudly(skip, noStrace)
    const home = opsgate(onTestFinished, kinds)
    const id = await home.submit("report")
    const stderr = lines(`${storeCannot}the disk reports an error`)
    await expectRow(expect, failing(home, "pread64:error=EIO", [home.file]), [submit, list, check, serve].map((args) => ({ args, code: 1, stderr })))
    await expectKept(home, [id])
  })
})
