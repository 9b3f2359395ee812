/**
 * How a backlog changed: the mean of the last third of its samples over that of the third before; the first third is the
 * way up to the steady state. A flush cycle makes the backlog rise and fall like saw teeth, so only means over several cycles say anything.
 */
export function growth(backlogs: readonly number[]): number {
  const third = Math.floor(backlogs.length / 3);
  if (third === 0) throw new Error('a trend needs at least three samples');
  const before = mean(backlogs.slice(-2 * third, -third));
  const after = mean(backlogs.slice(-third));
  return before === 0 && after === 0 ? 1 : after / before;
}

/** A steady backlog differs by a few percent between two means, since they do not hold whole cycles. */
export const steadyGrowthMax = 1.1;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
