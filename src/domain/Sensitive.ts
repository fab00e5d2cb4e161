/**
 * What a schema marks as sensitive, as paths: known when a kind is declared, kept with each of its tasks, so that whoever shows a
 * task later needs neither the configuration nor the code.
 *
 * A path is a list of names; `*` stands for any name and for any place in a list. The empty path is the whole value.
 */
import { Option, type Schema, SchemaAST } from "effect"
import type { Json } from "./Canonical.ts"

export type Path = ReadonlyArray<string>
export type Paths = ReadonlyArray<Path>

/** What a kind marks. */
export interface SensitivePaths {
  readonly payload: Paths
  readonly result: Paths
}

/** Whether the value that these paths have led to is one of those that are marked. */
export const isSensitiveAt = (paths: Paths): boolean => paths.some(({ length }) => length === 0)

/** What is left of the paths behind a member of that name, or at that place. */
export const stepInto = (paths: Paths, name: string): Paths =>
  paths.length === 0 ? paths : paths.flatMap(([first, ...rest]) => (first === name || first === "*" ? [rest] : []))

/** The values at the paths, as texts, the longest first. */
export const valuesAt = (value: Json, paths: Paths): ReadonlyArray<string> => [...new Set(found(value, paths))].sort((a, b) => b.length - a.length)

const found = (value: Json, paths: Paths): ReadonlyArray<string> => {
  if (paths.length === 0) return []
  if (typeof value !== "object" || value === null) return isSensitiveAt(paths) && value !== null ? [String(value)] : []
  const all = isSensitiveAt(paths)
  return Object.entries(value).flatMap(([name, member]: readonly [string, Json]) => found(member, all ? [[]] : stepInto(paths, name)))
}

// A schema that holds itself is followed so deep: below that everything counts as marked, if anything is.
const depthMax = 10
/** The most paths of one schema; with more than that the whole value is sensitive. */
const pathsMax = 200

const settled = (paths: Paths): Paths => {
  const distinct = [...new Map(paths.map((path) => [JSON.stringify(path), path])).values()]
  return distinct.length > pathsMax ? [[]] : distinct
}

/** The keyword of JSON Schemas: `"x-sensitive": true`. */
export const sensitiveKeyword = "x-sensitive"

type JsonSchema = Readonly<Record<string, unknown>>
const isSchema = (value: unknown): value is JsonSchema => typeof value === "object" && value !== null && !Array.isArray(value)

const under = (name: string, paths: Paths): Paths => paths.map((path) => [name, ...path])

/** What a JSON Schema marks with `x-sensitive`. A reference that cannot be followed counts as marked if anything in the schema is. */
export const sensitiveInJsonSchema = (schema: unknown): Paths => {
  if (!JSON.stringify(schema ?? null).includes(`"${sensitiveKeyword}":true`)) return []
  const root = schema

  const each = (value: unknown, depth: number): Paths => (Array.isArray(value) ? value.flatMap((one: unknown) => walk(one, depth)) : [])
  const members = (value: unknown, depth: number, nameOf: (name: string) => string): Paths =>
    isSchema(value) ? Object.entries(value).flatMap(([name, one]) => under(nameOf(name), walk(one, depth + 1))) : []

  const walk = (value: unknown, depth: number): Paths => {
    if (!isSchema(value)) return []
    if (value[sensitiveKeyword] === true || depth > depthMax) return [[]]
    const ref = value["$ref"] ?? value["$dynamicRef"]
    return [
      ...(typeof ref === "string" ? referred(ref, depth) : []),
      ...members(value["properties"], depth, (name) => name),
      ...members(value["patternProperties"], depth, () => "*"),
      ...["additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems", "contains"].flatMap((name) => under("*", walk(value[name], depth + 1))),
      ...under("*", each(value["prefixItems"], depth + 1)),
      ...["allOf", "anyOf", "oneOf"].flatMap((name) => each(value[name], depth + 1)),
      ...["if", "then", "else"].flatMap((name) => walk(value[name], depth + 1)),
      ...(isSchema(value["dependentSchemas"]) ? Object.values(value["dependentSchemas"]).flatMap((one) => walk(one, depth + 1)) : [])
    ]
  }

  const referred = (ref: string, depth: number): Paths => {
    if (!ref.startsWith("#")) return [[]]
    const target = ref.slice(1).split("/").slice(1).reduce<unknown>((at, part) => (isSchema(at) ? at[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")] : undefined), ref === "#" || ref.startsWith("#/") ? root : undefined)
    return target === undefined ? [[]] : walk(target, depth + 1)
  }

  return settled(walk(schema, 0))
}

const SensitiveId: unique symbol = Symbol.for("opsgate/Sensitive")

/**
 * Marks a schema of a payload, a result or one of their members: its values are stored as they are, since the work needs them, and are
 * shown nowhere. `Sensitive(Schema.String)`.
 */
export const Sensitive = <A, I, R>(schema: Schema.Schema<A, I, R>): Schema.Schema<A, I, R> => schema.annotations({ [SensitiveId]: true })

const isMarked = ({ annotations }: SchemaAST.Annotated): boolean => annotations[SensitiveId] === true

/** What a schema marks, in the form in which its values are kept. Effect's own `Schema.Redacted` counts as marked. */
export const sensitiveInSchema = ({ ast }: Pick<Schema.Schema.All, "ast">): Paths => {
  const known = inSchemas.get(ast) ?? markedIn(ast)
  inSchemas.set(ast, known)
  return known
}

// Steps ask for their schema each time they run.
const inSchemas = new WeakMap<SchemaAST.AST, Paths>()

const markedIn = (ast: SchemaAST.AST): Paths => {
  const marked = settled(inAst(ast, [], 0))
  return marked.length === 0 ? marked : settled(inAst(ast, [[]], 0))
}

const isRedacted = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isDeclaration(ast) && [SchemaAST.getIdentifierAnnotation(ast), SchemaAST.getDescriptionAnnotation(ast)].some(Option.exists((name) => name.startsWith("Redacted")))

// `deepest` is what counts as marked below the last level that is followed.
const inAst = (ast: SchemaAST.AST, deepest: Paths, depth: number): Paths => {
  if (isMarked(ast) || isRedacted(ast)) return [[]]
  if (depth > depthMax) return deepest
  switch (ast._tag) {
    case "TypeLiteral":
      return [
        ...ast.propertySignatures.flatMap((member) => under(String(member.name), isMarked(member) ? [[]] : inAst(member.type, deepest, depth + 1))),
        ...ast.indexSignatures.flatMap(({ type }) => under("*", inAst(type, deepest, depth + 1)))
      ]
    case "TupleType":
      return [...ast.elements, ...ast.rest].flatMap((element) => under("*", inAst(element.type, deepest, depth + 1)))
    case "Union":
      return ast.types.flatMap((type) => inAst(type, deepest, depth + 1))
    case "Suspend":
      return inAst(ast.f(), deepest, depth + 1)
    case "Refinement":
      return inAst(ast.from, deepest, depth + 1)
    case "Transformation":
      return [...inAst(ast.from, deepest, depth + 1), ...asEncoded(ast, inAst(ast.to, deepest, depth + 1))]
    default:
      return []
  }
}

// What is marked behind a transformation is kept in the form before it, where its members may have other names.
const asEncoded = ({ transformation }: SchemaAST.Transformation, paths: Paths): Paths => {
  if (paths.length === 0 || transformation._tag !== "TypeLiteralTransformation") return paths
  const before = new Map(transformation.propertySignatureTransformations.map(({ from, to }) => [String(to), String(from)]))
  return paths.map(([first, ...rest]) => (first === undefined ? [] : [before.get(first) ?? first, ...rest]))
}
