/**
 * A copy of somebody's project in which nothing of theirs can be harmed by the product: another database, no chat, no schedules, no people.
 * What their code does outside of the folder it really does.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, dirname, join, relative, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { Data, Either } from "effect"
import { isObject } from "../Json.ts"

/** The project cannot be judged as it was asked for. Nothing was written. */
export class ProjectRefused extends Data.TaggedError("ProjectRefused")<{ readonly issue: string }> {
  override get message() {
    return this.issue
  }
}

const refused = (issue: string) => Either.left(new ProjectRefused({ issue }))

/** A configuration as it was read. */
export interface Project {
  readonly file: string
  /** Its folder, which is copied. */
  readonly folder: string
  readonly json: Readonly<Record<string, unknown>>
}

export const readProject = (file: string): Either.Either<Project, ProjectRefused> =>
  Either.gen(function*() {
    const path = resolve(file)
    if (!existsSync(path)) return yield* refused(`${path} does not exist`)
    const json = yield* Either.try({ try: (): unknown => JSON.parse(readFileSync(path, "utf8")), catch: () => new ProjectRefused({ issue: `${path} is not JSON` }) })
    if (!isObject(json)) return yield* refused(`${path} is no configuration`)
    const outside = [...textsIn(json["workflows"])].find((name) => relative(dirname(path), resolve(dirname(path), name)).startsWith(".."))
    if (outside !== undefined) return yield* refused(`${path}: the module ${outside} lies outside of the folder of the configuration, which is what is copied`)
    return { file: path, folder: realpathSync(dirname(path)), json }
  })

const textsIn = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.filter((one) => typeof one === "string") : [])

/** The longest that a folder may be that is copied for each kind, in bytes. */
const folderMax = 256 * 1024 * 1024

/** What lies in the copy beside the project. */
export const laid = { acts: "acts.jsonl", bodies: "bodies.jsonl", commands: "commands.jsonl", wrapper: "observed.sh" } as const
/** The folder of the project below the workspace. */
const dataDir = ".opsgate"

// Secrets stay where they are: what needs one fails, and is not judged.
const isLeft = (project: Project, path: string): boolean => {
  const { folder, json } = project
  const name = basename(path)
  const telegram = isObject(json["telegram"]) ? json["telegram"] : {}
  const webhook = isObject(telegram["webhook"]) ? telegram["webhook"] : {}
  const named = [json["data_dir"] ?? dataDir, telegram["token_file"], webhook["secret_file"]].filter((one) => typeof one === "string").map((one) => resolve(folder, one))
  return path !== folder && (name === ".git" || name === "node_modules" || name === ".env" || name.startsWith(".env.") || named.includes(path))
}

/** Copies the project into a folder that is there, with a configuration of its own. */
export const copyProject = (project: Project, dir: string): Either.Either<void, ProjectRefused> =>
  Either.gen(function*() {
    let bytes = 0
    const copied = Either.try({
      try: () =>
        cpSync(project.folder, dir, {
          recursive: true,
          filter: (from) => {
            const look = isLeft(project, from) ? undefined : statSync(from, { throwIfNoEntry: false })
            if (look === undefined || !(look.isFile() || look.isDirectory())) return false
            bytes += look.isFile() ? look.size : 0
            if (bytes > folderMax) throw new Error(`it is larger than ${folderMax} bytes`)
            return true
          }
        }),
      catch: (cause) => new ProjectRefused({ issue: `${project.folder} cannot be copied: ${cause instanceof Error ? cause.message : "unknown"}` })
    })
    yield* copied
    const modules = modulesAbove(project.folder)
    if (modules !== null) symlinkSync(modules, join(dir, "node_modules"))
    writeFileSync(join(dir, laid.wrapper), wrapperText(join(dir, laid.commands)))
    writeFileSync(join(dir, laid.commands), "")
    mkdirSync(join(dir, "home"), { recursive: true })
    writeFileSync(join(dir, "opsgate.config.json"), `${JSON.stringify(configOf(project, dir), null, 2)}\n`)
  })

const modulesAbove = (folder: string): string | null => {
  const here = join(folder, "node_modules")
  if (existsSync(here)) return here
  return dirname(folder) === folder ? null : modulesAbove(dirname(folder))
}

// What is left out would start work by itself, ask other people, or keep a task from its turn.
const without: ReadonlySet<string> = new Set(["telegram", "people", "policy", "schedules", "queues", "retention", "stop_grace_ms"])

const configOf = ({ json }: Project, dir: string): Readonly<Record<string, unknown>> => ({
  ...Object.fromEntries(Object.entries(json).filter(([name]) => !without.has(name))),
  data_dir: dataDir,
  // No heartbeat and no end of a lease falls into a run.
  lease_ms: 600_000,
  approvals: { self: true },
  kinds: Object.fromEntries(commandKinds(json).map(([name, kind]) => [name, observedKind(kind, dir)]))
})

const commandKinds = (json: Project["json"]): ReadonlyArray<readonly [string, Readonly<Record<string, unknown>>]> =>
  Object.entries(isObject(json["kinds"]) ? json["kinds"] : {}).flatMap(([name, kind]) => (isObject(kind) ? [[name, kind] as const] : []))

// The command is started by a script that writes its start and its end into the ledger.
const observedKind = (kind: Readonly<Record<string, unknown>>, dir: string): Readonly<Record<string, unknown>> => {
  const { queue: _queue, ...rest } = kind
  const exec = isObject(kind["exec"]) ? kind["exec"] : {}
  return { ...rest, exec: { ...exec, argv: ["/bin/sh", join(dir, laid.wrapper), ...textsIn(exec["argv"])] } }
}

const wrapperText = (ledger: string): string => `# starts a command, and writes its start and its end into the ledger
ledger() {
  read -r up rest < /proc/uptime
  printf '{"phase":"%s","task":"%s","dispatch_key":"%s","attempt":%s,"generation":%s,"pid":%s,"mono_ms":%s}\\n' \\
    "$1" "$OPSGATE_TASK" "$OPSGATE_DISPATCH_KEY" "$OPSGATE_ATTEMPT" "$OPSGATE_GENERATION" "$$" "\${up%.*}\${up#*.}0" >> '${ledger.replaceAll("'", "'\\''")}'
}
ledger start
"$@" || exit $?
ledger done
`

/** The words for node that load the witness of what the code of a project does. */
export const watchingBodies = (dir: string, program: string): ReadonlyArray<string> => {
  const witness = pathToFileURL(join(dirname(program), "witness", "bodies.mjs"))
  const set = (name: string, value: string) => witness.searchParams.set(name, value)
  set("acts", join(dir, laid.acts))
  set("ledger", join(dir, laid.bodies))
  set("wrapper", join(dir, laid.wrapper))
  set("home", dir)
  set("data", join(dir, dataDir))
  return ["--import", witness.href]
}

/** A kind, and what it can be tried with. */
export interface OwnKind {
  readonly kind: string
  readonly class: "light" | "heavy"
  /** What the project gives as an example of its payload; undefined when it gives none. */
  readonly example: unknown
  /** Of a kind whose work is a command: what a repeat does. Null: it is code. */
  readonly command: string | null
}

/** The kinds whose work is a command, as the configuration says them. */
export const kindsOfCommands = ({ json }: Project): ReadonlyArray<OwnKind> =>
  commandKinds(json).map(([kind, entry]) => {
    const taskClass = entry["class"] === "heavy" ? "heavy" : "light"
    const payload = isObject(entry["payload"]) ? entry["payload"] : {}
    const [example] = Array.isArray(payload["examples"]) ? payload["examples"] : []
    const effect = typeof entry["effect"] === "string" ? entry["effect"] : taskClass === "heavy" ? "dangerous" : "idempotent"
    return { kind, class: taskClass, example: takesNothing(entry["payload"]) ? example ?? {} : example, command: effect }
  })

// A payload schema that the empty object fits.
const takesNothing = (schema: unknown): boolean => schema === undefined || schema === true || (isObject(schema) && schema["type"] === "object" && !(Array.isArray(schema["required"]) && schema["required"].length > 0))

