/** The knee: the highest rate at which deliveries are still prompt and nothing is lost. */

/** How finely the knee is found: the highest good rate and the lowest bad one are this close. */
const fineness = 1.1
const beyondMeasure = 200_000

/**
 * Doubles the rate until it does not hold, then halves the distance.
 * A rate that failed is tried once more: one stall of the disk is not the system's knee.
 * @param first the rate to begin with, messages a second
 * @param holds measures a rate: whether it is below the knee
 * @param step every rate tried is a multiple of it, save the first
 * @returns the highest rate that held; 0 when none did
 */
export async function findKnee(
  first: number,
  holds: (rate: number) => Promise<boolean>,
  step = 10,
): Promise<number> {
  const held = async (rate: number) => (await holds(rate)) || holds(rate)
  let good = 0
  let bad = first
  while (bad < beyondMeasure && (await held(bad))) {
    good = bad
    bad *= 2
  }
  while (bad - good > step && (good > 0 ? bad / good > fineness : bad > first / 8)) {
    const middle = Math.round((good + bad) / 2 / step) * step
    if (await held(middle)) good = middle
    else bad = middle
  }
  return good
}
