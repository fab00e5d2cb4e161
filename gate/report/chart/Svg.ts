/**
 * The frame of a chart: plain SVG of a fixed width, readable on light and on dark paper, with a title and a description for whoever
 * cannot see it. The same input gives the same bytes: coordinates have at most one decimal, and nothing depends on fonts or time.
 */
import { clip } from "../../evidence/Plain.ts"
import { escapeXml } from "../Junit.ts"

export interface Drawn {
  readonly title: string
  /** What the chart shows, in words that stand for it. */
  readonly desc: string
  readonly height: number
  readonly body: ReadonlyArray<string>
}

export const width = 760
const descMax = 3000

// Shown through `<img>`, where `currentColor` is that of nobody's text: so both papers are named.
const style = `text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}.dim{fill:#59636e}.axis{stroke:#d1d9e0}.PASS{stroke:#1a7f37;stroke-width:8;stroke-linecap:round}.FAIL{fill:none;stroke:#d1242f;stroke-width:2}.INSUFFICIENT{fill:none;stroke:#9a6700;stroke-width:1.5}.ERROR{fill:#8250df}.mark{fill:#0969da;stroke:#0969da}.bars{fill:#0969da;fill-opacity:.5}.need{stroke:#d1242f;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.axis{stroke:#3d444d}.PASS{stroke:#3fb950}.FAIL{stroke:#f85149}.INSUFFICIENT{stroke:#d29922}.ERROR{fill:#ab7df8}.mark{fill:#4493f8;stroke:#4493f8}.bars{fill:#4493f8}.need{stroke:#f85149}}`

export const svg = ({ body, desc, height, title }: Drawn): string => [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">`,
  `<title id="title">${escapeXml(clip(title, 200))}</title>`,
  `<desc id="desc">${escapeXml(clip(desc, descMax))}</desc>`,
  `<style>${style}</style>`,
  ...body,
  "</svg>",
  ""
].join("\n")

/** At most this many characters of text at a place; `anchor` is where the place is. */
export const label = (x: number, y: number, text: string, { anchor = "start", dim = false, max = 60 }: { readonly anchor?: "start" | "middle" | "end"; readonly dim?: boolean; readonly max?: number } = {}): string =>
  `<text x="${at(x)}" y="${at(y)}"${anchor === "start" ? "" : ` text-anchor="${anchor}"`}${dim ? ` class="dim"` : ""}>${escapeXml(clip(text, max))}</text>`

/** A coordinate as it is written. */
export const at = (value: number): string => String(Math.round(value * 10) / 10)

/** Where a value lies on a logarithmic axis; what is below its start lies on it, what is above its end on that. */
export const logScale = (from: number, to: number, left: number, right: number) => (value: number): number =>
  left + (right - left) * Math.min(1, Math.max(0, Math.log(Math.max(value, from) / from) / Math.log(to / from)))

/** Lines from top to bottom with a word below each. */
export const axis = (ticks: ReadonlyArray<readonly [number, string]>, top: number, bottom: number): ReadonlyArray<string> => [
  `<path class="axis" d="${ticks.map(([x]) => `M${at(x)} ${at(top)}V${at(bottom)}`).join("")}"/>`,
  ...ticks.map(([x, word]) => label(x, bottom + 14, word, { anchor: "middle", dim: true }))
]
