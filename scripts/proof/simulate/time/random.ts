/**
 * The only source of chance in the simulation: xoshiro128** (Blackman and Vigna), seeded by splitmix32. `fork` gives a
 * part of the simulation its own stream, so that one more draw in one part does not change what happens in all others.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let state = seed >>> 0;
    const split = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) >>> 0;
    };
    [this.#a, this.#b, this.#c, this.#d] = [split(), split(), split(), split()];
  }

  /** 32 bits. */
  next(): number {
    const result = Math.imul(rotated(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotated(this.#d, 11);
    return result;
  }

  /** 0 up to, but not including, 1. */
  number(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** From `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.number() * (high - low + 1));
  }

  /** From `low` up to `high`. */
  between(low: number, high: number): number {
    return low + this.number() * (high - low);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.number() < probability;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error('Nothing can be picked from an empty list.');
    return list[Math.floor(this.number() * list.length)] as T;
  }

  /** Time until the next of events that come by chance, `mean` apart. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.number());
  }

  hex(words: number): string {
    let text = '';
    for (let word = 0; word < words; word++) text += this.next().toString(16).padStart(8, '0');
    return text;
  }

  fork(): Random {
    return new Random(this.next());
  }
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
