/**
 * Completes package-lock.json after `npm install`. Where a registry does not hold the packages of other platforms, npm leaves
 * them out of the lock without a word and `npm ci` then refuses it. Each is an optional dependency with an exact version, so
 * its entry follows from its name. Run it after every change of the lock, and `npm ci` once behind it.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const file = fileURLToPath(new URL("../package-lock.json", import.meta.url))
const lock = JSON.parse(readFileSync(file, "utf8"))

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"]
const processors = ["arm64", "arm", "armv7", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"]

const partsOf = (name) => name.split(/[/-]/).flatMap((part) => (part.startsWith("arm") && part !== "arm64" ? ["arm"] : part === "ppc64le" ? ["ppc64"] : [part]))

const entryOf = (name, version, dev) => {
  const parts = partsOf(name)
  const os = systems.filter((system) => parts.includes(system))
  const cpu = processors.filter((processor) => parts.includes(processor))
  return { version, ...(cpu.length > 0 ? { cpu } : {}), ...(dev ? { dev: true } : {}), optional: true, ...(os.length > 0 ? { os } : {}) }
}

let added = 0
for (const { dev, optionalDependencies = {} } of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const path = `node_modules/${name}`
    if (lock.packages[path] !== undefined || !/^\d+\.\d+\.\d+/.test(version)) continue
    lock.packages[path] = entryOf(name, version, dev)
    added += 1
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`lock: ${added} packages of other platforms added`)
