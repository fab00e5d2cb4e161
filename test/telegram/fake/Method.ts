/** What one method of the Bot API is to the fake. */
import type { Params } from "./Params.ts"
import type { World } from "./World.ts"

export interface Method {
  /** Parameters by name. Others are ignored, as on the server, and noted in the record. */
  readonly takes: ReadonlyArray<string>
  /** The result, or an ApiError. `gone` is aborted when who asked has gone away. */
  readonly run: (world: World, params: Params, gone: AbortSignal) => unknown
}
