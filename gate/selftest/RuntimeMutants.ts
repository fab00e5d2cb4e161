/**
 * Mutants of the product: a guard taken out, by a patch of the built text of `dist/image.js`, and the measures that keep this guard. They
 * are data; a patch that no longer fits exactly once is an error of the self-test, and has to be written anew.
 */
export interface Patch {
  readonly find: string
  readonly replace: string
}

export interface RuntimeMutant {
  /** `runtime/<name>`. */
  readonly id: string
  /** What is taken out, in one sentence. */
  readonly what: string
  readonly patches: ReadonlyArray<Patch>
  /** Names of measures that turn red. */
  readonly must_flip: ReadonlyArray<string>
  /** Names of measures that may turn red too, and why. */
  readonly may_flip?: Readonly<Record<string, string>>
  /** What the unbroken product must have gone through in a seed for the mutant to show: names of its `seen` and `hits`. Such seeds are played first. */
  readonly where?: ReadonlyArray<string>
}

/** What else comes of it, by measure. */
const consequences = {
  attemptsCapped: "a task is tried more often than its kind declares",
  chatCommandsOnce: "commands in chats are commands too",
  chatLimitsKept: "a pause that was asked for is not kept",
  commandsDeduplicated: "what was lost cannot be given again",
  endsFinal: "it goes on behind its end",
  endsNoticed: "nobody else is told of an end",
  endsReported: "an end is not told",
  effectsPermitted: "an effect has no intent that the log would know",
  jobsConserved: "a job is not in one place",
  legalTransitions: "the move is not in the table",
  linearizable: "clients were told what no order explains",
  reportsArrive: "what was to be sent again is not",
  retriesWait: "pauses are counted by attempts",
  runsApproved: "the yes is not in the log when the run begins",
  scenariosComplete: "people wait in vain",
  singleOwner: "the run before goes on",
  tasksEndRight: "a task does not end as it should, or takes effect twice",
  workEnds: "a task is at work for ever",
  writesFenced: "the log no longer knows who held the task"
} as const

const mutant = (name: string, what: string, must_flip: ReadonlyArray<string>, patches: ReadonlyArray<readonly [find: string, replace: string]>, also: ReadonlyArray<keyof typeof consequences> = [], where: ReadonlyArray<string> = []): RuntimeMutant =>
  ({ id: `runtime/${name}`, what, must_flip, may_flip: Object.fromEntries(also.map((one) => [one, consequences[one]])), patches: patches.map(([find, replace]) => ({ find, replace })), where })

const leases: ReadonlyArray<RuntimeMutant> = [
  mutant("no-fencing", "A write is taken from whoever held the task once.", ["writesFenced"], [
    ["isHeldBy = (task, held) => task.lease !== null && task.generation === held.generation && task.lease.epoch === held.epoch;", "isHeldBy = (task) => task.lease !== null;"]
  ], [], ["write.fenced"]),
  mutant("lease-revived", "A heartbeat that comes too late renews the lease all the same.", ["leasesEnd"], [
    ["isRenewable = (epoch, now) => epoch === now.epoch && now.monoMs < now.leaseUntilMonoMs;", "isRenewable = (epoch, now) => epoch === now.epoch;"]
  ], [], ["sigstop"]),
  mutant("generation-kept-at-claim", "A claim does not raise the generation.", ["singleOwner"], [
    ["Math.max(task.generation, restored.generationFloor) : task.generation) + 1;", "Math.max(task.generation, restored.generationFloor) : Math.max(0, task.generation - 1)) + 1;"]
  ]),
  mutant("generation-kept-at-adoption", "An adoption does not raise the generation.", ["singleOwner"], [["const generation = task.generation + 1;", "const generation = task.generation;"]], [], ["effect.adopted"]),
  mutant("rescue-without-looking", "A lost run is taken back without a look at what became of its command.", ["noDuplicateHeavy"], [
    ["if (task.intents.length === 0) return { _tag: \"NotBegun\" };", "if (task.intents.length >= 0) return { _tag: \"NotBegun\" };"]
  ], ["singleOwner", "tasksEndRight"], ["effect.adopted"]),
  mutant("rescue-runs-dangerous-again", "A dangerous effect of which nobody knows is run again.", ["noDuplicateHeavy"], [["finding.outcome, now, chance) : finding._tag === \"Gone\" && ", "finding.outcome, now, chance) : false && "], ["_tag: \"Unknown\",\n\t\tcode: \"supervisor_gone\",", "_tag: \"NotStarted\",\n\t\tcode: \"supervisor_gone\","]], ["tasksEndRight"], ["task.outcome_unknown", "command_lost"]),
  mutant("rescue-forgets-record", "The record of a run that ended while nobody watched is not read.", ["noDuplicateHeavy"], [["const decision = finding._tag === \"Finished\" ? ", "const decision = false ? "]], ["tasksEndRight"], ["effect.adopted", "sigkill"]),
  mutant("rescue-does-not-adopt", "A command that still runs is not adopted but run again.", ["noDuplicateHeavy"], [["if (finding._tag === \"Alive\") return adopted(task, worker, now);", ""]], ["singleOwner", "tasksEndRight"], ["effect.adopted"])
]

const storage: ReadonlyArray<RuntimeMutant> = [
  mutant("answer-before-commit", "Who asks is answered before the commit.", ["jobsConserved"], [
    ["const answers = jobs.map((job) => job.apply());", "const answers = jobs.map((job) => { const answer = job.apply(); answer(); return () => {}; });"]
  ], ["tasksEndRight", "linearizable", "chatCommandsOnce", "commandsDeduplicated"], ["sigkill"]),
  mutant("event-left-out", "A change is stored without its event.", ["legalTransitions"], [["events.forEach((event) => append(event, atMs));", "events.forEach((event) => event.type === \"task.approved\" || append(event, atMs));"]], ["jobsConserved", "linearizable"]),
  mutant("event-after-commit", "Events are stored with the next transaction, not with their change.", ["legalTransitions"], [
    ["events.forEach((event) => append(event, atMs));", "(apply.late ??= []).splice(0).forEach((event) => append(event, atMs)); apply.late.push(...events);"]
  ], ["jobsConserved", "tasksEndRight", "singleOwner", "writesFenced", "effectsPermitted", "runsApproved", "linearizable", "attemptsCapped", "retriesWait", "chatCommandsOnce", "endsReported", "workEnds"]),
  mutant("outbox-after-commit", "What people are to be told is stored with the next transaction, not with what they are told of.", ["endsNoticed"], [
    ["messages.forEach(({ task, text, topic }) => sql.insertMessage.run(topic, task, text, atMs));", "(apply.later ??= []).splice(0).forEach(({ task, text, topic }) => sql.insertMessage.run(topic, task, text, atMs)); apply.later.push(...messages);"]
  ], ["tasksEndRight", "scenariosComplete"], ["sigkill"]),
  mutant("chain-unlinked", "An event does not carry the hash of the one before.", ["chainIntact"], [["prev: head.hash\n", "prev: head.seq % 7 === 3 ? chainStart : head.hash\n"]])
]

const rare: ReadonlyArray<RuntimeMutant> = [
  mutant("queue-limits-ignored", "Tasks are claimed as if their queue had no limits.", ["queueLimitsKept"], [
    ["if (concurrency !== null && this.running >= concurrency) return null;\n\t\t\treturn rate === null ? -1e400 : freeAtMs(rate, this.starts);", "return -1e400;"]
  ], [], ["limited"]),
  mutant("fork-runs-copied-steps", "A fork takes over nothing.", ["stepsNotRestarted"], [["const reused = steps.filter(({ number, scope }) => number < cut && !scope.startsWith(\"undo\"));", "const reused = [];"]], ["tasksEndRight"], ["fork"]),
  mutant("resume-of-ended", "A task that has ended is dispatched again by a resume.", ["legalTransitions"], [
    ["if (!isIn(task, \"APPROVED\")) return refuseCommand(command, task, new TransitionRefused({\n\t\t\ttask: task.id,\n\t\t\tstate: task.state,\n\t\t\twanted: \"resume\",", "if (!isIn(task, \"APPROVED\", \"SUCCEEDED\", \"FAILED\")) return refuseCommand(command, task, new TransitionRefused({\n\t\t\ttask: task.id,\n\t\t\tstate: task.state,\n\t\t\twanted: \"resume\","]
  ], ["attemptsCapped", "endsFinal", "jobsConserved", "linearizable", "tasksEndRight"], ["fork"]),
  mutant("early-signal-lost", "A signal that comes before it is waited for is lost.", ["tasksEndRight"], [
    ["signals: [...task.signals, {\n\t\t\t\tname,\n\t\t\t\tpayload,", "signals: !wakes ? task.signals : [...task.signals, {\n\t\t\t\tname,\n\t\t\t\tpayload,"]
  ], [], ["signal_early"]),
  mutant("poison-not-capped", "A task that ends its process each time is run again for ever.", ["tasksEndRight"], [["return losses >= lossesMax ? failed$1(again,", "return losses >= 1e9 ? failed$1(again,"]], ["attemptsCapped"], ["poison"])
]

const commands: ReadonlyArray<RuntimeMutant> = [
  mutant("no-idempotency-lookup", "A command that is sent again is done again.", ["commandsDeduplicated"], [["if (stored === void 0) return remembering(command, command.key, decide());", "return decide();"]], ["linearizable", "jobsConserved", "chatCommandsOnce"], ["idempotency.replayed"]),
  mutant("other-payload-accepted", "Another payload under a known key is answered as if it were the same.", ["commandsDeduplicated"], [["if (stored.fingerprint === fingerprint(command.ask)) return again(command, stored);", "return again(command, stored);"]], [], ["replay"]),
  mutant("resume-ignores-holds", "A resume dispatches in spite of open holds.", ["runsApproved"], [["if (after.holds.length > 0) {\n\t\t\tconst { answer, events: refusals }", "if (after.holds.length > 9) {\n\t\t\tconst { answer, events: refusals }"]], ["legalTransitions", "tasksEndRight", "linearizable"], ["command.refused"]),
  mutant("approve-dispatches", "The last yes queues the task at once.", ["chatCommandsOnce"], [
    ["const approved = move(after, \"APPROVED\", \"release\");", "const approved = enqueued(move(after, \"APPROVED\", \"release\"), now);"],
    ["events: [...events, entered(approved, \"REQUESTED\", \"release\", command.actor)],", "events: [...events, entered({ ...approved, state: \"APPROVED\" }, \"REQUESTED\", \"release\", command.actor), entered(approved, \"APPROVED\", \"resume\", command.actor, { available_at_ms: approved.availableAtMs })],"]
  ], ["scenariosComplete", "linearizable"], ["approval.given"]),
  mutant("one-person-twice", "A second yes of the same person counts as that of another.", ["runsApproved"], [
    ["&& approvals.findIndex((other) => other.digest === digest && other.actor === approval.actor) === index);", ");"],
    ["if (saidYes(found, command)) return refuseCommand", "if (false) return refuseCommand"]
  ], ["tasksEndRight", "linearizable"], ["approval.given", "command.refused"]),
  mutant("own-yes-counts", "Who asked for it may say yes to it.", ["runsApproved"], [
    ["isAuthor = (task, person) => isSame$1(person, [task.requester, ...task.authors]);", "isAuthor = () => false;"],
    ["return needed.every((role) => command.roles.includes(role)) ? null", "return true ? null"],
    ["return mayAsk(op, held, task !== null && task.requester === actor) ? decide()", "return true ? decide()"]
  ], ["tasksEndRight", "linearizable"], ["approval.given", "command.refused"]),
  mutant("cancel-not-stored", "A cancel is answered and does nothing.", ["tasksEndRight"], [["const ended = {\n\t\t\t\t...move(task, \"CANCELED\", \"cancel\"),", "return accept(task, command);\n\t\t\tconst ended = {\n\t\t\t\t...move(task, \"CANCELED\", \"cancel\"),"]], ["linearizable"], ["task.canceled"]),
  mutant("timeouts-never-fire", "What has run out of time is never ended.", ["tasksEndRight"], [["dueIds: (nowMs, limit) => isAtRest() ? []", "dueIds: (nowMs, limit) => true ? []"], ["expiryMs: sql.nextExpiry.get()?.at ?? null", "expiryMs: null"]], ["scenariosComplete"], ["task.expired"])
]

const work: ReadonlyArray<RuntimeMutant> = [
  mutant("effect-without-intent", "An effect begins without its intent on record.", ["effectsPermitted"], [["event = about(begun, \"effect.intent\", ", "event = about(begun, \"effect.intended\", "]], ["singleOwner"]),
  mutant("retry-without-cap", "What failed is tried for ever.", ["tasksEndRight"], [["if (task.budget <= 0 || outcome.final === true) return ", "if (outcome.final === true) return "]], ["attemptsCapped", "retriesWait"], ["task.failed"]),
  mutant("attempt-not-counted", "A claim does not count its attempt.", ["tasksEndRight"], [["budget: task.budget - 1,", "budget: task.budget,"]], ["attemptsCapped", "retriesWait"], ["task.failed"]),
  mutant("exit-code-ignored", "A command that failed counts as done.", ["tasksEndRight"], [["if (record.exit_code === 0) return {", "if (record.exit_code !== null) return {"]])
]

const ticks: ReadonlyArray<RuntimeMutant> = [
  mutant("tick-forgotten", "A tick that is due is passed over without a word.", ["ticksWhole"], [["starts: [...caughtUp, ...onTime],", "starts: caughtUp,"]]),
  mutant("tick-twice", "A tick is not looked up before it starts, and starts twice.", ["ticksOnce"], [["of starts) if (!draft.known.has(atMs)) meet(draft, atMs);", "of starts) { startTick(draft, atMs); startTick(draft, atMs); }"]], ["commandsDeduplicated", "jobsConserved", "legalTransitions", "tasksEndRight"])
]

const chats: ReadonlyArray<RuntimeMutant> = [
  mutant("offset-before-insert", "Updates are confirmed before they are stored.", ["chatCommandsOnce"], [
    ["if (updates.length > 0 && (yield* store(bot, updates)) > 0) yield* wake;", "if (updates.length > 0) { yield* chats.receive(bot, [], behind(updates)); yield* sleep$1(\"20 seconds\"); if ((yield* store(bot, updates)) > 0) yield* wake; }"]
  ], ["scenariosComplete", "tasksEndRight", "jobsConserved"], ["poll_fault", "sigkill"]),
  mutant("update-without-key", "A command of a chat is not keyed by its update.", ["chatCommandsOnce"], [["keyOf = ({ item }) => `telegram:${this.options.bot}:${item.update}`;", "keyOf = ({ item }) => `telegram:${this.options.bot}:${item.update}:${item.tries}:${Math.random()}`;"]], ["scenariosComplete", "tasksEndRight", "jobsConserved"]),
  mutant("marked-before-sent", "A message is marked as sent before it is.", ["reportsArrive"], [
    ["const outcome = yield* calling(way.call, call, delivery.message !== null)", "yield* way.chats.sent(delivery.id, delivery.message); const outcome = yield* calling(way.call, call, delivery.message !== null)"],
    ["later = (way, delivery, code, askedMs) => gen(function* () {", "later = (way, delivery, code, askedMs) => gen(function* () { return;"]
  ], ["chatLimitsKept", "endsReported", "endsNoticed"], ["send_fault"]),
  mutant("limits-ignored", "Messages are sent as fast as they come.", ["chatLimitsKept"], [["const atMs = pacer.at(target, nowMs);", "const atMs = nowMs;"]])
]

export const runtimeMutants: ReadonlyArray<RuntimeMutant> = [...leases, ...storage, ...commands, ...work, ...ticks, ...chats, ...rare]
