/**
 * The schema, as a list of steps. A step is never changed once it has shipped: `user_version` says how many a file has had.
 * Instants are Unix time in milliseconds unless their name says `mono`.
 */

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

export const migrations: ReadonlyArray<string> = [start, queues, upkeep, restores, schedules]

/** The first version that knows of restores. */
export const restoresVersion = migrations.indexOf(restores) + 1

/** The version of the schema that this program writes. */
export const latestVersion = migrations.length
