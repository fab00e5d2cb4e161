/**
 * Reads what strace wrote of a server: which files of its data folder it changed and synced, in which order, and what it answered on its
 * socket in between. Lines are those of `strace -f -y -xx`: every byte of a string is `\xHH`, a descriptor is followed by its path.
 */

/** One thing that happened, by the line of the trace at which it was done. Files are named within the data folder. */
export type Step =
  | { readonly op: "write"; readonly line: number; readonly file: string; /** Null: at the end. */ readonly offset: number | null; readonly data: Buffer }
  | { readonly op: "truncate"; readonly line: number; readonly file: string; readonly size: number }
  | { readonly op: "create"; readonly line: number; readonly file: string }
  | { readonly op: "sync"; readonly line: number; readonly file: string }
  | { readonly op: "unlink"; readonly line: number; readonly file: string }
  | { readonly op: "rename"; readonly line: number; readonly file: string; readonly to: string }
  /** Text that was sent on a socket; the line is that of its beginning, since a client may have it from there on. */
  | { readonly op: "answer"; readonly line: number; readonly text: string }

const shape = /^(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))$/
const unfinished = " <unfinished ...>"
const outcome = /\) += (-?\d+)(?:<[^>]*>)?(?: .*)?$/

/** All that was done, in its order. What failed, and what a kill left open, changed nothing that counts and is left out. */
export const stepsOf = (trace: string, folder: string): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  const open = new Map<string, { readonly words: string; readonly line: number }>()
  for (const [index, text] of trace.split("\n").entries()) {
    const [, pid, resumed, rest = "", name = "", args = ""] = shape.exec(text) ?? []
    if (pid === undefined) continue
    if (resumed === undefined && args.endsWith(unfinished)) {
      open.set(pid, { words: args.slice(0, -unfinished.length), line: index + 1 })
      continue
    }
    const begun = resumed === undefined ? undefined : open.get(pid)
    if (resumed !== undefined) open.delete(pid)
    const whole = `${begun?.words ?? ""}${resumed === undefined ? args : rest}`
    const step = stepOf(resumed ?? name, whole, folder, { began: begun?.line ?? index + 1, done: index + 1 })
    if (step !== null) steps.push(step)
  }
  // An answer counts from its beginning on, everything else from its end.
  return steps.sort((one, other) => one.line - other.line)
}

const descriptor = /^(\d+)<((?:\\x[0-9a-f]{2})*)>/
const quoted = /"((?:\\x[0-9a-f]{2})*)"/g

const bytes = (escaped: string): Buffer => Buffer.from(escaped.replaceAll("\\x", ""), "hex")
const strings = (text: string): ReadonlyArray<Buffer> => [...text.matchAll(quoted)].map(([, hex = ""]) => bytes(hex))

const stepOf = (call: string, text: string, folder: string, { began, done: line }: { readonly began: number; readonly done: number }): Step | null => {
  const result = Number(outcome.exec(text)?.[1] ?? -1)
  if (result < 0) return null
  const named = descriptor.exec(text)
  const path = named === null ? null : bytes(named[2] ?? "").toString("utf8")
  if (path !== null && /^(socket|UNIX)/.test(path)) return /^(write|writev|sendto|sendmsg)$/.test(call) ? { op: "answer", line: began, text: Buffer.concat([...strings(text)]).toString("utf8") } : null
  const file = path === null ? null : within(folder, path)
  switch (call) {
    case "pwrite64":
      return file === null ? null : { op: "write", line, file, offset: Number(/, (\d+)\) += /.exec(text)?.[1] ?? 0), data: Buffer.concat([...strings(text)]).subarray(0, result) }
    case "write":
    case "writev":
      return file === null ? null : { op: "write", line, file, offset: null, data: Buffer.concat([...strings(text)]).subarray(0, result) }
    case "ftruncate":
      return file === null ? null : { op: "truncate", line, file, size: Number(/, (\d+)\) += /.exec(text)?.[1] ?? 0) }
    case "fsync":
    case "fdatasync":
      return file === null ? null : { op: "sync", line, file }
    default:
      return namedStep(call, text, folder, line)
  }
}

const namedStep = (call: string, text: string, folder: string, line: number): Step | null => {
  const [from = null, to = null] = strings(text).map((name) => within(folder, name.toString("utf8")))
  if (from === null) return null
  if (call === "openat" && text.includes("O_CREAT")) return { op: "create", line, file: from }
  if (call === "unlink" || call === "unlinkat") return { op: "unlink", line, file: from }
  return call.startsWith("rename") && to !== null ? { op: "rename", line, file: from, to } : null
}

// Files of the data folder itself: what is deeper belongs to runs, which are no part of the store.
const within = (folder: string, path: string): string | null => {
  const inside = path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : null
  return inside === null || inside === "" || inside.includes("/") ? null : inside
}
