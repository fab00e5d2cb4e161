/**
 * What the server sends to a supervisor: one line with the job, later one line that lets it go.
 *
 * Both are decoded here by hand, because the supervisor imports nothing but node: it must be small and must
 * not change when the product does. A line that does not decode starts nothing.
 */
import { isAbsolute } from "node:path"

/** The longest delay a timer can count; a longer one would fire at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1

/** The job, as the server writes it on the wire. */
export interface Job {
  readonly v: 1
  /** Folder of this run alone; absolute, exists, holds no run yet. */
  readonly dir: string
  /** The program and its arguments. No shell reads them. */
  readonly argv: ReadonlyArray<string>
  /** Working folder of the command; absolute. */
  readonly cwd: string
  /** The complete environment of the command, but for OPSGATE_RUN, and OPSGATE_HEARTBEAT_FILE where it has to give signs of life. */
  readonly env: Readonly<Record<string, string>>
  /** What the command reads on its standard input. */
  readonly stdin: string
  readonly timeout_ms: number
  readonly kill_grace_ms: number
  /** Without a sign of life for so long the command is ended; absent: it may be silent. */
  readonly heartbeat_ms?: number
  /** How much of each output is stored. What comes after it is counted and hashed. */
  readonly output_cap_bytes: number
  /** Value of OPSGATE_RUN in the command's environment, by which it is found when its supervisor is dead. */
  readonly marker: string
}

/** Permission to start the command, valid until an instant of the machine's monotonic clock. */
export interface Go {
  readonly start_before_mono_ms: number
}

/** Thrown when a line is not what it must be. Nothing was started. */
export class LineRefused extends Error {}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isText = (value: unknown): value is string => typeof value === "string"

/** Strings that can cross `exec`: the kernel ends them at the first NUL. */
const isPlain = (value: unknown): value is string => isText(value) && !value.includes("\0")

const isCount = (value: unknown, max: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max

const parse = (line: string): Readonly<Record<string, unknown>> => {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new LineRefused("the line is not JSON")
  }
  if (!isRecord(value)) throw new LineRefused("the line is not an object")
  return value
}

const environment = (value: unknown): Record<string, string> => {
  if (!isRecord(value)) throw new LineRefused("env is not an object")
  const env: Record<string, string> = {}
  for (const [name, text] of Object.entries(value)) {
    if (!isPlain(name) || name === "" || name.includes("=") || !isPlain(text)) throw new LineRefused("env holds a name or value that cannot be set")
    env[name] = text
  }
  return env
}

const argumentList = (value: unknown): ReadonlyArray<string> => {
  if (!Array.isArray(value) || value.length === 0 || value[0] === "" || !value.every(isPlain)) throw new LineRefused("argv is not a list of one or more strings")
  return value
}

const folder = (name: string, value: unknown): string => {
  if (!isPlain(value) || !isAbsolute(value)) throw new LineRefused(`${name} is not an absolute path`)
  return value
}

const count = (name: string, value: unknown, max: number): number => {
  if (!isCount(value, max)) throw new LineRefused(`${name} is not a whole number from 0 to ${max}`)
  return value
}

export const decodeJob = (line: string): Job => {
  const { v, dir, argv, cwd, env, stdin, timeout_ms, kill_grace_ms, heartbeat_ms, output_cap_bytes, marker } = parse(line)
  if (v !== 1) throw new LineRefused("v is not 1")
  if (!isText(stdin)) throw new LineRefused("stdin is not a string")
  if (!isPlain(marker) || marker === "") throw new LineRefused("marker is not a string that can be set")
  return {
    v,
    dir: folder("dir", dir),
    argv: argumentList(argv),
    cwd: folder("cwd", cwd),
    env: environment(env),
    stdin,
    timeout_ms: count("timeout_ms", timeout_ms, TIMER_MS_MAX),
    kill_grace_ms: count("kill_grace_ms", kill_grace_ms, TIMER_MS_MAX),
    ...(heartbeat_ms === undefined ? {} : { heartbeat_ms: count("heartbeat_ms", heartbeat_ms, TIMER_MS_MAX) }),
    output_cap_bytes: count("output_cap_bytes", output_cap_bytes, Number.MAX_SAFE_INTEGER),
    marker
  }
}

export const decodeGo = (line: string): Go => {
  const { go, start_before_mono_ms } = parse(line)
  if (go !== true) throw new LineRefused("the line does not say go")
  return { start_before_mono_ms: count("start_before_mono_ms", start_before_mono_ms, Number.MAX_SAFE_INTEGER) }
}
