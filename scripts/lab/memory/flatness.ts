/** What a process had in memory, at one moment of a run. */
export interface Sample {
  readonly elapsedMs: number;
  readonly bytes: number;
}

export interface Flatness {
  /** Medians of the parts of the run after its warm-up, in order of time. */
  readonly medians: readonly number[];
  readonly highest: number;
  /** The largest median over the smallest: 1 is perfectly flat. */
  readonly ratio: number;
}

const parts = 8;
/** Until caches, tables and the heap have the size that they keep. */
export const warmUpShare = 0.3;

/** Medians, because the heap between two collections goes up and down by more than any leak of minutes. */
export function flatnessOf(samples: readonly Sample[], durationMs: number): Flatness {
  const warmMs = durationMs * warmUpShare;
  const partMs = (durationMs - warmMs) / parts;
  const medians = Array.from({ length: parts }, (_, part) => {
    const fromMs = warmMs + part * partMs;
    const within = samples.filter(({ elapsedMs }) => elapsedMs >= fromMs && elapsedMs < fromMs + partMs);
    return median(within.map(({ bytes }) => bytes));
  });
  const highest = Math.max(...samples.map(({ bytes }) => bytes));
  return { medians, highest, ratio: Math.max(...medians) / Math.min(...medians) };
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('a part of the run has no sample: it was too short to say anything');
  return middle;
}
