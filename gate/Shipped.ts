/** What a run is about, as it lies on this machine: the product that is played, and the artifact that is judged. */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Data, Either } from "effect"
import { packRelease, readRelease, type Release } from "./evidence/Release.ts"
import type { Product } from "./evidence/Sbom.ts"

/** There is nothing that could be judged, or was. No evidence was written. */
export class NothingShipped extends Data.TaggedError("NothingShipped")<{ readonly why: string }> {
  override get message() {
    return this.why
  }
}

export interface Shipped {
  readonly product: Product
  readonly release: Release
}

/** `root` holds `package.json` and `dist`; `artifact` is a file to be judged instead of what the package ships. */
export const shippedFrom = (root: string, version: string, artifact: string | undefined): Either.Either<Shipped, NothingShipped> => {
  const lock = join(root, "dist", "package-lock.json")
  if (!existsSync(lock)) return Either.left(new NothingShipped({ why: `${lock} is not there: npm run build` }))
  return Either.mapBoth(artifact === undefined ? packRelease(root) : readRelease(artifact), {
    onLeft: ({ message }) => new NothingShipped({ why: message }),
    onRight: (release) => ({ product: { version, lockfile: readFileSync(lock, "utf8"), committed_ms: committedMs(root) }, release })
  })
}

/** Refused when what was packed is no longer what lies there; a file of somebody else's is not played, and not looked at again. */
export const stillShipped = (root: string, { release }: Shipped): Either.Either<void, NothingShipped> => {
  if (release.tar_sha256 === null) return Either.void
  return Either.getOrNull(packRelease(root))?.tar_sha256 === release.tar_sha256
    ? Either.void
    : Either.left(new NothingShipped({ why: "what package.json ships was changed while it was judged, so this run is about nothing: run it again" }))
}

const committedMs = (root: string): number | null => {
  try {
    const seconds = Number(execFileSync("git", ["show", "-s", "--format=%ct", "HEAD"], { cwd: root, stdio: ["ignore", "pipe", "ignore"] }).toString())
    return Number.isSafeInteger(seconds) && seconds > 0 ? seconds * 1000 : null
  } catch {
    return null
  }
}
