// Stands for the world outside: a bank and a printer, both slow to answer.
import { appendFile, readFile } from "node:fs/promises"
import { setTimeout } from "node:timers/promises"

export const charge = async (key, cents) => {
  await appendFile(".opsgate/bank.txt", `${key} ${cents}\n`)
  await setTimeout(5000)
  return { booked: cents }
}

/** Asks the bank whether it has booked something under this key. */
export const findCharge = async (key) => {
  const text = await readFile(".opsgate/bank.txt", "utf8").catch(() => "")
  const line = text.split("\n").find((one) => one.startsWith(`${key} `))
  return line === undefined ? undefined : { booked: Number(line.split(" ")[1]) }
}

export const print = async (letter) => {
  await appendFile(".opsgate/letters.txt", `${letter}\n`)
  await setTimeout(5000)
}
