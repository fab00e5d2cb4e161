/**
 * What a policy looks for: literal words, globs of paths, patterns of names. A user writes no regular expression, and whatever is
 * compiled here takes time linear in the text that is looked at, times the length of the pattern at most: a payload is up to 1 MB of
 * somebody else's choice.
 */
import { Either } from "effect"

/** Anything that tells whether it is found in a text. */
export interface Pattern {
  readonly test: (text: string) => boolean
}

/** The longest word, name pattern or glob, in characters. */
export const patternMax = 200
/** The most stars in a name pattern or in one part of a glob. */
const starsMax = 4

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")

// White space, and what a shell or a list of words puts in its place: `git "push"`, a line that is continued.
const gap = "[\\s\"'`\\\\]+"

const wordSource = (word: string): string => {
  const body = word.normalize("NFKC").trim().split(/\s+/).map(literally).join(gap)
  const begins = /^[\p{L}\p{N}]/u.test(word.trim()) ? String.raw`(?<![\p{L}\p{N}])` : ""
  const ends = /[\p{L}\p{N}]$/u.test(word.trim()) ? String.raw`(?![\p{L}\p{N}])` : ""
  return begins + body + ends
}

/**
 * Finds any of these words, whole and in any case: `git push` is in `GIT   push` and in `git "push"`, and not in `digit pushed`. Between
 * the parts of a word there are nothing but runs of white space, so that no text makes the search go back further than one run.
 */
export const wordsPattern = (words: ReadonlyArray<string>): Pattern => new RegExp(words.map(wordSource).join("|"), "iu")

/** Why a word cannot be looked for, or null. */
export const wordIssue = (word: string): string | null => {
  if (word.trim() === "") return "is empty"
  return /[\p{Cc}\p{Default_Ignorable_Code_Point}]/u.test(word) ? "has a character that cannot be seen" : null
}

/** Fits a whole name; `*` stands for any characters. */
export const namePattern = (pattern: string): Either.Either<Pattern, string> => {
  const parts = pattern.split("*")
  if (parts.length - 1 > starsMax) return Either.left(`has more than ${starsMax} stars`)
  if (pattern === "" || /[\p{Cc}\p{Default_Ignorable_Code_Point}]/u.test(pattern)) return Either.left("is empty or has a character that cannot be seen")
  return Either.right(segmentPattern(pattern))
}

// Greedy: the last star that was met takes one character more whenever what follows does not fit. Each character is looked at once for
// each character of the pattern at most.
const segmentPattern = (pattern: string): Pattern => ({
  test: (text) => {
    let at = 0
    let inText = 0
    let star = -1
    let afterStar = 0
    while (inText < text.length) {
      if (pattern[at] === "*") {
        star = at++
        afterStar = inText
      } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[inText])) {
        at += 1
        inText += 1
      } else if (star >= 0) {
        at = star + 1
        inText = ++afterStar
      } else return false
    }
    while (pattern[at] === "*") at += 1
    return at === pattern.length
  }
})

/** The longest path that Linux takes, in bytes (`PATH_MAX`, limits.h): a longer run of characters is none. */
const pathMax = 4096

// As the kernel walks it, without links: `/srv/../etc//x` is `/etc/x`.
const segmentsOf = (path: string): ReadonlyArray<string> => {
  const segments: Array<string> = []
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop()
    else if (segment !== "" && segment !== ".") segments.push(segment)
  }
  return segments
}

// Which numbers of segments the pattern can have eaten so far: one row of a table, so that `**` costs no tries.
const fits = (parts: ReadonlyArray<Pattern | null>, segments: ReadonlyArray<string>): boolean => {
  let row = segments.map(() => false)
  row.unshift(true)
  for (const part of parts) {
    const next = row.map(() => false)
    row.forEach((reached, eaten) => {
      const segment = segments[eaten]
      if (part === null) next[eaten] = reached || (eaten > 0 && next[eaten - 1] === true)
      else if (reached && segment !== undefined && part.test(segment)) next[eaten + 1] = true
    })
    row = next
  }
  return row[segments.length] === true
}

/**
 * Fits a path: `*` and `?` stand for characters within one part of it, `**` for any parts, none included. A glob that does not begin
 * with `/` fits at every depth, and `/etc/**` fits `/etc` itself. What a link leads to is not known here.
 */
export const globPattern = (glob: string): Either.Either<Pattern, string> => {
  const issue = globIssue(glob)
  if (issue !== null) return Either.left(issue)
  const absolute = glob.startsWith("/")
  const parts = segmentsOf(glob).map((part) => (part === "**" ? null : segmentPattern(part)))
  const [only] = parts
  // A name alone is found wherever it stands in a path: what lies below it belongs to it.
  if (!absolute && parts.length === 1 && only !== undefined && only !== null) return Either.right({ test: (path) => path.length <= pathMax && segmentsOf(path).some(only.test) })
  const all = absolute ? parts : [null, ...parts]
  const needed = parts.filter((part) => part !== null).length
  return Either.right({
    test: (path) => {
      if (path.length > pathMax || (absolute && !path.startsWith("/"))) return false
      const segments = segmentsOf(path)
      return segments.length >= needed && fits(all, segments)
    }
  })
}

const globIssue = (glob: string): string | null => {
  if (/[[\]{}()!\\\s]/.test(glob)) return "is not a glob: only *, ** and ? are understood"
  const parts = glob.split("/")
  if (parts.some((part) => part === ".." || part === ".")) return "is not a glob: it has . or .. in it"
  if (parts.some((part) => part.includes("**") && part !== "**")) return "is not a glob: ** stands alone between two /"
  if (parts.slice(1, -1).includes("") || segmentsOf(glob).length === 0) return "is not a glob: a part of it is empty"
  if (parts.filter((part) => part === "**").length > starsMax || parts.some((part) => part.split("*").length - 1 > starsMax)) return `is not a glob: it has more than ${starsMax} stars`
  return segmentsOf(glob).every((part) => part === "**" || part === "*") ? "is not a glob: it fits every path" : null
}
