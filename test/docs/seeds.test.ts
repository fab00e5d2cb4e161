/** Every acceptance criterion of the seeds that this version is to fulfil is quoted, word for word, in the name of a test. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const criteria = {
  "CP-001": [
    "invalid transition is rejected and logged",
    "terminal states cannot be resumed without explicit recovery action",
    "restart does not mutate state unexpectedly"
  ],
  "CP-002": [
    "`/approve` never dispatches heavy execution",
    "`/resume` dispatches only when gates are satisfied",
    "duplicate `/resume` is safe (no double execution)"
  ],
  "CP-003": [
    "replayed Telegram update does not create duplicate job",
    "duplicate dispatch request becomes no-op",
    "idempotency events are queryable in logs"
  ],
  "CP-005": [
    "subsystem timeouts documented and enforced",
    "transient failures retry with capped budget",
    "no tight restart/retry loops in fault tests"
  ],
  "CP-006": [
    "a single task can be traced end-to-end by `task_id`/trace id",
    "retries, timeouts, and suppressions appear as structured events",
    "latest 500 records are queryable locally"
  ],
  "CP-007": [
    "operator can identify queue health in <10s",
    "stale/running anomalies are visible without log digging"
  ],
  "S0": [
    "healthy baseline",
    "stale lease -> degraded",
    "idempotency conflict -> degraded",
    "dispatch timeout marker -> degraded",
    "/ops format sanity",
    "Operator can run `/ops` and determine health in <10 seconds",
    "Stale lease and conflict conditions are surfaced without log diving",
    "`ops-summary` command returns stable JSON for automation"
  ]
} as const

const root = fileURLToPath(new URL("..", import.meta.url))
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts") && !name.includes("node_modules") && !name.endsWith("seeds.test.ts") || name.endsWith("governance/seeds.test.ts"))
/** What is quoted in the code of tests, without quotation marks: names of tests, also those that stand in tables. Comments do not count. */
const plain = (text: string): string => text.replace(/[`"\\]/g, "")
const quoted = files.flatMap((name) =>
  readFileSync(join(root, name), "utf8").split("\n").filter((line) => !/^\s*(?:\/\/|\*|\/\*)/.test(line))
    .flatMap((line) => [...line.matchAll(/"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g)].map(([text]) => plain(text))))

describe("the acceptance criteria of the seeds", () => {
  it("are looked for in a suite that is there", () => {
    expect(files.length).toBeGreaterThan(80)
    expect(quoted.length).toBeGreaterThan(1000)
  })

  it("have their two commands", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "../package.json"), "utf8"))
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["test-control", "smoke-fast"]))
  })

  for (const [seed, sentences] of Object.entries(criteria)) {
    for (const sentence of sentences) {
      it(`${seed}: ${sentence}`, () => expect(quoted.filter((text) => text.includes(plain(sentence)))).not.toEqual([]))
    }
  }
})
