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

The gate says **${decision}**. REPORT.md tells why. You need bash, coreutils, diff, jq and openssl 3; run the blocks in order, in this directory.
The signing key calls itself \`${fingerprint}\`.

## 1. Nothing was changed, removed or added

\`\`\`bash
sha256sum --check --strict --quiet SHA256SUMS
diff <(cut -c67- SHA256SUMS) <(find . ! -type d ! -path ./SHA256SUMS ! -path ./attestations/decision.dsse.json -printf '%P\\n' | LC_ALL=C sort)
\`\`\`

Both print nothing when all is well.

## 2. The decision was signed by a key you trust

The key in this directory proves nothing: it came with the bundle. Set \`KEY\` to a copy from the repository or the release notes.

\`\`\`bash
KEY=\${KEY:-keys/gate.pub.pem}
CHECK=$(mktemp -d)
jq -rj .payload attestations/decision.dsse.json | base64 -d > "$CHECK/payload"
TYPE=$(jq -r .payloadType attestations/decision.dsse.json)
{ printf 'DSSEv1 %d %s %d ' "\${#TYPE}" "$TYPE" "$(wc -c < "$CHECK/payload")"; cat "$CHECK/payload"; } > "$CHECK/pae.bin"
jq -rj '.signatures[0].sig' attestations/decision.dsse.json | base64 -d > "$CHECK/sig.bin"
openssl pkeyutl -verify -pubin -inkey "$KEY" -rawin -in "$CHECK/pae.bin" -sigfile "$CHECK/sig.bin"
\`\`\`

It prints \`Signature Verified Successfully\`. This is the name of the key, to compare with the published one:

\`\`\`bash
{ printf '\\0\\0\\0\\013ssh-ed25519\\0\\0\\0\\040'; openssl pkey -pubin -in "$KEY" -outform DER | tail -c 32; } | openssl dgst -sha256 -binary | base64 | sed 's/=*$//; s/^/SHA256:/'
\`\`\`

## 3. The signature covers these files

\`\`\`bash
jq -r '.subject[] | select(.digest.sha256) | "\\(.digest.sha256)  \\(.name)"' "$CHECK/payload" | sha256sum --check --strict
\`\`\`

## 4. What was signed

\`\`\`bash
jq -r '.predicate | .decision, (.checks[] | "\\(.verdict) \\(.id) \\(.good)/\\(.total)")' "$CHECK/payload"
\`\`\`

## 5. Judge it yourself

\`opsgate verify .\` does all of the above, follows the hash chain of every log to its signed end, and judges the raw files anew by policy/scorecard.json.

A signature shows that nothing changed since signing. It does not show that the signer was honest, nor when it was made.
`
