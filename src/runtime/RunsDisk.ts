/** The storage under `runs`, as those find it who prepare commands there. */
import { mkdir, open, rm } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { matrix } from "../domain/Matrix.ts"
import { Instants, type Over, RunsStorage, type RunsTrouble } from "../engine/Engine.ts"
import { pause } from "../engine/Patience.ts"

/** About what a supervisor writes before it is ready. */
const lookBytes = 8192

const whys = new Map<string, RunsTrouble["why"]>([
  ["ENOSPC", "full"],
  ["EDQUOT", "full"],
  ["EROFS", "read_only"],
  ["EIO", "io"],
  ["EMFILE", "no_handles"],
  ["ENFILE", "no_handles"]
])

/** What an error says of the storage; null: it is about something else. A supervisor hands on the words of its error, which begin with the code. */
export const whyOf = (cause: unknown): RunsTrouble["why"] | null => {
  if (!(cause instanceof Error)) return null
  const [word = ""] = /^E[A-Z]+\b/.exec(cause.message) ?? []
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : word
  return whys.get(code) ?? null
}

const tryOut = async (dir: string): Promise<void> => {
  const folder = join(dir, ".look")
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = await open(join(folder, "file"), "w", 0o600)
    await file.write(Buffer.alloc(lookBytes)).then(() => file.sync()).finally(() => file.close())
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}

export const make = (dir: string, wallMs: () => number): RunsStorage["Type"] => {
  let trouble: RunsTrouble | null = null
  let looks = 0
  let over: Over<RunsTrouble> | null = null
  const isWell = () => {
    if (trouble !== null) over = { trouble, endedMs: wallMs() }
    trouble = null
  }
  const failed = (why: RunsTrouble["why"]) => {
    over = null
    trouble = { why, sinceMs: trouble?.sinceMs ?? wallMs(), failures: (trouble?.failures ?? 0) + 1 }
  }
  const isOver = Effect.promise(() =>
    tryOut(dir).then(isWell, (cause: unknown) => {
      const why = whyOf(cause)
      // What is not about the storage is met, and told, by the next run.
      if (why === null) isWell()
      else if (trouble !== null) trouble = { ...trouble, why }
    }))
  return {
    dir,
    trouble: () => trouble,
    over: () => over,
    failed,
    prepared: () => {
      isWell()
      looks = 0
    },
    // The pause stays long where the look succeeds and the next run fails again.
    look: Effect.suspend(() => {
      looks += 1
      return Effect.zipRight(pause(matrix.runs_look.retry, looks), isOver)
    })
  }
}

export const layer = (dir: string): Layer.Layer<never, never, Instants> => Layer.effect(RunsStorage, Effect.map(Instants, ({ wallMs }) => make(dir, wallMs)))
