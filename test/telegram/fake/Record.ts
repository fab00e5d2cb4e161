/** Everything that the fake was sent and what it answered, in order, whether it was understood or not. */
import { sha256, type Body } from "./Body.ts"
import type { Clock } from "./Clock.ts"
import type { Fields } from "./Wire.ts"

export interface Call {
  readonly seq: number
  readonly at_ms: number
  readonly http: string
  readonly method: string
  readonly content_type: string
  readonly params: Fields
  /** Files by their field: name, size and SHA-256. */
  readonly files: Fields
  /** The body as it came, where it could not be read. */
  readonly raw?: string
  /** Parameters that the method does not have. Telegram ignores them. */
  readonly unknown: ReadonlyArray<string>
  readonly faults: ReadonlyArray<string>
  readonly status: number | null
  readonly answer: unknown
  /** False where a fault, or who asked, ended the connection before the answer. */
  readonly answered: boolean
  readonly took_ms: number | null
}

export interface Entry {
  /** The call from now on, as far as it is known. */
  readonly add: (part: Partial<Call>) => void
}

export interface Record_ {
  readonly open: (http: string, method: string, contentType: string) => Entry
  /** Those after a number, all without one. */
  readonly calls: (after?: number) => ReadonlyArray<Call>
  readonly clear: () => void
}

export const filesIn = ({ files }: Body): Fields =>
  Object.fromEntries([...files].map(([name, { bytes, file_name, mime_type }]) => [name, { file_name, mime_type, size: bytes.length, sha256: sha256(bytes) }]))

export const makeRecord = (clock: Clock, changed: () => void): Record_ => {
  let calls: Array<Call> = []
  let seq = 0
  return {
    open: (http, method, content_type) => {
      const startedAt = clock.timerMs()
      let call: Call = {
        seq: ++seq,
        at_ms: clock.nowMs(),
        http,
        method,
        content_type,
        params: {},
        files: {},
        unknown: [],
        faults: [],
        status: null,
        answer: null,
        answered: false,
        took_ms: null
      }
      let place = calls.push(call) - 1
      const mine = calls
      return {
        add: (part) => {
          call = { ...call, ...part, ...(part.answered === undefined ? {} : { took_ms: Math.round((clock.timerMs() - startedAt) * 1000) / 1000 }) }
          if (mine === calls) calls[place] = call
          else place = -1
          changed()
        }
      }
    },
    // Numbers have no gaps, so that looking for news costs what is new.
    calls: (after = 0) => (after <= 0 ? calls : calls.slice(Math.max(0, after + 1 - (calls[0]?.seq ?? 0)))),
    clear: () => {
      calls = []
    }
  }
}
