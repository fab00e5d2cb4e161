/** What a task in Effect needs from the program that embeds Opsgate. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer, Logger, Schema } from "effect"
import { describe, expect, it } from "vitest"
import { Opsgate, Task } from "#opsgate"

class Mailer extends Context.Tag("test/Mailer")<Mailer, { readonly name: string }>() {}

const asked = <R>(task: Task.TaskDefinition<Record<string, never>, string, R>, options: { readonly file: string }) =>
  Effect.flatMap(Opsgate.Opsgate, (opsgate) => Effect.flatMap(opsgate.submit(task, {}), ({ task: id }) => opsgate.result(task, id))).pipe(
    Effect.provide(Layer.provide(Opsgate.layer<R>({ ...options, tasks: [task] }), Logger.remove(Logger.defaultLogger))),
    Effect.scoped
  )

describe("a task that needs something of its program", () => {
  const payload = Schema.Struct({})
  const inFolder = async <A>(use: (file: string) => Promise<A>) => {
    const dir = mkdtempSync(join(tmpdir(), "opsgate-services-"))
    try {
      return await use(join(dir, "ops.db"))
    } finally {
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
    }
  }

  it("gets the services that the program gives it", () =>
    inFolder(async (file) => {
      const task = Task.define("services.mail", { payload }, () => Effect.map(Mailer, ({ name }) => name))
      expect(await Effect.runPromise(asked(task, { file }).pipe(Effect.provideService(Mailer, { name: "of the program" })))).toBe("of the program")
    }))

  it("may leave something to the end of the program, where nothing else is given", () =>
    inFolder(async (file) => {
      const ended: Array<string> = []
      const task = Task.define("services.scope", { payload }, () => Effect.as(Effect.addFinalizer(() => Effect.sync(() => ended.push("left"))), "done"))
      expect(await Effect.runPromise(Effect.tap(asked(task, { file }), (result) => Effect.sync(() => ended.push(result))))).toBe("done")
      expect(ended).toEqual(["left", "done"])
    }))
})
