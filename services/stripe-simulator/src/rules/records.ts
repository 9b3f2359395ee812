/**
 * Texts by text key, outside the heap that the garbage collector walks: with some objects per entry in it, the collector
 * stood still for half a second at 200,000 calls, and what came in meanwhile seemed to arrive at once. Nothing is ever
 * taken out: records are let go of as a whole.
 *
 *     record: 4 bytes 1 + place of the record before it with the same hash, 0 if there is none | 8 when it was stored |
 *             4 length of the key | 4 length of the value | key | value
 *
 * Records lie in chunks. A place counts bytes from the first chunk on; a record that is longer than a chunk has one of
 * its own, as long as several.
 */
export class Records {
  /** Place of the newest record, by hash. */
  readonly #newest = new Map<number, number>();
  readonly #chunks = new Map<number, Buffer>();
  #chunk = Buffer.alloc(0);
  #chunkNumber = 0;
  #used = chunkBytes;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Places are 32 bits. */
  get isFull(): boolean {
    return this.#chunkNumber >= chunksMax;
  }

  /** The newest record with this key. */
  get(key: string): { readonly storedMs: number; readonly value: string } | undefined {
    const wanted = Buffer.from(key);
    let next = 1 + (this.#newest.get(hashOf(wanted)) ?? -1);
    while (next > 0) {
      const at = (next - 1) % chunkBytes;
      const chunk = this.#chunks.get((next - 1 - at) / chunkBytes) as Buffer;
      const keyAt = at + headBytes;
      const valueAt = keyAt + chunk.readUInt32LE(at + 12);
      if (wanted.compare(chunk, keyAt, valueAt) === 0) {
        const value = chunk.toString('utf8', valueAt, valueAt + chunk.readUInt32LE(at + 16));
        return { storedMs: chunk.readDoubleLE(at + 4), value };
      }
      next = chunk.readUInt32LE(at);
    }
    return undefined;
  }

  add(key: string, value: string, storedMs: number): void {
    const bytes = Buffer.from(key);
    const valueLength = Buffer.byteLength(value);
    const at = this.#take(headBytes + bytes.length + valueLength);
    const chunk = this.#chunk;
    const hash = hashOf(bytes);
    chunk.writeUInt32LE(1 + (this.#newest.get(hash) ?? -1), at);
    chunk.writeDoubleLE(storedMs, at + 4);
    chunk.writeUInt32LE(bytes.length, at + 12);
    chunk.writeUInt32LE(valueLength, at + 16);
    chunk.set(bytes, at + headBytes);
    chunk.write(value, at + headBytes + bytes.length);
    this.#newest.set(hash, this.#chunkNumber * chunkBytes + at);
    this.#size += 1;
  }

  /** Makes room for so many bytes in the current chunk, and answers from where on. */
  #take(length: number): number {
    if (this.#used + length > chunkBytes) {
      this.#chunkNumber += this.#chunk.length / chunkBytes;
      this.#chunk = Buffer.allocUnsafeSlow(Math.ceil(length / chunkBytes) * chunkBytes);
      this.#chunks.set(this.#chunkNumber, this.#chunk);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += length;
    return at;
  }
}

const headBytes = 20;
const chunkBytes = 2 ** 20;
// A place is less than 2^32 even with the longest record, which is some megabytes.
const chunksMax = 4_000;

/** FNV-1a, 32 bits: any hash will do, collisions are looked through. */
function hashOf(bytes: Buffer): number {
  let hash = 0x811c9dc5 | 0;
  for (let index = 0; index < bytes.length; index++) hash = Math.imul(hash ^ (bytes[index] as number), 0x01000193);
  return hash;
}
