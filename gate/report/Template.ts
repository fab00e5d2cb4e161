/**
 * REPORT.md as a Handlebars template. HTML escaping is off, because this is Markdown; so every value goes
 * through `md`, `code` or `link`, and a test holds that there is no bare one. Strict: a value that is not there is an error.
 */
export const template = `# {{md decision}}

{{md why}}

**Next:** {{md next}}

Run {{code run}} · version {{code version}} · commit {{code commit}} · profile {{code profile}} · scorecard {{code scorecard}} · {{md window}}

Simulation: {{md simulationLine}}

Self-test: {{md selfTestLine}}

Waivers: {{md waiverLine}}

Check it: {{md checkLine}}

{{#if red.length}}
{{#each red}}
- 🔴 {{md this}}
{{/each}}

{{/if}}
## Checks

| check | verdict | measured (good/total) | needs | bound (95 %) | evidence |
|---|---|---|---|---|---|
{{#each checks}}
| {{md this.title}} ({{code this.id}}) | {{md this.verdict}} | {{md this.measured}} | {{md this.needs}} | {{md this.bound}} | {{#each this.evidence}}{{link this}} {{/each}}|
{{/each}}

PASS: the rule holds, on a sample that is large enough. FAIL: it is broken. INSUFFICIENT: too little was measured to say. ERROR: evidence is missing, or a fault did not strike.
Good/total counts units, n is the fewest that count; what a unit is, says docs/gate.md for each check. The bound is what the sample proves about units that were not in it, one-sided. A dash: every unit was looked at, or there was none.

{{#each charts.checks}}
{{image this.path this.title}}

{{/each}}

{{#each findings}}
### {{md this.verdict}}: {{md this.title}}

{{md this.reason}}

- By how much: {{md this.byHowMuch}}.
- How sure: {{md this.howSure}}.
- Since: {{md this.since}}.
- Counted: {{md this.population}}.
- Judged on: {{md this.traffic}}.
- Left out: {{md this.leftOut}}.
- Waived: {{md this.waived}}.
{{#each this.repeats}}
- See it again: {{code this}}
{{/each}}
- To do: {{md this.remedy}}

{{#each this.offenders}}
- {{md this}}
{{/each}}
{{#if this.offenders.length}}

{{/if}}
{{/each}}
## Changes

{{md changes.line}}

{{#if changes.checks.length}}
| | check | then | now |
|---|---|---|---|
{{#each changes.checks}}
| {{md this.turn}} | {{md this.title}} ({{code this.id}}) | {{md this.before}} | {{md this.now}} |
{{/each}}

{{/if}}
{{#each charts.trend}}
{{image this.path this.title}}

{{/each}}
{{md changes.scorecardLine}}

{{#if changes.scorecard.length}}
| scorecard | against | what | was | is |
|---|---|---|---|---|
{{#each changes.scorecard}}
| {{#if this.red}}🔴 {{/if}}{{code this.check}} | {{md this.against}} | {{md this.what}} | {{md this.from}} | {{md this.to}} |
{{/each}}

{{/if}}
## Scenarios

| scenario | what had to hold | traffic | seed | faults injected | hit | ended | repeat it with |
|---|---|---|---|---|---|---|---|
{{#each scenarios}}
| {{code this.id}} | {{md this.hypothesis}} | {{md this.traffic}} | {{md this.seed}} | {{md this.injected}} | {{md this.hit}} | {{md this.ended}} | {{code this.repeat}} |
{{/each}}

{{#if broken.length}}
## What was broken on purpose

| fault | what the product met | where | injected | struck, with a witness | who saw it |
|---|---|---|---|---|---|
{{#each broken}}
| {{code this.name}} | {{md this.what}} | {{md this.where}} | {{md this.injected}} | {{md this.hit}} | {{md this.witnesses}} |
{{/each}}

{{#each charts.recovery}}
{{image this.path this.title}}

{{/each}}
{{/if}}
{{#if simulation.faults.length}}
## Simulation

{{md simulation.productLine}}

| fault | struck | in seeds |
|---|---|---|
{{#each simulation.faults}}
| {{md this.name}} | {{md this.hits}} | {{md this.seeds}} |
{{/each}}

{{/if}}
{{#if simulation.failing.length}}
{{md simulation.failingLine}}

| seed | what failed | found | fewest faults that make it fail | repeat it with |
|---|---|---|---|---|
{{#each simulation.failing}}
| {{md this.seed}} | {{md this.failed}} | {{md this.found}} | {{md this.faults}} | {{code this.repeat}} |
{{/each}}

{{/if}}
## What was left out of the counts

{{#if exclusions.length}}
| check | reason | units |
|---|---|---|
{{#each exclusions}}
| {{code this.id}} | {{md this.reason}} | {{md this.units}} |
{{/each}}
{{else}}
Nothing was.
{{/if}}

{{#if figures.length}}
## Figures

To be read beside the verdicts; they decide nothing.

| check | what | figure |
|---|---|---|
{{#each figures}}
| {{code this.id}} | {{md this.what}} | {{md this.figure}} |
{{/each}}

{{/if}}
## Waivers

{{#if waivers.length}}
| check | owner | reason | expires | in this run |
|---|---|---|---|---|
{{#each waivers}}
| {{code this.check}} | {{md this.owner}} | {{md this.reason}} | {{md this.expires}} | {{md this.state}} |
{{/each}}
{{else}}
Nobody waived anything.
{{/if}}

## The v1.2 board

For information: judged on the same history, does not decide. By itself it would say {{md board.decision}}. A preview is counted on operators that a program plays; only a window of production (opsgate gate with the option window) can pass it.

| check | verdict | measured (good/total) | needs | bound (95 %) |
|---|---|---|---|---|
{{#each board.checks}}
| {{md this.title}} ({{code this.id}}) | {{md this.verdict}} | {{md this.measured}} | {{md this.needs}} | {{md this.bound}} |
{{/each}}

## What this does not show

{{#each limits}}
- {{md this}}
{{/each}}
`
