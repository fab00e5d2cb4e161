/**
 * Keeps secrets and terminal tricks out of everything that is stored about a failure or shown to people: logs, answers, chat,
 * bundles. The one module that does.
 *
 * Three nets, one behind the other: what a schema marks as sensitive (`Sensitive.ts`), what has the name of a secret
 * (`SecretNames.ts`), and what has the shape of a well-known credential. What slips through all three passes: commands should not
 * print secrets in the first place.
 */
import { createHmac } from "node:crypto"
import { canonical, type Json } from "./Canonical.ts"
import { canBeSecret, isSecretName } from "./SecretNames.ts"
import { isSensitiveAt, type Paths, stepInto } from "./Sensitive.ts"

/** The most bytes of an error that are kept. */
export const errorBytesMax = 2048

const plainMark = "[redacted]"
const isMark = (text: string): boolean => /^\[redacted(?::[0-9a-f]{6})?\]$/.test(text)

/** What stands in the place of a secret. */
type Mark = (secret: string) => string

/** A way to redact: with a key equal secrets have equal marks, and nobody without the key can try what a mark stands for. */
export interface Redactor {
  /** Text without the secrets that are recognised in it. */
  readonly text: (text: string) => string
  /** A JSON value without its secrets; `sensitive` are the paths that its schema marks. */
  readonly json: (value: Json, sensitive?: Paths) => Json
  /** The same, which also takes out these very values, wherever they are. */
  readonly knowing: (values: ReadonlyArray<string>) => Redactor
}

// A JSON string, also one that the end of the text cut off.
const quotedText = String.raw`"(?:[^"\\]|\\[\s\S])*(?:"|$)`
const scalar = String.raw`${quotedText}|-?\d[\d.]{0,30}`
/** A member in the text of a JSON object: its name is in group 2. */
const member = new RegExp(String.raw`(")([\w .-]{1,80})("\s{0,8}:\s{0,8})(${scalar})`, "g")
/** The same in JSON that is itself a text of JSON. */
const innerMember = /(\\{1,7}")([\w .-]{1,80})(\\{1,7}"\s{0,8}:\s{0,8}\\{1,7}")([^"]*?)(?=\\{1,7}")/g
/** `{"name":"DB_PASSWORD","value":"…"}`: a setting as a pair. */
const pair = new RegExp(String.raw`("(?:name|key)"\s{0,8}:\s{0,8}")([\w .-]{1,80})("\s{0,8},\s{0,8}"value"\s{0,8}:\s{0,8})(${scalar})`, "g")
/** `["--password","hunter2"]`: the words of a command line. */
const words = new RegExp(String.raw`(")(--?[A-Za-z][\w-]{0,80})("\s{0,8},\s{0,8})(${quotedText})`, "g")
const named = new RegExp(
  String.raw`()((?:passw(?:or)?d|passphrase|passcode|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|credential|authorization|(?:set-)?cookie)[\w-]{0,40})` +
    String.raw`(["']?\s{0,8}[:=](?:\s|\\{1,4}[nrt]){0,8}(?:bearer\s+|basic\s+)?)(${quotedText}|'[^']*'|[^\s"',;&\\]+)`,
  "gi"
)
/** `--password hunter2`, as an option of a command line. */
const option = /(--?[\w-]{0,40}(?:passw(?:or)?d|passphrase|secret|token|api-?key|access-?key|private-?key|credential)[\w-]{0,20}\s+)(?!-)([^\s"']+)/gi
/** A header whose whole line is secret. */
const header = /\b((?:set-)?cookie\s{0,4}:\s{0,4})([^\r\n]{1,4000})/gi

/** The last group is the secret; what stands before it stays. */
const shapes: ReadonlyArray<RegExp> = [
  /()(-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$))/g,
  /\b(bearer\s+)([A-Za-z0-9._~+/=-]{8,})/gi,
  // A word behind "basic" is no credential unless it has what base 64 has and words have not.
  /\b([Bb]asic\s+|BASIC\s+)(?=[a-z+/]{0,200}[A-Z0-9=])([A-Za-z0-9+/=]{8,})/g,
  /()(\beyJ[A-Za-z0-9_-]{8,}\s?\.\s{0,4}[A-Za-z0-9_-]{8,}\s?\.\s{0,4}[A-Za-z0-9_-]*)/g, // JSON web token, also one that was folded
  /()((?<!\d)\d{6,20}:[A-Za-z0-9_-]{30,100}(?![A-Za-z0-9_-]))/g, // Telegram bot token, of today 35; in an address it stands right behind "bot"
  /()(\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}))/g,
  /()(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)/g,
  /()(\b(?:sk|pk|rk)[_-](?:live|test|proj|ant)[_-][A-Za-z0-9_-]{10,})/g,
  /()(\bsk-[A-Za-z0-9]{20,})/g,
  /()(\bxox[abeposr]-[A-Za-z0-9-]{10,})/g,
  /()(\bAIza[A-Za-z0-9_-]{35})/g,
  /()(\b(?:npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|dop_v1_[0-9a-f]{64}|pypi-[A-Za-z0-9_-]{40,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}))/g,
  /([?&](?:sig|signature|x-amz-signature|code|state)=)([A-Za-z0-9%+/=_-]{16,})/gi
]

const userInfo = /(\b[a-z][a-z0-9+.-]{0,40}:\/\/)([^\s/@]+)@/gi

/** 15 to 19 digits as card numbers begin (ISO/IEC 7812), in one piece or in groups. Unix times and counts begin otherwise or are shorter. */
const card = /(?<![\w.:-])(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6(?:011|5\d{2})|3[47]\d{2})(?:[ -]?\d){11,15}(?![\w-])/g

// The check digit of card numbers (Luhn, ISO/IEC 7812-1 Annex B).
const isCard = (text: string): boolean => {
  const digits = [...text.replace(/[ -]/g, "")].reverse().map(Number)
  return digits.reduce((sum, digit, index) => sum + (index % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2), 0) % 10 === 0
}

// The name of whatever is marked already stays as it is, so that to redact twice changes nothing.
const marking = (mark: Mark) => (secret: string): string => (isMark(secret) ? secret : mark(secret))

const unquoted = (text: string): string => text.replace(/^["']|["']$/g, "")

// The name stays, and the quotes of the value.
const byName = (marked: Mark) => (all: string, before: string, name: string, between: string, value: string): string => {
  const secret = unquoted(value)
  if (/^(?:\[redacted|true$|false$|null$)/.test(secret) || !isSecretName(name) || !canBeSecret(name, /^-?\d[\d.]{0,11}$/.test(value) ? Number(value) : secret)) return all
  const [first = ""] = value
  const quote = first === "\"" || first === "'" ? first : ""
  return `${before}${name}${between}${quote}${marked(secret)}${quote}`
}

const textWith = (marked: Mark) => (text: string): string => {
  if (!suspicious.test(text)) return text
  const renamed = [innerMember, pair, words, member, named].reduce((rest, pattern) => rest.replace(pattern, byName(marked)), text)
  const shaped = shapes.reduce(
    (rest, shape) => rest.replace(shape, (_all, before: string, secret: string) => before + marked(secret)),
    renamed.replace(userInfo, (_all, scheme: string, secret: string) => `${scheme}${marked(secret)}@`)
  )
  return shaped
    .replace(header, (_all, before: string, secret: string) => before + marked(secret.trim()))
    .replace(option, (all, before: string, secret: string) => (isMark(secret) || secret.startsWith("[redacted") ? all : before + marked(secret)))
    .replace(card, (digits) => (isCard(digits) ? marked(digits.replace(/[ -]/g, "")) : digits))
}

// Whatever is found here, by its name or by its shape, has one of these: most texts have none, and cost no more than this look.
const suspicious = /pass|pwd|secret|token|key|credential|auth|cookie|bearer|basic|:\/\/|-----BEGIN|eyJ|gh[pousr]_|github_pat|glpat-|AKIA|ASIA|[spr]k[_-]|xox|AIza|npm_|hf_|dop_v1|pypi-|SG\.|sig|code=|state=|otp|pin|ssn|cv[cv]|jwt|creds|session|card|\d:[\w-]{35}|\d{4}[ -]?\d{4}/i

/** Whether a text, or the JSON of a value, certainly holds no secret that has a name or a shape. */
export const isInnocent = (text: string): boolean => !suspicious.test(text)

/** The deepest level that is walked into; what lies below is not shown. */
const depthMax = 100
const tooDeep = "[too deep]"

const jsonWith = (marked: Mark, text: (text: string) => string) => {
  const whole = (value: Json): Json => marked(typeof value === "string" ? value : canonical(value))

  const list = (items: ReadonlyArray<Json>, paths: Paths, depth: number): Json => {
    let afterOption = false
    return items.map((item, index) => {
      const secret = afterOption && typeof item === "string"
      // `["--password", "hunter2"]`: the words of a command line.
      afterOption = typeof item === "string" && /^--?[A-Za-z]/.test(item) && !item.includes("=") && isSecretName(item)
      return secret ? whole(item) : walk(item, stepInto(paths, String(index)), depth + 1)
    })
  }

  const record = (value: { readonly [key: string]: Json }, paths: Paths, depth: number): Json => {
    // `{"name": "DB_PASSWORD", "value": "…"}`: a setting as a pair.
    const label = value["name"] ?? value["key"]
    const pair = typeof label === "string" && isSecretName(label)
    return Object.fromEntries(Object.entries(value).map(([name, member]) => {
      const secret = (isSecretName(name) && canBeSecret(name, member)) || (pair && name === "value" && canBeSecret(name, member))
      return [text(name), secret ? whole(member) : walk(member, stepInto(paths, name), depth + 1)]
    }))
  }

  const walk = (value: Json, paths: Paths, depth: number): Json => {
    if (isSensitiveAt(paths) && value !== null) return whole(value)
    if (typeof value === "string") return text(value)
    if (typeof value !== "object" || value === null) return value
    if (depth >= depthMax) return tooDeep
    return isList(value) ? list(value, paths, depth) : record(value, paths, depth)
  }

  return (value: Json, sensitive: Paths = []): Json => walk(value, sensitive, 0)
}

const isList = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

const redactorWith = (mark: Mark, values: ReadonlyArray<string> = []): Redactor => {
  const marked = marking(mark)
  const recognised = textWith(marked)
  const text = values.length === 0 ? recognised : (words: string): string => recognised(withoutValues(words, values, marked))
  const self: Redactor = { text, json: jsonWith(marked, text), knowing: (more) => (more.length === 0 ? self : redactorWith(mark, [...values, ...more])) }
  return self
}

/** Without a key: all secrets look alike. */
export const plainly: Redactor = redactorWith(() => plainMark)

/** Marks are `[redacted:3f9a1c]`, the first 24 bits of HMAC-SHA-256 (RFC 2104) of the secret under the key; `plainly` without one. */
export const redactorFor = (key: string | null): Redactor =>
  key === null ? plainly : redactorWith((secret) => `[redacted:${createHmac("sha256", key).update(secret).digest("hex").slice(0, 6)}]`)

/** Text without the secrets that are recognised in it. What is stored is redacted without a key: rules know none. */
export const redact = plainly.text

/** Text that a terminal shows and does not obey: control characters, escapes and bidirectional overrides become `\u{…}`. */
export const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (char) =>
    char === "\t" ? " " : `\\u{${char.codePointAt(0)?.toString(16)}}`)

/**
 * The same JSON for a reader, with escapes for what a terminal would obey or hide and JSON allows raw: C1 controls and
 * the characters that turn the direction of a line or have no width.
 */
export const escapedJson = (json: string): string =>
  json.replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (char) =>
    `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** The same for text that has one line: a line feed is escaped as well, so that it cannot pass for a line of the program. */
export const oneLine = (text: string): string => printable(text).replaceAll("\n", "\\u{a}")

/** An error as it is stored: redacted, well-formed, at most `errorBytesMax` bytes of UTF-8, cut at a character. */
export const storedError = (text: string): string => {
  const bytes = new TextEncoder().encode(redact(text))
  // Half a surrogate pair has become U+FFFD on the way: a store would make something else of it, and the digests would not fit.
  if (bytes.length <= errorBytesMax) return new TextDecoder().decode(bytes)
  const end = bytes.subarray(0, errorBytesMax - 3).findLastIndex((byte) => (byte & 0xc0) !== 0x80)
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`
}

/** The shortest value that is looked for in other text: a shorter one would be found where it is something else. */
const valueMin = 4

/** Text without these very values, also as JSON writes them. */
export const withoutValues = (text: string, values: ReadonlyArray<string>, mark: (secret: string) => string = () => plainMark): string =>
  values.filter(({ length }) => length >= valueMin).reduce((rest, value) => {
    const inJson = JSON.stringify(value).slice(1, -1)
    return [value, inJson].reduce((left, form) => (left.includes(form) ? left.split(form).join(mark(value)) : left), rest)
  }, text)
