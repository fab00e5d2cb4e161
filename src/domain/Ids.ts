/** Ids from an instant and chance. Time comes first, since random keys cost the index half its speed at a million rows. */
import { TaskId } from "./Task.ts"

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const digits = (value: number, length: number): string => {
  let rest = value
  let text = ""
  for (let position = 0; position < length; position++) {
    text = crockford.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

/** 48 bits of time and 80 of chance; `chances` are two numbers, uniform in [0, 1). The layout is that of a ULID. */
export const taskIdFrom = (wallMs: number, chances: readonly [number, number]): TaskId =>
  TaskId.make(digits(wallMs, 10) + digits(Math.floor(chances[0] * 2 ** 40), 8) + digits(Math.floor(chances[1] * 2 ** 40), 8), { disableValidation: true })

const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))
const byteOf = (value: number, shift: number): string => bytes[(value >>> shift) & 255] ?? ""

const hex = (chance: number): string => {
  const value = Math.floor(chance * 2 ** 32)
  return byteOf(value, 24) + byteOf(value, 16) + byteOf(value, 8) + byteOf(value, 0)
}

/** 32 hex digits, as W3C Trace Context wants a trace id; never all zeros. */
export const traceFrom = (chances: readonly [number, number, number, number]): string => {
  const text = chances.map(hex).join("")
  return /^0+$/.test(text) ? "1".padStart(32, "0") : text
}
