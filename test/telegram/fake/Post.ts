/** Brings an update to a webhook over HTTP. */
import { request as httpRequest } from "node:http"
import { request as httpsRequest } from "node:https"
import { answerMaxMs, type Post } from "./Delivery.ts"
import { type Fields, isFields } from "./Wire.ts"

export const post: Post = ({ secret, url }, update) =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(update)
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      ...(secret === undefined ? {} : { "x-telegram-bot-api-secret-token": secret })
    }
    const request = (url.startsWith("https:") ? httpsRequest : httpRequest)(url, { method: "POST", headers, timeout: answerMaxMs }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: replyOf(Buffer.concat(chunks).toString()) }))
    })
    request.on("timeout", () => request.destroy(new Error("Read timeout expired")))
    request.on("error", reject)
    request.end(text)
  })

const replyOf = (text: string): Fields => {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : {}
  } catch {
    return {}
  }
}
