/** What the suites that run for every engine share. */
import { it } from "@effect/vitest"
import { Effect, Either, type Layer } from "effect"
import type { Refusal } from "../../src/domain/Refusal.ts"
import type { Engine, EngineReader, EngineUnavailable, Instants } from "../../src/engine/Engine.ts"
import { movable } from "./tasks.ts"

export type Store = Engine | EngineReader
export type EngineLayer = () => Layer.Layer<Store, unknown, Instants>

/** A test on an engine of its own, with clocks that it moves. */
export const testOn = (layer: EngineLayer) => <E>(sentence: string, body: (world: ReturnType<typeof movable>) => Effect.Effect<void, E, Store>) =>
  it.effect(sentence, () => {
    const world = movable()
    return body(world).pipe(Effect.provide(layer()), Effect.provide(world.layer))
  })

export const refusalOf = <A, R>(effect: Effect.Effect<A, Refusal | EngineUnavailable, R>) =>
  Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left._tag : "granted"))
