/** `npm run bench <name>`: figures as ratios, measured through the shipped bundle. Exits with 1 when one is missed. */
const benches = {
  runtime: async () => (await import("./runtime.mjs")).runtimeBench(),
  workflow: async () => (await import("./workflow.mjs")).workflowBench(),
  queues: async () => (await import("./queues.mjs")).queuesBench(),
  engine: async () => (await import("./engine.mjs")).engineBench(),
  retention: async () => (await import("./retention.mjs")).retentionBench(),
  backup: async () => (await import("./backup.mjs")).backupBench(),
  time: async () => (await import("./time.mjs")).timeBench(),
  ops: async () => (await import("./ops.mjs")).opsBench(),
  summary: async () => (await import("./summary.mjs")).summaryBench(),
  telegram: async () => (await import("./telegram.mjs")).telegramBench()
}

const [name = "engine"] = process.argv.slice(2)
const bench = benches[name]
if (bench === undefined) {
  console.error(`there is no bench ${name}; there are: ${Object.keys(benches).join(", ")}`)
  process.exit(2)
}
process.exitCode = (await bench()) ? 0 : 1
