/**
 * Values from outside in Markdown (GitHub flavour): every character that could mean something is escaped, so
 * that a task's name can neither break a table nor put a link, an image or a mention into the report.
 */
import { isPath } from "../evidence/Files.ts"
import { plain } from "../evidence/Plain.ts"

/** Text inside a paragraph or a table cell. */
export const escapeText = (text: string): string =>
  plain(text)
    .replace(/[\\`*_[\]<>|~&@$]/g, (character) => `\\${character}`)
    // Bare addresses become links without any bracket; the escape before the colon or dot stops that.
    .replace(/:(?=\/\/)/g, "\\:")
    .replace(/\bwww\./gi, (match) => `${match.slice(0, -1)}\\.`)
    // What is only special at the start of a line: headings, lists, quotes, rules.
    .replace(/^(\s*)([#+=-])/, "$1\\$2")
    .replace(/^(\s*\d+)([.)])/, "$1\\$2")

/**
 * A code span, also inside a table. Its fence is longer than any run of backticks in the text. A pipe ends a
 * cell even in code, and its escape is only undone inside tables, so code with a pipe belongs into tables only.
 */
export const codeSpan = (text: string): string => {
  const line = plain(text).replaceAll("|", "\\|")
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = "`".repeat(longest + 1)
  const pad = longest > 0 || line === "" ? " " : ""
  return `${fence}${pad}${line}${pad}${fence}`
}

/** An image that lies in the same bundle. */
export const imageOf = (path: string, title: string): string => (isPath(path) ? `![${escapeText(title)}](${path})` : escapeText(title))

/** A link to a file of the same bundle, named by its path. What is no such path is text and links nowhere. */
export const linkTo = (path: string): string => (isPath(path) ? `[${escapeText(path)}](${path})` : escapeText(path))
