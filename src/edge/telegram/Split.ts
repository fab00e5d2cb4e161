/** A text in pieces that the service takes, cut at the ends of lines where that can be. Pure. Positions and lengths count UTF-16 units. */
import type { Entity } from "../../domain/Chat.ts"

export interface Piece {
  readonly text: string
  readonly entities: ReadonlyArray<Entity>
}

/** Half of a surrogate pair without its other half, which the service refuses. */
const lone = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** The text with each lone half of a pair replaced; no position moves. */
export const wellFormed = (text: string): string => text.replace(lone, "\uFFFD")

const isInPair = (text: string, at: number): boolean => at > 0 && at < text.length && /[\uD800-\uDBFF]/.test(text.charAt(at - 1)) && /[\uDC00-\uDFFF]/.test(text.charAt(at))

/** Where a text is cut so that its first piece has `max` units at most: behind a line, else behind a word, else between two characters. */
const cutAt = (text: string, max: number): number => {
  const line = text.lastIndexOf("\n", max) + 1
  if (line > max / 4) return line
  const word = text.lastIndexOf(" ", max - 1) + 1
  if (word > max / 2) return word
  return isInPair(text, max) ? max - 1 : max
}

/** An entity as far as it lies in a stretch of the text, at its place there. */
const within = ({ length, offset, type }: Entity, from: number, to: number): ReadonlyArray<Entity> => {
  const start = Math.max(offset, from)
  const end = Math.min(offset + length, to)
  return end > start ? [{ type, offset: start - from, length: end - start }] : []
}

// Neither begins nor ends within a pair.
const whole = (text: string) => ({ length, offset, type }: Entity): Entity => {
  const start = isInPair(text, offset) ? offset - 1 : offset
  const end = isInPair(text, offset + length) ? offset + length + 1 : offset + length
  return { type, offset: start, length: end - start }
}

/** The text in pieces of `max` units at most, `max` at least 2; entities are cut along. The end of a line at a cut is left out. */
export const split = (given: string, entities: ReadonlyArray<Entity>, max: number): ReadonlyArray<Piece> => {
  const text = wellFormed(given)
  const marks = entities.map(whole(text))
  const pieces: Array<Piece> = []
  for (let from = 0; from < text.length || pieces.length === 0;) {
    const rest = text.length - from
    const next = rest <= max ? text.length : from + cutAt(text.slice(from, from + max + 1), max)
    const to = rest > max && text.charAt(next - 1) === "\n" ? next - 1 : next
    pieces.push({ text: text.slice(from, to), entities: marks.flatMap((entity) => within(entity, from, to)) })
    from = next
  }
  return pieces
}

/** The beginning of a text, of `max` units at most. */
export const cut = (text: string, entities: ReadonlyArray<Entity>, max: number): Piece => {
  const plain = wellFormed(text)
  if (plain.length <= max) return { text: plain, entities: entities.map(whole(plain)).flatMap((entity) => within(entity, 0, plain.length)) }
  const [first = { text: "", entities: [] }] = split(plain, entities, max - 1)
  return { text: `${first.text}…`, entities: first.entities }
}
