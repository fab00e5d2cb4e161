/**
 * README.md of a bundle: how a stranger checks it with coreutils, openssl and jq, without any of our code.
 * The commands are meant to be pasted into bash inside the bundle; a test runs exactly these blocks.
 */
import type { Decision } from "../Verdict.ts"

export interface ReadmeInput {
  readonly run: string
  readonly decision: Decision
  readonly fingerprint: string
  /** The files that no digest list covers, since each is signed by itself. */
  readonly attestations: ReadonlyArray<string>
}

export const readme = ({ attestations, decision, fingerprint, run }: ReadmeInput): string => `# Evidence of gate run ${run}

The gate says **${decision}**. REPORT.md tells why. You need bash, coreutils, find, diff, jq and openssl 3; run the blocks in order, in this directory.
The signing key calls itself \`${fingerprint}\`.

## 1. Nothing was changed, removed or added

\`\`\`bash
sha256sum --check --strict --quiet SHA256SUMS
diff <({ cut -c67- SHA256SUMS; printf '%s\\n' SHA256SUMS ${attestations.join(" ")}; } | LC_ALL=C sort) <(find . ! -type d -printf '%P\\n' | LC_ALL=C sort)
\`\`\`

Both print nothing when all is well.

## 2. The decision was signed by a key you trust, and covers these files

The key in this directory proves nothing: it came with the bundle. Set \`KEY\` to a copy from the repository or the release notes.

\`\`\`bash
KEY=\${KEY:-keys/gate.pub.pem}; CHECK=$(mktemp -d)
jq -rj .payload attestations/decision.dsse.json | base64 -d > "$CHECK/payload"
jq -rj '.signatures[0].sig' attestations/decision.dsse.json | base64 -d > "$CHECK/sig.bin"
{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < "$CHECK/payload")"; cat "$CHECK/payload"; } > "$CHECK/pae.bin"
openssl pkeyutl -verify -pubin -inkey "$KEY" -rawin -in "$CHECK/pae.bin" -sigfile "$CHECK/sig.bin"
{ printf '\\0\\0\\0\\013ssh-ed25519\\0\\0\\0\\040'; openssl pkey -pubin -in "$KEY" -outform DER | tail -c 32; } | openssl dgst -sha256 -binary | base64 | sed 's/=*$//; s/^/SHA256:/'
jq -r '.subject[] | select(.name == "SHA256SUMS" or .name == "manifest.json") | "\\(.digest.sha256)  \\(.name)"' "$CHECK/payload" | sha256sum --check --strict
jq -r '.predicate | .decision, (.checks[] | "\\(.verdict) \\(.id) \\(.good)/\\(.total)")' "$CHECK/payload"
\`\`\`

It prints \`Signature Verified Successfully\`, the name of the key, to compare with the published one, and what was signed.

## 3. Decide it anew

\`\`\`bash
sh verify/recheck.sh "$KEY"
node verify/verify.mjs --key "$KEY"
\`\`\`

Each does all of the above, counts the raw files anew, judges the counts by policy/scorecard.json and says line by line what is the same, what differs and
what it does not recompute; it ends with 0 for GO, 1 when anything differs or for NO-GO, 2 for INSUFFICIENT. They share no code with the gate, but these copies
came with this bundle, and a forged bundle could bring some that always agree. To be sure run those of a clone of Opsgate, here:
\`sh CLONE/gate/evidence/verify/recheck.sh "$KEY" .\`. \`opsgate verify .\` counts everything, and says whether these copies are its own.

## 4. The same in the words of others

The decision is also about the release artifact, whose digest is to be compared with \`sha256sum\` of what you are about to ship. So are a test result, SLSA provenance, where the artifact was packed by the
gate, and a SLSA verification summary, which says PASSED for GO and nothing else. The \`.intoto.jsonl\` lists them all, \`vsa.sigstore.json\` is the summary as a Sigstore bundle. Their signatures and subjects:

\`\`\`sh
for FILE in ${attestations.filter((file) => file.endsWith(".dsse.json")).join(" ")}; do
  jq -e '.payloadType == "application/vnd.in-toto+json"' "$FILE" > /dev/null
  jq -rj .payload "$FILE" | base64 -d > "$CHECK/said"
  jq -rj '.signatures[0].sig' "$FILE" | base64 -d > "$CHECK/sig.bin"
  { printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < "$CHECK/said")"; cat "$CHECK/said"; } > "$CHECK/pae.bin"
  openssl pkeyutl -verify -pubin -inkey "$KEY" -rawin -in "$CHECK/pae.bin" -sigfile "$CHECK/sig.bin"
  jq -r '.predicateType, (.subject[] | "  \\(.name) \\(.digest.sha256 // .digest.gitCommit)")' "$CHECK/said"
done
\`\`\`

Debian's \`in-toto\` checks files and signatures in its own way. It leaves \`bundle.link\` behind, so do it in a copy:

\`\`\`sh
printf '{"keytype":"ed25519","scheme":"ed25519","keyid_hash_algorithms":["sha256","sha512"],"keyval":{"public":"%s"}}' "$(openssl pkey -pubin -in "$KEY" -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \\n')" > "$CHECK/key.json"
in-toto-verify --layout attestations/root.layout --layout-keys "$CHECK/key.json" --key-types ed25519 --link-dir attestations
\`\`\`

A signature shows that nothing changed since signing. It does not show that the signer was honest, nor when it was made.
`
