/** How long things took, for people: exact, since there are few. */
export function percentile(timesMs: readonly number[], share: number): number {
  const sorted = timesMs.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

export function describeTimes(timesMs: readonly number[]): string {
  if (timesMs.length === 0) return 'none';
  const show = (share: number): string => `${Math.round(percentile(timesMs, share))} ms`;
  return `p50 ${show(0.5)}, max ${show(1)}, of ${timesMs.length}`;
}
