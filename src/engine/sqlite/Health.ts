/** Whether changes can be stored, as the writer finds it: what failed last, since when, and that it is over. */
import type { EngineUnavailable, Over, StorageTrouble } from "../Engine.ts"
import { isDamage } from "./SqliteError.ts"

export interface Health {
  readonly trouble: () => StorageTrouble | null
  /** The last trouble, when there is none any more. */
  readonly over: () => Over<StorageTrouble> | null
  /** What every change is refused with: the damage that was met. Null while changes are worth a try. */
  readonly refusal: () => EngineUnavailable | null
  /** A change could not be stored. */
  readonly failed: (error: EngineUnavailable) => void
  /** Something was stored. */
  readonly stored: () => void
}

const troubleOf = ({ cause, why }: EngineUnavailable): StorageTrouble["why"] | null => {
  if (why === "busy" || why === "full" || why === "read_only" || why === "io") return why
  // One row that cannot be read is no damaged file.
  return why === "damaged" && isDamage(cause) ? why : null
}

export const make = (wallMs: () => number): Health => {
  let trouble: StorageTrouble | null = null
  let over: Over<StorageTrouble> | null = null
  let damage: EngineUnavailable | null = null
  return {
    trouble: () => trouble,
    over: () => over,
    refusal: () => damage,
    failed: (error) => {
      const why = troubleOf(error)
      if (why === null || damage !== null) return
      if (why === "damaged") damage = error
      over = null
      trouble = { why, sinceMs: trouble?.sinceMs ?? wallMs(), failures: (trouble?.failures ?? 0) + 1 }
    },
    stored: () => {
      // A damaged file is not trusted again by the process that met the damage.
      if (damage !== null || trouble === null) return
      over = { trouble, endedMs: wallMs() }
      trouble = null
    }
  }
}
