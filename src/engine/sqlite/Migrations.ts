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

export const migrations: ReadonlyArray<string> = [start]

/** The version of the schema that this program writes. */
export const latestVersion = migrations.length
