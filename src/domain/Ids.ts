/** Ids from an instant and chance. Time comes first, since random keys cost the index half its speed at a million rows. */
import { sha256 } from "./Canonical.ts"
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

const hex = (chance: number): string => hexOf(Math.floor(chance * 2 ** 32))

const hexOf = (value: number): string => byteOf(value, 24) + byteOf(value, 16) + byteOf(value, 8) + byteOf(value, 0)

/** 32 hex digits, as W3C Trace Context wants a trace id; never all zeros. */
export const traceFrom = (chances: readonly [number, number, number, number]): string => {
  const text = chances.map(hex).join("")
  return /^0+$/.test(text) ? "1".padStart(32, "0") : text
}

/**
 * A trace id that tells when it was drawn: 48 bits of Unix time in milliseconds and 80 of chance, so that whoever has the trace alone
 * finds its beginning by the clock, and no index of traces is kept. The last 56 bits are chance, as W3C Trace Context Level 2 wants.
 */
export const traceAt = (wallMs: number, [first, second, third]: readonly [number, number, number]): string =>
  beganAt(wallMs, hex(first) + hex(second) + hex(third))

/** The same with the last 20 digits of another drawing. */
export const beganAt = (wallMs: number, drawn: string): string => {
  // Written byte by byte: `toString(16)` of so large a number takes four times as long as the rest.
  const high = Math.floor(wallMs / 2 ** 32)
  return byteOf(high, 8) + byteOf(high, 0) + hexOf(wallMs % 2 ** 32) + drawn.slice(-20)
}

/** When a trace was drawn, if `traceAt` drew it; of any other some instant. */
export const instantOf = (trace: string): number => Number.parseInt(trace.slice(0, 12), 16)

/** Whether it is a trace id of W3C Trace Context: 32 small hex digits, not all of them zero. */
export const isTrace = (text: string): boolean => /^[0-9a-f]{32}$/.test(text) && !/^0+$/.test(text)

/** The span of a step of a task, the same for every try of it: 16 hex digits. Step 0 is the task itself. */
export const spanOf = (task: string, step: number): string => sha256(`${task}:${step}`).slice(0, 16)

/** `traceparent` of W3C Trace Context for what a step calls: version 00, sampled. */
export const traceparentOf = ({ id, trace }: { readonly id: string; readonly trace: string }, step: number): string => `00-${trace}-${spanOf(id, step)}-01`
