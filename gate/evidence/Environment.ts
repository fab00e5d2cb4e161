/**
 * environment.json: on what a run was made, how long its stages took and how much memory the gate used. Nothing of it decides,
 * and nothing that must repeat for a seed is computed from it. No host name and no path: a bundle is for strangers.
 */
import { Schema } from "effect"

export const environmentFile = "environment.json"
export const environmentSchema = "https://opsgate.dev/schema/environment/v1"

const Count = Schema.NonNegativeInt

export const Environment = Schema.Struct({
  schema: Schema.Literal(environmentSchema),
  /** Of Opsgate. */
  version: Schema.NonEmptyString,
  node: Schema.String,
  platform: Schema.String,
  cores: Count,
  /** Not all scenarios of the profile, or not with their own seeds: a run to look at something, which is compared with no other. */
  partial: Schema.Boolean,
  /** Until the bundle was written, in the order of their ends. Stages overlap. */
  stages: Schema.Array(Schema.Struct({ stage: Schema.NonEmptyString, ms: Count })),
  /** The most that the process of the gate held at once; the processes that it started are not in it. */
  peak_rss_bytes: Count
})
export type Environment = typeof Environment.Type
