/**
 * The schema, as a list of steps. A step is never changed once it has shipped: `user_version` says how many a file has had.
 * Instants are Unix time in milliseconds unless their name says `mono`.
 */
import { places, sending } from "./SendingSchema.ts"

/** "OPSG": tells our files from other SQLite databases. */
export const applicationId = 0x4f505347

const start = `
CREATE TABLE store (
  id          TEXT NOT NULL,             -- names the event stream of this file
  made_at_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE task (
  id               TEXT PRIMARY KEY,
  state            TEXT NOT NULL,
  available_at_ms  INTEGER NOT NULL,
  expires_at_ms    INTEGER,
  epoch            INTEGER,              -- of the lease; NULL without one
  parent           TEXT,                 -- the task that waits for this one
  forked_from      TEXT,
  spec             TEXT NOT NULL,        -- JSON of what was asked for; never changes
  progress         TEXT NOT NULL         -- JSON of where it stands
) STRICT;
CREATE INDEX task_queued ON task (available_at_ms, id) WHERE state = 'QUEUED';
CREATE INDEX task_expiry ON task (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
CREATE INDEX task_leased ON task (epoch) WHERE epoch IS NOT NULL;
CREATE INDEX task_parent ON task (parent) WHERE parent IS NOT NULL;
CREATE INDEX task_forked ON task (forked_from) WHERE forked_from IS NOT NULL;
CREATE INDEX task_short ON task (substr(id, -6));

CREATE TABLE step (
  task           TEXT NOT NULL,
  number         INTEGER NOT NULL,
  name           TEXT NOT NULL,
  state          TEXT NOT NULL,
  place          TEXT NOT NULL,          -- JSON of where it stands and what it is; changes only when it begins anew
  result         TEXT,                   -- canonical JSON
  code           TEXT,
  error          TEXT,
  started_at_ms  INTEGER NOT NULL,
  ended_at_ms    INTEGER,
  PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (                   -- attempts that failed or were lost
  task           TEXT NOT NULL,
  number         INTEGER NOT NULL,
  generation     INTEGER NOT NULL,
  code           TEXT NOT NULL,
  error          TEXT NOT NULL,
  started_at_ms  INTEGER,
  ended_at_ms    INTEGER NOT NULL,
  PRIMARY KEY (task, number, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  seq             INTEGER PRIMARY KEY,
  v               INTEGER NOT NULL,
  at              INTEGER NOT NULL,
  type            TEXT NOT NULL,
  task            TEXT,
  trace           TEXT,
  actor           TEXT NOT NULL,
  payload         TEXT,                  -- canonical JSON; NULL after pruning
  payload_sha256  TEXT NOT NULL,
  hash            TEXT NOT NULL          -- over the hash before, the header and payload_sha256
) STRICT;

CREATE TABLE idempotency (
  key          TEXT PRIMARY KEY,
  op           TEXT NOT NULL,
  fingerprint  TEXT NOT NULL,
  channel      TEXT NOT NULL,
  answer       TEXT NOT NULL,
  at           INTEGER NOT NULL
) STRICT;

CREATE TABLE outbox (
  id     INTEGER PRIMARY KEY,
  topic  TEXT NOT NULL,
  task   TEXT NOT NULL,
  text   TEXT NOT NULL,
  at     INTEGER NOT NULL
) STRICT;

CREATE TABLE epoch (
  epoch                INTEGER PRIMARY KEY,
  started_at_ms        INTEGER NOT NULL,
  lease_until_ms       INTEGER NOT NULL,
  lease_until_mono_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tally (minute_ms INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (minute_ms, name)) STRICT, WITHOUT ROWID;
`

const schedules = `
CREATE TABLE schedule (
  name     TEXT PRIMARY KEY,
  due_ms   INTEGER,                      -- when its next tick starts; NULL when none is to come
  waiting  INTEGER NOT NULL,             -- ticks that wait for the end of a run
  body     TEXT NOT NULL                 -- JSON of what was declared and where it stands
) STRICT;
CREATE INDEX schedule_due ON schedule (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX schedule_waiting ON schedule (name) WHERE waiting > 0;

CREATE TABLE tick (                      -- one row for each nominal tick that was decided for itself
  schedule    TEXT NOT NULL,
  nominal_ms  INTEGER NOT NULL,
  version     INTEGER NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT,
  task        TEXT,
  late_ms     INTEGER NOT NULL,
  at_ms       INTEGER NOT NULL,
  PRIMARY KEY (schedule, nominal_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE tick_range (                -- ticks that were decided together
  schedule  TEXT NOT NULL,
  from_ms   INTEGER NOT NULL,
  to_ms     INTEGER NOT NULL,
  count     INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  outcome   TEXT NOT NULL,
  reason    TEXT NOT NULL,
  at_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX tick_range_of ON tick_range (schedule, from_ms);

ALTER TABLE task ADD COLUMN schedule TEXT;
CREATE INDEX task_schedule ON task (schedule, state) WHERE schedule IS NOT NULL;
`


// A lane is what a claim looks at: queued tasks that differ in nothing but key, due instant and id (domain/Claiming.ts). It is
// written down once, so that the index of the queue carries a number and not five texts.
const queues = `
CREATE TABLE lane (
  id        INTEGER PRIMARY KEY,
  queue     TEXT NOT NULL,
  tenant    TEXT NOT NULL,
  priority  INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  class     TEXT NOT NULL,
  keyed     INTEGER NOT NULL,            -- whether its tasks have concurrency keys
  UNIQUE (queue, tenant, priority, kind, class, keyed)
) STRICT;
ALTER TABLE task ADD COLUMN lane INTEGER;
ALTER TABLE task ADD COLUMN concurrency_key TEXT;
ALTER TABLE task ADD COLUMN unique_name TEXT;  -- held by at most one task, see domain/Placement.ts

INSERT INTO lane (queue, tenant, priority, kind, class, keyed)
  SELECT DISTINCT spec ->> '$.class', COALESCE(spec ->> '$.tenant', 'default'), 0, spec ->> '$.kind', spec ->> '$.class', 0 FROM task;
UPDATE task SET lane = (SELECT id FROM lane WHERE queue = spec ->> '$.class' AND tenant = COALESCE(spec ->> '$.tenant', 'default') AND kind = spec ->> '$.kind');

DROP INDEX task_queued;
CREATE INDEX task_lane ON task (lane, available_at_ms, id, concurrency_key) WHERE state = 'QUEUED';
CREATE INDEX task_lane_key ON task (lane, concurrency_key, available_at_ms, id) WHERE state = 'QUEUED' AND concurrency_key IS NOT NULL;
CREATE INDEX task_running_key ON task (lane) WHERE state = 'RUNNING' AND concurrency_key IS NOT NULL;
CREATE UNIQUE INDEX task_unique ON task (unique_name) WHERE unique_name IS NOT NULL;

CREATE TABLE queue (                     -- what an operator said last
  name      TEXT PRIMARY KEY,
  paused    INTEGER NOT NULL,
  since_ms  INTEGER NOT NULL,
  actor     TEXT NOT NULL,
  reason    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE queue_turn (                -- shares: the virtual time at which the next turn begins; tenant '' is the queue itself
  queue   TEXT NOT NULL,
  tenant  TEXT NOT NULL,
  turn    INTEGER NOT NULL,
  PRIMARY KEY (queue, tenant)
) STRICT, WITHOUT ROWID;
CREATE TABLE queue_start (               -- rates: JSON of the instants of the last starts
  queue   TEXT PRIMARY KEY,
  starts  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`

// A task that was pruned, or is in the dead letter, has nothing to prune.
const upkeep = `
ALTER TABLE task ADD COLUMN ended_at_ms INTEGER;    -- of those that can be pruned
ALTER TABLE task ADD COLUMN dead_since_ms INTEGER;  -- of those in the dead letter
UPDATE task SET ended_at_ms = json_extract(progress, '$.updatedAtMs') WHERE state IN ('SUCCEEDED', 'CANCELED', 'EXPIRED');
UPDATE task SET dead_since_ms = json_extract(progress, '$.updatedAtMs') WHERE state = 'FAILED';
CREATE INDEX task_ended ON task (state, ended_at_ms, id) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX task_dead ON task (dead_since_ms) WHERE dead_since_ms IS NOT NULL;
INSERT INTO counter (name, value) SELECT 'dead', COUNT(*) FROM task WHERE dead_since_ms IS NOT NULL;
CREATE INDEX event_prunable ON event (task) WHERE payload IS NOT NULL AND (type IN ('task.succeeded', 'task.failed', 'step.failed', 'run.progress')
  OR (type = 'task.queued' AND length(payload) > 100));
DROP INDEX task_short;                   -- an id is looked for by its end once in a while, and was indexed at a random place with every task
CREATE INDEX idempotency_at ON idempotency (at, key);

CREATE TABLE bulk (
  id      TEXT PRIMARY KEY,
  state   TEXT NOT NULL,
  record  TEXT NOT NULL                  -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_running ON bulk (id) WHERE state = 'running';

CREATE TABLE bulk_item (                 -- the tasks that a bulk command is about, fixed when it was stored
  bulk     TEXT NOT NULL,
  number   INTEGER NOT NULL,
  task     TEXT NOT NULL,
  outcome  TEXT,                         -- NULL while it waits
  code     TEXT,
  at_ms    INTEGER,
  PRIMARY KEY (bulk, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_item_pending ON bulk_item (bulk, number) WHERE outcome IS NULL;
`

/** What a restored file remembers, see domain/Restored.ts. */
const restores = `
CREATE TABLE restored (
  number            INTEGER PRIMARY KEY,
  at_ms             INTEGER NOT NULL,
  actor             TEXT NOT NULL,
  backup_seq        INTEGER NOT NULL,
  backup_hash       TEXT NOT NULL,
  generation_floor  INTEGER NOT NULL,
  released_at_ms    INTEGER                -- NULL while nothing may begin by itself
) STRICT;
`

// What /ops asks for beside its counts. Only rows that are blocked or leased have an entry more, so an ordinary task pays nothing.
const operations = `
ALTER TABLE task ADD COLUMN blocked_since_ms INTEGER;  -- of those that are blocked
ALTER TABLE task ADD COLUMN leased_since_ms INTEGER;   -- of those under a lease
UPDATE task SET blocked_since_ms = COALESCE(json_extract(progress, '$.unknown.sinceMs'), json_extract(progress, '$.governance.askedAtMs'), json_extract(spec, '$.createdAtMs'))
  WHERE json_type(progress, '$.unknown') = 'object' OR (state IN ('REQUESTED', 'APPROVED', 'QUEUED', 'RUNNING') AND json_array_length(progress, '$.holds') > 0);
UPDATE task SET leased_since_ms = json_extract(progress, '$.startedAtMs') WHERE epoch IS NOT NULL;
CREATE INDEX task_blocked ON task (blocked_since_ms) WHERE blocked_since_ms IS NOT NULL;
DROP INDEX task_leased;
CREATE INDEX task_leased ON task (epoch, leased_since_ms) WHERE epoch IS NOT NULL;
INSERT INTO counter (name, value) SELECT 'blocked.' || open.value, COUNT(*) FROM task, json_each(task.progress, '$.holds') AS open WHERE blocked_since_ms IS NOT NULL GROUP BY open.value;
INSERT INTO counter (name, value) SELECT 'blocked.outcome_unknown', COUNT(*) FROM task WHERE blocked_since_ms IS NOT NULL AND json_type(progress, '$.unknown') = 'object' HAVING COUNT(*) > 0;

CREATE TABLE tally_by_name (name TEXT NOT NULL, minute_ms INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, minute_ms)) STRICT, WITHOUT ROWID;
INSERT INTO tally_by_name SELECT name, minute_ms, value FROM tally;
DROP TABLE tally;
ALTER TABLE tally_by_name RENAME TO tally;   -- a window is summed name by name, without sorting

CREATE TABLE mark (                      -- when a condition of /ops ended last, see domain/Census.ts
  name   TEXT PRIMARY KEY,
  at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

/** What chats bring and are sent, see `Chats.ts`. */
const chats = `
CREATE TABLE chat_offset (bot TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
  bot             TEXT NOT NULL,
  number          INTEGER NOT NULL,      -- of the update; the service gives it once
  chat            TEXT NOT NULL,
  payload         TEXT NOT NULL,
  state           TEXT NOT NULL,
  received_at_ms  INTEGER NOT NULL,
  tries           INTEGER NOT NULL,
  not_before_ms   INTEGER NOT NULL,
  error           TEXT,
  PRIMARY KEY (bot, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_pending ON inbox (bot, chat, number) WHERE state = 'pending';
CREATE INDEX inbox_dead ON inbox (bot, number) WHERE state = 'dead';
CREATE INDEX inbox_done ON inbox (received_at_ms) WHERE state = 'done';

CREATE TABLE delivery (
  id             INTEGER PRIMARY KEY,
  chat           TEXT NOT NULL,
  ref            TEXT NOT NULL UNIQUE,
  card           TEXT,                   -- the task whose card it is
  body           TEXT,                   -- JSON; NULL when it is over
  state          TEXT NOT NULL,          -- waits, sent, given_up, replaced
  tries          INTEGER NOT NULL,
  not_before_ms  INTEGER NOT NULL,
  error          TEXT,
  at_ms          INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_waits ON delivery (chat, id) WHERE state = 'waits';
CREATE INDEX delivery_card ON delivery (chat, card) WHERE state = 'waits' AND card IS NOT NULL;

CREATE TABLE card (
  chat     TEXT NOT NULL,
  task     TEXT NOT NULL,
  message  INTEGER,                      -- NULL until the first one was sent
  PRIMARY KEY (chat, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_task ON card (task);
CREATE INDEX card_message ON card (chat, message) WHERE message IS NOT NULL;

CREATE TABLE chat_dead (chat TEXT PRIMARY KEY, why TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE relay (name TEXT PRIMARY KEY, through INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE token (
  token          TEXT PRIMARY KEY,
  chat           TEXT NOT NULL,
  task           TEXT NOT NULL,
  ask            TEXT NOT NULL,
  expires_at_ms  INTEGER NOT NULL,
  used_by        TEXT,                   -- the update that took it
  used_at_ms     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_expiry ON token (expires_at_ms);
`

/**
 * Every command that was decided, as an artifact of the task that it was about (seed S2): a look at the events, so nobody can write it
 * apart. `domain/Artifact.ts` says the same in words of its own, and a test compares both.
 */
export const artifactsSelect = `
SELECT
  workflow_id, workflow_id AS run_id, 'OPS' AS step_id, 0 AS idx, 'json_diagnostic' AS kind,
  json_patch(
    json_object('op', op, 'actor', actor, 'reason', reason, 'targetWorkflowID', workflow_id, 'at', at, 'channel', channel, 'result', result),
    json_object('forkedWorkflowID', forked, 'code', code, 'target', target, 'key', key, 'bulk', bulk)
  ) AS payload,
  seq, at, op, actor, forked
FROM (
  SELECT
    seq, at, actor, op, reason, channel, key, bulk,
    CASE WHEN op = 'fork' AND forked_from IS NOT NULL THEN forked_from ELSE task END AS workflow_id,
    CASE WHEN op = 'fork' AND forked_from IS NOT NULL THEN task END AS forked,
    CASE type
      WHEN 'command.refused' THEN 'refused'
      WHEN 'command.denied' THEN 'denied'
      WHEN 'command.timed_out' THEN 'timed_out'
      WHEN 'idempotency.replayed' THEN 'replayed'
      WHEN 'idempotency.conflict' THEN 'refused'
      WHEN 'idempotency.in_progress' THEN 'refused'
      ELSE 'accepted'
    END AS result,
    CASE type
      WHEN 'command.refused' THEN refusal
      WHEN 'command.denied' THEN refusal
      WHEN 'idempotency.replayed' THEN payload ->> '$.refused'
      WHEN 'idempotency.conflict' THEN payload ->> '$.code'
      WHEN 'idempotency.in_progress' THEN payload ->> '$.code'
    END AS code,
    CASE
      WHEN op LIKE 'schedule-%' THEN 'schedule:' || (payload ->> '$.schedule')
      WHEN task IS NOT NULL THEN NULL
      WHEN op LIKE 'bulk%' THEN 'bulk:' || COALESCE(payload ->> '$.bulk', payload ->> '$.named')
      ELSE COALESCE('queue:' || (payload ->> '$.queue'), 'task:' || (payload ->> '$.named'))
    END AS target
  FROM (
    SELECT
      seq, at, type, task, actor, payload,
      payload ->> '$.command.op' AS op, payload ->> '$.command.reason' AS reason, payload ->> '$.command.channel' AS channel,
      payload ->> '$.command.key' AS key, payload ->> '$.command.bulk' AS bulk,
      payload ->> '$.forked_from' AS forked_from, payload ->> '$.refusal._tag' AS refusal
    FROM event
    WHERE instr(payload, '"command":{') > 0 AND payload ->> '$.command.op' IS NOT NULL
  )
)`

// A key is that of whoever asked. The actor of one that was used before stands in the event of its command.
const audit = `
UPDATE idempotency SET key = used.actor || char(10) || idempotency.key
FROM (
  SELECT payload ->> '$.command.key' AS key, actor, MIN(seq) FROM event
  WHERE instr(payload, '"command":{') > 0 AND payload ->> '$.command.key' IS NOT NULL GROUP BY 1
) AS used
WHERE used.key = idempotency.key;

CREATE INDEX event_key ON event (payload ->> '$.key') WHERE type IN ('idempotency.replayed', 'idempotency.conflict', 'idempotency.in_progress');
CREATE VIEW artifacts AS${artifactsSelect};
`

// What an approver compares a request with. It fills from now on: of runs before it nothing is known.
const approvals = `
CREATE TABLE approved (                  -- the last run of each kind that people let go
  kind   TEXT PRIMARY KEY,
  task   TEXT NOT NULL,
  facts  TEXT NOT NULL                   -- JSON of what was let go
) STRICT, WITHOUT ROWID;
`

// The same indexes with other words: for IN with a list SQLite fills a table of its own with every event that is inserted, for each index.
const cheaper = `
DROP INDEX event_prunable;
CREATE INDEX event_prunable ON event (task) WHERE payload IS NOT NULL
  AND (type = 'task.succeeded' OR type = 'task.failed' OR type = 'step.failed' OR type = 'run.progress' OR (type = 'task.queued' AND length(payload) > 100));
DROP INDEX event_key;
CREATE INDEX event_key ON event (payload ->> '$.key') WHERE type = 'idempotency.replayed' OR type = 'idempotency.conflict' OR type = 'idempotency.in_progress';
`

export const migrations: ReadonlyArray<string> = [start, queues, upkeep, restores, schedules, operations, chats, audit, approvals, sending, places, cheaper]

/** The first version that knows what people let go last. */
export const approvalsVersion = migrations.indexOf(approvals) + 1

/** The first version that knows since when tasks are blocked and leased, and when conditions of /ops ended. */
export const operationsVersion = migrations.indexOf(operations) + 1

/** The first version that knows of chats. */
export const chatsVersion = migrations.indexOf(chats) + 1

/** The first version that knows of queues. */
export const queuesVersion = migrations.indexOf(queues) + 1

/** The first version that knows of restores. */
export const restoresVersion = migrations.indexOf(restores) + 1

/** The version of the schema that this program writes. */
export const latestVersion = migrations.length
