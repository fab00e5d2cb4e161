/** The verb that says what a task waits for. */
import type { Command } from "commander"

export interface WhyLook {
  readonly _tag: "Why"
  readonly task: string
}

/** Adds the verb; `looking` gives it the options that all verbs have that look. */
export const addWhyVerb = (program: Command, looking: (command: Command) => Command, run: (look: WhyLook, command: Command) => Promise<void>): void => {
  looking(program.command("why <task>"))
    .description("what a task waits for, who holds it until when, and what would move it")
    .action((task: string, _options: unknown, command: Command) => run({ _tag: "Why", task }, command))
}
