/**
 * Secrets of many shapes, none of which may be seen anywhere. Each is put together here, so that no search for secrets in this
 * repository finds one.
 */
const glued = (...parts: ReadonlyArray<string>): string => parts.join("")

/** What may not be seen, by what it is. */
export const secrets = {
  password: "hunter2-planted-01",
  "API key in camel case": "planted02apikeyvalue",
  "header that is a name in capitals": "planted03headervalue",
  "credential in an object in an object": "planted04nested",
  "word behind an option": "planted05option",
  "setting as a pair": "planted06pairvalue",
  "user and password in an address": glued("ada:", "planted07pw"),
  "password without a user in an address": "planted08redis",
  "bearer token": "planted09.bearer-token_x",
  "basic authorization": glued("cGxhbnRl", "ZDEwOnNlY3JldA=="),
  "JSON web token": glued("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiJwbGFudGVkMTEifQ", ".c2lnbmF0dXJlMTE"),
  "private key": "cGxhbnRlZDEycHJpdmF0ZWtleQ",
  "GitHub token": glued("ghp", "_", "p13p".repeat(9)),
  "AWS key": glued("AKIA", "PLANTED14ABCDEFG"),
  "Slack token": glued("xoxb", "-", "1500000000-planted"),
  "Telegram bot token": glued("160000000", ":", "P".repeat(35)),
  "payment key": glued("sk", "_live_", "planted17planted"),
  "cookie of a header": "planted18cookie",
  "password of a connection string": "planted19conn",
  "card number": glued("4111", "1111", "1111", "1111"),
  "member that the JSON Schema marks": "river bank twenty-one",
  "object that the JSON Schema marks": "river bank twenty-two",
  "PIN that is a number": "78324023",
  "parameter of an address": "planted24query",
  "password in JSON in a text": "planted25inner",
  "password on the next line": "planted26folded",
  "option in a text": "planted27inline",
  "Google key": glued("AIza", "Sy", "planted28".padEnd(33, "x")),
  "list of tokens": "planted29listed",
  "deep password": "planted30deep"
} as const

const at = (what: keyof typeof secrets): string => secrets[what]

/** A payload that holds all of them. */
export const payload = {
  ordinary: "this stays",
  password: at("password"),
  apiKey: at("API key in camel case"),
  "X-API-KEY": at("header that is a name in capitals"),
  service: { credentials: { client_secret: at("credential in an object in an object") } },
  argv: ["deploy", "--token", at("word behind an option")],
  env: [{ name: "DB_PASSWORD", value: at("setting as a pair") }],
  database: `postgres://${at("user and password in an address")}@db.example/main`,
  cache: `redis://:${at("password without a user in an address")}@cache.example`,
  header: `Authorization: Bearer ${at("bearer token")}`,
  other: `sent Basic ${at("basic authorization")}`,
  note: `got ${at("JSON web token")}`,
  pem: `${["-----BEGIN", "PRIVATE KEY-----"].join(" ")}\n${at("private key")}\n${["-----END", "PRIVATE KEY-----"].join(" ")}`,
  remote: `clone with ${at("GitHub token")}`,
  cloud: at("AWS key"),
  chat: `posting with ${at("Slack token")}`,
  bot: `https://api.telegram.org/bot${at("Telegram bot token")}/getMe`,
  pay: at("payment key"),
  request: `Cookie: sid=${at("cookie of a header")}; theme=dark`,
  dsn: `Server=db;User Id=sa;Password=${at("password of a connection string")};Encrypt=true`,
  paid: `with ${at("card number")} today`,
  codeword: at("member that the JSON Schema marks"),
  vault: { words: [at("object that the JSON Schema marks")] },
  pin: Number(at("PIN that is a number")),
  link: `https://example.org/x?access_token=${at("parameter of an address")}&a=b`,
  body: JSON.stringify({ password: at("password in JSON in a text") }),
  folded: `password:\n  ${at("password on the next line")}`,
  command: `mysql --password ${at("option in a text")} main`,
  maps: at("Google key"),
  tokens: [at("list of tokens")],
  a: { b: { c: { d: { e: [{ password: at("deep password") }] } } } }
}

/** A text that says all that a text can give away. */
export const words = Object.entries(payload).flatMap(([name, value]) => (typeof value === "string" && name !== "codeword" ? [/^(?:password|apiKey|X-API-KEY)$/.test(name) ? `${name}=${value}` : value] : []))

/** The kinds of command that get the payload, with what their schema marks. */
export const schema = { type: "object", properties: { codeword: { type: "string", "x-sensitive": true }, vault: { type: "object", "x-sensitive": true } } }

/** Those of the secrets that a text holds. */
export const found = (text: string): ReadonlyArray<string> =>
  Object.entries(secrets).flatMap(([what, secret]) => (text.includes(secret) || text.includes(secret.split(":").at(-1) ?? secret) ? [what] : []))
