/**
 * Who is who. A person may come by several channels, each with an identity that the channel vouches for; to the rules he is one actor,
 * so that nobody approves twice by coming from two sides.
 */
import { Either } from "effect"
import { type Caller, ownerRoles } from "./Authorization.ts"
import { isRole, type Role, roles } from "./Role.ts"

/** A person, or a service account, as it is declared. */
export interface PersonEntry {
  /** Channel and name in it, `cli:ada` or `telegram:123456`. */
  readonly identities: ReadonlyArray<string>
  readonly roles: ReadonlyArray<string>
  readonly service: boolean
}

export interface Person {
  readonly name: string
  /** With the roles that roles of the policy stand for. */
  readonly roles: ReadonlyArray<string>
  readonly service: boolean
  readonly identities?: ReadonlyArray<string>
}

/** By identity. Null: nobody is declared, and whoever runs the program on this machine owns it. */
export type People = ReadonlyMap<string, Person> | null

/** Roles by the names that a policy gives them. */
export type RoleNames = ReadonlyMap<string, Role>

/** What a program must not be: whoever says yes, judges or overrides is a person. */
const peopleOnly: ReadonlyArray<string> = ["approver", "reviewer", "admin"]

/** The same with the roles that the names of a policy stand for. */
export const expanded = (held: ReadonlyArray<string>, names: RoleNames): ReadonlyArray<string> => [
  ...new Set(held.flatMap((role) => {
    const base = names.get(role)
    return base === undefined ? [role] : [role, base]
  }))
]

/** Every role that there is. */
export const allRoles = (names: RoleNames): ReadonlyArray<string> => [...ownerRoles, ...names.keys()]

const personOf = (name: string, { identities, roles: held, service }: PersonEntry, names: RoleNames): Either.Either<Person, string> => {
  const unknown = held.find((role) => !isRole(role) && !names.has(role))
  if (unknown !== undefined) return Either.left(`people.${name} has the unknown role ${JSON.stringify(unknown)}; known are: ${[...roles, ...names.keys()].join(", ")}`)
  const all = expanded(held, names)
  const forbidden = service ? all.find((role) => peopleOnly.includes(role)) : undefined
  return forbidden === undefined ? Either.right({ name, roles: all, service, identities }) : Either.left(`people.${name} is a service, which can never be ${forbidden}`)
}

/** Everybody by his identities, or why the declaration makes no sense. */
export const peopleFrom = (entries: Readonly<Record<string, PersonEntry>>, names: RoleNames): Either.Either<ReadonlyMap<string, Person>, string> =>
  Either.gen(function*() {
    const people = new Map<string, Person>()
    for (const [name, entry] of Object.entries(entries)) {
      const person = yield* personOf(name, entry, names)
      for (const identity of entry.identities) {
        const other = people.get(identity)
        if (other !== undefined) return yield* Either.left(`people.${name} has the identity ${identity}, which is ${other.name === name ? "named twice" : `${other.name}'s`}`)
        people.set(identity, person)
      }
    }
    return people
  })

const onlyLooks: ReadonlyArray<string> = ["viewer"]

/** How an identity appears to the rules. Whom nobody names only looks; without any names the user of this machine is its owner. */
export const callerOf = (people: People, names: RoleNames, identity: string): Caller => {
  const person = people?.get(identity)
  if (person !== undefined) return { actor: person.name, roles: person.roles, ...(person.identities === undefined ? {} : { identities: person.identities }) }
  return { actor: identity, roles: people === null && identity.startsWith("cli:") ? allRoles(names) : onlyLooks }
}
