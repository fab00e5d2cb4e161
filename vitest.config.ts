import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/build.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // Files of one process share what they import: to load it anew for each would take a fifth of the time.
    isolate: false,
    // Most of the long ones wait for processes of their own. Two at once also on two cores, where vitest would take one.
    poolOptions: { forks: { minForks: 2, maxForks: 2 } }
  }
})
