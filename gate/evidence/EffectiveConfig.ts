/**
 * config/effective-config.json: what the played product was configured with, by scenario, as canonical JSON, so that its digest says
 * whether two runs played the same. Secrets are replaced by `sha256:` and the digest of the salt of the bundle and the value: two of them
 * can be compared within a bundle, and a short one can still be guessed.
 */
import { Either } from "effect"
import { canonical, type NotCanonical, sha256 } from "./Canonical.ts"

export const configFile = "config/effective-config.json"
export const configSchema = "https://opsgate.dev/schema/effective-config/v1"

/** What was configured for a scenario, as it was written for the product; null when nothing was. */
export type Configurations = Readonly<Record<string, unknown>>

/** The salt of a bundle. It follows from the name of the run, so that the same input gives the same bytes. */
export const configSaltOf = (run: string): string => sha256(`opsgate effective config\n${run}`)

/** The text of the file; its SHA-256 is the `configHash`. */
export const renderConfig = (scenarios: Configurations, salt: string): Either.Either<string, NotCanonical> =>
  Either.map(canonical({ schema: configSchema, scenarios: withoutSecrets(scenarios, salt) }), (text) => `${text}\n`)

// A `token_file` is a path, and no secret.
const secretName = /(token|secret|password|passphrase|credentials?|api_?key|private_?key)$/i
// A user and a password in an address, a token of a bot, a private key.
const secretValue = /:\/\/[^/@\s:]+:[^/@\s]+@|\b\d{6,}:[A-Za-z0-9_-]{30,}|PRIVATE KEY-----/
// The port of a service that a scenario starts is another one in every run.
const ownPort = /^http:\/\/127\.0\.0\.1:\d+/

const withoutSecrets = (value: unknown, salt: string): unknown => {
  if (typeof value === "string") return secretValue.test(value) ? hidden(value, salt) : value.replace(ownPort, "http://127.0.0.1:0")
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, salt))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, secretName.test(name) && isLeaf(member) ? hidden(String(member), salt) : withoutSecrets(member, salt)])
  )
}

const isLeaf = (value: unknown): boolean => typeof value === "string" || typeof value === "number"

const hidden = (value: string, salt: string): string => `sha256:${sha256(`${salt}${value}`)}`
