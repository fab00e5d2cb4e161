/**
 * Exact one-sided 95 % Clopper–Pearson bounds, in whole parts per million and always rounded against the claim, and
 * the integers that follow from them: how many failures n units may hold, how many more units a proof needs.
 *
 * The lower bound of k good in n is the largest p at which k or more good units would still turn up by chance in at
 * most one run of twenty: P(X ≥ k | n, p) ≤ 0.05. The search runs over whole parts per million, so that no
 * rounding of the bound can tip a verdict. The bound takes the units to be independent.
 */

/** The chance, in each bound, of being wrong about it. */
export const alpha = 0.05

const million = 1_000_000

/** The good rate is at least this, in ppm. `good` of `total` units; 0 without any good unit. */
export const lowerBoundPpm = (good: number, total: number): number =>
  largest(0, million - 1, (ppm) => ppm === 0 || chanceOfAtMost(total - good, total, million - ppm) <= alpha)

/** The bad rate is at most this, in ppm; a million without any good unit. The mirror image of the lower bound. */
export const upperBoundPpm = (bad: number, total: number): number => million - lowerBoundPpm(total - bad, total)

/** The most failures with which `total` units still prove a good rate of `thresholdPpm`; -1 when even none is too few units. */
export const failuresMax = (total: number, thresholdPpm: number): number => {
  const proves = (bad: number) => bad === -1 || chanceOfAtMost(bad, total, million - thresholdPpm) <= alpha
  return largest(-1, total - 1, proves)
}

/** The least number of units that prove `thresholdPpm` (below a million) in spite of `bad` failures. */
export const unitsFor = (bad: number, thresholdPpm: number): number => {
  const falls = (total: number) => chanceOfAtMost(bad, total, million - thresholdPpm) > alpha
  let above = bad + 1
  while (falls(above)) above *= 2
  return largest(bad, above, (total) => total === bad || falls(total)) + 1
}

/** How many more units, all of them good, prove `thresholdPpm` after `total` units with `bad` failures; 0 when it is proven. */
export const needed = (total: number, bad: number, thresholdPpm: number): number => Math.max(0, unitsFor(bad, thresholdPpm) - total)

/** The steps `[n, failures_max]` for no failure up to `failures`: between two steps the lower one holds. */
export const acceptanceTable = (thresholdPpm: number, failures: number): ReadonlyArray<readonly [number, number]> =>
  Array.from({ length: failures + 1 }, (_, bad) => [unitsFor(bad, thresholdPpm), bad] as const)

// The largest whole number from `low` to `high` for which `holds`; it holds for `low` and, once false, stays false.
const largest = (low: number, high: number, holds: (candidate: number) => boolean): number => {
  let [yes, no] = [low, high + 1]
  while (no - yes > 1) {
    const middle = Math.floor((yes + no) / 2)
    if (holds(middle)) yes = middle
    else no = middle
  }
  return yes
}

// P(Y ≤ k) for Y binomial with n trials at `ppm` parts per million. Sums the side on which terms shrink, from k outwards,
// until they no longer count: the ratio of neighbours is known, so one logarithm is enough.
const chanceOfAtMost = (k: number, n: number, ppm: number): number => {
  if (k >= n || ppm <= 0) return 1
  if (k < 0 || ppm >= million) return 0
  const odds = ppm / (million - ppm)
  if (k <= (n * ppm) / million) return sum(chanceOf(k, n, ppm), (i) => (k - i) / ((n - k + i + 1) * odds))
  return 1 - sum(chanceOf(k + 1, n, ppm), (i) => ((n - k - 1 - i) * odds) / (k + 2 + i))
}

const sum = (first: number, ratio: (index: number) => number): number => {
  let total = 0
  for (let [term, i] = [first, 0]; term > total * 1e-17; i++) {
    total += term
    term *= ratio(i)
  }
  return total
}

const chanceOf = (k: number, n: number, ppm: number): number => {
  const p = ppm / million
  return Math.exp(logFactorial(n) - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p))
}

// ln n! by Stirling's series to the fifth term, which is exact to 1e-13 from 10 on; below, by the product.
const logFactorial = (n: number): number => {
  if (n < 10) return Math.log(Array.from({ length: n }, (_, i) => i + 1).reduce((product, factor) => product * factor, 1))
  const [x, xx] = [n + 1, (n + 1) ** 2]
  const tail = (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * xx)) / xx) / xx) / xx) / x
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + tail
}
