/** Colours of the terminal, for the few words that nobody may overlook. Only these words are coloured, never text from outside. */
import type { Decision } from "../Verdict.ts"

export interface Paint {
  readonly red: (text: string) => string
  readonly decision: (decision: Decision) => string
}

/** No colours: files, pipes, `NO_COLOR` (https://no-color.org). */
export const colourless: Paint = { red: (text) => text, decision: (decision) => decision }

const codes = { "GO": 32, "NO-GO": 31, "INSUFFICIENT": 33 } as const satisfies Record<Decision, number>

const painted = (code: number, text: string): string => `\u001b[${code}m${text}\u001b[0m`

export const coloured: Paint = { red: (text) => painted(31, text), decision: (decision) => painted(codes[decision], decision) }
