/**
 * The layout and the link by which `in-toto-verify` (in-toto 1.x, Debian's `in-toto`) checks a bundle: one step, the gate, whose products are
 * the files, and one inspection, which wants each of them and nothing else. Metadata and signatures as in the in-toto specification 1.0,
 * "OLPC canonical JSON" and keys as securesystemslib writes them.
 */
import { createPublicKey, type KeyObject, sign as signBytes, verify as verifyBytes } from "node:crypto"
import { Either, Schema } from "effect"
import { canonical, digestOf, sha256 } from "./Canonical.ts"
import { type Files, inOrder } from "./Files.ts"
import { instantOf } from "./Sbom.ts"
import { layoutFile } from "./Sums.ts"

const step = "gate"

/** A layout has to run out at some time; a bundle is evidence for as long. */
const validYears = 10

interface Described {
  readonly keyid: string
  readonly key: object
}

const described = (key: KeyObject): Described => {
  const half = key.type === "private" ? createPublicKey(key) : key
  const hex = Buffer.from(half.export({ format: "jwk" }).x ?? "", "base64url").toString("hex")
  const named = { keyid_hash_algorithms: ["sha256", "sha512"], keytype: "ed25519", keyval: { public: hex }, scheme: "ed25519" }
  const keyid = sha256(spelled(named))
  return { keyid, key: { ...named, keyid, keyval: { private: "", public: hex } } }
}

/** Where the link of a key lies. */
export const linkFileOf = (key: KeyObject): string => `attestations/${step}.${described(key).keyid.slice(0, 8)}.link`

// OLPC canonical JSON and RFC 8785 spell the same as long as no text holds a control character or a number that is no integer: paths,
// digests and the sentences below hold neither.
const spelled = (value: unknown): string => Either.getOrElse(canonical(value), () => "")

const artifacts = (files: Files, except: ReadonlySet<string>): ReadonlyArray<string> => inOrder([...files.keys()].filter((path) => !except.has(path)))

const linkOf = (files: Files, key: KeyObject): object => {
  const products = artifacts(files, new Set([layoutFile, linkFileOf(key)])).map((path) => [path, { sha256: digestOf(files.get(path) ?? new Uint8Array()) }])
  return { _type: "link", name: step, command: [], materials: {}, products: Object.fromEntries(products), byproducts: {}, environment: {} }
}

// A file that is missing would go unnoticed by MATCH alone. Files called *.link are never looked at by in-toto.
const layoutOf = (files: Files, signer: KeyObject, endMs: number): object => {
  const { key, keyid } = described(signer)
  const rules = [
    ...artifacts(files, new Set([layoutFile, linkFileOf(signer)])).map((path) => ["REQUIRE", path]),
    ["MATCH", "*", "WITH", "PRODUCTS", "FROM", step],
    ["ALLOW", layoutFile],
    ["DISALLOW", "*"]
  ]
  return {
    _type: "layout",
    expires: instantOf(endMs).replace(/^\d{4}/, (year) => String(Number(year) + validYears)).replace(/-02-29T/, "-02-28T"),
    readme: "Every file of this bundle is as the gate left it, and there is no other.",
    keys: { [keyid]: key },
    steps: [{ _type: "step", name: step, expected_command: [], expected_materials: [], expected_products: [], pubkeys: [keyid], threshold: 1 }],
    inspect: [{ _type: "inspection", name: "bundle", expected_materials: rules, expected_products: [], run: ["true"] }]
  }
}

const render = (signed: object, keyid: string, sig: string): string => `${JSON.stringify({ signatures: [{ keyid, sig }], signed }, null, 1)}\n`

const Signed = Schema.parseJson(Schema.Struct({ signatures: Schema.Tuple(Schema.Struct({ keyid: Schema.String, sig: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{128}$/)) })) }))

/** The texts of link and layout for all other files of a bundle, by path. `key` is an Ed25519 private key. */
export const inTotoFiles = (files: Files, key: KeyObject, endMs: number): ReadonlyMap<string, string> => {
  const { keyid } = described(key)
  const text = (signed: object) => render(signed, keyid, signBytes(null, Buffer.from(spelled(signed)), key).toString("hex"))
  return new Map([[linkFileOf(key), text(linkOf(files, key))], [layoutFile, text(layoutOf(files, key, endMs))]])
}

/** Whether link and layout are those of these files, signed by this public key; a sentence for each that is not. */
export const checkInToto = (files: Files, key: KeyObject, endMs: number): ReadonlyArray<string> => {
  const { keyid } = described(key)
  const expected = new Map([[linkFileOf(key), linkOf(files, key)], [layoutFile, layoutOf(files, key, endMs)]])
  return [...expected].flatMap(([file, signed]) => {
    const text = Buffer.from(files.get(file) ?? "").toString("utf8")
    const sig = Either.match(Schema.decodeUnknownEither(Signed)(text), { onLeft: () => "", onRight: ({ signatures: [{ sig: found }] }) => found })
    if (text !== render(signed, keyid, sig)) return [`${file} is not about the files of this bundle`]
    return verifyBytes(null, Buffer.from(spelled(signed)), key, Buffer.from(sig, "hex")) ? [] : [`${file} is not signed by the key that signed the decision`]
  })
}
