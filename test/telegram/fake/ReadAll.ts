/** The bytes of a request over HTTP, as many as there may be. */
import type { IncomingMessage } from "node:http"
import { ApiError } from "./Wire.ts"

/** As of the Bot API: a file may have 50 MB; the rest of such a request is small. */
const bodyMax = 52_000_000

export const readAll = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > bodyMax) throw new ApiError(413, "Request Entity Too Large")
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
