/**
 * Runs a page of the docs: its files are written, its programs run, its shell sessions typed, in a folder outside of the house,
 * against the built bundle. What the page shows is compared with what comes.
 *
 * The info string of a block says what it is: `file=NAME` is written, `run=NAME` is written and run, `output=NAME` is what that
 * run prints, `check=NAME` is a file that compiles but for what its comments expect, `console` is typed.
 * In what is shown, `…` stands for anything, an id for the id that comes in its place, an instant for any instant.
 */
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { program } from "../edge/cli/Opsgate.ts"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export interface Block {
  readonly language: string
  readonly kind: string
  readonly name: string
  readonly text: string
  readonly line: number
}

/** The fenced blocks of a page that are to be run. */
export const blocksOf = (page: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let open: { readonly info: string; readonly line: number; readonly lines: Array<string> } | null = null
  for (const [index, line] of page.split("\n").entries()) {
    if (open === null && line.startsWith("```")) open = { info: line.slice(3), line: index + 1, lines: [] }
    else if (open !== null && line === "```") {
      const [language = "", mark = ""] = open.info.split(" ")
      const [kind = "", name = ""] = mark.split("=")
      blocks.push({ language, kind: language === "console" ? "console" : kind, name, text: `${open.lines.join("\n")}\n`, line: open.line })
      open = null
    } else open?.lines.push(line)
  }
  return blocks
}

/** A folder in which `import "opsgate"` finds the bundle, as in a project that has installed it. */
export const project = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-docs-"))
  mkdirSync(join(folder, "node_modules"))
  symlinkSync(root, join(folder, "node_modules/opsgate"))
  symlinkSync(join(root, "node_modules/effect"), join(folder, "node_modules/effect"))
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  return folder
}

const idShape = "[0-9A-HJKMNP-TV-Z]{26}"
const token = new RegExp(`(${idShape})|\\((\\w{6})\\)|(\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z)|(…)`, "g")
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** Compares what a page shows with what came, and learns which id stands for which. */
export const comparing = () => {
  const ids = new Map<string, string>()
  const translated = (text: string): string => [...ids].reduce((rest, [shown, real]) => rest.replaceAll(shown, real), text)
  return {
    translated,
    /** Whether it came as shown. */
    matches: (shown: string, came: string): boolean => {
      const found: Array<string> = []
      let pattern = ""
      let from = 0
      const known = translated(shown)
      for (const match of known.matchAll(token)) {
        const [text, id, short, instant] = match
        pattern += escaped(known.slice(from, match.index))
        from = match.index + text.length
        if (id !== undefined && ![...ids.values()].includes(id)) {
          pattern += `(${idShape})`
          found.push(id)
        } else if (short !== undefined && ![...ids.values()].includes(short)) pattern += "\\(\\w{6}\\)"
        else pattern += instant !== undefined ? "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z" : text === "…" ? "[^]*?" : escaped(text)
      }
      const matched = new RegExp(`^${pattern}${escaped(known.slice(from))}$`).exec(came)
      if (matched === null) return false
      for (const [index, id] of found.entries()) {
        const real = matched[index + 1] ?? ""
        ids.set(id, real)
        ids.set(id.slice(-6).toLowerCase(), real.slice(-6).toLowerCase())
      }
      return true
    }
  }
}

/** The commands of a session, and what each is shown to print. */
export const commandsOf = (text: string): ReadonlyArray<{ readonly command: string; readonly shown: string }> =>
  text.split(/^\$ /m).slice(1).map((part) => {
    const [command = "", ...rest] = part.trimEnd().split("\n")
    return { command, shown: rest.join("\n") }
  })

/** A shell in which `opsgate` is the bundled program. */
export const shell = (folder: string) => {
  const child = spawn("bash", ["--noprofile", "--norc"], { cwd: folder, env: { PATH: process.env.PATH ?? "" }, stdio: ["pipe", "pipe", "pipe"], detached: true })
  let output = ""
  let wake = (): void => undefined
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk
    wake()
  })
  child.stdin.write(`shopt -s expand_aliases\nalias opsgate="node ${program}"\n`)
  let count = 0
  return {
    run: async (command: string): Promise<string> => {
      const mark = `<<${++count}>>`
      output = ""
      child.stdin.write(`{ ${command}\n} 2>&1; echo "${mark}"\n`)
      while (!output.includes(mark)) await new Promise<void>((resolve) => (wake = resolve))
      return output.slice(0, output.indexOf(mark)).trimEnd()
    },
    /** Ends the shell and what it started. */
    end: (): void => {
      try {
        process.kill(-(child.pid ?? 0), "SIGKILL")
      } catch {
        // It has ended.
      }
    }
  }
}

export const read = (file: string): string => readFileSync(join(root, file), "utf8")
