/** Bundles the product, its supervisor, the gate and the fake of Telegram into dist/, with the type declarations of the public surface. The native SQLite addon stays outside. */
import { execFile } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

const root = fileURLToPath(new URL("..", import.meta.url))

const dist = join(root, "dist")
// Written aside and moved file by file: a program that runs from dist meanwhile finds all of the old or all of the new file.
const fresh = join(root, "dist", `.build-${process.pid}`)
mkdirSync(fresh, { recursive: true })

/**
 * One program at a time, so that none loads what only another needs. Comments and white space go: reading the source is a
 * good part of the start of a short command. Names stay, so that a stack trace can be read.
 */
const build = async (name, input) => {
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
  await bundle.write({
    dir: fresh,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: `chunks/${name}-[name]-[hash].js`,
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    codeSplitting: { groups: [{ name: "interop", test: /rolldown.runtime/ }] }
  })
  await bundle.close()
}

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
  build("index", "src/index.ts"),
  build("telegram-fake", "test/telegram/fake/main.ts"),
  declare()
])
chmodSync(join(fresh, "opsgate.js"), 0o755)
copyFileSync(join(root, "test/telegram/fake/page.html"), join(fresh, "telegram-fake.html"))

const files = (dir) => readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dir.length + 1))
const written = files(fresh)
for (const file of written) {
  mkdirSync(dirname(join(dist, file)), { recursive: true })
  renameSync(join(fresh, file), join(dist, file))
}
rmSync(fresh, { recursive: true })
for (const file of files(dist)) if (!written.includes(file) && !file.startsWith(".build-")) rmSync(join(dist, file))
