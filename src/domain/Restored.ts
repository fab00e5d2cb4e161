/**
 * What a file remembers of its last restore. The world went on after the backup was made, so a restored file starts nothing by itself
 * until an operator releases it, and its fencing tokens go on above all that may have been handed out since.
 */

/** How far the generations of a restored file lie above those that it knows: more than a task can have had since the backup. */
export const generationLeap = 1_000_000

export interface Restored {
  /** Counts from 1: a file may be restored again from a backup of a restored one. */
  readonly number: number
  readonly atMs: number
  readonly actor: string
  /** The last event of the backup, and its hash. */
  readonly backupSeq: number
  readonly backupHash: string
  /** Tasks that are older than the restore get generations above this one. */
  readonly generationFloor: number
  /** Null while it is held: no claim, no tick, no expiry, no delivery. */
  readonly releasedAtMs: number | null
}

/** Whether nothing may begin by itself. */
export const isHeld = (restored: Restored | null | undefined): boolean => restored !== null && restored !== undefined && restored.releasedAtMs === null

/** The generation of the next claim. Outside systems may have seen higher ones than this file knows, from after its backup. */
export const nextGeneration = (task: { readonly generation: number; readonly createdAtMs: number }, restored: Restored | null | undefined): number =>
  (restored !== null && restored !== undefined && task.createdAtMs <= restored.atMs ? Math.max(task.generation, restored.generationFloor) : task.generation) + 1

/** The code of an outcome that is unknown because the file was restored. */
export const restoredCode = "restored"
