// How improbable a number of hits is.

/** The probability of so many of `tries` or of more, where `hits` is above what is to be expected; of so many or of fewer where it is
 *  below. 0 when there can't be so many. Cost: O(tries) */
export function binomialTail(hits: number, tries: number, chance: number): number {
  if (!(hits >= 0 && hits <= tries)) return 0;
  let ln = hits * Math.log(chance) + (tries - hits) * Math.log1p(-chance);
  for (let k = 1; k <= hits; k++) ln += Math.log((tries - hits + k) / k);
  const odds = chance / (1 - chance);
  let term = Math.exp(ln);
  let tail = 0;
  // away from what is to be expected each is less than the one before
  if (hits >= tries * chance) for (let k = hits; k <= tries; term *= ((tries - k) / (k + 1)) * odds, k++) tail += term;
  else for (let k = hits; k >= 0; term *= k / (tries - k + 1) / odds, k--) tail += term;
  return tail;
}
