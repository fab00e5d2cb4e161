/** DBOS on Postgres: workflows with checkpointed steps, called directly, which is its fastest way (a queue is slower). */
import { DBOS } from "@dbos-inc/dbos-sdk"
import { callers, perSecond } from "./measuring.mjs"
import { poolOf, startPostgres } from "./postgres.mjs"

export const name = "dbos"

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: console.error }

const trivial = DBOS.registerWorkflow(
  async (steps) => {
    for (let n = 1; n <= steps; n++) await DBOS.runStep(async () => n, { name: `step-${n}` })
  },
  { name: "trivial" }
)

/** DBOS is one per process: a second setup before the first is closed fails. */
export const setup = async ({ dir }) => {
  const postgres = await startPostgres({ dir })
  if (postgres === null) return null
  const pool = poolOf(postgres, 16)
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: `postgresql://bench@localhost/postgres?host=${encodeURIComponent(postgres.connection.host)}`,
    systemDatabasePool: pool,
    logger: silent,
    enableOTLP: false
  })
  await DBOS.launch()
  const workflow = (steps, count, inFlight) => perSecond(count, () => callers(count, inFlight, () => trivial(steps)))
  return {
    note: `${postgres.durability}; workflows called directly, not through a queue`,
    process: (count, inFlight) => workflow(0, count, inFlight),
    workflow,
    close: async () => {
      await DBOS.shutdown()
      await pool.end()
      await postgres.close()
    }
  }
}
