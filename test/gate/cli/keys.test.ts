import { createHash, createPrivateKey, generateKeyPairSync } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { signEnvelope } from "../../../gate/evidence/Dsse.ts"
import { fingerprint, publicPem } from "../../../gate/evidence/Keys.ts"
import { loadPinnedKeys } from "../../../gate/evidence/Pinned.ts"
import { signRotation } from "../../../gate/evidence/Rotation.ts"
import { written } from "../evidence/SyntheticRun.ts"
import { desk, pinnedFolder } from "./Desk.ts"

const folder = (): string => mkdtempSync(join(tmpdir(), "opsgate-keys-"))
const keyIn = (file: string) => createPrivateKey(readFileSync(file))
/** When the synthetic run ended. */
const ended = 1_795_250_060_000

const home = (nowMs = ended + 1000) => {
  const keyFile = join(folder(), "gate.key")
  const pinnedDir = pinnedFolder()
  return { keyFile, pinnedDir, run: desk({ keyFile, pinnedDir, nowMs }) }
}

describe("opsgate keys create", () => {
  it("makes a key for its owner alone, and shows its public half as PEM and SSH", async () => {
    const { keyFile, run } = home()
    const { exit, out } = await run("keys", "create")
    expect([exit, statSync(keyFile).mode & 0o777]).toEqual([0, 0o600])
    const key = keyIn(keyFile)
    expect(out).toContain(publicPem(key))
    expect(out).toContain(`name       ${fingerprint(key)}`)
    const wire = Buffer.from(/^ssh {8}ssh-ed25519 (\S+) /m.exec(out)?.[1] ?? "", "base64")
    expect(`SHA256:${createHash("sha256").update(wire).digest("base64").replace(/=+$/, "")}`).toBe(fingerprint(key))
    expect(out).not.toContain("PRIVATE")
  })

  it("overwrites none", async () => {
    const { keyFile, run } = home()
    await run("keys", "create")
    const before = readFileSync(keyFile, "utf8")
    expect(await run("keys", "create")).toMatchObject({ exit: 254, out: "", err: expect.stringContaining("no key is overwritten") })
    expect(readFileSync(keyFile, "utf8")).toBe(before)
  })
})

describe("opsgate keys show", () => {
  it("tells where a key is pinned, or that it is not", async () => {
    const { keyFile, pinnedDir, run } = home()
    await run("keys", "create")
    expect((await run("keys", "show")).out).toContain(`pinned     NOT HERE: lay its public half as ${pinnedDir}`)
    writeFileSync(join(pinnedDir, "ada.pub.pem"), publicPem(keyIn(keyFile)))
    expect((await run("keys", "show")).out).toContain(`pinned     ${join(pinnedDir, "ada.pub.pem")}`)
    expect((await run("keys", "show", join(pinnedDir, "ada.pub.pem"))).out).toContain("(public, ed25519)")
  })

  it("refuses what is no key, in one sentence", async () => {
    const { keyFile, run } = home()
    expect(await run("keys", "show")).toMatchObject({ exit: 254, err: `opsgate: there is no key ${keyFile}: opsgate keys create makes one` })
    writeFileSync(keyFile, "what")
    expect(await run("keys", "show")).toMatchObject({ exit: 254, out: "" })
    rmSync(keyFile)
    await run("keys", "create")
    chmodSync(keyFile, 0o644)
    expect(await run("keys", "show")).toMatchObject({ exit: 254, err: expect.stringContaining("others may read it; chmod 600") })
  })
})

describe("opsgate keys rotate", () => {
  const signed = async (keyFile: string, endMs = ended): Promise<string> => written((input) => ({ ...input, key: keyIn(keyFile), window: { ...input.window, end_ms: endMs } }))

  it("has the old key say that it is retired, and keeps it", async () => {
    const { keyFile, pinnedDir, run } = home()
    await run("keys", "create")
    const old = keyIn(keyFile)
    const { exit, out } = await run("keys", "rotate")
    expect(exit).toBe(0)
    const next = keyIn(keyFile)
    expect(fingerprint(next)).not.toBe(fingerprint(old))
    expect(out).toContain(`succeeds   ${fingerprint(old)}, retired on 2026-11-21T08:34:21.000Z, as that key has signed`)
    const kept = readdirSync(join(keyFile, "..")).find((name) => name.startsWith("gate.key.retired-"))
    expect(fingerprint(keyIn(join(keyFile, "..", kept ?? "")))).toBe(fingerprint(old))
    expect(Either.getOrThrow(loadPinnedKeys(pinnedDir)).map(({ fingerprint: print, retired }) => [print, retired]).sort()).toEqual([[fingerprint(old), { at_ms: ended + 1000, successor: fingerprint(next) }], [fingerprint(next), undefined]].sort())
  })

  it("leaves evidence of before as it is, and refuses what the old key signs from then on", async () => {
    const { keyFile, run } = home()
    await run("keys", "create")
    const [before, after] = [await signed(keyFile), await signed(keyFile, ended + 1000)]
    await run("keys", "rotate")
    expect(await run("evidence", "verify", before)).toMatchObject({ exit: 0 })
    expect(await run("evidence", "verify", after)).toMatchObject({ exit: 1, err: expect.stringContaining("which was retired before the run ended") })
    expect(await run("evidence", "verify", await signed(keyFile, ended + 1000))).toMatchObject({ exit: 0 })
  })

  it("goes on where an interrupted one was left", async () => {
    const { keyFile, pinnedDir, run } = home()
    await run("keys", "create")
    const old = keyIn(keyFile)
    await run("keys", "create", "--out", `${keyFile}.next`)
    const next = keyIn(`${keyFile}.next`)
    await run("keys", "rotate")
    expect([fingerprint(keyIn(keyFile)), existsSync(`${keyFile}.next`)]).toEqual([fingerprint(next), false])
    // As if it had stopped before the files changed places.
    const kept = readdirSync(join(keyFile, "..")).find((name) => name.startsWith("gate.key.retired-")) ?? ""
    writeFileSync(`${keyFile}.next`, readFileSync(keyFile), { mode: 0o600 })
    writeFileSync(keyFile, readFileSync(join(keyFile, "..", kept)), { mode: 0o600 })
    const rotations = readdirSync(join(pinnedDir, "rotations"))
    expect(await desk({ keyFile, pinnedDir, nowMs: ended + 999_000 })("keys", "rotate")).toMatchObject({ exit: 0 })
    expect(readdirSync(join(pinnedDir, "rotations"))).toEqual(rotations)
    expect(fingerprint(keyIn(keyFile))).toBe(fingerprint(next))
    expect(Either.getOrThrow(loadPinnedKeys(pinnedDir)).find((one) => one.fingerprint === fingerprint(old))?.retired?.at_ms).toBe(ended + 1000)
  })

  it("rotates no key a second time", async () => {
    const { keyFile, run } = home()
    await run("keys", "create")
    const old = readFileSync(keyFile)
    await run("keys", "rotate")
    writeFileSync(keyFile, old, { mode: 0o600 })
    expect(await run("keys", "rotate")).toMatchObject({ exit: 254, out: "", err: expect.stringContaining("was retired on 2026-11-21T08:34:21.000Z already") })
    expect(existsSync(`${keyFile}.next`)).toBe(false)
  })
})

describe("the statement of a rotation", () => {
  const pair = () => generateKeyPairSync("ed25519").privateKey
  const [old, next, other] = [pair(), pair(), pair()]
  const statement = (change: (predicate: Record<string, unknown>) => object = (predicate) => predicate, by = old, name = fingerprint(next)): string => {
    const { payload } = JSON.parse(Either.getOrThrow(signRotation(old, next, 5)))
    const said = JSON.parse(Buffer.from(payload, "base64").toString("utf8"))
    return Either.getOrThrow(signEnvelope(Buffer.from(JSON.stringify({ ...said, subject: [{ ...said.subject[0], name }], predicate: change(said.predicate) })), by))
  }
  const shown = async (text: string) => {
    const pinnedDir = pinnedFolder(old, next)
    const { keyFile } = home()
    const run = desk({ keyFile, pinnedDir })
    await run("keys", "create")

    mkdirSync(join(pinnedDir, "rotations"))
    writeFileSync(join(pinnedDir, "rotations", "a.dsse.json"), text)
    return { show: await run("keys", "show"), verify: await run("evidence", "verify", written((input) => ({ ...input, key: old }))) }
  }

  it("retires its own key and no other", async () => {
    expect((await shown(statement())).verify).toMatchObject({ exit: 1, err: expect.stringContaining("was retired before the run ended") })
    expect((await shown(statement((predicate) => predicate, next))).show).toMatchObject({ exit: 1, err: expect.stringContaining(`it retires ${fingerprint(old)} and is signed by ${fingerprint(next)}`) })
  })

  it("of a key that nobody pinned takes nothing away", async () => {
    expect(await shown(statement((predicate) => predicate, other))).toMatchObject({ show: { exit: 0 }, verify: { exit: 0 } })
  })

  it.each([
    ["a successor that is not the key in it", statement((predicate) => ({ ...predicate, successor: fingerprint(other) })), "names another successor"],
    ["another successor at both places", statement((predicate) => ({ ...predicate, successor: fingerprint(other) }), old, fingerprint(other)), "names another successor"],
    ["another key than it says", statement((predicate) => ({ ...predicate, public_key: publicPem(other) })), "names another successor"],
    ["no instant", statement((predicate) => ({ ...predicate, at_ms: undefined })), "at_ms"],
    ["a changed payload", statement().replace(/"payload": ".{8}/, "\"payload\": \"AAAAAAAA"), "its signature does not fit"]
  ])("with %s makes all keys of the folder unusable", async (_, text, sentence) => {
    const { show, verify } = await shown(text)
    expect(show).toMatchObject({ exit: 1, out: "", err: expect.stringContaining(sentence) })
    expect(verify).toMatchObject({ exit: 254, out: "" })
  })
})
