/**
 * Keeps secrets and terminal tricks out of everything that is stored about a failure or shown to people.
 *
 * Values are recognised by the name before them and by the shape of well-known credentials. What matches no pattern
 * passes: this is a net, not a proof, and commands should not print secrets in the first place.
 */

/** The most bytes of an error that are kept. */
export const errorBytesMax = 2048

const mark = "[redacted]"

const namedSecret =
  /((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization)[\w-]{0,40}["']?\s{0,8}[:=]\s{0,8}(?:bearer\s+|basic\s+)?)("[^"]*"|'[^']*'|[^\s"',;&]+)/gi

const shapes: ReadonlyArray<RegExp> = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, // JSON web token
  /(?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}\b/g, // Telegram bot token; in an address it stands right behind "bot"
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,})/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\b(?:sk|pk|rk)[_-](?:live|test|proj|ant)[_-][A-Za-z0-9_-]{10,}/g,
  /\bxox[abposr]-[A-Za-z0-9-]{10,}/g
]

/** Text without the secrets that are recognised in it. */
export const redact = (text: string): string => {
  const withoutUserInfo = text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, `$1${mark}@`)
  const withoutShapes = shapes.reduce((rest, shape) => rest.replace(shape, mark), withoutUserInfo)
  return withoutShapes.replace(namedSecret, `$1${mark}`)
}

/** Text that a terminal shows and does not obey: control characters, escapes and bidirectional overrides become `\u{…}`. */
export const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (char) =>
    char === "\t" ? " " : `\\u{${char.codePointAt(0)?.toString(16)}}`)

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
