/**
 * What is answered to an update. A command goes the way of every command, under a key made of the number of its update, so that an update
 * that is worked off again finds the answer it had and does nothing twice. Whoever is not listened to gets silence.
 */
import { Effect, Either, Schema } from "effect"
import { type CommandFailed } from "../../control/Commands.ts"
import { withDeadline } from "../../control/Deadline.ts"
import { handleAny } from "../../control/Door.ts"
import { refuseMalformed } from "../../control/EarlyRefusal.ts"
import { inFlight } from "../../control/InFlight.ts"
import type { Kinds } from "../../control/Kinds.ts"
import type { LimitsInForce } from "../../control/QueueViews.ts"
import { Redacting } from "../../control/Redacting.ts"
import type { Caller } from "../../domain/Authorization.ts"
import { type InboxItem, nothingOut, type Outgoing, type Taken } from "../../domain/Chat.ts"
import type { Ask } from "../../domain/Command.ts"
import { Answer } from "../../domain/Decision.ts"
import { counted, digestOf } from "../../domain/Governance.ts"
import { callerOf, type People, type RoleNames } from "../../domain/People.ts"
import { oneLine, printable } from "../../domain/Redaction.ts"
import { type Task, TaskId } from "../../domain/Task.ts"
import { shortId } from "../../domain/TaskState.ts"
import { ChatStore } from "../../engine/ChatStore.ts"
import { Chance, type Engine, EngineReader, EngineUnavailable, Instants } from "../../engine/Engine.ts"
import { lookAt } from "./CardLook.ts"
import { admitted, denials, type Known, ownShare, pacer } from "./Guard.ts"
import type { Talk } from "./Inbox.ts"
import { type Look, type Press, pressOf } from "./Look.ts"
import { answerTo, type Looking, taskNamed } from "./Looks.ts"
import { type Part, posted, say } from "./Parts.ts"
import { grantedText, refusedText, wordFor } from "./Sentences.ts"
import { approveElsewhere, clockOf, cut, type Decided, linkTo, risksOf, stateOf, type Ways } from "./TaskCard.ts"
import { carriesCommand, type Came, type FromPerson, read } from "./Update.ts"
import { usageOf } from "./Vocabulary.ts"
import type { Verdict } from "./Verdict.ts"
import { correction, type Said, understood } from "./Words.ts"

export interface TalkOptions extends Ways {
  readonly bot: string
  /** What follows the @ of a command that is for this bot; null: not known, and such commands are not answered. */
  readonly name: string | null
  readonly chats: ReadonlySet<string>
  readonly people: People
  readonly roles: RoleNames
  readonly staleAfterMs: number
  readonly commandsPerMinute: number
  readonly limits: LimitsInForce | null
  readonly verdict: Effect.Effect<Verdict | null>
  /** Answers a press at once, in a word that is seen for a moment. Best effort: whatever it fails of changes nothing. */
  readonly toast: (query: string, text: string) => Effect.Effect<void, unknown>
  /** Somebody who is known speaks in his private chat. Best effort, and nobody waits for it. */
  readonly met: (chat: string) => Effect.Effect<void>
}

type Needs = Engine | EngineReader | Instants | Kinds | ChatStore
type Talking<A> = Effect.Effect<A, EngineUnavailable, Needs>

type Words = Extract<Came, { _tag: "Words" }>
type Pressed = Extract<Came, { _tag: "Press" }>

/** An answer, and the word of it that is seen for a moment where a button was pressed. */
interface Reply {
  readonly parts: ReadonlyArray<Part>
  readonly word: string
}

const quiet: Reply = { parts: [], word: "" }
const sentence = (text: string, task: Task | null = null, buttons: Parameters<typeof say>[1] = []): Reply => ({ parts: [say(text, buttons, task)], word: text })

/** Tasks of which it is known who let them go. */
const decisionsMax = 1000

/** The longest word of a moment, as the service takes it. */
const toastMax = 200

const parsed = (payload: string): unknown => {
  try {
    return JSON.parse(payload)
  } catch {
    return null
  }
}

interface Speaker {
  readonly item: InboxItem
  readonly came: FromPerson
  readonly caller: Caller
}

const isAnswer = Schema.is(Answer)
const isTaskId = Schema.is(TaskId)

/** The first text of an answer says what it answers: a chat with many commands under way is read by that. */
const replying = ({ deliveries: [first, ...others], tokens }: Outgoing, message: number): Outgoing => {
  if (first === undefined) return { deliveries: [], tokens }
  const { body } = first
  return { deliveries: [body._tag === "Text" && body.about === undefined ? { ...first, body: { ...body, answers: message } } : first, ...others], tokens }
}

class Conversation {
  private readonly options: TalkOptions
  private readonly known: Known
  private readonly denied = denials()
  private readonly decisions = new Map<string, Decided>()
  private readonly pace: ReturnType<typeof pacer>

  constructor(options: TalkOptions) {
    this.options = options
    this.known = options
    this.pace = pacer(options.commandsPerMinute)
  }

  /** How a task looks now; who let it go last is told as long as this process knows. */
  readonly look = (task: Task): Effect.Effect<Look, EngineUnavailable, EngineReader> =>
    lookAt(task, this.options, task.state === "QUEUED" || task.state === "RUNNING" || task.state === "SUCCEEDED" ? this.decisions.get(task.id) ?? null : null)

  private decided(op: Ask["op"], { id }: Task, actor: string, atMs: number): void {
    if (op !== "resume" && op !== "recover" && op !== "reconcile") return
    const [oldest] = this.decisions.keys()
    if (this.decisions.size >= decisionsMax && oldest !== undefined) this.decisions.delete(oldest)
    this.decisions.set(id, { what: wordFor(op), actor, atMs, reason: null })
  }

  private readonly keyOf = ({ item }: Pick<Speaker, "item">): string => `telegram:${this.options.bot}:${item.update}`

  /** What is answered to one update. */
  readonly answer = (item: InboxItem): Talking<Outgoing> => {
    const raw = parsed(item.payload)
    const came = read(raw)
    switch (came._tag) {
      case "Moved":
        return this.moved(came)
      case "Nothing":
        return carriesCommand(raw) ? Effect.as(this.denied.record(came.why, came.identity, came.chat), nothingOut) : Effect.succeed(nothingOut)
      case "Words":
        return this.words(item, came)
      case "Press":
        return this.press(item, came)
    }
  }

  private moved({ chat, to }: Extract<Came, { _tag: "Moved" }>): Talking<Outgoing> {
    const told = this.options.chats.has(chat) && !this.options.chats.has(to) ? Effect.logWarning("a group has another number now: name it in telegram.chats", { from: chat, to }) : Effect.void
    return Effect.flatMap(ChatStore, (chats) => Effect.as(Effect.zipRight(told, chats.migrate(chat, to)), nothingOut))
  }

  private out(item: InboxItem, { chat }: FromPerson, { parts }: Reply): Talking<Outgoing> {
    return Effect.gen(this, function*() {
      const { next } = yield* Chance
      const { wallMs } = yield* Instants
      return posted(parts, { chat, ref: this.keyOf({ item }), nowMs: wallMs(), next })
    })
  }

  private words(item: InboxItem, came: Words): Talking<Outgoing> {
    return Effect.gen(this, function*() {
      const said = understood(came.text, this.options.name)
      const isSpoken = said._tag !== "Theirs" && (said._tag !== "Talk" || came.private)
      if (!isSpoken) return nothingOut
      const caller = admitted(this.known, came)
      if (typeof caller === "string") return yield* Effect.as(this.denied.record(caller, came.identity, came.chat), nothingOut)
      const pace = this.pace({ ...came, update: item.update, atMs: came.dateMs })
      if (pace === "silent") return nothingOut
      if (came.private) yield* Effect.forkDaemon(this.options.met(came.chat))
      const speaker = { item, came, caller }
      const reply = pace === "too_fast" ? this.tooFast(came) : (yield* this.isStale(speaker, came, said)) ? yield* this.asksAgain(speaker, came, said) : yield* this.reply(speaker, said)
      return replying(yield* this.out(item, came, reply), came.message)
    })
  }

  private tooFast({ private: isPrivate }: FromPerson): Reply {
    const { commandsPerMinute: perMinute } = this.options
    const share = isPrivate ? "" : `, ${ownShare(perMinute)} of one person`
    return sentence(`Too fast: at most ${perMinute} commands a minute here${share}. This one was not done, and I am silent until it is slower.`)
  }

  // What was carried out already is only answered again, however old it is by now.
  private isStale(speaker: Speaker, { dateMs }: Words, said: Said): Talking<boolean> {
    return Effect.gen(this, function*() {
      if (said._tag !== "Ask" || (yield* Instants).wallMs() - dateMs <= this.options.staleAfterMs) return false
      const reader = yield* EngineReader
      return (yield* reader.keys({ actor: speaker.caller.actor, key: this.keyOf(speaker), limit: 1 })).length === 0
    })
  }

  private asksAgain(speaker: Speaker, { dateMs, text }: Words, said: Said): Talking<Reply> {
    return Effect.gen(this, function*() {
      const head = `That was typed ${clockOf(dateMs)} and reached me late, so nothing was done.`
      if (said._tag !== "Ask" || said.name !== "approve") return sentence(`${head}\n${cut(printable(text), 600)}`, null, [[{ label: "Do it now", ask: { op: "words", text } }]])
      // Whoever approves sees what it is by now.
      const { parts } = yield* this.reply(speaker, understood(text.replace(/^\s*\/\S+/, "/status"), this.options.name))
      return { parts: [say(head), ...parts], word: head }
    })
  }

  private reply(speaker: Speaker, said: Said): Talking<Reply> {
    switch (said._tag) {
      case "Theirs":
        return Effect.succeed(quiet)
      case "Talk":
        return Effect.succeed(sentence("I only know commands; /help lists them."))
      case "Wrong":
        return Effect.succeed(sentence(correction(said)))
      case "Look":
        return this.looks(speaker, said)
      case "Ask":
        return this.carryOut(speaker, said.ask)
    }
  }

  private looks({ caller, came }: Speaker, { look }: Extract<Said, { _tag: "Look" }>): Talking<Reply> {
    const { limits, verdict } = this.options
    const looking: Looking = { caller, private: came.private, card: (task) => this.look(task), limits, verdict }
    return Effect.gen(function*() {
      const redactor = yield* Redacting
      return yield* answerTo(look, looking).pipe(
        Effect.map((parts): Reply => ({ parts, word: "" })),
        Effect.catchIf((error): error is Exclude<typeof error, EngineUnavailable> => error._tag !== "EngineUnavailable", (refusal) => Effect.succeed(sentence(refusedText(refusal, null, redactor, caller))))
      )
    })
  }

  /** Carries out what was typed; answers in a sentence, and the card follows. */
  private carryOut(speaker: Speaker, ask: Ask): Talking<Reply> {
    return Effect.gen(this, function*() {
      const done = yield* this.handle(speaker, ask)
      if (Either.isLeft(done)) return done.left
      const { answer, task } = done.right
      const text = grantedText(ask.op, answer, task)
      const look = yield* this.look(task)
      if (ask.op === "submit" || ask.op === "fork") {
        // Where the chat is told of such tasks, its card may be there already.
        const card: Part = { _tag: "Card", look, task, anew: false }
        return { parts: ask.op === "submit" && answer.existing !== true ? [card] : [say(text), card], word: text }
      }
      const chats = yield* ChatStore
      const shown = (yield* chats.cards(task.id)).some(({ chat }) => chat === speaker.came.chat)
      return { parts: [say(text), ...(shown ? [{ _tag: "Card" as const, look, task, anew: false }] : [])], word: text }
    })
  }

  /** The command itself. Left: why it was not done, as it is told. */
  private handle(speaker: Speaker, ask: Ask): Talking<Either.Either<{ readonly answer: Answer; readonly task: Task }, Reply>> {
    return Effect.gen(this, function*() {
      const reader = yield* EngineReader
      const redactor = yield* Redacting
      const about = "task" in ask ? yield* taskNamed(ask.task).pipe(Effect.catchTags({ TaskNotFound: () => Effect.succeed(null), TaskAmbiguous: () => Effect.succeed(null) })) : null
      if (ask.op === "approve" && about !== null && !this.options.mayApprove(risksOf(about))) return Either.left(yield* this.notHere(speaker, about))
      const asked = { ask, ...speaker.caller, channel: "telegram" as const, key: this.keyOf(speaker) }
      const done = yield* Effect.either(inFlight(asked, withDeadline(asked, handleAny(asked))))
      if (Either.isLeft(done)) {
        const failure: CommandFailed = done.left
        if (failure._tag === "EngineUnavailable") return yield* failure
        if (failure._tag === "CommandTimedOut") return Either.left(sentence(failure.message))
        const now = about === null ? null : (yield* reader.get(about.id)) ?? null
        return Either.left(sentence(refusedText(failure, now, redactor, speaker.caller), now))
      }
      const answer = done.right
      if (!isAnswer(answer) || !isTaskId(answer.task)) return yield* Effect.dieMessage("a command about a task has another answer")
      const task = yield* reader.get(answer.task)
      if (task === undefined) return yield* Effect.dieMessage("the task of an answer is gone")
      if (answer.moved) this.decided(ask.op, task, speaker.caller.actor, (yield* Instants).wallMs())
      return Either.right({ answer, task })
    })
  }

  private notHere({ caller }: Speaker, task: Task): Talking<Reply> {
    const url = linkTo(this.options, task)
    const risks = risksOf(task).map(oneLine).join(", ")
    const issue = `its risk (${risks}) is not approved in a chat`
    const next = url === null ? `${approveElsewhere(task)}, on the machine` : "the link below"
    return refuseMalformed({ ...caller, channel: "telegram" }, "approve", "a task with this risk is not approved in a chat").pipe(
      Effect.catchIf((error) => error._tag !== "EngineUnavailable", () => Effect.void),
      Effect.catchIf((error) => !(error instanceof EngineUnavailable), Effect.die),
      Effect.as(sentence(`not done: ${issue}\nnext: ${next}`, task, url === null ? [] : [[{ label: "🔗 Approve elsewhere", url }]]))
    )
  }

  private press(item: InboxItem, came: Pressed): Talking<Outgoing> {
    return Effect.gen(this, function*() {
      const caller = admitted(this.known, came)
      if (typeof caller === "string") return yield* Effect.as(this.denied.record(caller, came.identity, came.chat), nothingOut)
      const pace = this.pace({ ...came, update: item.update, atMs: item.receivedAtMs })
      // A press is always answered: its button waits for that.
      if (pace !== "fine") return yield* Effect.as(this.toast(came, this.tooFast(came).word), nothingOut)
      const chats = yield* ChatStore
      const taken = yield* chats.take(came.data, this.options.bot, item.update)
      const reply = yield* this.taken({ item, came, caller }, taken)
      yield* this.toast(came, reply.word)
      return yield* this.out(item, came, reply)
    })
  }

  private toast({ query }: Pressed, text: string): Effect.Effect<void> {
    return this.options.toast(query, cut(text, toastMax)).pipe(
      // The press is answered by what it did as well; nobody waits for this word.
      Effect.catchAllCause(() => Effect.void),
      Effect.forkDaemon,
      Effect.asVoid
    )
  }

  private taken(speaker: Speaker, taken: Taken): Talking<Reply> {
    const gone: Reply = { parts: [], word: "This button does nothing any more; /status shows the task." }
    if (taken._tag === "Unknown" || taken.token.chat !== speaker.came.chat) return Effect.succeed(gone)
    const press = pressOf(taken.token)
    if (press === null) return Effect.succeed(gone)
    const look = press.op === "words" ? understood(press.text, this.options.name) : null
    // A button has no room for a reason.
    if (look !== null && look._tag === "Wrong" && look.name !== null && press.op === "words") return Effect.succeed(sentence(`reply with: ${usageOf(look.name).replace("<id>", press.text.split(" ")[1] ?? "<id>")}`))
    // Whoever only looks may look again.
    if (look !== null && look._tag !== "Ask" && taken._tag !== "Expired") return this.reply(speaker, look)
    if (taken._tag === "Used") return this.used(taken, press)
    if (taken._tag === "Expired") return this.expired(taken.token.task)
    return press.op === "words" ? this.reply(speaker, look ?? { _tag: "Talk" }) : this.pressed(speaker, taken.token.token, press)
  }

  private expired(id: string): Talking<Reply> {
    return Effect.gen(this, function*() {
      const word = "This button has expired; the card is shown anew."
      const task = isTaskId(id) ? yield* Effect.flatMap(EngineReader, (reader) => reader.get(id)) : undefined
      return task === undefined ? { parts: [], word } : { parts: [{ _tag: "Card", look: yield* this.look(task), task, anew: false }], word }
    })
  }

  // Somebody was faster, or it was pressed twice: what it did is told, and nothing is done.
  private used({ atMs, by, token }: Extract<Taken, { _tag: "Used" }>, press: Press): Talking<Reply> {
    return Effect.gen(this, function*() {
      const came = by === null ? null : read(parsed(by))
      const identity = came !== null && (came._tag === "Press" || came._tag === "Words") ? came.identity : null
      const actor = identity === null ? null : callerOf(this.options.people, this.options.roles, identity).actor
      const id = token.task
      const task = isTaskId(id) ? yield* Effect.flatMap(EngineReader, (reader) => reader.get(id)) : undefined
      const what = press.op !== "words" && task !== undefined && hasHappened(press, task, actor) ? wordFor(press.op) : "pressed"
      const where = task === undefined ? "" : `; ${shortId(task.id)}: ${stateOf(task)}`
      return { parts: [], word: `already ${what}${actor === null ? "" : ` by ${cut(oneLine(actor), 48)}`} at ${clockOf(atMs)}${where}` }
    })
  }

  /** A command by a button: the card says what came of it, and a refusal is told besides. */
  private pressed(speaker: Speaker, token: string, ask: Ask): Talking<Reply> {
    return Effect.gen(this, function*() {
      const done = yield* this.handle(speaker, ask)
      const reader = yield* EngineReader
      const id = "task" in ask && isTaskId(ask.task) ? ask.task : null
      const task = Either.isRight(done) ? done.right.task : id === null ? undefined : yield* reader.get(id)
      if (task === undefined) return Either.isLeft(done) ? done.left : quiet
      const card: Part = { _tag: "Card", look: yield* this.look(task), task, anew: false }
      // Whoever may press it finds it as it was.
      if (Either.isLeft(done)) {
        yield* Effect.flatMap(ChatStore, (chats) => chats.giveBack(token, this.options.bot, speaker.item.update))
        return { parts: [...done.left.parts, card], word: done.left.word }
      }
      return { parts: [card], word: grantedText(ask.op, done.right.answer, task).split("\n")[0] ?? "" }
    })
  }
}

/** Whether what a button does has been done by this person, as far as the task shows it. */
const hasHappened = (ask: Ask, task: Task, actor: string | null): boolean => {
  const { governance } = task
  if (ask.op === "approve") return governance !== null && counted(governance, digestOf(task, governance)).some((approval) => approval.actor === actor)
  return ask.op === "resume" && task.state !== "REQUESTED" && task.state !== "APPROVED"
}

export interface Talks {
  /** For `workOff`. */
  readonly talk: Talk
  /** How a task looks in any chat, for `relay`. */
  readonly look: (task: Task) => Effect.Effect<Look, EngineUnavailable>
}

/** The conversation of a bot. Its needs are taken once. */
export const make = (options: TalkOptions): Effect.Effect<Talks, never, Needs> =>
  Effect.map(Effect.context<Needs>(), (context): Talks => {
    const conversation = new Conversation(options)
    return {
      talk: (item) => Effect.provide(conversation.answer(item), context),
      look: (task) => Effect.provide(conversation.look(task), context)
    }
  })
