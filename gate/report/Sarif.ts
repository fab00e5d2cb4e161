/**
 * SARIF 2.1.0 (OASIS) for viewers of findings: one result for each check that failed or is open. What passed is left out, since viewers show every
 * result as a finding. Kind `open` is how SARIF says that there is too little to tell; it wants level `none` then.
 */
import type { Line, Result } from "../scorecard/Scorecard.ts"
import { measured, needs } from "./Wording.ts"

/** The text of gate/gate.sarif. Rules are all checks, in the order of the scorecard; the same result gives the same bytes. */
export const renderSarif = ({ decision, lines, scorecard }: Result, version: string): string => {
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{
      tool: { driver: { name: "opsgate gate", version, informationUri: "https://opsgate.dev", rules: lines.map(ruleOf) } },
      automationDetails: { id: `opsgate/${scorecard}/` },
      properties: { decision },
      results: lines.flatMap((line, ruleIndex) => (line.verdict === "PASS" ? [] : [resultOf(line, ruleIndex)]))
    }]
  }
  return `${JSON.stringify(log, null, 2)}\n`
}

const ruleOf = ({ id, population, remedy, title }: Line) => ({
  id,
  shortDescription: { text: sentence(title, id) },
  fullDescription: { text: sentence(population, id) },
  help: { text: sentence(remedy, id) }
})

const resultOf = (line: Line, ruleIndex: number) => ({
  ruleId: line.id,
  ruleIndex,
  kind: line.verdict === "FAIL" ? "fail" : "open",
  level: line.verdict === "FAIL" ? "error" : "none",
  message: { text: [`${line.verdict}: ${line.reason}`, `Measured ${measured(line)}, needs ${needs(line)}.`, line.remedy, ...line.offenders].join("\n") },
  // A finding has to be somewhere: where the check is declared.
  locations: [{ physicalLocation: { artifactLocation: { uri: "policy/scorecard.json" } }, logicalLocations: [{ name: line.id, kind: "member" }] }],
  partialFingerprints: { "check/v1": line.id },
  ...(line.waived === null ? {} : { suppressions: [{ kind: "external", status: "accepted", justification: `${line.waived.reason} (${line.waived.owner}, until ${line.waived.expires})` }] })
})

// SARIF refuses empty texts.
const sentence = (text: string, otherwise: string): string => (text === "" ? otherwise : text)
