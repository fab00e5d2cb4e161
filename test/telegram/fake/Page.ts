/**
 * The chat page, one file without anything from elsewhere. The policy allows exactly the script and the style that stand in it,
 * by their hashes (Content Security Policy Level 3, "hash-source"), and nothing that a message could bring in.
 */
import { createHash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { checkCaller } from "./ControlDoor.ts"
import { ApiError } from "./Wire.ts"

const hashOf = (html: string, tag: string): string => {
  const text = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(html)?.[1] ?? ""
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`
}

export const policyOf = (html: string): string =>
  [
    "default-src 'none'",
    `script-src ${hashOf(html, "script")}`,
    `style-src ${hashOf(html, "style")}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")

export const servePage = (html: string, request: IncomingMessage, response: ServerResponse): void => {
  try {
    // A link on another site may lead here; a frame or a script there may not.
    if (request.headers["sec-fetch-mode"] !== "navigate") checkCaller(request)
  } catch (cause) {
    response.writeHead(cause instanceof ApiError ? cause.code : 500, { "content-type": "text/plain; charset=utf-8" })
    response.end(cause instanceof Error ? cause.message : "")
    return
  }
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(html),
    "content-security-policy": policyOf(html),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store"
  })
  response.end(html)
}
