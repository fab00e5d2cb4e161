// Stands for a bank: it books what it is told, and can be asked what it has booked.
import { appendFile, readFile } from "node:fs/promises"

export const book = (key, cents) => appendFile("bank.txt", `${key} ${cents}\n`)

export const booked = async (key) => {
  const text = await readFile("bank.txt", "utf8").catch(() => "")
  return text.split("\n").some((line) => line.startsWith(`${key} `))
}
