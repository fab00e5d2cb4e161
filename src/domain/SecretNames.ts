/**
 * Names that say that what they name is secret: of members of JSON, of settings, of options and headers, in every usual spelling
 * (`apiKey`, `API-KEY`, `api_key`, `x.api.key`).
 */

// `password_expires_at` and `token_type` are about a secret and none themselves.
const about = new Set(["at", "count", "enabled", "expires", "expiry", "file", "hash", "length", "limit", "max", "min", "name", "path", "policy", "present", "required", "sha256", "size", "ttl", "type", "usage", "used", "version"])

const secretWords = new Set(["auth", "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "creds", "cvc", "cvv", "jwt", "otp", "pass", "passcode", "passphrase", "passwd", "password", "passwords", "pin", "pwd", "secret", "secrets", "ssn", "token", "tokens"])

const secretRuns = /passw(?:or)?d|passphrase|secret|credential|apikey|accesskey|accountkey|privatekey|signingkey|encryptionkey|authtoken|accesstoken|refreshtoken|bearertoken|sessionid|sessionkey|connectionstring|cardnumber|creditcard|otpcode/

/** The longest name that is looked at; a longer one is judged by its end. */
const nameMax = 200

const wordsOf = (name: string): ReadonlyArray<string> =>
  name.slice(-nameMax).replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/([A-Z])([A-Z][a-z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== "")

/** Whether the name is that of something secret. */
export const isSecretName = (name: string): boolean => {
  const words = wordsOf(name)
  const last = words.at(-1)
  if (last === undefined || about.has(last)) return false
  return words.some((word) => secretWords.has(word)) || secretRuns.test(words.join(""))
}

/** Whether a value of such a name can be the secret itself: a flag or nothing is none, and a number of tokens is an amount. */
export const canBeSecret = (name: string, value: unknown): boolean => {
  if (value === null || value === undefined || value === "" || typeof value === "boolean") return false
  return typeof value !== "number" || !/token|pass$/i.test(name)
}
