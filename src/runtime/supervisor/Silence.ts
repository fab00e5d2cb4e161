/**
 * Whether a command still gives signs of life: output on one of its streams, or a touch of its heartbeat file. Looks are counted, not time:
 * a supervisor that was stopped, and a machine that was suspended, find the output that waits for them before they judge.
 */
import { statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Capture } from "./Capture.ts"

/** Variable that names the file, and the file itself in the folder of the run. It is there once the command has made it. */
export const HEARTBEAT_VARIABLE = "OPSGATE_HEARTBEAT_FILE"
export const heartbeatFile = (dir: string): string => join(dir, "heartbeat")

/** So many looks in a row without a sign are silence. */
export const QUIET_LOOKS = 4

/** The shortest time between two looks. */
const LOOK_MS_MIN = 5

const touchedNs = (file: string): bigint => {
  try {
    return statSync(file, { bigint: true }).mtimeNs
  } catch {
    // Not made yet.
    return 0n
  }
}

/**
 * Acts once when there was no sign for `heartbeatMs`: never earlier, and a quarter of it later at most, unless the machine is too busy to
 * look. Ends with the signal.
 */
export const onSilence = async (heartbeatMs: number, dir: string, captures: ReadonlyArray<Capture>, over: AbortSignal, act: () => void): Promise<void> => {
  const everyMs = Math.max(LOOK_MS_MIN, Math.ceil(heartbeatMs / QUIET_LOOKS))
  const file = heartbeatFile(dir)
  const sign = (): string => `${captures.map((one) => one.seen()).join(" ")} ${touchedNs(file)}`
  let last = sign()
  for (let quiet = 0; quiet < QUIET_LOOKS;) {
    await sleep(everyMs, undefined, { signal: over }).catch(() => undefined)
    if (over.aborted) return
    const now = sign()
    quiet = now === last ? quiet + 1 : 0
    last = now
  }
  act()
}
