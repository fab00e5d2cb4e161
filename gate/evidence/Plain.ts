/**
 * Text from outside, made safe to print: one line, no control characters, no invisible or direction-changing
 * ones. What is replaced stays visible as its code point, so that two different texts never look the same.
 */

// C0 and C1 controls, line separators, zero-width and bidirectional controls, the byte order mark, lone surrogates.
const unsafe = /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/** The code point of a character as people write it, `U+001B`. */
const codePoint = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`

/** One printable line. A tab or line break becomes a space, everything else unsafe its code point in ⟨⟩. */
export const plain = (text: string): string =>
  text.replace(/\r\n|[\t\n\v\f\r]/g, " ").replace(unsafe, (character) => `⟨${codePoint(character)}⟩`)

/** The same, cut to at most `max` characters; a cut text ends in `…`. */
export const clip = (text: string, max: number): string => {
  const characters = [...plain(text)]
  return characters.length <= max ? characters.join("") : `${characters.slice(0, max - 1).join("")}…`
}
