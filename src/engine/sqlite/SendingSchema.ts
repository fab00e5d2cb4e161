/** What sending needs to know after a crash, see `Chats.ts`: a step of `Migrations.ts`. */
export const sending = `
ALTER TABLE delivery ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;  -- messages of it that were sent
CREATE INDEX delivery_over ON delivery (at_ms) WHERE state <> 'waits';
ALTER TABLE card ADD COLUMN shown TEXT;                            -- digest of what it shows
ALTER TABLE card ADD COLUMN over INTEGER NOT NULL DEFAULT 0;       -- 1: it shows the end of its task
CREATE INDEX card_open ON card (task, chat) WHERE over = 0;
CREATE TABLE chat_sent (                                           -- messages of the last minute to chats with a limit a minute
  chat      TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  delivery  INTEGER NOT NULL,
  PRIMARY KEY (chat, at_ms, delivery)
) STRICT, WITHOUT ROWID;
`

/** The order of what waits for a chat, and pauses that the service asked for. */
export const places = `
ALTER TABLE delivery ADD COLUMN place INTEGER NOT NULL DEFAULT 0;  -- what waits for a chat goes in this order
UPDATE delivery SET place = 2 * id;
DROP INDEX delivery_waits;
CREATE INDEX delivery_waits ON delivery (chat, place) WHERE state = 'waits';
CREATE TABLE chat_pause (                                          -- until when the service asked to be left alone
  name      TEXT PRIMARY KEY,                                      -- a chat, or poll:<bot>
  until_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`
