/** What is wrong with a file that a person wrote, in one sentence: the place, and what is wanted there. */
import type { ErrorObject } from "ajv/dist/2020.js"

const allowed = ({ allowedValues }: ErrorObject["params"]): string => (Array.isArray(allowedValues) ? ` (${allowedValues.join(", ")})` : "")

/** The sentence about the first of the errors that ajv found. */
export const sentence = (errors: ReadonlyArray<ErrorObject> | null | undefined): string => {
  const [first] = errors ?? []
  if (first === undefined) return "is not valid"
  const place = first.instancePath === "" ? "" : `${first.instancePath.slice(1).replaceAll("/", ".")} `
  // What a pattern stands for is said by its title, where the validator keeps it.
  const wanted: unknown = first.keyword === "pattern" ? first.parentSchema?.["title"] : undefined
  if (typeof wanted === "string") return `${place}${first.propertyName === undefined ? "" : `${JSON.stringify(first.propertyName)} `}is not ${wanted}`
  const extra = "additionalProperty" in first.params ? ` (${JSON.stringify(first.params.additionalProperty)})` : allowed(first.params)
  return `${place}${first.message ?? "is not valid"}${extra}`
}

/** The first member that a JSON text names twice in one object, or null. `JSON.parse` keeps the last one and tells nobody. */
export const namedTwice = (json: string): string | null => {
  const open: Array<Set<string> | null> = []
  let last: string | null = null
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === "{") open.push(new Set())
    else if (token === "[") open.push(null)
    else if (token === "}" || token === "]") open.pop()
    else if (token === ":") {
      const names = open.at(-1)
      const name: string = last ?? ""
      if (names?.has(name) === true) return name
      names?.add(name)
    } else last = unescaped(token)
  }
  return null
}

const unescaped = (token: string): string => {
  try {
    return String(JSON.parse(token))
  } catch {
    return token
  }
}
