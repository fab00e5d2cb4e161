/**
 * REPORT.md as a Handlebars template. HTML escaping is off, because this is Markdown; so every value goes
 * through `md` or `code`, and a test holds that there is no bare one. Strict: a value that is not there is an error.
 */
export const template = `# {{md decision}}

{{md why}}

**Next:** {{md next}}

Run {{code run}} · commit {{code commit}} · profile {{code profile}} · scorecard {{code scorecard}} · {{md window}}

## Checks

| check | verdict | measured (good/total) | needs | bound (95 %) |
|---|---|---|---|---|
{{#each checks}}
| {{md this.title}} ({{code this.id}}) | {{md this.verdict}} | {{md this.measured}} | {{md this.needs}} | {{md this.bound}} |
{{/each}}

{{#each findings}}
### {{md this.verdict}}: {{md this.title}}

{{md this.reason}}

To do: {{md this.remedy}}

{{#each this.offenders}}
- {{md this}}
{{/each}}
{{#if this.offenders.length}}

{{/if}}
{{/each}}
## Scenarios

| scenario | what had to hold | seed | faults injected | hit | ended | repeat it with |
|---|---|---|---|---|---|---|
{{#each scenarios}}
| {{code this.id}} | {{md this.hypothesis}} | {{md this.seed}} | {{md this.injected}} | {{md this.hit}} | {{md this.ended}} | {{code this.repeat}} |
{{/each}}

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

## The v1.2 board

For information: judged on the same history, does not decide. By itself it would say {{md board.decision}}.

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
