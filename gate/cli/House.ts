/** What the verbs of the gate's command line stand on: where things are, where words go. `gate/main.ts` makes one. */
import { statSync } from "node:fs"
import { parseArgs, type ParseArgsConfig } from "node:util"
import { Data, Effect, Either } from "effect"
import { loadPublicKey, type PinnedKey } from "../evidence/Keys.ts"
import { loadPinnedKeys } from "../evidence/Pinned.ts"
import { clip, plain } from "../evidence/Plain.ts"
import type { Progress } from "../Progress.ts"

/** What a verb cannot work with. Exit code 254, and nothing was done. */
export class WordsRefused extends Data.TaggedError("WordsRefused")<{ readonly text: string }> {
  override get message() {
    return this.text
  }
}

export interface House {
  /** Holds `dist`, `scenarios`, `scorecards` and `evidence`. */
  readonly root: string
  /** Where the public keys lie that may sign. */
  readonly pinnedDir: string
  /** The private key that signs where none is named. */
  readonly keyFile: string
  readonly program: string
  readonly chatService: string
  /** What a played product may see. */
  readonly env: Readonly<Record<string, string>>
  readonly progress: Progress
  /** Writes to stdout what a person or a program reads. */
  readonly print: (text: string) => void
}

/** A line for a person: nothing from outside moves the cursor. */
export const printLine = ({ print }: Pick<House, "print">, line: string): void => print(`${plain(line)}\n`)

export const printJson = ({ print }: Pick<House, "print">, value: unknown): void => print(`${JSON.stringify(value)}\n`)

export const refused = (text: string): WordsRefused => new WordsRefused({ text })

export const orRefused = <A>(either: Either.Either<A, { readonly message: string }>): Effect.Effect<A, WordsRefused> =>
  Either.match(either, { onLeft: ({ message }) => refused(clip(message, 400)), onRight: Effect.succeed })

/** The words behind a verb. A word that it does not know is refused in one sentence. */
export const words = <T extends ParseArgsConfig>(config: T): Effect.Effect<ReturnType<typeof parseArgs<T>>, WordsRefused> =>
  Effect.try({ try: () => parseArgs(config), catch: (cause) => refused(clip(firstSentence(cause), 400)) })

const firstSentence = (cause: unknown): string => (cause instanceof Error ? cause.message.split(". ")[0] ?? "" : "the words are not understood")

/** Exactly the words that are asked for, by place; else the usage. */
export const places = <const N extends ReadonlyArray<string>>(given: ReadonlyArray<string>, names: N, usage: string): Effect.Effect<{ readonly [P in keyof N]: string }, WordsRefused> =>
  isAsLong(given, names) ? Effect.succeed(given) : refused(`${given.length < names.length ? `${names[given.length] ?? ""} is missing` : `${clip(given[names.length] ?? "", 100)} is one word too many`}; ${usage}`)

const isAsLong = <N extends ReadonlyArray<string>>(given: ReadonlyArray<string>, names: N): given is { readonly [P in keyof N]: string } => given.length === names.length

/** The pinned keys: of these files and folders, or those of the house where none is named. */
export const pinnedOf = (house: Pick<House, "pinnedDir">, named: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<PinnedKey>, WordsRefused> =>
  named.length === 0
    ? orRefused(loadPinnedKeys(house.pinnedDir))
    : Effect.map(Effect.forEach(named, (file) => orRefused(pinnedAt(file))), (keys) => keys.flat())

const pinnedAt = (file: string) => (isFolder(file) ? loadPinnedKeys(file) : Either.map(loadPublicKey(file), (key) => [key]))

/** A number of a seed or the like, from 0 on; undefined where none is given. */
export const wholeNumber = (name: string, text: string | undefined): Effect.Effect<number | undefined, WordsRefused> => {
  if (text === undefined) return Effect.succeed(undefined)
  return /^\d{1,15}$/.test(text) ? Effect.succeed(Number(text)) : refused(`${name} wants a whole number, not ${clip(text, 60)}`)
}

/** One of these words. */
export const oneOf = <const A extends string>(name: string, text: string, all: ReadonlyArray<A>): Effect.Effect<A, WordsRefused> => {
  const found = all.find((one) => one === text)
  return found === undefined ? refused(`${name} wants ${all.join(" or ")}, not ${clip(text, 60)}`) : Effect.succeed(found)
}

const isFolder = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isDirectory() === true

/** A word as a shell takes it, for a command that somebody copies. */
export const quoted = (word: string): string => (/^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
