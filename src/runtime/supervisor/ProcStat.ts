/**
 * What `/proc/<pid>/stat` tells of a process (proc_pid_stat(5)): whether it still runs, and since when.
 *
 * A pid is reused, a pid with its start time is not: the two together name a process until the machine stops.
 */
export interface ProcStat {
  readonly state: string
  readonly pgrp: number
  /** Clock ticks after boot at which the process started. */
  readonly startTicks: number
}

/**
 * Reads one line of `stat`; undefined when it is not one. The second field is the name in parentheses and may
 * itself hold blanks and parentheses, so fields are counted from the last one that closes.
 */
export const parseStat = (text: string): ProcStat | undefined => {
  const close = text.lastIndexOf(")")
  if (close < 0) return undefined
  // Field 3 of the manual is the first here.
  const fields = text.slice(close + 2).trimEnd().split(" ")
  const state = fields[0]
  const pgrp = Number(fields[2])
  const startTicks = Number(fields[19])
  if (state === undefined || state === "" || !Number.isSafeInteger(pgrp) || !Number.isSafeInteger(startTicks)) return undefined
  return { state, pgrp, startTicks }
}

/** Whether a process in this state has ended and only waits to be collected. */
export const isEnded = (stat: ProcStat): boolean => stat.state === "Z" || stat.state === "X" || stat.state === "x"
