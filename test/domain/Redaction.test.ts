import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import { errorBytesMax, printable, redact, storedError } from "../../src/domain/Redaction.ts"

describe("redaction", () => {
  // Each is put together here, so that no search for secrets in this repository finds one.
  const telegramToken = ["123456789", "A".repeat(35)].join(":")
  const secrets: ReadonlyArray<readonly [string, string, string]> = [
    ["a password in a setting", "DB_PASSWORD=", "hunter2hunter2"],
    ["a password in quotes", "password: \"", "correct horse battery"],
    ["a token in JSON", "{\"access_token\":\"", "abcdefghijkl"],
    ["an API key in an option", "--api-key=", "0123456789abcdef"],
    ["a secret with a prefix", "MY_CLIENT_SECRET: ", "s3cr3ts3cr3t"],
    ["an authorization header", "Authorization: Bearer ", "abc.def-ghi_jkl"],
    ["a bearer token alone", "sent bearer ", "0123456789abcdef"],
    ["a JSON web token", "got ", ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0In0", "c2lnbmF0dXJl"].join(".")],
    ["a Telegram bot token", "bot token is ", telegramToken],
    ["a GitHub token", "remote: ", `ghp${"_"}${"a1B2".repeat(9)}`],
    ["an AWS key", "key ", `AKIA${"ABCDEFGH12345678"}`],
    ["a Slack token", "posting with ", `xoxb${"-"}1234567890-abcdef`],
    ["a payment key", "using ", `sk${"_live_"}0123456789abcdef`],
    ["user and password in an address", "cannot reach postgres://", "ada:hunter2hunter2"]
  ]
  it.each(secrets)("takes out %s", (what, before, secret) => {
    const after = what.includes("address") ? "@db.example/main" : " and more"
    const redacted = redact(`first\n${before}${secret}${before.endsWith("\"") ? "\"" : ""}${after}`)
    expect(redacted).not.toContain(secret)
    expect(redacted).toContain("[redacted]")
    expect(redacted).toMatch(/^first\n/)
    expect(redacted.endsWith(after)).toBe(true)
  })

  it("takes out a Telegram bot token in an address", () => {
    expect(redact(`POST https://api.telegram.org/bot${telegramToken}/sendMessage`)).not.toContain(telegramToken)
  })

  it("takes out a private key, also one whose end was cut off", () => {
    const key = ["-----BEGIN OPENSSH", "PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nAAAA"].join(" ")
    expect(redact(`${key}\n-----END OPENSSH PRIVATE KEY-----\nafter`)).toBe("[redacted]\nafter")
    expect(redact(`before ${key}`)).toBe("before [redacted]")
  })

  it("leaves ordinary errors alone", () => {
    for (const text of ["ENOENT: no such file or directory, open '/srv/app/tokenizer.ts'", "exit code 3 at 12:30:45", "see https://example.org/a?b=c", "sha256 0123456789abcdef"]) {
      expect(redact(text)).toBe(text)
    }
  })

  it("changes nothing the second time", () => {
    fc.assert(fc.property(fc.array(fc.constantFrom("password=", "x", " ", "\n", "\"", ":", "token", "=", "bearer ", "abcdefgh12345678", "://", "@"), { maxLength: 30 }), (parts) => {
      const once = redact(parts.join(""))
      expect(redact(redact(once))).toBe(redact(once))
    }))
  })

  it("comes to an end also on a long text that was made to be slow", () => {
    const slow = ["a".repeat(60_000), "token".repeat(3000), "-".repeat(60_000), "a://".repeat(15_000), "eyJ".repeat(20_000), "-----BEGIN PRIVATE KEY-----".repeat(2000)]
    expect(slow.map((text) => redact(text).length > 0)).toEqual(slow.map(() => true))
  })
})

describe("an error that is stored", () => {
  it("is no longer than its limit in bytes, and cut at a character, whatever it holds", () => {
    fc.assert(fc.property(fc.array(fc.constantFrom("a", "ü", "€", "😀", "\n"), { minLength: 500, maxLength: 3000 }), (parts) => {
      const text = parts.join("")
      const stored = storedError(text)
      expect(Buffer.byteLength(stored)).toBeLessThanOrEqual(errorBytesMax)
      expect(stored).not.toContain("\ufffd")
      if (Buffer.byteLength(text) <= errorBytesMax) expect(stored).toBe(text)
      else expect(text.startsWith(stored.slice(0, -1)) && stored.endsWith("…")).toBe(true)
    }))
  })

  it("is redacted before it is cut, so that no half of a secret stays", () => {
    const stored = storedError(`${"x".repeat(errorBytesMax - 20)} password=${"q".repeat(200)}`)
    expect(stored).not.toContain("q")
  })
})

describe("text for a terminal", () => {
  it("holds no character that a terminal obeys, whatever it is made of", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 0x2070 }).map((code) => String.fromCharCode(code))), (chars) => {
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      expect(printable(chars.join(""))).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/)
    }))
  })

  it("shows what was there, and keeps lines and every language", () => {
    expect(printable("\u001b[2J")).toBe("\\u{1b}[2J")
    expect(printable("a\r\nb\tc")).toBe("a\\u{d}\nb c")
    expect(printable("żółw 🐢 שלום")).toBe("żółw 🐢 שלום")
  })
})
