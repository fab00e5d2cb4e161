/**
 * A disk as a power cut leaves it: what was synced is there; of each write since, seeded chance says whether it survives, is gone, or is torn
 * at a sector of 512 bytes, each by itself. Files that were made, renamed or deleted count as durable at once: that an entry of a
 * folder can be lost is not modelled.
 */
import { createHash } from "node:crypto"
import { between } from "../Seed.ts"
import type { Step } from "./Trace.ts"

const sectorBytes = 512

type Change = { readonly offset: number; readonly data: Buffer } | { readonly size: number }

interface File {
  readonly durable: Buffer
  /** Since the last sync, oldest first. */
  readonly pending: ReadonlyArray<Change>
  /** As the running system sees it. */
  readonly size: number
}

/** `cut`: fate is drawn for each change. `all` and `none` of what was not synced is there. */
export type Fate = "cut" | "all" | "none"

export class Disk {
  private readonly files = new Map<string, File>()
  private readonly honest: boolean

  /** A disk that is not honest says that it has synced, and has not. */
  constructor(honest: boolean) {
    this.honest = honest
  }

  apply(step: Step): void {
    if (step.op === "answer") return
    const { durable, pending, size } = this.files.get(step.file) ?? { durable: Buffer.alloc(0), pending: [], size: 0 }
    switch (step.op) {
      case "write": {
        const offset = step.offset ?? size
        this.files.set(step.file, { durable, pending: [...pending, { offset, data: step.data }], size: Math.max(size, offset + step.data.length) })
        break
      }
      case "truncate":
        this.files.set(step.file, { durable, pending: [...pending, { size: step.size }], size: step.size })
        break
      case "sync":
        // A folder may be synced too; it has no content here.
        if (this.honest && this.files.has(step.file)) this.files.set(step.file, { durable: pending.reduce(changed, durable), pending: [], size })
        break
      case "create":
        this.files.set(step.file, { durable, pending, size })
        break
      case "unlink":
        this.files.delete(step.file)
        break
      case "rename":
        this.files.delete(step.file)
        this.files.set(step.to, { durable, pending, size })
        break
    }
  }

  /** How many changes are not synced. */
  get unsynced(): number {
    return [...this.files.values()].reduce((sum, { pending }) => sum + pending.length, 0)
  }

  /** The files after a power cut at this instant. */
  cut(fate: Fate, chance: () => number): ReadonlyMap<string, Buffer> {
    const left = (change: Change): ReadonlyArray<Change> => {
      if (fate !== "cut") return fate === "all" ? [change] : []
      const drawn = chance()
      if (drawn < 0.4) return [change]
      return drawn < 0.8 || "size" in change ? [] : torn(change, chance)
    }
    return new Map([...this.files].map(([name, { durable, pending }]) => [name, pending.flatMap(left).reduce(changed, durable)]))
  }
}

const changed = (content: Buffer, change: Change): Buffer => {
  if ("size" in change) return change.size <= content.length ? content.subarray(0, change.size) : Buffer.concat([content, Buffer.alloc(change.size - content.length)])
  const { data, offset } = change
  const whole = Buffer.alloc(Math.max(content.length, offset + data.length))
  content.copy(whole)
  data.copy(whole, offset)
  return whole
}

// Some of its sectors arrived, in whatever order the disk took them.
const torn = ({ data, offset }: Extract<Change, { readonly data: Buffer }>, chance: () => number): ReadonlyArray<Change> => {
  const first = offset - (offset % sectorBytes)
  const sectors = Array.from({ length: Math.ceil((offset + data.length - first) / sectorBytes) }, (_, index) => first + index * sectorBytes)
  const kept = sectors.filter(() => between(chance, 0, 1) === 1)
  return kept.map((at) => {
    const [from, to] = [Math.max(at, offset), Math.min(at + sectorBytes, offset + data.length)]
    return { offset: from, data: data.subarray(from - offset, to - offset) }
  })
}

/** What makes one state of a disk another. */
export const digestOf = (files: ReadonlyMap<string, Buffer>): string => {
  const hash = createHash("sha256")
  for (const [name, content] of [...files].sort(([one], [other]) => (one < other ? -1 : 1))) hash.update(`${name} ${content.length}\n`).update(content)
  return hash.digest("hex")
}
