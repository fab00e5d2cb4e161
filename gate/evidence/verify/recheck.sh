#!/bin/sh
# Decides a bundle of the gate anew with a shell, jq (1.6 or later), coreutils, find, grep and openssl 3; nothing of the gate's code runs.
#
#     sh verify/recheck.sh PUBLIC_KEY.pem [BUNDLE]
#
# The key is one that you have from elsewhere: the copy in the bundle proves nothing. Neither does this file, when it came with the
# bundle: take it from a clone if you want to be sure. One line for each thing that is checked:
#
#     same        recomputed here, and it is what was signed
#     DIFFERS     it is not: the bundle is refused
#     not         not recomputed here: verify.mjs does, from the same files (the hashes of events, and measures that jq is no tool for);
#                 a verdict is still judged anew, from the counts that were signed
#
# Ends with 0: all agrees and the decision is GO; 1: something differs, or NO-GO; 2: INSUFFICIENT; 254: it was not told what to check.
# Nothing that a bundle holds is ever run or becomes a part of a command; names are compared with a pattern before they are used.
set -eu
LC_ALL=C
export LC_ALL
umask 077

usage() {
  printf '%s\nusage: sh recheck.sh PUBLIC_KEY.pem [BUNDLE]\n' "$1" >&2
  exit 254
}

[ $# -ge 1 ] && [ $# -le 2 ] || usage 'name the public key that you trust'
[ -f "$1" ] && [ -r "$1" ] || usage 'there is no key in that file'
command -v jq >/dev/null || usage 'jq is not installed'
key=$(realpath -- "$1")
bundle=${2:-$(dirname -- "$0")/..}
[ -f "$bundle/manifest.json" ] || [ -f "$bundle/SHA256SUMS" ] || usage 'that is no bundle'
cd -- "$bundle"

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT TERM HUP
envelope=attestations/decision.dsse.json
differing=0

same() { printf 'same     %s\n' "$1"; }
differs() {
  differing=1
  printf 'DIFFERS  %s\n' "$1"
}
# What the rest is built on: without it nothing else is worth reading.
refuse() {
  differs "$1"
  printf 'REFUSED\n'
  exit 1
}

# ------------------------------------------------------------------------------------------------ which files there are

part='[A-Za-z0-9_][A-Za-z0-9._-]*'
strange=$(find . -mindepth 1 \( ! -type f ! -type d -o -regextype posix-extended ! -regex "\./$part(/$part)*" \) -printf x)
[ -z "$strange" ] || refuse 'a name or a kind of file that a bundle does not have'
for file in SHA256SUMS manifest.json metrics.json policy/scorecard.json policy/board.json "$envelope"; do
  [ -f "$file" ] || refuse "$file is missing"
done
[ "$(grep -Evc "^[0-9a-f]{64}  $part(/$part)*\$" SHA256SUMS)" = 0 ] || refuse 'SHA256SUMS has a line that is none'
find . -type f -printf '%P %s\n' | sort >"$work/sizes"
cut -d' ' -f1 "$work/sizes" | grep -vxE "SHA256SUMS|attestations/((decision|test-result|provenance|vsa)\.dsse\.json|vsa\.sigstore\.json|root\.layout|$part\.intoto\.jsonl|gate\.[0-9a-f]{8}\.link)" >"$work/there" || :
cut -c67- SHA256SUMS >"$work/listed"
sort "$work/listed" | cmp -s - "$work/there" || refuse 'a file was added, removed or listed twice'
sort -c "$work/listed" 2>/dev/null || differs 'SHA256SUMS is not in order'
sha256sum --check --strict --quiet SHA256SUMS >/dev/null 2>&1 || refuse 'a file was changed: sha256sum --check SHA256SUMS names it'
same 'nothing was changed, removed or added'

# ------------------------------------------------------------------------------------------------ who signed

# Only one spelling of the file is accepted, the one that is put together again below, so that its lines can be taken by their places.
payload=$(sed -n 's/^  "payload": "\([A-Za-z0-9+/=]*\)",$/\1/p' "$envelope")
type=$(sed -n 's/^  "payloadType": "\([a-z0-9.+/-]*\)",$/\1/p' "$envelope")
keyid=$(sed -n 's/^      "keyid": "\(SHA256:[A-Za-z0-9+/]*\)",$/\1/p' "$envelope")
sig=$(sed -n 's/^      "sig": "\([A-Za-z0-9+/=]*\)"$/\1/p' "$envelope")
[ "$type" = application/vnd.in-toto+json ] || refuse "$envelope has another payload type"
printf '%s' "$payload" | base64 -d >"$work/payload" 2>/dev/null || refuse "$envelope holds text that is not base64"
printf '%s' "$sig" | base64 -d >"$work/sig" 2>/dev/null || refuse "$envelope holds text that is not base64"
# The signature covers the payload alone: any other spelling of the file is a change.
printf '{\n  "payload": "%s",\n  "payloadType": "%s",\n  "signatures": [\n    {\n      "keyid": "%s",\n      "sig": "%s"\n    }\n  ]\n}\n' \
  "$(base64 -w0 <"$work/payload")" "$type" "$keyid" "$(base64 -w0 <"$work/sig")" | cmp -s - "$envelope" || refuse "$envelope was changed around what is signed"
signed=unchecked
if command -v openssl >/dev/null; then
  grep -q 'PRIVATE KEY' "$key" && usage 'that is a private key'
  openssl pkey -pubin -in "$key" -outform DER -out "$work/der" 2>/dev/null || usage 'that is no public key'
  # An Ed25519 key (RFC 8410) and no other: openssl verifies with keys of any type.
  [ "$(head -c 12 "$work/der" | od -An -tx1 | tr -d ' \n')" = 302a300506032b6570032100 ] || refuse 'the key is not ed25519'
  name=$({ printf '\0\0\0\013ssh-ed25519\0\0\0\040'; tail -c 32 "$work/der"; } | sha256sum | cut -c1-64 | tr a-f A-F | basenc -d --base16 | base64 | tr -d =)
  [ "$keyid" = "SHA256:$name" ] || refuse 'the key that was given did not sign it'
  { printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c <"$work/payload")"; cat "$work/payload"; } >"$work/pae"
  openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/pae" -sigfile "$work/sig" >/dev/null 2>&1 || refuse 'the key that was given did not sign it'
  signed=yes
  same 'the decision is signed by the key that was given'
  openssl pkey -pubin -in keys/gate.pub.pem -outform DER 2>/dev/null | cmp -s - "$work/der" || differs 'keys/gate.pub.pem is not the key that signed'
else
  printf 'not      recomputed here: openssl is not installed, so nobody knows who signed (verify.mjs does)\n'
fi

# ------------------------------------------------------------------------------------------------ what is counted in one scenario

counting=$(cat <<'JQ'
def states: {"task.requested": "REQUESTED", "task.approved": "APPROVED", "task.queued": "QUEUED", "task.running": "RUNNING", "task.succeeded": "SUCCEEDED", "task.failed": "FAILED", "task.canceled": "CANCELED", "task.expired": "EXPIRED"};
def table: {
  NEW: {REQUESTED: ["submit", "fork", "child", "schedule"]},
  REQUESTED: {APPROVED: ["release"], CANCELED: ["reject", "cancel"], EXPIRED: ["expire"]},
  APPROVED: {QUEUED: ["resume"], REQUESTED: ["void"], CANCELED: ["reject", "cancel"], EXPIRED: ["expire"]},
  QUEUED: {RUNNING: ["claim"], REQUESTED: ["void"], CANCELED: ["cancel"], EXPIRED: ["expire"]},
  RUNNING: {SUCCEEDED: ["settle"], FAILED: ["settle", "lease_lost", "reconcile"], QUEUED: ["retry", "lease_lost", "hand_back", "suspend", "reconcile"], CANCELED: ["cancel"], EXPIRED: ["expire"]},
  FAILED: {QUEUED: ["recover"], REQUESTED: ["recover"]},
  CANCELED: {QUEUED: ["recover"], REQUESTED: ["recover"]},
  EXPIRED: {REQUESTED: ["recover"]}
};
def isTerminal: . == "SUCCEEDED" or . == "FAILED" or . == "CANCELED" or . == "EXPIRED";
def isText: if type == "string" then . else null end;
def isWhole: if type == "number" and . == floor and fabs <= 9007199254740991 then . else null end;
def command: .command | if type == "object" then . else null end;
def op: command | if . == null then null else .op end;
def holdsIn: (.holds | if type == "array" then map(tostring) else [] end) | unique;

# A measure is a stream of units: true is good, false is bad, {x} is left out for a reason, {c} is censored, {m} is missing evidence.
def nothing: {good: 0, total: 0, excluded: {}, censored: 0, strata: {}, missing: null};
def tally(units): reduce units as $unit (nothing;
  if $unit == true then .good += 1 | .total += 1
  elif $unit == false then .total += 1
  elif $unit.x then .excluded[$unit.x] += 1
  elif $unit.c then .censored += 1
  elif $unit.g then .good += $unit.g | .total += $unit.g
  elif $unit.m then .missing = $unit.m
  else . end);

# What did not come about in a scenario that was aborted is missing evidence there, and bad elsewhere.
def undone: if .status == "aborted" then {m: "it was aborted"} else false end;

# ---- the state of a task, event by event
def write($event): $event.payload as $p | ($p | op == "reconcile") as $reconciled
  | ($event.type == "task.outcome_unknown" and $p.code == "restored" and $event.held) as $parked
  | ($event.type == "effect.intent" and ($p.mono_ms | isWhole // 0) >= ($p.start_before_mono_ms | isWhole // infinite)) as $late
  | (["effect.intent", "step.succeeded", "step.failed", "step.settled", "run.progress", "task.outcome_unknown"] | index($event.type) != null) as $known
  | (if .unknown then ($reconciled | not) and ($parked | not) and $known else $reconciled end) as $doubtful
  | .writes += [.state == "RUNNING" and ($p.generation | isWhole) == .generation and ($late | not) and ($doubtful | not)];
def stepEnd($event): $event.payload as $p | ($p.outcome | isText) as $outcome
  | (if $outcome == "succeeded" then "reconciled" else ({"step.succeeded": "succeeded", "step.failed": "failed", "step.settled": "settled"}[$event.type] // (if $outcome == null then null else "settled" end)) end) as $how
  | if ($p.step | isWhole) == null or $how == null then . else .ends += [{seq: $event.seq, step: $p.step, how: $how}] end;
def grant($event): .generation = ([.generation, ($event.payload.generation | isWhole // 0)] | max);
def intent($event): $event.payload as $p | .intents += [{
  seq: $event.seq, step: ($p.step | isWhole), effect: ($p.effect | isText), attempt: ($p.attempt | isWhole), generation: ($p.generation | isWhole), key: ($p.dispatch_key | isText),
  before: ($p.start_before_mono_ms | isWhole), code: (($p.pid | isWhole) == null and ($p.dispatch_key | isText) != .dispatchKey)}];
def enter($event; $to): $event.payload as $p | ($p.from) as $from | ($p.by | isText // "nothing") as $by | ($p | op) as $op
  | ($from == .state and ((table[$from // "NEW"][$to] // []) | index($by) != null)
      and ((.unknown | not) or $by == "reconcile" or $op == "reconcile") and ($to != "APPROVED" or (.holds | length) == 0)) as $allowed
  | .moves += [$allowed]
  | .places[$to] = (.places[$to] // 0) + 1
  | (if ($from | type) == "string" then .places[$from] = (.places[$from] // 0) - 1 else . end)
  | (if $to == "SUCCEEDED" or $to == "FAILED" or ($to == "QUEUED" and (.state == "RUNNING" or $from == "RUNNING")) then write($event) else . end)
  | (if $to == "QUEUED" then .rests += [{seq: $event.seq, by: $by}] else . end)
  | (if $op == "reconcile" or $by == "reconcile" then stepEnd($event) else . end)
  | (if $to == "REQUESTED" then .holds = ($p | holdsIn) else . end)
  | (if $to == "REQUESTED" and $from == null then .requested += 1 | .asks += [$p.key | strings] | .origin = $p + {by: $by} | .class = ($p.class | isText) | .key = ($p.key | isText) | .requester = $event.actor | .dispatchKey = ($p.dispatch_key | isText) | .commanded = ($op != null) else . end)
  | (if $to == "RUNNING" then grant($event) else . end)
  | .state = $to | .unknown = false;
def taskOf: reduce .[] as $event (
  {id: .[0].task, state: null, requested: 0, asks: [], origin: null, class: null, key: null, requester: null, dispatchKey: null, commanded: false, holds: [], unknown: false, generation: 0, moves: [], places: {}, writes: [], intents: [], ends: [], rests: []};
  $event.payload as $p | states[$event.type] as $to | $event.type as $type
  | if $to != null then enter($event; $to)
    elif $type == "hold.released" then .holds -= [$p.hold]
    elif $type == "hold.opened" then .holds = (.holds + ([$p.hold] | map(strings)) | unique)
    elif $type == "approval.voided" then .holds = ($p | holdsIn)
    elif $type == "effect.adopted" then grant($event)
    elif $type == "effect.intent" then write($event) | intent($event)
    elif $type == "task.outcome_unknown" then write($event) | .unknown = true
    elif $type == "step.succeeded" or $type == "step.failed" or $type == "step.settled" or $type == "run.progress" then write($event) | stepEnd($event)
    else . end);
def isPlaced: .requested == 1 and ([.places[] | fabs] | add) == 1;
def isAt($expected): . as $task | any($expected[]; . == $task.state or (. == "OUTCOME_UNKNOWN" and $task.unknown));

# ---- the ledger beside the log
def intentsOf($effect): [(.intents // [])[] | select(.attempt == $effect.attempt and .generation == $effect.generation)] as $held
  | [$held[] | select(.key == $effect.dispatch_key)] as $own | if ($own | length) > 0 then $own else $held end;
# The first start belongs to the first of its intents, one beyond the last to the last.
def withIntents($tasks): [foreach .[] as $effect ({tries: {}, intent: null};
  if $effect.phase == "start" then ([$effect.task, $effect.attempt, $effect.generation, $effect.dispatch_key] | tojson) as $run
    | ($tasks[$effect.task] | intentsOf($effect)) as $held | (.tries[$run] // 0) as $tried
    | .tries[$run] = $tried + 1 | .intent = ($held[$tried] // $held[-1])
  else .intent = null end;
  $effect + {intent: .intent})];
def endsBetween($from; $until): if . == null or $from == null or $until == null then [] else
  [(.rests[] | select($from.seq < .seq and .seq < $until.seq) | .by), (.ends[] | select(.step == $from.step and $from.seq < .seq and .seq < $until.seq and (.how == "failed" or .how == "settled")) | "step_" + .how)] end;
def mayRepeat: .effect == "idempotent" or .effect == "read";
def isTwice($tasks): [.[] | select(.phase == "start")] as $starts
  | (($starts | length) > 0 and all($starts[]; .intent != null and (.intent | mayRepeat and .code))) as $inCode
  | (length - ($starts | length) > 1 and ($inCode | not))
    or any(range(1; $starts | length); $starts[. - 1] as $before | $starts[.] as $start
      | (if $before.task == $start.task then $tasks[$start.task] else null end) | endsBetween($before.intent; $start.intent)
      | any(.[]; . as $by | (["retry", "reconcile", "recover", "step_failed", "step_settled"] | index($by)) != null or (($before.intent | mayRepeat) and (["lease_lost", "hand_back", "suspend"] | index($by)) != null)) | not);
def noDuplicateHeavy($journal; $tasks; $byKey; $effects):
  ([$tasks[] | select(.class == "heavy") | {key: .id, value: true}] + [$journal.requests[] | select(.class == "heavy") | (.task, $byKey[.key][]?) | strings | {key: ., value: true}] | from_entries) as $heavy
  | ($effects | withIntents($tasks)) as $ledger
  | (reduce ($ledger[] | select(.intent != null)) as $start ({}; .[[$start.task, $start.attempt, $start.generation, $start.dispatch_key] | tojson] = $start.intent.step)) as $steps
  | ([($ledger | group_by([.task, ($steps[[.task, .attempt, .generation, .dispatch_key] | tojson] // 1)])[]), ($ledger | group_by(.dispatch_key)[])]
      | map(select(any(.[]; $heavy[.task])) | select(isTwice($tasks)) | .[].task | select($heavy[.])) | unique) as $twice
  | ([($journal.faults[] | select(.class != "replay" and .witness != null) | .id as $id | .hit[] | ["fault", $id, .]), ($journal.replays[] | ["replay", .key, (.first_task // $byKey[.key][0]?)] | select(.[2] != null))] | unique | map(.[2])) as $exposed
  | ($exposed[] | if $heavy[.] then . as $task | $twice | index($task) == null else {x: "not heavy"} end), ($twice - $exposed | .[] | false);
def effectsPermitted($tasks; $effects): foreach $effects[] as $effect ({used: {}, started: {}, unit: null};
  ([$effect.task, $effect.dispatch_key, $effect.attempt, $effect.generation, $effect.pid] | tojson) as $run
  | if $effect.phase == "start" then $tasks[$effect.task] as $task | .used as $used
      | (first($task | intentsOf($effect)[] | select($used[.seq | tostring] | not)) // null) as $intent
      | ($task.dispatchKey // "none") as $key
      | .unit = ($intent != null and $intent.key == $effect.dispatch_key and ($effect.dispatch_key == $key or $effect.dispatch_key == "\($key):\($intent.step)")
          and ($intent.code or ($intent.before != null and $effect.mono_ms - $intent.before <= 20)))
      | (if $intent == null then . else .used[$intent.seq | tostring] = true end) | .started[$run] = true
    else .unit = (if .started[$run] then null else false end) end;
  .unit | select(. != null));
def indexed(name): group_by(name) | map({key: (.[0] | name), value: .}) | from_entries;
# Under the task or under its key. Of a step in code the times count once.
def tasksEndRight($journal; $tasks; $byKey; $effects): [range($effects | length) | $effects[.] + {place: .} | select(.phase == "done")] as $done
  | ($done | indexed(.task)) as $ofTask | ($done | indexed(.dispatch_key)) as $ofKey | $journal.requests[] | . as $request
  | $tasks[if .task == null then $byKey[.key][0]? // "" else .task end] as $task
  | [$task.intents[]? | select(.code) | .key] as $steps
  | [($ofTask[$task.id // ""] // [])[], ($ofKey[$task.dispatchKey // ""] // [])[] | . as $own | if ($steps | index($own.dispatch_key)) != null then [$own.dispatch_key] else [$own.place] end] as $times
  | ($times | unique | length) as $times
  | ($task != null and ($task | isAt($request.expect.states)) and $request.expect.done_min <= $times and $times <= $request.expect.done_max)
  | if . or ($task.state | isTerminal) or $times > $request.expect.done_max then . else $journal | undone end;
def hasOrigin($tasks; $schedules): . as $task | .origin as $o
  | if .requested == 0 then false
    elif $o.by == "child" then ($o.parent | isText) != null and ($o.parent_step | isWhole) != null and $tasks[$o.parent] != null and .elder
    elif $o.by == "fork" then .commanded and ($o.forked_from | isText) != null and ($o.from_step | isWhole) != null and $tasks[$o.forked_from] != null
    elif $o.by == "schedule" and ($o.schedule | isText) != null and ($o.tick_ms | isWhole) != null then if $o.tick_by == "manual" then .commanded else $schedules | index($o.schedule) != null end
    else null end;
def jobsConserved($journal; $tasks; $byKey; $schedules):
  ($journal.requests[] | . as $request | $tasks[if .task == null then $byKey[.key][0]? // "" else .task end] as $task
    | if $task == null and .task == null then {x: "not answered and not stored"} else $task != null and $task.key == $request.key and ($task | isPlaced) end),
  ([$journal.requests[] | {key: .key, value: true}] | from_entries) as $keys
  # Of several children of one step the first is right.
  | ([$tasks[] | select(.origin.by == "child" and ((.requested > 0 and .key != null and $keys[.key]) | not))] | group_by([.origin.parent, .origin.parent_step]) | map({key: (min_by(.first) | .id), value: true}) | from_entries) as $elders
  | ($tasks[] | select((.requested > 0 and .key != null and $keys[.key]) | not) | .elder = ($elders[.id] // false) | hasOrigin($tasks; $schedules) as $origin
    # The journal gets a request when it was answered.
    | if $origin == null then $journal | undone else $origin and isPlaced end);

# ---- from an end back to whoever asked
def isTraced($tasks; $steps): [.[] | select(.type as $type | ["idempotency.replayed", "idempotency.in_progress", "idempotency.conflict", "command.refused", "command.denied", "command.accepted"] | index($type) == null)]
  | . as $own | .[0] as $first | ($first.payload.by | isText) as $by
  | $first.type == "task.requested" and $first.payload.from == null
    and (if $by == "child" or $by == "fork" then $tasks[$first.payload[if $by == "child" then "parent" else "forked_from" end] | isText // ""] != null
         elif $by == "schedule" then ($first.payload.schedule | isText) != null else ($first.payload | command) != null end)
    and (reduce range(length) as $index ({open: [], state: null, ran: false, worked: false, right: true};
      $own[$index] as $event | (if $index == 0 then $event else $own[$index - 1] end) as $before | states[$event.type] as $to | $event.type as $type
      | (if $type == "task.requested" or $type == "approval.voided" then .open = ($event.payload | holdsIn)
         elif $type == "hold.opened" then .open = (.open + [$event.payload.hold | isText // ""] | unique)
         elif $type == "hold.released" then .open -= [$event.payload.hold | isText // ""] else . end)
      | .worked = (.worked or (["effect.intent", "effect.adopted", "step.succeeded", "step.failed", "step.settled"] | index($type) != null))
      | ([$steps[] | select($before.seq <= .seq and (.seq <= $event.seq or (.at - $event.at | fabs) <= 60000) and .by < 0) | - .by] | add // 0) as $set
      | .right = (.right and (($to == "APPROVED" or $to == "QUEUED") and (.open | length) > 0 | not) and ($to != "RUNNING" or .state == "QUEUED")
          and ($to != "SUCCEEDED" or (.ran and .worked)) and $first.trace != null and $event.trace == $first.trace and $before.at - $event.at <= 1000 + $set)
      | .ran = (.ran or $to == "RUNNING") | .state = ($to // .state)) | .right);

# ---- heavy work that came to a good end in time, as each scorecard counts it
def isFailure: .type == "task.failed" or .type == "step.failed" or .type == "task.outcome_unknown" or (.type == "task.queued" and (.payload.by == "retry" or .payload.by == "lease_lost"));
def heavyEnds($journal; $all; $effects; $limit; $tests): [$all[] | select(.at < $journal.ended_at)] as $events
  | if any(range($events | length); . as $i | $events[$i] as $event | (if $i == 0 then null else $events[$i - 1] end) as $before
      | ($event.at < $journal.started_at and ($before == null or $before.at < $journal.started_at) | not)
        and (($before != null and $event.at < $before.at - 1000) or ($event.type == "clock.stepped" and ($event.payload.by_ms | type) == "number" and $event.payload.by_ms < -1000))) then {m: "the clock was set back"}
    elif $effects == null and ($journal.requests | length) > 0 then {m: "the ledger is missing"}
    else ([$journal.requests[] | {key: (.task // .key), value: .}] | from_entries) as $asked
      | ([($effects // [])[] | select(.phase == "done")] | indexed(.task)) as $ofTask
      | [$events[] | select(.task != null)] | group_by(.task)[] | . as $own | .[0] as $first | $first.task as $id
      | first(($own[] | select(.type == "task.running")), null) as $ran
      | select($first.payload.class == "heavy" and $ran != null)
      | ($asked[$id] // $asked[$first.payload.key | isText // ""]) as $request
      | ($request.due_at // ($ran.at + $limit)) as $due | select($due >= $journal.started_at)
      | ([$own[] | select(.at <= $due and states[.type] != null)] | last) as $final
      | (first(range($own | length) | select($own[.].type == "task.cancel_requested" or $own[.].type == "task.canceled")) // -1) as $cancel
      | ([$own[] | select(states[.type] != null)] | last | .type == "task.canceled") as $canceled
      | ($first.payload.kind | isText // "") as $kind
      | if any($tests.kinds[]; if endswith("*") then .[:-1] as $start | $kind | startswith($start) else . == $kind end) or ($tests.actors | index($first.actor)) != null then {x: "marked as a test"}
        elif $request != null and ($request.expect.states | index("SUCCEEDED")) == null then {x: "it was made to end otherwise"}
        elif $canceled and (any($own[:$cancel][]; isFailure) | not) then {x: "somebody canceled it before it failed once"}
        elif $due >= $journal.ended_at then {c: true}
        else ($ofTask[$id] // [] | length) as $done
          | $final.type == "task.succeeded" and ($final.payload.result | if type == "object" then .exit_code // 0 else 0 end) == 0
            and ($request == null or ($request.expect.done_min <= $done and $done <= $request.expect.done_max)) end
    end;

def linked($events): all(range($events | length); . as $i | $events[$i] | .v == 1 and .seq == $i + 1 and .stream == $events[0].stream and .prev == (if $i == 0 then "0" * 64 else $events[$i - 1].hash end)
  and (keys == ["actor", "at", "hash", "payload", "payload_sha256", "prev", "seq", "stream", "task", "trace", "type", "v"]));

def measured($journal; $events; $effects): ($events | map(select(.type == "store.restored" or .type == "store.released"))) as $turns
  | ($events | if ($turns | length) == 0 then . else map(. as $event | .held = (([$turns[] | select(.seq < $event.seq)] | last | .type) == "store.restored")) end) as $told
  | ([$told[] | select(.task != null)] | group_by(.task) | map({key: .[0].task, value: (taskOf + {first: .[0].seq, own: .})}) | from_entries) as $tasks
  # As often as a key was asked for, by whatever task, in the order in which the tasks came.
  | ([$tasks[] | . as $task | .asks[] | {key: ., id: $task.id, first: $task.first}] | sort_by(.first) | group_by(.key) | map({key: .[0].key, value: map(.id)}) | from_entries) as $byKey
  | [$events[] | select(.type == "schedule.declared") | .payload.schedule | isText // ""] as $schedules
  | [$events[] | select(.type == "clock.stepped") | {at, seq, by: (.payload.by_ms // 0)}] as $steps
  | any($events[]; .payload == null) as $pruned
  | {
    legalTransitions: tally($tasks[].moves[]),
    conservation: tally($tasks[] | isPlaced),
    jobsConserved: tally(jobsConserved($journal; $tasks; $byKey; $schedules)),
    tasksEndRight: tally(tasksEndRight($journal; $tasks; $byKey; $effects)),
    noDuplicateHeavy: tally(noDuplicateHeavy($journal; $tasks; $byKey; $effects)),
    effectsPermitted: tally(effectsPermitted($tasks; $effects)),
    writesFenced: tally($tasks[].writes[]),
    lateWritesSeen: tally(if any($journal.faults[]; .class == "sigstop") then $events[] | select(.type == "write.fenced" and .task != null) | true else empty end),
    traceability: tally($tasks[] | select(.state | isTerminal) | .own | isTraced($tasks; $steps)),
    commandsDeduplicated: tally(($journal.replays[] | if .same_payload then .exit == 0 and .task != null and .task == .first_task else .exit == 5 end), ($byKey[] | map($tasks[.].requester) | select((unique | length) < length) | false)),
    interruptedRecovered: tally(([$journal.requests[] | {key: (.task // $byKey[.key][0]? // ""), value: .}] | from_entries) as $asked
      | ["running", "claimed", "effect", "stored", "commit"] as $targets
      | ($journal.faults[] | select(.must_hit as $target | $targets | index($target) == null) | {x: "it interrupts no task"}),
        ([$journal.faults[] | select(.must_hit as $target | $targets | index($target) != null) | . as $fault | .hit[] | {fault: $fault.id, task: ., class: $fault.class}] | unique_by([.fault, .task])[]
          | if .class == "replay" then {x: "replays interrupt nothing"} else $tasks[.task] as $task | $asked[.task] as $request
              | if $task != null and $request != null and ($task | isAt($request.expect.states)) then true elif $task == null or ($task.state | isTerminal) then false else $journal | undone end end))
  } | if $pruned then map_values(nothing + {missing: "a payload was pruned"}) else . end;

# Files come one behind the other: a line that says what follows, then the journal, the log and the ledger, as far as they are there.
def scenario($cards): . as {id: $id, journal: $hasJournal, events: $lines, effects: $entries}
| (if $hasJournal then input else null end) as $journal
| (if $lines == null then null else [limit($lines; inputs)] end) as $events
| (if $entries == null then null else [limit($entries; inputs)] end) as $effects
| ($journal != null and $events != null and ($effects != null or $journal.world == "production")) as $isWhole
| {
  id: $id, whole: $isWhole, class: $journal.scenario.traffic_class, world: ($journal.world // "machine"), hasJournal: $hasJournal,
  named: $journal.scenario.id, seed: $journal.seed, ended: $journal.ended_at, status: $journal.status, faults: [$journal.faults[]?.id],
  log: (if $events == null then null else {stream: ($events[0].stream), events: ($events | length), head: ($events[-1].hash // "0" * 64)} end),
  linked: ($events == null or linked($events)),
  seen: {
    succeeded: [$events[]? | select(.type == "task.succeeded")] | length, failed: [$events[]? | select(.type == "task.failed")] | length, fenced: [$events[]? | select(.type == "write.fenced")] | length,
    rescued: [$events[]? | select(.type == "effect.adopted" or (.type == "task.queued" and .payload.by == "lease_lost"))] | length
  },
  counts: ((if $isWhole then measured($journal; $events; $effects // []) + {
    scenariosComplete: tally(if $journal.status == "completed" and $journal.scenario.id == $id then true else {m: "it did not end"} end),
    faultsHit: tally(($journal.faults[] | if .witness == null or .witness.detail == "" then {m: "no witness"} elif (.hit | length) == 0 then {x: "it missed what it had to hit"} else true end),
      ($journal.scenario.faults[] | . as $one | ([$journal.scenario.faults[] | select(.class == $one.class and .must_hit == $one.must_hit) | .count] | add) as $due
        | select(([$journal.faults[] | select(.class == $one.class and .must_hit == $one.must_hit and (.hit | length) > 0)] | length) < $due) | {m: "too few faults hit"}),
      ([$journal.faults[] | select((.hit | length) > 0) | .point // empty] | (if length != (unique | length) then {m: "a point was struck twice"} else empty end), (if ($journal.points // []) - . != [] then {m: "a point was never struck"} else empty end))),
    virtualHours: tally(if $journal.world != "simulation" then {x: "it was not simulated"} elif $journal.status != "completed" then {m: "it did not end"} else {g: ([0, (($journal.ended_at - $journal.started_at) / 3600000 | floor)] | max)} end),
    chatLimitsKept: tally(($journal.chat.calls[]? | select(.status == 200 and (.method as $method | ["sendMessage", "editMessageText", "editMessageReplyMarkup", "sendDocument"] | index($method) != null)) | true),
      ($journal.chat.violations[]? | . as $late
        | ([$journal.chat.calls[] | select(.status == 429 and (. as $call | all($journal.chat.violations[]; .early and .at == $call.at and .method == $call.method | not)) and .method == $late.method and .at < $late.at and (($late.scope | startswith("chat ") | not) or $late.scope == "chat \(.chat)"))][-1]) as $asked
        | def since($kinds; $to): any($journal.faults[]; .class as $class | ($kinds | index($class) != null) and (.service_at // .at) >= $asked.at and (.service_at // .at) <= $to);
          if $late.early and $asked != null
            and ($late.at <= $asked.at + 250 or ($asked.answered | not) or since(["sigkill", "sync"]; $asked.at + 500)
              or since(["clock"]; [$journal.chat.calls[] | select(.method == "getMe" and .at <= $late.at) | .at] | max // -1))
          then {x: "whoever called could not know yet that a pause was asked for"} else false end))
  } else {} end)
  + ([$cards[] | . as $card | .checks[] | select(.measure == "heavySuccess") | {key: "heavySuccess \(.parameters) \($card.window)", value:
      (if $journal == null or $events == null then nothing + {missing: "it is not whole"} elif $card.window == null or (.parameters.end_within_ms | isWhole) == null then nothing + {missing: "nobody says how it is counted"}
       else .parameters.end_within_ms as $limit | tally(heavyEnds($journal; $events; $effects; $limit; $card.window.tests)) end)}] | from_entries))
};
def each($cards): input as $next | if $next == null then empty else ($next | scenario($cards)), each($cards) end;
each([input, input])
JQ
)

# ------------------------------------------------------------------------------------------------ how it is judged

judging=$(cat <<'JQ'
def plain: tostring | gsub("[^ -~]"; "?") | .[:300];
def said($word; $what): "\($word)\("        "[:9 - ($word | length)])\($what | plain)";
def same($what): said("same"; $what);
def differs($what): said("DIFFERS"; $what);
def report($what; problems): [problems] | if length == 0 then same($what) else differs("\($what): \(.[] | plain)") end;
def million: 1000000;
def nothing: {good: 0, total: 0, excluded: {}, censored: 0, strata: {}, missing: null};
def tally(units): reduce units as $unit (nothing;
  if $unit == true then .good += 1 | .total += 1
  elif $unit == false then .total += 1
  elif $unit.x then .excluded[$unit.x] += 1
  elif $unit.g then .good += $unit.g | .total += $unit.g | .strata[$unit.sort] += $unit.g
  elif $unit.m then .missing = $unit.m
  else . end);
def sumOf(parts): reduce parts as $part (nothing;
  .missing = (.missing // $part.missing) | .good += $part.good | .total += $part.total | .censored += $part.censored
  | .excluded = (reduce ($part.excluded | to_entries[]) as $one (.excluded; .[$one.key] += $one.value)));

# ---- what is kept beside the scenarios
def controlInvariants: if $control == null then nothing + {missing: "not there"} else
  ([$control.declared[] | [.file, .name]]) as $all | ($all | unique) as $declared
  | tally((if ($declared | length) == 0 or ($declared | length) < ($all | length) then {m: "the list is no list"} else empty end),
      ($declared[] | . as $test | [$control.results[] | select([.file, .name] == $test) | .status] == ["passed"]),
      ([$control.results[] | [.file, .name]] | unique | . - $declared | .[] | false)) end;
def overSeeds(units): if $simulation == null then nothing + {missing: "not there"} else $simulation.seeds as $seeds
  | tally((if ($seeds | length) < $simulation.declared.seeds or ($seeds | map(.seed) | unique | length) < ($seeds | length) or ($seeds | map(.digest) | unique | length) < ($seeds | length) then {m: "seeds are missing, or there twice"} else empty end), units) end;
def seedsHold: overSeeds((if ($simulation.declared.measures | length) == 0 then {m: "nothing judged them"} else empty end), ($simulation.seeds[] | (.failed | length) == 0 and .events > 0));
def seedsRepeat: [$simulation.seeds[]? | select(.twice != null)] as $twice | overSeeds((if ($twice | length) < $simulation.declared.twice then {m: "too few were run twice"} else empty end), ($twice[] | .twice));
def faultClassesHit: ($simulation.declared.fault_classes // []) as $classes | overSeeds(
  (if ($classes | length) == 0 or ([$simulation.seeds[].hits | keys[]] | unique | . - $classes | length) > 0 then {m: "other classes than were declared"} else empty end),
  ($classes[] | . as $class | ([$simulation.seeds[].hits[$class] // 0] | add // 0) | if . == 0 then {m: "a class struck nothing"} else {g: ., sort: $class} end));
def isCaught: . as $mutant | ($selfTest.baselines[.baseline].verdicts // {}) as $before
  | ([($before | keys[]), (.after | keys[])] | unique | map(select($before[.] != $mutant.after[.]))) as $flips
  | .error == null and (.must_flip | length) > 0 and all(.must_flip[]; . as $name | $before | has($name)) and (.must_flip - $flips | length) == 0
    and ((.may_flip | has("*")) or ($flips - .must_flip - (.may_flip | keys) | length) == 0);
def mutants($families): if $selfTest == null then nothing + {missing: "there was no self-test"} else
  [$selfTest.mutations[] | select(.family as $family | $families | index($family) != null)] as $own
  | tally(foreach $own[] as $mutant ({made: {}, unit: null}; [$selfTest.baselines[$mutant.baseline].verdicts[]?] as $before
      | .unit = (if $mutant.error != null or ($mutant.digest != null and (($before | length) == 0 or any($before[]; . != "PASS"))) then {m: "it is no evidence"}
          elif $mutant.digest == null then {x: "the scorecard asks nothing that it breaks"}
          elif .made[$mutant.digest] then {x: "the same change under another name"}
          else $mutant | isCaught end)
      | .made[$mutant.digest // ""] = true; .unit),
    ($families[] | . as $family | if any($own[]; .family == $family and .digest != null) then empty else {m: "a family has no mutant"} end)) end;
def checksCanFail: $selfTest.baselines.evidence.verdicts as $names | if $names == null then nothing + {missing: "there was no self-test"} else
  ([$selfTest.mutations[] | select(isCaught) | .must_flip[] | {key: ., value: true}] | from_entries) as $seen
  | tally($names | keys[] | if $seen[.] then true else {m: "a check was never seen to fail"} end) end;
def everythingOccurs: . as $run | ["succeeded", "failed", "rescued", "fenced"] | map(. as $name | ([($run.scenarios[].seen[$name]), (if $run.simulated then $simulation.seeds[]?.seen[$name] else 0 end)] | map(. // 0) | add // 0)) as $times
  | ($times | add) as $total | if ($total > 0 and ($times | index(0)) != null) or any($run.scenarios[]; .whole | not) then nothing + {missing: "something never came about"} else nothing + {good: $total, total: $total} end;

# ---- bounds and tables: P(X <= k) for k bad units in n, by the sum of its terms from k downwards
def chance($k; $n; $ppm): if $k >= $n or $ppm <= 0 then 1 elif $k < 0 or $ppm >= million then 0 else
  ($ppm / million) as $p
  | (if $k <= $n * $p then {low: true, term: $k} else {low: false, term: ($k + 1)} end) as $side
  | ((($n + 1) | lgamma) - (($side.term + 1) | lgamma) - (($n - $side.term + 1) | lgamma) + $side.term * ($p | log) + ($n - $side.term) * ((1 - $p) | log) | exp) as $first
  | ({sum: 0, term: $first, i: $side.term} | until(.term <= .sum * 1e-17;
      .sum += .term
      | if $side.low then .term *= (.i / ($n - .i + 1)) * ((1 - $p) / $p) | .i -= 1
        else .term *= (($n - .i) / (.i + 1)) * ($p / (1 - $p)) | .i += 1 end) | .sum) as $sum
  | if $side.low then $sum else 1 - $sum end end;
def proven($bad; $total): {low: 0, high: million} | until(.high - .low <= 1; ((.low + .high) / 2 | floor) as $middle
  | if chance($bad; $total; million - $middle) <= 0.05 then .low = $middle else .high = $middle end) | .low;
def boundOf($rule; $good; $total): if $total == 0 or $rule == "census" or $rule == "score" then null elif $rule == "rate_at_least" then proven($total - $good; $total) else million - proven($total - $good; $total) end;

def cardProblems: . as $card
  | (.checks | group_by(.id)[] | select(length > 1) | "check \(.[0].id) is there twice"),
    (.checks[] | .id as $id | if .rule == "census" or .rule == "zero" or .rule == "score" then select(.acceptance != null or (.rule != "score" and .threshold_ppm != null)) | "check \($id) has a table or a threshold that its rule does not know"
      elif .acceptance == null or .threshold_ppm == null then "check \($id) has no table or no threshold"
      else .acceptance as $table | (if .rule == "rate_at_least" then million - .threshold_ppm else .threshold_ppm end) as $bad | range($table | length) | . as $i | $table[$i] as [$n, $most]
        | select(($n > (if $i == 0 then 0 else $table[$i - 1][0] end) and chance($most; $n; $bad) <= 0.05 and chance($most + 1; $n; $bad) > 0.05) | not) | "check \($id) has a table that allows \($most) failures in \($n)" end),
    (([.checks[].weight // 0] | add) as $points | [.checks[] | select(.rule == "score")] as $scores
      | select(($scores | length) > 1 or (($scores | length) == 0 and $points > 0) or any($scores[]; .measure != null or .n_min != $points)) | "its weights and its score do not fit"),
    ((.waivers // []) as $waivers | $waivers[] | . as $waiver
      | select(([$card.checks[] | select(.id == $waiver.check and .key != true)] | length) == 0 or ([$waivers[] | select(.check == $waiver.check)] | length) > 1
          or ((try (.expires + "T00:00:00Z" | fromdateiso8601 | todateiso8601) catch "") != .expires + "T00:00:00Z")) | "the waiver of \(.check) is none");

# ---- from counts to a verdict, in integers
def verdictOf($check; $max): . as $c | ($c.total - $c.good) as $bad | ($check.rule == "census" or $check.rule == "zero") as $integrity
  | if $check.measure == null then "INSUFFICIENT"
    elif $c.missing != null or $c.good > $c.total or ([$c.good, $c.total, $c.censored] | any(.[]; . != floor or . < 0)) then "ERROR"
    elif (if $integrity then $bad > 0 elif $check.rule == "rate_at_least" then $c.good * million < $check.threshold_ppm * $c.total else $bad * million > $check.threshold_ppm * $c.total end) then "FAIL"
    elif ($c.excluded | keys - $check.exclusions | length) > 0 then "ERROR"
    elif $c.censored * million > $max * ($c.censored + $c.total) or $c.total == 0 or any($c.strata[]; . < ($check.strata_min // 0)) then "INSUFFICIENT"
    else ([$check.acceptance[]? | select(.[0] <= $c.total)] | last) as $step
      | if $c.total >= $check.n_min and ($integrity or ($step != null and $bad <= $step[1])) then "PASS" else "INSUFFICIENT" end end;
def scoreOf($check; $lines): ([$lines[] | select(.verdict == "PASS") | .weight] | add // 0) as $good | ([$lines[].weight] | add // 0) as $total | ([$lines[] | select(.verdict == "FAIL") | .weight] | add // 0) as $failed
  | [$lines[] | select(.key) | .verdict] as $keys | ($check.threshold_ppm // million) as $threshold
  | (if $total != $check.n_min or $total == 0 then "ERROR" elif ($keys | index("FAIL")) != null or ($total - $failed) * million < $threshold * $total then "FAIL"
     elif $good * million >= $threshold * $total and all($keys[]; . == "PASS") then "PASS" else "INSUFFICIENT" end) as $verdict
  | {id: $check.id, verdict: $verdict, good: $good, total: $total, excluded: {}, censored: 0, strata: {}, rule: $check.rule, bound_ppm: null, n_min: $check.n_min, recounted: true};

def restricted($check; $worlds): {scenarios: [$scenarios[] | select((.hasJournal | not) or ((.class as $class | $check.traffic_classes | index($class) != null) and (.world as $world | $worlds | index($world) != null)))],
  simulated: ($worlds | index("simulation") != null), machine: ($worlds | index("machine") != null)};
# Null: not counted here.
def counted($check; $card): . as $run | $check.measure as $measure
  | if $measure == null then nothing
    elif $measure == "controlInvariants" then if .machine then controlInvariants else nothing + {missing: "not there"} end
    elif $measure == "seedsHold" or $measure == "seedsRepeat" or $measure == "faultClassesHit" then if .simulated | not then nothing + {missing: "not there"} elif $measure == "seedsHold" then seedsHold elif $measure == "seedsRepeat" then seedsRepeat else faultClassesHit end
    elif $measure == "mutantsCaught" then mutants(["tampering", "absence", "ancestor"])
    elif $measure == "runtimeMutantsCaught" then mutants(["runtime"])
    elif $measure == "checksCanFail" then checksCanFail
    elif $measure == "everythingOccurs" then everythingOccurs
    elif $measure == "heavySuccess" then if $card.window == null or $check.parameters.end_within_ms == null then nothing + {missing: "nobody says how it is counted"} else sumOf($run.scenarios[].counts["heavySuccess \($check.parameters) \($card.window)"]) end
    elif any($scenarios[].counts; has($measure)) | not then null
    elif any($run.scenarios[]; .whole | not) then nothing + {missing: "a scenario is not whole"}
    elif $measure == "faultsHit" and ([$run.scenarios[].faults[]] | length != (unique | length)) then nothing + {missing: "a fault is there twice"}
    else sumOf($run.scenarios[].counts[$measure]) end;
def lineOf($check; $card; $claim): restricted($check; $check.worlds) as $asked
  | (all($check.worlds[]; . == "production") and (any($asked.scenarios[]; .hasJournal) | not)) as $preview
  | ((if $preview then restricted($check; ["machine", "simulation", "production"]) else $asked end) | counted($check; $card)) as $anew
  | ($anew // (if $claim == null then nothing else $claim + {missing: (if $claim.verdict == "ERROR" and $claim.total == 0 then "claimed" else null end)} end)) as $counts
  | ($counts | verdictOf($check; $card.censored_max_ppm)) as $verdict
  | (if $counts.missing == null then $counts else nothing end) as $shown
  | {id: $check.id, verdict: (if $preview and $verdict == "PASS" then "INSUFFICIENT" else $verdict end), good: $shown.good, total: $shown.total, excluded: $shown.excluded, censored: $shown.censored, strata: $shown.strata, rule: $check.rule,
     bound_ppm: boundOf($check.rule; $shown.good; $shown.total), n_min: $check.n_min, recounted: ($anew != null)};
def judged($card; $claims): ($claims | map({key: .id, value: .}) | from_entries) as $byId
  | [$card.checks[] | select(.rule != "score") | . as $check | lineOf($check; $card; $byId[$check.id]) + {weight: ($check.weight // 0), key: ($check.key == true)}] as $found
  | ($found | map({key: .id, value: .}) | from_entries) as $lines
  | [$card.checks[] | . as $check | if .rule == "score" then scoreOf($check; $found) else $lines[.id] end] as $all
  | ([$scenarios[] | select(.hasJournal and .world != "simulation") | .ended] | max) as $at
  | [($card.waivers // [])[] | . as $waiver | . + {state: (if $at == null or $at >= ((.expires + "T00:00:00Z" | fromdateiso8601) + 86400) * 1000 then "expired" elif any($all[]; .id == $waiver.check and .verdict == "PASS") then "unused" else "applied" end)}] as $waivers
  | [$waivers[] | select(.state == "applied") | .check] as $waived
  | [$all[] | select(.id as $id | $waived | index($id) == null) | .verdict] as $verdicts
  | {lines: $all, waivers: $waivers, decision: (if ($verdicts | index("FAIL")) != null then "NO-GO" elif ($verdicts | length) > 0 and all($verdicts[]; . == "PASS") then $card.ceiling else "INSUFFICIENT" end)};

# ---- whether the scorecard asks for less than the one that was released, and no ADR names every check concerned
def asSet: if type == "array" then map(asSet) | sort elif type == "object" then map_values(asSet) else . end;
def changed($from; $to): [($from | keys[]), ($to | keys[])] | unique | . - ["$schema", "v", "id", "name", "title", "remedy", "acceptance", "adr", "checks"] | map(select(($from[.] | asSet) != ($to[.] | asSet)));
def loosens($from; $to; $rule): if . == "threshold_ppm" then ($to | type) != "number" or (($from | type) == "number" and (if $rule == "rate_at_most" then $to > $from else $to < $from end))
  elif . == "n_min" or . == "strata_min" then $from != null and (($to | type) != "number" or $to <= $from)
  elif . == "exclusions" then $from != null and (($to | type) != "array" or ($to - $from | length) > 0)
  elif . == "key" then $to != true
  elif . == "traffic_classes" or . == "worlds" or . == "population" or . == "measure" or . == "weight" then $from != null
  else true end;
def asksForLess: $released != null and (
  ([changed($released; $card)[] | select(. != "waivers" and (. != "ceiling" or $card.ceiling == "GO"))] | length > 0) as $whole
  | [$released.checks[] | . as $from | first(($card.checks[] | select(.id == $from.id)), null) as $to
      | select($to == null or any(changed($from; $to)[]; loosens($from[.]; $to[.]; $to.rule))) | .id] as $less
  | ($whole or ($less | length) > 0) and ($card.adr == null or $card.adr == $released.adr or $adr == "" or ([$adr | splits("[^a-z0-9-]+")] as $words | ($less - $words | length) > 0)));

# ---- what was claimed against what is
def claim: {id, verdict, good, total, excluded, censored, strata, rule, bound_ppm, n_min};
def isAlike($line): ((claim | .bound_ppm = null) == ($line | claim | .bound_ppm = null)) and (if .bound_ppm == null or $line.bound_ppm == null then .bound_ppm == $line.bound_ppm else (.bound_ppm - $line.bound_ppm | fabs) <= 1 end);
def compared($what; $claims; $lines):
  (if ($claims | map(.id) | sort) == ($lines | map(.id) | sort) then empty else differs("\($what): other checks than the scorecard has") end),
  ($lines[] | . as $line | "\($what): \(.id) \(.good)/\(.total) \(.verdict)" as $counts | first(($claims[] | select(.id == $line.id)), null) as $claim
    | if $claim == null or ($claim | isAlike($line) | not) then differs("\($counts), and \($claim.good)/\($claim.total) \($claim.verdict) was claimed")
      elif .recounted then same($counts) else said("not"; "recomputed here (verify.mjs does): \($counts); the verdict follows from the counts that were claimed") end);

$statement.predicate as $predicate
| ($digests | split("\n") | map(select(. != "") | {key: .[66:], value: .[:64]}) | from_entries) as $digest
| ($sums | split("\n") | map(select(. != "") | {key: .[66:], value: .[:64]}) | from_entries) as $listed
| ($sizes | split("\n") | map(select(. != "") | split(" ") | {key: .[0], value: (.[1] | tonumber)}) | from_entries) as $size
| judged($card; $predicate.checks) as $result | judged($board; $metrics.board.lines) as $onBoard
| (if $result.decision == "GO" and asksForLess then "INSUFFICIENT" else $result.decision end) as $decision
| report("what was signed is these files";
    (if $statement._type == "https://in-toto.io/Statement/v1" and $statement.predicateType == "https://opsgate.dev/attestation/gate-decision/v0.1" then empty else "it is no decision of a gate" end),
    (["SHA256SUMS", "manifest.json", $manifest.release.name, (if $manifest.commit == "unknown" then empty else "source" end)][] | . as $name | select(([$statement.subject[] | select(.name == $name)] | length) != 1) | "\($name) is not signed once"),
    ($statement.subject[] | select(if .name == "source" then .digest.gitCommit != $manifest.commit else .digest.sha256 == null or .digest.sha256 != (if .name == $manifest.release.name then $manifest.release.sha256 else $digest[.name] // $listed[.name] end) end) | "\(.name) is not what was signed")),
  report("artifact and configuration are those of the manifest";
    ($listed["release/\($manifest.release.name)"] | select(. != null and . != $manifest.release.sha256) | "another artifact is there"), ($listed["config/effective-config.json"] | select(. != $manifest.configHash) | "another configuration is there")),
  report("the manifest lists these files"; if ([$manifest.files[] | [.path, .sha256, .bytes]] | sort) == ([$listed | to_entries[] | select(.key != "manifest.json") | [.key, .value, $size[.key]]] | sort) then empty else "it lists others" end),
  report("statement and manifest say the same"; ("profile", "window", "logs", "configHash") | select($manifest[.] != $predicate[.])),
  ($scenarios[] | . as $scenario
    | report("\(.id): length and head of its log, each event behind the one before";
        (if .log == $predicate.logs[.id] and ($predicate.logs | has($scenario.id)) then empty else "another log was signed" end), (if .linked then empty else "a link is broken" end)),
      report("\(.id): its own journal, with the seed that was signed"; if .hasJournal and .named == .id and .seed == $predicate.seeds[.id] then empty else "it is not" end)),
  said("not"; "recomputed here (verify.mjs does): the hash of every event and payload, and who signed the other statements"),
  report("every scenario that was signed is there, with a log of its own";
    ([$predicate.seeds, $predicate.logs | keys[]] | unique | . - [$scenarios[].id] | .[]), ([$scenarios[].log.stream | strings] | select(length != (unique | length)) | "one log stands for two")),
  report("the scorecard is the one that was signed, and its tables are right";
    (if $predicate.scorecard == {name: $card.name, digest: {sha256: $digest["policy/scorecard.json"]}} then empty else "another scorecard was signed" end), ($card, $board | cardProblems)),
  compared("signed"; $predicate.checks; $result.lines),
  report("metrics.json says what was signed"; if ($metrics.result.lines | map(claim)) == ($predicate.checks | map(claim)) and $metrics.result.decision == $predicate.decision and $metrics.result.scorecard == $card.name then empty else "it says something else" end),
  compared("board"; $metrics.board.lines; $onBoard.lines),
  report("checks and waivers are those of the scorecard";
    (if $predicate.declaredChecks == ($card.checks | map(.id)) and $predicate.evaluatedChecks == [$predicate.checks[] | select(.verdict == "PASS" or .verdict == "FAIL") | .id] then empty else "other checks were signed" end),
    (if $predicate.waivers == $result.waivers then empty else "other waivers were signed" end)),
  report("the decision is \($decision)"; (if $predicate.decision == $decision then empty else "\($predicate.decision) was signed" end), (if $metrics.board.decision == $onBoard.decision and $metrics.board.scorecard == $board.name then empty else "the board says otherwise" end)),
  "decision \($decision | if . == "GO" or . == "NO-GO" then . else "INSUFFICIENT" end)"
JQ
)

# A file that is not there is an empty one for jq, which is told so.
or_nothing() { if [ -f "$1" ]; then printf '%s' "$1"; else printf /dev/null; fi; }

sed -n 's#^events/\(.*\)\.jsonl$#\1#p; s#^effects/\(.*\)\.jsonl$#\1#p; s#^scenarios/\(.*\)\.json$#\1#p' "$work/there" | sort -u >"$work/ids"
# A file that is not there is null. Of the others jq is told how many lines they have, and an empty or broken one puts all that follows out of place.
lines_of() { if [ -f "$1" ]; then grep -c '' "$1" || :; else printf null; fi; }
laid_out() {
  cat policy/scorecard.json policy/board.json
  while read -r id; do
    if [ -f "scenarios/$id.json" ]; then journal=true; else journal=false; fi
    printf '{"id":"%s","journal":%s,"events":%s,"effects":%s}\n' "$id" "$journal" "$(lines_of "events/$id.jsonl")" "$(lines_of "effects/$id.jsonl")"
    for file in "scenarios/$id.json" "events/$id.jsonl" "effects/$id.jsonl"; do
      if [ -f "$file" ]; then cat "$file"; fi
      printf '\n'
    done
  done <"$work/ids"
  printf 'null\n'
}
laid_out | jq -nc "$counting" >"$work/scenarios" 2>"$work/why" || refuse 'a log, ledger or journal is not what docs/gate.md describes'
[ "$(wc -l <"$work/scenarios")" -eq "$(wc -l <"$work/ids")" ] || refuse 'a log, ledger or journal is not what docs/gate.md describes'

sha256sum SHA256SUMS manifest.json policy/scorecard.json >"$work/digests"
jq -nr --slurpfile scenarios "$work/scenarios" --slurpfile statement "$work/payload" --slurpfile manifest manifest.json --slurpfile metrics metrics.json --slurpfile card policy/scorecard.json --slurpfile board policy/board.json \
  --slurpfile released "$(or_nothing policy/released.json)" --rawfile adr "$(or_nothing policy/adr.md)" --slurpfile control "$(or_nothing tests/control.json)" --slurpfile simulation "$(or_nothing simulation/seeds.json)" \
  --slurpfile selfTest "$(or_nothing selftest/mutations.json)" --rawfile digests "$work/digests" --rawfile sums SHA256SUMS --rawfile sizes "$work/sizes" \
  "\$statement[0] as \$statement | \$manifest[0] as \$manifest | \$metrics[0] as \$metrics | \$card[0] as \$card | \$board[0] as \$board | \$released[0] as \$released | \$control[0] as \$control | \$simulation[0] as \$simulation | \$selfTest[0] as \$selfTest
  | $judging" >"$work/said" 2>"$work/why" || refuse 'the bundle is not what docs/gate.md describes'
sed '$d' "$work/said"
if grep -q '^DIFFERS ' "$work/said"; then differing=1; fi
decision=$(tail -n 1 "$work/said" | cut -d' ' -f2)

if [ "$differing" = 1 ]; then
  printf 'REFUSED\n'
  exit 1
fi
[ "$signed" = yes ] || decision=INSUFFICIENT
printf '%s\n' "$decision"
case $decision in
  GO) exit 0 ;;
  NO-GO) exit 1 ;;
  *) exit 2 ;;
esac
