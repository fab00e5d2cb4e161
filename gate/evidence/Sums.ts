/**
 * SHA256SUMS: the digest of every file of a bundle but itself and `attestations/`, in the format and order
 * that `sha256sum --check --strict` reads.
 */
import { digestOf, sha256 } from "./Canonical.ts"
import { type Files, inOrder, isPath } from "./Files.ts"

export const sumsFile = "SHA256SUMS"
export const envelopeFile = "attestations/decision.dsse.json"
export const testResultFile = "attestations/test-result.dsse.json"
export const provenanceFile = "attestations/provenance.dsse.json"
export const vsaFile = "attestations/vsa.dsse.json"
export const sigstoreFile = "attestations/vsa.sigstore.json"
export const layoutFile = "attestations/root.layout"

const attested: ReadonlySet<string> = new Set([envelopeFile, testResultFile, provenanceFile, vsaFile, sigstoreFile, layoutFile])

/** Whether a path may be that of a statement. These are signed each by itself and have no digest elsewhere; `Attestations.ts` says which there must be. */
export const isAttestation = (path: string): boolean =>
  attested.has(path) || /^attestations\/([A-Za-z0-9_][A-Za-z0-9._-]*\.intoto\.jsonl|gate\.[0-9a-f]{8}\.link)$/.test(path)

/** Whether a path has a line in SHA256SUMS. */
export const isSummed = (path: string): boolean => path !== sumsFile && !isAttestation(path)

export const renderSums = (files: Files): string =>
  inOrder([...files.keys()].filter(isSummed)).map((path) => `${digestIn(files, path)}  ${path}\n`).join("")

const digestIn = (files: Files, path: string): string => {
  const content = files.get(path)
  return content === undefined ? sha256("") : digestOf(content)
}

/** Every way in which SHA256SUMS and the files differ, one sentence each. */
export const checkSums = (text: string, files: Files): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const listed = new Map<string, string>()
  const lines = text.split("\n")
  if (lines.at(-1) === "") lines.pop()
  else problems.push(`${sumsFile} does not end with a line feed`)
  lines.forEach((line, index) => {
    const [, digest, path] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? []
    if (digest === undefined || path === undefined) problems.push(`${sumsFile} line ${index + 1} is not a digest and a path`)
    else if (!isPath(path) || !isSummed(path)) problems.push(`${sumsFile} line ${index + 1} lists ${path}, which it may not list`)
    else if (listed.has(path)) problems.push(`${sumsFile} line ${index + 1} lists ${path} a second time`)
    else listed.set(path, digest)
  })
  if (inOrder(listed.keys()).join("\n") !== [...listed.keys()].join("\n")) problems.push(`${sumsFile} is not in C order`)
  for (const [path, digest] of listed) {
    const content = files.get(path)
    if (content === undefined) problems.push(`${path} is missing; ${sumsFile} lists it`)
    else if (digestOf(content) !== digest) problems.push(`${path} was changed: its digest is not the one in ${sumsFile}`)
  }
  for (const path of files.keys()) {
    if (isSummed(path) && !listed.has(path)) problems.push(`${path} is an extra file that ${sumsFile} does not list`)
  }
  return problems
}
