/** The first question of every command: may this actor ask for it? Asked before keys are looked up, so that nobody gets somebody else's answer. */
import type { AnyAsk, Command } from "./Command.ts"
import { type Decision, denyCommand } from "./Decision.ts"
import { NotAllowed } from "./Refusal.ts"
import { type AnyOp, mayAsk, roles, rolesFor } from "./Role.ts"
import type { Task } from "./Task.ts"

/** Who asks, as authentication found it. */
export interface Caller {
  readonly actor: string
  /** All by which this person may come, where the actor is a name for them. Names may be changed; whose work it is, and who has said yes, is not. */
  readonly identities?: ReadonlyArray<string>
  readonly roles: ReadonlyArray<string>
}

/** Every role: the owner of the machine while nobody else is known, and the program that embeds Opsgate. */
export const ownerRoles: ReadonlyArray<string> = roles

/** Decides for who may ask; denies it, on record, to everybody else. `task` is the one it is about, if it is about one. */
export const authorized = <A>(command: Command<AnyAsk & { readonly op: AnyOp }>, task: Task | null, decide: () => Decision<A>): Decision<A> => {
  const { actor, ask: { op }, roles: held } = command
  return mayAsk(op, held, task !== null && task.requester === actor)
    ? decide()
    : denyCommand(command, task, new NotAllowed({ op, actor, needs: rolesFor(op) }))
}
