/**
 * The event ids that a shard remembers, exactly: 128-bit hashes with the number of the set that counted each, in open
 * addressing over typed arrays, 20 bytes a slot at 67 to 80 % load, so at most 30 bytes an id.
 *
 * The table is cut into 32 segments that grow one at a time: growing all four million ids at once would stop the
 * process for a tenth of a second, one segment takes two or three milliseconds. More of them would do so in less, but a
 * claim is mostly spent waiting for memory, and few segments stay in the processor's caches.
 *
 * Whole sets are forgotten by raising a mark; their slots are reused and disappear when their segment is rebuilt.
 */
export type IdHash = readonly [number, number, number, number];

const segmentBits = 5;
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
  slots: number;
  /** Slots that are not empty, removed and forgotten ones included. */
  used: number;
  usedMax: number;
}

/** How many ids of a set are live. */
interface Tally {
  readonly set: number;
  ids: number;
}

export class DedupTable {
  readonly #segments: Segment[] = Array.from({ length: 1 << segmentBits }, () => ({
    words: noWords,
    slots: 0,
    used: 0,
    usedMax: 0,
  }));
  readonly #tallies = new Map<number, Tally>();
  /** The tally that was needed last: most claims in a row are of one set. */
  #tally: Tally | undefined;
  /** A slot is live if its last word is above this. */
  #deadMark = removed;

  /** Live ids. */
  get size(): number {
    let size = 0;
    for (const { ids } of this.#tallies.values()) size += ids;
    return size;
  }

  get bytes(): number {
    return this.#segments.reduce((bytes, segment) => bytes + segment.words.byteLength, 0);
  }

  countOf(set: number): number {
    return this.#tallies.get(set)?.ids ?? 0;
  }

  /** Claims the id for `set`; false when it is remembered already, whichever set counted it. */
  claim(hash: IdHash, set: number): boolean {
    const segment = this.#segmentOf(hash);
    if (segment.used >= segment.usedMax) this.#rebuild(segment);
    const { words } = segment;
    const deadMark = this.#deadMark;
    let reusable = -1;
    let slot = firstSlot(hash[1], segment.slots);
    for (;;) {
      const mark = words[slot + 4] ?? 0;
      if (mark > deadMark) {
        if (matches(words, slot, hash)) return false;
      } else if (mark === 0) {
        break;
      } else if (reusable < 0) {
        reusable = slot;
      }
      slot += wordsPerSlot;
      if (slot === words.length) slot = 0;
    }
    if (reusable >= 0) slot = reusable;
    else segment.used++;
    words[slot] = hash[0];
    words[slot + 1] = hash[1];
    words[slot + 2] = hash[2];
    words[slot + 3] = hash[3];
    words[slot + 4] = set + 1;
    this.#tallyOf(set).ids++;
    return true;
  }

  /** Gives back an id that `set` claimed and will not keep. */
  remove(hash: IdHash, set: number): void {
    if (set + 1 <= this.#deadMark) return;
    const { words, slots } = this.#segmentOf(hash);
    if (slots === 0) return;
    for (let slot = firstSlot(hash[1], slots); (words[slot + 4] ?? 0) !== 0; slot = nextSlot(slot, words)) {
      if (words[slot + 4] !== set + 1 || !matches(words, slot, hash)) continue;
      words[slot + 4] = removed;
      this.#tallyOf(set).ids--;
      return;
    }
  }

  /** Forgets every id of the sets up to and including `set`. */
  forgetThrough(set: number): void {
    this.#deadMark = Math.max(this.#deadMark, set + 1);
    for (const counted of this.#tallies.keys()) if (counted <= set) this.#tallies.delete(counted);
    this.#tally = undefined;
  }

  #tallyOf(set: number): Tally {
    let tally = this.#tally;
    if (tally?.set === set) return tally;
    tally = this.#tallies.get(set) ?? { set, ids: 0 };
    this.#tallies.set(set, tally);
    this.#tally = tally;
    return tally;
  }

  #segmentOf(hash: IdHash): Segment {
    const segment = this.#segments[hash[0] >>> (32 - segmentBits)];
    if (segment === undefined) throw new Error('An id hash must consist of 32-bit words.');
    return segment;
  }

  /** Drops what is removed or forgotten, and grows if that does not make enough room. */
  #rebuild(segment: Segment): void {
    const old = segment.words;
    const deadMark = this.#deadMark;
    let live = 0;
    for (let slot = 4; slot < old.length; slot += wordsPerSlot) if ((old[slot] ?? 0) > deadMark) live++;
    const slots = Math.max(smallestSegment, Math.ceil(((live + 1) / highestLoad) * growth));
    const words = new Uint32Array(slots * wordsPerSlot);
    for (let slot = 0; slot < old.length; slot += wordsPerSlot) {
      const mark = old[slot + 4] ?? 0;
      if (mark <= deadMark) continue;
      const second = old[slot + 1] ?? 0;
      let target = firstSlot(second, slots);
      while (words[target + 4] !== 0) target = nextSlot(target, words);
      words[target] = old[slot] ?? 0;
      words[target + 1] = second;
      words[target + 2] = old[slot + 2] ?? 0;
      words[target + 3] = old[slot + 3] ?? 0;
      words[target + 4] = mark;
    }
    segment.words = words;
    segment.slots = slots;
    segment.used = live;
    segment.usedMax = Math.floor(slots * highestLoad);
  }
}

/** The second word picks the slot, since the first one picked the segment. */
function firstSlot(second: number, slots: number): number {
  return Math.floor((second / 0x1_0000_0000) * slots) * wordsPerSlot;
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
