/**
 * The event ids that a shard remembers, exactly: 128-bit hashes with the number of the set that counted each, in open
 * addressing over typed arrays, 20 bytes a slot at 67 to 80 % load, so at most 30 bytes an id.
 *
 * The table is cut into 256 segments that grow one at a time: growing all four million ids at once would stop the
 * process for a third of a second, one segment takes about a millisecond.
 *
 * Whole sets are forgotten by raising a mark; their slots are reused and disappear when their segment is rebuilt.
 */
export type IdHash = readonly [number, number, number, number];

const segmentBits = 8;
const wordsPerSlot = 5;
const highestLoad = 0.8;
const growth = 1.2;
const smallestSegment = 8;

/** What a segment begins with, so that a table without ids costs next to nothing. */
const noWords = new Uint32Array(0);

/** Values of a slot's last word: 0 = never used, 1 = removed, else the set's number + 1. */
const removed = 1;

interface Segment {
  words: Uint32Array;
  /** Slots that are not empty, removed and forgotten ones included. */
  used: number;
}

export class DedupTable {
  readonly #segments: Segment[] = Array.from({ length: 1 << segmentBits }, () => ({ words: noWords, used: 0 }));
  /** Set number → ids that are live. */
  readonly #counts = new Map<number, number>();
  #forgottenThrough = 0;

  /** Live ids. */
  get size(): number {
    let size = 0;
    for (const count of this.#counts.values()) size += count;
    return size;
  }

  get bytes(): number {
    return this.#segments.reduce((bytes, segment) => bytes + segment.words.byteLength, 0);
  }

  countOf(set: number): number {
    return this.#counts.get(set) ?? 0;
  }

  /** Claims the id for `set`; false when it is remembered already, whichever set counted it. */
  claim(hash: IdHash, set: number): boolean {
    const segment = this.#segmentOf(hash);
    if (segment.used + 1 > (segment.words.length / wordsPerSlot) * highestLoad) this.#rebuild(segment);
    const { words } = segment;
    let reusable = -1;
    let slot = firstSlot(hash, words);
    for (; ; slot = nextSlot(slot, words)) {
      const mark = words[slot + 4] ?? 0;
      if (mark === 0) break;
      if (this.#isLive(mark)) {
        if (matches(words, slot, hash)) return false;
      } else if (reusable < 0) {
        reusable = slot;
      }
    }
    if (reusable < 0) segment.used++;
    write(words, reusable < 0 ? slot : reusable, hash, set + 1);
    this.#counts.set(set, this.countOf(set) + 1);
    return true;
  }

  /** Gives back an id that `set` claimed and will not keep. */
  remove(hash: IdHash, set: number): void {
    if (set <= this.#forgottenThrough) return;
    const { words } = this.#segmentOf(hash);
    for (let slot = firstSlot(hash, words); (words[slot + 4] ?? 0) !== 0; slot = nextSlot(slot, words)) {
      if (words[slot + 4] !== set + 1 || !matches(words, slot, hash)) continue;
      words[slot + 4] = removed;
      this.#counts.set(set, this.countOf(set) - 1);
      return;
    }
  }

  /** Forgets every id of the sets up to and including `set`. */
  forgetThrough(set: number): void {
    this.#forgottenThrough = Math.max(this.#forgottenThrough, set);
    for (const counted of this.#counts.keys()) if (counted <= set) this.#counts.delete(counted);
  }

  #isLive(mark: number): boolean {
    return mark > removed && mark - 1 > this.#forgottenThrough;
  }

  #segmentOf(hash: IdHash): Segment {
    const segment = this.#segments[hash[0] >>> (32 - segmentBits)];
    if (segment === undefined) throw new Error('An id hash must consist of 32-bit words.');
    return segment;
  }

  /** Drops what is removed or forgotten, and grows if that does not make enough room. */
  #rebuild(segment: Segment): void {
    const old = segment.words;
    let live = 0;
    for (let slot = 4; slot < old.length; slot += wordsPerSlot) if (this.#isLive(old[slot] ?? 0)) live++;
    const slots = Math.max(smallestSegment, Math.ceil(((live + 1) / highestLoad) * growth));
    const words = new Uint32Array(slots * wordsPerSlot);
    for (let slot = 0; slot < old.length; slot += wordsPerSlot) {
      if (!this.#isLive(old[slot + 4] ?? 0)) continue;
      const hash: IdHash = [old[slot] ?? 0, old[slot + 1] ?? 0, old[slot + 2] ?? 0, old[slot + 3] ?? 0];
      let target = firstSlot(hash, words);
      while ((words[target + 4] ?? 0) !== 0) target = nextSlot(target, words);
      write(words, target, hash, old[slot + 4] ?? 0);
    }
    segment.words = words;
    segment.used = live;
  }
}

/** The second word picks the slot, since the first one picked the segment. */
function firstSlot(hash: IdHash, words: Uint32Array): number {
  return Math.floor((hash[1] / 0x1_0000_0000) * (words.length / wordsPerSlot)) * wordsPerSlot;
}

function nextSlot(slot: number, words: Uint32Array): number {
  const next = slot + wordsPerSlot;
  return next === words.length ? 0 : next;
}

function matches(words: Uint32Array, slot: number, hash: IdHash): boolean {
  return (
    words[slot] === hash[0] && words[slot + 1] === hash[1] && words[slot + 2] === hash[2] && words[slot + 3] === hash[3]
  );
}

function write(words: Uint32Array, slot: number, hash: IdHash, mark: number): void {
  words[slot] = hash[0];
  words[slot + 1] = hash[1];
  words[slot + 2] = hash[2];
  words[slot + 3] = hash[3];
  words[slot + 4] = mark;
}
