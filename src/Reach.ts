/** Finds who decides about a command: the server that listens, or, where none does, this very process under the lock. */
import { setTimeout } from "node:timers/promises"
import { locate, socketFile } from "./DataDir.ts"
import type { AnyAsk } from "./domain/Command.ts"
import { matrix } from "./domain/Matrix.ts"
import type { How } from "./domain/Plan.ts"
import { send } from "./edge/cli/CommandClient.ts"
import type { Place } from "./edge/cli/Program.ts"
import type { Failed } from "./Launch.ts"

/** How often, and how long after each other, somebody is looked for who decides: a server may be about to listen. */
const pauseMs = matrix.instance_lock.retry.baseMs
const triesMax = matrix.instance_lock.timeoutMs / pauseMs

/** Asks the server; where none listens, `here` decides. `is` knows the answer to such an ask. */
export const reach = async <A extends object>(
  ask: AnyAsk,
  key: string | null,
  place: Place,
  is: (value: unknown) => value is A,
  here: () => Promise<A | Failed>,
  how: How = {}
): Promise<A | Failed> => {
  for (let tries = 1;; tries++) {
    const reply = await send(socketFile(locate(place.config)), ask, key, is, how)
    if (reply._tag === "Granted") return reply.answer
    if (reply._tag === "Refused") return { tag: reply.tag, text: reply.text }
    if (reply._tag === "Broken") return { tag: "Broken", text: reply.why }
    const decided = await here()
    if (!("tag" in decided) || decided.tag !== "InstanceLocked" || tries === triesMax) return decided
    await setTimeout(pauseMs)
  }
}
