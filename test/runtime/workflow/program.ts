/**
 * A program that embeds Opsgate, runs the story and ends itself with SIGKILL at one instant: right before or right after a commit, or
 * in the body of a step. The commits are seen from outside, where the driver of the database is asked to commit.
 */
import Database from "better-sqlite3"
import { die, type BodyFault, type Flavour, storyOf } from "./Story.ts"
import { openStory, survive } from "./Survivor.ts"

export interface Orders {
  readonly file: string
  readonly ledger: string
  readonly flavour: Flavour
  /** The commit, from 1, and the side of it on which the process ends. */
  readonly commit: { readonly number: number; readonly when: "before" | "after" } | null
  readonly body: BodyFault | null
}

const orders: Orders = JSON.parse(process.argv[2] ?? "")
let commits = 0

// What is asked of the driver under this name is looked at, and nothing else about it changes.
const prepare: unknown = Reflect.get(Database.prototype, "prepare")
if (typeof prepare !== "function") throw new Error("the driver prepares no statements")
Reflect.set(Database.prototype, "prepare", function(this: unknown, sql: string) {
  const statement: Database.Statement<[]> = Reflect.apply(prepare, this, [sql])
  if (sql !== "COMMIT") return statement
  const run = statement.run.bind(statement)
  statement.run = () => {
    commits += 1
    const { commit } = orders
    if (commit?.number === commits && commit.when === "before") die()
    const done = run()
    if (commit?.number === commits && commit.when === "after") die()
    return done
  }
  return statement
})

const story = storyOf(orders.flavour, orders.ledger, orders.body)
const ops = await openStory(orders.file, story)
await survive(ops, story, orders.flavour, orders.ledger)
await ops.close()
process.stdout.write(String(commits))
