/**
 * The exact set of sequences seen, as ascending ranges that neither touch nor overlap. Never a maximum: republished
 * messages arrive out of order, and a maximum would swallow the ones it jumped over (invariant 4).
 */
export class SequenceRanges {
  /** from, to, from, to … both inclusive. */
  readonly #bounds: number[];

  constructor(bounds: number[] = []) {
    this.#bounds = bounds;
  }

  get isEmpty(): boolean {
    return this.#bounds.length === 0;
  }

  has(sequence: number): boolean {
    const index = this.#firstRangeEndingAtOrAfter(sequence);
    const from = this.#bounds[index];
    return from !== undefined && from <= sequence;
  }

  add(sequence: number): void {
    this.addRange(sequence, sequence);
  }

  addRange(from: number, to: number): void {
    const bounds = this.#bounds;
    // The usual case: the next sequence of a producer extends the last range.
    const last = bounds.length - 1;
    if (last >= 0 && from === (bounds[last] ?? 0) + 1) {
      bounds[last] = to;
      return;
    }
    const start = this.#firstRangeEndingAtOrAfter(from - 1);
    let end = start;
    let mergedFrom = from;
    let mergedTo = to;
    for (let other = bounds[end]; other !== undefined && other <= to + 1; other = bounds[end]) {
      mergedFrom = Math.min(mergedFrom, other);
      mergedTo = Math.max(mergedTo, bounds[end + 1] ?? other);
      end += 2;
    }
    bounds.splice(start, end - start, mergedFrom, mergedTo);
  }

  addAll(other: SequenceRanges): void {
    for (const [from, to] of other.ranges()) this.addRange(from, to);
  }

  *ranges(): Generator<readonly [from: number, to: number]> {
    for (let index = 0; index < this.#bounds.length; index += 2) {
      yield [this.#bounds[index] ?? 0, this.#bounds[index + 1] ?? 0];
    }
  }

  /** `1-500,502,510-511` */
  toString(): string {
    return Array.from(this.ranges(), ([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
  }

  /** Reads what `toString` writes; undefined when the text is anything else. */
  static parse(text: string): SequenceRanges | undefined {
    const ranges = new SequenceRanges();
    if (text === '') return ranges;
    for (const part of text.split(',')) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (match === null) return undefined;
      const from = Number(match[1]);
      const to = Number(match[2] ?? match[1]);
      if (!Number.isSafeInteger(to) || from > to) return undefined;
      ranges.addRange(from, to);
    }
    return ranges;
  }

  /** Index in the bounds of the first range whose end is at or after `sequence`. */
  #firstRangeEndingAtOrAfter(sequence: number): number {
    let low = 0;
    let high = this.#bounds.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bounds[2 * middle + 1] ?? 0) < sequence) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}
