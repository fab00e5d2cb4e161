/**
 * The outside world of the crash tests: a file to which the body of each step appends a synced line when it begins and one when it
 * ends, so that it tells afterwards what really happened, whatever the store says.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs"

export interface Line {
  readonly at: "start" | "end"
  readonly name: string
  readonly key: string
  readonly generation: number
  /** What the body returns. */
  readonly value: string
}

export const append = (file: string, line: Line): void => {
  const descriptor = openSync(file, "a")
  writeSync(descriptor, `${JSON.stringify(line)}\n`)
  fsyncSync(descriptor)
  closeSync(descriptor)
}

export const linesOf = (file: string): ReadonlyArray<Line> =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n").filter((text) => text !== "").map((text): Line => JSON.parse(text)) : []
