/**
 * The floors of the house. A module may use its own folder and the floors below: never up, never
 * sideways, never in a circle. `docs/ARCHITECTURE.md` draws this; this file is what holds.
 */
const floor = (name, from, may, why) => ({
  name,
  comment: why,
  severity: "error",
  from: { path: from },
  to: { path: "^(src|gate|test|scenarios|scorecards|scripts|evidence)/", pathNot: may }
})

const contract = "domain/|engine/(Engine|Patience|Waiting|Rehearsal|ChatTrouble)\\.ts"

module.exports = {
  forbidden: [
    { name: "no-circles", severity: "error", from: {}, to: { circular: true } },
    // The benches import the shipped bundle, which is not there before the build.
    { name: "resolves", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "/dist/" } },

    floor("domain", "^src/domain/", "^src/domain/", "rules know nothing of storage, network or process"),
    floor("engine", "^src/engine/", "^src/(domain|engine)/", "storage knows the shapes, not who asks"),
    floor("control", "^src/control/", `^src/(${contract}|control/)`, "commands use the engine's contract"),
    floor("runtime", "^src/runtime/", `^src/(${contract}|runtime/)`, "work uses the engine's contract"),
    floor("supervisor", "^src/runtime/supervisor/", "^src/(domain/|runtime/supervisor/)", "it outlives the server and imports next to nothing"),
    floor("cli", "^src/edge/cli/", "^src/(domain/|control/|engine/(Engine|Patience|Rehearsal|ChatTrouble)\\.ts|edge/cli/|Config\\.ts|config\\.schema\\.json)", "an edge translates; it decides nothing"),
    floor("telegram", "^src/edge/telegram/", `^src/(${contract}|control/|engine/ChatStore\\.ts|edge/telegram/|TelegramSettings\\.ts)`, "an edge translates; it decides nothing"),
    {
      name: "telegraf-in-its-edge-only",
      severity: "error",
      from: { path: "^(src|gate)/", pathNot: "^src/edge/telegram/" },
      to: { path: "node_modules/telegraf" }
    },
    floor("product", "^src/", "^src/", "the product does not know that it is judged"),

    floor("gate", "^gate/", "^(gate|scorecards|scenarios|evidence)/", "the gate shares no code with what it judges"),
    floor("measures", "^gate/(kpi|invariant)/", "^gate/(kpi/|invariant/|History\\.ts|Verdict\\.ts)", "a measure reads history and nothing else"),
    floor("scorecard", "^gate/scorecard/", "^(gate/(kpi/|invariant/|scorecard/|History\\.ts|Verdict\\.ts)|scorecards/)", "thresholds and history to result, pure"),
    floor("evidence", "^gate/evidence/", "^(gate/(kpi/|invariant/|scorecard/|evidence/|History\\.ts|Verdict\\.ts)|evidence/)", "evidence records results and checks them; it runs nothing"),

    floor("selftest", "^gate/selftest/", "^gate/(selftest/|evidence/|scorecard/|kpi/|invariant/|History\\.ts|Verdict\\.ts|Progress\\.ts)", "it breaks evidence and judges it; it plays nothing itself"),

    floor("telegram-fake", "^test/telegram/fake/", "^test/telegram/fake/", "the fake shares no code with what talks to it"),
    {
      name: "telegram-fake-on-its-own",
      comment: "no package either: it is judged by nothing but what it says over HTTP, or to a simulation",
      severity: "error",
      from: { path: "^test/telegram/fake/" },
      to: { path: "node_modules/" }
    },
    {
      name: "telegram-world-without-sockets",
      comment: "in a simulation there is no network, file, process or timer but those of the simulation",
      severity: "error",
      from: { path: "^test/telegram/fake/Virtual\\.ts" },
      to: { path: "^(node:)?(child_process|dgram|dns|fs|http|https|http2|inspector|net|os|process|readline|timers|tls|worker_threads)(/|$)", reachable: true }
    },

    {
      name: "sql-in-the-engine-only",
      comment: "a simulation stands between the engine and its storage, and looks at none of it",
      severity: "error",
      from: { path: "^(src|gate)/", pathNot: "^(src/engine/|gate/simulation/Handles\\.ts|gate/chaos/witness/)" },
      to: { path: "node_modules/(@effect/sql|better-sqlite3)" }
    },
    {
      name: "rules-are-pure",
      comment: "no file, network or process below this line",
      severity: "error",
      from: { path: "^(src/domain|gate/kpi|gate/invariant|gate/scorecard)/" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?crypto$" }
    }
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // The peers of the benches have a package of their own, which is not installed with the house. An example project finds the house as whoever installs it.
    exclude: { path: "^test/(bench/peers|projects)/" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true
  }
}
