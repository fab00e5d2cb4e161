/** A change of one task, as an engine takes it: whoever waits for the end of that task is told in the same decision. */
import type { FoundBulk } from "./Bulk.ts"
import { wakingParent } from "./Checkpoint.ts"
import { type Decision, refused, type StoredAnswer } from "./Decision.ts"
import type { Now } from "./Now.ts"
import { TaskNotFound } from "./Refusal.ts"
import type { Step } from "./Step.ts"
import type { Task, TaskId } from "./Task.ts"

interface Found {
  readonly tasks: ReadonlyArray<Task | undefined>
  readonly related: ReadonlyArray<Task | undefined>
  readonly steps: ReadonlyArray<Step>
  readonly stored: StoredAnswer | undefined
  readonly holder?: Task | undefined
  readonly bulk?: FoundBulk | undefined
}

const none: ReadonlyArray<TaskId> = []
const parentOf = ([task]: ReadonlyArray<Task | undefined>): ReadonlyArray<TaskId> => (task === undefined || task.parent === null ? none : [task.parent.task])

/** Applies a rule to the task, which is refused as `TaskNotFound` when there is none. */
export const onTask = <A>(id: TaskId, rule: (task: Task, now: Now, found: Found) => Decision<A>, key: string | null = null) => ({
  tasks: [id],
  related: parentOf,
  key,
  rule: (found: Found, now: Now): Decision<A> => {
    const [task] = found.tasks
    if (task === undefined) return refused(new TaskNotFound({ task: id }), {})
    const decision = rule(task, now, found)
    const [parent] = found.related
    return parent === undefined ? decision : wakingParent(decision, parent, now)
  }
})
