import type { Place } from './cursor.ts';

export interface Segment {
  readonly number: number;
  /** As far as its content is durable. */
  bytes: number;
}

/** Which segments there are, oldest first. Numbers grow and are never used twice, since the cursor names them. */
export class Ledger {
  #segments: Segment[];
  #nextNumber: number;
  /** The last one, while it is written to. What a former life wrote is never written to again. */
  #isOpen = false;
  #bytes = 0;

  constructor(segments: readonly { readonly number: number; readonly bytes: number }[], cursor: Place | undefined) {
    this.#segments = segments
      .map(({ number, bytes }) => ({ number, bytes }))
      .sort((left, right) => left.number - right.number);
    for (const { bytes } of this.#segments) this.#bytes += bytes;
    // A cursor at the beginning of a segment may be ahead of it; one inside a segment means that the number was used.
    const unused = cursor === undefined ? 1 : cursor.segment + (cursor.offset > 0 ? 1 : 0);
    this.#nextNumber = Math.max((this.#segments.at(-1)?.number ?? 0) + 1, unused);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#segments.length;
  }

  get first(): Segment | undefined {
    return this.#segments[0];
  }

  /** The one that is written to. */
  get current(): Segment | undefined {
    return this.#isOpen ? this.#segments.at(-1) : undefined;
  }

  get nextNumber(): number {
    return this.#nextNumber;
  }

  find(number: number): Segment | undefined {
    return this.#segments.find((segment) => segment.number === number);
  }

  grow(number: number, bytes: number): void {
    if (this.current?.number !== number) {
      this.#segments.push({ number, bytes: 0 });
      this.#isOpen = true;
      this.#nextNumber = number + 1;
    }
    const segment = this.#segments.at(-1);
    if (segment?.number !== number) throw new Error(`Segment ${number} grew although it is not the last.`);
    segment.bytes += bytes;
    this.#bytes += bytes;
  }

  /** Nothing more is written to the current one. */
  seal(): void {
    this.#isOpen = false;
  }

  /** A number whose file may exist, with what nobody knows. */
  skipNumber(): void {
    this.#nextNumber++;
  }

  removeFirst(): void {
    const removed = this.#segments.shift();
    this.#bytes -= removed?.bytes ?? 0;
  }

  /** The same place, at the beginning of the segment that follows if it is at the end of one that grows no more. */
  normal(place: Place): Place {
    for (let index = 0; index < this.#segments.length; index++) {
      const segment = this.#segments[index];
      if (segment === undefined || segment.number < place.segment) continue;
      const offset = segment.number === place.segment ? place.offset : 0;
      const growsNoMore = index < this.#segments.length - 1 || !this.#isOpen;
      if (offset < segment.bytes || !growsNoMore) return { segment: segment.number, offset };
    }
    return { segment: this.#nextNumber, offset: 0 };
  }
}
