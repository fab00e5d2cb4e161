/** How whoever shows something redacts it: with the key of the data folder, where there is one. */
import { Context } from "effect"
import { plainly, type Redactor } from "../domain/Redaction.ts"

export class Redacting extends Context.Reference<Redacting>()("opsgate/control/Redacting", {
  defaultValue: (): Redactor => plainly
}) {}
