/**
 * sbom/sbom.cdx.json: what the product is made of, as CycloneDX 1.5, from the lock file that it was built from. `npm sbom` gives another
 * serial number and another time on every call, and leaves out direct dependencies that are peers of others, so this is made here. Nothing of the
 * machine that makes it goes in: no address of a registry, no path.
 */
import { DateTime, Either, Schema } from "effect"
import { sha256 } from "./Canonical.ts"

export const sbomFile = "sbom/sbom.cdx.json"

/** Raised when the lock file cannot be read. */
export class SbomRefused extends Schema.TaggedError<SbomRefused>()("SbomRefused", { why: Schema.String }) {
  override get message() {
    return `there is no list of components: ${this.why}`
  }
}

/** What was played and judged. */
export interface Product {
  readonly version: string
  /** The text of package-lock.json. */
  readonly lockfile: string
  /** When the commit was made, Unix milliseconds; null when it is unknown. */
  readonly committed_ms: number | null
}

const Names = Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), { default: () => ({}) })

const Package = Schema.Struct({
  name: Schema.optional(Schema.String),
  version: Schema.optional(Schema.String),
  license: Schema.optional(Schema.String),
  integrity: Schema.optional(Schema.String),
  dev: Schema.optional(Schema.Boolean),
  link: Schema.optional(Schema.Boolean),
  optional: Schema.optional(Schema.Boolean),
  dependencies: Names,
  optionalDependencies: Names,
  peerDependencies: Names
})
type Package = typeof Package.Type

const Lock = Schema.parseJson(Schema.Struct({ lockfileVersion: Schema.Literal(3), packages: Schema.Record({ key: Schema.String, value: Package }) }))

/** A uuid of version 8 (RFC 9562) from a digest: the same lock file, the same number. */
export const serialOf = (lockfileSha256: string): string => {
  const variant = ((Number.parseInt(lockfileSha256.slice(16, 17), 16) & 0x3) | 0x8).toString(16)
  const parts = [lockfileSha256.slice(0, 8), lockfileSha256.slice(8, 12), `8${lockfileSha256.slice(13, 16)}`, `${variant}${lockfileSha256.slice(17, 20)}`, lockfileSha256.slice(20, 32)]
  return `urn:uuid:${parts.join("-")}`
}

/** The document. Packages that only build and check are left out. */
export const sbomOf = ({ committed_ms, lockfile, version }: Product): Either.Either<unknown, SbomRefused> =>
  Either.gen(function*() {
    const { packages } = yield* Either.mapLeft(Schema.decodeUnknownEither(Lock)(lockfile), () => new SbomRefused({ why: "the lock file is not of version 3" }))
    const name = packages[""]?.name ?? "opsgate"
    const shipped = Object.entries(packages).filter(([path, one]) => path !== "" && one.dev !== true && one.link !== true)
    const refs = new Map(shipped.map(([path, one]) => [path, `${nameOf(path)}@${one.version ?? "0"}`]))
    const self = `${name}@${version}`
    const components = new Map(shipped.map(([path, one]) => [refs.get(path) ?? "", componentOf(refs.get(path) ?? "", nameOf(path), one)]))
    const needs = new Map<string, ReadonlyArray<string>>([[self, needsOf("", packages[""], refs)]])
    for (const [path, one] of shipped) {
      const ref = refs.get(path) ?? ""
      needs.set(ref, [...new Set([...(needs.get(ref) ?? []), ...needsOf(path, one, refs)])].sort())
    }
    return {
      $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      serialNumber: serialOf(sha256(lockfile)),
      version: 1,
      metadata: {
        ...(committed_ms === null ? {} : { timestamp: instantOf(committed_ms) }),
        lifecycles: [{ phase: "build" }],
        component: { "bom-ref": self, type: "application", name, version, purl: purlOf(name, version), ...licensed(packages[""]?.license) }
      },
      components: [...components].sort(byRef).map(([, component]) => component),
      dependencies: [...needs].sort(byRef).map(([ref, dependsOn]) => ({ ref, dependsOn }))
    }
  })

/** A time as SBOMs and statements spell it, RFC 3339 in UTC, whole seconds. */
export const instantOf = (ms: number): string => DateTime.formatIso(DateTime.unsafeMake(Math.floor(ms / 1000) * 1000)).replace(".000Z", "Z")

const byRef = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number => (one < other ? -1 : one > other ? 1 : 0)

const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)

const purlOf = (name: string, version: string): string => `pkg:npm/${name.replace("@", "%40")}@${version}`

const componentOf = (ref: string, name: string, { integrity = "", license, optional = false, version = "0" }: Package) => ({
  "bom-ref": ref,
  type: "library",
  name,
  version,
  scope: optional ? "optional" : "required",
  purl: purlOf(name, version),
  ...licensed(license),
  ...(integrity.startsWith("sha512-") ? { hashes: [{ alg: "SHA-512", content: Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex") }] } : {})
})

// Some licenses are expressions, `(MIT OR GPL-3.0-or-later)`; a name says either without a list of what names there are.
const licensed = (license: string | undefined) => (license === undefined ? {} : { licenses: [{ license: { name: license } }] })

// As node finds them: in the folder itself, then in each folder above it.
const needsOf = (path: string, one: Package | undefined, refs: ReadonlyMap<string, string>): ReadonlyArray<string> => {
  const names = Object.keys({ ...one?.dependencies, ...one?.optionalDependencies, ...one?.peerDependencies })
  return [...new Set(names.flatMap((name) => found(path, name, refs) ?? []))].sort()
}

const found = (path: string, name: string, refs: ReadonlyMap<string, string>): string | undefined => {
  const here = refs.get(`${path === "" ? "" : `${path}/`}node_modules/${name}`)
  if (here !== undefined || path === "") return here
  const above = path.lastIndexOf("/node_modules/")
  return found(above < 0 ? "" : path.slice(0, above), name, refs)
}
