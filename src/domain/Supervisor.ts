/** The process that watches over a command, told apart from a later one with the same pid by its start time. */
export interface Supervisor {
  readonly pid: number
  /** Clock ticks after boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: number
  /** Folder of its job: logs and the exit record. */
  readonly dir: string
  /** Value of OPSGATE_RUN in the command's environment. */
  readonly marker: string
}
