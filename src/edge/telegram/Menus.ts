/** The menus of commands that the service shows people as they type: each person gets what his roles let him do, strangers get none. */
import { Duration, Effect, Schema } from "effect"
import { matrix } from "../../domain/Matrix.ts"
import type { People } from "../../domain/People.ts"
import { BotApi } from "./BotApi.ts"
import { menuFor } from "./Vocabulary.ts"

const Commands = Schema.Array(Schema.Struct({ command: Schema.String, description: Schema.String }))
const isCommands = Schema.is(Commands)

type Menu = ReturnType<typeof menuFor>

const same = (found: unknown, wanted: Menu): boolean =>
  isCommands(found) && found.length === wanted.length && found.every(({ command, description }, index) => command === wanted[index]?.command && description === wanted[index]?.description)

/** The people whom the service knows, by their number, with their menus. */
export const menusOf = (people: People): ReadonlyArray<{ readonly chat: number; readonly menu: Menu }> =>
  [...people ?? []].flatMap(([identity, { roles }]) => {
    const [, number] = /^telegram:(\d{1,16})$/.exec(identity) ?? []
    return number === undefined ? [] : [{ chat: Number(number), menu: menuFor(roles) }]
  })

export interface Menus {
  /** Tells the service the menus that it does not have yet, each once. Answers how many were changed. */
  readonly all: Effect.Effect<number>
  /** Somebody speaks to the bot in this private chat: where the service had refused his menu it is told now. */
  readonly met: (chat: string) => Effect.Effect<void>
}

/** Best effort: a menu is a convenience, and the service refuses that of somebody who has never spoken to the bot. */
export const menus = (people: People): Effect.Effect<Menus, never, BotApi> =>
  Effect.map(BotApi, ({ call }) => {
    const tell = (scope: Readonly<Record<string, unknown>>, commands: Menu) =>
      Effect.gen(function*() {
        if (same(yield* call("getMyCommands", { scope }), commands)) return 0
        yield* commands.length === 0 ? call("deleteMyCommands", { scope }) : call("setMyCommands", { scope, commands })
        return 1
      }).pipe(
        Effect.timeoutFail({ duration: Duration.millis(matrix.telegram_send.timeoutMs), onTimeout: () => ({ code: "timeout" }) }),
        Effect.catchAll(({ code }) => Effect.as(Effect.logInfo("a menu was not told", { code }), null))
      )
    const untold = new Map(menusOf(people).map(({ chat, menu }) => [String(chat), menu]))
    const toldTo = (chat: string): Effect.Effect<number> => {
      const menu = untold.get(chat)
      if (menu === undefined) return Effect.succeed(0)
      untold.delete(chat)
      return Effect.map(tell({ type: "chat", chat_id: Number(chat) }, menu), (changed) => {
        if (changed === null) untold.set(chat, menu)
        return changed ?? 0
      })
    }
    return {
      all: Effect.gen(function*() {
        const strangers = yield* tell({ type: "default" }, [])
        const known = yield* Effect.forEach([...untold.keys()], toldTo)
        return known.reduce((count, one) => count + one, strangers ?? 0)
      }),
      met: (chat) => Effect.asVoid(toldTo(chat))
    }
  })
