/** What people read of the policy, of a request under it, and of who they are. Nothing from outside is printed raw. */
import type { DemandView, Explained, PolicyView, Whoami } from "../../control/PolicyView.ts"
import { oneLine } from "../../domain/Redaction.ts"
import { pad } from "./Output.ts"

const units = [[86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"], [1000, "second"]] as const

const timeText = (ms: number): string => {
  const [unitMs, unit] = units.find(([size]) => ms % size === 0) ?? [1, "millisecond"]
  return `${ms / unitMs} ${unit}${ms === unitMs ? "" : "s"}`
}

const demandText = ({ approvals, approver, plan, review, ttl_ms }: DemandView): string => {
  const needs = [plan ? "a plan" : "", review ? "a review" : "", approvals === 0 ? "" : `${approvals} approval${approvals === 1 ? "" : "s"} by ${oneLine(approver)}`].filter((text) => text !== "")
  return needs.length === 0 ? "nobody" : `${needs.join(", ")}${ttl_ms === null ? "" : ` within ${timeText(ttl_ms)}`}`
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0)).join("  ").trimEnd())
}

const list = (texts: ReadonlyArray<string>): string => (texts.length === 0 ? "-" : texts.map(oneLine).join(", "))

const allowText = (names: ReadonlyArray<string> | null): string => (names === null ? "all" : names.length === 0 ? "none" : list(names))

export const policyText = (view: PolicyView): string =>
  [
    `policy ${view.version}, ${view.mode}`,
    `allowed   light: ${allowText(view.allow.light)}; heavy: ${allowText(view.allow.heavy)}`,
    `heavy     needs ${demandText(view.heavy)}`,
    ...(view.self_approval.length === 0 ? [] : [`a requester may approve himself: ${list(view.self_approval)}`]),
    "",
    ...table([["KIND", "CLASS", "NEEDS", "WHY"], ...view.kinds.map((kind) => [
      oneLine(kind.kind),
      kind.class,
      kind.denied === null ? demandText(kind.needs) : `REFUSED (${oneLine(kind.denied.rule)})`,
      kind.denied === null ? list(kind.why) : oneLine(kind.denied.why)
    ])]),
    "",
    ...table([["RISK", "NEEDS", "FOUND BY"], ...view.risks.map(({ needs, paths, risk, words }) => [risk, demandText(needs), list(["its name", ...words, ...paths])])]),
    ...(view.deny.length === 0 ? [] : ["", ...table([["DENIED", "WHY", "FOUND BY"], ...view.deny.map(({ name, paths, why, words }) => [name, oneLine(why), list([...words, ...paths])])])]),
    "",
    ...table([["ROLE", "MAY", "AND ABOUT HIS OWN"], ...view.roles.map(({ is, may, own, role }) => [is === role ? role : `${role} (${is})`, list(may), list(own)])]),
    ...(view.warnings.length === 0 ? [] : ["", ...view.warnings.map((warning) => `warning: ${oneLine(warning)}`)])
  ].join("\n")

export const explainedText = ({ denied, dispatched_by_itself: byItself, holds, kind, needs, refused, risks, self_approval: self, version, why }: Explained): string =>
  [
    `${oneLine(kind)} under policy ${version}`,
    ...(denied === null ? [] : [`${refused ? "refused" : "waits"}   (${oneLine(denied.rule)}): ${oneLine(denied.why)}`]),
    `risks     ${list(risks)}`,
    `needs     ${demandText(needs)}${self ? "; the requester may approve it himself" : ""}`,
    `because   ${list(why)}`,
    `holds     ${list(holds)}`,
    ...(byItself ? ["it is dispatched by itself"] : [])
  ].join("\n")

export const whoamiText = ({ actor, identity, may, own, roles }: Whoami): string =>
  [
    `${oneLine(actor)}${actor === identity ? "" : ` (${oneLine(identity)})`}`,
    `roles     ${list(roles)}`,
    `may       ${list(may)}`,
    `          ${own.length === 0 ? "nothing more" : `${list(own)}`} about what he asked for himself`
  ].join("\n")
