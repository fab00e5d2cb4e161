/**
 * manifest.json: what a bundle is about and what is in it. It lists every file but itself, SHA256SUMS and
 * `attestations/`; `evidence/schema/manifest.schema.json` publishes its shape.
 */
import { Schema } from "effect"
import { digestOf } from "./Canonical.ts"
import { type Files, inOrder, isPath } from "./Files.ts"
import { isSummed, sumsFile } from "./Sums.ts"

export const manifestFile = "manifest.json"
export const manifestSchema = "https://opsgate.dev/schema/manifest/v1"
export const createdBy = "opsgate gate"

export const roles = ["document", "policy", "events", "effects", "journal", "metrics", "report", "key", "tests", "simulation", "selftest", "environment", "release", "config", "sbom"] as const

export const Digest = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))
const Count = Schema.NonNegativeInt

/** How long a log is and where it ends. Without these a log could be cut short and still be a valid chain. */
export const LogEnd = Schema.Struct({ stream: Schema.NullOr(Schema.String), events: Count, head: Digest })
export type LogEnd = typeof LogEnd.Type

/** Per scenario; null for a scenario whose log is not there or not readable. */
export const Logs = Schema.Record({ key: Schema.String, value: Schema.NullOr(LogEnd) })
export type Logs = typeof Logs.Type

/** Start and end of the run, Unix milliseconds. */
export const Window = Schema.Struct({ start_ms: Schema.Int, end_ms: Schema.Int })
export type Window = typeof Window.Type

export const Commit = Schema.String.pipe(Schema.pattern(/^([0-9a-f]{40}|unknown)$/))

/** A file name that no subject of a statement has already. */
export const isReleaseName = (name: string): boolean => isPath(name) && !name.includes("/") && name !== sumsFile && name !== manifestFile && name !== "source"

export const Manifest = Schema.Struct({
  schema: Schema.Literal(manifestSchema),
  run: Schema.NonEmptyString,
  commit: Commit,
  profile: Schema.NonEmptyString,
  created_by: Schema.String,
  window: Window,
  files: Schema.Array(Schema.Struct({ path: Schema.String, sha256: Digest, bytes: Count, role: Schema.Literal(...roles) })),
  logs: Logs,
  /** What was played: Opsgate of this version, built from this lock file. */
  product: Schema.Struct({ version: Schema.NonEmptyString, lockfile_sha256: Digest }),
  /** What is judged. `kept`: it lies in `release/`; `tar_sha256` is null for a file that was not packed here. */
  release: Schema.Struct({ name: Schema.NonEmptyString.pipe(Schema.filter(isReleaseName)), uri: Schema.NonEmptyString, sha256: Digest, bytes: Count, tar_sha256: Schema.NullOr(Digest), kept: Schema.Boolean }),
  /** SHA-256 of config/effective-config.json, and what secrets in it are salted with. */
  configHash: Digest,
  configSalt: Schema.NonEmptyString
})
export type Manifest = typeof Manifest.Type
export type Role = (typeof roles)[number]

/** Whether a path has an entry in the manifest. */
export const isListed = (path: string): boolean => isSummed(path) && path !== manifestFile

/** What a file is, told by where it lies. */
export const roleOf = (path: string): Role => {
  const [folder = ""] = path.split("/")
  if (path === "metrics.json") return "metrics"
  if (path === "environment.json") return "environment"
  if (folder === "events" || folder === "effects" || folder === "policy" || folder === "tests" || folder === "simulation" || folder === "selftest" || folder === "release" || folder === "config" || folder === "sbom") return folder
  if (folder === "scenarios") return "journal"
  if (folder === "keys") return "key"
  return folder === "gate" ? "report" : "document"
}

export const listFiles = (files: Files): Manifest["files"] =>
  inOrder([...files.keys()].filter(isListed)).map((path) => {
    const content = files.get(path) ?? new Uint8Array()
    return { path, sha256: digestOf(content), bytes: content.byteLength, role: roleOf(path) }
  })

/** Every way in which the manifest and the files differ, one sentence each. */
export const checkFiles = (manifest: Manifest, files: Files): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const seen = new Set<string>()
  for (const entry of manifest.files) {
    const content = files.get(entry.path)
    if (seen.has(entry.path)) problems.push(`${manifestFile} lists ${entry.path} twice`)
    seen.add(entry.path)
    if (!isListed(entry.path)) problems.push(`${manifestFile} lists ${entry.path}, which it may not list`)
    else if (content === undefined) problems.push(`${entry.path} is missing; ${manifestFile} lists it`)
    else if (content.byteLength !== entry.bytes) problems.push(`${entry.path} has ${content.byteLength} bytes, ${manifestFile} says ${entry.bytes}`)
    else if (digestOf(content) !== entry.sha256) problems.push(`${entry.path} was changed: its digest is not the one in ${manifestFile}`)
    if (entry.role !== roleOf(entry.path)) problems.push(`${manifestFile} gives ${entry.path} the role ${entry.role}`)
  }
  for (const path of files.keys()) {
    if (isListed(path) && !seen.has(path)) problems.push(`${path} is an extra file that ${manifestFile} does not list`)
  }
  return problems
}
