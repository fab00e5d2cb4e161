/** A trace as people read it: the tree, one node a line. Nothing from outside is shown raw. */
import { DateTime } from "effect"
import { oneLine } from "../domain/Redaction.ts"
import type { TraceNode } from "./TracePath.ts"
import type { Trace } from "./TraceTree.ts"

const when = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

/** A duration as people read it. */
export const lasted = (ms: number): string => {
  if (ms < 1000) return `${ms} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

const wordOf = (value: unknown): string | null => (typeof value === "string" && value !== "" ? oneLine(value.split("\n")[0] ?? "").slice(0, 120) : null)

const nodeText = (node: TraceNode): string => {
  const { actor, detail, duration_ms: ms, kind, name, status, task } = node
  const what = kind === "task" ? `task ${task ?? ""} ${oneLine(name)}` : kind === "command" ? `${oneLine(name)} by ${oneLine(actor ?? "nobody")}` : `${kind === "event" ? "" : `${kind} `}${oneLine(name)}`
  const by = kind === "command" || kind === "task" || actor === null || actor.startsWith("system:") ? null : `by ${oneLine(actor)}`
  const code = wordOf(detail["code"])
  const error = wordOf(detail["error"])
  const why = wordOf(detail["reason"])
  const words = [
    status === null ? null : oneLine(status),
    by,
    code === null && error === null ? null : [code, error].filter((word) => word !== null).join(": "),
    why === null ? null : `because: ${why}`,
    kind === "event" || kind === "message" ? null : ms === null ? "not over" : lasted(ms)
  ].filter((word) => word !== null)
  return words.length === 0 ? what : `${what}  ${words.join(", ")}`
}

const branches = (nodes: ReadonlyArray<TraceNode>, before: string, from: number): ReadonlyArray<string> =>
  nodes.flatMap((node, index) => {
    const isLast = index === nodes.length - 1
    const since = node.at === null ? "" : ` +${lasted(Math.max(0, node.at - from))}`
    return [`${before}${isLast ? "└─" : "├─"} ${nodeText(node)}${since}`, ...branches(node.children, `${before}${isLast ? "   " : "│  "}`, from)]
  })

/** The tree, one node a line; `+` is the time since the beginning. */
export const traceText = ({ began_at: began, missing, root, trace }: Trace): string =>
  [
    `trace ${trace}${began === null ? "" : `  from ${when(began)}`}`,
    nodeText(root),
    ...branches(root.children, "", began ?? 0),
    ...missing.map((sentence) => `missing: ${sentence}`)
  ].join("\n")
