/** Durations in buckets that grow by about 9 % each: constant memory, percentiles within that error. */
const bucketsPerDoubling = 8;
const buckets = 256;
const smallestMs = 0.01;

export class Histogram {
  readonly counts: Float64Array;

  constructor(counts: Float64Array = new Float64Array(buckets)) {
    this.counts = counts;
  }

  record(ms: number): void {
    const bucket = Math.ceil(Math.log2(Math.max(ms, smallestMs) / smallestMs) * bucketsPerDoubling);
    const place = Math.min(bucket, buckets - 1);
    this.counts[place] = (this.counts[place] ?? 0) + 1;
  }

  add(other: Histogram): void {
    for (const [place, count] of other.counts.entries()) this.counts[place] = (this.counts[place] ?? 0) + count;
  }

  /** Upper bound of the duration that this share (0 to 1) stayed below; 0 when nothing was recorded. */
  percentile(share: number): number {
    const wanted = this.counts.reduce((sum, count) => sum + count, 0) * share;
    let seen = 0;
    for (const [place, count] of this.counts.entries()) {
      seen += count;
      if (count > 0 && seen >= wanted) return smallestMs * 2 ** (place / bucketsPerDoubling);
    }
    return 0;
  }
}
