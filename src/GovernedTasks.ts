/** The tasks of a program under its policy, and who asks for them. */
import { resolve } from "node:path"
import { Either } from "effect"
import type { Caller } from "./domain/Authorization.ts"
import type { Kind } from "./domain/Kind.ts"
import { allRoles, expanded } from "./domain/People.ts"
import type { PolicyEntry } from "./domain/PolicyEntry.ts"
import { noPolicyFile, policyFrom, type PolicyInForce, readPolicy, undeclaredKind } from "./PolicyFile.ts"
import type { AnyTask } from "./runtime/TaskDefinition.ts"

/** What the client of a program asks with. */
export interface Asking {
  /** Whoever asks, with the roles that names of the policy stand for. Default: the program itself, which may do everything. */
  readonly who: (as: Caller | undefined) => Caller
  /** The kind of a definition under the policy; undefined when the program was not opened with this very definition. */
  readonly kindOf: (task: { readonly kind: Kind }) => Kind | undefined
}

const policyOf = (policy: string | PolicyEntry | undefined): Either.Either<PolicyInForce, string> => {
  if (policy === undefined) return Either.right(noPolicyFile)
  return typeof policy === "string" ? Either.mapLeft(readPolicy(resolve(policy)), (issue) => `${policy}: ${issue}`) : Either.mapLeft(policyFrom(policy), (issue) => `the policy: ${issue}`)
}

/** The same options with tasks under the policy, and what a client asks with; or why the policy cannot be used. */
export const governed = <R, O extends { readonly tasks: ReadonlyArray<AnyTask<R>>; readonly policy?: string | PolicyEntry }>(
  options: O,
  actor: string
): Either.Either<{ readonly options: O; readonly asking: Asking }, string> =>
  Either.gen(function*() {
    const inForce = yield* policyOf(options.policy)
    const names = new Set(options.tasks.map(({ kind }) => kind.name))
    const undeclared = undeclaredKind(inForce, (name) => names.has(name))
    if (undeclared !== null) return yield* Either.left(`the policy: ${undeclared}`)
    const { entry, policy, roles } = inForce
    const kinds = new Map(options.tasks.map(({ kind }) => [kind, entry === null ? kind : { ...kind, policy }]))
    const itself: Caller = { actor, roles: allRoles(roles) }
    return {
      options: { ...options, tasks: options.tasks.map((task) => ({ ...task, kind: kinds.get(task.kind) ?? task.kind })) },
      asking: {
        who: (as) => (as === undefined ? itself : { ...as, roles: expanded(as.roles, roles) }),
        kindOf: ({ kind }) => kinds.get(kind)
      }
    }
  })
