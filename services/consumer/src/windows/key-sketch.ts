/**
 * Estimates how many different keys it was shown, to some 2 %, in 2 KiB however many they are (HyperLogLog; Flajolet et al.
 * 2007). Used for sizing only: nothing that is billed follows from it.
 */
const indexBits = 11;
const registers = 2 ** indexBits;
const bias = 0.7213 / (1 + 1.079 / registers);

export class KeySketch {
  readonly #ranks = new Uint8Array(registers);

  add(key: string): void {
    const hash = hashOf(key);
    const index = hash >>> (32 - indexBits);
    const rank = Math.clz32((hash << indexBits) | (1 << (indexBits - 1))) + 1;
    if (rank > (this.#ranks[index] ?? 0)) this.#ranks[index] = rank;
  }

  estimate(): number {
    let sum = 0;
    let untouched = 0;
    for (const rank of this.#ranks) {
      sum += 2 ** -rank;
      if (rank === 0) untouched++;
    }
    const raw = (bias * registers ** 2) / sum;
    // Few keys: how many registers none of them met is the better witness.
    return raw <= 2.5 * registers && untouched > 0 ? registers * Math.log(registers / untouched) : raw;
  }

  clear(): void {
    this.#ranks.fill(0);
  }
}

/** FNV-1a over UTF-16 code units, mixed as MurmurHash3 does at its end: FNV alone leaves the upper bits uneven. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
