/**
 * The fewest faults with which a seed still fails: delta debugging over the names of its faults (Zeller and Hildebrandt, "Simplifying and
 * Isolating Failure-Inducing Input", 2002). Each fault has an instant of its own, so one that is left out moves no other.
 */

/** `fails` says whether the seed fails with these faults alone. Answers a list of which no single one can be left out, after `triesMax` tries at the latest. */
export const shrunk = async (all: ReadonlyArray<string>, fails: (some: ReadonlyArray<string>) => Promise<boolean>, triesMax: number): Promise<ReadonlyArray<string>> => {
  let left = all
  let parts = 2
  let tries = 0
  const holds = async (some: ReadonlyArray<string>): Promise<boolean> => {
    tries += 1
    return tries <= triesMax && fails(some)
  }
  if (await holds([])) return []
  while (left.length > 1) {
    const size = Math.ceil(left.length / parts)
    const chunks = Array.from({ length: parts }, (_, n) => left.slice(n * size, (n + 1) * size)).filter((chunk) => chunk.length > 0)
    let smaller: ReadonlyArray<string> | null = null
    for (const chunk of chunks) {
      const without = left.filter((name) => !chunk.includes(name))
      if (without.length > 0 && await holds(without)) {
        smaller = without
        break
      }
    }
    if (smaller !== null) {
      left = smaller
      parts = Math.max(2, parts - 1)
    } else if (parts >= left.length) return left
    else parts = Math.min(left.length, parts * 2)
    if (tries > triesMax) return left
  }
  return left
}
