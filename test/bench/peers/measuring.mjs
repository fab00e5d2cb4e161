/** What the peers' modules share: how a rate is taken, and how many callers ask at once. */

/** Longer than the slowest peer needs. A peer that lost a job fails by name instead of hanging the bench. */
const patienceMs = 300_000

/** `count` per second, for as long as `work` takes. */
export const perSecond = async (count, work) => {
  const startedAt = process.hrtime.bigint()
  await work()
  return count / (Number(process.hrtime.bigint() - startedAt) / 1e9)
}

/** Counts what is finished; `all` settles with the last of `count`. */
export const tally = (count) => {
  let left = count
  let timer
  let settle
  const all = new Promise((resolve, reject) => {
    settle = resolve
    timer = setTimeout(() => reject(new Error(`${left} of ${count} did not finish within ${patienceMs / 1000} s`)), patienceMs)
    // Nobody may be left to wait for it when an enqueue has failed.
    timer.unref()
  }).finally(() => clearTimeout(timer))
  // Whoever fails before it waits for `all` reports its own error; this one must not end the process instead.
  all.catch(() => undefined)
  return {
    all,
    one: (finished = 1) => {
      left -= finished
      if (left <= 0) settle()
    }
  }
}

/** As many callers as may be in flight, each asking for one after the other. */
export const callers = (count, inFlight, ask) =>
  Promise.all(
    Array.from({ length: Math.min(inFlight, count) }, async (_, caller) => {
      for (let n = caller; n < count; n += inFlight) await ask(n)
    })
  )

/** 0 to count - 1 in slices of at most `size`: what a bulk call takes at once. */
export const slices = (count, size) =>
  Array.from({ length: Math.ceil(count / size) }, (_, slice) => Array.from({ length: Math.min(size, count - slice * size) }, (_, n) => slice * size + n))

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
