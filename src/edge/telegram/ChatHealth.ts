/** How the way to the chats is: told by whoever goes it, asked by whoever wants to know what is wrong. */
import { Context, Effect, Layer } from "effect"
import { ChatTrouble, type Trouble } from "../../engine/ChatTrouble.ts"

export class ChatHealth extends Context.Tag("opsgate/edge/telegram/ChatHealth")<ChatHealth, {
  readonly polled: (nowMs: number) => Effect.Effect<void>
  readonly pollFailed: (code: string, nowMs: number) => Effect.Effect<void>
  /** Nobody polls any more, and only a person can change that. */
  readonly stopped: (code: string, nowMs: number) => Effect.Effect<void>
  readonly trouble: () => Trouble | null
}>() {}

/** Both sides of it. */
export const layer: Layer.Layer<ChatHealth | ChatTrouble> = Layer.effectContext(Effect.sync(() => {
  let trouble: Trouble | null = null
  let over: { readonly trouble: Trouble; readonly endedMs: number } | null = null
  const failed = (code: string, nowMs: number, stopped: boolean) => {
    trouble = { code, sinceMs: trouble?.sinceMs ?? nowMs, failures: (trouble?.failures ?? 0) + 1, stopped }
  }
  const health = ChatHealth.of({
    polled: (nowMs) =>
      Effect.sync(() => {
        if (trouble !== null) over = { trouble, endedMs: nowMs }
        trouble = null
      }),
    pollFailed: (code, nowMs) => Effect.sync(() => failed(code, nowMs, false)),
    stopped: (code, nowMs) => Effect.sync(() => failed(code, nowMs, true)),
    trouble: () => trouble
  })
  return Context.make(ChatHealth, health).pipe(Context.add(ChatTrouble, { trouble: () => trouble, over: () => over }))
}))
