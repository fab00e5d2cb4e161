import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { generateKeyPairSync } from "node:crypto"
import { dirname, join } from "node:path"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { fingerprint, generateKey, loadPrivateKey, publicKeyOf, publicPem } from "../../../gate/evidence/Keys.ts"
import { loadPinnedKeys } from "../../../gate/evidence/Pinned.ts"
import { freshDir, key } from "./SyntheticRun.ts"

const refusal = <A>(either: Either.Either<A, { readonly why: string }>) => Either.match(either, { onLeft: ({ why }) => why, onRight: () => "(accepted)" })

describe("a private key", () => {
  it("is never overwritten", () => {
    const file = freshDir()
    writeFileSync(file, "precious")
    expect(refusal(generateKey(file))).toContain("EEXIST")
    expect(readFileSync(file, "utf8")).toBe("precious")
    expect(readdirSync(dirname(file))).toEqual(["bundle"])
  })

  it("is refused when others may read it", () => {
    const file = freshDir()
    Either.getOrThrow(generateKey(file))
    chmodSync(file, 0o640)
    expect(refusal(loadPrivateKey(file))).toBe("others may read it; chmod 600")
  })

  it("is refused when it is not Ed25519, not a key, or not there", () => {
    const file = freshDir()
    expect(refusal(loadPrivateKey(file))).toContain("ENOENT")
    writeFileSync(file, "what", { mode: 0o600 })
    expect(refusal(loadPrivateKey(file))).not.toBe("(accepted)")
    writeFileSync(file, generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }))
    expect(refusal(loadPrivateKey(file))).toBe("it is rsa, not ed25519")
  })

  it("is made for its owner alone, and read back as the same key", () => {
    const file = join(freshDir(), "keys", "gate.pem")
    const made = Either.getOrThrow(generateKey(file))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(dirname(file))).toEqual(["gate.pem"])
    expect(fingerprint(Either.getOrThrow(loadPrivateKey(file)))).toBe(fingerprint(made))
  })
})

describe("pinned keys", () => {
  const dirWith = (name: string, content: string) => {
    const dir = freshDir()
    mkdirSync(dir)
    writeFileSync(join(dir, name), content)
    return dir
  }

  it("are refused as a whole when one of them is private, foreign or broken", () => {
    expect(refusal(loadPinnedKeys(dirWith("a.pub.pem", key.export({ type: "pkcs8", format: "pem" }).toString())))).toBe("it is a private key")
    expect(refusal(loadPinnedKeys(dirWith("a.pub.pem", publicPem(generateKeyPairSync("ed448").privateKey))))).toBe("it is ed448, not ed25519")
    expect(refusal(loadPinnedKeys(dirWith("a.pub.pem", "what")))).not.toBe("(accepted)")
  })

  it("are none where there is no directory", () => {
    const dir = freshDir()
    expect(existsSync(dir)).toBe(false)
    expect(loadPinnedKeys(dir)).toEqual(Either.right([]))
  })

  it("are the *.pub.pem of a directory and nothing else", () => {
    const dir = dirWith("gate.pub.pem", publicPem(key))
    writeFileSync(join(dir, "README.md"), "# Keys")
    expect(Either.getOrThrow(loadPinnedKeys(dir)).map((pinned) => [pinned.name, pinned.fingerprint])).toEqual([[join(dir, "gate.pub.pem"), fingerprint(key)]])
  })
})

describe("a fingerprint", () => {
  it("is that of a key from RFC 8032, section 7.1, test 1, in SSH form", () => {
    const raw = Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex")
    const pem = `-----BEGIN PUBLIC KEY-----\n${Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]).toString("base64")}\n-----END PUBLIC KEY-----\n`
    const { fingerprint: found } = Either.getOrThrow(publicKeyOf("rfc", pem))
    expect(found).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/)
    expect(found).toBe("SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8")
  })

  it("is what ssh-keygen prints, where there is one", ({ skip }) => {
    if (spawnSync("ssh-keygen", ["-?"]).error !== undefined) skip()
    const raw = Buffer.from(publicPem(key).split("\n")[1] ?? "", "base64").subarray(-32)
    const wire = Buffer.concat([Buffer.from("0000000b", "hex"), Buffer.from("ssh-ed25519"), Buffer.from("00000020", "hex"), raw])
    const file = freshDir()
    writeFileSync(file, `ssh-ed25519 ${wire.toString("base64")}\n`)
    expect(spawnSync("ssh-keygen", ["-lf", file], { encoding: "utf8" }).stdout).toContain(fingerprint(key))
  })
})
