/**
 * The strict fake of the Bot API as a program of its own. `telegram-fake.js [options]` is for tests and benches and prints
 * `{"port": …, "control_port": …}`; `telegram-fake.js telegram simulate [options]` is for people. It shares no code with what
 * talks to it.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { startFake } from "./Server.ts"
import { simulate, UsageError } from "./Simulate.ts"

const page = (): string => readFileSync(fileURLToPath(new URL("./telegram-fake.html", import.meta.url)), "utf8")

const whole = (text: string, name: string, most: number): number => {
  const value = Number(text)
  if (text.trim() === "" || !Number.isInteger(value) || value < 0 || value > most) throw new UsageError(`--${name} wants a whole number from 0 to ${most}`)
  return value
}

/** Ends with its parent: the other end of its input is closed when that dies, however it dies. */
const endWithInput = (): void => {
  process.stdin.on("end", () => process.exit(0))
  process.stdin.on("error", () => process.exit(0))
  process.stdin.resume()
}

const serve = async (args: ReadonlyArray<string>): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: "string", default: "0" },
      "control-port": { type: "string", default: "0" },
      token: { type: "string", default: "123456789:AAFake-Fake_Fake-Fake_Fake-Fake_Fake" },
      username: { type: "string", default: "opsgate_bot" },
      seed: { type: "string", default: "1" },
      "first-update-id": { type: "string" },
      "with-parent": { type: "boolean", default: false },
      "no-page": { type: "boolean", default: false }
    }
  })
  if (!/^[0-9]+:[\w-]{10,}$/.test(values.token)) throw new UsageError("--token wants digits, a colon and at least ten letters")
  if (values["with-parent"]) endWithInput()
  const first = values["first-update-id"]
  const options = {
    token: values.token,
    username: values.username,
    seed: whole(values.seed, "seed", 2 ** 32 - 1),
    ...(first === undefined ? {} : { first_update_id: whole(first, "first-update-id", 2 ** 50) })
  }
  const fake = await startFake(options, whole(values.port, "port", 65_535), whole(values["control-port"], "control-port", 65_535), values["no-page"] ? null : page())
  process.stdout.write(`${JSON.stringify({ port: fake.port, control_port: fake.controlPort })}\n`)
}

const isUsage = (cause: unknown): boolean => cause instanceof UsageError || (cause instanceof TypeError && "code" in cause && String(cause.code).startsWith("ERR_PARSE_ARGS"))

const main = async (): Promise<void> => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0))
  const [verb, noun, ...rest] = process.argv.slice(2)
  try {
    if (verb === "telegram" && noun === "simulate") await simulate(rest, page)
    else await serve(process.argv.slice(2))
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    process.stderr.write(`${verb === "telegram" ? "opsgate" : "telegram-fake"}: ${JSON.stringify(text).slice(1, -1)}\n`)
    process.exit(isUsage(cause) ? 2 : 1)
  }
}

await main()
