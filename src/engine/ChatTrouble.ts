/** What is wrong on the way to the chats, as far as this process knows. Kept in memory: whoever polls knows anew at the next start. */
import { Context } from "effect"

export interface Trouble {
  /** The code of the last failure. */
  readonly code: string
  /** Wall clock, Unix ms, of the first failure in a row. */
  readonly sinceMs: number
  readonly failures: number
  /** Nobody tries any more, and only a person can change that. */
  readonly stopped: boolean
}

export class ChatTrouble extends Context.Reference<ChatTrouble>()("opsgate/engine/ChatTrouble", {
  defaultValue: (): {
    readonly trouble: () => Trouble | null
    /** The last trouble that is over. */
    readonly over: () => { readonly trouble: Trouble; readonly endedMs: number } | null
  } => ({ trouble: () => null, over: () => null })
}) {}
