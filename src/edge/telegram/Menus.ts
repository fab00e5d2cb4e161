/** The menus of commands that the service shows people as they type: each person gets what his roles let him do, strangers get none. */
import { Effect, Schema } from "effect"
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

/**
 * Tells the service the menus that it does not have yet. Best effort, each once: a menu is a convenience, and the service refuses that of
 * somebody who has never spoken to the bot. Answers how many were changed.
 */
export const setMenus = (people: People): Effect.Effect<number, never, BotApi> =>
  Effect.gen(function*() {
    const { call } = yield* BotApi
    const told = (scope: Readonly<Record<string, unknown>>, commands: Menu) =>
      Effect.gen(function*() {
        if (same(yield* call("getMyCommands", { scope }), commands)) return 0
        yield* commands.length === 0 ? call("deleteMyCommands", { scope }) : call("setMyCommands", { scope, commands })
        return 1
      }).pipe(Effect.catchAll((failed) => Effect.as(Effect.logInfo("a menu was not told", { code: failed.code }), 0)))
    const strangers = yield* told({ type: "default" }, [])
    const known = yield* Effect.forEach(menusOf(people), ({ chat, menu }) => told({ type: "chat", chat_id: chat }, menu))
    return known.reduce((count, one) => count + one, strangers)
  })
