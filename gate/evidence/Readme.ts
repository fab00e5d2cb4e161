/**
 * README.md of a bundle: how a stranger checks it with coreutils, openssl and jq, without any of our code.
 * The commands are meant to be pasted into bash inside the bundle; a test runs exactly these blocks.
 */
import type { Decision } from "../Verdict.ts"

export interface ReadmeInput {
  readonly run: string
  readonly decision: Decision
  readonly fingerprint: string
}

export const readme = ({ decision, fingerprint, run }: ReadmeInput): string => `# Evidence of gate run ${run}

The gate says **${decision}**. REPORT.md tells why. You need bash, coreutils, find, diff, jq and openssl 3; run the blocks in order, in this directory.
The signing key calls itself \`${fingerprint}\`.

## 1. Nothing was changed, removed or added

\`\`\`bash
sha256sum --check --strict --quiet SHA256SUMS
diff <(cut -c67- SHA256SUMS) <(find . ! -type d ! -path ./SHA256SUMS ! -path ./attestations/decision.dsse.json -printf '%P\\n' | LC_ALL=C sort)
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

A signature shows that nothing changed since signing. It does not show that the signer was honest, nor when it was made.
`
