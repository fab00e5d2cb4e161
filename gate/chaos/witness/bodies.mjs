/**
 * Loaded into a server beside the product (`node --import`): counts where the code of a project begins. It stands between the code and
 * `opsgate`, so what it sees does not depend on what the runtime keeps: each time the body of a step begins, and each time that code acts on
 * the world outside, in a step or between steps, by a file that is opened for writing, a program that is started, or a request over HTTP.
 * Sleeps are cut short, so that a run ends.
 *
 * The query of its address has `acts` and `ledger`, to which the lines go, `home`, the folder of the project, `data`, the folder of the
 * product in it, whose files are not looked at, and `wrapper`, through which commands are started so that they write into the ledger themselves.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import children from "node:child_process"
import fs from "node:fs"
import http from "node:http"
import https from "node:https"
import { register, syncBuiltinESMExports } from "node:module"
import { join, relative, resolve, sep } from "node:path"
import { fileURLToPath } from "node:url"

const settings = new URL(import.meta.url).searchParams
const [acts, ledger, home, data, wrapper] = ["acts", "ledger", "home", "data", "wrapper"].map((name) => settings.get(name) ?? "")
const { openSync, readFileSync, writeSync } = fs
const [actsTo, ledgerTo] = [openSync(acts, "a"), openSync(ledger, "a")]

const tell = (line) => void writeSync(actsTo, `${JSON.stringify(line)}\n`)
const upMs = () => Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000)
const enter = (phase, { attempt, generation, key, task }) =>
  void writeSync(ledgerTo, `${JSON.stringify({ phase, task, dispatch_key: key, attempt, generation, pid: process.pid, mono_ms: upMs() })}\n`)

// Where code is: in a step, or between two; null: the runtime is at work, or the code of a probe.
const where = new AsyncLocalStorage()
// Code in Effect is carried from turn to turn by the runtime: the last body that began is taken for where it is.
let lastBody = null
let passes = 0
const pass = () => `${process.pid}.${++passes}`

/** What was done, at the place where the code is. `sort` says what a repeat of it comes to; `keyed`, that it carried the key of its step. */
const acted = (what, sort, words) => {
  const at = where.getStore() === undefined ? lastBody : where.getStore()
  if (at === null || at === undefined) return
  const keyed = at.key !== null && words.some((word) => word.includes(at.key))
  tell({ task: at.task, place: at.place, step: at.key !== null, pass: at.pass, n: at.n++, what, sort, keyed })
}

// ---- the world outside

// What a function of node does with others of node is one act.
let depth = 0
const observed = (owner, name, look) => {
  const call = owner[name]
  if (typeof call !== "function") return
  owner[name] = function(...given) {
    if (depth === 0) look(given)
    depth += 1
    try {
      return call.apply(this, given)
    } finally {
      depth -= 1
    }
  }
}

const textOf = (value) => (typeof value === "string" ? value : Buffer.isBuffer(value) || value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : "")
const flagOf = (options, otherwise) => (typeof options === "object" && options !== null ? options.flag ?? options.flags ?? otherwise : otherwise)

const written = (path, flag, content) => {
  if (typeof path !== "string" && !Buffer.isBuffer(path) && !(path instanceof URL)) return
  const flags = typeof flag === "string" ? flag : "r"
  if (!/[wa+]/.test(flags)) return
  const file = resolve(path instanceof URL ? fileURLToPath(path) : String(path))
  if (file === data || file.startsWith(data + sep) || file.startsWith("/dev/")) return
  const own = relative(home, file)
  acted(`${flags.startsWith("a") ? "appends to" : "writes"} ${own.startsWith("..") ? file : own}`, flags.startsWith("a") ? "append" : "replace", [textOf(content), file])
}

for (const owner of [fs, fs.promises]) {
  for (const end of ["", "Sync"]) {
    observed(owner, `appendFile${end}`, ([path, content]) => written(path, "a", content))
    observed(owner, `writeFile${end}`, ([path, content, options]) => written(path, flagOf(options, "w"), content))
    observed(owner, `open${end}`, ([path, flags]) => written(path, flags, ""))
  }
}

const started = ([program, args, options]) => {
  const words = [program, ...(Array.isArray(args) ? args : []), ...Object.values((Array.isArray(args) ? options : args)?.env ?? {})].map(String)
  acted(`starts ${String(program).trim().split(/\s/)[0]}`, "program", words)
}
for (const name of ["spawn", "exec", "execFile", "fork", "spawnSync", "execSync", "execFileSync"]) observed(children, name, started)

/** RFC 9110, section 9.2: what is safe changes nothing, and what is idempotent comes to the same a second time. */
const sortOf = (method) => (/^(GET|HEAD|OPTIONS|TRACE|QUERY)$/.test(method) ? "safe" : /^(PUT|DELETE)$/.test(method) ? "replace" : "request")
// A key of its own that a request carries is what the other side tells a repeat by (draft-ietf-httpapi-idempotency-key-header).
const asked = (method, url, headers, words) => {
  const own = headers.some(([name]) => name.toLowerCase() === "idempotency-key")
  acted(`${method} ${url}`, own ? "keyed" : sortOf(method), [...words, ...headers.map(([, value]) => String(value))])
}

const requesting = (owner, protocol) => {
  for (const name of ["request", "get"]) {
    const call = owner[name]
    owner[name] = (...given) => {
      const made = call.apply(owner, given)
      const [at, sent] = [where.getStore(), []]
      const end = made.end
      const write = made.write
      const about = () => asked(made.method, `${protocol}://${made.getHeader("host") ?? made.host}${made.path.split("?")[0]}`, Object.entries(made.getHeaders()), [made.path, ...sent])
      if (name === "get") about()
      made.write = (chunk, ...more) => (sent.push(textOf(chunk)), write.call(made, chunk, ...more))
      made.end = (...last) => {
        sent.push(textOf(last[0]))
        if (name !== "get") where.run(at, about)
        return end.apply(made, last)
      }
      return made
    }
  }
}
requesting(http, "http")
requesting(https, "https")

const { fetch } = globalThis
globalThis.fetch = (input, init = {}) => {
  const request = input instanceof Request ? input : null
  const url = new URL(typeof input === "string" ? input : input instanceof URL ? input.href : input.url)
  const headers = [...new Headers(init.headers ?? request?.headers ?? [])]
  asked((init.method ?? request?.method ?? "GET").toUpperCase(), `${url.origin}${url.pathname}`, headers, [url.href, textOf(init.body)])
  return fetch(input, init)
}

syncBuiltinESMExports()

// ---- the code of the project

const longestMs = 20

const runtime = (ctx, name, words) => where.exit(() => {
  lastBody = null
  return ctx[name](...words)
})

const known = new Set()
const declare = (line) => {
  const text = JSON.stringify(line)
  if (!known.has(text)) tell(line)
  known.add(text)
}

const stepDeclared = (kind, step, { effect, probe, timeout }) =>
  declare({ declared: "step", kind, step: String(step), effect: String(effect), timeout: timeout !== undefined, probe: typeof probe === "function" })

const begun = (task, name, step) => {
  const at = { task, place: `step "${name}"`, key: step.dispatchKey, attempt: step.attempt, generation: step.generation, pass: pass(), n: 0 }
  enter("start", at)
  tell({ task, place: at.place, step: true, pass: at.pass, n: -1, what: null, sort: "begins", keyed: false })
  return at
}

const asideOf = (call) => (typeof call === "function" ? (...words) => where.run(null, () => call(...words)) : call)

/** The context of a run, each member of which is called as the runtime, and each body as a place of its own. */
const contextOf = (ctx, kind, run, isAsync) => {
  const after = (name, promise) => {
    if (isAsync) promise.then(() => Object.assign(run, { place: `behind ${name}`, n: 0 }), () => undefined)
    return promise
  }
  const members = {
    step: (name, options, body) => {
      if (typeof options !== "object" || options === null || typeof body !== "function") return runtime(ctx, "step", [name, options, body])
      stepDeclared(kind, name, options)
      const seen = (step) => {
        const at = begun(ctx.task, name, step)
        if (!isAsync) {
          lastBody = at
          return body(step)
        }
        return where.run(at, async () => {
          const value = await body(step)
          enter("done", at)
          return value
        })
      }
      const more = { ...options, ...(options.probe === undefined ? {} : { probe: asideOf(options.probe) }), ...(options.compensate === undefined ? {} : { compensate: asideOf(options.compensate) }) }
      return after(`step "${name}"`, runtime(ctx, "step", [name, more, seen]))
    },
    exec: (name, options) => {
      if (!Array.isArray(options?.argv)) return runtime(ctx, "exec", [name, options])
      stepDeclared(kind, name, { ...options, probe: undefined })
      tell({ declared: "command", kind, step: String(name) })
      return after(`step "${name}"`, runtime(ctx, "exec", [name, { ...options, argv: ["/bin/sh", wrapper, ...options.argv] }]))
    },
    sleep: (name, duration) => after(`sleep "${name}"`, runtime(ctx, "sleep", [name, typeof duration === "number" && duration < longestMs ? duration : `${longestMs} millis`])),
    waitFor: (name, options) => after(`signal "${name}"`, runtime(ctx, "waitFor", [name, options])),
    child: (name, of, payload) => after(`child "${name}"`, runtime(ctx, "child", [name, of, payload])),
    all: (branches, options) => after("branches", runtime(ctx, "all", [Array.isArray(branches) ? branches.map((branch) => (inner) => placed(inner, kind, isAsync, branch)) : branches, options])),
    artifact: (name, content) => after(`artifact "${name}"`, runtime(ctx, "artifact", [name, content]))
  }
  return new Proxy(ctx, {
    get: (target, name) => {
      if (typeof name === "string" && Object.hasOwn(members, name)) return members[name]
      const value = Reflect.get(target, name)
      return typeof value === "function" ? (...words) => runtime(target, name, words) : value
    }
  })
}

const placed = (ctx, kind, isAsync, body) => {
  const run = { task: ctx.task, place: "before its first step", key: null, pass: pass(), n: 0 }
  const seenContext = contextOf(ctx, kind, run, isAsync)
  return isAsync ? where.run(run, () => body(seenContext)) : body(seenContext)
}

const examplesOf = (schema) => {
  const found = schema?.ast?.annotations?.[Symbol.for("effect/annotation/Examples")]
  if (Array.isArray(found) && found.length > 0) return found[0]
  // Only the empty object fits a struct without members.
  return typeof schema?.fields === "object" && Object.keys(schema.fields).length === 0 ? {} : undefined
}

/** The namespace `Task`, with tasks that are seen. */
export const seen = (real) => {
  const defining = (name, isAsync) => (kind, options, body) => {
    declare({ declared: "kind", kind: String(kind), class: options?.class ?? "light", example: examplesOf(options?.payload) ?? null })
    return real[name](kind, options, (ctx) => placed(ctx, kind, isAsync, body))
  }
  return { ...real, define: defining("define", false), defineAsync: defining("defineAsync", true) }
}

register(new URL("./hooks.mjs", import.meta.url), { data: { bodies: import.meta.url } })
if (!fs.existsSync(join(home, "opsgate.config.json"))) throw new Error(`${home} is no project`)
