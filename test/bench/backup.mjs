/**
 * What a backup does to the commits of a server that stores 1,000 changes a second: p50, p99 and the longest commit without and with
 * it, for the shipped `opsgate backup` and for the ways that it was chosen from. The writer is a process of its own.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { quantile } from "./measure.mjs"

const tasks = Number(process.env.BENCH_TASKS ?? 100_000)
const rate = Number(process.env.BENCH_RATE ?? 1000)
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const program = fileURLToPath(new URL("../../dist/opsgate.js", import.meta.url))
const addon = import.meta.resolve("better-sqlite3")

const ways = {
  "opsgate backup": (file, to) => [program, "backup", to, "--db", file],
  "backup API, one step": (file, to) => ["--input-type=module", "-e", `import D from "${addon}"; const d = new D("${file}", { readonly: true }); await d.backup("${to}", { progress: () => 2 ** 30 }); d.close()`],
  "VACUUM INTO": (file, to) => ["--input-type=module", "-e", `import D from "${addon}"; const d = new D("${file}", { readonly: true }); d.exec("VACUUM INTO '${to}'"); d.close()`]
}

const writer = (file) => {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./backup-writer.mjs", import.meta.url)), file, String(tasks), String(rate)], { stdio: ["pipe", "pipe", "inherit"] })
  const waiting = []
  let text = ""
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    text += chunk
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      waiting.shift()?.(JSON.parse(text.slice(0, end)))
      text = text.slice(end + 1)
    }
  })
  const line = () => new Promise((resolve) => waiting.push(resolve))
  return { ready: line(), cut: () => (child.stdin.write("cut\n"), line()), end: async () => (child.stdin.end(), once(child, "close")) }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const show = (ms) => `p50 ${quantile(ms, 0.5).toFixed(1)}, p99 ${quantile(ms, 0.99).toFixed(1)}, longest ${Math.max(...ms).toFixed(1)} ms`

export const backupBench = async () => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-bench-"))
  try {
    const file = join(folder, "bench.db")
    const { cut, end, ready } = writer(file)
    await ready
    console.log(`${tasks} tasks, ${Math.round(statSync(file).size / 1e6)} MB, ${rate} changes a second`)
    for (let round = 0; round < rounds; round++) {
      for (const [name, words] of Object.entries(ways)) {
        await cut()
        await pause(5000)
        const calm = await cut()
        const startedAt = performance.now()
        const child = spawn(process.execPath, words(file, join(folder, "copy.db")), { stdio: ["ignore", "ignore", "inherit"] })
        const [code] = await once(child, "close")
        const seconds = (performance.now() - startedAt) / 1000
        const busy = await cut()
        const after = (await pause(2000), await cut())
        if (code !== 0) throw new Error(`${name} ended with ${code}`)
        console.log(`${name}: ${seconds.toFixed(1)} s; without: ${show(calm)}; during: ${show(busy)}; after: longest ${Math.max(...after).toFixed(1)} ms; p99 ratio ${(quantile(busy, 0.99) / quantile(calm, 0.99)).toFixed(2)}, ${(busy.length / seconds).toFixed(0)}/s`)
        for (const name of ["copy.db", "copy.db.json"]) rmSync(join(folder, name), { force: true })
      }
    }
    await end()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return true
}
