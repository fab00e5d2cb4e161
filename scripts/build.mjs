/** Bundles the product, its supervisor, the gate and the fake of Telegram, as a program and as a module, into dist/, with the type declarations of the public surface. The native SQLite addon stays outside. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const root = fileURLToPath(new URL("..", import.meta.url))

const dist = join(root, "dist")
// Written aside and moved file by file: a program that runs from dist meanwhile finds all of the old or all of the new file.
const fresh = join(root, "dist", `.build-${process.pid}`)
mkdirSync(fresh, { recursive: true })

const split = { minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } }, codeSplitting: { groups: [{ name: "interop", test: /rolldown.runtime/ }] } }
/** As it was written, in one file: a simulation loads it by its text, and its mutants are patches of that. */
const plain = { minify: false, codeSplitting: false }

/**
 * One program at a time, so that none loads what only another needs. Comments and white space go: reading the source is a
 * good part of the start of a short command. Names stay, so that a stack trace can be read.
 */
const build = async (name, input, output = split) => {
  const bundle = await rolldown({
    cwd: root,
    input: { [name]: input },
    platform: "node",
    external: ["better-sqlite3"],
    onLog: (level, log, defaultHandler) => {
      if (level === "warn") throw new Error(`build warning: ${log.message}`)
      defaultHandler(level, log)
    }
  })
  const written = await bundle.write({
    dir: fresh,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: `chunks/${name}-[name]-[hash].js`,
    ...output
  })
  await bundle.close()
  modules[name] = Object.fromEntries(
    [...new Set(written.output.flatMap((chunk) => chunk.moduleIds ?? []))]
      .filter((id) => id.startsWith(join(root, "src/")))
      .map((id) => [id.slice(root.length), createHash("sha256").update(readFileSync(id)).digest("hex")])
      .sort()
  )
}

/** By program, the files of src that it was built from, with their SHA-256: what tells that a simulation plays what is shipped. */
const modules = {}

/**
 * The declarations of src/index.ts. Errors of types are for `npm run types` to report: like the bundler, this one writes what it can,
 * and fails when there is nothing.
 */
const declare = async () => {
  const project = join(fresh, "tsconfig.json")
  const compilerOptions = { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: join(root, "src"), outDir: join(fresh, "types") }
  writeFileSync(project, JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, include: [], files: [join(root, "src/index.ts")] }))
  const said = await new Promise((resolve) => execFile(join(root, "node_modules/.bin/tsc"), ["-p", project], { cwd: root }, (_, stdout, stderr) => resolve(`${stdout}${stderr}`)))
  rmSync(project)
  if (!existsSync(join(fresh, "types/index.d.ts"))) throw new Error(`no declarations were written: ${said}`)
}

await Promise.all([
  build("opsgate", "src/main.ts"),
  build("supervisor", "src/runtime/supervisor/main.ts"),
  build("gate", "gate/main.ts"),
  build("simulation", "gate/simulation/thread.ts"),
  build("index", "src/index.ts"),
  build("image", "src/Image.ts", plain),
  build("telegram-fake", "test/telegram/fake/main.ts"),
  build("telegram-world", "test/telegram/fake/Virtual.ts"),
  declare()
])
chmodSync(join(fresh, "opsgate.js"), 0o755)
// Programs are built side by side and end in any order; what is shipped has to be the same every time.
writeFileSync(join(fresh, "modules.json"), `${JSON.stringify(Object.fromEntries(Object.entries(modules).sort()), null, 1)}\n`)
// What it was built from: the gate lists its components by this.
copyFileSync(join(root, "package-lock.json"), join(fresh, "package-lock.json"))
copyFileSync(join(root, "test/telegram/fake/page.html"), join(fresh, "telegram-fake.html"))
// They go into bundles as they are written, for people to read.
mkdirSync(join(fresh, "verify"))
for (const file of ["recheck.sh", "verify.mjs"]) copyFileSync(join(root, "gate/evidence/verify", file), join(fresh, "verify", file))
// What is loaded into a process beside the product stays as it is.
mkdirSync(join(fresh, "witness"))
for (const name of readdirSync(join(root, "gate/chaos/witness"))) copyFileSync(join(root, "gate/chaos/witness", name), join(fresh, "witness", name))

const files = (dir) => readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dir.length + 1))
const written = files(fresh)
for (const file of written) {
  mkdirSync(dirname(join(dist, file)), { recursive: true })
  renameSync(join(fresh, file), join(dist, file))
}
rmSync(fresh, { recursive: true })
for (const file of files(dist)) if (!written.includes(file) && !file.startsWith(".build-")) rmSync(join(dist, file))
