/** What people are to be told. Stored with the change that caused it, delivered afterwards, at least once. */

export const topics = ["approval_needed", "task_ended", "outcome_unknown", "dead_letter", "review_failed", "break_glass"] as const
export type Topic = (typeof topics)[number]

export interface Message {
  readonly topic: Topic
  readonly task: string
  readonly text: string
}
