/** Texts as the service takes them: in pieces, as a document, with their reference, and never a broken one. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Body, Delivery, Entity } from "../../../src/domain/Chat.ts"
import { callsOf, captionMax, partsMax, referenceOf, textMax } from "../../../src/edge/telegram/Calls.ts"
import { cut, split, wellFormed } from "../../../src/edge/telegram/Split.ts"

const nasty = "_*[]()~`>#+-=|{}.!\\ <b>&amp;</b> \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u{1f469}\u200d\u{1f680}\u200b\u2067\u{1f1e9}\u{1f1ea}e\u0301"
const letters = fc.constantFrom("a", " ", "\n", "\u{1f600}", "\u05e9", "\u200b", "_", "\ud83d", "\udc4d", "<", "*")
const texts = fc.array(letters, { maxLength: 300 }).map((parts) => parts.join(""))
const withEntities = texts.chain((text) =>
  fc.tuple(
    fc.constant(text),
    fc.array(fc.tuple(fc.nat(text.length), fc.nat(text.length)).filter(([from, to]) => to > from).map(([from, to]): Entity => ({ type: "bold", offset: from, length: to - from })), { maxLength: text.length < 2 ? 0 : 5 })
  ))

const isBroken = (text: string): boolean => wellFormed(text) !== text
const delivery = (body: Body, change: Partial<Delivery> = {}): Delivery => ({ id: 1, chat: "5", ref: "r1", card: null, tries: 0, notBeforeMs: 0, atMs: 0, parts: 0, message: null, body, ...change })
const words = (text: string, entities: ReadonlyArray<Entity> = []): Body => ({ _tag: "Text", text, entities, buttons: [[{ label: "Yes", token: "v1:x" }]] })
const textIn = ({ params }: { readonly params: Readonly<Record<string, unknown>> }): string => String(params["text"])

describe("a text in pieces", () => {
  it("keeps every unit but the ends of lines at which it was cut, in pieces that are not too long", () => {
    fc.assert(fc.property(withEntities, fc.integer({ min: 8, max: 60 }), ([text, entities], max) => {
      const pieces = split(text, entities, max)
      expect(pieces.every((piece) => piece.text.length <= max)).toBe(true)
      expect(pieces.map((piece) => piece.text).join("").replaceAll("\n", "")).toBe(wellFormed(text).replaceAll("\n", ""))
    }))
  })

  it("has no half of a pair, and no entity beside the text or within a pair", () => {
    fc.assert(fc.property(withEntities, fc.integer({ min: 8, max: 60 }), ([text, entities], max) => {
      expect(split("\u{1f600}".repeat(20), [], max).some((piece) => isBroken(piece.text))).toBe(false)
      for (const piece of split(text, entities, max)) {
        expect(isBroken(piece.text)).toBe(false)
        for (const { length, offset } of piece.entities) {
          expect(length).toBeGreaterThan(0)
          expect(offset + length).toBeLessThanOrEqual(piece.text.length)
          expect(isBroken(piece.text.slice(offset, offset + length))).toBe(false)
        }
      }
    }))
  })

  it("holds a sign for each half of a pair that has lost the other, so that nothing moves", () => {
    expect(wellFormed("a\ud83d b\udc4d \u{1f600}")).toBe("a\ufffd b\ufffd \u{1f600}")
  })

  it("marks what was marked, on both sides of a cut", () => {
    const pieces = split(`${"a".repeat(10)}\n${"b".repeat(10)}`, [{ type: "code", offset: 8, length: 6 }], 12)
    expect(pieces).toEqual([
      { text: "a".repeat(10), entities: [{ type: "code", offset: 8, length: 2 }] },
      { text: "b".repeat(10), entities: [{ type: "code", offset: 0, length: 3 }] }
    ])
  })

  it("is cut at the end of a line, else behind a word", () => {
    expect(split("aa\u{1f600}aaaaa\n", [], 9).map(({ text }) => text)).toEqual(["aa\u{1f600}aaaaa"])
    expect(split("one two\nthree four", [], 12).map(({ text }) => text)).toEqual(["one two", "three four"])
    expect(split("aaaa bbbb cccc", [], 11).map(({ text }) => text)).toEqual(["aaaa bbbb ", "cccc"])
  })

  it("is short when it is to be one, and says so", () => {
    expect(cut("x".repeat(50), [{ type: "bold", offset: 0, length: 50 }], 10)).toEqual({ text: `${"x".repeat(9)}…`, entities: [{ type: "bold", offset: 0, length: 9 }] })
    expect(cut("short", [], 10).text).toBe("short")
  })
})

describe("the calls of a delivery", () => {
  it("carry the same reference at each try, with the number of the part", () => {
    const calls = callsOf(delivery(words("line of words\n".repeat(700))))
    expect(calls.map(({ method }) => method)).toEqual(["sendMessage", "sendMessage", "sendMessage"])
    const reference = referenceOf(delivery(words("")))
    expect(calls.map((call) => textIn(call).split("\n").at(-1))).toEqual([`· ${reference} 1/3`, `· ${reference} 2/3`, `· ${reference} 3/3`])
    expect(calls.every((call) => textIn(call).length <= textMax)).toBe(true)
    expect(calls.map(({ params }) => "reply_markup" in params)).toEqual([false, false, true])
    expect(callsOf(delivery(words("line of words\n".repeat(700)), { tries: 3 }))).toEqual(calls)
  })

  it("of a card carry one reference, whatever it shows", () => {
    const of = (ref: string, message: number | null) => textIn(callsOf(delivery(words(ref), { ref, card: "T", message }))[0] ?? { params: {} }).split("\n").at(-1)
    expect(of("r1", null)).toBe(of("r2", 77))
  })

  it("of a very long text are one document with its beginning", () => {
    const calls = callsOf(delivery(words(nasty.repeat(400))))
    expect(nasty.length * 400).toBeGreaterThan(textMax * partsMax)
    expect(calls.map(({ method }) => method)).toEqual(["sendDocument"])
    expect(String(calls[0]?.params["caption"]).length).toBeLessThanOrEqual(captionMax)
    expect(Reflect.get(Object(calls[0]?.params["document"]), "source").toString("utf8")).toBe(nasty.repeat(400))
  })

  it("of an edit are one, however long it is", () => {
    const [edit, ...more] = callsOf(delivery(words("y".repeat(20_000)), { card: "T", message: 5 }))
    expect([edit?.method, more.length, textIn(edit ?? { params: {} }).length <= textMax]).toEqual(["editMessageText", 0, true])
  })

  it("name a file as a header may, and it is never empty", () => {
    const [call] = callsOf(delivery({ _tag: "Document", name: "../re\"port\r\nX: y.json", content: "", caption: "c".repeat(3000) }))
    expect(call?.params["document"]).toMatchObject({ filename: expect.stringMatching(/^[A-Za-z0-9._-]+$/) })
    expect(Reflect.get(Object(call?.params["document"]), "source")).toHaveLength(1)
    expect(String(call?.params["caption"]).length).toBeLessThanOrEqual(captionMax)
  })
})
