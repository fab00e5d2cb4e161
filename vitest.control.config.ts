import { defineConfig } from "vitest/config"

// For `opsgate gate`, which runs the tests of scorecards/control-tests.json beside its scenarios: nothing is built here, since they use the program that is judged.
export default defineConfig({
  test: { include: ["test/**/*.test.ts"], pool: "forks", poolOptions: { forks: { singleFork: true } }, isolate: false, testTimeout: 60_000, hookTimeout: 60_000, watch: false }
})
