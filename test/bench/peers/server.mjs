/** A database server as a child process: found, started, and ended by its own pid. */
import { spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { pause } from "./measuring.mjs"

/** The first executable file of that name in the folders, or undefined. */
export const executable = (name, folders = (process.env.PATH ?? "").split(delimiter)) =>
  folders.map((folder) => join(folder, name)).find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** Starts a child whose last words are kept for the error message. */
export const child = (file, args, options = {}) => {
  // A group of its own: a Ctrl-C ends the bench, which closes its clients first and the server afterwards.
  const server = spawn(file, args, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] })
  let words = ""
  const listen = (chunk) => {
    words = `${words}${chunk}`.slice(-4000)
  }
  server.stdout.on("data", listen)
  server.stderr.on("data", listen)
  const ended = new Promise((resolve) => {
    server.once("error", (error) => resolve({ code: null, words: error.message }))
    server.once("close", (code) => resolve({ code, words }))
  })
  // The last resort, for an exit that waits for nothing.
  const now = () => server.kill("SIGQUIT")
  process.once("exit", now)
  void ended.then(() => process.removeListener("exit", now))
  return { server, ended }
}

/** Resolves when `answers` does; rejects with the server's last words when it ends before. */
export const ready = async ({ ended }, answers) => {
  let gone
  ended.then((how) => {
    gone = how
  })
  let why
  for (let attempt = 0; attempt < 600; attempt++) {
    if (gone !== undefined) throw new Error(`the server ended at once: ${gone.words.trim()}`)
    try {
      return await answers()
    } catch (error) {
      why = error
      await pause(50)
    }
  }
  throw new Error(`the server did not answer within 30 s: ${why.message}`)
}

/** Asks the server to end, more firmly each five seconds, and waits until it did. */
export const end = async ({ ended, server }, [signal, ...firmer]) => {
  server.kill(signal)
  const impatient = firmer.map((next, n) => setTimeout(() => server.kill(next), 5000 * (n + 1)))
  await ended
  for (const timer of impatient) clearTimeout(timer)
}
