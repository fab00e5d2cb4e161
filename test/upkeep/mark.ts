/** Watermarks of tests: written by the program's own writer, beside a file that nobody has open. */
import { rmSync } from "node:fs"
import type { Home } from "../edge/cli/Opsgate.ts"
import { type Mark, open, watermarkFile } from "../../src/engine/sqlite/Watermark.ts"

/** The last event of a file, as its watermark would name it. */
export const headIn = (home: Home): Mark => {
  const [head] = home.query<Mark>("SELECT store.id AS stream, seq, hash, at AS atMs FROM event, store ORDER BY seq DESC LIMIT 1")
  if (head === undefined) throw new Error("the file has no event")
  return head
}

export const mark = (file: string, marked: Mark): void => {
  rmSync(watermarkFile(file), { force: true })
  const marker = open(file)
  marker.put(marked)
  marker.close()
}
