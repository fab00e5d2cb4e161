/** The inbox, the deliveries, the cards and the tokens of chats in rows. Called within the writer's transaction. */
import type Database from "better-sqlite3"
import type { Body, Card, Delivery, InboxItem, Outgoing, Received, Taken, Token } from "../../domain/Chat.ts"
import type { Notice } from "../ChatStore.ts"

interface InboxRow {
  readonly number: number
  readonly chat: string
  readonly payload: string
  readonly state: "pending" | "done" | "dead"
  readonly received_at_ms: number
  readonly tries: number
  readonly not_before_ms: number
  readonly error: string | null
}

interface DeliveryRow {
  readonly id: number
  readonly chat: string
  readonly ref: string
  readonly card: string | null
  readonly body: string
  readonly tries: number
  readonly not_before_ms: number
  readonly at_ms: number
  readonly parts: number
  readonly message: number | null
}

interface TokenRow {
  readonly token: string
  readonly chat: string
  readonly task: string
  readonly ask: string
  readonly expires_at_ms: number
  readonly used_by: string | null
  readonly used_at_ms: number | null
}

const itemOf = ({ chat, error, not_before_ms, number, payload, received_at_ms, state, tries }: InboxRow): InboxItem =>
  ({ update: number, chat, payload, state, receivedAtMs: received_at_ms, tries, notBeforeMs: not_before_ms, error })

const tokenOf = ({ ask, chat, expires_at_ms, task, token }: TokenRow): Token => ({ token, chat, task, ask, expiresAtMs: expires_at_ms })

const bodyOf = (text: string): Body => JSON.parse(text)

/** Worked off updates, deliveries that are over and old tokens are kept for so long, to tell a repeat from something new. */
export const chatKeepMs = 7 * 86_400_000
const forgottenAtOnce = 200
/** What may wait lets so many of all messages go first that are stored after it. Its places are odd and the others' even, so no two are one. */
const lateBy = 200
/** Chats that have a limit a minute: groups and channels, whose ids are negative. What was sent to them is kept for that minute. */
const isLimited = (chat: string): boolean => chat.startsWith("-")
const sentKeptMs = 60_000

const prepareInbox = (db: Database.Database) => ({
  offset: db.prepare<[string], { next: number }>("SELECT next FROM chat_offset WHERE bot = ?"),
  setOffset: db.prepare("INSERT INTO chat_offset (bot, next) VALUES (?, ?) ON CONFLICT (bot) DO UPDATE SET next = excluded.next"),
  insert: db.prepare(
    "INSERT INTO inbox (bot, number, chat, payload, state, received_at_ms, tries, not_before_ms, error) VALUES (?, ?, ?, ?, 'pending', ?, 0, 0, NULL) ON CONFLICT DO NOTHING"
  ),
  // The first of each chat. The index has them side by side, so that a long backlog of one chat costs one step.
  pending: db.prepare<[string, string, number], InboxRow>(
    `SELECT i.* FROM (SELECT MIN(number) AS number FROM inbox WHERE bot = ? AND state = 'pending' GROUP BY chat) AS first
     JOIN inbox AS i ON i.bot = ? AND i.number = first.number ORDER BY i.not_before_ms, i.number LIMIT ?`
  ),
  settle: db.prepare("UPDATE inbox SET state = 'done', error = NULL WHERE bot = ? AND number = ? AND state = 'pending'"),
  fail: db.prepare("UPDATE inbox SET state = ?, tries = tries + 1, not_before_ms = ?, error = ? WHERE bot = ? AND number = ? AND state = 'pending'"),
  dead: db.prepare<[string, number], InboxRow>("SELECT * FROM inbox WHERE bot = ? AND state = 'dead' ORDER BY number LIMIT ?"),
  replay: db.prepare("UPDATE inbox SET state = 'pending', tries = 0, not_before_ms = 0 WHERE bot = ? AND number = ? AND state = 'dead'"),
  counts: db.prepare<[string], { state: string; count: number; oldest: number | null }>(
    "SELECT state, COUNT(*) AS count, MIN(received_at_ms) AS oldest FROM inbox WHERE bot = ? AND state IN ('pending', 'dead') GROUP BY state"
  ),
  forget: db.prepare("DELETE FROM inbox WHERE (bot, number) IN (SELECT bot, number FROM inbox WHERE state = 'done' AND received_at_ms < ? LIMIT ?)"),
  revive: db.prepare("DELETE FROM chat_dead WHERE chat = ?")
})

const prepareOut = (db: Database.Database) => ({
  insert: db.prepare(
    `INSERT INTO delivery (chat, ref, card, body, state, tries, not_before_ms, error, at_ms, place)
     VALUES (?, ?, ?, ?, 'waits', 0, ?, ?, ?, COALESCE(?, 2 * ((SELECT COALESCE(MAX(id), 0) + 1 FROM delivery) + ?) + ?)) ON CONFLICT DO NOTHING`
  ),
  waiting: db.prepare<[string, string, string], { place: number; not_before_ms: number; error: string | null; answers: number | null }>(
    "SELECT place, not_before_ms, error, body ->> '$.answers' AS answers FROM delivery WHERE chat = ? AND card = ? AND state = 'waits' AND ref <> ?"
  ),
  replace: db.prepare("UPDATE delivery SET state = 'replaced', body = NULL WHERE chat = ? AND card = ? AND state = 'waits' AND ref <> ?"),
  known: db.prepare<[string], { id: number }>("SELECT id FROM delivery WHERE ref = ?"),
  isDead: db.prepare<[string], { why: string }>("SELECT why FROM chat_dead WHERE chat = ?"),
  due: db.prepare<[number], DeliveryRow>(
    `SELECT d.id, d.chat, d.ref, d.card, d.body, d.tries, d.not_before_ms, d.at_ms, d.parts, c.message FROM (SELECT chat, MIN(place) AS place FROM delivery WHERE state = 'waits' GROUP BY chat) AS first
     JOIN delivery AS d ON d.chat = first.chat AND d.place = first.place AND d.state = 'waits' LEFT JOIN card AS c ON c.chat = d.chat AND c.task = d.card ORDER BY d.not_before_ms, d.id LIMIT ?`
  ),
  part: db.prepare("UPDATE delivery SET parts = ?, tries = 0 WHERE id = ? AND state = 'waits'"),
  hurry: db.prepare("UPDATE delivery SET not_before_ms = 0 WHERE state = 'waits' AND not_before_ms > 0 AND error <> 'http_429' AND tries < ?"),
  shorten: db.prepare("UPDATE delivery SET not_before_ms = ? WHERE state = 'waits' AND not_before_ms > ? AND error = 'http_429'"),
  forgetOver: db.prepare("DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE state <> 'waits' AND at_ms < ? LIMIT ?)"),
  addSent: db.prepare("INSERT INTO chat_sent (chat, at_ms, delivery) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
  forgetSent: db.prepare("DELETE FROM chat_sent WHERE chat = ? AND at_ms < ?"),
  lately: db.prepare<[number], { chat: string; at_ms: number }>("SELECT chat, at_ms FROM chat_sent WHERE at_ms >= ? ORDER BY chat, at_ms"),
  pause: db.prepare("INSERT INTO chat_pause (name, until_ms) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET until_ms = MAX(until_ms, excluded.until_ms)"),
  pauses: db.prepare<[number], { name: string; until_ms: number }>("SELECT name, until_ms FROM chat_pause WHERE until_ms > ?"),
  forgetPauses: db.prepare("DELETE FROM chat_pause WHERE until_ms <= ?"),
  one: db.prepare<[number], { chat: string; card: string | null }>("SELECT chat, card FROM delivery WHERE id = ?"),
  end: db.prepare("UPDATE delivery SET state = ?, body = NULL, error = ? WHERE id = ? AND state = 'waits'"),
  retry: db.prepare("UPDATE delivery SET tries = tries + 1, not_before_ms = ?, error = ? WHERE id = ? AND state = 'waits'"),
  addCard: db.prepare("INSERT INTO card (chat, task, message) VALUES (?, ?, NULL) ON CONFLICT DO NOTHING"),
  show: db.prepare("UPDATE card SET shown = ?, over = ? WHERE chat = ? AND task = ?"),
  carded: db.prepare<[string], Card>("SELECT chat, task, message, shown FROM card WHERE task = ?"),
  // What waited for a chat that is buried was never shown there.
  forgetShown: db.prepare("UPDATE card SET shown = NULL WHERE chat = ?"),
  openCards: db.prepare<[string, number], { task: string }>("SELECT DISTINCT task FROM card WHERE over = 0 AND task > ? ORDER BY task LIMIT ?"),
  setCard: db.prepare("UPDATE card SET message = ? WHERE chat = ? AND task = ?"),
  leaveCard: db.prepare("UPDATE card SET message = NULL WHERE chat = ? AND task = ?"),
  cards: db.prepare<[string], { chat: string; message: number | null }>("SELECT chat, message FROM card WHERE task = ?"),
  taskOfCard: db.prepare<[string, number], { task: string }>("SELECT task FROM card WHERE chat = ? AND message = ?"),
  bury: db.prepare("INSERT INTO chat_dead (chat, why, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
  buryDeliveries: db.prepare("UPDATE delivery SET state = 'given_up', body = NULL, error = ? WHERE chat = ? AND state = 'waits'"),
  moveDeliveries: db.prepare("UPDATE delivery SET chat = ? WHERE chat = ? AND state = 'waits'"),
  moveSent: db.prepare("UPDATE OR REPLACE chat_sent SET chat = ? WHERE chat = ?"),
  moveCards: db.prepare("UPDATE OR REPLACE card SET chat = ? WHERE chat = ?"),
  moveTokens: db.prepare("UPDATE token SET chat = ? WHERE chat = ?"),
  unsent: db.prepare<[], { count: number; oldest: number | null }>("SELECT COUNT(*) AS count, MIN(at_ms) AS oldest FROM delivery WHERE state = 'waits'"),
  insertToken: db.prepare("INSERT INTO token (token, chat, task, ask, expires_at_ms, used_by, used_at_ms) VALUES (?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT DO NOTHING"),
  token: db.prepare<[string], TokenRow>("SELECT * FROM token WHERE token = ?"),
  user: db.prepare<[string, number], { payload: string }>("SELECT payload FROM inbox WHERE bot = ? AND number = ?"),
  giveBack: db.prepare("UPDATE token SET used_by = NULL, used_at_ms = NULL WHERE token = ? AND used_by = ?"),
  useToken: db.prepare("UPDATE token SET used_by = ?, used_at_ms = ? WHERE token = ?"),
  forgetTokens: db.prepare("DELETE FROM token WHERE token IN (SELECT token FROM token WHERE expires_at_ms < ? LIMIT ?)"),
  through: db.prepare<[string], { through: number }>("SELECT through FROM relay WHERE name = ?"),
  setThrough: db.prepare("INSERT INTO relay (name, through) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET through = MAX(through, excluded.through)"),
  notices: db.prepare<[number, number], { id: number; topic: string; task: string; text: string; at: number }>("SELECT id, topic, task, text, at FROM outbox WHERE id > ? ORDER BY id LIMIT ?")
})

const inboxOf = (db: Database.Database, store: (out: Outgoing, nowMs: number) => void) => {
  const sql = prepareInbox(db)
  return {
    offset: (bot: string): number | null => sql.offset.get(bot)?.next ?? null,
    receive: (bot: string, updates: ReadonlyArray<Received>, offset: number | null, nowMs: number): number => {
      let count = 0
      for (const { chat, payload, update } of updates) {
        count += sql.insert.run(bot, update, chat, payload, nowMs).changes
        sql.revive.run(chat)
      }
      // What the service has confirmed is never asked for again, so the offset goes back only where the service's numbers do.
      if (offset !== null) sql.setOffset.run(bot, offset)
      sql.forget.run(nowMs - chatKeepMs, forgottenAtOnce)
      return count
    },
    pending: (bot: string, limit: number, nowMs: number) => {
      const items = sql.pending.all(bot, bot, limit).map(itemOf)
      const later = items.find(({ notBeforeMs }) => notBeforeMs > nowMs)
      return { items: items.filter(({ notBeforeMs }) => notBeforeMs <= nowMs), nextMs: later?.notBeforeMs ?? null }
    },
    settle: (bot: string, update: number, out: Outgoing, nowMs: number): void => {
      if (sql.settle.run(bot, update).changes > 0) store(out, nowMs)
    },
    fail: (bot: string, update: number, error: string, againAtMs: number | null): void =>
      void sql.fail.run(againAtMs === null ? "dead" : "pending", againAtMs ?? 0, error, bot, update),
    dead: (bot: string, limit: number) => sql.dead.all(bot, limit).map(itemOf),
    replay: (bot: string, update: number): boolean => sql.replay.run(bot, update).changes > 0,
    counts: (bot: string) => {
      const rows = sql.counts.all(bot)
      const of = (state: string) => rows.find((row) => row.state === state)
      return { pending: of("pending")?.count ?? 0, dead: of("dead")?.count ?? 0, oldestPendingMs: of("pending")?.oldest ?? null }
    }
  }
}

const cardsOf = (sql: ReturnType<typeof prepareOut>) => ({
  leaveCard: (chat: string, task: string): void => void sql.leaveCard.run(chat, task),
  migrate: (from: string, to: string): void => {
    sql.moveSent.run(to, from)
    sql.moveDeliveries.run(to, from)
    sql.moveCards.run(to, from)
    sql.moveTokens.run(to, from)
  },
  cards: (task: string) => sql.cards.all(task),
  carded: (tasks: ReadonlyArray<string>): ReadonlyArray<Card> => tasks.flatMap((task) => sql.carded.all(task)),
  openCards: (after: string, limit: number): ReadonlyArray<string> => sql.openCards.all(after, limit).map(({ task }) => task),
  taskOfCard: (chat: string, message: number): string | null => sql.taskOfCard.get(chat, message)?.task ?? null
})

const sendingOf = (sql: ReturnType<typeof prepareOut>) => {
  const deliveryOf = ({ at_ms, body, card, chat, id, message, not_before_ms, parts, ref, tries }: DeliveryRow): Delivery =>
    ({ id, chat, ref, card, body: bodyOf(body), tries, notBeforeMs: not_before_ms, atMs: at_ms, parts, message: card === null ? null : message })
  // Also of a try that may have failed: it may have been sent.
  const tried = (id: number, nowMs: number): void => {
    const chat = sql.one.get(id)?.chat
    if (chat === undefined || !isLimited(chat)) return
    sql.forgetSent.run(chat, nowMs - sentKeptMs)
    sql.addSent.run(chat, nowMs, id)
  }
  return {
    due: (limit: number, nowMs: number) => {
      const all = sql.due.all(limit).map(deliveryOf)
      const later = all.find(({ notBeforeMs }) => notBeforeMs > nowMs)
      return { deliveries: all.filter(({ notBeforeMs }) => notBeforeMs <= nowMs), nextMs: later?.notBeforeMs ?? null }
    },
    lately: (nowMs: number) => sql.lately.all(nowMs - sentKeptMs).map(({ at_ms, chat }) => ({ chat, atMs: at_ms })),
    partSent: (id: number, parts: number, nowMs: number): void => {
      tried(id, nowMs)
      sql.part.run(parts, id)
    },
    sent: (id: number, message: number | null, nowMs: number): void => {
      tried(id, nowMs)
      const row = sql.one.get(id)
      if (row?.card !== undefined && row.card !== null && message !== null) sql.setCard.run(message, row.chat, row.card)
      sql.end.run("sent", null, id)
    },
    retry: (id: number, error: string, againAtMs: number, nowMs: number): void => {
      tried(id, nowMs)
      sql.retry.run(againAtMs, error, id)
    },
    giveUp: (id: number, error: string): boolean => sql.end.run("given_up", error, id).changes > 0,
    hurry: (): number => sql.hurry.run(Number.MAX_SAFE_INTEGER).changes,
    unstick: (triesBelow: number, atMostMs: number): void => {
      sql.hurry.run(triesBelow)
      sql.shorten.run(atMostMs, atMostMs)
    },
    pause: (name: string, untilMs: number, nowMs: number): void => {
      sql.forgetPauses.run(nowMs)
      sql.pause.run(name, untilMs)
    },
    pauses: (nowMs: number) => sql.pauses.all(nowMs).map(({ name, until_ms }) => ({ name, untilMs: until_ms })),
    bury: (chat: string, why: string, nowMs: number): void => {
      sql.bury.run(chat, why, nowMs)
      sql.buryDeliveries.run(why, chat)
      sql.forgetShown.run(chat)
    }
  }
}

// A look that replaces the answer to somebody's words is the answer to them.
const answering = (body: Body, answers: number | null): Body => (body._tag === "Text" && body.answers === undefined && answers !== null ? { ...body, answers } : body)

/** The rows of chats. Every function is called within a transaction; instants are Unix milliseconds. */
export const make = (db: Database.Database) => {
  const sql = prepareOut(db)
  const store = ({ deliveries, tokens }: Outgoing, nowMs: number): void => {
    for (const { anew, body, card, chat, last, mayWait, ref, shown } of deliveries) {
      if (sql.isDead.get(chat) !== undefined || sql.known.get(ref) !== undefined) continue
      // The latest look goes where the one went that it replaces, and no earlier than that was told to.
      const before = card === null || anew === true ? undefined : sql.waiting.get(chat, card, ref)
      if (card !== null) {
        sql.replace.run(chat, card, ref)
        sql.addCard.run(chat, card)
        sql.show.run(shown ?? null, last === true ? 1 : 0, chat, card)
        if (anew === true) sql.leaveCard.run(chat, card)
      }
      const place = mayWait === true ? [lateBy, 1] : [0, 0]
      sql.insert.run(chat, ref, card, JSON.stringify(answering(body, before?.answers ?? null)), before?.not_before_ms ?? 0, before?.error ?? null, nowMs, before?.place ?? null, ...place)
    }
    for (const { ask, chat, expiresAtMs, task, token } of tokens) sql.insertToken.run(token, chat, task, ask, expiresAtMs)
    sql.forgetTokens.run(nowMs - chatKeepMs, forgottenAtOnce)
    sql.forgetOver.run(nowMs - chatKeepMs, forgottenAtOnce)
  }
  const inbox = inboxOf(db, store)
  const updateOf = (by: string): string | null => {
    const end = by.lastIndexOf(":")
    return sql.user.get(by.slice(0, end), Number(by.slice(end + 1)))?.payload ?? null
  }
  return {
    ...inbox,
    ...cardsOf(sql),
    ...sendingOf(sql),
    enqueue: store,
    count: (bot: string) => {
      const { count, oldest } = sql.unsent.get() ?? { count: 0, oldest: null }
      return { ...inbox.counts(bot), unsent: count, oldestUnsentMs: oldest }
    },
    notices: (relay: string, limit: number): ReadonlyArray<Notice> =>
      sql.notices.all(sql.through.get(relay)?.through ?? 0, limit).map(({ at, ...notice }) => ({ ...notice, atMs: at })),
    relayed: (relay: string, throughId: number, out: Outgoing, nowMs: number): void => {
      if ((sql.through.get(relay)?.through ?? 0) >= throughId) return
      store(out, nowMs)
      sql.setThrough.run(relay, throughId)
    },
    giveBack: (token: string, bot: string, update: number): void => void sql.giveBack.run(token, `${bot}:${update}`),
    take: (token: string, bot: string, update: number, nowMs: number): Taken => {
      const row = sql.token.get(token)
      if (row === undefined) return { _tag: "Unknown" }
      const by = `${bot}:${update}`
      if (row.used_by !== null && row.used_by !== by) return { _tag: "Used", token: tokenOf(row), atMs: row.used_at_ms ?? nowMs, by: updateOf(row.used_by) }
      if (row.used_by === null && row.expires_at_ms <= nowMs) return { _tag: "Expired", token: tokenOf(row) }
      if (row.used_by === null) sql.useToken.run(by, nowMs, token)
      return { _tag: "Fresh", token: tokenOf(row) }
    }
  }
}

export type Chats = ReturnType<typeof make>
